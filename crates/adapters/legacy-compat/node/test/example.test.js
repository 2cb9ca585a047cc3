'use strict';
// The worked example (docs/examples/legacy-night): the night before and after its lines are changed, on the real server.

const assert = require('node:assert/strict');
const { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join, resolve } = require('node:path');
const { test } = require('node:test');
const { RealServer } = require('./support/real-server');

const EXAMPLE = resolve(__dirname, '../../../../../docs/examples/legacy-night');
const RUN = '250925-231841';
const { CLIENTS, night } = require(join(EXAMPLE, 'night.js'));

/** The services with their lines changed, beside a node_modules that has the package. Answers how many lines of each differ. */
function changed(home) {
  cpSync(join(EXAMPLE, 'services'), join(home, 'services'), { recursive: true });
  mkdirSync(join(home, 'node_modules'));
  symlinkSync(resolve(__dirname, '..'), join(home, 'node_modules', 'runledger-legacy'));
  return Object.fromEntries(
    readdirSync(join(home, 'services')).map((file) => {
      const path = join(home, 'services', file);
      const before = readFileSync(path, 'utf8').split('\n');
      const after = before.map((line) => line.replace("require('../older/", "require('runledger-legacy/"));
      writeFileSync(path, after.join('\n'));
      return [file, after.filter((line, place) => line !== before[place]).length];
    }),
  );
}

async function afterwards(settings) {
  const server = await new RealServer().start(settings);
  const home = mkdtempSync(join(tmpdir(), 'runledger-night-'));
  process.env.RUNLEDGER_URL = server.url;
  try {
    const lines = changed(home);
    const troubles = await night({ services: join(home, 'services'), runId: RUN, pause: async () => {} });
    const read = require(resolve(__dirname, '../runRecordServiceV2'));
    const clients = await Promise.all(CLIENTS.map(({ id }) => read.getRunRecord(RUN, id)));
    const [job] = server.records().filter(({ client_id: client }) => !client);
    return { lines, troubles, clients, job, keys: server.records().map(({ key }) => key) };
  } finally {
    delete process.env.RUNLEDGER_URL;
    await server.close();
    rmSync(home, { recursive: true, force: true });
  }
}

test('before: rows under ids of the moment, nothing completed, and metrics lost', async () => {
  const { rows, tick } = require(join(EXAMPLE, 'older/table.js'));
  const troubles = await night({ services: join(EXAMPLE, 'services'), runId: RUN, pause: async () => tick() });
  assert.equal(rows.clients.length, 4, 'two rows for each client');
  assert.equal(new Set(rows.clients.map((row) => row.get('Run ID').slice(0, 13))).size, 4, 'each under a run of its own');
  assert.ok([...rows.jobs, ...rows.clients].every((row) => row.get('Status') === 'Running'));
  assert.equal(troubles.length, 11);
});

test('after: one line for each older module that a file takes in, and every record is complete', async () => {
  const { lines, troubles, clients, job, keys } = await afterwards({
    RUNLEDGER_LEGACY__TRIGGERS: '["smart_resume_workflow_complete"]',
  });
  assert.deepEqual(lines, {
    'lead-scoring.js': 1, 'post-harvesting.js': 2, 'post-scoring.js': 1, 'smart-resume.js': 1, 'webhook.js': 2,
  });
  assert.deepEqual(keys.sort(), [RUN, `${RUN}-Dean-Hobin`, `${RUN}-Guy-Wilson`]);
  for (const [place, record] of clients.entries()) {
    const { leads, apify } = CLIENTS[place];
    assert.deepEqual(
      [
        'Status', 'Profiles Examined for Scoring', 'Profile Scoring Tokens', 'Total Posts Harvested', 'Apify API Costs',
        'Apify Run ID', 'Posts Examined for Scoring', 'Post Scoring Tokens',
      ].map((column) => record.get(column)),
      ['Completed', 2 * leads, 200 * leads, 10, 0.18, apify, 10, 800],
    );
    assert.match(record.get('System Notes'), /Jobs started: 3\/3[^]*Post scoring: 8 of 10/);
  }
  assert.equal(job.status, 'succeeded');
  // Lead scoring tries to end the job after each client; only the last one may.
  assert.equal(troubles.length, 1);
  assert.match(troubles[0], /the job is not completed after Guy-Wilson: .*open client records/);
});

test('after, without legacy.triggers: the end that came before the work is final, and says so', async () => {
  const { troubles, clients, keys } = await afterwards({});
  assert.equal(keys.length, 3);
  assert.ok(clients.every((record) => record.get('Status') === 'Completed' && record.get('Profile Scoring Tokens') === 0));
  assert.equal(troubles.filter((trouble) => /already|never changes|not found/.test(trouble)).length, troubles.length);
});
