'use strict';
// A table as the older services used it: rows with columns, no unique key, and a clock that the night moves.

const rows = { jobs: [], clients: [] };
let seconds = Date.UTC(2025, 8, 25, 23, 18, 41) / 1000;

/** The next second has come. */
const tick = () => {
  seconds += 1;
};

/** `YYMMDD-HHMMSS` of now. */
const stamp = () => new Date(seconds * 1000).toISOString().slice(2, 19).replace(/[-:]/g, '').replace('T', '-');

function insert(table, fields) {
  const row = { id: `rec${rows[table].length + 1}`, fields: { ...fields } };
  row.get = (column) => row.fields[column];
  rows[table].push(row);
  return row;
}

const find = (table, wanted) =>
  rows[table].find(({ fields }) => Object.entries(wanted).every(([column, value]) => fields[column] === value));

module.exports = { find, insert, rows, stamp, tick };
