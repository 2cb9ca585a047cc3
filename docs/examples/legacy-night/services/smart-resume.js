'use strict';
// Begins a run and, for each client, starts the operations that it needs. It does not wait for them.

const runRecordService = require('../older/runRecordAdapter');

async function smartResume({ runId, stream, clients, start, pause, log }) {
  await runRecordService.createJobRecord(runId, stream, { source: 'orchestrator' });
  for (const { id, name, operations } of clients) {
    try {
      await runRecordService.createRunRecord(runId, id, name, { source: 'smart_resume_workflow' });
    } catch (error) {
      log(`no run record for ${id}: ${error.message}`);
    }
    const started = [];
    for (const operation of operations) {
      await pause();
      started.push(start(operation, id));
    }
    try {
      const status = started.every(Boolean) ? 'Success' : 'Partial';
      const notes = `Jobs started: ${started.filter(Boolean).length}/${operations.length}`;
      const options = { source: 'smart_resume_workflow_complete' };
      await runRecordService.completeRunRecord(runId, id, status, notes, options);
    } catch (error) {
      log(`the run record of ${id} is not completed: ${error.message}`);
    }
    await pause();
  }
}

module.exports = { smartResume };
