'use strict';
// Whatever answers: a call ends in its time with an error that says what came, and no rejection is nobody's.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const { join } = require('node:path');
const { test } = require('node:test');
const { LASTING } = require('../lib/judge');
const { fresh } = require('./support/real-server');

/** Something that answers like this, where a ledger should be. */
async function answering(serve, make = (handler) => http.createServer(handler)) {
  const server = make(serve);
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const close = () => new Promise((done) => {
    server.close(done);
    server.closeAllConnections?.();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}

const send = (status, type, text) => (request, response) => {
  request.resume();
  response.writeHead(status, type === undefined ? {} : { 'content-type': type });
  response.end(text);
};
const raw = (text) => [(socket) => socket.on('error', () => {}).once('data', () => socket.end(text)), net.createServer];
const JSON_TYPE = 'application/json';

const WRONG = {
  'a page': [send(200, 'text/html', '<html>Welcome to the hotel</html>')],
  'a page that says that it is JSON': [send(200, JSON_TYPE, '<html>')],
  'nothing, 204': [send(204)],
  'nothing, 200': [send(200, JSON_TYPE, '')],
  'a number': [send(200, JSON_TYPE, '7')],
  'null where a record belongs': [send(200, JSON_TYPE, 'null')],
  'a record without columns': [send(201, JSON_TYPE, '{"id":"rec1"}')],
  'a list': [send(200, JSON_TYPE, '[{"id":"rec1","fields":{}}]')],
  'a page of a proxy': [send(502, 'text/html', '<h1>Bad Gateway</h1>')],
  'an error without words': [send(500, JSON_TYPE, '{}')],
  'a redirect': [send(302, 'text/html', 'elsewhere')],
  'a page that is not there': [send(404, 'text/html', '<h1>Not Found</h1>')],
  'a body that breaks off': raw('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"id":"rec1",'),
  'a chunk that breaks off': raw('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{"id'),
  'no HTTP': raw('220 mail.example ESMTP\r\n'),
  'a head without an end': raw('HTTP/1.1 200 OK\r\nContent-Ty'),
  'a closed connection': [(socket) => socket.destroy(), net.createServer],
  'no answer at all': [(socket) => socket.on('error', () => {}).resume(), net.createServer],
};

const unhandled = [];
process.on('unhandledRejection', (error) => unhandled.push(error));

/** Lets whatever is left over come up. */
const settle = () => new Promise((done) => setImmediate(() => setImmediate(done)));

for (const [name, [serve, make]] of Object.entries(WRONG)) {
  test(`${name} is no answer of a ledger`, async () => {
    const other = await answering(serve, make);
    try {
      const legacy = fresh(other.url, { deadlineMs: 400, tryMs: 150 });
      const called = legacy.updateRunRecord('250925-231841', 'acme', { Status: 'Running' }, { source: 'post_scoring' });
      const error = await called.then(
        (answer) => assert.fail(JSON.stringify(answer)),
        (error) => error,
      );
      assert.ok(error instanceof legacy.LedgerError && error instanceof Error, error.stack);
      assert.ok(['unexpected_answer', 'no_answer'].includes(error.code), `${error.code}: ${error.message}`);
      // A redirect or a page that is not there comes from something that is no ledger: it did nothing to one.
      const isOther = name === 'a redirect' || name === 'a page that is not there';
      assert.equal(error.inDoubt, !isOther, error.message);
      if (error.inDoubt) {
        assert.ok(error.unanswered > 0 && error.message.includes(error.idempotencyKey), error.message);
      }
      const [entry] = legacy.getActivityLog(1);
      assert.ok(entry.action === 'update' && entry.result.startsWith('ERROR: '), JSON.stringify(entry));
      // Nobody waits for this one.
      legacy.completeRunRecord('250925-231841', 'acme', 'Success', '', { source: 'post_scoring' });
      legacy.checkRunRecordExists('250925-231841', 'acme');
      await new Promise((done) => setTimeout(done, 450));
      await settle();
      assert.deepEqual(unhandled, []);
    } finally {
      await other.close();
    }
  });
}

test('where nothing listens nothing was done, and that is said', async () => {
  const gone = await answering(send(200));
  await gone.close();
  const legacy = fresh(gone.url, { deadlineMs: 300 });
  const told = [];
  const logger = { error: (text) => told.push(text) };
  const called = legacy.createJobRecord('250925-231841', 1, { source: 'orchestrator', logger });
  await assert.rejects(called, { code: 'unreachable', inDoubt: false, unanswered: 0 });
  assert.equal(told.length, 1);
});

test('a server that says to come again is asked again with the same name', async () => {
  const keys = [];
  const other = await answering((request, response) => {
    keys.push(request.headers['idempotency-key']);
    const problem = { code: 'busy', detail: 'too many writes are waiting' };
    const [status, body] = keys.length < 3 ? [503, problem] : [201, { id: 'rec1', fields: { Status: 'Running' } }];
    request.resume();
    response.writeHead(status, { 'content-type': JSON_TYPE });
    response.end(JSON.stringify(body));
  });
  try {
    const legacy = fresh(other.url, { deadlineMs: 5_000 });
    const record = await legacy.createJobRecord('250925-231841', 1, { source: 'orchestrator' });
    assert.equal(record.get('Status'), 'Running');
    assert.equal(keys.length, 3);
    assert.equal(new Set(keys).size, 1);
  } finally {
    await other.close();
  }
});

test('a refusal is not asked again, and who asks is told apart from what is there', async () => {
  let asked = 0;
  const other = await answering((request, response) => {
    asked += 1;
    send(403, 'application/problem+json', '{"code":"source_not_granted","detail":"the token does not speak for it"}')(request, response);
  });
  try {
    const legacy = fresh(other.url);
    const called = legacy.createJobRecord('250925-231841', 1, { source: 'orchestrator' });
    await assert.rejects(called, { code: 'source_not_granted', status: 403, inDoubt: false });
    assert.equal(asked, 1);
  } finally {
    await other.close();
  }
});

const AFTER_SILENCE = [
  // The reason lasts: whatever of the first try may still be on its way is refused as well.
  { status: 409, code: 'already_ended', inDoubt: false },
  { status: 409, code: 'conflict', inDoubt: false },
  { status: 422, code: 'value_invalid', inDoubt: false },
  // It may pass; and where a record was seen, its absence is the word of another ledger.
  { status: 404, code: 'not_found', inDoubt: true },
  { status: 409, code: 'open_stages', inDoubt: true },
  { status: 409, code: 'newer_than_this_module', inDoubt: true },
  // About the caller.
  { status: 401, code: 'token_ended', inDoubt: true },
];

for (const { status, code, inDoubt } of AFTER_SILENCE) {
  test(`after a try without an answer, ${status} ${code} is ${inDoubt ? 'doubt' : 'an answer'}`, async () => {
    let asked = 0;
    const other = await answering((request, response) => {
      asked += 1;
      if (asked === 1) {
        request.socket.destroy();
        return;
      }
      send(status, 'application/problem+json', JSON.stringify({ code, detail: 'it is so' }))(request, response);
    });
    try {
      const legacy = fresh(other.url);
      const called = legacy.updateRunRecord('250925-231841', 'acme', { Status: 'Running' }, { source: 'post_scoring' });
      const error = await called.then(assert.fail, (error) => error);
      assert.deepEqual(
        { code: error.code, status: error.status, inDoubt: error.inDoubt, unanswered: error.unanswered },
        { code, status, inDoubt, unanswered: 1 },
      );
      assert.equal(asked, 2);
    } finally {
      await other.close();
    }
  });
}

test('the refusals that last are those that the ledger names', () => {
  const page = readFileSync(join(__dirname, '../../../../../docs/problems.md'), 'utf8');
  const [, listed] = page.split('## Refusals that last\n\n')[1].split('\n\n');
  assert.equal([...LASTING].map((code) => `\`${code}\``).join(', '), listed);
});
