-- What several servers do one at a time, and what is copied elsewhere.
--
-- None of it takes the lock on `head`: who holds a duty never slows down who creates. Whatever the holder of a duty writes
-- holds the row of its lease until the commit, and so does who takes the duty over: the look at the epoch and the write are
-- one step (I13).

-- Each duty with its last taking.
CREATE TABLE lease(
  duty    text        COLLATE "C" PRIMARY KEY,
  epoch   bigint      NOT NULL CHECK(epoch >= 0),
  holder  text        COLLATE "C" NOT NULL,
  until   timestamptz,                          -- by the clock of the database; null when it was given up
  call    bigint      NOT NULL DEFAULT 0,       -- the last write of this taking
  settled bigint      NOT NULL DEFAULT 0
) WITH (fillfactor = 20);

CREATE FUNCTION ledger_lease_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.duty <> OLD.duty OR NEW.epoch < OLD.epoch OR (NEW.epoch = OLD.epoch AND NEW.call < OLD.call) THEN
    RAISE EXCEPTION 'each epoch is greater than all before it (I13)' USING ERRCODE = 'RL002';
  END IF;
  IF NEW.epoch = OLD.epoch AND OLD.until IS NULL AND NEW.until IS NOT NULL THEN
    RAISE EXCEPTION 'a duty that was given up is taken anew (I13)' USING ERRCODE = 'RL002';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER lease_follows BEFORE UPDATE ON lease FOR EACH ROW EXECUTE FUNCTION ledger_lease_follows();
CREATE TRIGGER lease_is_kept BEFORE DELETE ON lease
  FOR EACH ROW EXECUTE FUNCTION ledger_stands('an epoch is never forgotten (I13)');

-- The outbox: how far the log was read, and what is known of the row of each record (I14). Times are microseconds.
CREATE TABLE outbox(
  one            boolean PRIMARY KEY DEFAULT true CHECK(one),
  target         text    NOT NULL,
  position       bigint  NOT NULL CHECK(position >= 0),  -- all lines up to this one are in the outbox
  stopped_at     bigint,                                 -- since when nothing is sent, until when, and why
  stopped_until  bigint,
  stopped_reason text
) WITH (fillfactor = 20);

CREATE TABLE outbox_entry(
  run       bigint   PRIMARY KEY,               -- the record
  is_client boolean  NOT NULL,
  wanted    bigint   NOT NULL CHECK(wanted >= 0),   -- the last line that concerns the row
  due       bigint   NOT NULL,
  row_id    text     COLLATE "C",
  shown     bigint   NOT NULL DEFAULT 0 CHECK(shown >= 0),  -- the line up to which the row shows the record
  digest    bytea,
  step      smallint NOT NULL DEFAULT 0 CHECK(step BETWEEN 0 AND 4),  -- 0 idle, 1 claimed, 2 sending, 3 unknown, 4 set aside
  step_at   bigint,
  step_line bigint,
  step_why  text,
  failures  bigint   NOT NULL DEFAULT 0 CHECK(failures >= 0)
) WITH (fillfactor = 70);
-- Entries that lack nothing are in neither: they cost nothing, however many there are.
CREATE INDEX outbox_due  ON outbox_entry(is_client, due, run) WHERE step = 0 AND wanted > shown;
CREATE INDEX outbox_step ON outbox_entry(step, run) WHERE step <> 0;

CREATE TABLE removed_row(
  id        bigint PRIMARY KEY,                 -- 1, 2, 3, ... without a gap
  run_id    text   COLLATE "C" NOT NULL,
  client_id text   COLLATE "C" NOT NULL,
  row_id    text   COLLATE "C" NOT NULL,
  at        bigint NOT NULL,
  by_whom   text   NOT NULL,
  cells     text   NOT NULL                     -- as they were, as JSON
);
CREATE TRIGGER removed_row_is_kept BEFORE UPDATE OR DELETE ON removed_row
  FOR EACH ROW EXECUTE FUNCTION ledger_stands('what was removed elsewhere is kept');

-- Takes a duty that nobody has; otherwise says who has it, and for how many microseconds yet.
CREATE FUNCTION ledger_take_lease_v1(
  p_duty text, p_holder text, p_micros bigint,
  OUT taken bigint, OUT holder text, OUT remaining bigint
) LANGUAGE plpgsql AS $$
DECLARE
  v_until timestamptz;
BEGIN
  IF NOT EXISTS (SELECT FROM lease l WHERE l.duty = p_duty) THEN
    INSERT INTO lease(duty, epoch, holder) VALUES(p_duty, 0, p_holder) ON CONFLICT DO NOTHING;
  END IF;
  -- Most who ask are told no: that writes nothing.
  SELECT l.holder, l.until INTO holder, v_until FROM lease l WHERE l.duty = p_duty;
  IF v_until IS NULL OR v_until <= clock_timestamp() THEN
    SELECT l.holder, l.until INTO STRICT holder, v_until FROM lease l WHERE l.duty = p_duty FOR UPDATE;
    IF v_until IS NULL OR v_until <= clock_timestamp() THEN
      UPDATE lease l SET epoch = l.epoch + 1, holder = p_holder, call = 0,
          until = clock_timestamp() + p_micros * interval '1 microsecond'
        WHERE l.duty = p_duty RETURNING l.epoch INTO taken;
      RETURN;
    END IF;
  END IF;
  remaining := greatest(1, extract(epoch FROM v_until - clock_timestamp()) * 1000000);
