// The functions of the older runRecordAdapter.

import type { Options, RunRecord } from './runRecordServiceV2';
import * as serviceV2 from './runRecordServiceV2';

export type { Columns, LogEntry, Options, RunRecord, Value } from './runRecordServiceV2';
export {
  checkRunRecordExists, completeJobRecord, completeRunRecord, createJobRecord, getRunRecord, initialize,
  updateClientMetrics, updateJobRecord, updateRunRecord,
} from './runRecordServiceV2';

/** Creates a client's record; answers a source that may create with the one that is there. */
export function createRunRecord(
  runId: string, clientId: string, clientName?: string, options?: Options,
): Promise<RunRecord>;
export function createRunRecord(
  named: { runId: string; clientId: string; clientName?: string; options?: Options },
): Promise<RunRecord>;

export { serviceV2 };
