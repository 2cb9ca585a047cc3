//! Noting which row is whose, for rows that were there before the ledger showed anything (I14).
//!
//! A row that is adopted is left as it is until its record changes: to adopt writes nothing elsewhere. Where a record has
//! several rows none is chosen. Nothing may be sent while only some rows are known, or others would be made once more: so
//! the outbox is stopped meanwhile, and stays so when this does not come to its end.

use std::collections::BTreeMap;
use std::time::Duration;

use runledger_domain::{Action, RunKey, Source, Subject, Timestamp};
use runledger_ports::{
    Fence, FoundRow, ListFilter, Mark, OutboxEntry, OutboxStop, PAGE_MAX, PageSize, RowState, Step, StepKind,
};

use super::{ReconcileError, Reconciler};
use crate::projection::begun;

/// How many keys are noted at once.
const KEYS_AT_ONCE: usize = 500;
/// For how long nothing is sent when this does not come to its end: until somebody does something.
const STOPPED_FOR: Duration = Duration::from_hours(24 * 365 * 50);

/// What came of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Adopted {
    /// Records whose row was known.
    pub known: u64,
    /// Records whose row is known now.
    pub adopted: u64,
    /// Records that have several rows, or another than the one that is known: nothing was chosen.
    pub several: u64,
    /// Rows of no record.
    pub of_no_record: u64,
}

/// What is noted of some keys.
#[derive(Default)]
struct Noted {
    marks: Vec<Mark>,
    rows: Vec<(RunKey, Timestamp, RowState)>,
}

impl Reconciler {
    /// Has nothing sent, by any server, until rows are [adopted](Self::adopt): from before their records come in, or a server
    /// that knows the records and not yet their rows would make these once more.
    ///
    /// # Errors
    /// [`ReconcileError`]; it is to be known before anything is imported.
    pub async fn begin_adoption(&self) -> Result<(), ReconcileError> {
        let prepared = self.target.prepare().await?;
        let hand = self.take_hand().await?;
        let head = self.outbox.outbox().await?;
        let known = head.filter(|head| begun::looks_first(head, &prepared.target).is_some());
        // Where nothing was ever shown, nothing is made in tables that have rows.
        let stopped = match known {
            Some(_) => self.stop_meanwhile(&hand.fence).await,
            None => Ok(()),
        };
        self.give_up(hand).await;
        stopped
    }

    /// Learns which rows are whose; with `from_beginning`, all other records are to have one as well.
    ///
    /// # Errors
    /// [`ReconcileError`]. Nothing is sent until the same is done once more, to its end.
    pub async fn adopt(
        &self,
        by: &Source,
        rows: &BTreeMap<RunKey, Vec<FoundRow>>,
        from_beginning: bool,
    ) -> Result<Adopted, ReconcileError> {
        let prepared = self.target.prepare().await?;
        let hand = self.take_hand().await?;
        let done = self
            .adopt_with(&hand.fence, &prepared.target, rows, from_beginning)
            .await;
        self.give_up(hand).await;
        let adopted = done?;
        let detail = format!(
            "learnt the rows of {} records, and knew {}; {} have several, {} rows are of none",
            adopted.adopted, adopted.known, adopted.several, adopted.of_no_record
        );
        self.log_about(by, Action::AdoptRows, Subject::default(), detail)
            .await?;
        Ok(adopted)
    }

    async fn adopt_with(
        &self,
        fence: &Fence,
        target: &str,
        rows: &BTreeMap<RunKey, Vec<FoundRow>>,
        from_beginning: bool,
    ) -> Result<Adopted, ReconcileError> {
        let (at, line) = (self.shared.clock.now(), self.events.last_line().await?);
        let head = self.outbox.outbox().await?;
        let known = head.filter(|head| begun::looks_first(head, target).is_some());
        let (position, stopped) = if let Some(head) = known {
            (head.position, head.stopped.filter(|stop| !is_ours(stop)))
        } else {
            // Not at the beginning: should this end here, nothing is made that is there already.
            let begun = self.outbox.begin_outbox(fence, target, line).await;
            self.kept(begun).await?;
            (line, None)
        };
        self.stop_meanwhile(fence).await?;
        let mut adopted = Adopted::default();
        let all: Vec<_> = rows.iter().collect();
        for some in all.chunks(KEYS_AT_ONCE) {
            let noted = self.note_rows(some, at, line, &mut adopted).await?;
            self.keep_noted(fence, position, noted).await?;
        }
        if from_beginning {
            self.mark_others(fence, position, at, line).await?;
        }
        let kept = self.outbox.stop_outbox(fence, stopped).await;
        self.kept(kept).await?;
        Ok(adopted)
    }

