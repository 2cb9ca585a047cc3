//! What the open records of each client come to, kept with every write: a quota is decided by one row, however many
//! records the client has.

use runledger_domain::{ClientId, ClientLoad, RunRecord};
use rusqlite::{OptionalExtension as _, params};

use super::{Transaction, check_rows};
use crate::error::StoreError;

const SELECT_LOAD: &str = "SELECT records, notes FROM client_load WHERE client_id = ?1";
const UPDATE_LOAD: &str = "UPDATE client_load SET records = records + ?2, notes = notes + ?3 WHERE client_id = ?1";
const INSERT_LOAD: &str = "INSERT INTO client_load(client_id, records, notes) VALUES(?1, ?2, ?3)";

impl Transaction<'_> {
    /// What the client's open records come to in this transaction.
    pub(super) fn load_of(&self, client: &ClientId) -> Result<ClientLoad, StoreError> {
        let kept: Option<(i64, i64)> = self
            .connection
            .prepare_cached(SELECT_LOAD)?
            .query_row([client.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((records, notes)) = kept else {
            return Ok(ClientLoad::default());
        };
        match (u64::try_from(records), u64::try_from(notes)) {
            (Ok(records), Ok(notes)) => Ok(ClientLoad { records, notes }),
            _ => Err(StoreError::Inconsistent(format!(
                "{client} holds {records} open records with {notes} notes"
            ))),
        }
    }

    /// Notes what a record adds to its client's load, and what it added before this version.
    pub(super) fn keep_load(&mut self, before: Option<&RunRecord>, now: &RunRecord) -> Result<(), StoreError> {
        let Some(client) = now.key().client() else {
            return Ok(());
        };
        let (was, is) = (before.map_or((0, 0), weight), weight(now));
        let (records, notes) = (is.0 - was.0, is.1 - was.1);
        if (records, notes) == (0, 0) {
            return Ok(());
        }
        let change = params![client.as_str(), records, notes];
        let rows = self.connection.prepare_cached(UPDATE_LOAD)?.execute(change)?;
        if rows == 0 {
            let rows = self.connection.prepare_cached(INSERT_LOAD)?.execute(change)?;
            check_rows(rows, "the load of a client")?;
        }
        Ok(())
    }
}

/// What one record adds to its client's load: records and notes.
fn weight(record: &RunRecord) -> (i64, i64) {
    if record.status().is_open() {
        (1, i64::try_from(record.notes().len()).unwrap_or(i64::MAX))
    } else {
        (0, 0)
    }
}
