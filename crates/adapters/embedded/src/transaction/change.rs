//! Changing a record that exists, inside a transaction (I3, I5, I8). Nothing here inserts a record.

use std::sync::Arc;

use runledger_domain::change::{apply, close_with_job};
use runledger_domain::{
    Action, Change, ChangeContext, ChangeEvidence, ClientLoad, RecordKind, RunKey, RunRecord, Verdict, Version,
};
use runledger_ports::{ChangeError, ChangeRequest, Changed};
use rusqlite::params;

use super::{Stored, Transaction, check_rows, stored};
use crate::columns::{encode, status_code, version_column};
use crate::error::StoreError;

const UPDATE_RUN: &str =
    "UPDATE run SET status = ?3, version = ?4, deadline = ?5, body = ?6 WHERE id = ?1 AND version = ?2";
const RAISE_VERSION: &str = "UPDATE run SET version = version + 1 WHERE id = ?1 AND version = ?2";
const COUNT_OPEN_CLIENTS: &str =
    "SELECT count(*) FROM run INDEXED BY run_key WHERE run_id = ?1 AND client_id <> '' AND status < 2";
const SELECT_OPEN_CLIENTS: &str =
    "SELECT id, body FROM run INDEXED BY run_key WHERE run_id = ?1 AND client_id <> '' AND status < 2 ORDER BY id";

impl Transaction<'_> {
    /// Changes a record that exists (I3, I5, I8).
    pub(crate) fn change(&mut self, request: &ChangeRequest) -> Result<Result<Changed, ChangeError>, StoreError> {
        let ChangeRequest {
            key,
            context,
            command,
            fence,
        } = request;
        let action = command.action();
        if let Some(fence) = fence
            && self.is_lost(fence, &fence.duty)
        {
            let (error, line) = request.fenced(&fence.duty);
            self.line(line)?;
            return Ok(Err(error));
        }
        let Some(stored) = self.load(key)? else {
            let detail = "there is no such record; a change never creates one".to_owned();
            self.line(context.line(action, key, Verdict::Refused("not_found".into()), None, detail))?;
            return Ok(Err(ChangeError::NotFound { key: key.clone() }));
        };
        let open_clients = if command.ends_record() && key.kind() == RecordKind::Job {
            let count: i64 = self
                .connection
                .prepare_cached(COUNT_OPEN_CLIENTS)?
                .query_row([key.run().as_str()], |row| row.get(0))?;
            usize::try_from(count).unwrap_or(usize::MAX)
        } else {
            0
        };
        let load = match key.client() {
            Some(client) if context.needs_load(key, command) => self.load_of(client)?,
            _ => ClientLoad::default(),
        };
        let evidence = ChangeEvidence { open_clients, load };
        match apply(&stored.record, context, command, evidence) {
            Ok(Change::Applied {
                record,
                detail,
                close_clients,
            }) => {
                self.update(&stored, &record)?;
                self.line(context.line(action, key, Verdict::Changed, Some(record.version()), detail))?;
                let closed = if close_clients {
                    self.close_clients(key, context)?
                } else {
                    Vec::new()
                };
                Ok(Ok(Changed::Applied {
                    record: Arc::from(record),
                    closed,
                }))
            }
            Ok(Change::Unchanged) => {
                let version = Some(stored.record.version());
                self.deferred
                    .push(context.line(action, key, Verdict::Unchanged, version, String::new()));
                Ok(Ok(Changed::Unchanged(Arc::new(stored.record))))
            }
            Err(refusal) => {
                let version = Some(stored.record.version());
                let verdict = Verdict::Refused(refusal.code().into());
                self.line(context.line(action, key, verdict, version, refusal.to_string()))?;
                Ok(Err(ChangeError::Refused {
                    refusal,
                    current: Arc::new(stored.record),
                }))
            }
        }
    }

    fn close_clients(&mut self, job: &RunKey, context: &ChangeContext) -> Result<Vec<RunKey>, StoreError> {
        let mut open = Vec::new();
        {
            let mut statement = self.connection.prepare_cached(SELECT_OPEN_CLIENTS)?;
            let mut rows = statement.query([job.run().as_str()])?;
            while let Some(row) = rows.next()? {
                open.push(stored(row, || format!("of a client of {job}"))?);
            }
        }
        let mut closed = Vec::with_capacity(open.len());
        for client in open {
            let Some(next) = close_with_job(&client.record, context) else {
                continue;
            };
            self.update(&client, &next)?;
            let detail = "cancelled: closed with its job".to_owned();
            self.line(context.line(
                Action::Complete,
                next.key(),
                Verdict::Changed,
                Some(next.version()),
                detail,
            ))?;
            closed.push(next.key().clone());
        }
        Ok(closed)
    }

    /// Writes the next version over the one that was read, and over no other (I8).
    fn update(&mut self, stored: &Stored, next: &RunRecord) -> Result<(), StoreError> {
        self.update_over(stored, stored.record.version(), next)
    }

    /// Writes a later version of a record, all those between included: the schema lets a version grow by one (I5).
    pub(super) fn bring_forward(&mut self, stored: &Stored, next: &RunRecord) -> Result<(), StoreError> {
        let mut version = stored.record.version();
        while version + 1 < next.version() {
            let place = params![stored.id, version_column(version)?];
            let rows = self.connection.prepare_cached(RAISE_VERSION)?.execute(place)?;
            check_rows(rows, "a version of a record")?;
            version += 1;
        }
        self.update_over(stored, version, next)
    }

    fn update_over(&mut self, stored: &Stored, version: Version, next: &RunRecord) -> Result<(), StoreError> {
        let rows = self.connection.prepare_cached(UPDATE_RUN)?.execute(params![
            stored.id,
            version_column(version)?,
            status_code(next.status()),
            version_column(next.version())?,
            next.deadline().as_micros(),
            encode(next)?,
        ])?;
        check_rows(rows, "a changed record")?;
        self.wrote = true;
        self.tally(Some(stored.record.status()), next.status());
        self.keep_load(Some(&stored.record), next)?;
        let known = stored.record.external_ids();
        let added: Vec<_> = next
            .external_ids()
            .iter()
            .filter(|id| !known.contains(id))
            .cloned()
            .collect();
        self.add_references(stored.id, &added)
    }
}
