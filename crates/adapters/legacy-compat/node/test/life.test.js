'use strict';
// What a life of a job and a client costs: how many requests the module sends, and what the server counted of them.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { CuttingProxy } = require('./support/cutting-proxy');
const { RealServer, fresh } = require('./support/real-server');

/** The sum over all labels of a metric of the server. */
async function counted(server, name) {
  const page = await (await fetch(`${server.url}/metrics`)).text();
  const samples = page.split('\n').filter((line) => line.startsWith(`${name}{`));
  return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

test('a life of a job and a client with five changes is nine requests, and nothing is counted twice', async () => {
  const server = await new RealServer().start();
  const proxy = await new CuttingProxy().start(server.url);
  try {
    const legacy = fresh(proxy.url);
    const [run, source] = ['250925-231841', { source: 'orchestrator' }];
    await legacy.createJobRecord(run, 1, source);
    await legacy.createClientRunRecord(run, 'acme', 'Acme', source);
    for (const tokens of [1, 2, 3, 4]) {
      await legacy.updateClientMetrics(run, 'acme', { 'Profile Scoring Tokens': tokens }, source);
    }
    await legacy.updateRunRecord(run, 'acme', { 'System Notes': 'scored' }, source);
    await legacy.completeRunRecord(run, 'acme', 'Success', 'done', source);
    const ended = await legacy.completeJobRecord(run, true, 'done', source);
    assert.equal(ended.get('Profile Scoring Tokens'), 4);
    assert.deepEqual(proxy.done, Array(9).fill('passed'));
    assert.equal(await counted(server, 'runledger_creates_total'), 2);
    assert.equal(await counted(server, 'runledger_changes_total'), 7);
  } finally {
    await proxy.close();
    await server.close();
  }
});
