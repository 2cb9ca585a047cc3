SELECT to_regclass('schema_version') IS NOT NULL

SELECT version FROM schema_version

SELECT seq FROM head

SELECT body FROM token ORDER BY id

SELECT id, body, deadline FROM run WHERE status < 2 AND deadline < $1 ORDER BY deadline, id LIMIT 101

INSERT INTO opening DEFAULT VALUES RETURNING id

SELECT stale, last_seq, first_record FROM ledger_write_v1(
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26,
  $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50)

SELECT pg_notify('runledger_lines', $1)

SELECT run.id, run.body FROM minted JOIN run ON run.id = minted.run WHERE source = $1 AND attempt = $2

SELECT id, body FROM run WHERE run_id = $1 AND client_id = $2

SELECT 0, k.place, r.id, r.body
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k(run_id, client_id, place)
    JOIN run r ON r.run_id = k.run_id AND r.client_id = k.client_id
UNION ALL SELECT 1, k.place, r.id, r.body
  FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS k(source, attempt, place)
    JOIN minted m ON m.source = k.source AND m.attempt = k.attempt JOIN run r ON r.id = m.run
UNION ALL SELECT 2, k.place, r.id, r.body
  FROM unnest($5::text[]) WITH ORDINALITY AS k(run_id, place)
    JOIN run r ON r.run_id = k.run_id AND r.client_id <> '' AND r.status < 2
UNION ALL SELECT 3, k.place, l.records, l.notes::text
  FROM unnest($6::text[]) WITH ORDINALITY AS k(client_id, place) JOIN client_load l ON l.client_id = k.client_id
UNION ALL SELECT 4, k.place, 0, t.body
  FROM unnest($7::text[]) WITH ORDINALITY AS k(id, place) JOIN token t ON t.id = k.id
UNION ALL SELECT 5, k.place, d.version, json_build_array(d.position, d.failures, d.failing_since, d.disabled_at, d.last_error)::text
  FROM unnest($8::text[]) WITH ORDINALITY AS k(name, place) JOIN delivery d ON d.name = k.name

SELECT id, body FROM run WHERE run_id = $1

SELECT run.id, run.body FROM run WHERE run.id > $1 ORDER BY run.id LIMIT 101

SELECT run.id, run.body FROM run WHERE run.id > $1 AND run.status = 1 ORDER BY run.id LIMIT 101

SELECT run.id, run.body FROM run WHERE run.id > $1 AND run.status = 2 ORDER BY run.id LIMIT 101

SELECT run.id, run.body FROM run WHERE run.id > $1 AND run.status = 0 ORDER BY run.id LIMIT 101

SELECT run.id, run.body FROM run WHERE run.id > $1 AND run.client_id = $2 ORDER BY run.id LIMIT 101

SELECT run.id, run.body FROM run WHERE run.id > $1 AND run.batch = $2 ORDER BY run.id LIMIT 101

SELECT run.id, run.body FROM reference JOIN run ON run.id = reference.run WHERE reference.run > $1 AND reference.system = $2 AND reference.external = $3 ORDER BY run.id LIMIT 101

SELECT run.id, run.body FROM run WHERE run.id > $1 AND run.run_id = $2 ORDER BY run.id LIMIT 101

SELECT run.id, run.body FROM run WHERE run.id > $1 AND run.client_id = '' ORDER BY run.id LIMIT 101

SELECT run.id, run.body FROM run WHERE run.id > $1 AND run.client_id = $2 AND run.status = 4 ORDER BY run.id LIMIT 101

SELECT seq, at, action, source, run_id, client_id, verdict, code, version, detail, hash FROM activity WHERE seq > $1 ORDER BY seq LIMIT 101

SELECT seq, at, action, source, run_id, client_id, verdict, code, version, detail, hash FROM activity WHERE seq > $1 AND verdict = 'refused' ORDER BY seq LIMIT 101

SELECT seq, at, action, source, run_id, client_id, verdict, code, version, detail, hash FROM activity WHERE seq > $1 AND run_id = $2 ORDER BY seq LIMIT 101

SELECT seq, at, action, source, run_id, client_id, verdict, code, version, detail, hash FROM activity WHERE seq > $1 AND seq <= $2 AND source = $3 ORDER BY seq LIMIT 101

SELECT d.name, json_build_array(d.position, d.failures, d.failing_since, d.disabled_at, d.last_error)::text FROM delivery d ORDER BY d.name

SELECT status, records FROM tally WHERE records > 0
         UNION ALL SELECT -1::smallint, seq FROM head
         UNION ALL SELECT -2::smallint, count(*) FROM (
           SELECT FROM run WHERE status < 2 AND deadline < $1 ORDER BY deadline, id LIMIT $2) AS stalled

SELECT seq, at, action, source, run_id, client_id, verdict, code, version, detail, hash FROM activity WHERE seq > $1 ORDER BY seq LIMIT 2

SELECT seq, at, action, source, run_id, client_id, verdict, code, version, detail, hash FROM activity WHERE seq > $1 ORDER BY seq LIMIT 1001

SELECT stale, last_seq, first_record FROM ledger_write_v2(
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26,
  $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50,
  $51, $52, $53, $54, $55, $56, $57, $58)

SELECT stale, last_seq, first_record, known, done FROM ledger_settle_v1($1, $2)

SELECT serves_from FROM schema_version
