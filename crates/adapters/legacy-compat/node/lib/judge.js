'use strict';
// What an answer means: done, refused, or to be asked again. Only what the ledger says in its own words is believed.

const SHOWN = 200;
/** The statuses at which another try can change the answer. */
const AGAIN = new Set([408, 429, 500, 502, 503, 504]);
/** The codes that say for certain that the try had no effect. */
const NOTHING_DONE = new Set([
  'busy', 'stopped', 'store_failed', 'body_too_slow', 'body_unreadable', 'rate_limited', 'client_rate_limited',
]);
/**
 * The refusals about a record whose reason never passes (docs/problems.md), besides those of 422. The ledger looks for the
 * repetition first, so they also say that an earlier try without an answer has no effect, now or later. Any other may pass
 * while that try is still on its way; and that there is no record says nothing at all where one was seen: then another
 * ledger answers, or an older copy of it.
 */
const LASTING = new Set([
  'already_ended', 'conflict', 'job_ended', 'notes_full', 'stage_ended', 'too_many_metrics', 'too_many_stages',
  'too_many_updates', 'version_mismatch',
]);

/**
 * One of `{done: true, value}`, `{refused: problem, settles}` and `{again: problem, mayHaveEffect, afterMs}`.
 *
 * `fits` says whether a value has the shape that the function answers with.
 */
function judge(outcome, fits) {
  if (outcome.failed !== undefined) {
    const code = outcome.wasSent ? 'no_answer' : 'unreachable';
    const what = outcome.wasSent ? 'the ledger gave no answer' : 'the ledger cannot be reached';
    return { again: { code, detail: `${what}: ${outcome.failed}` }, mayHaveEffect: outcome.wasSent };
  }
  const { status, headers, text } = outcome;
  const json = parsed(headers, text);
  if (status === 200 || status === 201) {
    if (json !== undefined && fits(json.value)) {
      return { done: true, value: json.value };
    }
    return { again: unexpected(outcome), mayHaveEffect: true };
  }
  const problem = json && asProblem(json.value, status);
  if (AGAIN.has(status)) {
    return {
      again: problem || unexpected(outcome),
      mayHaveEffect: !(problem && NOTHING_DONE.has(problem.code)),
      afterMs: retryAfter(headers),
    };
  }
  if (problem) {
    return { refused: problem, settles: status === 422 || LASTING.has(problem.code) };
  }
  // Another 2xx may come from something that took the request; a page or a redirect is none of the ledger's.
  const isSuccess = status >= 200 && status < 300;
  return isSuccess
    ? { again: unexpected(outcome), mayHaveEffect: true }
    : { refused: unexpected(outcome), settles: false };
}

function parsed(headers, text) {
  const type = String(headers['content-type'] || '').split(';')[0].trim().toLowerCase();
  if (type !== 'application/json' && type !== 'application/problem+json') {
    return undefined;
  }
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function asProblem(value, status) {
  const isOne = value !== null && typeof value === 'object' && typeof value.code === 'string';
  if (!isOne || typeof value.detail !== 'string') {
    return undefined;
  }
  return { code: value.code, detail: value.detail, status, field: value.field, existing: value.existing };
}

function unexpected({ status, text }) {
  const begins = text.slice(0, SHOWN).replace(/\s+/g, ' ').trim();
  const detail =
    `an answer came (status ${status}), but not one of a ledger: ${JSON.stringify(begins)}; is RUNLEDGER_URL right?`;
  return { code: 'unexpected_answer', status, detail };
}

function retryAfter(headers) {
  const seconds = Number(headers['retry-after']);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0;
}

module.exports = { judge, LASTING };
