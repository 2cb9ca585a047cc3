//! The first reading: which row is kept for each key, and what the files hold that is not taken.

use std::collections::{BTreeMap, HashMap, HashSet};

use runledger_domain::{ClientId, MetricChange, Metrics, RecordKind, RunId, RunKey, Timestamp};

use super::classify::{Accepted, Began, Classifier};
use super::error::ImportError;
use super::input::{Input, Place};
use super::json_rows::{CREATED_TIME, RECORD_ID, looks_like};
use super::reconstruct::Past;
use super::report::{NotTaken, Why};
use super::rows::{COLUMNS_MAX, Fields, Row, Rows};
use super::{Format, Import, Merge, Phase, Progress};
use crate::fields::{self, FIELDS, FORMULAS, JOB_TOTALS, METRICS};

/// How many rows go by between two reports of progress.
const PROGRESS_ROWS: u64 = 256;

/// What the first reading found.
#[derive(Debug, Default)]
pub(super) struct Plan {
    kept: HashMap<RunKey, Kept>,
    /// The kept client rows whose run has no row in the job table.
    pub(super) orphans: HashMap<RunKey, Past>,
    /// The highest metrics of each key that several rows name, when they are to be merged.
    peaks: HashMap<RunKey, Metrics>,
    pub(super) jobs: Found,
    pub(super) clients: Found,
    names: Names,
}

/// What one file holds.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) rows: u64,
    /// How many of them could be read as rows at all.
    readable: u64,
    pub(super) not_taken: Vec<NotTaken>,
}

/// The row that is kept for a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    began: Began,
    pub(super) row: u64,
    pub(super) place: Place,
    /// How many rows name the key.
    pub(super) copies: u64,
}

/// Ids seen so far, so that each is kept once, however many keys hold it.
#[derive(Debug, Default)]
struct Names {
    runs: HashSet<RunId>,
    clients: HashSet<ClientId>,
}

