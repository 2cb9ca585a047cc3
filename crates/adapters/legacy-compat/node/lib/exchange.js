'use strict';
// A call: tries with one name inside one deadline, with growing waits, until the ledger has said what became of it.

const { randomUUID } = require('node:crypto');
const { performance } = require('node:perf_hooks');
const { LedgerError } = require('./errors');
const { judge } = require('./judge');
const { oneTry } = require('./one-try');
const { settings } = require('./settings');

/** The longest wait before the second try; it doubles with each further one. */
const FIRST_WAIT_MS = 100;
/** What the waits grow to. A longer `Retry-After` is honoured all the same. */
const LONGEST_WAIT_MS = 5_000;

/**
 * Calls a function of the ledger and answers its value.
 *
 * `idempotencyKey` names the call, so that it counts once however often it is sent; undefined for what only reads.
 */
async function exchange(functionName, args, { idempotencyKey, fits }) {
  const { url, token, deadlineMs, tryMs } = settings();
  const target = new URL(`${url.pathname.replace(/\/+$/, '')}/compat/v2/${functionName}`, url);
  const body = Buffer.from(JSON.stringify(args), 'utf8');
  const headers = { 'content-type': 'application/json', 'content-length': body.length, accept: 'application/json' };
  if (idempotencyKey !== undefined) {
    headers['idempotency-key'] = idempotencyKey;
  }
  if (token !== undefined) {
    headers.authorization = `Bearer ${token}`;
  }
  const ends = performance.now() + deadlineMs;
  let unanswered = 0;
  for (let failed = 0; ; failed += 1) {
    const ms = Math.max(1, Math.min(tryMs, ends - performance.now()));
    const verdict = judge(await oneTry(target, headers, body, ms), fits);
    if (verdict.done) {
      return verdict.value;
    }
    const isDoubtful = (settles) => idempotencyKey !== undefined && unanswered > 0 && !settles;
    const failure = (problem, settles) =>
      new LedgerError(functionName, problem, { idempotencyKey, unanswered, inDoubt: isDoubtful(settles) });
    if (verdict.refused) {
      throw failure(verdict.refused, verdict.settles);
    }
    unanswered += verdict.mayHaveEffect ? 1 : 0;
    const grown = Math.min(FIRST_WAIT_MS * 2 ** Math.min(failed, 32), LONGEST_WAIT_MS);
    const wait = Math.random() * grown + (verdict.afterMs || 0);
    if (performance.now() + wait >= ends) {
      throw failure(verdict.again, false);
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

/** A name that nobody used. */
const newKey = () => randomUUID();

module.exports = { exchange, newKey };
