'use strict';
// What the older functions did, in short: look, then create or change.

const { normalizeRunId } = require('./runIdService');
const { find, insert } = require('./table');

async function createJobRecord(runId, stream, { source } = {}) {
  if (find('jobs', { 'Run ID': runId })) {
    throw new Error(`Job tracking record already exists for ${runId}`);
  }
  return insert('jobs', { 'Run ID': runId, Stream: stream, Status: 'Running', 'System Notes': `from ${source}` });
}

async function createClientRunRecord(runId, clientId, clientName, { source } = {}) {
  const id = normalizeRunId(runId, clientId);
  if (find('clients', { 'Run ID': id, 'Client ID': clientId })) {
    throw new Error(`Client run record already exists for ${id}, client ${clientId}`);
  }
  return insert('clients', {
    'Run ID': id, 'Client ID': clientId, 'Client Name': clientName, Status: 'Running', 'System Notes': `from ${source}`,
  });
}

async function getRunRecord(runId, clientId) {
  return find('clients', { 'Run ID': normalizeRunId(runId, clientId), 'Client ID': clientId }) ?? null;
}

async function change(what, runId, clientId, updates) {
  const row = await getRunRecord(runId, clientId);
  if (row === null) {
    throw new Error(`${what}: Run record not found for ${runId}, client ${clientId}`);
  }
  Object.assign(row.fields, updates);
  return row;
}

const updateRunRecord = (runId, clientId, updates) => change('Cannot update', runId, clientId, updates);
const updateClientMetrics = (runId, clientId, metrics) => change('Cannot update metrics', runId, clientId, metrics);
const completeRunRecord = (runId, clientId, status, notes) =>
  change('Cannot complete', runId, clientId, { Status: status, 'System Notes': notes });

async function completeJobRecord() {
  throw new TypeError('runIdService.stripClientSuffix is not a function');
}

module.exports = {
  completeJobRecord, completeRunRecord, createClientRunRecord, createJobRecord, getRunRecord, updateClientMetrics,
  updateRunRecord,
};
