//! One sweep over both sides: first the rows of a table, in the order of what they are known by, then the records that are
//! to have one.
//!
//! The two orders are not the same, since Airtable sorts texts in its own way and reads values live; so what was seen is
//! remembered, a few dozen bytes for each row, and nothing else of it. What differs is looked at a second time before it is
//! said: a row may have been listed just before it was written.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use runledger_domain::{JobSummary, RecordKind, RunKey, RunRecord, Source};
use runledger_ports::{
    ActivityFilter, CellDifference, Cells, Cursor, ListFilter, ListRowsError, ListedRow, OutboxEntry, PageSize, RowId,
    RowState, RowsPlace, StepKind,
};

use super::copies::Copy;
use super::report::{Discrepancy, SweepCounts, SweepPage};
use super::{ReconcileError, Reconciler};

/// How many records are looked at in one step.
const RECORDS_AT_ONCE: u32 = 200;
/// How many findings of what is only known at the end are answered in one step.
const FINDINGS_AT_ONCE: usize = 200;
/// How often a list may begin again before it is given up.
const RESTARTS_MAX: u64 = 100;
/// The most rows of one table that are remembered.
const ROWS_MAX: usize = 1_000_000;

/// What a difference is called that is no cell: the row is not the one that is known.
const ROW: &str = "(row)";
/// The same, when a row is not known by its record's key any more.
const KEY: &str = "(key)";

/// Where a sweep is.
#[derive(Debug)]
enum Stage {
    /// Among the rows of a table.
    Rows(RecordKind, Option<RowsPlace>),
    /// Among the records that are to have one.
    Records(RecordKind, Option<Cursor>),
    /// Saying what is known only now.
    Rest(RecordKind),
    /// At its end.
    Over,
}

/// A row that is of no record, as far as it was looked at.
#[derive(Debug)]
struct Stray {
    known_by: String,
    why: String,
}

/// An entry, and what its row is to hold.
struct Expected {
    entry: OutboxEntry,
    cells: Option<Cells>,
    /// Whether the outbox has all that the log says of the record.
    is_followed: bool,
}

/// A sweep.
#[derive(Debug)]
pub(super) struct Sweep {
    /// Who has what differs put right.
    apply: Option<Source>,
    stage: Stage,
    /// Rows of this table that were listed.
    listed: HashSet<RowId>,
    /// The first row that was listed of each key.
    seen: HashMap<RunKey, Copy>,
    /// The others, of keys that have several.
    several: HashMap<RunKey, Vec<Copy>>,
    /// Records of which it is said already that their row differs.
    drifted: HashSet<RunKey>,
    strays: HashMap<RowId, Stray>,
    counts: SweepCounts,
    steps: u64,
    last: SweepPage,
}

impl Sweep {
    pub(super) fn new(apply: Option<Source>) -> Self {
        Self {
            apply,
            stage: Stage::Rows(RecordKind::Job, None),
            listed: HashSet::new(),
            seen: HashMap::new(),
            several: HashMap::new(),
            drifted: HashSet::new(),
            strays: HashMap::new(),
            counts: SweepCounts::default(),
            steps: 0,
            last: SweepPage::default(),
        }
    }

    /// The step of this number, from 1 on: the next one, or once more the last one, whose answer may have been lost.
    pub(super) async fn step(&mut self, at: &Reconciler, number: u64) -> Result<SweepPage, ReconcileError> {
        if number != 0 && number == self.steps {
            return Ok(self.last.clone());
        }
        if number != self.steps + 1 || matches!(self.stage, Stage::Over) {
            return Err(ReconcileError::NoSuchPage { number });
        }
        let found = match &self.stage {
            Stage::Rows(kind, place) => {
                let (kind, place) = (*kind, place.clone());
                self.rows(at, kind, place).await?
            }
            Stage::Records(kind, after) => {
                let (kind, after) = (*kind, *after);
                self.records(at, kind, after).await?
            }
            Stage::Rest(kind) => self.rest(*kind),
            Stage::Over => Vec::new(),
        };
        // Kept before the step counts as done: asked once more it does the same again, which does no harm.
        if let Some(by) = &self.apply {
            self.counts.repairs += at.repair_rows(by, &found).await?;
        }
        for one in &found {
            match one {
                Discrepancy::Missing { .. } => self.counts.missing += 1,
                Discrepancy::Drifted { .. } => self.counts.drifted += 1,
                Discrepancy::Duplicated { .. } => self.counts.duplicated += 1,
                Discrepancy::Extra { .. } => self.counts.extra += 1,
            }
        }
        self.steps = number;
        self.last = SweepPage {
            found,
            counts: self.counts,
            is_last: matches!(self.stage, Stage::Over),
        };
        Ok(self.last.clone())
    }

