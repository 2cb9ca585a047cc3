// All of it in one: the three modules, their functions, and the settings.

import * as runIdService from './runIdService';
import * as runRecordAdapter from './runRecordAdapter';
import * as runRecordServiceV2 from './runRecordServiceV2';

export * from './runIdService';
export * from './runRecordServiceV2';
export { createRunRecord, serviceV2 } from './runRecordAdapter';
export { runIdService, runRecordAdapter, runRecordServiceV2 };

export interface Settings {
  /** Where the ledger is; RUNLEDGER_URL when it is left out, otherwise http://127.0.0.1:7420. */
  url?: string;
  /** The token; RUNLEDGER_TOKEN when it is left out. */
  token?: string;
  /** How long a call may take with all its tries, in milliseconds; 60 000 when nobody says otherwise. */
  deadlineMs?: number;
  /** How long one try may take, in milliseconds; 10 000 when nobody says otherwise. */
  tryMs?: number;
}

/** Says what the environment does not. What is left out is as before. */
export function configure(settings: Settings): void;

/**
 * A call that was refused, or of which no usable answer came. `message` begins with the older texts where callers match on
 * them (`already exists`, `Unauthorized source`, `not found`).
 */
export class LedgerError extends Error {
  readonly functionName: string;
  /** The stable word for programs; `unreachable`, `no_answer`, `unexpected_answer` and `not_sent` are this module's own. */
  readonly code: string;
  /** The HTTP status; undefined when no answer came. */
  readonly status?: number;
  /** The argument that is meant. */
  readonly field?: string;
  /** The record as it stands, in the words of the API, when the ledger showed it. */
  readonly existing?: unknown;
  /** The name that every try was sent with; pass it as `options.idempotencyKey` to repeat the call. */
  readonly idempotencyKey?: string;
  /** How many tries may have taken effect although nothing was heard of them. */
  readonly unanswered: number;
  /** Whether it is not known if the call took effect. */
  readonly inDoubt: boolean;
}
