'use strict';
// Several processes at once, and the older acceptance run from its beginning to its end.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { resolve } = require('node:path');
const { test } = require('node:test');
const { RealServer, fresh } = require('./support/real-server');

const PROCESSES = 8;
const TRIALS = 10;

/** A process that waits for a word, creates, and prints the id of the record, or the error. */
function creator(url, functionName, args) {
  const program = `
    const legacy = require(${JSON.stringify(resolve(__dirname, '..'))});
    process.stdin.once('data', () => {
      legacy.${functionName}(...${JSON.stringify(args)})
        .then((record) => console.log(record.id), (error) => console.log(error.message))
        .finally(() => process.stdin.destroy());
    });
    console.log('ready');
  `;
  const child = spawn(process.execPath, ['-e', program], {
    env: { RUNLEDGER_URL: url }, stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  const ready = new Promise((done) => {
    child.stdout.on('data', (bytes) => {
      said += bytes;
      if (said.includes('ready')) {
        done();
      }
    });
  });
  const ended = new Promise((done) => child.once('close', () => done(said.replace('ready', '').trim())));
  return { ready, go: () => child.stdin.write('go\n'), ended };
}

async function race(url, functionName, args) {
  const creators = Array.from({ length: PROCESSES }, () => creator(url, functionName, args));
  await Promise.all(creators.map(({ ready }) => ready));
  creators.forEach(({ go }) => go());
  return Promise.all(creators.map(({ ended }) => ended));
}

test('eight processes that create one record at once make one row, and each gets it or is told', async () => {
  const server = await new RealServer().start();
  try {
    const legacy = fresh(server.url);
    const source = { source: 'orchestrator' };
    for (let trial = 0; trial < TRIALS; trial += 1) {
      const run = `250925-23184${trial}`;
      await legacy.createJobRecord(run, 1, source);
      // The adapter answers all of them with the record; V2 tells all but one that it exists.
      const taken = await race(server.url, 'createRunRecord', [run, 'acme', 'Acme', source]);
      assert.deepEqual(new Set(taken), new Set([`rec${run}-acme`]));
      const strict = await race(server.url, 'createClientRunRecord', [run, 'zen', 'Zen', source]);
      assert.equal(strict.filter((said) => said === `rec${run}-zen`).length, 1, strict.join('\n'));
      const told = strict.filter((said) => said.startsWith('Client run record already exists for'));
      assert.equal(told.length, PROCESSES - 1, strict.join('\n'));
    }
    const keys = server.records().map(({ key }) => key);
    assert.equal(keys.length, 3 * TRIALS);
    assert.equal(new Set(keys).size, keys.length);
  } finally {
    await server.close();
  }
});

test('the older acceptance run goes to its end: names as run ids, and a run whose job is kept elsewhere', async () => {
  const server = await new RealServer().start({ RUNLEDGER_CREATION__REQUIRE_JOB: 'false' });
  try {
    const { runRecordServiceV2: v2, runRecordAdapter: adapter } = fresh(server.url);
    const run = `test-run-${Date.now()}`;
    const from = (source) => ({ source, logger: {} });
    v2.initialize();
    adapter.initialize();
    await v2.createJobRecord(run, 1, from('orchestrator'));
    await assert.rejects(v2.createJobRecord(run, 1, from('batchScorer')), /Unauthorized source "batchScorer"/);
    const client = await v2.createClientRunRecord(run, 'TEST_CLIENT_ID', 'Test Client', from('orchestrator'));
    await assert.rejects(
      v2.createClientRunRecord(run, 'OTHER_CLIENT', 'Other Client', from('data_processor')),
      /Unauthorized source "data_processor"/,
    );
    assert.equal((await v2.getRunRecord(run, 'TEST_CLIENT_ID', from('test_script'))).id, client.id);
    const updates = { Status: 'Running', 'Profiles Examined for Scoring': 10, 'System Notes': 'Updated' };
    const updated = await v2.updateRunRecord(run, 'TEST_CLIENT_ID', updates, from('test_script'));
    assert.equal(updated.fields['Profiles Examined for Scoring'], 10);
    const metrics = { 'Profiles Examined for Scoring': 20, 'Profiles Successfully Scored': 15 };
    const measured = await v2.updateClientMetrics(run, 'TEST_CLIENT_ID', metrics, from('test_script'));
    assert.equal(measured.fields['Profiles Successfully Scored'], 15);
    await assert.rejects(v2.updateRunRecord(run, 'NONEXISTENT_CLIENT', { Status: 'Running' }, from('test_script')), /not found/);
    const adapted = await adapter.createRunRecord(`${run}-adapter`, 'TEST_CLIENT_ID', 'Test Client', from('batchScorer_process'));
    assert.equal(adapted.fields.Status, 'Running');
    const completed = await v2.completeRunRecord(run, 'TEST_CLIENT_ID', 'Success', 'Test completed', from('test_script'));
    assert.equal(completed.fields.Status, 'Completed');
    const job = await v2.completeJobRecord(run, true, 'Test job completed', from('test_script'));
    assert.ok(job.fields.Status === 'Completed' && job.fields['End Time']);
    assert.equal(v2.getActivityLog(5).length, 5);
    const many = `multi-client-test-${Date.now()}`;
    const clients = ['TEST_CLIENT_1', 'TEST_CLIENT_2', 'TEST_CLIENT_3'];
    await v2.createJobRecord(many, 1, from('orchestrator'));
    await Promise.all(clients.map((id) => v2.createClientRunRecord(many, id, id, from('orchestrator'))));
    await Promise.all(
      clients.map((id, place) =>
        v2.updateClientMetrics(many, id, { 'Profile Scoring Tokens': (place + 1) * 1000 }, from('test_multi_client'))),
    );
    await Promise.all(clients.map((id) => v2.completeRunRecord(many, id, 'Success', id, from('test_multi_client'))));
    const all = await v2.completeJobRecord(many, true, 'done', from('orchestrator'));
    assert.equal(all.fields['Profile Scoring Tokens'], 6000);
  } finally {
    await server.close();
  }
});
