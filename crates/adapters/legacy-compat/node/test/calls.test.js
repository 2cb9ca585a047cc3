'use strict';
// What callers rely on: names, call forms, records, functions that answer at once, errors that name the argument.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join, relative, resolve } = require('node:path');
const { after, before, test } = require('node:test');
const { RealServer, fresh } = require('./support/real-server');

const PACKAGE = resolve(__dirname, '..');
const RUN = '250925-231841';
const SOURCE = { source: 'orchestrator' };
let server;
let legacy;

before(async () => {
  server = await new RealServer().start();
  legacy = fresh(server.url);
  await legacy.createJobRecord(RUN, 1, SOURCE);
  await legacy.createClientRunRecord(RUN, 'acme', 'Acme', SOURCE);
});
after(() => server.close());

test('the three modules have the older names', () => {
  const names = {
    runRecordServiceV2: [
      'initialize', 'createJobRecord', 'createClientRunRecord', 'getRunRecord', 'updateRunRecord', 'updateClientMetrics',
      'completeRunRecord', 'updateJobRecord', 'completeJobRecord', 'checkRunRecordExists', 'getActivityLog', 'getStats',
    ],
    runRecordAdapter: [
      'initialize', 'createRunRecord', 'completeRunRecord', 'updateClientMetrics', 'createJobRecord', 'updateJobRecord',
      'completeJobRecord', 'getRunRecord', 'serviceV2',
    ],
    runIdService: [
      'generateRunId', 'normalizeRunId', 'registerRunRecord', 'getRunRecordId', 'clearCache', 'registerApifyRunId',
      'getCachedRunInfo',
    ],
  };
  for (const [module, functions] of Object.entries(names)) {
    for (const name of functions) {
      const kind = name === 'serviceV2' ? 'object' : 'function';
      assert.equal(typeof legacy[module][name], kind, `${module}.${name}`);
      assert.equal(legacy[name], legacy[module][name], name);
    }
  }
  assert.equal(legacy.createRunRecord.name, 'createRunRecord');
});

