// A process that creates records as it is told: one line of JSON on its input is one creation, one line on its output what came
// of it. It does what programs of old do: look first, create when there seems to be none, also when the look failed; and again
// when the answer was lost.

import { createInterface } from "node:readline";
import Airtable from "airtable";

/** How often a create is sent whose answer was lost; more often than the tests lose one. */
const TRIES = 6;

async function create({ url, table, base, fields, formula }) {
  const rows = new Airtable({ apiKey: process.env.GATEWAY_TOKEN, endpointUrl: url }).base(base)(table);
  try {
    const found = await rows.select({ filterByFormula: formula, maxRecords: 1 }).firstPage();
    if (found.length > 0) {
      return { id: found[0].id, how: "found" };
    }
  } catch {
    // Fail-open, as it was.
  }
  for (let tries = 1; ; tries += 1) {
    try {
      return { id: (await rows.create(fields)).id, how: tries === 1 ? "created" : "created again" };
    } catch (error) {
      if (error.statusCode || tries === TRIES) {
        throw error;
      }
    }
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  create(JSON.parse(line)).then(
    (done) => console.log(JSON.stringify(done)),
    (error) => console.log(JSON.stringify({ error: error.error ?? error.message, message: error.message, status: error.statusCode })),
  );
});
console.log(JSON.stringify({ ready: true }));
