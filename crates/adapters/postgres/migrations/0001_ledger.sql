-- The ledger: records, the log, and the one statement that writes both.
--
-- A record is one row of `run`; its body is the record as JSON, and the other columns are what is searched for. The unique
-- key is what makes a record unique for ever (I1). Triggers keep the rest of the invariants even from a bug of ours: keys
-- never change, records are never deleted, ended records never change, the log only grows.
--
-- Statuses: 0 queued, 1 running, 2 succeeded, 3 with errors, 4 failed, 5 skipped, 6 cancelled, 7 lost. Times are
-- microseconds since 1970 UTC.

CREATE TABLE run(
  id        bigint   PRIMARY KEY,               -- the order of creation: cursor of the listings
  run_id    text     COLLATE "C" NOT NULL,
  client_id text     COLLATE "C" NOT NULL,      -- '' for a job record
  status    smallint NOT NULL CHECK(status BETWEEN 0 AND 7),
  version   bigint   NOT NULL CHECK(version >= 1),
  deadline  bigint   NOT NULL,
  batch     text     COLLATE "C",
  body      text     NOT NULL,
  CONSTRAINT run_key UNIQUE(run_id, client_id)
);
CREATE INDEX run_client   ON run(client_id, id);
CREATE INDEX run_status   ON run(status, id) WHERE status <> 2;
CREATE INDEX run_deadline ON run(deadline, id) WHERE status < 2;
CREATE INDEX run_batch    ON run(batch, id) WHERE batch IS NOT NULL;
-- A job has few open clients at a time and may have had very many.
CREATE INDEX run_open     ON run(run_id, id) WHERE status < 2 AND client_id <> '';

-- The attempts of runs whose id the ledger chose: a retry finds its record here.
CREATE TABLE minted(
  source  text   COLLATE "C" NOT NULL,
  attempt text   COLLATE "C" NOT NULL,
  run     bigint NOT NULL,
  PRIMARY KEY(source, attempt)
);

-- Ids of other systems.
CREATE TABLE reference(
  system   text   COLLATE "C" NOT NULL,
  external text   COLLATE "C" NOT NULL,
  run      bigint NOT NULL,
  PRIMARY KEY(system, external, run)
);

-- The log. `db migrate` makes partitions ahead; what has no partition of its own lies in the last one, and is not lost.
CREATE TABLE activity(
  seq       bigint NOT NULL,                    -- 1, 2, 3, ... without a gap, given out by `head`
  at        bigint NOT NULL,
  action    text   COLLATE "C" NOT NULL,
  source    text   COLLATE "C" NOT NULL,
  run_id    text   COLLATE "C" NOT NULL,
  client_id text   COLLATE "C" NOT NULL,
  verdict   text   COLLATE "C" NOT NULL,
  code      text   COLLATE "C" NOT NULL,
  version   bigint,
  detail    text   NOT NULL,
  hash      bytea  NOT NULL,                    -- SHA-256 over this line and the hash of the one before
  PRIMARY KEY(seq, at)
) PARTITION BY RANGE(at);
CREATE INDEX activity_run     ON activity(run_id, seq);
CREATE INDEX activity_refused ON activity(seq) WHERE verdict = 'refused';
CREATE TABLE activity_other PARTITION OF activity DEFAULT;

CREATE TABLE token(
  id   text COLLATE "C" PRIMARY KEY,
  body text NOT NULL                            -- what is kept of the token, as JSON; of its secret only the hash
);

-- How many records have each status: counting a large ledger would take seconds.
CREATE TABLE tally(
  status  smallint PRIMARY KEY,
  records bigint   NOT NULL CHECK(records >= 0)
) WITH (fillfactor = 50);
INSERT INTO tally SELECT status, 0 FROM generate_series(0, 7) AS status;

-- What the open records of each client come to: quotas are decided by it.
CREATE TABLE client_load(
  client_id text   COLLATE "C" PRIMARY KEY,
  records   bigint NOT NULL CHECK(records >= 0),
  notes     bigint NOT NULL CHECK(notes >= 0)
) WITH (fillfactor = 70);

-- The end of the log and of the records. Whoever writes holds this row, so the order of commits is the order of lines.
CREATE TABLE head(
  one    boolean PRIMARY KEY DEFAULT true CHECK(one),
  seq    bigint  NOT NULL,
  hash   bytea   NOT NULL,
  record bigint  NOT NULL                       -- the id of the last record
) WITH (fillfactor = 10);
INSERT INTO head(seq, hash, record) VALUES(0, decode(repeat('00', 32), 'hex'), 0);

