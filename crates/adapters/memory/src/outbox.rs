//! What is to be copied elsewhere, and what became of it (I14). It touches no record and no line (I3).

use std::collections::BTreeMap;

use async_trait::async_trait;
use runledger_domain::{RecordKind, RunKey, Timestamp};
use runledger_ports::{
    Duty, Fence, FencedError, Mark, OutboxCounts, OutboxEntry, OutboxHead, OutboxStop, OutboxStore, PageSize,
    RemovedRow, RowState, StepKind, Unavailable,
};

use crate::MemoryStore;
use crate::ledger::{Ledger, RecordNumber};

/// The outbox, its entries by the numbers of their records, and the rows that were removed.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    head: Option<OutboxHead>,
    entries: BTreeMap<RecordNumber, OutboxEntry>,
    removed: Vec<RemovedRow>,
}

impl Outbox {
    fn begun(&mut self) -> Result<&mut OutboxHead, Unavailable> {
        self.head.as_mut().ok_or_else(|| Unavailable::Failed {
            reason: "the outbox was not begun".into(),
        })
    }

    /// Forgets what is known of rows elsewhere, but for those that were removed.
    pub(crate) fn end(&mut self) {
        self.head = None;
        self.entries.clear();
    }

    fn counts(&self) -> OutboxCounts {
        let mut counts = OutboxCounts::default();
        for entry in self.entries.values() {
            let kind = entry.row.step.kind();
            if kind != StepKind::Idle || entry.is_waiting() {
                counts.add(kind, 1, [Some(entry.due); 2]);
            }
        }
        counts
    }
}

/// Raises what the row of a record is to show. One that lacked something already stays due when it was.
fn mark(ledger: &mut Ledger, mark: &Mark) {
    let Some(number) = ledger.number(&mark.key) else {
        return;
    };
    let entry = ledger.outbox.entries.entry(number).or_insert_with(|| OutboxEntry {
        key: mark.key.clone(),
        wanted: 0,
        due: mark.due,
        row: RowState::default(),
    });
    let lacked_nothing = entry.wanted <= entry.row.shown;
    entry.wanted = entry.wanted.max(mark.line);
    if lacked_nothing && entry.wanted > entry.row.shown {
        entry.due = mark.due;
    }
}

impl MemoryStore {
    /// Writes what whoever projects writes, if it is still theirs to write.
    fn project<T>(
        &self,
        fence: &Fence,
        write: impl FnOnce(&mut Ledger) -> Result<T, Unavailable>,
    ) -> Result<T, FencedError> {
        let mut ledger = self.transaction();
        ledger.leases.check(fence, &Duty::Project)?;
        Ok(write(&mut ledger)?)
    }
}

#[async_trait]
impl OutboxStore for MemoryStore {
    async fn outbox(&self) -> Result<Option<OutboxHead>, Unavailable> {
        Ok(self.transaction().outbox.head.clone())
    }

    async fn begin_outbox(&self, fence: &Fence, target: &str, position: u64) -> Result<(), FencedError> {
        self.project(fence, |ledger| {
            ledger.outbox.entries.clear();
            ledger.outbox.head = Some(OutboxHead {
                target: target.to_owned(),
                position,
                stopped: None,
            });
            Ok(())
        })
    }

    async fn mark_outbox(&self, fence: &Fence, position: u64, marks: Vec<Mark>) -> Result<(), FencedError> {
        self.project(fence, |ledger| {
            let head = ledger.outbox.begun()?;
            head.position = head.position.max(position);
            for one in Mark::folded(marks) {
                mark(ledger, &one);
            }
            Ok(())
        })
    }

    async fn keep_rows(&self, fence: &Fence, rows: Vec<(RunKey, Timestamp, RowState)>) -> Result<(), FencedError> {
        self.project(fence, |ledger| {
            for (key, due, row) in rows {
                let number = ledger.number(&key);
                let Some(entry) = number.and_then(|number| ledger.outbox.entries.get_mut(&number)) else {
                    continue;
                };
                let shown = match row.shown {
                    0 => 0,
                    shown => shown.max(entry.row.shown),
                };
                entry.due = due;
                entry.row = RowState { shown, ..row };
            }
            Ok(())
        })
    }

    async fn stop_outbox(&self, fence: &Fence, stop: Option<OutboxStop>) -> Result<(), FencedError> {
        self.project(fence, |ledger| {
            ledger.outbox.begun()?.stopped = stop;
            Ok(())
        })
    }

    async fn due_entries(
        &self,
        kind: RecordKind,
        now: Timestamp,
        size: PageSize,
    ) -> Result<Vec<OutboxEntry>, Unavailable> {
        let ledger = self.transaction();
        let is_due = |entry: &OutboxEntry| entry.is_waiting() && entry.key.kind() == kind && entry.due <= now;
        let due = ledger.outbox.entries.iter().filter(|(_, entry)| is_due(entry));
        // By time, then in the order of creation.
        let mut due: Vec<_> = due.map(|(number, entry)| (entry.due, *number, entry)).collect();
        let place = |(due, number, _): &(Timestamp, RecordNumber, _)| (*due, *number);
        // There may be many more than are asked for: those are not sorted.
        if due.len() > room(size) {
            due.select_nth_unstable_by_key(room(size), place);
            due.truncate(room(size));
        }
        due.sort_unstable_by_key(place);
        Ok(due.into_iter().map(|(_, _, entry)| entry.clone()).collect())
    }

    async fn entries(&self, keys: &[RunKey]) -> Result<Vec<Option<OutboxEntry>>, Unavailable> {
        let ledger = self.transaction();
        let entry = |key| ledger.outbox.entries.get(&ledger.number(key)?).cloned();
        Ok(keys.iter().map(entry).collect())
    }

    async fn entries_in(
        &self,
        step: StepKind,
        after: Option<&RunKey>,
        size: PageSize,
    ) -> Result<Vec<OutboxEntry>, Unavailable> {
        if step == StepKind::Idle {
            return Ok(Vec::new());
        }
        let ledger = self.transaction();
        let after = after.and_then(|key| ledger.number(key)).unwrap_or(0);
        let entries = ledger.outbox.entries.range(after.saturating_add(1)..);
        let at_step = entries.filter(|(_, entry)| entry.row.step.kind() == step);
        Ok(at_step.take(room(size)).map(|(_, entry)| entry.clone()).collect())
    }

    async fn outbox_counts(&self) -> Result<OutboxCounts, Unavailable> {
        Ok(self.transaction().outbox.counts())
    }

    async fn keep_removed(&self, fence: &Fence, rows: Vec<RemovedRow>) -> Result<(), FencedError> {
        self.project(fence, |ledger| {
            ledger.outbox.removed.extend(rows);
            Ok(())
        })
    }

    async fn removed_rows(&self, after: u64, size: PageSize) -> Result<Vec<RemovedRow>, Unavailable> {
        let ledger = self.transaction();
        let skipped = usize::try_from(after).unwrap_or(usize::MAX);
        let rows = ledger.outbox.removed.iter().skip(skipped);
        Ok(rows.take(room(size)).cloned().collect())
    }
}

fn room(size: PageSize) -> usize {
    usize::try_from(size.get()).unwrap_or(usize::MAX)
}
