'use strict';
// How run ids were made and found: whatever was not `YYMMDD-HHMMSS-<something>` became an id of now.

const { stamp } = require('./table');

function normalizeRunId(runId, clientId) {
  const parts = /^(\d{6}-\d{6})-(.+)$/.exec(runId);
  return parts ? `${parts[1]}-${clientId}` : `${stamp()}-${clientId}`;
}

module.exports = { normalizeRunId, registerApifyRunId: normalizeRunId };
