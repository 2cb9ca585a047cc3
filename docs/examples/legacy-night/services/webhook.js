'use strict';
// Apify calls back, with its own run id alone.

const runIdService = require('../older/runIdService');
const runRecordService = require('../older/runRecordServiceV2');

async function apifyCalledBack({ apifyRunId, client, posts, log }) {
  try {
    const runId = await runIdService.registerApifyRunId(apifyRunId, client.id);
    const metrics = { 'Total Posts Harvested': posts };
    await runRecordService.updateClientMetrics(runId, client.id, metrics, { source: 'apify_webhook' });
  } catch (error) {
    log(`webhook for ${client.id}: ${error.message}`);
  }
}

module.exports = { apifyCalledBack };