test('a service finds it by name, by relative path and as an ES module', () => {
  const home = mkdtempSync(join(tmpdir(), 'runledger-service-'));
  try {
    mkdirSync(join(home, 'node_modules'));
    symlinkSync(PACKAGE, join(home, 'node_modules', 'runledger-legacy'));
    const path = relative(home, PACKAGE);
    const lines = [
      "const assert = require('node:assert/strict');",
      "const byName = require('runledger-legacy/runRecordAdapter');",
      `const byPath = require('./${path}/runRecordAdapter');`,
      `const withEnding = require('./${path}/runRecordServiceV2.js');`,
      "assert.equal(typeof require('runledger-legacy/runIdService').generateRunId, 'function');",
      "assert.equal(byName, byPath);",
      "assert.equal(byPath.serviceV2, withEnding);",
      "assert.equal(require('runledger-legacy').createRunRecord, byName.createRunRecord);",
      `byName.getRunRecord('${RUN}', 'acme').then((record) => console.log(record.id));`,
    ];
    writeFileSync(join(home, 'service.js'), lines.join('\n'));
    const module = [
      "import { createRunRecord, LedgerError } from 'runledger-legacy';",
      "import { generateRunId } from 'runledger-legacy/runIdService';",
      "import { getRunRecord } from 'runledger-legacy/runRecordServiceV2';",
      "if (![createRunRecord, LedgerError, generateRunId].every((one) => typeof one === 'function')) throw new Error();",
      `console.log((await getRunRecord('${RUN}', 'acme')).id);`,
    ];
    writeFileSync(join(home, 'service.mjs'), module.join('\n'));
    for (const file of ['service.js', 'service.mjs']) {
      const env = { PATH: process.env.PATH, RUNLEDGER_URL: server.url };
      const ran = spawnSync(process.execPath, [file], { cwd: home, env, encoding: 'utf8' });
      // It also ends by itself: connections that wait for the next call keep no process alive.
      assert.equal(ran.stdout.trim(), `rec${RUN}-acme`, ran.stderr);
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

test('a record has an id, its columns, and get', async () => {
  const record = await legacy.getRunRecord(RUN, 'acme');
  assert.equal(record.id, `rec${RUN}-acme`);
  assert.equal(record.get('Client Name'), 'Acme');
  assert.equal(record.fields['Client Name'], 'Acme');
  assert.equal(record.get('Apify Run ID'), undefined);
  assert.equal(record.get('toString'), undefined);
  assert.equal(await legacy.getRunRecord(RUN, 'globex'), null);
});

test('the log and the counts of this process are there at once', async () => {
  const own = fresh(server.url);
  await own.updateRunRecord(RUN, 'acme', { Status: 'Running' }, { source: 'test_script' });
  await own.createJobRecord(RUN, 1, { source: 'evil' }).catch(() => {});
  await own.completeRunRecord(RUN, 'globex', 'Success', 'n', { source: 'post_scoring' }).catch(() => {});
  const log = own.getActivityLog(2);
  assert.deepEqual(
    log.map(({ action, runId, clientId, source }) => [action, runId, clientId, source]),
    [['complete', RUN, 'globex', 'post_scoring'], ['create_job', RUN, null, 'evil']],
  );
  assert.ok(log.every(({ result, timestamp }) => result.startsWith('ERROR: ') && !Number.isNaN(Date.parse(timestamp))));
  assert.ok(own.getActivityLog()[2].result.startsWith('SUCCESS: '));
  assert.deepEqual(own.getStats(), {
    registrySize: 1, activityLogSize: 3, recordTypes: { running: 1, completed: 0, error: 0, other: 0 },
  });
  for (let count = 0; count < 120; count += 1) {
    await own.getRunRecord('', '').catch(() => {});
  }
  assert.equal(own.getActivityLog(1_000).length, 100);
});

test('the id service answers at once', () => {
  const own = fresh(server.url);
  const ids = Array.from({ length: 5 }, () => own.generateRunId('Guy-Wilson'));
  assert.equal(new Set(ids).size, 5);
  assert.match(ids[0], /^\d{6}-\d{6}-Guy-Wilson$/);
  assert.equal(own.generateRunId(''), null);
  assert.equal(own.registerRunRecord(`${RUN}-CGuy-Wilson`, 'Guy-Wilson', 'rec7'), `${RUN}-Guy-Wilson`);
  assert.equal(own.getRunRecordId(RUN, 'Guy-Wilson'), 'rec7');
  assert.equal(own.getCachedRunInfo(RUN, 'Guy-Wilson').baseId, RUN);
  // F52: a record is known by its own key alone.
  assert.equal(own.getRunRecordId('250925-231842', 'Guy-Wilson'), null);
  assert.equal(own.getRunRecordId(RUN, 'Dean-Hobin'), null);
  own.clearCache(null, 'Guy-Wilson');
  assert.equal(own.getRunRecordId(RUN, 'Guy-Wilson'), null);
});

test('an argument that is none is named, and nothing is sent', async () => {
  const lines = server.run('activity').length;
  const late = Promise.resolve(RUN);
  for (const [args, words] of [
    [[late, 'acme'], 'runId is a Promise; await it'],
    [[{ debug() {}, info() {} }, 'acme'], 'runId must be a string, received object'],
    [[['a'], 'acme'], 'runId must be a string, received array'],
    [[RUN, 'acme', { 'Post Scoring Tokens': NaN }], 'Post Scoring Tokens is NaN'],
    [[RUN, 'acme', { 'Post Scoring Tokens': () => 1 }], 'Post Scoring Tokens is a function'],
    [[RUN, 'acme', { 'Start Time': new Date(NaN) }], 'Start Time is an invalid Date'],
    [[RUN, 'acme', { Status: 'Running' }, { source: late }], 'source is a Promise; await it'],
  ]) {
    await assert.rejects(legacy.updateRunRecord(...args), (error) => {
      assert.ok(error.message.includes(words), error.message);
      return error.code === 'not_sent';
    });
  }
  const knot = {};
  knot.knot = knot;
  await assert.rejects(legacy.updateRunRecord(RUN, 'acme', knot), { code: 'not_sent' });
  assert.equal(server.run('activity').length, lines);
  // What the server refuses is named too.
  await assert.rejects(legacy.updateRunRecord(undefined, 'acme', {}), /runId is missing/);
  await assert.rejects(legacy.updateRunRecord(RUN, 7, {}), /clientId must be a string, received number/);
  await assert.rejects(legacy.updateRunRecord(RUN, 'acme', {}, { source: 7 }), /source must be a string, received number/);
});

test("a caller's options stay as they were, and a logger with a knot in it does no harm", async () => {
  const logger = { warn() { throw new Error('the logger fails'); } };
  logger.self = logger;
  const options = Object.freeze({ source: 'batchScorer_process', logger });
  const record = await legacy.createRunRecord(RUN, 'acme', 'Acme', options);
  assert.equal(options.source, 'batchScorer_process');
  assert.equal(record.get('Client ID'), 'acme');
  await assert.rejects(legacy.updateRunRecord(RUN, 'globex', { Status: 'Running' }, options), /not found/);
});

test('a token is sent and never shown', async () => {
  const [{ secret }] = server.run('token', 'create', 'night', '--for', 'orchestrator', '--scope', 'create', '--scope', 'read');
  const own = fresh(server.url);
  await assert.rejects(own.getRunRecord(RUN, 'acme'), { code: 'token_missing' });
  own.configure({ token: secret });
  assert.equal((await own.getRunRecord(RUN, 'acme')).id, `rec${RUN}-acme`);
  const error = await own.completeRunRecord(RUN, 'acme', 'Success', '', SOURCE).then(assert.fail, (error) => error);
  assert.equal(error.code, 'scope_missing');
  assert.ok(!`${error.stack}${JSON.stringify(error)}${JSON.stringify(own.getActivityLog())}`.includes(secret));
  for (const settings of [{ url: 'mailto:me' }, { url: 'http://u:p@127.0.0.1' }, { url: server.url, token: 'a\nb' }]) {
    own.configure(settings);
    assert.throws(() => own.initialize(), (error) => !/u:p|a\nb/.test(error.message) && error.message.includes('RUNLEDGER'));
  }
});
