'use strict';
// Has the posts of one client harvested by Apify, and reports what that came to.

const runIdService = require('../older/runIdService');
const runRecordService = require('../older/runRecordAdapter');

async function harvestPosts({ runId: parentRunId, client, apify, log }) {
  try {
    const runId = runIdService.normalizeRunId(parentRunId, client.id);
    const metrics = {
      'Total Posts Harvested': apify.posts,
      'Apify API Costs': apify.posts * 0.02,
      'Apify Run ID': apify.runId,
      'Profiles Submitted for Post Harvesting': apify.profiles,
    };
    await runRecordService.updateClientMetrics(runId, client.id, metrics, { source: 'apifyProcessRoutes' });
  } catch (error) {
    log(`post harvesting of ${client.id}: ${error.message}`);
  }
}

module.exports = { harvestPosts };