END $$;

-- Keeps a duty for so many microseconds from now on; says whether it is still the caller's.
CREATE FUNCTION ledger_keep_lease_v1(p_duty text, p_epoch bigint, p_micros bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE lease SET until = clock_timestamp() + p_micros * interval '1 microsecond'
    WHERE duty = p_duty AND epoch = p_epoch AND until IS NOT NULL;
  RETURN FOUND;
END $$;

-- Gives a duty up; one that is no longer the caller's stays as it is.
CREATE FUNCTION ledger_end_lease_v1(p_duty text, p_epoch bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE lease SET until = NULL WHERE duty = p_duty AND epoch = p_epoch;
  RETURN FOUND;
END $$;

-- Holds the duty to project until the end of the transaction; says whether it is the caller's. The writes of one taking
-- are numbered: one that comes after a later one, or after it was settled, is refused.
CREATE FUNCTION ledger_hold_outbox(p_epoch bigint, p_call bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE lease SET call = p_call WHERE duty = 'project' AND epoch = p_epoch AND until IS NOT NULL AND call < p_call;
  IF FOUND THEN
    RETURN true;
  END IF;
  IF EXISTS (SELECT FROM lease WHERE duty = 'project' AND epoch = p_epoch AND until IS NOT NULL) THEN
    RAISE EXCEPTION 'write % of the outbox comes too late', p_call USING ERRCODE = 'RL001';
  END IF;
  RETURN false;
END $$;

-- Each write of the outbox says whether the duty is still the caller's; if not, it wrote nothing.

CREATE FUNCTION ledger_begin_outbox_v1(p_epoch bigint, p_call bigint, p_target text, p_position bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  IF NOT ledger_hold_outbox(p_epoch, p_call) THEN
    RETURN false;
  END IF;
  TRUNCATE outbox_entry;
  UPDATE outbox SET target = p_target, position = p_position, stopped_at = NULL, stopped_until = NULL,
    stopped_reason = NULL;
  IF NOT FOUND THEN
    INSERT INTO outbox(target, position) VALUES(p_target, p_position);
  END IF;
  RETURN true;
END $$;

-- One mark for each record at most. Those of what has no record are left out.
CREATE FUNCTION ledger_mark_outbox_v1(
  p_epoch bigint, p_call bigint, p_position bigint, m_run text[], m_client text[], m_line bigint[], m_due bigint[]
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF NOT ledger_hold_outbox(p_epoch, p_call) THEN
    RETURN false;
  END IF;
  UPDATE outbox SET position = greatest(position, p_position);
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the outbox was not begun' USING ERRCODE = 'RL003';
  END IF;
  UPDATE outbox_entry e SET wanted = greatest(e.wanted, m.line),
      due = CASE WHEN e.wanted <= e.shown AND m.line > e.shown THEN m.due ELSE e.due END
    FROM unnest(m_run, m_client, m_line, m_due) AS m(run_id, client_id, line, due)
      JOIN run r ON r.run_id = m.run_id AND r.client_id = m.client_id
    WHERE e.run = r.id;
  INSERT INTO outbox_entry(run, is_client, wanted, due)
    SELECT r.id, r.client_id <> '', m.line, m.due
      FROM unnest(m_run, m_client, m_line, m_due) AS m(run_id, client_id, line, due)
        JOIN run r ON r.run_id = m.run_id AND r.client_id = m.client_id
      WHERE NOT EXISTS (SELECT FROM outbox_entry e WHERE e.run = r.id);
  RETURN true;
END $$;

-- One row for each record at most. Those of what has no entry are left out.
CREATE FUNCTION ledger_keep_rows_v1(
  p_epoch bigint, p_call bigint, k_run text[], k_client text[], k_due bigint[], k_row_id text[], k_shown bigint[],
  k_digest bytea[], k_step smallint[], k_at bigint[], k_line bigint[], k_why text[], k_failures bigint[]
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF NOT ledger_hold_outbox(p_epoch, p_call) THEN
    RETURN false;
  END IF;
  UPDATE outbox_entry e SET due = k.due, row_id = k.row_id,
      shown = CASE WHEN k.shown = 0 THEN 0 ELSE greatest(e.shown, k.shown) END,
      digest = k.digest, step = k.step, step_at = k.at, step_line = k.line, step_why = k.why, failures = k.failures
    FROM unnest(k_run, k_client, k_due, k_row_id, k_shown, k_digest, k_step, k_at, k_line, k_why, k_failures)
        AS k(run_id, client_id, due, row_id, shown, digest, step, at, line, why, failures)
      JOIN run r ON r.run_id = k.run_id AND r.client_id = k.client_id
    WHERE e.run = r.id;
  RETURN true;
END $$;

CREATE FUNCTION ledger_stop_outbox_v1(p_epoch bigint, p_call bigint, p_at bigint, p_until bigint, p_reason text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF NOT ledger_hold_outbox(p_epoch, p_call) THEN
    RETURN false;
  END IF;
  UPDATE outbox SET stopped_at = p_at, stopped_until = p_until, stopped_reason = p_reason;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the outbox was not begun' USING ERRCODE = 'RL003';
  END IF;
  RETURN true;
END $$;

CREATE FUNCTION ledger_keep_removed_v1(
  p_epoch bigint, p_call bigint, k_run text[], k_client text[], k_row_id text[], k_at bigint[], k_by_whom text[],
  k_cells text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF NOT ledger_hold_outbox(p_epoch, p_call) THEN
    RETURN false;
  END IF;
  INSERT INTO removed_row(id, run_id, client_id, row_id, at, by_whom, cells)
    SELECT coalesce((SELECT max(id) FROM removed_row), 0) + k.place, k.run_id, k.client_id, k.row_id, k.at, k.by_whom,
        k.cells
      FROM unnest(k_run, k_client, k_row_id, k_at, k_by_whom, k_cells)
        WITH ORDINALITY AS k(run_id, client_id, row_id, at, by_whom, cells, place);
  RETURN true;
END $$;

-- Says what became of a write of the outbox, once it can no longer become anything else: 0 it was done, 1 it was not and
-- never will be, 2 the duty was taken since, and nobody can say. A write that was not done leaves the number after its own,
-- so that it can neither come late nor be taken for done. It always writes, as `ledger_settle_v1` does and for the same
-- reason.
CREATE FUNCTION ledger_settle_outbox_v1(p_epoch bigint, p_call bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_epoch bigint;
  v_call  bigint;
BEGIN
  SELECT epoch, call INTO v_epoch, v_call FROM lease WHERE duty = 'project' FOR UPDATE;
  UPDATE lease SET settled = settled + 1,
      call = CASE WHEN epoch = p_epoch AND call < p_call THEN p_call + 1 ELSE call END
    WHERE duty = 'project';
  RETURN CASE WHEN v_epoch IS DISTINCT FROM p_epoch THEN 2 WHEN v_call = p_call THEN 0 ELSE 1 END;
END $$;

-- `ledger_write_v2` for a call in which something goes with a duty. The rows of the leases are held until the commit, so that
-- nobody takes a duty over in the middle. To a group whose fence is lost, a guard is added that never holds, as it is to one
-- that is stale: it is decided again, and refused.
CREATE FUNCTION ledger_write_v3(
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
  d_group integer[], d_name text[], d_version_was bigint[], d_position bigint[], d_failures bigint[],
  d_failing_since bigint[], d_disabled_at bigint[], d_last_error text[],
  f_group integer[], f_duty text[], f_epoch bigint[],
  OUT stale integer[], OUT last_seq bigint, OUT first_record bigint
) LANGUAGE plpgsql AS $$
DECLARE
  v_never CONSTANT smallint := 0;  -- no guard has this number, so that it holds for nothing
  v_found integer[];
BEGIN
  -- In this order everywhere; who holds a lease never waits for `head`.
  PERFORM FROM head FOR UPDATE;
  PERFORM FROM lease WHERE duty = ANY (f_duty) ORDER BY duty FOR SHARE;
  SELECT coalesce(array_agg(DISTINCT n.grp), '{}') INTO v_found
    FROM unnest(f_group, f_duty, f_epoch) AS n(grp, duty, epoch)
    WHERE NOT EXISTS (SELECT FROM lease l WHERE l.duty = n.duty AND l.epoch = n.epoch AND l.until IS NOT NULL);

  SELECT w.stale, w.last_seq, w.first_record INTO STRICT stale, last_seq, first_record FROM ledger_write_v2(
    p_server, p_call,
    g_group || v_found, g_what || array_fill(v_never, ARRAY[cardinality(v_found)]), g_name, g_more, g_first, g_second,
    i_group, i_run, i_client, i_status, i_version, i_deadline, i_batch, i_body, i_source, i_attempt,
    u_group, u_id, u_version_was, u_status_was, u_status, u_version, u_deadline, u_body,
    r_group, r_run, r_client, r_system, r_external,
    l_group, l_client, l_records, l_notes,
    t_group, t_new, t_id, t_body,
    a_group, a_at, a_action, a_source, a_run, a_client, a_verdict, a_code, a_version, a_detail, a_bytes,
    d_group, d_name, d_version_was, d_position, d_failures, d_failing_since, d_disabled_at, d_last_error) AS w;
END $$;
