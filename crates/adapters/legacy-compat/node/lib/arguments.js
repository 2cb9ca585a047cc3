'use strict';
// The arguments of a call, in either form, by the names of their parameters.

const { notSent } = require('./errors');
const { plain } = require('./plain');

/**
 * Reads the arguments. Answers `{named, options}`; of the options only the source goes to the ledger, and a logger stays here.
 */
function readArguments(functionName, parameters, args) {
  const [first] = args;
  const refuse = (field, detail) => {
    throw notSent(functionName, field, detail);
  };
  const isThing = first !== null && typeof first === 'object' && typeof first.then !== 'function';
  if (isThing && !parameters.some((name) => Object.hasOwn(first, name))) {
    // A logger, or the object of something else.
    refuse(parameters[0], `${parameters[0]} must be a string, received ${kindOf(first)}`);
  }
  const given = isThing
    ? Object.entries(first)
    : parameters.map((name, place) => [name, args[place]]).filter(([, value]) => value !== undefined);
  const named = {};
  let options = {};
  for (const [name, value] of given) {
    if (name === 'options') {
      options = value !== null && typeof value === 'object' ? value : {};
      continue;
    }
    try {
      named[name] = plain(value, name);
    } catch (error) {
      refuse(name, error.message);
    }
  }
  try {
    const source = plain(options.source, 'source');
    named.options = source === undefined ? undefined : { source };
  } catch (error) {
    refuse('source', error.message);
  }
  return { named, options };
}

function kindOf(value) {
  return Array.isArray(value) ? 'array' : `object (${value.constructor?.name || 'Object'})`;
}

module.exports = { readArguments };
