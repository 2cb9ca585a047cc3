// The public client `airtable` against the gateway: its run tables are the ledger's, and it must not notice; however many
// processes create one record at once, there is one row. GATEWAY_URL, GATEWAY_TOKEN and LEDGER_URL say where it is,
// FAKE_CONTROL leads to the Airtable behind it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import Airtable from "airtable";
import { Proxy } from "./proxy.mjs";

const { GATEWAY_URL, GATEWAY_TOKEN, LEDGER_URL, FAKE_CONTROL } = process.env;
const BASE = "appGateway0000001";
const PROCESSES = 8;
const TRIALS = 20;

function table(name, url = GATEWAY_URL) {
  return new Airtable({ apiKey: GATEWAY_TOKEN, endpointUrl: url }).base(BASE)(name);
}

/** How many client records the ledger has of a run; none of the gateway's words is taken for it. */
async function clientsOf(run) {
  const answer = await fetch(`${LEDGER_URL}/v1/runs/${run}/summary`, { headers: { authorization: `Bearer ${GATEWAY_TOKEN}` } });
  assert.equal(answer.status, 200, await answer.clone().text());
  return (await answer.json()).clients;
}

async function askedOfAirtable() {
  return (await (await fetch(`${FAKE_CONTROL}/requests`)).json()).requests.length;
}

// An AirtableError is no Error; assert.rejects takes its fields.
async function refused(work, error, statusCode, words) {
  await assert.rejects(work, (thrown) => {
    assert.deepEqual([thrown.error, thrown.statusCode], [error, statusCode], `${thrown}`);
    assert.match(thrown.message, words);
    return true;
  });
}

test("a night over run tables is as it was, and asks Airtable nothing", async (t) => {
  const before = await askedOfAirtable();
  const proxy = await new Proxy().start(GATEWAY_URL);
  // Also when the test fails: a server that listens would keep the process for ever.
  t.after(() => proxy.close());
  const run = "251001-200000";
  const [jobs, clients] = ["Job Tracking", "tblClients0000001"].map((name) => table(name, proxy.url));
  const checkedCreate = async (rows, formula, fields) => {
    assert.deepEqual(await rows.select({ filterByFormula: formula, maxRecords: 1 }).firstPage(), []);
    return rows.create(fields);
  };
  const job = await checkedCreate(jobs, `{Run ID} = '${run}'`, {
    "Run ID": run, Status: "Running", Stream: 1, "Start Time": new Date().toISOString(), "System Notes": "Run initiated",
  });
  const client = await checkedCreate(clients, `AND({Run ID} = '${run}-acme', {Client ID} = 'acme')`, {
    "Run ID": `${run}-acme`, "Client ID": "acme", "Client Name": "Acme & Söhne", Status: "Running", "Profile Scoring Tokens": 0,
  });
  assert.match(client.id, /^rec[A-Za-z0-9]{14}$/);
  for (const tokens of [1000, 2000, 3000]) {
    const [updated] = await clients.update([{ id: client.id, fields: { "Profile Scoring Tokens": tokens } }]);
    assert.equal(updated.get("Profile Scoring Tokens"), tokens);
  }
  const ended = await clients.update(client.id, { Status: "Completed", "End Time": new Date().toISOString(), "System Notes": "done" });
  assert.deepEqual([ended.get("Status"), ended.get("Client Name")], ["Completed", "Acme & Söhne"]);
  const finished = await jobs.update(job.id, { Status: "Completed" });
  assert.equal(finished.get("Profile Scoring Tokens"), 3000);
  console.log(`a life of a job and a client with three updates: ${proxy.asked.length} requests, none of them to Airtable`);
  assert.equal(proxy.asked.length, 9);
  assert.equal(await askedOfAirtable(), before);
  // Whole rows are read and written back.
  const read = await table("Client Run Results").find(client.id);
  assert.equal((await read.save()).get("Status"), "Completed");
  assert.equal((await table("Client Run Results").select({ filterByFormula: "{Client ID} = 'acme'" }).all()).length, 1);
});

test("refusals reach the caller with their types and with what to do", async () => {
  const run = "251001-200001";
  await table("Job Tracking").create({ "Run ID": run });
  const clients = table("Client Run Results");
  const client = await clients.create({ "Run ID": run, "Client ID": "acme", "Client Name": "Acme" });
  const other = { "Run ID": run, "Client ID": "acme", "Client Name": "Other" };
  await refused(clients.create(other), "DUPLICATE_KEY", 409, /exists already: created by orchestrator.*differs in Client Name/);
  await refused(clients.create({ ...other, "Recovery Note": "x" }), "UNKNOWN_FIELD_NAME", 422, /Recovery Note/);
  await refused(clients.update("recAAAAAAAAAAAAAA", { Status: "Running" }), "NOT_FOUND", 404, /does not exist/);
  const upsert = { performUpsert: { fieldsToMergeOn: ["Run ID", "Client ID"] } };
  const unknown = [{ fields: { "Run ID": run, "Client ID": "zen" } }];
  await refused(clients.update(unknown, upsert), "ROW_DOES_NOT_EXIST", 422, /never creates/);
  await refused(clients.destroy(client.id), "DELETE_REFUSED", 422, /never deleted/);
  await refused(clients.update(client.id, { "Run ID": "251001-999999" }), "INVALID_VALUE_FOR_COLUMN", 422, /never changes/);
  const eleven = Array.from({ length: 11 }, (_, n) => ({ fields: { "Run ID": run, "Client ID": `c${n}` } }));
  await refused(clients.create(eleven), "INVALID_RECORDS", 422, /A maximum of 10 records/);
  assert.equal(await clientsOf(run), 1);
});

