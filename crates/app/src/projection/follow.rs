//! Following the log into the outbox: which rows a line concerns, and when they are to be sent.

use std::collections::BTreeMap;

use runledger_domain::{Action, Activity, RecordKind, RunKey, Timestamp, Verdict};
use runledger_ports::{FencedError, Mark, OutboxEntry, PAGE_MAX, PageSize, RowState, StepKind};

use super::session::Session;
use super::step::NextStep as _;
use crate::events::EventFilter;

/// What a page of the log comes to.
#[derive(Debug, Default)]
struct Page {
    marks: Vec<Mark>,
    /// Jobs with lines of their own, and when their rows are due for them.
    jobs: BTreeMap<RunKey, Timestamp>,
    /// Rows that are to go on although they were set aside.
    retried: Vec<RunKey>,
    /// The same, of all rows.
    is_all_retried: bool,
    /// Rows that are to be looked at, and put right; true: whatever they were called.
    repaired: BTreeMap<RunKey, bool>,
    /// Somebody wants it to go on.
    is_resumed: bool,
}

impl Session<'_> {
    /// Takes the log into the outbox, page by page, until told to stop.
    pub(super) async fn follow(&self) -> Result<(), FencedError> {
        let projection = self.projection;
        let filter = EventFilter::default();
        let size = PageSize::new(PAGE_MAX).unwrap_or_default();
        let mut position = projection.store.outbox().await?.map_or(0, |head| head.position);
        while !self.is_told_to_stop() {
            let page = projection.events.page(&filter, position, size).await?;
            if page.position > position {
                let read = self.read(&page.lines);
                let store = &projection.store;
                store.mark_outbox(self.fence, page.position, read.marks.clone()).await?;
                position = page.position;
                self.let_go(&read).await?;
                if read.is_resumed {
                    self.go_on().await?;
                }
                self.marked.send_modify(|times| *times = times.wrapping_add(1));
                projection.tell();
            }
            if page.at_end {
                tokio::select! {
                    grown = projection.events.grown(position) => drop(grown?),
                    () = self.told_to_stop() => {}
                }
            }
        }
        Ok(())
    }

    fn read(&self, lines: &[Activity]) -> Page {
        let now = self.clock.now();
        let options = &self.projection.options;
        let (own, totals) = (
            now.saturating_add(options.gather),
            now.saturating_add(options.gather_totals),
        );
        let shows_totals = self.projection.target.shows_totals();
        let mut page = Page::default();
        for Activity { seq, line, .. } in lines {
            // A line may be about no record.
            let key = RunKey::of_parts(&line.subject.run, &line.subject.client).ok();
            match (line.action, &line.verdict, key) {
                (Action::ResumeProjection, _, _) => page.is_resumed = true,
                (Action::RetryRow, _, Some(key)) => page.retried.push(key),
                (Action::RetryRow, _, None) => page.is_all_retried = true,
                (Action::RepairRow, _, Some(key)) => drop(page.repaired.entry(key).or_insert(false)),
                (Action::RemoveRows, _, Some(key)) => drop(page.repaired.insert(key, true)),
                (_, Verdict::Created | Verdict::Changed, Some(key)) => {
                    let mark = |key, due| Mark { key, line: *seq, due };
                    match key.kind() {
                        RecordKind::Job => drop(page.jobs.insert(key.clone(), own)),
                        // A job shows what its clients come to (I19).
                        RecordKind::Client if shows_totals => page.marks.push(mark(key.job(), totals)),
                        RecordKind::Client => {}
                    }
                    page.marks.push(mark(key, own));
                }
                _ => {}
            }
        }
        page
    }

    /// Rows that were set aside go on when there is something new to show, or somebody says so. A job that waits for what
    /// its clients come to need not wait for that with news of its own.
    async fn let_go(&self, page: &Page) -> Result<(), FencedError> {
        let set_aside = self.projection.store.outbox_counts().await?.set_aside;
        if page.jobs.is_empty() && page.repaired.is_empty() && set_aside == 0 {
            return Ok(());
        }
        let _rows = self.rows.lock().await;
        let mut kept: Vec<(RunKey, Timestamp, RowState)> = Vec::new();
        let mut keys: Vec<_> = page.jobs.keys().cloned().collect();
        if set_aside > 0 {
            keys.extend(page.marks.iter().map(|mark| mark.key.clone()));
            keys.extend(page.retried.iter().cloned());
        }
        keys.extend(page.repaired.keys().cloned());
        keys.sort_unstable();
        keys.dedup();
        for keys in keys.chunks(PAGE_MAX as usize) {
            let entries = self.projection.store.entries(keys).await?;
            kept.extend(entries.into_iter().flatten().filter_map(|entry| self.next(entry, page)));
        }
        self.keep_rows(kept).await?;
        if page.is_all_retried {
            loop {
                let set_aside = self.entries_in(StepKind::SetAside).await?;
                if set_aside.is_empty() {
                    break;
                }
                let now = self.clock.now();
                let rows = set_aside.into_iter().map(|entry| (entry.key, now, entry.row.let_go()));
                self.keep_rows(rows.collect()).await?;
            }
        }
        self.doubted.send_modify(|times| *times = times.wrapping_add(1));
        Ok(())
    }

    fn next(&self, entry: OutboxEntry, page: &Page) -> Option<(RunKey, Timestamp, RowState)> {
        // What is chosen, under way or in doubt is settled in its own time, and then known.
        let is_at_rest = matches!(entry.row.step.kind(), StepKind::Idle | StepKind::SetAside);
        if let Some(any_name) = page.repaired.get(&entry.key).filter(|_| is_at_rest) {
            let now = self.clock.now();
            let row = entry.row.to_be_repaired(now, entry.wanted, *any_name);
            return Some((entry.key, now, row));
        }
        if entry.row.step.kind() == StepKind::SetAside {
            return Some((entry.key, self.clock.now(), entry.row.let_go()));
        }
        let due = *page.jobs.get(&entry.key)?;
        let is_hastened = entry.is_waiting() && entry.row.failures == 0 && entry.due > due;
        is_hastened.then_some((entry.key, due, entry.row))
    }
}
