// The functions of the older runRecordServiceV2. Each takes its arguments in their order, or as one object by their names.

/** A value of a column. */
export type Value = string | number | boolean | null;
/** Values by the names of columns; null and '' say nothing. */
export type Columns = Record<string, Value | bigint | Date | undefined>;

/** A record in the older shape. */
export interface RunRecord {
  /** Stable: `rec` and the key of the record. */
  readonly id: string;
  readonly fields: Record<string, string | number>;
  /** The value of a column; undefined when it is empty. */
  get(name: string): string | number | undefined;
}

export interface Options {
  /** Who asks. */
  source?: string;
  /** Is told about calls that fail: `warn` about refusals, `error` about the rest. It stays in this process. */
  logger?: unknown;
  /** The name of the call, to repeat one that is in doubt. */
  idempotencyKey?: string;
}

interface OfClient {
  runId: string;
  clientId: string;
  options?: Options;
}

interface NewJob {
  runId: string;
  stream?: string | number;
  options?: Options;
}

interface NewClient extends OfClient {
  clientName?: string;
}

interface Completion extends OfClient {
  status?: string;
  Status?: string;
  notes?: string;
  systemNotes?: string;
  'System Notes'?: string;
}

/** Checks that the ledger can be asked. Answers where it is; nothing is sent. */
export function initialize(): { url: string };

export function createJobRecord(runId: string, stream?: string | number, options?: Options): Promise<RunRecord>;
export function createJobRecord(named: NewJob): Promise<RunRecord>;

export function createClientRunRecord(
  runId: string, clientId: string, clientName?: string, options?: Options,
): Promise<RunRecord>;
export function createClientRunRecord(named: NewClient): Promise<RunRecord>;

/** The record, or null. Reading never creates. */
export function getRunRecord(runId: string, clientId: string, options?: Options): Promise<RunRecord | null>;
export function getRunRecord(named: OfClient): Promise<RunRecord | null>;

export function updateRunRecord(
  runId: string, clientId: string, updates: Columns, options?: Options,
): Promise<RunRecord>;
export function updateRunRecord(named: OfClient & { updates: Columns }): Promise<RunRecord>;

/** Of eight numbers the higher of the present and the new one counts. It never ends a record. */
export function updateClientMetrics(
  runId: string, clientId: string, metrics: Columns, options?: Options,
): Promise<RunRecord>;
export function updateClientMetrics(named: OfClient & { metrics: Columns }): Promise<RunRecord>;

/** Ends a record, for ever. The same end again changes nothing. */
export function completeRunRecord(
  runId: string, clientId: string, status: string, notes?: string, options?: Options,
): Promise<RunRecord>;
export function completeRunRecord(named: Completion): Promise<RunRecord>;

export function updateJobRecord(runId: string, updates: Columns, options?: Options): Promise<RunRecord>;
export function updateJobRecord(named: { runId: string; updates: Columns; options?: Options }): Promise<RunRecord>;

/** Ends a job, after its clients. */
export function completeJobRecord(
  runId: string, success: boolean, notes?: string, options?: Options,
): Promise<RunRecord>;
export function completeJobRecord(
  named: { runId: string; success: boolean; notes?: string; options?: Options },
): Promise<RunRecord>;

export function checkRunRecordExists(runId: string, clientId?: string | null, options?: Options): Promise<boolean>;
export function checkRunRecordExists(
  named: { runId: string; clientId?: string | null; options?: Options },
): Promise<boolean>;

export interface LogEntry {
  timestamp: string;
  action: string;
  runId: string | null;
  clientId: string | null;
  source: string;
  result: string;
}

/** The newest calls of this process first, at most 100. The ledger's own log has all of all. */
export function getActivityLog(limit?: number): LogEntry[];

/** Counts of what this process has seen. */
export function getStats(): {
  registrySize: number;
  activityLogSize: number;
  recordTypes: { running: number; completed: number; error: number; other: number };
};