-- One row for each opening of the store by a server (I13), with the last call that it made and what came of it: so that
-- a server that lost its connection learns what its last call did.
CREATE TABLE opening(
  id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  opened_at    timestamptz NOT NULL DEFAULT now(),
  call         bigint      NOT NULL DEFAULT 0,
  done         boolean     NOT NULL DEFAULT true,
  stale        integer[]   NOT NULL DEFAULT '{}',
  last_seq     bigint      NOT NULL DEFAULT 0,
  first_record bigint      NOT NULL DEFAULT 0,
  settled      bigint      NOT NULL DEFAULT 0
) WITH (fillfactor = 20);

CREATE FUNCTION ledger_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'RL002';
END $$;

CREATE FUNCTION ledger_run_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.run_id, NEW.client_id) IS DISTINCT FROM (OLD.id, OLD.run_id, OLD.client_id) THEN
    RAISE EXCEPTION 'the key of a record never changes (I1)' USING ERRCODE = 'RL002';
  END IF;
  IF OLD.status >= 2 THEN
    RAISE EXCEPTION 'an ended record never changes (I5)' USING ERRCODE = 'RL002';
  END IF;
  -- Several changes may come in one statement; each has a line of its own.
  IF NEW.version <= OLD.version THEN
    RAISE EXCEPTION 'the version grows (I5)' USING ERRCODE = 'RL002';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION ledger_head_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.seq < OLD.seq OR NEW.record < OLD.record THEN
    RAISE EXCEPTION 'the log only grows (I6)' USING ERRCODE = 'RL002';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER run_is_kept BEFORE DELETE ON run
  FOR EACH ROW EXECUTE FUNCTION ledger_stands('records are never deleted (I1)');
CREATE TRIGGER run_is_not_emptied BEFORE TRUNCATE ON run
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_stands('records are never deleted (I1)');
CREATE TRIGGER run_follows BEFORE UPDATE ON run
  FOR EACH ROW EXECUTE FUNCTION ledger_run_follows();
CREATE TRIGGER minted_is_kept BEFORE UPDATE OR DELETE ON minted
  FOR EACH ROW EXECUTE FUNCTION ledger_stands('an attempt is remembered for ever (I7)');
CREATE TRIGGER activity_is_kept BEFORE UPDATE OR DELETE ON activity
  FOR EACH ROW EXECUTE FUNCTION ledger_stands('the log only grows (I6)');
CREATE TRIGGER activity_is_not_emptied BEFORE TRUNCATE ON activity
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_stands('the log only grows (I6)');
CREATE TRIGGER token_is_kept BEFORE DELETE ON token
  FOR EACH ROW EXECUTE FUNCTION ledger_stands('tokens are ended, never deleted (I6)');
CREATE TRIGGER head_follows BEFORE UPDATE ON head
  FOR EACH ROW EXECUTE FUNCTION ledger_head_follows();
CREATE TRIGGER head_is_kept BEFORE DELETE ON head
  FOR EACH ROW EXECUTE FUNCTION ledger_stands('the log only grows (I6)');

-- Writes one call of a server: everything whose evidence still holds, with its lines, and answers what was stale.
--
-- A call is one statement and its own transaction, so that nobody holds `head` while it waits for a server. The first
-- thing is the lock on `head`; what comes after sees all that was committed before. What is written stands in groups, and
-- a group is written whole or not at all: its guards say what it was decided on. Every record is inserted by the one
-- statement that inserts, and changed by the one that updates, which inserts nothing (I3).
--
-- Guards (`g_what`): 1 a job, named by its run, is missing (0), open (1) or ended (2); 2 so many clients of a run are open;
-- 3 the load of a client is so many records and notes; 4 a source has not used an attempt; 5 a token has this body, or is
-- not there (null). That an inserted key is free and an updated record has its version is guarded by what is written.
CREATE FUNCTION ledger_write_v1(
  p_server bigint, p_call bigint,
  g_group integer[], g_what smallint[], g_name text[], g_more text[], g_first bigint[], g_second bigint[],
  i_group integer[], i_run text[], i_client text[], i_status smallint[], i_version bigint[], i_deadline bigint[],
  i_batch text[], i_body text[], i_source text[], i_attempt text[],
  u_group integer[], u_id bigint[], u_version_was bigint[], u_status_was smallint[], u_status smallint[],
  u_version bigint[], u_deadline bigint[], u_body text[],
  r_group integer[], r_run text[], r_client text[], r_system text[], r_external text[],
  l_group integer[], l_client text[], l_records bigint[], l_notes bigint[],
  t_group integer[], t_new boolean[], t_id text[], t_body text[],
  a_group integer[], a_at bigint[], a_action text[], a_source text[], a_run text[], a_client text[], a_verdict text[],
  a_code text[], a_version bigint[], a_detail text[], a_bytes bytea[],
  OUT stale integer[], OUT last_seq bigint, OUT first_record bigint
) LANGUAGE plpgsql AS $$
DECLARE
  v_hash    bytea;
  v_record  bigint;
  v_found   integer[];
  v_rows    bigint;
  v_seqs    bigint[] := '{}';
  v_hashes  bytea[] := '{}';
  v_line    integer := 0;
  v_bytes   bytea;
