//! From a draft to the call: the columns of the write statement.

use std::sync::Arc;

use runledger_domain::activity::chained_bytes;
use runledger_domain::{BatchLabel, NewActivity, RecordKind, RunRecord};

use super::{Draft, Guarded};
use crate::call::{Call, Lines, Written};
use crate::columns::{big, encode, key_columns, status_code, text_column};
use crate::error::StoreError;
use crate::evidence::Seen;

impl Draft<'_> {
    /// The call, and for each member its group.
    pub(crate) fn finish(mut self) -> Result<(Call, Vec<i32>), StoreError> {
        let mut call = Call::default();
        for key in std::mem::take(&mut self.order) {
            let Some(touched) = self.records.remove(&key) else {
                continue;
            };
            let group = self.groups.of_run(key.run());
            add_record(&mut call, group, touched.stored, touched.now, touched.body)?;
        }
        for ((run, client), (records, notes)) in std::mem::take(&mut self.loads) {
            if (records, notes) != (0, 0) {
                call.loads.group.push(self.groups.of_run(&run));
                call.loads.client.push(client.as_str().to_owned());
                call.loads.records.push(records);
                call.loads.notes.push(notes);
            }
        }
        for (guarded, (member, expected)) in std::mem::take(&mut self.guards) {
            let group = self.groups.of(member);
            add_guard(&mut call, group, guarded, expected);
        }
        for (id, touched) in std::mem::take(&mut self.tokens) {
            let group = self.groups.of(touched.member);
            let stored = touched.stored.map(|seen| seen.body);
            call.guard(group, 5, id.as_str(), stored.clone(), (0, 0));
            call.tokens.group.push(group);
            call.tokens.new.push(stored.is_none());
            call.tokens.id.push(id.as_str().to_owned());
            call.tokens.body.push(touched.body);
        }
        for (name, touched) in std::mem::take(&mut self.deliveries) {
            let group = self.groups.of(touched.member);
            call.deliveries.push(group, &name, touched.version, touched.state);
        }
        for (member, fence) in std::mem::take(&mut self.fences) {
            call.fences.group.push(self.groups.of(member));
            call.fences.duty.push(fence.duty.to_string());
            call.fences.epoch.push(big(fence.epoch.get()));
        }
        for (member, line) in std::mem::take(&mut self.lines) {
            let group = self.groups.of(member);
            add_line(&mut call.lines, group, line);
        }
        let members = (0..self.groups.len()).map(|member| self.groups.of(member)).collect();
        Ok((call, members))
    }
}

/// Adds a line.
pub(crate) fn add_line(lines: &mut Lines, group: i32, line: NewActivity) {
    lines.group.push(group);
    lines.bytes.push(chained_bytes(&line));
    lines.at.push(line.at.as_micros());
    lines.action.push(line.action.as_str());
    lines.source.push(text_column(line.source));
    lines.run.push(text_column(line.subject.run));
    lines.client.push(text_column(line.subject.client));
    lines.verdict.push(line.verdict.as_str());
    lines.code.push(line.verdict.code().to_owned());
    lines.version.push(line.version.map(big));
    lines.detail.push(text_column(line.detail));
}

/// Adds a record as it is to stand, `body` if it is written as JSON already: an insert when nothing is stored, else an
/// update of what is.
pub(crate) fn add_record(
    call: &mut Call,
    group: i32,
    stored: Option<Seen>,
    now: Arc<RunRecord>,
    body: Option<Arc<str>>,
) -> Result<(), StoreError> {
    let record: &RunRecord = &now;
    let (run, client) = key_columns(record.key());
    let body = match body {
        Some(body) => body.as_ref().to_owned(),
        None => encode(record)?,
    };
    let known = stored.as_ref().map_or(&[][..], |seen| seen.record.external_ids());
    for id in record.external_ids().iter().filter(|id| !known.contains(id)) {
        call.references.group.push(group);
        call.references.run.push(run.to_owned());
        call.references.client.push(client.to_owned());
        call.references.system.push(id.system().to_owned());
        call.references.external.push(id.id().to_owned());
    }
    if let Some(stored) = &stored {
        let updates = &mut call.updates;
        updates.group.push(group);
        updates.id.push(stored.id);
        updates.version_was.push(big(stored.record.version()));
        updates.status_was.push(status_code(stored.record.status()));
        updates.status.push(status_code(record.status()));
        updates.version.push(big(record.version()));
        updates.deadline.push(record.deadline().as_micros());
        updates.body.push(body);
    } else {
        let inserts = &mut call.inserts;
        let creation = record.creation();
        let minted = creation.minted && record.key().kind() == RecordKind::Job;
        inserts.group.push(group);
        inserts.run.push(run.to_owned());
        inserts.client.push(client.to_owned());
        inserts.status.push(status_code(record.status()));
        inserts.version.push(big(record.version()));
        inserts.deadline.push(record.deadline().as_micros());
        inserts
            .batch
            .push(record.batch().map(BatchLabel::as_str).map(str::to_owned));
        inserts.body.push(body);
        inserts.source.push(minted.then(|| creation.source.as_str().to_owned()));
        inserts
            .attempt
            .push(minted.then(|| creation.attempt.as_str().to_owned()));
    }
    call.written.push(Written {
        group,
        stored: stored.map(|seen| seen.id),
        record: now,
    });
    Ok(())
}

fn add_guard(call: &mut Call, group: i32, guarded: Guarded, expected: (i64, i64)) {
    match guarded {
        Guarded::Job(run) => call.guard(group, 1, run.as_str(), None, expected),
        Guarded::OpenClients(run) => call.guard(group, 2, run.as_str(), None, expected),
        Guarded::Load(client) => call.guard(group, 3, client.as_str(), None, expected),
        Guarded::Minted(source, attempt) => {
            call.guard(group, 4, source.as_str(), Some(attempt.as_str().to_owned()), expected);
        }
    }
}