    /// A page of rows.
    async fn rows(
        &mut self,
        at: &Reconciler,
        kind: RecordKind,
        place: Option<RowsPlace>,
    ) -> Result<Vec<Discrepancy>, ReconcileError> {
        let page = match at.target.list_rows(kind, place.as_ref()).await {
            Ok(page) => page,
            Err(ListRowsError::PlaceLost) => {
                self.counts.restarts += 1;
                if self.counts.restarts > RESTARTS_MAX {
                    return Err(ReconcileError::ListExpires);
                }
                self.stage = Stage::Rows(kind, None);
                return Ok(Vec::new());
            }
            Err(ListRowsError::NotDone(error)) => return Err(error.into()),
        };
        let rows: Vec<_> = page
            .rows
            .into_iter()
            .filter(|row| !self.listed.contains(&row.id))
            .collect();
        if self.listed.len() + rows.len() > ROWS_MAX {
            return Err(ReconcileError::TooManyRows { most: ROWS_MAX });
        }
        let keys: Vec<_> = rows.iter().filter_map(|row| row.key.clone().ok()).collect();
        let expected = at.expect(&keys).await?;
        let mut differing = HashMap::new();
        for row in &rows {
            match &row.key {
                Err(why) => self.stray(row, why.clone()),
                Ok(key) => match expected.get(key) {
                    None => self.stray(row, "the ledger has no such record, or does not show it".into()),
                    Some(expected) if expected.differs_from(row) && !self.is_another(key, row) => {
                        differing.insert(key.clone(), expected.entry.row.clone());
                    }
                    Some(_) => {}
                },
            }
        }
        let found = self.look_again(at, kind, &differing).await?;
        // From here on nothing fails: a step that is asked once more finds the same rows again.
        for row in rows {
            if let Ok(key) = &row.key
                && expected.contains_key(key)
            {
                self.note(key, &row);
            }
            self.counts.rows += 1;
            self.listed.insert(row.id);
        }
        for one in &found {
            if let Discrepancy::Drifted { key, .. } = one {
                self.drifted.insert(key.clone());
            }
        }
        self.stage = match page.next {
            Some(next) => Stage::Rows(kind, Some(next)),
            None => Stage::Records(kind, None),
        };
        Ok(found)
    }

    fn stray(&mut self, row: &ListedRow, why: String) {
        let stray = Stray {
            known_by: row.known_by.clone(),
            why,
        };
        self.strays.insert(row.id.clone(), stray);
    }

    /// Whether another row of the key was listed.
    fn is_another(&self, key: &RunKey, row: &ListedRow) -> bool {
        self.seen.get(key).is_some_and(|first| first.row != row.id)
    }

    fn note(&mut self, key: &RunKey, row: &ListedRow) {
        let copy = Copy {
            row: row.id.clone(),
            made_at: row.made_at,
        };
        if self.is_another(key, row) {
            self.several.entry(key.clone()).or_default().push(copy);
        } else {
            self.seen.insert(key.clone(), copy);
        }
    }

    /// What still differs when the rows are read once more, and nothing was written to them in between.
    async fn look_again(
        &self,
        at: &Reconciler,
        kind: RecordKind,
        differing: &HashMap<RunKey, RowState>,
    ) -> Result<Vec<Discrepancy>, ReconcileError> {
        if differing.is_empty() {
            return Ok(Vec::new());
        }
        let mut keys: Vec<_> = differing.keys().cloned().collect();
        keys.sort_unstable();
        let mut records = Vec::with_capacity(keys.len());
        for key in &keys {
            records.extend(at.shared.reader.get(key).await?);
        }
        let rows = at.target.rows_of(kind, &records).await?;
        let expected = at.expect(&keys).await?;
        let mut found = Vec::new();
        for key in keys {
            let Some(expected) = expected
                .get(&key)
                .filter(|of| Some(&of.entry.row) == differing.get(&key))
            else {
                continue;
            };
            let mut of_key = rows.iter().filter(|row| row.key.as_ref() == Ok(&key));
            if let (Some(row), None) = (of_key.next(), of_key.next())
                && let Some(cells) = expected.cells.as_ref().filter(|_| expected.differs_from(row))
            {
                found.push(Discrepancy::Drifted {
                    cells: at.target.differences(kind, cells, &row.cells),
                    row: row.id.clone(),
                    key,
                });
            }
        }
        Ok(found)
    }

