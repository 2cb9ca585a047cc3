'use strict';
// The functions of the older runRecordServiceV2, over a run ledger.

const { functionOf } = require('./lib/call');
const { getActivityLog, getStats } = require('./lib/memory');
const { settings } = require('./lib/settings');

/** Checks that the ledger can be asked. Answers where it is; nothing is sent. */
function initialize() {
  const { url } = settings();
  return { url: url.href };
}

module.exports = {
  initialize,
  createJobRecord: functionOf('createJobRecord'),
  createClientRunRecord: functionOf('createClientRunRecord'),
  getRunRecord: functionOf('getRunRecord'),
  updateRunRecord: functionOf('updateRunRecord'),
  updateClientMetrics: functionOf('updateClientMetrics'),
  completeRunRecord: functionOf('completeRunRecord'),
  updateJobRecord: functionOf('updateJobRecord'),
  completeJobRecord: functionOf('completeJobRecord'),
  checkRunRecordExists: functionOf('checkRunRecordExists'),
  getActivityLog,
  getStats,
};
