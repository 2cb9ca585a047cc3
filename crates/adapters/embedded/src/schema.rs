//! What the file looks like, and how an older file becomes a newer one.
//!
//! A record is one row of `run`; its body is the record as JSON, and the other columns are what is searched for. The
//! unique index over the key is what makes a record unique for ever (I1). Triggers keep the rest of the invariants even
//! from a bug of ours: keys never change, records are never deleted, ended records never change, the log only grows.

use rusqlite::{Connection, TransactionBehavior};

use crate::error::OpenError;

/// Marks the file as a run ledger (`RLDG`).
pub(crate) const APPLICATION_ID: i64 = 0x524C_4447;
/// The newest schema: that of the last migration.
pub(crate) const SCHEMA_VERSION: i64 = 6;

/// Each schema version with the statements that lead to it from the one before.
const MIGRATIONS: [(i64, &str); 6] = [(1, "
CREATE TABLE run(
  id        INTEGER PRIMARY KEY,       -- the order of creation: cursor of the listings
  run_id    TEXT    NOT NULL,
  client_id TEXT    NOT NULL,          -- '' for a job record
  status    INTEGER NOT NULL,          -- 0 queued, 1 running, 2 succeeded, 3 with errors, 4 failed, 5 skipped, 6 cancelled, 7 lost
  version   INTEGER NOT NULL,
  deadline  INTEGER NOT NULL,          -- microseconds since 1970 UTC
  batch     TEXT,
  body      TEXT    NOT NULL           -- the record as JSON
) STRICT;
CREATE UNIQUE INDEX run_key ON run(run_id, client_id);
CREATE INDEX run_client   ON run(client_id);
CREATE INDEX run_status   ON run(status) WHERE status <> 2;
CREATE INDEX run_deadline ON run(deadline) WHERE status < 2;
CREATE INDEX run_batch    ON run(batch) WHERE batch IS NOT NULL;

-- The attempts of runs whose id the ledger chose: a retry finds its record here.
CREATE TABLE minted(
  source  TEXT NOT NULL,
  attempt TEXT NOT NULL,
  run     INTEGER NOT NULL,
  PRIMARY KEY(source, attempt)
) STRICT, WITHOUT ROWID;

-- Ids of other systems.
CREATE TABLE reference(
  system   TEXT NOT NULL,
  external TEXT NOT NULL,
  run      INTEGER NOT NULL,
  PRIMARY KEY(system, external, run)
) STRICT, WITHOUT ROWID;

CREATE TABLE activity(
  seq       INTEGER PRIMARY KEY,       -- 1, 2, 3, ... without a gap
  at        INTEGER NOT NULL,
  action    TEXT    NOT NULL,
  source    TEXT    NOT NULL,
  run_id    TEXT    NOT NULL,
  client_id TEXT    NOT NULL,
  verdict   TEXT    NOT NULL,
  code      TEXT    NOT NULL,
  version   INTEGER,
  detail    TEXT    NOT NULL,
  hash      BLOB    NOT NULL           -- SHA-256 over this line and the hash of the one before
) STRICT;
CREATE INDEX activity_run     ON activity(run_id);
CREATE INDEX activity_refused ON activity(seq) WHERE verdict = 'refused';

CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES('epoch', 0);

CREATE TRIGGER run_is_kept BEFORE DELETE ON run
  BEGIN SELECT RAISE(ABORT, 'records are never deleted (I1)'); END;
CREATE TRIGGER run_key_is_kept BEFORE UPDATE OF id, run_id, client_id ON run
  BEGIN SELECT RAISE(ABORT, 'the key of a record never changes (I1)'); END;
CREATE TRIGGER run_end_is_final BEFORE UPDATE ON run WHEN OLD.status >= 2
  BEGIN SELECT RAISE(ABORT, 'an ended record never changes (I5)'); END;
CREATE TRIGGER run_version_grows_by_one BEFORE UPDATE ON run WHEN NEW.version <> OLD.version + 1
  BEGIN SELECT RAISE(ABORT, 'the version grows by one (I5)'); END;
CREATE TRIGGER activity_is_kept BEFORE DELETE ON activity
  BEGIN SELECT RAISE(ABORT, 'the log only grows (I6)'); END;
CREATE TRIGGER activity_is_final BEFORE UPDATE ON activity
  BEGIN SELECT RAISE(ABORT, 'the log only grows (I6)'); END;
"), (2, "
CREATE TABLE token(
  id   TEXT PRIMARY KEY,
  body TEXT NOT NULL                   -- what is kept of the token, as JSON; of its secret only the hash
) STRICT, WITHOUT ROWID;
CREATE TRIGGER token_is_kept BEFORE DELETE ON token
  BEGIN SELECT RAISE(ABORT, 'tokens are ended, never deleted (I6)'); END;
"), (3, "
-- How many records have each status, kept with every write: counting a large ledger would take seconds.
CREATE TABLE tally(
  status  INTEGER PRIMARY KEY,
  records INTEGER NOT NULL CHECK(records >= 0)
) STRICT;
INSERT INTO tally SELECT value, (SELECT count(*) FROM run WHERE status = value) FROM json_each('[0,1,2,3,4,5,6,7]');
"), (4, "
-- What the open records of each client come to, kept with every write: quotas are decided by it.
CREATE TABLE client_load(
  client_id TEXT PRIMARY KEY,
  records   INTEGER NOT NULL CHECK(records >= 0),
  notes     INTEGER NOT NULL CHECK(notes >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO client_load SELECT client_id, count(*), CAST(total(json_array_length(body, '$.notes')) AS INTEGER) FROM run
  WHERE client_id <> '' AND status < 2 GROUP BY client_id;
"), (5, "
-- How far the log was delivered to each webhook.
CREATE TABLE delivery(
  name          TEXT PRIMARY KEY,
  position      INTEGER NOT NULL,      -- all lines up to this one were delivered, or are not wanted
  failures      INTEGER NOT NULL,      -- tries that failed since the last one that did not
  failing_since INTEGER,
  disabled_at   INTEGER,
  last_error    TEXT
) STRICT, WITHOUT ROWID;
CREATE TRIGGER delivery_goes_on BEFORE UPDATE ON delivery WHEN NEW.position < OLD.position
  BEGIN SELECT RAISE(ABORT, 'a delivery never goes back'); END;
"), (SCHEMA_VERSION, "
-- How often each duty was taken, and by whom last (I13). How long it is theirs is not kept: opening the file ends that.
CREATE TABLE lease(
  duty   TEXT PRIMARY KEY,
  epoch  INTEGER NOT NULL,
  holder TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER lease_is_kept BEFORE DELETE ON lease
  BEGIN SELECT RAISE(ABORT, 'an epoch is never forgotten (I13)'); END;
CREATE TRIGGER lease_goes_on BEFORE UPDATE ON lease WHEN NEW.epoch <= OLD.epoch
  BEGIN SELECT RAISE(ABORT, 'each epoch is greater than all before it (I13)'); END;

-- What is copied elsewhere: how far the log was read, and what is known of the row of each record (I14).
CREATE TABLE outbox(
  one            INTEGER PRIMARY KEY CHECK(one = 1),
  target         TEXT    NOT NULL,
  position       INTEGER NOT NULL,     -- all lines up to this one are in the outbox
  stopped_at     INTEGER,              -- since when nothing is sent, until when, and why
  stopped_until  INTEGER,
  stopped_reason TEXT
) STRICT;
CREATE TABLE outbox_entry(
  run       INTEGER PRIMARY KEY,       -- the record
  is_client INTEGER NOT NULL,
  wanted    INTEGER NOT NULL,          -- the last line that concerns the row
  due       INTEGER NOT NULL,
  row_id    TEXT,
  shown     INTEGER NOT NULL,          -- the line up to which the row shows the record
  digest    BLOB,
  step      INTEGER NOT NULL,          -- 0 idle, 1 claimed, 2 sending, 3 unknown, 4 set aside
  step_at   INTEGER,
  step_line INTEGER,
  step_why  TEXT,
  failures  INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_due  ON outbox_entry(is_client, due, run) WHERE step = 0 AND wanted > shown;
CREATE INDEX outbox_step ON outbox_entry(step, run) WHERE step <> 0;
CREATE TABLE removed_row(
  id        INTEGER PRIMARY KEY,       -- 1, 2, 3, ... without a gap
  run_id    TEXT    NOT NULL,
  client_id TEXT    NOT NULL,
  row_id    TEXT    NOT NULL,
  at        INTEGER NOT NULL,
  by_whom   TEXT    NOT NULL,
  cells     TEXT    NOT NULL           -- as they were, as JSON
) STRICT;
CREATE TRIGGER removed_row_is_kept BEFORE DELETE ON removed_row
  BEGIN SELECT RAISE(ABORT, 'what was removed elsewhere is kept'); END;
")];

/// Brings the file to the newest schema, or refuses it: newer files and foreign files are left alone (I17).
pub(crate) fn migrate(connection: &mut Connection, file: &std::path::Path) -> Result<(), OpenError> {
    let version = check(connection, file)?;
    let failed = |source| OpenError::Sqlite {
        action: "migrate",
        source,
    };
    if version == SCHEMA_VERSION {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Exclusive)
        .map_err(failed)?;
    // Somebody else may have migrated between the check and the lock.
    let version: i64 = transaction
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(failed)?;
    for (_, migration) in MIGRATIONS.iter().filter(|(leads_to, _)| *leads_to > version) {
        transaction.execute_batch(migration).map_err(failed)?;
    }
    transaction
        .pragma_update(None, "application_id", APPLICATION_ID)
        .map_err(failed)?;
    transaction
        .pragma_update(None, "user_version", SCHEMA_VERSION)
        .map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// The schema version of a file that this program may use; 0 for an empty one.
pub(crate) fn check(connection: &Connection, file: &std::path::Path) -> Result<i64, OpenError> {
    let failed = |source| OpenError::Sqlite {
        action: "read the header of",
        source,
    };
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))
        .map_err(failed)?;
    let (application, version) = (
        pragma("application_id").map_err(failed)?,
        pragma("user_version").map_err(failed)?,
    );
    if tables == 0 && application == 0 && version == 0 {
        return Ok(0);
    }
    if application != APPLICATION_ID {
        return Err(OpenError::Foreign { file: file.to_owned() });
    }
    if version > SCHEMA_VERSION {
        return Err(OpenError::Newer {
            found: version,
            known: SCHEMA_VERSION,
        });
    }
    Ok(version)
}