    /// A page of records, to see which have no row.
    async fn records(
        &mut self,
        at: &Reconciler,
        kind: RecordKind,
        after: Option<Cursor>,
    ) -> Result<Vec<Discrepancy>, ReconcileError> {
        let filter = ListFilter {
            kind: Some(kind),
            ..ListFilter::default()
        };
        let size = PageSize::new(RECORDS_AT_ONCE).unwrap_or_default();
        let page = at.shared.reader.list(&filter, after, size).await?;
        let keys: Vec<_> = page.records.iter().map(|record| record.key().clone()).collect();
        let entries = at.outbox.entries(&keys).await?;
        let (mut absent, mut found, mut counts) = (HashMap::new(), Vec::new(), self.counts);
        for (record, entry) in page.records.iter().zip(entries) {
            counts.records += 1;
            let Some(entry) = entry else {
                counts.not_shown += 1;
                continue;
            };
            if !is_settled(&entry) {
                counts.unsettled += 1;
                continue;
            }
            let key = record.key();
            let has_several = self.several.contains_key(key) || self.drifted.contains(key);
            match (self.seen.get(key), &entry.row.id) {
                (None, _) => drop(absent.insert(key.clone(), (Arc::clone(record), entry.row))),
                (Some(_), _) if has_several => {}
                (Some(seen), Some(known)) if seen.row != *known => {
                    found.push(Discrepancy::Drifted {
                        key: key.clone(),
                        row: seen.row.clone(),
                        cells: vec![CellDifference {
                            field: ROW.into(),
                            ledger: known.to_string(),
                            row: seen.row.to_string(),
                        }],
                    });
                }
                (Some(_), _) => counts.in_step += 1,
            }
        }
        found.extend(self.missing(at, kind, &absent, &mut counts).await?);
        self.counts = counts;
        self.stage = match page.next {
            Some(next) => Stage::Records(kind, Some(next)),
            None => Stage::Rest(kind),
        };
        Ok(found)
    }

    /// Which of these records have no row indeed: lists may lag, and a key may have been edited.
    async fn missing(
        &mut self,
        at: &Reconciler,
        kind: RecordKind,
        absent: &HashMap<RunKey, (Arc<RunRecord>, RowState)>,
        counts: &mut SweepCounts,
    ) -> Result<Vec<Discrepancy>, ReconcileError> {
        if absent.is_empty() {
            return Ok(Vec::new());
        }
        let records: Vec<_> = absent.values().map(|(record, _)| Arc::clone(record)).collect();
        let rows = at.target.rows_of(kind, &records).await?;
        let mut keys: Vec<_> = absent.keys().cloned().collect();
        keys.sort_unstable();
        let entries = at.outbox.entries(&keys).await?;
        let mut found = Vec::new();
        for (key, entry) in keys.iter().zip(entries) {
            let has_row = rows.iter().any(|row| row.key.as_ref() == Ok(key));
            let before = absent.get(key).map(|(_, row)| row);
            let same = entry.filter(|entry| is_settled(entry) && Some(&entry.row) == before && !has_row);
            let Some(entry) = same else {
                counts.unsettled += 1;
                continue;
            };
            let edited = entry.row.id.as_ref().and_then(|id| self.strays.remove_entry(id));
            found.push(match edited {
                Some((row, stray)) => Discrepancy::Drifted {
                    key: key.clone(),
                    row,
                    cells: vec![CellDifference {
                        field: KEY.into(),
                        ledger: key.to_string(),
                        row: stray.known_by,
                    }],
                },
                None => Discrepancy::Missing {
                    key: key.clone(),
                    row: entry.row.id,
                },
            });
        }
        Ok(found)
    }

