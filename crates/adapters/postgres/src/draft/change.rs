//! Changes in a draft (I3, I5, I8). Nothing here inserts a record.

use std::sync::Arc;

use runledger_domain::change::{apply, close_with_job};
use runledger_domain::{
    Action, Change, ChangeContext, ChangeEvidence, ClientLoad, RecordKind, RunKey, RunRecord, Verdict,
};
use runledger_ports::{ChangeError, ChangeRequest, Changed};

use super::{Draft, Drafted, Found, Guarded, Known};

impl Draft<'_> {
    /// Decides a change and takes what comes of it.
    pub(crate) fn change(&mut self, member: usize, request: &ChangeRequest) -> Drafted<Result<Changed, ChangeError>> {
        let Some(fence) = &request.fence else {
            return self.decide_change(member, request);
        };
        match self.holds(fence, &fence.duty) {
            None => Drafted::LookFirst,
            Some(false) => {
                let (error, line) = request.fenced(&fence.duty);
                self.line(member, line);
                Drafted::Answer(Err(error))
            }
            Some(true) => {
                let drafted = self.decide_change(member, request);
                if matches!(drafted, Drafted::Answer(_)) {
                    self.guard_fence(member, fence);
                }
                drafted
            }
        }
    }

    fn decide_change(&mut self, member: usize, request: &ChangeRequest) -> Drafted<Result<Changed, ChangeError>> {
        let ChangeRequest {
            key,
            context,
            command,
            fence: _,
        } = request;
        let action = command.action();
        self.touch(member, key);
        let Found { record: current, sure } = match self.look(key) {
            Known::There(found) => found,
            Known::Nothing => return Drafted::LookFirst,
            Known::Free => {
                let detail = "there is no such record; a change never creates one".to_owned();
                let verdict = Verdict::Refused("not_found".into());
                self.line(member, context.line(action, key, verdict, None, detail));
                return Drafted::Answer(Err(ChangeError::NotFound { key: key.clone() }));
            }
        };
        let ends_job = command.ends_record() && key.kind() == RecordKind::Job;
        let open_clients = if ends_job {
            match self.open_clients(key) {
                Some(open) => open,
                None => return Drafted::LookFirst,
            }
        } else {
            Vec::new()
        };
        let quota_of = key.client().filter(|_| context.needs_load(key, command));
        let load = match quota_of.map(|client| self.load(client)) {
            Some(Some(load)) => load,
            Some(None) => return Drafted::LookFirst,
            None => ClientLoad::default(),
        };
        let evidence = ChangeEvidence {
            open_clients: open_clients.len(),
            load,
        };
        match apply(&current, context, command, evidence) {
            Ok(Change::Applied {
                record,
                detail,
                close_clients,
            }) => {
                let record: Arc<RunRecord> = Arc::from(record);
                let to_close = if close_clients { &open_clients[..] } else { &[] };
                // All of it or nothing: what is replaced has to be known before the first of it is.
                if !self.knows(key) || !to_close.iter().all(|open| self.knows(open.key())) {
                    return Drafted::LookFirst;
                }
                self.replace(&record);
                if ends_job {
                    self.guard_open_clients(member, key);
                }
                if let Some(client) = quota_of {
                    self.guard_load(member, client);
                }
                let verdict = Verdict::Changed;
                self.line(
                    member,
                    context.line(action, key, verdict, Some(record.version()), detail),
                );
                let closed = self.close(member, context, to_close);
                Drafted::Answer(Ok(Changed::Applied { record, closed }))
            }
            // It may have changed since this server saw it.
            _ if !sure => Drafted::LookFirst,
            Ok(Change::Unchanged) => {
                let version = Some(current.version());
                self.line(
                    member,
                    context.line(action, key, Verdict::Unchanged, version, String::new()),
                );
                Drafted::Answer(Ok(Changed::Unchanged(current)))
            }
            Err(refusal) => {
                let verdict = Verdict::Refused(refusal.code().into());
                let version = Some(current.version());
                self.line(member, context.line(action, key, verdict, version, refusal.to_string()));
                Drafted::Answer(Err(ChangeError::Refused { refusal, current }))
            }
        }
    }

    /// The client records of a job that are open as the operations so far leave them; `None` when they were not read.
    fn open_clients(&self, job: &RunKey) -> Option<Vec<Arc<RunRecord>>> {
        let read = self.evidence.open_clients.get(job.run())?;
        let as_read = read.iter().map(|seen| {
            let touched = self.records.get(seen.record.key());
            touched.map_or(&seen.record, |touched| &touched.now)
        });
        // An ended record never opens again: what is open beyond those that were read is new.
        let new = self.order.iter().filter_map(|key| {
            let touched = self.records.get(key)?;
            let is_client_of_it = key.run() == job.run() && key.kind() == RecordKind::Client;
            (is_client_of_it && touched.stored.is_none()).then_some(&touched.now)
        });
        let open = as_read.chain(new).filter(|record| record.status().is_open());
        Some(open.cloned().collect())
    }

    fn guard_open_clients(&mut self, member: usize, job: &RunKey) {
        if let Some(read) = self.evidence.open_clients.get(job.run()) {
            let count = i64::try_from(read.len()).unwrap_or(i64::MAX);
            let guarded = Guarded::OpenClients(job.run().clone());
            self.guards.insert(guarded, (member, (count, 0)));
        }
    }

    /// Closes the client records that a job's end closes, each with a line of its own.
    fn close(&mut self, member: usize, context: &ChangeContext, open: &[Arc<RunRecord>]) -> Vec<RunKey> {
        let mut closed = Vec::with_capacity(open.len());
        for record in open {
            let Some(next) = close_with_job(record, context) else {
                continue;
            };
            let (key, version) = (next.key().clone(), next.version());
            self.replace(&Arc::new(next));
            let detail = "cancelled: closed with its job".to_owned();
            let line = context.line(Action::Complete, &key, Verdict::Changed, Some(version), detail);
            self.line(member, line);
            closed.push(key);
        }
        closed
    }
}
