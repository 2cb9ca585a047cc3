'use strict';
// Where the ledger is, and how long a call may take. Looked up at each call, so that a service may load its environment
// after this module.

const DEFAULT_URL = 'http://127.0.0.1:7420';
/** From the first try of a call on: no try begins after it, none waits past it. */
const DEADLINE_MS = 60_000;
/** How long one try may take. */
const TRY_MS = 10_000;

let given = {};

/**
 * Says what the environment does not: `url`, `token`, `deadlineMs`, `tryMs`. What is left out is as before.
 */
function configure(settings) {
  for (const name of ['deadlineMs', 'tryMs']) {
    const value = settings[name];
    if (value !== undefined && !(Number.isFinite(value) && value > 0)) {
      throw new TypeError(`${name} is a number of milliseconds above 0`);
    }
  }
  given = { ...given, ...settings };
}

/** What counts now. Throws when it cannot be used; a token is never shown. */
function settings() {
  const text = given.url || process.env.RUNLEDGER_URL || DEFAULT_URL;
  let url;
  try {
    url = new URL(text);
  } catch {
    throw new Error('RUNLEDGER_URL is not a URL; write it like http://127.0.0.1:7420');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new Error(`RUNLEDGER_URL begins with ${url.protocol}; write it like http://127.0.0.1:7420`);
  }
  if (url.username || url.password) {
    throw new Error('RUNLEDGER_URL holds a name or a password; give the token in RUNLEDGER_TOKEN instead');
  }
  const token = given.token || process.env.RUNLEDGER_TOKEN || undefined;
  if (token !== undefined && !/^[!-~]+$/.test(token)) {
    throw new Error('RUNLEDGER_TOKEN holds other than visible ASCII characters; give the token as it was shown');
  }
  return { url, token, deadlineMs: given.deadlineMs || DEADLINE_MS, tryMs: given.tryMs || TRY_MS };
}

module.exports = { configure, settings };
