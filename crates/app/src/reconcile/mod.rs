//! Ledger and place compared: what differs is said, and put right only when that is asked for (I14).
//!
//! A [sweep](Reconciler::page) goes over both sides, a page at a time, so that no call is long. Nothing here writes a row:
//! what is to be put right is told the projection, by a line of the log, as everything that people want of it. Rows are
//! deleted in one case alone: a record has several, and somebody asks for all but the earliest to go
//! ([`remove_copies`](Reconciler::remove_copies)); each is kept in the ledger before.

mod adopt;
mod copies;
mod hand;
mod report;
mod sweep;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runledger_domain::{Action, NewActivity, RunKey, Source, Subject, Verdict};
use runledger_ports::{
    LeaseStore, NotDone, OutboxStore, PageSize, RemovedRow, Severity, SurveyTarget, TargetFinding, Unavailable,
};
use tokio::time::Instant;

pub use self::adopt::Adopted;
pub use self::copies::{COPIES_KEYS_MAX, Copies, CopiesState, Copy};
pub use self::report::{Discrepancy, SweepCounts, SweepPage};
use self::sweep::Sweep;
use crate::duties::Duties;
use crate::events::Events;
use crate::projection::begun;
use crate::shared::{Ledger, Shared};
use crate::stats::{Effect, Operation};

/// How many sweeps may be under way at once.
const SWEEPS_MAX: usize = 4;
/// After how long a sweep that nobody goes on with is forgotten.
const SWEEP_IDLE_MAX: Duration = Duration::from_mins(10);

/// What the plan at a place allows. Nothing where that is not known, or not limited.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PlanLimits {
    /// Rows in one base, those of all its tables.
    pub rows: Option<u64>,
    /// Requests in a month.
    pub monthly_requests: Option<u64>,
}

/// Why a comparison does not go on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReconcileError {
    /// The place gave no answer. The same may be asked again after a moment, or once somebody has done something.
    #[error(transparent)]
    Place(#[from] NotDone),
    /// The store cannot say.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// There is no such sweep, here and now.
    #[error(
        "there is no reconciliation {sweep} here: it was forgotten, or another server has it; begin a new one, which does no harm"
    )]
    Missing {
        /// Its name.
        sweep: String,
    },
    /// Too many sweeps are under way.
    #[error("{SWEEPS_MAX} reconciliations are under way; wait until one of them ends, or for 10 minutes")]
    TooMany,
    /// A page that is neither the last one nor the next.
    #[error("page {number} is neither the last one that was answered nor the one after it")]
    NoSuchPage {
        /// Which.
        number: u64,
    },
    /// The projection has not begun to show records in these tables.
    #[error(
        "no record was ever shown in {target}: there is nothing to compare; let `runledger serve` begin, or import the tables"
    )]
    NotBegun {
        /// The tables.
        target: String,
    },
    /// The list of rows began again too often.
    #[error("the list of the rows expires again and again before it can be read; try when the server has less to do")]
    ListExpires,
    /// There are more rows than are remembered.
    #[error("the table has more than {most} rows")]
    TooManyRows {
        /// How many are remembered.
        most: usize,
    },
    /// Another server keeps the rows in step, and it alone may write what goes with them.
    #[error("{holder} keeps the rows in step; ask that server, or stop it first")]
    Elsewhere {
        /// Who.
        holder: Source,
    },
    /// More keys than one call takes.
    #[error("{count} keys in one call; send 1 to {COPIES_KEYS_MAX}")]
    KeyCount {
        /// How many there were.
        count: usize,
    },
}

/// A sweep that is under way.
struct Slot {
    sweep: Arc<tokio::sync::Mutex<Sweep>>,
    used: Instant,
    /// Whether its last page was answered, and is only kept to be answered once more.
    is_over: bool,
}

/// Compares a ledger with the place where it is shown.
pub struct Reconciler {
    shared: Arc<Shared>,
    events: Arc<Events>,
    outbox: Arc<dyn OutboxStore>,
    leases: Arc<dyn LeaseStore>,
    duties: Arc<Duties>,
    holder: Source,
    target: Arc<dyn SurveyTarget>,
    limits: PlanLimits,
    sweeps: Mutex<Sweeps>,
}

#[derive(Default)]
struct Sweeps {
    begun: u64,
    under_way: BTreeMap<String, Slot>,
}

/// What a [`Reconciler`] is put together from, beside the ledger.
pub struct ReconcilePorts {
    /// What is known of the rows.
    pub outbox: Arc<dyn OutboxStore>,
    /// Gives the duty to keep rows in step, where nobody has it.
    pub leases: Arc<dyn LeaseStore>,
    /// The duties that this server has.
    pub duties: Arc<Duties>,
    /// Who this server is.
    pub holder: Source,
    /// The place.
    pub target: Arc<dyn SurveyTarget>,
}

impl Reconciler {
    /// A comparison of a ledger with a place.
    pub fn new(ledger: &Ledger, ports: ReconcilePorts, limits: PlanLimits) -> Self {
        Self {
            shared: Arc::clone(ledger.shared()),
            events: Arc::clone(&ledger.events),
            outbox: ports.outbox,
            leases: ports.leases,
            duties: ports.duties,
            holder: ports.holder,
            target: ports.target,
            limits,
            sweeps: Mutex::default(),
        }
    }

    /// What stands between the ledger and its rows, the worst first. Nothing is written.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say how much it holds.
    pub async fn check(&self) -> Result<Vec<TargetFinding>, Unavailable> {
        let counts = self.shared.reader.counts(self.shared.clock.now()).await?;
        let records: u64 = counts.records.values().sum();
        let mut found = self.target.check().await;
        found.extend(beyond_plan(self.limits, records, self.target.rows_max()));
        found.sort_by_key(|finding| finding.severity);
        Ok(found)
    }

