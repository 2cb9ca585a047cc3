//! The outbox inside a transaction (I14). It touches no record and no line (I3).

use runledger_domain::{RunKey, Timestamp};
use runledger_ports::{FencedError, Mark, OutboxStop, RemovedRow, RowId, RowState, Unavailable};
use rusqlite::params;

use super::{Transaction, check_rows};
use crate::columns::{key_columns, version_column};
use crate::error::StoreError;

const DELETE_ENTRIES: &str = "DELETE FROM outbox_entry";
const DELETE_OUTBOX: &str = "DELETE FROM outbox";
const INSERT_OUTBOX: &str = "INSERT INTO outbox(one, target, position) VALUES(1, '', 0) ON CONFLICT DO NOTHING";
const BEGIN_OUTBOX: &str =
    "UPDATE outbox SET target = ?1, position = ?2, stopped_at = NULL, stopped_until = NULL, stopped_reason = NULL";
const UPDATE_POSITION: &str = "UPDATE outbox SET position = max(position, ?1)";
const UPDATE_STOP: &str = "UPDATE outbox SET stopped_at = ?1, stopped_until = ?2, stopped_reason = ?3";
const INSERT_ENTRY: &str = "INSERT INTO outbox_entry(run, is_client, wanted, due, shown, step, failures)
     SELECT id, client_id <> '', ?3, ?4, 0, 0, 0 FROM run WHERE run_id = ?1 AND client_id = ?2 ON CONFLICT DO NOTHING";
const RAISE_ENTRY: &str = "UPDATE outbox_entry SET due = CASE WHEN wanted <= shown AND ?3 > shown THEN ?4 ELSE due END,
        wanted = max(wanted, ?3)
     WHERE run = (SELECT id FROM run WHERE run_id = ?1 AND client_id = ?2)";
const UPDATE_ROW: &str =
    "UPDATE outbox_entry SET due = ?3, row_id = ?4, shown = CASE WHEN ?5 = 0 THEN 0 ELSE max(shown, ?5) END,
        digest = ?6, step = ?7, step_at = ?8, step_line = ?9, step_why = ?10, failures = ?11
     WHERE run = (SELECT id FROM run WHERE run_id = ?1 AND client_id = ?2)";
const INSERT_REMOVED: &str = "INSERT INTO removed_row(run_id, client_id, row_id, at, by_whom, cells)
     VALUES(?1, ?2, ?3, ?4, ?5, ?6)";

/// What whoever projects writes.
pub(crate) enum OutboxWrite {
    Begin { target: String, position: u64 },
    Mark { position: u64, marks: Vec<Mark> },
    KeepRows(Vec<(RunKey, Timestamp, RowState)>),
    Stop(Option<OutboxStop>),
    KeepRemoved(Vec<RemovedRow>),
}

impl Transaction<'_> {
    pub(super) fn write_outbox(&mut self, write: OutboxWrite) -> Result<Result<(), FencedError>, StoreError> {
        match write {
            OutboxWrite::Begin { target, position } => self.begin_outbox(&target, position)?,
            OutboxWrite::Mark { position, marks } => {
                if self.execute(UPDATE_POSITION, params![version_column(position)?])? == 0 {
                    return Ok(Err(not_begun()));
                }
                for mark in Mark::folded(marks) {
                    self.mark(&mark)?;
                }
            }
            OutboxWrite::KeepRows(rows) => {
                for (key, due, row) in &rows {
                    self.keep_row(key, *due, row)?;
                }
            }
            OutboxWrite::Stop(stop) => {
                let stop = stop.as_ref();
                let until = stop.and_then(|stop| stop.until).map(Timestamp::as_micros);
                let at = stop.map(|stop| stop.at.as_micros());
                let reason = stop.map(|stop| &stop.reason);
                if self.execute(UPDATE_STOP, params![at, until, reason])? == 0 {
                    return Ok(Err(not_begun()));
                }
            }
            OutboxWrite::KeepRemoved(rows) => {
                for row in &rows {
                    self.keep_removed(row)?;
                }
            }
        }
        self.wrote = true;
        Ok(Ok(()))
    }

    fn begin_outbox(&self, target: &str, position: u64) -> Result<(), StoreError> {
        self.execute(DELETE_ENTRIES, params![])?;
        self.execute(INSERT_OUTBOX, params![])?;
        let rows = self.execute(BEGIN_OUTBOX, params![target, version_column(position)?])?;
        check_rows(rows, "the outbox")
    }

    /// Forgets what is known of rows elsewhere, but for those that were removed.
    pub(super) fn end_outbox(&self) -> Result<(), StoreError> {
        self.execute(DELETE_ENTRIES, params![])?;
        self.execute(DELETE_OUTBOX, params![])?;
        Ok(())
    }

    /// Leaves out what has no record.
    fn mark(&self, mark: &Mark) -> Result<(), StoreError> {
        let (run, client) = key_columns(&mark.key);
        let values = params![run, client, version_column(mark.line)?, mark.due.as_micros()];
        if self.execute(INSERT_ENTRY, values)? == 0 {
            self.execute(RAISE_ENTRY, values)?;
        }
        Ok(())
    }

    /// Leaves out what has no entry.
    fn keep_row(&self, key: &RunKey, due: Timestamp, row: &RowState) -> Result<(), StoreError> {
        let (run, client) = key_columns(key);
        let (at, line, why) = row.step.parts();
        self.execute(
            UPDATE_ROW,
            params![
                run,
                client,
                due.as_micros(),
                row.id.as_ref().map(RowId::as_str),
                version_column(row.shown)?,
                row.digest,
                row.step.kind().number(),
                at.map(Timestamp::as_micros),
                line.map(version_column).transpose()?,
                why,
                version_column(row.failures)?,
            ],
        )?;
        Ok(())
    }

    fn keep_removed(&self, row: &RemovedRow) -> Result<(), StoreError> {
        let (run, client) = key_columns(&row.key);
        let values = params![run, client, row.id.as_str(), row.at.as_micros(), row.by, row.cells];
        check_rows(self.execute(INSERT_REMOVED, values)?, "a removed row")
    }

    fn execute(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<usize, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.execute(values)?)
    }
}

fn not_begun() -> FencedError {
    let reason = "the outbox was not begun".to_owned();
    Unavailable::Failed { reason }.into()
}
