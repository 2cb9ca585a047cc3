//! Reading: which records and lines a filter means, page by page. Nothing here can write.

use std::collections::BTreeSet;
use std::sync::Arc;

use runledger_domain::{Activity, ClientId, JobSummary, RunId, RunRecord, Timestamp};
use runledger_ports::{
    ActivityFilter, ActivityPage, Counts, Cursor, ListFilter, PageSize, RecordPage, STALLED_COUNTED_MAX, StalledFilter,
};

use crate::ledger::{Ledger, RecordNumber};

pub(crate) fn list(ledger: &Ledger, filter: &ListFilter, after: Option<Cursor>, size: PageSize) -> RecordPage {
    let found = ledger
        .records(after.map_or(0, |cursor| cursor.id))
        .filter(|(_, record)| is_listed(filter, record))
        .map(|(id, record)| (Cursor { order: 0, id }, Arc::clone(record)));
    let (records, next) = page(found, size);
    RecordPage { records, next }
}

pub(crate) fn stalled(ledger: &Ledger, filter: &StalledFilter, after: Option<Cursor>, size: PageSize) -> RecordPage {
    let mut found: Vec<(Cursor, Arc<RunRecord>)> = ledger
        .records(0)
        .filter(|(_, record)| record.status().is_open() && record.deadline() < filter.deadline_before)
        .filter(|(_, record)| is_within(filter.within.as_ref(), record.key().client().map(ClientId::as_str)))
        .map(|(number, record)| (overdue_at(number, record), Arc::clone(record)))
        .filter(|(place, _)| after.is_none_or(|after| *place > after))
        .collect();
    found.sort_unstable_by_key(|(place, _)| *place);
    let (records, next) = page(found.into_iter(), size);
    RecordPage { records, next }
}

pub(crate) fn summary(ledger: &Ledger, run: &RunId) -> Option<JobSummary> {
    let mut records = ledger.run(run).peekable();
    records.peek()?;
    let mut summary = JobSummary::new(run.clone());
    for record in records {
        summary.add(record);
    }
    Some(summary)
}

pub(crate) fn activity(
    ledger: &Ledger,
    filter: &ActivityFilter,
    after: Option<Cursor>,
    size: PageSize,
) -> ActivityPage {
    let found = ledger
        .lines(after.map_or(0, |cursor| cursor.id))
        .filter(|line| is_about(filter, line))
        .map(|line| {
            let place = Cursor { order: 0, id: line.seq };
            (place, line.clone())
        });
    let (lines, next) = page(found, size);
    ActivityPage { lines, next }
}

pub(crate) fn counts(ledger: &Ledger, stalled_before: Timestamp) -> Counts {
    let mut counts = Counts::default();
    for (_, record) in ledger.records(0) {
        let status = record.status();
        *counts.records.entry(status).or_default() += 1;
        if status.is_open() && record.deadline() < stalled_before && counts.stalled < STALLED_COUNTED_MAX {
            counts.stalled += 1;
        }
    }
    counts.lines = ledger.lines(0).last().map_or(0, |line| line.seq);
    counts
}

fn overdue_at(number: RecordNumber, record: &RunRecord) -> Cursor {
    Cursor {
        order: record.deadline().as_micros(),
        id: number,
    }
}

fn is_listed(filter: &ListFilter, record: &RunRecord) -> bool {
    let key = record.key();
    filter.run.as_ref().is_none_or(|run| key.run() == run)
        && filter.client.as_ref().is_none_or(|client| key.client() == Some(client))
        && filter.kind.is_none_or(|kind| key.kind() == kind)
        && filter.status.is_none_or(|status| record.status() == status)
        && (!filter.open || record.status().is_open())
        && filter.batch.as_ref().is_none_or(|batch| record.batch() == Some(batch))
        && filter
            .external_id
            .as_ref()
            .is_none_or(|id| record.external_ids().contains(id))
        && is_within(filter.within.as_ref(), key.client().map(ClientId::as_str))
}

/// Whether a client is among those that may be known of.
fn is_within(within: Option<&BTreeSet<ClientId>>, client: Option<&str>) -> bool {
    within.is_none_or(|clients| clients.iter().any(|known| Some(known.as_str()) == client))
}

fn is_about(filter: &ActivityFilter, activity: &Activity) -> bool {
    let line = &activity.line;
    filter.run.as_ref().is_none_or(|run| line.subject.run == run.as_str())
        && filter
            .client
            .as_ref()
            .is_none_or(|client| line.subject.client == client.as_str())
        && filter
            .source
            .as_ref()
            .is_none_or(|source| line.source == source.as_str())
        && (!filter.refused || line.verdict.is_refused())
        && is_within(filter.within.as_ref(), Some(&line.subject.client))
}

/// The first entries, and the place of the last of them if there are more.
fn page<T>(found: impl Iterator<Item = (Cursor, T)>, size: PageSize) -> (Vec<T>, Option<Cursor>) {
    let size = usize::try_from(size.get()).unwrap_or(usize::MAX);
    let mut entries: Vec<(Cursor, T)> = found.take(size.saturating_add(1)).collect();
    let more = entries.len() > size;
    entries.truncate(size);
    let next = entries.last().filter(|_| more).map(|(place, _)| *place);
    (entries.into_iter().map(|(_, entry)| entry).collect(), next)
}