test("lists go over all pages", async () => {
  const run = "251001-200002";
  await table("Job Tracking").create({ "Run ID": run });
  const clients = table("Client Run Results");
  for (let tens = 0; tens < 5; tens += 1) {
    const ten = Array.from({ length: 10 }, (_, n) => ({ fields: { "Run ID": run, "Client ID": `c${tens}${n}` } }));
    assert.deepEqual((await clients.create(ten)).map((row) => row.get("Client ID")), ten.map(({ fields }) => fields["Client ID"]));
  }
  const formula = `FIND('${run}', {Run ID}) = 1`;
  assert.equal((await clients.select({ filterByFormula: formula, pageSize: 7 }).all()).length, 50);
  const sorted = await clients.select({ filterByFormula: formula, sort: [{ field: "Client ID", direction: "desc" }], pageSize: 20, maxRecords: 45 }).all();
  assert.deepEqual([sorted.length, sorted[0].get("Client ID"), sorted[44].get("Client ID")], [45, "c49", "c05"]);
});

const creators = [];

before(async () => {
  for (let n = 0; n < PROCESSES; n += 1) {
    const child = spawn(process.execPath, ["creator.mjs"], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    creators.push({ child, lines });
  }
  for (const { lines } of creators) {
    assert.deepEqual(JSON.parse((await lines.next()).value), { ready: true });
  }
});

after(() => creators.forEach(({ child }) => child.kill()));

/** All processes create at once. Answers what each was told. */
function race(order) {
  const line = `${JSON.stringify({ base: BASE, table: "Client Run Results", ...order })}\n`;
  creators.forEach(({ child }) => child.stdin.write(line));
  return Promise.all(creators.map(async ({ lines }) => JSON.parse((await lines.next()).value)));
}

/** Trials of one kind, each with a run of its own; every process must get the one row. */
async function trials(minute, name, prepare) {
  const proxy = await new Proxy().start(GATEWAY_URL);
  const hows = {};
  try {
    for (let trial = 0; trial < TRIALS; trial += 1) {
      const run = `251002-10${minute}${String(trial).padStart(2, "0")}`;
      await table("Job Tracking").create({ "Run ID": run });
      prepare(proxy);
      const fields = { "Run ID": run, "Client ID": "acme", "Client Name": name, Status: "Running" };
      const formula = `AND({Run ID} = '${run}-acme', {Client ID} = 'acme')`;
      const told = await race({ url: proxy.url, fields, formula });
      assert.equal(new Set(told.map(({ id }) => id)).size, 1, JSON.stringify(told));
      assert.match(told[0].id, /^rec/);
      assert.equal(await clientsOf(run), 1);
      told.forEach(({ how }) => (hows[how] = (hows[how] ?? 0) + 1));
    }
  } finally {
    proxy.close();
  }
  return hows;
}

test("eight processes that create one record at once make one row, and each gets it", async () => {
  const hows = await trials("10", "Acme", () => {});
  console.log(`at once: ${JSON.stringify(hows)}`);
  assert.ok(hows.created > TRIALS, JSON.stringify(hows));
});

test("so they do when answers are lost after the effect", async () => {
  const hows = await trials("11", "Acme", (proxy) => proxy.plan("POST", "lose", PROCESSES / 2));
  console.log(`with ${PROCESSES / 2} answers lost in each trial: ${JSON.stringify(hows)}`);
  assert.ok(hows["created again"] >= TRIALS, JSON.stringify(hows));
});

test("so they do when the check before fails with 500", async () => {
  const hows = await trials("12", "Acme", (proxy) => proxy.plan("GET", "fail", PROCESSES));
  assert.deepEqual(hows, { created: TRIALS * PROCESSES });
});

test("an apostrophe in a name is a name, and in a client id is refused to all", async () => {
  await trials("13", "Mary O'Brien", () => {});
  for (let trial = 0; trial < TRIALS; trial += 1) {
    const run = `251002-1014${String(trial).padStart(2, "0")}`;
    await table("Job Tracking").create({ "Run ID": run });
    const fields = { "Run ID": run, "Client ID": "Mary-O'Brien" };
    // As the older services wrote it: the apostrophe ends the text, and the formula is none.
    const formula = `AND({Run ID} = '${run}', {Client ID} = '${fields["Client ID"]}')`;
    for (const said of await race({ url: GATEWAY_URL, fields, formula })) {
      assert.deepEqual([said.error, said.status], ["INVALID_VALUE_FOR_COLUMN", 422], JSON.stringify(said));
      assert.match(said.message, /client id/i);
    }
    assert.equal(await clientsOf(run), 0);
  }
});
