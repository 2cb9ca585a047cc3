'use strict';
// A function as callers know it: arguments in, a record out, and a line in the log of this process.

const { readArguments } = require('./arguments');
const { LedgerError } = require('./errors');
const { exchange, newKey } = require('./exchange');
const { FITS, FUNCTIONS } = require('./functions');
const memory = require('./memory');
const { RunRecord } = require('./record');

/** The function of this name. */
function functionOf(name) {
  const declared = FUNCTIONS[name];
  const named = {
    [name](...args) {
      const done = carryOut(name, declared, args);
      // A caller who does not wait for a call is not to bring down the process when it fails; whoever waits sees the error.
      done.catch(() => {});
      return done;
    },
  };
  return named[name];
}

async function carryOut(name, declared, args) {
  let asked = { named: {}, options: {} };
  try {
    asked = readArguments(name, declared.parameters, args);
    const { named, options } = asked;
    const idempotencyKey = declared.reads ? undefined : options.idempotencyKey || newKey();
    const value = await exchange(name, named, { idempotencyKey, fits: FITS[declared.answers] });
    const answer = FITS.record(value) ? seen(value) : value;
    take(declared, asked, successOf(name, named, answer));
    return answer;
  } catch (error) {
    take(declared, asked, `ERROR: ${error.message}`);
    tell(asked.options.logger, name, error);
    throw error;
  }
}

function seen(value) {
  const record = new RunRecord(value);
  memory.remember(keyOf(record.id), {
    recordId: record.id,
    runId: record.get('Run ID'),
    clientId: record.get('Client ID') ?? null,
    status: record.get('Status'),
  });
  return record;
}

/** The key that a record's id holds. */
const keyOf = (id) => id.replace(/^rec/, '');

function take(declared, { named, options }, result) {
  if (declared.action !== undefined) {
    memory.note(declared.action, { ...named, source: options.source, result });
  }
}

function successOf(name, named, answer) {
  switch (name) {
    case 'completeRunRecord':
      return `Status: ${named.status ?? named.Status}, Notes: ${named.notes ?? ''}`;
    case 'completeJobRecord':
      return `Success: ${named.success}, Notes: ${named.notes ?? ''}`;
    default:
      return answer === null ? 'WARNING: there is no such record' : `SUCCESS: ${answer.id ?? answer}`;
  }
}

/** Tells the caller's own logger, if it is one. That must not fail the call. */
function tell(logger, name, error) {
  const isExpected = error instanceof LedgerError && error.status !== undefined && error.status < 500;
  const level = isExpected ? 'warn' : 'error';
  try {
    if (typeof logger?.[level] === 'function') {
      logger[level](`run ledger: ${name}: ${error.message}`);
    }
  } catch {
    // A logger that throws has nobody to be told.
  }
}

module.exports = { functionOf };
