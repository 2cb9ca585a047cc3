'use strict';
// Scores the posts of one client. It wrote the client behind the run id with a C.

const runRecordService = require('../older/runRecordServiceV2');

async function scorePosts({ runId, client, examined, scored, tokens, log }) {
  try {
    const updates = {
      'Posts Examined for Scoring': examined,
      'Posts Successfully Scored': scored,
      'Post Scoring Tokens': tokens,
      'System Notes': `Post scoring: ${scored} of ${examined}`,
    };
    await runRecordService.updateRunRecord(`${runId}-C${client.id}`, client.id, updates, { source: 'post_scoring' });
  } catch (error) {
    log(`post scoring of ${client.id}: ${error.message}`);
  }
}

module.exports = { scorePosts };
