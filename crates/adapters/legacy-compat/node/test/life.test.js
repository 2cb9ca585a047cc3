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

/** The module at a server of its own, by way of a proxy that counts. */
async function beside(check) {
  const server = await new RealServer().start();
  const proxy = await new CuttingProxy().start(server.url);
  try {
    await check(fresh(proxy.url), proxy, server);
  } finally {
    await proxy.close();
    await server.close();
  }
}

const [RUN, SOURCE] = ['250925-231841', { source: 'orchestrator' }];

test('a life of a job and a client with five changes is nine requests, and nothing is counted twice', () =>
  beside(async (legacy, proxy, server) => {
    await legacy.createJobRecord(RUN, 1, SOURCE);
    await legacy.createClientRunRecord(RUN, 'acme', 'Acme', SOURCE);
    for (const tokens of [1, 2, 3, 4]) {
      await legacy.updateClientMetrics(RUN, 'acme', { 'Profile Scoring Tokens': tokens }, SOURCE);
    }
    await legacy.updateRunRecord(RUN, 'acme', { 'System Notes': 'scored' }, SOURCE);
    await legacy.completeRunRecord(RUN, 'acme', 'Success', 'done', SOURCE);
    const ended = await legacy.completeJobRecord(RUN, true, 'done', SOURCE);
    assert.equal(ended.get('Profile Scoring Tokens'), 4);
    assert.deepEqual(proxy.done, Array(9).fill('passed'));
    assert.equal(await counted(server, 'runledger_creates_total'), 2);
    assert.equal(await counted(server, 'runledger_changes_total'), 7);
  }));

test('a life is as many requests as calls, a reading one as well', () =>
  beside(async (legacy, proxy) => {
    await legacy.createJobRecord(RUN, 1, SOURCE);
    await legacy.createRunRecord(RUN, 'acme', 'Acme', SOURCE);
    await legacy.getRunRecord(RUN, 'acme', SOURCE);
    for (let step = 1; step <= 3; step += 1) {
      await legacy.updateClientMetrics(RUN, 'acme', { 'Post Scoring Tokens': step }, SOURCE);
    }
    await legacy.completeRunRecord(RUN, 'acme', 'Success', 'done', SOURCE);
    await legacy.completeJobRecord(RUN, true, 'done', SOURCE);
    assert.equal(proxy.done.length, 8);
  }));
