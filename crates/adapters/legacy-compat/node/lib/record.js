'use strict';

/** A record in the older shape. */
class RunRecord {
  constructor({ id, fields }) {
    /** Stable: `rec` and the key of the record. */
    this.id = id;
    /** The values by the names of the columns. */
    this.fields = fields;
  }

  /** The value of a column; undefined when it is empty. */
  get(name) {
    return Object.hasOwn(this.fields, name) ? this.fields[name] : undefined;
  }
}

module.exports = { RunRecord };
