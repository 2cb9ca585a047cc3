'use strict';
// Scores the leads of one client in chunks, then says how it ended: for the client, and (with every client) for the run.

const runRecordService = require('../older/runRecordAdapter');

async function scoreLeads({ runId, client, chunks, pause, log }) {
  try {
    await runRecordService.createRunRecord(runId, client.id, client.name, { source: 'batchScorer_process' });
    let [examined, scored, tokens] = [0, 0, 0];
    for (const chunk of chunks) {
      await pause();
      examined += chunk.leads;
      scored += chunk.scored;
      tokens += chunk.tokens;
      const metrics = {
        'Profiles Examined for Scoring': examined,
        'Profiles Successfully Scored': scored,
        'Profile Scoring Tokens': tokens,
      };
      await runRecordService.updateClientMetrics(runId, client.id, metrics, { source: 'lead_processing_metrics' });
    }
    const reason = `Processed ${examined} leads, scored ${scored} successfully`;
    await runRecordService.completeRunRecord(runId, client.id, 'Success', reason, { source: 'batchScorer_complete' });
  } catch (error) {
    log(`lead scoring of ${client.id}: ${error.message}`);
  }
  try {
    await runRecordService.completeJobRecord(runId, true, 'Lead scoring is done', { source: 'batchScorer_complete' });
  } catch (error) {
    log(`the job is not completed after ${client.id}: ${error.message}`);
  }
}

module.exports = { scoreLeads };
