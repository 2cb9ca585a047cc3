'use strict';
// The functions by name: their parameters in the order of the positional form, what they answer with, and the word that the
// older log had for them.

const RECORD = 'record';
const newClient = ['runId', 'clientId', 'clientName', 'options'];

const FUNCTIONS = {
  createJobRecord: { parameters: ['runId', 'stream', 'options'], answers: RECORD, action: 'create_job' },
  createClientRunRecord: { parameters: newClient, answers: RECORD, action: 'create_client' },
  createRunRecord: { parameters: newClient, answers: RECORD, action: 'create_client' },
  updateRunRecord: { parameters: ['runId', 'clientId', 'updates', 'options'], answers: RECORD, action: 'update' },
  updateClientMetrics: {
    parameters: ['runId', 'clientId', 'metrics', 'options'], answers: RECORD, action: 'update_metrics',
  },
  completeRunRecord: {
    parameters: ['runId', 'clientId', 'status', 'notes', 'options'], answers: RECORD, action: 'complete',
  },
  updateJobRecord: { parameters: ['runId', 'updates', 'options'], answers: RECORD, action: 'update_job' },
  completeJobRecord: { parameters: ['runId', 'success', 'notes', 'options'], answers: RECORD, action: 'complete_job' },
  registerApifyRunId: {
    parameters: ['apifyRunId', 'clientId', 'runId', 'options'], answers: 'text', action: 'update',
  },
  getRunRecord: { parameters: ['runId', 'clientId', 'options'], answers: 'record or null', action: 'get', reads: true },
  checkRunRecordExists: { parameters: ['runId', 'clientId', 'options'], answers: 'truth', reads: true },
};

/** Whether a value has the shape that a function answers with. */
const FITS = {
  record: isRecord,
  'record or null': (value) => value === null || isRecord(value),
  text: (value) => typeof value === 'string',
  truth: (value) => typeof value === 'boolean',
};

function isRecord(value) {
  const isObject = (one) => one !== null && typeof one === 'object' && !Array.isArray(one);
  return isObject(value) && typeof value.id === 'string' && isObject(value.fields);
}

module.exports = { FUNCTIONS, FITS };
