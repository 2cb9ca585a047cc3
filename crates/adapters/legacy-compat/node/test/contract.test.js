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

/** Texts just inside and just outside a bound of the rules. */
const EDGES = [
  'n'.repeat(63), 'n'.repeat(64), 'n'.repeat(65), '_n', 'n.o', 'n_o', 'n o', 'né', 'n\n', 'n\u00a0', '\u0085n', '\ufeffn', 'n/o/p',
  '01K5ZJ8Q4T3V9W2X7Y6B1C0D5', '01K5ZJ8Q4T3V9W2X7Y6B1C0D5EE', '71K5ZJ8Q4T3V9W2X7Y6B1C0D5E', '81K5ZJ8Q4T3V9W2X7Y6B1C0D5E',
  '01K5ZJ8Q4T3V9W2X7Y6B1C0D5I', '01K5ZJ8Q4T3V9W2X7Y6B1C0D5L', '01K5ZJ8Q4T3V9W2X7Y6B1C0D5O', '01K5ZJ8Q4T3V9W2X7Y6B1C0D5U',
  '01k5zj8q4t3v9w2x7y6b1c0d5e', '00000000000000000000000000', 'a1b2c3d4-0000-4000-8000-00000000000', 'A1B2C3D4-0000-4000-8000-000000000001',
  'a1b2c3d4-0000-4000-8000-0000000000012', 'a1b2c3d4-0000-4000-8000-00000000000g', '00000000-0000-0000-0000-000000000000',
  '00000000-0000-0000-0000-000000000001', 'a1b2c3d4000040008000000000000001', 'A1B2C3D4000040008000000000000001',
  'a1b2c3d40000400080000000000000012', 'a1b2c3d400004000800000000000000', 'aaaaaaaaaaaaaaaa', 'aaaaaaaaaaaaaaaaa', 'aaaaaaaaaaaaaaaaaa',
  '1a345678901234567', '12345678901234567', 'aaaaaaaaaaaaaaaa_', '20250925-20184', '20250925-201849', '20250925-2018490', '20250925231',
  '202509252318', '2025092523180', '2025-09-26', '2025-09-26-', '2025-9-26-', '250229-000000', '240229-235959', '000229-000000',
  '250100-000000', '250131-000000', '250132-000000', '250430-000000', '250431-000000', '250001-000000', '251201-000000', '251301-000000',
  '250101-230000', '250101-240000', '250101-005900', '250101-006000', '250101-000059', '250101-000060', '250925-231841-',
  '250925-231841:', '250925-231841.', '250925-231841-C', '250925-231841-CCacme', '250925-231841-CCCacme', '250925-231841-acmeacme',
  '250925-231841.0.0', '250925-231841-apify-8MSTBAfqMzuXPvgB', '250925-231841/acme', '２５0925-231841', 'job', 'sr-', 'sr', 'SR', 'Job_1',
  'Fallback_1', 'AUTO_GEN', 'auto_ge', 'test-run', 'Promise', 'Promise {', '[object', '[object ', 'system/acme', 'system-a/acme', 'Unknown-a/acme', '8MSTBAfqMzuXPvgB3/acme', '8MSTBAfqMzuXPvgB3-a/acme', 'aMSTBAfqMzuXPvgB3-a/acme', 'AMSTBAFQMZUXPVGBX/acme', 'aMSTBAfqMzuXPvgB3x/acme', 'nil', 'void', 'undefinedx', 'naan',
];

/** Clients, and what is none. */
const CLIENTS = [
  'acme', 'a', 'C', 'x.y', 'undefined', 'a-a', '0', 'Acme.0', 'acme.0', 'Cacme', 'CC', 'c'.repeat(127), 'c'.repeat(128),
  'c'.repeat(129), '_a', '.a', '-a', 'a_', 'a.', 'a-', 'null', 'NULL', 'nan', 'NaN', 'none', 'None', 'unknown', 'system', 'n', 'na', 'tbd',
  'false', 'true', 'é', "O'Brien", 'a b', 'a\n', ' a', 'a/b', 'a:b', 'lead_scoring', 'batch-all-clients', '250925-231841',
];

/** What texts are put together of. */
const PARTS = [
  '250925-231841', '250229-000000', '240229-235959', '-', '-C', '.0', ':', '/', 'acme', 'Acme', 'a', 'C', 'CC', '0',
  'nightly', 'SR-', 'job_', 'apify-', '8MSTBAfqMzuXPvgB3', '01K5ZJ8Q4T3V9W2X7Y6B1C0D5E', ' ', 'é', '_', 'x.y',
  'a1b2c3d4-0000-4000-8000-000000000001', 'A1B2C3D4-0000-4000-8000-000000000001', '00000000-0000-0000-0000-000000000000', 'undefined', 'lead_scoring',
  '20250925', 'TEST-1', 'None', 'true',
];

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

  test('the rules here are those of the server, at every bound and for texts that nobody thought of', async () => {
    const legacy = fresh(server.url);
    const ends = (client) => ['', `-${client}`, `/${client}`, `-C${client}`, `-${client}-${client}.0`, `:${client}`, '.0', '-x', '/x'];
    const asked = [];
    for (const text of [...spellings.map((row) => row[1]), ...EDGES]) {
      for (const client of ['acme', 'Guy-Wilson']) {
        asked.push(...ends(client).map((end) => [text + end, client]));
      }
    }
    for (const client of CLIENTS) {
      for (const text of ['250925-231841', 'nightly', '01K5ZJ8Q4T3V9W2X7Y6B1C0D5E']) {
        asked.push(...ends(client).map((end) => [text + end, client]));
      }
    }
    let seed = 20250925;
    const next = (below) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % below;
    };
    for (let round = 0; round < 3000; round += 1) {
      const text = Array.from({ length: 1 + next(4) }, () => PARTS[next(PARTS.length)]).join('');
      asked.push([text, CLIENTS[next(CLIENTS.length)]]);
    }
    const counts = { taken: 0, refused: 0 };
    const compare = async ([text, client]) => {
      let own;
      try {
        own = legacy.normalizeRunId(text, client);
      } catch {
        own = 'refused';
      }
      const response = await fetch(`${server.url}/compat/v2/normalizeRunId`, {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify([text, client]),
      });
      assert.ok([200, 422].includes(response.status), `${response.status} for ${JSON.stringify([text, client])}`);
      const said = response.status === 200 ? await response.json() : 'refused';
      await response.body?.cancel().catch(() => {});
      assert.equal(own, said, JSON.stringify([text, client]));
      counts[said === 'refused' ? 'refused' : 'taken'] += 1;
    };
    const some = async () => {
      for (let one = asked.pop(); one !== undefined; one = asked.pop()) {
        await compare(one);
      }
    };
    await Promise.all(Array.from({ length: 8 }, some));
    assert.ok(counts.taken > 700 && counts.refused > 3000, JSON.stringify(counts));
  });
});
