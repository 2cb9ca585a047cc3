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

exports.initialize = initialize;
exports.createJobRecord = functionOf('createJobRecord');
exports.createClientRunRecord = functionOf('createClientRunRecord');
exports.getRunRecord = functionOf('getRunRecord');
exports.updateRunRecord = functionOf('updateRunRecord');
exports.updateClientMetrics = functionOf('updateClientMetrics');
exports.completeRunRecord = functionOf('completeRunRecord');
exports.updateJobRecord = functionOf('updateJobRecord');
exports.completeJobRecord = functionOf('completeJobRecord');
exports.checkRunRecordExists = functionOf('checkRunRecordExists');
exports.getActivityLog = getActivityLog;
exports.getStats = getStats;