    /// Begins a sweep; with a source, what differs is put right by the projection. Answers its name.
    ///
    /// # Errors
    /// [`ReconcileError`].
    pub async fn begin(&self, apply: Option<Source>) -> Result<String, ReconcileError> {
        let prepared = self.target.prepare().await?;
        let head = self.outbox.outbox().await?;
        if head.is_none_or(|head| begun::looks_first(&head, &prepared.target).is_none()) {
            return Err(ReconcileError::NotBegun {
                target: prepared.target,
            });
        }
        let (now, started) = (Instant::now(), self.shared.clock.now());
        let mut sweeps = self.sweeps();
        sweeps
            .under_way
            .retain(|_, slot| now.duration_since(slot.used) < SWEEP_IDLE_MAX);
        if sweeps.under_way.len() >= SWEEPS_MAX {
            sweeps.under_way.retain(|_, slot| !slot.is_over);
        }
        if sweeps.under_way.len() >= SWEEPS_MAX {
            return Err(ReconcileError::TooMany);
        }
        sweeps.begun += 1;
        // Two servers, or one before and after its restart, never give one name to two of them.
        let name = format!("{:x}-{}", started.as_micros(), sweeps.begun);
        let slot = Slot {
            sweep: Arc::new(tokio::sync::Mutex::new(Sweep::new(apply))),
            used: now,
            is_over: false,
        };
        sweeps.under_way.insert(name.clone(), slot);
        Ok(name)
    }

    /// A page of a sweep: the next one, from 1 on, or once more the last one.
    ///
    /// # Errors
    /// [`ReconcileError`]; the same page may then be asked for again, unless the sweep is missing.
    pub async fn page(&self, name: &str, number: u64) -> Result<SweepPage, ReconcileError> {
        let sweep = {
            let mut sweeps = self.sweeps();
            let slot = sweeps
                .under_way
                .get_mut(name)
                .ok_or_else(|| ReconcileError::Missing { sweep: name.to_owned() })?;
            slot.used = Instant::now();
            Arc::clone(&slot.sweep)
        };
        let page = sweep.lock().await.step(self, number).await?;
        if page.is_last
            && let Some(slot) = self.sweeps().under_way.get_mut(name)
        {
            slot.is_over = true;
        }
        Ok(page)
    }

    /// Copies of rows that were deleted, oldest first, after so many of them.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    pub async fn removed(&self, after: u64, size: PageSize) -> Result<Vec<RemovedRow>, Unavailable> {
        self.outbox.removed_rows(after, size).await
    }

    /// Has the projection look at the rows that differ, and put them right. Answers how many.
    async fn repair_rows(&self, by: &Source, found: &[Discrepancy]) -> Result<u64, Unavailable> {
        let mut repairs = 0;
        for one in found {
            let (key, detail) = match one {
                Discrepancy::Missing { key, .. } => (key, "it has no row".to_owned()),
                Discrepancy::Drifted { key, row, cells } => {
                    let fields: Vec<_> = cells.iter().map(|cell| cell.field.as_str()).collect();
                    (key, format!("its row {row} differs in {}", fields.join(", ")))
                }
                Discrepancy::Duplicated { .. } | Discrepancy::Extra { .. } => continue,
            };
            self.log(by, Action::RepairRow, key, detail).await?;
            repairs += 1;
        }
        Ok(repairs)
    }

    async fn log(&self, by: &Source, action: Action, key: &RunKey, detail: String) -> Result<(), Unavailable> {
        self.log_about(by, action, Subject::of(key), detail).await
    }

    async fn log_about(
        &self,
        by: &Source,
        action: Action,
        subject: Subject,
        detail: String,
    ) -> Result<(), Unavailable> {
        let line = NewActivity {
            at: self.shared.clock.now(),
            action,
            source: by.to_string(),
            subject,
            verdict: Verdict::Unchanged,
            version: None,
            detail,
        };
        self.shared.log.record(line).await?;
        self.shared
            .stats
            .count(Operation::Projection, by.as_str(), Effect::Changed);
        Ok(())
    }

    fn sweeps(&self) -> MutexGuard<'_, Sweeps> {
        self.sweeps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Reconciler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconciler")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What the plan does not allow for.
fn beyond_plan(limits: PlanLimits, records: u64, rows_max: usize) -> Vec<TargetFinding> {
    let mut found = Vec::new();
    if let Some(rows) = limits.rows
        && records > rows
    {
        found.push(TargetFinding {
            severity: Severity::Forbids,
            code: "rows_beyond_plan",
            what: format!("the ledger holds {records} records, and a base takes {rows} rows"),
            remedy: "take a larger plan, give jobs and clients a base each, or begin with airtable.from = \"now\""
                .into(),
        });
    } else if let Some(rows) = limits.rows
        && records.saturating_mul(10) > rows.saturating_mul(8)
    {
        found.push(TargetFinding {
            severity: Severity::Warns,
            code: "rows_near_plan",
            what: format!(
                "the ledger holds {records} records, and a base takes {rows} rows, those of its other tables among them"
            ),
            remedy: "take a larger plan, or give jobs and clients a base each, before it is full".into(),
        });
    }
    let requests = records.div_ceil(u64::try_from(rows_max).unwrap_or(u64::MAX).max(1));
    if let Some(monthly) = limits.monthly_requests
        && requests > monthly
    {
        found.push(TargetFinding {
            severity: Severity::Warns,
            code: "requests_beyond_plan",
            what: format!("to show {records} records takes {requests} requests, and a month has {monthly}"),
            remedy: "take a larger plan, or begin with airtable.from = \"now\"; otherwise it goes on next month".into(),
        });
    }
    found
}
