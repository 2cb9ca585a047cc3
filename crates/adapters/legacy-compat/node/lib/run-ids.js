'use strict';
// Run ids in the spellings of the older services, and in the forms of the ledger's own. The rules are those of the server
// (a test compares them); they read no clock, invent no id and never turn one identity into another.

const CLIENT = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
const NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;
const TIMESTAMP_ID = /^(\d{6}-\d{6})(?=[-:.]|$)/;
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const BEGINS_LIKE_UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/i;
/** What else the older services wrote for no value, beside `NO_NAME`. */
const MISSING = /^(system|n\/a|na|tbd|false|true|\(empty\)|0)$/i;
/** What the ledger itself takes for no name of a run, also with a slash behind it: no value, or an Apify run id. */
const NO_NAME = /^(undefined|null|nan|none|unknown|initializing)(-|$)|^system$/i;
const APIFY_NAME = /^(?=[A-Za-z0-9]*[a-z])(?=[A-Za-z0-9]*[A-Z])[A-Za-z0-9]{17}$/;
/** Exactly as programs write them: a client may be called `Null`. */
const NO_CLIENT = /^(undefined|null|NaN|None)$/;

/** What the older services wrote where a run id belongs, by its beginning. */
const FOREIGN = [
  [/^\s*$/, 'empty'],
  [/^\s|\s$/, 'surrounded by white space'],
  [/^(\[object |Promise \{|-)/, 'a placeholder for a missing value (B25)'],
  [/^SR-/i, 'of the retired SR- family (B7 to B11)'],
  [/^(job_|fallback_job_)/, 'the id of a job in another table (B19, B20)'],
  [/^client-fallback-/, 'a stand-in for a lost id (B21)'],
  [/^(fallback_|auto_gen)/, 'an id that was invented because one was missing (B22)'],
  [
    /^(post_batch_|smart_resume_|pipeline_|client_pipeline_|simple_client_by_client_|client_by_client_)/,
    'the label of a process (B23)',
  ],
  [/^\d{8}-\d{6}(-|$)/, 'the session id of a logger (B24)'],
  [/^\d{12}(-|$)/, 'an id of minutes, YYYYMMDDHHMM (B17)'],
  [/^\d{4}-\d{2}-\d{2}-/, 'a date and time with hyphens (B18)'],
];

/** The one key of the record that is meant. Throws an Error that names the form of what is none. */
function keyOf(text, client) {
  checkText('runId', text);
  checkText('clientId', client);
  if (!CLIENT.test(client) || NO_CLIENT.test(client)) {
    throw new Error(`client id ${JSON.stringify(client)} is not one; name the client, byte for byte`);
  }
  if (TIMESTAMP_ID.test(client)) {
    throw new Error(`client id ${JSON.stringify(client)} is a run id; send the run id first, then the client`);
  }
  const base = TIMESTAMP_ID.exec(text);
  if (base !== null) {
    return timestampKey(text, base[1], client);
  }
  return ownKey(text, client);
}

function checkText(name, value) {
  if (typeof value === 'string') {
    return;
  }
  const isPromise = value !== null && typeof value === 'object' && typeof value.then === 'function';
  const what = isPromise ? 'a Promise; await it before it is passed on' : value === null ? 'null' : typeof value;
  throw new Error(`${name} must be a string, received ${what}`);
}

function refuse(text, form) {
  return new Error(`run id ${JSON.stringify(text.slice(0, 200))} is ${form}; give the id of the run that this belongs to`);
}

function timestampKey(text, base, client) {
  if (!isDateAndTime(base)) {
    throw refuse(text, 'not a date and time');
  }
  const rest = text.slice(base.length);
  const names = (behind) => isClientAgain(behind, client);
  if (rest === `:${client}` || names(rest) || (rest.endsWith('.0') && names(rest.slice(0, -2)))) {
    return `${base}-${client}`;
  }
  throw refuse(text, behindBase(rest));
}

/** Whether nothing but the client stands there: as it is or with a `C` before it, as often as it likes. */
function isClientAgain(behind, client) {
  let rest = behind;
  while (rest !== '') {
    if (!rest.endsWith(client)) {
      return false;
    }
    const before = rest.slice(0, -client.length);
    const prefix = ['-CC', '-C', '-'].find((one) => before.endsWith(one));
    if (prefix === undefined) {
      return false;
    }
    rest = before.slice(0, -prefix.length);
  }
  return true;
}

function behindBase(rest) {
  if (/^-apify-[A-Za-z0-9]{17}$/.test(rest)) {
    return 'a run with an Apify run id behind it (B14)';
  }
  if (/^-batch-all-clients(-|$)/.test(rest)) {
    return 'the id of a whole batch (B15)';
  }
  if (/^-(lead_scoring|post_scoring|post_harvesting|profile_scoring|lead_processing|post_processing)$/.test(rest)) {
    return 'a run with the name of a step behind it (B16)';
  }
  return `of ${JSON.stringify(rest.replace(/^[-:]+/, ''))}, which is not the client given`;
}

function ownKey(text, client) {
  const [head] = text.split('-');
  const foreign = FOREIGN.find(([form]) => form.test(text));
  if (foreign !== undefined) {
    throw refuse(text, foreign[1]);
  }
  if (MISSING.test(head)) {
    throw refuse(text, 'a placeholder for a missing value (B25)');
  }
  if (/^[A-Za-z0-9]{17}$/.test(head) && /[A-Za-z]/.test(head)) {
    throw refuse(text, text === head ? 'an Apify run id (B12)' : 'an Apify run id with a client behind it (B13)');
  }
  const [run, behind] = text.includes('/') ? splitOnce(text, '/') : [text, undefined];
  if (behind !== undefined && behind !== client) {
    throw refuse(text, `of ${JSON.stringify(behind)}, which is not the client given`);
  }
  // A ULID or a UUID, with its client behind it or alone; or a name, which is written with a slash before its client.
  for (const length of [26, 36]) {
    const id = run.slice(0, length);
    if (run[length] === '-' && isFixed(id)) {
      if (run.slice(length + 1) !== client) {
        throw refuse(text, 'not of the client given');
      }
      return `${id}-${client}`;
    }
  }
  if (isFixed(run)) {
    return `${run}-${client}`;
  }
  if (NO_NAME.test(run)) {
    throw refuse(text, 'a placeholder for a missing value (B25)');
  }
  if (NAME.test(run) && !APIFY_NAME.test(run) && !BEGINS_LIKE_UUID.test(run) && !/^[0-9a-fA-F]{32}(-|$)/.test(run)) {
    return `${run}/${client}`;
  }
  throw refuse(text, /^\d/.test(run) ? 'almost YYMMDD-HHMMSS, but not quite' : 'of no known form');
}

/** Whether a run id has a shape that tells where it ends, so that its client stands behind a hyphen. */
const isFixed = (text) => ULID.test(text) || (UUID.test(text) && !/^[0-]+$/.test(text)) || isDateAndTime(text);

function splitOnce(text, separator) {
  const at = text.indexOf(separator);
  return [text.slice(0, at), text.slice(at + separator.length)];
}

function isDateAndTime(base) {
  const parts = /^(\d\d)(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)$/.exec(base);
  if (parts === null) {
    return false;
  }
  const [, year, month, day, hour, minute, second] = parts.map(Number);
  const days = new Date(Date.UTC(2000 + year, month, 0)).getUTCDate();
  return month >= 1 && month <= 12 && day >= 1 && day <= days && hour < 24 && minute < 60 && second < 60;
}

/** `YYMMDD-HHMMSS` of a time in milliseconds, in UTC. */
function fromMillis(ms) {
  return new Date(ms).toISOString().slice(2, 19).replace(/[-:]/g, '').replace('T', '-');
}

module.exports = { fromMillis, keyOf };
