'use strict';
// What a call fails with.

/**
 * A call that was refused, or of which no usable answer came. `message` begins with the older texts where callers match on
 * them (`already exists`, `Unauthorized source`, `not found`).
 */
class LedgerError extends Error {
  constructor(functionName, problem, { idempotencyKey, unanswered = 0, inDoubt = false } = {}) {
    super(inDoubt ? `${problem.detail}. ${howToSettle(functionName, idempotencyKey)}` : problem.detail);
    this.name = 'LedgerError';
    /** The function that was called. */
    this.functionName = functionName;
    /** The stable word for programs; `unreachable`, `no_answer`, `unexpected_answer` and `not_sent` are this module's own. */
    this.code = problem.code;
    /** The HTTP status; undefined when no answer came. */
    this.status = problem.status;
    /** The argument that is meant. */
    this.field = problem.field;
    /** The record as it stands, in the words of the API, when the ledger showed it. */
    this.existing = problem.existing;
    /** The name that every try of the call was sent with; pass it as `options.idempotencyKey` to repeat the call. */
    this.idempotencyKey = idempotencyKey;
    /** How many tries may have taken effect although nothing was heard of them. */
    this.unanswered = unanswered;
    /** Whether it is not known if the call took effect. */
    this.inDoubt = inDoubt;
  }
}

function howToSettle(functionName, key) {
  return (
    `It is not known whether it took effect; call ${functionName} again with the same arguments and ` +
    `options.idempotencyKey ${JSON.stringify(key)}: it counts once, however often it is sent`
  );
}

/** A call whose arguments cannot be sent. */
function notSent(functionName, field, detail) {
  return new LedgerError(functionName, { code: 'not_sent', field, detail: `${detail}; nothing was sent` });
}

module.exports = { LedgerError, notSent };
