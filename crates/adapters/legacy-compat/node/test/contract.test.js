'use strict';
// The replay of the older functions' contract, case by case, against the real server: the same files as in Rust
// (crates/adapters/legacy-compat/tests/service/contract.rs).

const assert = require('node:assert/strict');
const { describe, test, before, after } = require('node:test');
const cases = require('../../tests/contract/cases.json');
const spellings = require('../../tests/contract/run-ids.json');
const { RealServer, fresh } = require('./support/real-server');

/** Whether what was answered has everything that is expected of it. */
function fits(expected, found) {
  if (expected === null || typeof expected !== 'object') {
    return expected === found;
  }
  if ('$has' in expected) {
    return typeof found === 'string' && found.includes(expected.$has);
  }
  if ('$absent' in expected) {
    return found === undefined;
  }
  return Object.entries(expected).every(([name, one]) => fits(one, found?.[name]));
}

async function begin(legacy) {
  await legacy.createJobRecord('250925-231841', 1, { source: 'orchestrator' });
  await legacy.createClientRunRecord('250925-231841', 'acme', 'Acme Ltd', { source: 'smart_resume_workflow' });
}

async function walk(legacy, { call, arguments: args, answers, refused }) {
  const shown = `${call} ${JSON.stringify(args)}`;
  const called = (async () => legacy[call](...args))();
  if (refused === undefined) {
    const answer = (await called) ?? null;
    assert.ok(answers === undefined || fits(answers, answer), `${shown}: ${JSON.stringify(answer)}`);
    return;
  }
  const error = await called.then(
    (answer) => assert.fail(`${shown} was answered ${JSON.stringify(answer)}`),
    (error) => error,
  );
  assert.ok(error.message.includes(refused.words), `${shown}: ${error.message}`);
  // The functions of the id service answer at once and have no code.
  if (error instanceof legacy.LedgerError) {
    assert.equal(error.code, refused.code, `${shown}: ${error.message}`);
  } else {
    assert.ok(call in legacy.runIdService, `${shown}: ${error.stack}`);
  }
}

describe('the contract of the older functions', () => {
  for (const { table, name, begun, steps } of cases) {
    test(`${table}: ${name}`, async () => {
      const server = await new RealServer().start();
      try {
        const legacy = fresh(server.url);
        if (begun) {
          await begin(legacy);
        }
        for (const step of steps) {
          await walk(legacy, step);
        }
      } finally {
        await server.close();
      }
    });
  }
});

describe('run ids', () => {
  let server;
  before(async () => {
    server = await new RealServer().start();
  });
  after(() => server.close());

  test('every spelling leads to its key or is refused by name', () => {
    const { normalizeRunId } = fresh(server.url);
    for (const [row, text, client, key, words] of spellings) {
      if (key !== null) {
        assert.equal(normalizeRunId(text, client), key, `${row}: ${text}`);
        assert.equal(normalizeRunId(key, client), key, `${row}: ${key} again`);
      } else {
        assert.throws(() => normalizeRunId(text, client), ({ message }) => message.includes(words), `${row}: ${text}`);
      }
    }
  });

  test('the rules here are those of the server, also for texts that nobody thought of', async () => {
    const legacy = fresh(server.url);
    const parts = [
      '250925-231841', '250229-000000', '240229-235959', '-', '-C', '.0', ':', '/', 'acme', 'Acme', 'a', 'C', 'CC', '0',
      'nightly', 'SR-', 'job_', 'apify-', '8MSTBAfqMzuXPvgB3', '01K5ZJ8Q4T3V9W2X7Y6B1C0D5E', ' ', 'é', '_', 'x.y',
      'a1b2c3d4-0000-4000-8000-000000000001', 'A1B2C3D4-0000-4000-8000-000000000001', '00000000-0000-0000-0000-000000000000', 'undefined', 'lead_scoring',
      '20250925', 'TEST-1', 'None', 'true',
    ];
    const clients = ['acme', 'a', 'C', 'x.y', 'undefined', 'a-a', '0', 'Acme.0'];
    let seed = 20250925;
    const next = (below) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % below;
    };
    for (let round = 0; round < 3000; round += 1) {
      const text = Array.from({ length: 1 + next(4) }, () => parts[next(parts.length)]).join('');
      const client = clients[next(clients.length)];
      let own = null;
      try {
        own = legacy.normalizeRunId(text, client);
      } catch {
        // Refused.
      }
      const response = await fetch(`${server.url}/compat/v2/normalizeRunId`, {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify([text, client]),
      });
      const said = response.status === 200 ? await response.json() : null;
      assert.equal(own, said, `${JSON.stringify(text)} for ${client}`);
    }
  });
});
