// The functions of the older runIdService. They answer at once; only `registerApifyRunId` asks the ledger.

import type { Options } from './runRecordServiceV2';

/** A run id of now, in UTC, with the client behind it; null without a client. */
export function generateRunId(clientId: string): string;
export function generateRunId(clientId?: null | ''): null;

/** The one spelling of a client's run id; null without a client. Throws when it is none: an id is never made up. */
export function normalizeRunId(runId: string, clientId: string, forceNew?: false): string;
export function normalizeRunId(runId: unknown, clientId?: null | ''): null;

/** Remembers the id of a record in this process. */
export function registerRunRecord(runId: string, clientId: string, recordId: string): string;

/** The id of a record that this process has seen, or null. */
export function getRunRecordId(runId: string, clientId: string): string | null;

/** What this process has seen of a record, or null. */
export function getCachedRunInfo(
  runId: string, clientId: string,
): { recordId: string; clientId: string; timestamp: number; baseId: string } | null;

/** Forgets what this process has seen: of one record, of a client, or of all. */
export function clearCache(runId?: string | null, clientId?: string | null): void;

/** Files an Apify run id as a reference of the client's record; resolves to that record's run id. */
export function registerApifyRunId(
  apifyRunId: string, clientId: string, runId?: string, options?: Options,
): Promise<string>;
export function registerApifyRunId(
  named: { apifyRunId: string; clientId: string; runId?: string; options?: Options },
): Promise<string>;
