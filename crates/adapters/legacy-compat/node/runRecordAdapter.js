'use strict';
// The functions of the older runRecordAdapter. `createRunRecord` answers a source that may create with the record that is
// there.

const { functionOf } = require('./lib/call');
const serviceV2 = require('./runRecordServiceV2');

module.exports = {
  initialize: serviceV2.initialize,
  createRunRecord: functionOf('createRunRecord'),
  createJobRecord: serviceV2.createJobRecord,
  getRunRecord: serviceV2.getRunRecord,
  updateRunRecord: serviceV2.updateRunRecord,
  updateClientMetrics: serviceV2.updateClientMetrics,
  completeRunRecord: serviceV2.completeRunRecord,
  updateJobRecord: serviceV2.updateJobRecord,
  completeJobRecord: serviceV2.completeJobRecord,
  checkRunRecordExists: serviceV2.checkRunRecordExists,
  serviceV2,
};
