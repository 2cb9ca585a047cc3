'use strict';
// Arguments as JSON. What JSON would turn into something else in silence (NaN into null, a function into nothing, an object
// that is waited for into {}) is refused by its name.

const DEPTH_MAX = 8;

/** The value as JSON can hold it; throws an Error that names the place. */
function plain(value, place, depth = 0) {
  const refuse = (what) => {
    throw new Error(`${place} is ${what}`);
  };
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'undefined':
      return value;
    case 'bigint':
      return value.toString();
    case 'number':
      return Number.isFinite(value) ? value : refuse(`${value}; send a number`);
    case 'object':
      break;
    default:
      return refuse(`a ${typeof value}; send a text or a number`);
  }
  if (value === null) {
    return null;
  }
  if (typeof value.then === 'function') {
    return refuse('a Promise; await it before it is passed on');
  }
  if (value instanceof Date) {
    return Number.isNaN(value.getTime()) ? refuse('an invalid Date') : value.toISOString();
  }
  if (depth >= DEPTH_MAX) {
    return refuse('nested too deeply, or in itself');
  }
  if (Array.isArray(value)) {
    return value.map((one, index) => plain(one, `${place}[${index}]`, depth + 1));
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, plain(one, depth === 0 ? name : `${place}.${name}`, depth + 1)]),
  );
}

module.exports = { plain };