BEGIN
  stale := '{}';
  SELECT h.seq, h.hash, h.record INTO STRICT last_seq, v_hash, v_record FROM head h FOR UPDATE;

  -- What was decided on is still so.
  IF cardinality(i_group) > 0 THEN
    SELECT array_agg(DISTINCT n.grp) INTO v_found
      FROM unnest(i_group, i_run, i_client) AS n(grp, run_id, client_id)
      WHERE EXISTS (SELECT FROM run WHERE run.run_id = n.run_id AND run.client_id = n.client_id);
    stale := stale || v_found;
  END IF;
  IF cardinality(u_group) > 0 THEN
    SELECT array_agg(DISTINCT n.grp) INTO v_found
      FROM unnest(u_group, u_id, u_version_was) AS n(grp, id, version)
      WHERE NOT EXISTS (SELECT FROM run WHERE run.id = n.id AND run.version = n.version);
    stale := stale || v_found;
  END IF;
  IF cardinality(g_group) > 0 THEN
    SELECT array_agg(DISTINCT g.grp) INTO v_found
      FROM unnest(g_group, g_what, g_name, g_more, g_first, g_second) AS g(grp, what, name, more, first, second)
      WHERE CASE g.what
        WHEN 1 THEN g.first <> coalesce((SELECT CASE WHEN status < 2 THEN 1 ELSE 2 END FROM run
          WHERE run_id = g.name AND client_id = ''), 0)
        WHEN 2 THEN g.first <> (SELECT count(*) FROM run WHERE run_id = g.name AND client_id <> '' AND status < 2)
        WHEN 3 THEN (g.first, g.second) <> (coalesce((SELECT records FROM client_load WHERE client_id = g.name), 0),
          coalesce((SELECT notes FROM client_load WHERE client_id = g.name), 0))
        WHEN 4 THEN EXISTS (SELECT FROM minted WHERE source = g.name AND attempt = g.more)
        WHEN 5 THEN g.more IS DISTINCT FROM (SELECT body FROM token WHERE id = g.name)
        ELSE true
      END;
    stale := stale || v_found;
  END IF;

  -- Records that come into being, with what is found by them.
  first_record := v_record + 1;
  IF cardinality(i_group) > 0 THEN
    INSERT INTO run(id, run_id, client_id, status, version, deadline, batch, body)
      SELECT v_record + row_number() OVER (ORDER BY n.place), n.run_id, n.client_id, n.status, n.version, n.deadline,
          n.batch, n.body
        FROM unnest(i_group, i_run, i_client, i_status, i_version, i_deadline, i_batch, i_body)
          WITH ORDINALITY AS n(grp, run_id, client_id, status, version, deadline, batch, body, place)
        WHERE n.grp <> ALL (stale);
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_record := v_record + v_rows;
    INSERT INTO minted(source, attempt, run)
      SELECT n.source, n.attempt, run.id
        FROM unnest(i_group, i_run, i_client, i_source, i_attempt) AS n(grp, run_id, client_id, source, attempt)
          JOIN run ON run.run_id = n.run_id AND run.client_id = n.client_id
        WHERE n.source IS NOT NULL AND n.grp <> ALL (stale);
  END IF;

  -- Records that change.
  IF cardinality(u_group) > 0 THEN
    UPDATE run SET status = n.status, version = n.version, deadline = n.deadline, body = n.body
      FROM unnest(u_group, u_id, u_version_was, u_status, u_version, u_deadline, u_body)
        AS n(grp, id, version_was, status, version, deadline, body)
      WHERE run.id = n.id AND run.version = n.version_was AND n.grp <> ALL (stale);
  END IF;
  IF cardinality(r_group) > 0 THEN
    INSERT INTO reference(system, external, run)
      SELECT n.system, n.external, run.id
        FROM unnest(r_group, r_run, r_client, r_system, r_external) AS n(grp, run_id, client_id, system, external)
          JOIN run ON run.run_id = n.run_id AND run.client_id = n.client_id
        WHERE n.grp <> ALL (stale);
  END IF;

  -- What is counted.
  IF cardinality(i_group) + cardinality(u_group) > 0 THEN
    UPDATE tally SET records = tally.records + d.records
      FROM (SELECT c.status, sum(c.n) AS records FROM (
          SELECT grp, status, 1 AS n FROM unnest(i_group, i_status) AS x(grp, status)
          UNION ALL SELECT grp, status, 1 FROM unnest(u_group, u_status) AS x(grp, status)
          UNION ALL SELECT grp, status, -1 FROM unnest(u_group, u_status_was) AS x(grp, status)) AS c
        WHERE c.grp <> ALL (stale) GROUP BY c.status) AS d
      WHERE tally.status = d.status AND d.records <> 0;
  END IF;
  IF cardinality(l_group) > 0 THEN
    INSERT INTO client_load(client_id, records, notes)
      SELECT DISTINCT n.client_id, 0, 0 FROM unnest(l_group, l_client) AS n(grp, client_id)
        WHERE n.grp <> ALL (stale) AND NOT EXISTS (SELECT FROM client_load c WHERE c.client_id = n.client_id);
    UPDATE client_load SET records = client_load.records + d.records, notes = client_load.notes + d.notes
      FROM (SELECT n.client_id, sum(n.records) AS records, sum(n.notes) AS notes
          FROM unnest(l_group, l_client, l_records, l_notes) AS n(grp, client_id, records, notes)
          WHERE n.grp <> ALL (stale) GROUP BY n.client_id) AS d
      WHERE client_load.client_id = d.client_id;
  END IF;
  IF cardinality(t_group) > 0 THEN
    UPDATE token SET body = n.body FROM unnest(t_group, t_new, t_id, t_body) AS n(grp, new, id, body)
      WHERE token.id = n.id AND NOT n.new AND n.grp <> ALL (stale);
    INSERT INTO token(id, body) SELECT n.id, n.body FROM unnest(t_group, t_new, t_id, t_body) AS n(grp, new, id, body)
      WHERE n.new AND n.grp <> ALL (stale);
  END IF;

  -- The lines, numbered and chained.
  FOREACH v_bytes IN ARRAY a_bytes LOOP
    v_line := v_line + 1;
    IF a_group[v_line] = ANY (stale) THEN
      v_seqs := array_append(v_seqs, NULL::bigint);
      v_hashes := array_append(v_hashes, NULL::bytea);
    ELSE
      last_seq := last_seq + 1;
      v_hash := sha256(v_hash || int8send(last_seq) || v_bytes);
      v_seqs := array_append(v_seqs, last_seq);
      v_hashes := array_append(v_hashes, v_hash);
    END IF;
  END LOOP;
  INSERT INTO activity(seq, at, action, source, run_id, client_id, verdict, code, version, detail, hash)
    SELECT * FROM unnest(v_seqs, a_at, a_action, a_source, a_run, a_client, a_verdict, a_code, a_version, a_detail,
        v_hashes) AS n(seq, at, action, source, run_id, client_id, verdict, code, version, detail, hash)
      WHERE n.seq IS NOT NULL;

  UPDATE head SET seq = last_seq, hash = v_hash, record = v_record;
  UPDATE opening o SET call = p_call, done = true, stale = ledger_write_v1.stale,
      last_seq = ledger_write_v1.last_seq, first_record = ledger_write_v1.first_record
    WHERE o.id = p_server AND o.call < p_call;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'call % of server % comes too late', p_call, p_server USING ERRCODE = 'RL001';
  END IF;
END $$;

-- Says what became of a call, once it can no longer become anything else: it waits for whoever writes, and from then on
-- the call is done or can no longer be. It always writes, so that under synchronous replication its own commit carries
-- the call that it found to the standby before anybody is told.
CREATE FUNCTION ledger_settle_v1(
  p_server bigint, p_call bigint,
  OUT known boolean, OUT done boolean, OUT stale integer[], OUT last_seq bigint, OUT first_record bigint
) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM head FOR UPDATE;
  UPDATE opening o SET settled = o.settled + 1,
      done = o.done AND o.call >= p_call,
      call = greatest(o.call, p_call)
    WHERE o.id = p_server
    RETURNING true, o.done, o.stale, o.last_seq, o.first_record
    INTO known, done, stale, last_seq, first_record;
  IF known IS NULL THEN
    known := false;
    done := false;
  END IF;
END $$;
