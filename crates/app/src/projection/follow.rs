//! Following the log into the outbox: which rows a line concerns, and when they are to be sent.

use std::collections::BTreeMap;

use runledger_domain::{Action, Activity, RecordKind, RunKey, Timestamp, Verdict};
use runledger_ports::{FencedError, Mark, OutboxEntry, PAGE_MAX, PageSize, RowState, Step, StepKind};

use super::lock;
use super::session::Session;
use super::step::NextStep as _;
use crate::events::EventFilter;

/// How much a line matters to whoever looks at the row.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Weight {
    /// Notes, numbers, stages, signs of life, and what the clients of a job come to.
    Progress,
    /// Its work began, or it ended.
    State,
    /// It came into being.
    Creation,
}

/// What the log says of a record.
#[derive(Debug)]
struct News {
    /// The last line about it.
    line: u64,
    /// The greatest of all lines.
    weight: Weight,
    /// When it made progress of its own: with it, its work may have begun.
    progressed: Vec<Timestamp>,
}

/// What a page of the log comes to.
#[derive(Debug, Default)]
struct Page {
    news: BTreeMap<RunKey, News>,
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
                let mut read = self.read(&page.lines);
                let marks = self.marks(&mut read.news).await?;
                // Before its lines are taken for read: what ends in between reads them again.
                self.let_go(&read).await?;
                let store = &projection.store;
                store.mark_outbox(self.fence, page.position, marks).await?;
                position = page.position;
                lock(&self.hastened).extend(read.retried);
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
                (action, verdict @ (Verdict::Created | Verdict::Changed), Some(key)) => {
                    let weight = match (action, verdict) {
                        (_, Verdict::Created) => Weight::Creation,
                        (Action::Complete | Action::DeclareLost, _) => Weight::State,
                        _ => Weight::Progress,
                    };
                    // A job shows what its clients come to (I19).
                    if key.kind() == RecordKind::Client && shows_totals {
                        page.note(key.job(), *seq, Weight::Progress, None);
                    }
                    page.note(key, *seq, weight, Some(line.at).filter(|_| weight == Weight::Progress));
                }
                _ => {}
            }
        }
        page
    }

    /// When the rows of records are to be sent for their news. That the work of a record began is said by the record alone.
    async fn marks(&self, news: &mut BTreeMap<RunKey, News>) -> Result<Vec<Mark>, FencedError> {
        let options = &self.projection.options;
        let now = self.clock.now();
        let soon = now.saturating_add(options.gather);
        let mut later: BTreeMap<RunKey, Timestamp> = BTreeMap::new();
        let progress = news.iter().filter(|(_, news)| news.weight == Weight::Progress);
        let keys: Vec<RunKey> = progress.map(|(key, _)| key.clone()).collect();
        for keys in keys.chunks(PAGE_MAX as usize) {
            for entry in self.projection.store.entries(keys).await?.into_iter().flatten() {
                // It is due since it was sent, or will be when it waits. A clock that was ahead wrote no time to come.
                let sent = entry.due.min(now);
                let due = soon.max(sent.saturating_add(options.gather_progress));
                later.insert(entry.key, due);
            }
        }
        for (key, due) in &later {
            if let Some(news) = news.get_mut(key).filter(|_| *due > soon)
                && self.has_begun(key, &news.progressed).await?
            {
                news.weight = Weight::State;
            }
        }
        let mark = |(key, news): (&RunKey, &News)| Mark {
            key: key.clone(),
            line: news.line,
            due: match news.weight {
                Weight::Progress => later.get(key).copied().unwrap_or(soon),
                Weight::State | Weight::Creation => soon,
            },
        };
        Ok(news.iter().map(mark).collect())
    }

    /// Whether the work of a record began with one of these.
    async fn has_begun(&self, key: &RunKey, progressed: &[Timestamp]) -> Result<bool, FencedError> {
        if progressed.is_empty() {
            return Ok(false);
        }
        let Some(record) = self.projection.shared.reader.get(key).await? else {
            return Ok(false);
        };
        let was_at_work = record.creation().content.initial.is_running();
        let began = record.state().started_at();
        Ok(!was_at_work && began.is_some_and(|began| progressed.contains(&began)))
    }

    /// Rows that were set aside go on when there is something new to show, or somebody says so. A row that waits with
    /// progress need not wait with a new state.
    async fn let_go(&self, page: &Page) -> Result<(), FencedError> {
        let set_aside = self.projection.store.outbox_counts().await?.set_aside;
        let states = page.news.iter().filter(|(_, news)| news.weight == Weight::State);
        let mut keys: Vec<_> = states.map(|(key, _)| key.clone()).collect();
        if keys.is_empty() && page.repaired.is_empty() && set_aside == 0 {
            return Ok(());
        }
        let _rows = self.rows.lock().await;
        let mut kept: Vec<(RunKey, Timestamp, RowState)> = Vec::new();
        if set_aside > 0 {
            keys.extend(page.news.keys().cloned());
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
        if let Step::SetAside { line, .. } = &entry.row.step {
            let has_news = page.news.get(&entry.key).is_some_and(|news| news.line > *line);
            let goes_on = has_news || page.retried.contains(&entry.key);
            return goes_on.then(|| (entry.key, self.clock.now(), entry.row.let_go()));
        }
        let soon = self.clock.now().saturating_add(self.projection.options.gather);
        let has_new_state = page
            .news
            .get(&entry.key)
            .is_some_and(|news| news.weight == Weight::State);
        let is_hastened = has_new_state && entry.is_waiting() && entry.row.failures == 0 && entry.due > soon;
        is_hastened.then_some((entry.key, soon, entry.row))
    }
}

impl Page {
    fn note(&mut self, key: RunKey, line: u64, weight: Weight, progressed: Option<Timestamp>) {
        let news = self.news.entry(key).or_insert(News {
            line,
            weight,
            progressed: Vec::new(),
        });
        news.line = news.line.max(line);
        news.weight = news.weight.max(weight);
        news.progressed.extend(progressed);
    }
}
