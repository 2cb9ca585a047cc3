'use strict';
// Answers that are lost after the effect, and a server that is killed in the middle of a night: one record, one effect.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { CuttingProxy } = require('./support/cutting-proxy');
const { RealServer, fresh } = require('./support/real-server');

test('answers that are lost, cut or held are asked for again, and every call takes effect once', async () => {
  const server = await new RealServer().start();
  const proxy = await new CuttingProxy().start(server.url);
  try {
    const legacy = fresh(proxy.url, { tryMs: 1_000, deadlineMs: 20_000 });
    const run = '250925-231841';
    const source = { source: 'orchestrator' };
    proxy.plan('lose', 'cut');
    const job = await legacy.createJobRecord(run, 1, source);
    proxy.plan('hold');
    const client = await legacy.createClientRunRecord(run, 'acme', 'Acme', source);
    assert.deepEqual([job.id, client.id], [`rec${run}`, `rec${run}-acme`]);
    proxy.plan('lose', 'lose');
    const noted = await legacy.updateRunRecord(run, 'acme', { 'System Notes': 'seen once', Status: 'Running' }, source);
    assert.equal(noted.get('System Notes').split('seen once').length, 2);
    proxy.plan('cut');
    const ended = await legacy.updateRunRecord(run, 'acme', { Status: 'Error', 'Post Scoring Tokens': 3, 'System Notes': 'why' }, source);
    assert.equal(ended.get('Status'), 'Failed');
    proxy.plan('lose');
    await legacy.completeJobRecord(run, false, 'one failed', source);
    assert.deepEqual(server.records().map(({ key }) => key).sort(), [run, `${run}-acme`]);
    assert.equal(server.run('activity', '--refused').length, 0);
    assert.equal(proxy.done.filter((what) => what !== 'passed').length, 7);
  } finally {
    await proxy.close();
    await server.close();
  }
});

test('a call whose every answer is lost is in doubt, and its name settles it', async () => {
  const server = await new RealServer().start();
  const proxy = await new CuttingProxy().start(server.url);
  try {
    const legacy = fresh(proxy.url, { tryMs: 200, deadlineMs: 400 });
    proxy.plan(...Array(50).fill('lose'));
    const called = legacy.createJobRecord('250925-231841', 1, { source: 'orchestrator' });
    const error = await called.then(assert.fail, (error) => error);
    assert.equal(error.inDoubt, true);
    legacy.configure({ url: server.url });
    const options = { source: 'orchestrator', idempotencyKey: error.idempotencyKey };
    const record = await legacy.createJobRecord('250925-231841', 1, options);
    assert.equal(record.id, 'rec250925-231841');
    assert.equal(server.records().length, 1);
  } finally {
    await proxy.close();
    await server.close();
  }
});

test('a night goes on while the server is killed and started again', async () => {
  const server = await new RealServer().start();
  try {
    const legacy = fresh(server.url, { deadlineMs: 60_000 });
    const run = '250925-231841';
    const clients = Array.from({ length: 12 }, (_, place) => `client-${place}`);
    await legacy.createJobRecord(run, 1, { source: 'orchestrator' });
    let isOver = false;
    const killer = (async () => {
      let kills = 0;
      while (!isOver) {
        await new Promise((done) => setTimeout(done, 30));
        await server.kill();
        await server.start();
        kills += 1;
      }
      return kills;
    })();
    const night = async (client) => {
      await legacy.createRunRecord(run, client, client, { source: 'smart_resume_workflow' });
      for (let step = 1; step <= 5; step += 1) {
        const note = { 'System Notes': `${client} chunk ${step};`, 'Profile Scoring Tokens': step * 10 };
        await legacy.updateRunRecord(run, client, note, { source: 'batchScorer_process' });
      }
      return legacy.completeRunRecord(run, client, 'Success', `${client} done`, { source: 'batchScorer_complete' });
    };
    const ended = await Promise.all(clients.map(night));
    isOver = true;
    const kills = await killer;
    for (const record of ended) {
      const client = record.get('Client ID');
      assert.equal(record.get('Status'), 'Completed');
      for (let step = 1; step <= 5; step += 1) {
        assert.equal(record.get('System Notes').split(`${client} chunk ${step};`).length, 2, record.get('System Notes'));
      }
    }
    const job = await legacy.completeJobRecord(run, true, 'done', { source: 'orchestrator' });
    assert.equal(job.get('Profile Scoring Tokens'), 50 * clients.length);
    assert.ok(kills > 0, 'the server was never killed');
    assert.equal(server.records().length, 1 + clients.length);
    await server.kill();
    assert.equal(server.run('verify')[0].clean, true);
  } finally {
    await server.close();
  }
});
