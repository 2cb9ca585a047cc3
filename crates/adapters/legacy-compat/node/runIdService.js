'use strict';
// The functions of the older runIdService. They answer at once, as they did; only `registerApifyRunId` asks the ledger.

const { functionOf } = require('./lib/call');
const memory = require('./lib/memory');
const { fromMillis, keyOf } = require('./lib/run-ids');

/** The last second that was given out as a run id. */
let lastSecond = 0;

/**
 * A run id of now, in UTC, with the client behind it; null without a client. One process never gives out a second twice;
 * whether the id is free is decided when its record is created.
 */
function generateRunId(clientId) {
  if (!clientId) {
    return null;
  }
  lastSecond = Math.max(lastSecond + 1, Math.floor(Date.now() / 1000));
  return keyOf(fromMillis(lastSecond * 1000), clientId);
}

/**
 * The one spelling of a client's run id; null without a client. Throws, with the name of the form, when it is no run id or
 * another client's: an id is never made up.
 */
function normalizeRunId(runId, clientId, forceNew = false) {
  if (!clientId) {
    return null;
  }
  if (forceNew === true) {
    throw new Error('an id is never replaced by a new one; start a run with generateRunId and createJobRecord');
  }
  return keyOf(runId, clientId);
}

/** Remembers the id of a record in this process. Answers the run id in its one spelling. */
function registerRunRecord(runId, clientId, recordId) {
  const key = keyOf(runId, clientId);
  memory.remember(key, { recordId, runId: key, clientId });
  return key;
}

/** The id of the record, if this process has seen it, or null. Whether there is one, the ledger says: `getRunRecord`. */
function getRunRecordId(runId, clientId) {
  return getCachedRunInfo(runId, clientId)?.recordId ?? null;
}

/** What this process has seen of the record, or null. */
function getCachedRunInfo(runId, clientId) {
  if (!runId || !clientId) {
    return null;
  }
  const key = keyOf(runId, clientId);
  const entry = memory.recall(key);
  if (entry === undefined) {
    return null;
  }
  return { recordId: entry.recordId, clientId, timestamp: entry.timestamp, baseId: key.slice(0, -clientId.length - 1) };
}

/** Forgets what this process has seen: of one record, of a client, or of all. */
function clearCache(runId, clientId) {
  if (runId && clientId) {
    const key = keyOf(runId, clientId);
    memory.forget((one) => one === key);
  } else if (clientId) {
    memory.forget((_, entry) => entry.clientId === clientId);
  } else if (!runId) {
    memory.forget(() => true);
  }
}

exports.generateRunId = generateRunId;
exports.normalizeRunId = normalizeRunId;
exports.registerRunRecord = registerRunRecord;
exports.getRunRecordId = getRunRecordId;
exports.getCachedRunInfo = getCachedRunInfo;
exports.clearCache = clearCache;
/** Files an Apify run id as a reference of the client's record; resolves to that record's run id. */
exports.registerApifyRunId = functionOf('registerApifyRunId');
