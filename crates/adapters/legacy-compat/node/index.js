'use strict';
// All of it in one: the three modules, their functions, and the settings.

const { LedgerError } = require('./lib/errors');
const { configure } = require('./lib/settings');
const runIdService = require('./runIdService');
const runRecordAdapter = require('./runRecordAdapter');
const runRecordServiceV2 = require('./runRecordServiceV2');

module.exports = {
  ...require('./runRecordServiceV2'),
  ...require('./runRecordAdapter'),
  ...require('./runIdService'),
  runRecordServiceV2,
  runRecordAdapter,
  runIdService,
  configure,
  LedgerError,
};
