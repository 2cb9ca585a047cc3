// The public client `airtable` does its ordinary work against the fake, and must not notice.
// FAKE_URL and FAKE_CONTROL say where it is. Nothing here knows how the fake is made. With FAKE_TOKEN the way there leads through
// a gateway, which wants that token: then what is about the connection itself is left out.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import Airtable from "airtable";

const { FAKE_URL, FAKE_CONTROL, FAKE_TOKEN } = process.env;
const direct = { skip: FAKE_TOKEN && "a gateway stands between" };
const BASE = "appClientTests001";

async function control(method, path, body) {
  const answer = await fetch(`${FAKE_CONTROL}/${path}`, { method, body: body && JSON.stringify(body) });
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
}

const SCHEMA = {
  id: BASE,
  name: "Clients",
  tables: [
    {
      id: "tblRunRecords0001",
      name: "Run Records",
      fields: [
        { name: "Key", type: "singleLineText" },
        { name: "N", type: "number" },
        { name: "A B", type: "multilineText" },
        { name: "Status", type: "singleSelect", options: { choices: [{ name: "Running" }, { name: "Completed" }] } },
        { name: "Twice", type: "formula", options: { formula: "{N} * 2" } },
      ],
    },
    { id: "tblSlash000000001", name: "t/x", fields: [{ name: "Key", type: "singleLineText" }] },
  ],
};

function open(options = {}) {
  return new Airtable({ apiKey: FAKE_TOKEN ?? "patTEST", endpointUrl: FAKE_URL, ...options }).base(BASE);
}

function table(options) {
  return open(options)("Run Records");
}

async function fill(count) {
  const records = Array.from({ length: count }, (_, n) => ({ Key: `k${n}`, N: n }));
  await control("POST", `bases/${BASE}/tables/tblRunRecords0001/records`, records);
}

// An AirtableError is no Error; assert.rejects takes its fields.
async function refused(work, error, statusCode) {
  await assert.rejects(work, (thrown) => {
    assert.deepEqual([thrown.error, thrown.statusCode], [error, statusCode], `${thrown}`);
    return true;
  });
}

beforeEach(() => control("POST", "reset", { bases: [SCHEMA], settings: { base_requests: 1000000, token_requests: 1000000 } }));

test("records are created, alone and in batches", async () => {
  const one = await table().create({ Key: "k1", N: 1 });
  assert.match(one.id, /^rec[A-Za-z0-9]{14}$/);
  assert.deepEqual([one.get("Key"), one.get("N"), one.get("Twice")], ["k1", 1, 2]);
  const cast = await table().create({ Key: "k2", N: "7", Status: "New" }, { typecast: true });
  assert.deepEqual([cast.get("N"), cast.get("Status")], [7, "New"]);
  const many = await table().create([{ fields: { Key: "a" } }, { fields: { Key: "b" } }]);
  assert.deepEqual(many.map((record) => record.get("Key")), ["a", "b"]);
});

test("eleven records are not cut up and are refused", async () => {
  const eleven = Array.from({ length: 11 }, (_, n) => ({ fields: { N: n } }));
  await refused(table().create(eleven), "INVALID_RECORDS", 422);
  assert.deepEqual(await table().select().all(), []);
});

test("records are changed, replaced and saved", async () => {
  const { id } = await table().create({ Key: "k", N: 1 });
  assert.equal((await table().update(id, { N: 2 })).get("Key"), "k");
  assert.equal((await table().update(id, { N: "3" }, { typecast: true })).get("N"), 3);
  const [changed] = await table().update([{ id, fields: { Key: "l" } }]);
  assert.equal(changed.get("N"), 3);
  assert.equal((await table().replace(id, { Key: "m" })).get("N"), undefined);
  const [replaced] = await table().replace([{ id, fields: { N: 4 } }]);
  assert.equal(replaced.get("Key"), undefined);
  const record = await table().find(id);
  await record.patchUpdate({ Key: "p" });
  assert.equal((await table().find(id)).get("N"), 4);
  await record.fetch();
  assert.equal(record.get("Key"), "p");
});

test("an upsert goes through and answers records", async () => {
  const upsert = { performUpsert: { fieldsToMergeOn: ["Key"] } };
  for (const n of [1, 2]) {
    const [record] = await table().update([{ fields: { Key: "k", N: n } }], upsert);
    assert.deepEqual([record.get("Key"), record.get("N")], ["k", n]);
  }
  assert.equal((await table().select().all()).length, 1);
});

test("records are deleted, alone and in batches", async () => {
  const records = await table().create([{ fields: {} }, { fields: {} }, { fields: {} }, { fields: {} }]);
  const ids = records.map((record) => record.id);
  assert.equal((await table().destroy(ids[0])).id, ids[0]);
  assert.deepEqual((await table().destroy(ids.slice(1, 3))).map((record) => record.id), ids.slice(1, 3));
  await records[3].destroy();
  await refused(table().find(ids[3]), "NOT_FOUND", 404);
  await refused(table().destroy(ids[3]), "NOT_FOUND", 404);
});

