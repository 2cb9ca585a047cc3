'use strict';
// What this process has seen: for the functions that answer at once, as they did. It decides nothing: whether a record is
// there is the ledger's to say.

const ENTRIES_MAX = 100;
const RECORDS_MAX = 10_000;
const SHOWN = 50;

let log = [];
/** By the id of the record: `{recordId, runId, clientId, timestamp, status}`. */
const seen = new Map();

/** Takes down what became of a call. */
function note(action, { runId, clientId, source, result }) {
  const entry = {
    timestamp: new Date().toISOString(),
    action,
    runId: runId ?? null,
    clientId: clientId ?? null,
    source: source || 'unknown',
    result,
  };
  log = [entry, ...log].slice(0, ENTRIES_MAX);
}

/** The newest entries first, of this process; the ledger's own log has all. */
function getActivityLog(limit = SHOWN) {
  const count = Number.isFinite(Number(limit)) ? Math.max(0, Math.trunc(Number(limit))) : SHOWN;
  return log.slice(0, count).map((entry) => ({ ...entry }));
}

/** Remembers a record. */
function remember(key, entry) {
  seen.delete(key);
  seen.set(key, { timestamp: Date.now(), ...entry });
  if (seen.size > RECORDS_MAX) {
    seen.delete(seen.keys().next().value);
  }
}

const recall = (key) => seen.get(key);

/** Forgets what the condition holds for. */
function forget(isMeant) {
  for (const [key, entry] of seen) {
    if (isMeant(key, entry)) {
      seen.delete(key);
    }
  }
}

/** Counts what this process has seen. */
function getStats() {
  const recordTypes = { running: 0, completed: 0, error: 0, other: 0 };
  for (const { status } of seen.values()) {
    recordTypes[typeOf(status)] += 1;
  }
  return { registrySize: seen.size, activityLogSize: log.length, recordTypes };
}

function typeOf(status) {
  switch (String(status ?? '').toLowerCase()) {
    case 'running':
      return 'running';
    case 'success':
    case 'completed':
      return 'completed';
    case 'error':
    case 'failed':
      return 'error';
    default:
      return 'other';
  }
}

module.exports = { forget, getActivityLog, getStats, note, recall, remember };
