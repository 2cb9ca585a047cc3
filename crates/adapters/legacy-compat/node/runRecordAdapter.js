'use strict';
// The functions of the older runRecordAdapter. `createRunRecord` answers a source that may create with the record that is
// there.

const { functionOf } = require('./lib/call');
const serviceV2 = require('./runRecordServiceV2');

exports.initialize = serviceV2.initialize;
exports.createRunRecord = functionOf('createRunRecord');
exports.createJobRecord = serviceV2.createJobRecord;
exports.getRunRecord = serviceV2.getRunRecord;
exports.updateRunRecord = serviceV2.updateRunRecord;
exports.updateClientMetrics = serviceV2.updateClientMetrics;
exports.completeRunRecord = serviceV2.completeRunRecord;
exports.updateJobRecord = serviceV2.updateJobRecord;
exports.completeJobRecord = serviceV2.completeJobRecord;
exports.checkRunRecordExists = serviceV2.checkRunRecordExists;
exports.serviceV2 = serviceV2;