    /// Keys with several rows, and rows of no record.
    fn rest(&mut self, kind: RecordKind) -> Vec<Discrepancy> {
        let mut keys: Vec<_> = self.several.keys().take(FINDINGS_AT_ONCE).cloned().collect();
        keys.sort_unstable();
        let mut found = Vec::with_capacity(FINDINGS_AT_ONCE);
        for key in keys {
            let Some(others) = self.several.remove(&key) else {
                continue;
            };
            let mut rows: Vec<_> = self.seen.get(&key).cloned().into_iter().chain(others).collect();
            rows.sort_unstable_by(|one, other| one.rank().cmp(&other.rank()));
            found.push(Discrepancy::Duplicated {
                rows: rows.into_iter().map(|copy| copy.row).collect(),
                key,
            });
        }
        let room = FINDINGS_AT_ONCE - found.len();
        let mut rows: Vec<_> = self.strays.keys().take(room).cloned().collect();
        rows.sort_unstable();
        for row in rows {
            let Some(Stray { known_by, why }) = self.strays.remove(&row) else {
                continue;
            };
            found.push(Discrepancy::Extra {
                kind,
                row,
                known_by,
                why,
            });
        }
        if self.several.is_empty() && self.strays.is_empty() {
            self.listed = HashSet::new();
            self.seen = HashMap::new();
            self.drifted = HashSet::new();
            self.stage = match kind {
                RecordKind::Job => Stage::Rows(RecordKind::Client, None),
                RecordKind::Client => Stage::Over,
            };
        }
        found
    }
}

impl Expected {
    /// Whether a row is known not to show the record: while it is not settled, nobody says so.
    fn differs_from(&self, row: &ListedRow) -> bool {
        let cells = self
            .cells
            .as_ref()
            .filter(|_| is_settled(&self.entry) && self.is_followed);
        cells.is_some_and(|cells| cells.digest != row.cells.digest)
    }
}

impl Reconciler {
    /// What is to be shown of these keys; nothing for one without a record, or that is not to be shown.
    async fn expect(&self, keys: &[RunKey]) -> Result<HashMap<RunKey, Expected>, ReconcileError> {
        // In this order: what the entry says to be shown, the record that is read after it has; and what the log says of the
        // record behind the position is not in the entry yet.
        let position = self.outbox.outbox().await?.map_or(0, |head| head.position);
        let entries = self.outbox.entries(keys).await?;
        let mut expected = HashMap::with_capacity(keys.len());
        for entry in entries.into_iter().flatten() {
            let Some((record, summary)) = self.read(&entry.key).await? else {
                continue;
            };
            let cells = self.target.render(&record, summary.as_ref()).ok();
            let of_expected = Expected {
                is_followed: self.is_followed(&entry.key, position).await?,
                cells,
                entry,
            };
            expected.insert(of_expected.entry.key.clone(), of_expected);
        }
        Ok(expected)
    }

    async fn read(&self, key: &RunKey) -> Result<Option<(Arc<RunRecord>, Option<JobSummary>)>, ReconcileError> {
        let Some(record) = self.shared.reader.get(key).await? else {
            return Ok(None);
        };
        let summary = match key.kind() {
            RecordKind::Job if self.target.shows_totals() => self.shared.reader.summary(key.run()).await?,
            RecordKind::Job | RecordKind::Client => None,
        };
        Ok(Some((record, summary)))
    }

    /// Whether the log says nothing of a record behind a line. Of a job, what it says of the job's clients counts.
    async fn is_followed(&self, key: &RunKey, line: u64) -> Result<bool, ReconcileError> {
        let filter = ActivityFilter {
            run: Some(key.run().clone()),
            client: key.client().cloned(),
            ..ActivityFilter::default()
        };
        let one = PageSize::new(1).unwrap_or_default();
        let page = self
            .shared
            .reader
            .activity(&filter, Some(Cursor::after_line(line)), one)
            .await?;
        Ok(page.lines.is_empty())
    }
}

/// Whether the row of an entry is known to show all that it is to show.
fn is_settled(entry: &OutboxEntry) -> bool {
    entry.row.step.kind() == StepKind::Idle && !entry.is_waiting()
}
