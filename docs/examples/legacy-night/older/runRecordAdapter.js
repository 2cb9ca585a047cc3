'use strict';
// The adapter: it took what was there, and created otherwise.

const serviceV2 = require('./runRecordServiceV2');

async function createRunRecord(runId, clientId, clientName, options) {
  return (
    (await serviceV2.getRunRecord(runId, clientId)) ??
    (await serviceV2.createClientRunRecord(runId, clientId, clientName, options))
  );
}

module.exports = { ...serviceV2, createRunRecord, serviceV2 };