test("lists go over all pages", async () => {
  await fill(250);
  assert.equal((await table().select().firstPage()).length, 100);
  assert.equal((await table().select().all()).length, 250);
  assert.equal((await table().select({ pageSize: 30, maxRecords: 70 }).all()).length, 70);
  const sizes = [];
  await table().select({ pageSize: 99 }).eachPage((records, next) => {
    sizes.push(records.length);
    next();
  });
  assert.deepEqual(sizes, [99, 99, 52]);
});

test("lists are filtered, sorted and cut to fields", async () => {
  await fill(20);
  const found = await table()
    .select({
      fields: ["Key", "A B"],
      filterByFormula: "OR({Key} = 'k7', {Key} = 'k12', {Key} = '1 & \\'ü\\'')",
      sort: [{ field: "N", direction: "desc" }],
      view: "Grid view",
      pageSize: 100,
      maxRecords: 5,
    })
    .all();
  assert.deepEqual(found.map((record) => record.fields), [{ Key: "k12" }, { Key: "k7" }]);
  await refused(table().select({ filterByFormula: "{Nope} = 1" }).all(), "INVALID_FILTER_BY_FORMULA", 422);
  const texts = { cellFormat: "string", timeZone: "Europe/Berlin", userLocale: "de", filterByFormula: "{Key} = 'k7'" };
  assert.equal((await table().select(texts).all())[0].get("N"), "7");
});

test("lists are posted when asked to, and when the formula is long", async () => {
  await fill(150);
  assert.equal((await table().select({ method: "post", timeZone: "UTC", userLocale: "en" }).all()).length, 150);
  const keys = Array.from({ length: 1000 }, (_, n) => `{Key} = 'k${n}'`);
  assert.equal((await table().select({ filterByFormula: `OR(${keys.join(",")})` }).all()).length, 150);
  const { requests } = await control("GET", "requests");
  assert.ok(requests.some((request) => request.target.includes("/listRecords")));
});

test("tables are named by name or id, and requests are made by hand", async () => {
  const made = await open()("t/x").create({ Key: "slash" });
  assert.equal((await open()("tblSlash000000001").find(made.id)).get("Key"), "slash");
  const answer = await open().makeRequest({
    method: "POST",
    path: "/Run%20Records",
    body: { fields: { Key: "by hand" } },
    headers: { "Idempotency-Key": "abc" },
  });
  assert.equal(answer.body.fields.Key, "by hand");
});

test("refusals have their types", async () => {
  await refused(table().create({ key: "k" }), "UNKNOWN_FIELD_NAME", 422);
  await refused(table().create({ Twice: 1 }), "INVALID_VALUE_FOR_COLUMN", 422);
  await refused(table().create({ Status: "Success" }), "INVALID_MULTIPLE_CHOICE_OPTIONS", 422);
  await refused(table().update([{ id: "recAAAAAAAAAAAAAA", fields: {} }]), "ROW_DOES_NOT_EXIST", 422);
  await refused(open()("Nope").select().all(), "NOT_AUTHORIZED", 403);
  await control("PUT", "tokens", [{ token: "patOther" }]);
  await refused(table().create({ Key: "k" }), "AUTHENTICATION_REQUIRED", 401);
  await control("PUT", "tokens", []);
});

test("the client waits by itself when there were too many requests", direct, async () => {
  await control("PATCH", "settings", { base_requests: 2, lockout_ms: 200 });
  await refused(
    (async () => {
      for (let n = 0; n < 3; n += 1) await table({ noRetryIfRateLimited: true }).select().firstPage();
    })(),
    "TOO_MANY_REQUESTS",
    429,
  );
  assert.deepEqual(await table().select().firstPage(), []);
});

test("faults look to the client like those of the real thing", direct, async () => {
  await control("POST", "faults", { refuse: { status: 503 }, after_effect: true, times: 1 });
  await refused(table().create({ Key: "a" }), "SERVICE_UNAVAILABLE", 503);
  await control("POST", "faults", { refuse: { status: 500 }, times: 1 });
  await refused(table().create({ Key: "b" }), "SERVER_ERROR", 500);
  await control("POST", "faults", { refuse: { status: 502, shape: "html" }, times: 1 });
  await refused(table().create({ Key: "c" }), "UNEXPECTED_ERROR", 502);
  await control("POST", "faults", { cut: "connection", after_effect: true, times: 1 });
  await assert.rejects(table().create({ Key: "d" }), /socket hang up|ECONNRESET/);
  const found = await table().select({ sort: [{ field: "Key" }] }).all();
  assert.deepEqual(found.map((record) => record.get("Key")), ["a", "d"]);
});
