//! What happens inside one transaction of the writer: creating, changing, keeping lines.
//!
//! The decisions are the domain's; this module loads what they need, writes what they say, and counts the rows. The
//! statement that inserts a record and the one that updates it are two, and neither does the other's work (I3).

mod change;
mod create;
mod delivery;
mod duty;
mod load;
mod outbox;
mod restore;
mod token;

use std::collections::BTreeMap;

use runledger_domain::{ChainHead, ExternalId, NewActivity, RunKey, RunRecord, Status};
use rusqlite::{Connection, params};

pub(crate) use self::create::Prepared;
pub(crate) use self::delivery::DeliveryOrder;
pub(crate) use self::duty::{DutyDone, DutyOrder, epoch_of};
pub(crate) use self::outbox::OutboxWrite;
pub(crate) use self::token::TokenOrder;
use crate::columns::{decode, key_columns, status_code, version_column};
use crate::error::StoreError;
use crate::lease::Leases;

const INSERT_ACTIVITY: &str =
    "INSERT INTO activity(seq, at, action, source, run_id, client_id, verdict, code, version, detail, hash)
     VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
const SELECT_RUN: &str = "SELECT id, body FROM run WHERE run_id = ?1 AND client_id = ?2";
const UPDATE_TALLY: &str = "UPDATE tally SET records = records + ?2 WHERE status = ?1";
const INSERT_REFERENCE: &str = "INSERT INTO reference(system, external, run) VALUES(?1, ?2, ?3)";

/// One transaction under way.
pub(crate) struct Transaction<'a> {
    connection: &'a Connection,
    leases: &'a Leases,
    head: &'a mut ChainHead,
    /// Up to which line the ledger is being taken over.
    unfinished: &'a mut Option<u64>,
    /// Lines of attempts without an effect; they may wait for the next transaction that writes.
    deferred: &'a mut Vec<NewActivity>,
    deferred_written: usize,
    wrote: bool,
    /// By how much the number of records of each status has changed.
    tally: BTreeMap<i64, i64>,
}

struct Stored {
    id: i64,
    record: RunRecord,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(
        connection: &'a Connection,
        leases: &'a Leases,
        (head, unfinished): (&'a mut ChainHead, &'a mut Option<u64>),
        deferred: &'a mut Vec<NewActivity>,
    ) -> Self {
        Self {
            connection,
            leases,
            head,
            unfinished,
            deferred,
            deferred_written: 0,
            wrote: false,
            tally: BTreeMap::new(),
        }
    }

    /// Whether anything was written, so that the commit has to reach the disk before anybody is answered.
    pub(crate) const fn wrote(&self) -> bool {
        self.wrote
    }

    /// Up to which line the ledger is being taken over; nothing when it is whole.
    pub(crate) const fn unfinished(&self) -> Option<u64> {
        *self.unfinished
    }

    /// How many of the waiting lines are written.
    pub(crate) const fn deferred_written(&self) -> usize {
        self.deferred_written
    }

    /// Writes the lines that wait. They stay where they are until the commit, in case it does not come.
    pub(crate) fn write_deferred(&mut self) -> Result<(), StoreError> {
        while let Some(line) = self.deferred.get(self.deferred_written).cloned() {
            self.deferred_written += 1;
            self.append(line)?;
        }
        Ok(())
    }

    /// Writes a line behind those that were waiting: the log is in the order of the attempts.
    pub(crate) fn line(&mut self, line: NewActivity) -> Result<(), StoreError> {
        self.write_deferred()?;
        self.append(line)
    }

    /// Notes that a record came to have a status, and which one it had before.
    fn tally(&mut self, before: Option<Status>, now: Status) {
        if let Some(before) = before {
            *self.tally.entry(status_code(before)).or_default() -= 1;
        }
        *self.tally.entry(status_code(now)).or_default() += 1;
    }

    /// Writes how many records have each status, once for the whole group. The last step before the commit.
    pub(crate) fn write_tally(&mut self) -> Result<(), StoreError> {
        for (status, difference) in std::mem::take(&mut self.tally) {
            if difference != 0 {
                let rows = self
                    .connection
                    .prepare_cached(UPDATE_TALLY)?
                    .execute([status, difference])?;
                check_rows(rows, "a number of records")?;
            }
        }
        Ok(())
    }

    /// Numbers, chains and writes a line (I6).
    fn append(&mut self, line: NewActivity) -> Result<(), StoreError> {
        let entry = self.head.append(line);
        let line = &entry.line;
        let version = line.version.map(version_column).transpose()?;
        let rows = self.connection.prepare_cached(INSERT_ACTIVITY)?.execute(params![
            version_column(entry.seq)?,
            line.at.as_micros(),
            line.action.as_str(),
            line.source,
            line.subject.run,
            line.subject.client,
            line.verdict.as_str(),
            line.verdict.code(),
            version,
            line.detail,
            entry.hash.as_bytes().as_slice(),
        ])?;
        check_rows(rows, "a line of the log")?;
        self.wrote = true;
        Ok(())
    }

    fn add_references(&mut self, id: i64, references: &[ExternalId]) -> Result<(), StoreError> {
        for reference in references {
            let rows = self.connection.prepare_cached(INSERT_REFERENCE)?.execute(params![
                reference.system(),
                reference.id(),
                id
            ])?;
            check_rows(rows, "a reference")?;
        }
        Ok(())
    }

    fn load(&self, key: &RunKey) -> Result<Option<Stored>, StoreError> {
        let (run, client) = key_columns(key);
        let mut statement = self.connection.prepare_cached(SELECT_RUN)?;
        let mut rows = statement.query([run, client])?;
        rows.next()?.map(|row| stored(row, || key.to_string())).transpose()
    }
}

fn stored(row: &rusqlite::Row<'_>, key: impl FnOnce() -> String) -> Result<Stored, StoreError> {
    let body = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(Stored {
        id: row.get(0)?,
        record: decode(body, key)?,
    })
}

fn check_rows(rows: usize, what: &str) -> Result<(), StoreError> {
    if rows == 1 {
        Ok(())
    } else {
        Err(StoreError::Inconsistent(format!(
            "{what} took {rows} rows instead of 1"
        )))
    }
}