    async fn stop_meanwhile(&self, fence: &Fence) -> Result<(), ReconcileError> {
        let at = self.shared.clock.now();
        let stop = OutboxStop {
            at,
            until: Some(at.saturating_add(STOPPED_FOR)),
            reason: UNFINISHED.into(),
        };
        let kept = self.outbox.stop_outbox(fence, Some(stop)).await;
        self.kept(kept).await
    }

    async fn note_rows(
        &self,
        rows: &[(&RunKey, &Vec<FoundRow>)],
        at: Timestamp,
        line: u64,
        adopted: &mut Adopted,
    ) -> Result<Noted, ReconcileError> {
        let keys: Vec<_> = rows.iter().map(|(key, _)| (*key).clone()).collect();
        let entries = self.outbox.entries(&keys).await?;
        let mut noted = Noted::default();
        for ((key, rows), entry) in rows.iter().zip(entries) {
            if self.shared.reader.get(key).await?.is_none() {
                adopted.of_no_record += u64::try_from(rows.len()).unwrap_or(u64::MAX);
                continue;
            }
            let state = match adoptable(entry, rows, line) {
                Adoptable::Known => {
                    adopted.known += 1;
                    continue;
                }
                Adoptable::Other => {
                    adopted.several += 1;
                    continue;
                }
                Adoptable::Several => {
                    adopted.several += 1;
                    // Not left without an entry: the next change of the record would make one more.
                    RowState {
                        step: Step::SetAside {
                            at,
                            line,
                            why: several(key, rows),
                        },
                        ..RowState::default()
                    }
                }
                Adoptable::Now(state) => {
                    adopted.adopted += 1;
                    state
                }
            };
            let key = (*key).clone();
            noted.marks.push(Mark {
                key: key.clone(),
                line,
                due: at,
            });
            noted.rows.push((key, at, state));
        }
        Ok(noted)
    }

    /// Has the records that have no entry shown as well.
    async fn mark_others(&self, fence: &Fence, position: u64, at: Timestamp, line: u64) -> Result<(), ReconcileError> {
        let size = PageSize::new(PAGE_MAX).unwrap_or_default();
        let (all, mut after) = (ListFilter::default(), None);
        loop {
            let page = self.shared.reader.list(&all, after, size).await?;
            let keys: Vec<_> = page.records.iter().map(|record| record.key().clone()).collect();
            let entries = self.outbox.entries(&keys).await?;
            let without = keys.into_iter().zip(entries).filter(|(_, entry)| entry.is_none());
            let marks = without.map(|(key, _)| Mark { key, line, due: at });
            let noted = Noted {
                marks: marks.collect(),
                rows: Vec::new(),
            };
            self.keep_noted(fence, position, noted).await?;
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn keep_noted(&self, fence: &Fence, position: u64, noted: Noted) -> Result<(), ReconcileError> {
        if !noted.marks.is_empty() {
            let kept = self.outbox.mark_outbox(fence, position, noted.marks).await;
            self.kept(kept).await?;
        }
        if !noted.rows.is_empty() {
            let kept = self.outbox.keep_rows(fence, noted.rows).await;
            self.kept(kept).await?;
        }
        Ok(())
    }
}

/// Why nothing is sent, when it ends half-way.
const UNFINISHED: &str =
    "the rows of the tables are not all known yet: let `runledger airtable import` come to its end";

fn is_ours(stop: &OutboxStop) -> bool {
    stop.reason == UNFINISHED
}

enum Adoptable {
    /// It is the row that is known.
    Known,
    /// Another row is known, or something is under way.
    Other,
    /// None of several is chosen.
    Several,
    /// It becomes the row that is known.
    Now(RowState),
}

fn adoptable(entry: Option<OutboxEntry>, rows: &[FoundRow], line: u64) -> Adoptable {
    // Where nothing was ever to be shown, a row stays as it is until its record changes.
    let shown = match entry {
        None => line,
        Some(entry) => match (&entry.row.id, entry.row.step.kind()) {
            (Some(known), _) if rows.len() == 1 && *known == rows[0].id => return Adoptable::Known,
            (None, StepKind::Idle | StepKind::SetAside) => entry.row.shown,
            _ => return Adoptable::Other,
        },
    };
    match rows {
        [row] => Adoptable::Now(RowState {
            id: Some(row.id.clone()),
            shown,
            digest: Some(row.digest),
            ..RowState::default()
        }),
        _ => Adoptable::Several,
    }
}

fn several(key: &RunKey, rows: &[FoundRow]) -> String {
    let ids: Vec<_> = rows.iter().map(|row| row.id.as_str()).collect();
    format!(
        "there are {} rows with its key: {}; delete all but one, by hand or with `runledger airtable repair`, then \
         `runledger airtable retry {key}`",
        ids.len(),
        ids.join(", ")
    )
}
