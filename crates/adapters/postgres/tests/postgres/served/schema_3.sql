SELECT taken, holder, remaining FROM ledger_take_lease_v1($1, $2, $3)

SELECT ledger_keep_lease_v1($1, $2, $3)

SELECT ledger_end_lease_v1($1, $2)

SELECT call FROM lease WHERE duty = 'project' AND epoch = $1 AND until IS NOT NULL

SELECT ledger_settle_outbox_v1($1, $2)

SELECT ledger_begin_outbox_v1($1, $2, $3, $4)

SELECT ledger_mark_outbox_v1($1, $2, $3, $4, $5, $6, $7)

SELECT ledger_keep_rows_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)

SELECT ledger_stop_outbox_v1($1, $2, $3, $4, $5)

SELECT ledger_keep_removed_v1($1, $2, $3, $4, $5, $6, $7, $8)

SELECT stale, last_seq, first_record FROM ledger_write_v3(
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26,
  $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50,
  $51, $52, $53, $54, $55, $56, $57, $58, $59, $60, $61)

SELECT r.run_id, r.client_id, e.wanted, e.due, e.row_id, e.shown, e.digest, e.step, e.step_at, e.step_line, e.step_why, e.failures FROM outbox_entry e JOIN run r ON r.id = e.run
      WHERE e.step = 0 AND e.wanted > e.shown AND e.is_client = $1 AND e.due <= $2 ORDER BY e.due, e.run LIMIT $3

SELECT r.run_id, r.client_id, e.wanted, e.due, e.row_id, e.shown, e.digest, e.step, e.step_at, e.step_line, e.step_why, e.failures, k.place FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k(run_id, client_id, place)
      JOIN run r ON r.run_id = k.run_id AND r.client_id = k.client_id JOIN outbox_entry e ON e.run = r.id

SELECT r.run_id, r.client_id, e.wanted, e.due, e.row_id, e.shown, e.digest, e.step, e.step_at, e.step_line, e.step_why, e.failures FROM outbox_entry e JOIN run r ON r.id = e.run
      WHERE e.step <> 0 AND e.step = $1
        AND e.run > coalesce((SELECT a.id FROM run a WHERE a.run_id = $2 AND a.client_id = $3), 0)
      ORDER BY e.run LIMIT $4

SELECT 0::smallint, count(*), min(due), max(due) FROM outbox_entry WHERE step = 0 AND wanted > shown
     UNION ALL SELECT step, count(*), NULL, NULL FROM outbox_entry WHERE step <> 0 GROUP BY step

SELECT target, position, stopped_at, stopped_until, stopped_reason FROM outbox WHERE target <> ''

SELECT run_id, client_id, row_id, at, by_whom, cells FROM removed_row WHERE id > $1 ORDER BY id LIMIT $2

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
UNION ALL SELECT 6, k.place, l.epoch, ''
  FROM unnest($9::text[]) WITH ORDINALITY AS k(duty, place) JOIN lease l ON l.duty = k.duty AND l.until IS NOT NULL

SELECT duty, epoch, holder,
        coalesce(greatest(0, extract(epoch FROM until - clock_timestamp()) * 1000000), 0)::bigint FROM lease ORDER BY duty

SELECT d.name, json_build_array(d.position, d.failures, d.failing_since, d.disabled_at, d.last_error)::text FROM delivery d ORDER BY d.name

SELECT seq, hash FROM head FOR UPDATE