/// Reads all files once.
pub(super) fn read(import: &Import, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<Plan, ImportError> {
    if import.jobs.is_none() && import.clients.is_none() {
        return Err(ImportError::NoInput);
    }
    let mut plan = Plan::default();
    if let Some(input) = &import.jobs {
        plan.jobs = plan.read_table(input, RecordKind::Job, progress)?;
    }
    if let Some(input) = &import.clients {
        plan.clients = plan.read_table(input, RecordKind::Client, progress)?;
        if import.merge == Merge::Max {
            plan.find_peaks(input)?;
        }
    }
    Ok(plan)
}

impl Plan {
    pub(super) fn kept(&self, key: &RunKey) -> Option<&Kept> {
        self.kept.get(key)
    }

    pub(super) fn has_job(&self, run: &RunId) -> bool {
        self.kept.contains_key(&RunKey::Job(run.clone()))
    }

    pub(super) fn peaks(&self, key: &RunKey) -> Option<&Metrics> {
        self.peaks.get(key)
    }

    fn read_table(
        &mut self,
        input: &Input,
        table: RecordKind,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Found, ImportError> {
        let mut rows = input.open(table)?;
        let classifier = Classifier::new(table);
        let mut columns = Columns::new(table);
        let mut found = Found::default();
        let mut broken = None;
        while let Some(row) = rows.next_row()? {
            found.rows = row.number;
            found.readable += u64::from(row.broken.is_none());
            broken = broken.or_else(|| row.broken.clone());
            columns.see(&row.fields);
            if let Ok(accepted) = classifier.read(&row) {
                self.see(&row, &accepted);
            }
            report_progress(&rows, table, Phase::Read, row.number, progress);
        }
        report_end(&rows, table, Phase::Read, found.rows, progress);
        if input.format == Format::JsonLines
            && found.readable == 0
            && let Some(first) = broken
        {
            return Err(ImportError::NoRecords {
                path: input.path.clone(),
                looks_like: looks_like(&first.value),
            });
        }
        found.not_taken = columns.not_taken(input.format, found.rows);
        Ok(found)
    }

    /// Lets the row compete for its key.
    fn see(&mut self, row: &Row, accepted: &Accepted) {
        let mut kept = Kept {
            began: accepted.began,
            row: row.number,
            place: row.place,
            copies: 1,
        };
        let key = self.names.shared(&accepted.key);
        if let Some(before) = self.kept.get_mut(&key) {
            kept.copies = before.copies + 1;
            if before.rank() <= kept.rank() {
                before.copies = kept.copies;
                return;
            }
        }
        if matches!(key, RunKey::Client(..)) && !self.has_job(key.run()) {
            self.orphans.insert(key.clone(), Past::of(accepted));
        }
        self.kept.insert(key, kept);
    }

    /// Reads the clients once more for the highest metrics of the keys that several rows name.
    fn find_peaks(&mut self, input: &Input) -> Result<(), ImportError> {
        let mut rows = input.open(RecordKind::Client)?;
        let classifier = Classifier::new(RecordKind::Client);
        while let Some(row) = rows.next_row()? {
            let Ok(accepted) = classifier.read(&row) else { continue };
            if self.kept.get(&accepted.key).is_none_or(|kept| kept.copies < 2) {
                continue;
            }
            let peaks = self.peaks.entry(accepted.key).or_default();
            *peaks = highest(peaks, &accepted.metrics);
        }
        Ok(())
    }
}

/// For each metric the higher of the two.
pub(super) fn highest(one: &Metrics, other: &Metrics) -> Metrics {
    let change = MetricChange {
        max: other.iter().map(|(name, value)| (name.clone(), value)).collect(),
        ..MetricChange::default()
    };
    // The merge of marks cannot overflow, and a table has fewer metrics than a record may hold.
    one.merge(&change)
        .unwrap_or_else(|e| unreachable!("high marks always merge: {e}"))
}

impl Kept {
    /// The least is kept: the earliest Start Time, then the earliest creation, then the first of the file. What does
    /// not say comes behind what does.
    const fn rank(&self) -> (bool, Option<Timestamp>, bool, Option<Timestamp>, u64) {
        let Began { start, created } = self.began;
        (start.is_none(), start, created.is_none(), created, self.row)
    }
}

impl Names {
    fn shared(&mut self, key: &RunKey) -> RunKey {
        fn one<T: Clone + Eq + std::hash::Hash>(seen: &mut HashSet<T>, id: &T) -> T {
            if let Some(known) = seen.get(id) {
                return known.clone();
            }
            seen.insert(id.clone());
            id.clone()
        }
        match key {
            RunKey::Job(run) => RunKey::Job(one(&mut self.runs, run)),
            RunKey::Client(run, client) => RunKey::Client(one(&mut self.runs, run), one(&mut self.clients, client)),
        }
    }
}

/// The columns of one file, and how many rows have a value in each.
struct Columns {
    table: RecordKind,
    seen: BTreeMap<String, u64>,
    more: u64,
}

impl Columns {
    const fn new(table: RecordKind) -> Self {
        Self {
            table,
            seen: BTreeMap::new(),
            more: 0,
        }
    }

    fn see(&mut self, fields: &Fields) {
        for (name, value) in &fields.pairs {
            let has_value = u64::from(!value.is_empty());
            if let Some(count) = self.seen.get_mut(&**name) {
                *count += has_value;
            } else if self.seen.len() < COLUMNS_MAX {
                self.seen.insert(name.to_string(), has_value);
            } else {
                self.more += has_value;
            }
        }
    }

    fn not_taken(self, format: Format, rows: u64) -> Vec<NotTaken> {
        let why = |name: &str| {
            let is_total = JOB_TOTALS.iter().any(|(column, _)| *column == name);
            if FORMULAS.contains(&name) || (self.table == RecordKind::Job && is_total) {
                return Some(Why::Derived);
            }
            if fields::is_created_column(name) {
                return Some(Why::Order);
            }
            let is_taken = match self.table {
                RecordKind::Job => FIELDS.iter().any(|(column, _)| *column == name && is_job_field(name)),
                RecordKind::Client => {
                    (FIELDS.iter().chain(&METRICS)).any(|(column, _)| *column == name && name != fields::STREAM)
                }
            };
            (!is_taken).then_some(Why::Unknown)
        };
        let mut not_taken: Vec<_> = self
            .seen
            .iter()
            .filter_map(|(column, values)| {
                Some(NotTaken {
                    column: column.clone(),
                    values: *values,
                    why: why(column)?,
                })
            })
            .collect();
        if format == Format::JsonLines {
            not_taken.extend(
                [(RECORD_ID, Why::Unknown), (CREATED_TIME, Why::Order)].map(|(column, why)| NotTaken {
                    column: column.to_owned(),
                    values: rows,
                    why,
                }),
            );
        }
        if self.more > 0 {
            not_taken.push(NotTaken {
                column: format!("(columns beyond the first {COLUMNS_MAX})"),
                values: self.more,
                why: Why::Unknown,
            });
        }
        not_taken
    }
}

fn is_job_field(column: &str) -> bool {
    ![fields::CLIENT_ID, fields::CLIENT_NAME, fields::APIFY_RUN_ID].contains(&column)
}

/// Says how far the reading is, every now and then.
pub(super) fn report_progress(
    rows: &Rows,
    table: RecordKind,
    phase: Phase,
    row: u64,
    progress: &mut (dyn FnMut(Progress) + Send),
) {
    if row.is_multiple_of(PROGRESS_ROWS) {
        report_end(rows, table, phase, row, progress);
    }
}

/// Says how far the reading is.
pub(super) fn report_end(
    rows: &Rows,
    table: RecordKind,
    phase: Phase,
    row: u64,
    progress: &mut (dyn FnMut(Progress) + Send),
) {
    let file = rows.file();
    progress(Progress {
        table,
        phase,
        rows: row,
        bytes: file.place.offset,
        bytes_total: file.bytes_total,
    });
}
