-- How far the log was delivered to each webhook.
--
-- A delivery touches no record and no line; only who enables a webhook leaves a line, in the same call (I6). Its version
-- says what a call was decided on.

CREATE TABLE delivery(
  name          text   COLLATE "C" PRIMARY KEY,
  position      bigint NOT NULL CHECK(position >= 0),  -- all lines up to this one were delivered, or are not wanted
  failures      bigint NOT NULL CHECK(failures >= 0),  -- tries that failed since the last one that did not
  failing_since bigint,
  disabled_at   bigint,
  last_error    text,
  version       bigint NOT NULL CHECK(version >= 1)
) WITH (fillfactor = 70);

CREATE FUNCTION ledger_delivery_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.name <> OLD.name THEN
    RAISE EXCEPTION 'the name of a webhook never changes' USING ERRCODE = 'RL002';
  END IF;
  IF NEW.position < OLD.position THEN
    RAISE EXCEPTION 'a delivery never goes back' USING ERRCODE = 'RL002';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER delivery_follows BEFORE UPDATE ON delivery
  FOR EACH ROW EXECUTE FUNCTION ledger_delivery_follows();
CREATE TRIGGER delivery_is_kept BEFORE DELETE ON delivery
  FOR EACH ROW EXECUTE FUNCTION ledger_stands('what was delivered is never forgotten');

-- `ledger_write_v1` for a call that keeps deliveries as well: in the same transaction, under the same lock. A delivery is
-- guarded by its version, 0 when there is none. To a group that is stale, a guard is added that never holds: so nothing
-- of it is written, and what is said of it is kept, with the rest of the call.
CREATE FUNCTION ledger_write_v2(
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
  OUT stale integer[], OUT last_seq bigint, OUT first_record bigint
) LANGUAGE plpgsql AS $$
DECLARE
  v_never CONSTANT smallint := 0;  -- no guard has this number, so that it holds for nothing
  v_found integer[];
BEGIN
  PERFORM FROM head FOR UPDATE;
  SELECT coalesce(array_agg(DISTINCT n.grp), '{}') INTO v_found
    FROM unnest(d_group, d_name, d_version_was) AS n(grp, name, version)
    WHERE n.version <> coalesce((SELECT d.version FROM delivery d WHERE d.name = n.name), 0);

  SELECT w.stale, w.last_seq, w.first_record INTO STRICT stale, last_seq, first_record FROM ledger_write_v1(
    p_server, p_call,
    g_group || v_found, g_what || array_fill(v_never, ARRAY[cardinality(v_found)]), g_name, g_more, g_first, g_second,
    i_group, i_run, i_client, i_status, i_version, i_deadline, i_batch, i_body, i_source, i_attempt,
    u_group, u_id, u_version_was, u_status_was, u_status, u_version, u_deadline, u_body,
    r_group, r_run, r_client, r_system, r_external,
    l_group, l_client, l_records, l_notes,
    t_group, t_new, t_id, t_body,
    a_group, a_at, a_action, a_source, a_run, a_client, a_verdict, a_code, a_version, a_detail, a_bytes) AS w;

  UPDATE delivery SET position = greatest(delivery.position, n.position), failures = n.failures,
      failing_since = n.failing_since, disabled_at = n.disabled_at, last_error = n.last_error,
      version = delivery.version + 1
    FROM unnest(d_group, d_name, d_position, d_failures, d_failing_since, d_disabled_at, d_last_error)
      AS n(grp, name, position, failures, failing_since, disabled_at, last_error)
    WHERE delivery.name = n.name AND n.grp <> ALL (stale);
  INSERT INTO delivery(name, position, failures, failing_since, disabled_at, last_error, version)
    SELECT n.name, n.position, n.failures, n.failing_since, n.disabled_at, n.last_error, 1
      FROM unnest(d_group, d_name, d_version_was, d_position, d_failures, d_failing_since, d_disabled_at, d_last_error)
        AS n(grp, name, version_was, position, failures, failing_since, disabled_at, last_error)
      WHERE n.version_was = 0 AND n.grp <> ALL (stale);
END $$;
