//! Taking over what another store holds, inside a transaction: a segment that follows from where the log ends, or nothing.

use runledger_domain::{RunKey, Version};
use runledger_ports::{RestoreError, Restored};

use super::{Transaction, check_rows};
use crate::columns::{encode, version_column};
use crate::error::StoreError;

const DELETE_UNTIL: &str = "DELETE FROM meta WHERE name = 'until'";
const INSERT_UNTIL: &str = "INSERT INTO meta(name, value) VALUES('until', ?1)";

impl Transaction<'_> {
    /// Takes over one part. Everything that stands against it is looked at before the first write (I11).
    pub(crate) fn restore(&mut self, part: &Restored) -> Result<Result<(), RestoreError>, StoreError> {
        // Lines that wait are part of the log: with them it ends elsewhere.
        self.write_deferred()?;
        let segment = &part.segment;
        if *self.head != segment.from() {
            return Ok(Err(RestoreError::Elsewhere { head: *self.head }));
        }
        for record in segment.created() {
            if self.load(record.key())?.is_some() {
                let key = record.key().clone();
                return Ok(Err(RestoreError::Taken { key }));
            }
        }
        let mut changed = Vec::with_capacity(segment.changed().len());
        for record in segment.changed() {
            match self.load(record.key())? {
                Some(stored) => changed.push((stored, record)),
                None => return Ok(Err(behind(record.key()))),
            }
        }
        for (key, version) in segment.known() {
            if !self.holds(key, *version)? {
                return Ok(Err(behind(key)));
            }
        }
        for record in segment.created() {
            if !self.insert_record(record, &encode(record)?)? {
                return Err(StoreError::Inconsistent(format!(
                    "{} came into being unseen",
                    record.key()
                )));
            }
        }
        for (stored, record) in changed {
            if stored.record.version() < record.version() {
                self.bring_forward(&stored, record)?;
            }
        }
        for line in segment.lines() {
            self.append(line.line.clone())?;
        }
        if !segment.lines().is_empty() {
            self.end_outbox()?;
        }
        if *self.head != segment.to() {
            return Err(StoreError::Inconsistent(
                "a line was chained in another way than before".into(),
            ));
        }
        for token in &part.tokens {
            self.restore_token(token)?;
        }
        for (name, state) in &part.deliveries {
            self.keep_delivery(name, state)?;
        }
        self.note_unfinished(part.unfinished_after(*self.unfinished))?;
        Ok(Ok(()))
    }

    fn note_unfinished(&mut self, until: Option<u64>) -> Result<(), StoreError> {
        if *self.unfinished == until {
            return Ok(());
        }
        self.connection.prepare_cached(DELETE_UNTIL)?.execute([])?;
        if let Some(line) = until {
            let rows = self
                .connection
                .prepare_cached(INSERT_UNTIL)?
                .execute([version_column(line)?])?;
            check_rows(rows, "that the ledger is not whole")?;
        }
        *self.unfinished = until;
        self.wrote = true;
        Ok(())
    }

    fn holds(&self, key: &RunKey, version: Version) -> Result<bool, StoreError> {
        let held = self.load(key)?;
        Ok(held.is_some_and(|held| held.record.version() >= version))
    }
}

fn behind(key: &RunKey) -> RestoreError {
    RestoreError::Behind { key: key.clone() }
}
