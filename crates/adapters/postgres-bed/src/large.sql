-- Records {first} to {last} of a large ledger of {of}, made by the database itself: a hundred records to a run, its job and
-- 99 of 5,000 clients, spread over a year from this month on. Every record has two lines, a creation and an end (or a
-- refusal), whose hashes are of the right size and no chain: `verify` would say so.
CREATE TEMPORARY TABLE large AS
  SELECT n AS id,
         'nightly_' || lpad((n / 100)::text, 8, '0') AS run_id,
         CASE n % 100 WHEN 0 THEN '' ELSE 'client-' || lpad(((n / 100 * 37 + n % 100) % 5000)::text, 4, '0') END AS client_id,
         CASE WHEN k < 20 THEN 0 WHEN k < 120 THEN 1 WHEN k < 220 THEN 4 WHEN k < 270 THEN 3 WHEN k < 290 THEN 7 ELSE 2 END::smallint
           AS status,
         k, at, to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at_text,
         (extract(epoch FROM at) * 1000000)::bigint AS at_micros,
         CASE n / 100 % 2 WHEN 1 THEN 'stream-' || n / 100 % 50 END AS batch
    FROM generate_series({first}::bigint, {last}::bigint) AS n,
      LATERAL (SELECT n * 7919 % 10000 AS k,
        date_trunc('milliseconds', date_trunc('month', now() AT TIME ZONE 'UTC') + interval '360 days' * (n::float8 / {of})) AS at) AS x;

INSERT INTO run(id, run_id, client_id, status, version, deadline, batch, body)
  SELECT id, run_id, client_id, status, CASE WHEN status < 2 THEN 1 ELSE 2 END, at_micros + 21600000000, batch,
    '{"key":"' || run_id || CASE client_id WHEN '' THEN '' ELSE '/' || client_id END || '","creation":{"at":"' || at_text || '","source":"orchestrator","attempt":"attempt-' || id ||
    '","content":{' || CASE client_id WHEN '' THEN '' ELSE '"client_name":"Client ' || client_id || '"' END ||
    CASE WHEN batch IS NULL THEN '' WHEN client_id = '' THEN '"batch":"' || batch || '"' ELSE ',"batch":"' || batch || '"' END ||
    '}},"state":' ||
    CASE status WHEN 0 THEN '"queued"' WHEN 1 THEN '{"running":{"started_at":"' || at_text || '"}}'
      ELSE '{"ended":{"outcome":"' || (ARRAY['succeeded', 'succeeded_with_errors', 'failed', 'skipped', 'cancelled', 'lost'])[status - 1] ||
        '","started_at":"' || at_text || '","ended_at":"' || at_text || '","source":"batch_process"}}' END ||
    ',"metrics":{"posts_harvested":"' || k || '","profiles_scored":"' || k / 7 || '"}' ||
    CASE id % 10 WHEN 3 THEN ',"external_ids":["apify:' || md5(id::text) || '"]' ELSE '' END ||
    ',"deadline_after":21600,"deadline":"' || at_text || '","updated_at":"' || at_text ||
    '","updated_by":"batch_process","version":' || CASE WHEN status < 2 THEN 1 ELSE 2 END || '}'
  FROM large ORDER BY id;

INSERT INTO minted(source, attempt, run)
  SELECT 'orchestrator', 'attempt-' || id, id FROM large WHERE client_id = '' AND id / 100 % 2 = 0;
INSERT INTO reference(system, external, run) SELECT 'apify', md5(id::text), id FROM large WHERE id % 10 = 3;
UPDATE tally SET records = tally.records + n.records
  FROM (SELECT status, count(*) AS records FROM large GROUP BY status) AS n WHERE tally.status = n.status;
INSERT INTO client_load(client_id, records, notes)
  SELECT DISTINCT client_id, 0, 0 FROM large WHERE client_id <> ''
    AND NOT EXISTS (SELECT FROM client_load c WHERE c.client_id = large.client_id);
UPDATE client_load SET records = client_load.records + n.records
  FROM (SELECT client_id, count(*) AS records FROM large WHERE status < 2 AND client_id <> '' GROUP BY client_id) AS n
  WHERE client_load.client_id = n.client_id;

INSERT INTO activity(seq, at, action, source, run_id, client_id, verdict, code, version, detail, hash)
  SELECT seq, at_micros, CASE second WHEN 0 THEN 'create' ELSE 'complete' END,
    CASE second WHEN 0 THEN 'orchestrator' ELSE 'batch_process' END, run_id, client_id,
    CASE WHEN second = 0 THEN 'created' WHEN status < 2 OR k < 200 THEN 'refused' ELSE 'changed' END,
    CASE WHEN second = 1 AND (status < 2 OR k < 100) THEN 'already_ended' ELSE '' END,
    CASE WHEN second = 1 AND (status < 2 OR k < 100) THEN NULL ELSE second + 1 END,
    CASE second WHEN 0 THEN '' ELSE 'as succeeded; posts_harvested = ' || k END, sha256(int8send(seq))
  FROM large, generate_series(0, 1) AS second, LATERAL (SELECT id * 2 - 1 + second AS seq) AS x ORDER BY seq;
UPDATE head SET seq = {last} * 2, record = {last}, hash = sha256(int8send({last} * 2));
DROP TABLE large;
