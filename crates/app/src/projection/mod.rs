//! The projection: records of the ledger, shown as rows elsewhere (I14).
//!
//! The log is the outbox: it is written in the transaction of its effect, gapless and in order, so following it from a
//! place that is kept misses nothing ([`follow`]). What a row is to show collapses to the newest state. Rows are sent in
//! batches ([`batch`], [`send`]); that one is about to be sent is durable before its first byte goes out, so that whatever
//! ends in between leaves a doubt and never a second blind attempt ([`doubt`]).

mod batch;
pub(crate) mod begun;
mod doubt;
mod follow;
mod groups;
mod send;
mod session;
mod status;
mod step;
mod turn;
mod waiting;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runledger_domain::{Action, NewActivity, RunKey, Source, Subject, Verdict};
use runledger_ports::{FencedError, OutboxStore, ProjectionTarget, StepKind, Unavailable};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

pub use self::status::{ProjectionStatus, SET_ASIDE_SHOWN};
pub use self::waiting::Shown;
use crate::duties::HeldLease;
use crate::events::Events;
use crate::shared::{Ledger, Shared};
use crate::stats::{Effect, Operation};

use self::session::Session;

/// How long to wait when the store cannot say.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// How records are shown elsewhere.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProjectionOptions {
    /// How long changes of a record are gathered before its row is sent.
    pub gather: Duration,
    /// How long a row stays as it was sent while nothing but progress is to be shown: notes, numbers, stages, signs of
    /// life, and what the clients of a job come to. A place that is free in another request shows it before.
    pub gather_progress: Duration,
    /// How long a request that is not full waits for more rows, from the last one on that was not.
    pub fill: Duration,
    /// How long to wait before a row is looked up of which nobody can say whether it was written.
    pub quiet: Duration,
    /// Whether all records are shown when a place is shown for the first time; otherwise those that change from then on.
    pub from_beginning: bool,
    /// Whether a place may have rows before the first one is made. Then each row is looked for before it is made, for as long
    /// as that place is shown.
    pub rows_may_exist: bool,
    /// How many requests may be under way at once, for kinds that share their limits.
    pub requests_max: usize,
}

impl Default for ProjectionOptions {
    fn default() -> Self {
        Self {
            gather: Duration::from_secs(5),
            gather_progress: Duration::from_mins(10),
            fill: Duration::from_mins(1),
            quiet: Duration::from_mins(1),
            from_beginning: true,
            rows_may_exist: false,
            requests_max: 8,
        }
    }
}

/// Why a row was not let go on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectionError {
    /// The record has no row, and is to have none.
    #[error("{key} has no row elsewhere, and none that waits; `runledger get` shows whether there is such a record")]
    Missing {
        /// The record.
        key: RunKey,
    },
    /// The store cannot say.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Shows records elsewhere, and says how that goes.
pub struct Projection {
    shared: Arc<Shared>,
    events: Arc<Events>,
    store: Arc<dyn OutboxStore>,
    target: Arc<dyn ProjectionTarget>,
    options: ProjectionOptions,
    /// Grows whenever this process has kept something of the outbox.
    kept: watch::Sender<u64>,
    /// Somebody has asked for another try.
    asked: Notify,
    /// Somebody waits for these rows, so many times.
    urgent: Mutex<BTreeMap<RunKey, usize>>,
    /// Whether it is this process that sends.
    is_at_work: AtomicBool,
    /// Why nothing can be shown right now, where that is not kept in the outbox.
    trouble: Mutex<Option<String>>,
    counts: Counts,
}

/// While this is there, it is this process that sends.
struct AtWork<'a>(&'a AtomicBool);

impl<'a> AtWork<'a> {
    fn new(is_at_work: &'a AtomicBool) -> Self {
        is_at_work.store(true, Ordering::Relaxed);
        Self(is_at_work)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// What this process did.
#[derive(Debug, Default)]
struct Counts {
    made: AtomicU64,
    changed: AtomicU64,
    unchanged: AtomicU64,
    doubts: AtomicU64,
    set_aside: AtomicU64,
}

impl Projection {
    /// A projection of a ledger, whose outbox is kept in this store. Nothing is sent before somebody [works](Self::work).
    pub fn new(
        ledger: &Ledger,
        store: Arc<dyn OutboxStore>,
        target: Arc<dyn ProjectionTarget>,
        options: ProjectionOptions,
    ) -> Self {
        Self {
            shared: Arc::clone(ledger.shared()),
            events: Arc::clone(&ledger.events),
            store,
            target,
            options,
            kept: watch::Sender::new(0),
            asked: Notify::new(),
            urgent: Mutex::default(),
            is_at_work: AtomicBool::new(false),
            trouble: Mutex::default(),
            counts: Counts::default(),
        }
    }

    /// Shows records for as long as the duty is this server's; told to stop, finishes what is under way. What this gives
    /// may be dropped at any moment: what was under way is then in doubt, and looked up by whoever comes next.
    pub async fn work(&self, lease: HeldLease) {
        let HeldLease { fence, mut stop } = lease;
        let _at_work = AtWork::new(&self.is_at_work);
        let is_told = |stop: &watch::Receiver<bool>| *stop.borrow();
        while !is_told(&stop) {
            match Session::run(self, &fence, stop.clone()).await {
                Ok(()) => {}
                Err(FencedError::Lost { .. }) => return,
                Err(FencedError::Unavailable(error)) => {
                    tracing::warn!(%error, "the projection waits for the store: {error}");
                    tokio::select! {
                        () = sleep(STORE_PAUSE) => {}
                        _ = stop.wait_for(|stop| *stop) => return,
                    }
                }
            }
        }
    }

    /// Lets a row that was set aside go on, or all of them. It is a line of the log, which whoever has the duty follows:
    /// so it may be asked of any server (I6).
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub async fn retry(&self, by: &Source, key: Option<&RunKey>) -> Result<u64, ProjectionError> {
        let (subject, found) = match key {
            Some(key) => {
                let entry = self.store.entries(std::slice::from_ref(key)).await?.pop().flatten();
                let Some(entry) = entry else {
                    let missing = ProjectionError::Missing { key: key.clone() };
                    let refused = Verdict::Refused("row_not_found".into());
                    self.log(by, Action::RetryRow, Subject::of(key), refused, missing.to_string())
                        .await?;
                    let stats = &self.shared.stats;
                    stats.count_refused(Operation::Projection, by.as_str(), "row_not_found");
                    return Err(missing);
                };
                let is_set_aside = entry.row.step.kind() == StepKind::SetAside;
                (Subject::of(key), u64::from(is_set_aside))
            }
            None => (Subject::default(), self.store.outbox_counts().await?.set_aside),
        };
        let detail = match found {
            0 => "nothing was set aside".to_owned(),
            found => format!("{found} rows that were set aside"),
        };
        self.log(by, Action::RetryRow, subject, Verdict::Unchanged, detail)
            .await?;
        self.count(by, found > 0);
        self.asked.notify_waiters();
        Ok(found)
    }

    /// Lets a projection that was stopped go on. It is a line of the log, as [`retry`](Self::retry) is. Answers whether it
    /// was stopped.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    pub async fn resume(&self, by: &Source) -> Result<bool, Unavailable> {
        let stopped = self.store.outbox().await?.and_then(|head| head.stopped);
        let detail = stopped.as_ref().map_or_else(
            || "it was not stopped".to_owned(),
            |stop| format!("it was stopped: {}", stop.reason),
        );
        let action = Action::ResumeProjection;
        self.log(by, action, Subject::default(), Verdict::Unchanged, detail)
            .await?;
        self.count(by, stopped.is_some());
        self.asked.notify_waiters();
        Ok(stopped.is_some())
    }

    async fn log(
        &self,
        by: &Source,
        action: Action,
        subject: Subject,
        verdict: Verdict,
        detail: String,
    ) -> Result<(), Unavailable> {
        let line = NewActivity {
            at: self.shared.clock.now(),
            action,
            source: by.to_string(),
            subject,
            verdict,
            version: None,
            detail,
        };
        self.shared.log.record(line).await
    }

    fn count(&self, by: &Source, has_effect: bool) {
        let effect = if has_effect { Effect::Changed } else { Effect::Unchanged };
        self.shared.stats.count(Operation::Projection, by.as_str(), effect);
    }

    /// Tells whoever waits that something was kept.
    fn tell(&self) {
        self.kept.send_modify(|times| *times = times.wrapping_add(1));
    }

    fn set_trouble(&self, trouble: Option<String>) {
        let mut known = lock(&self.trouble);
        if *known != trouble {
            if let Some(why) = &trouble {
                tracing::error!(why, "nothing is shown elsewhere: {why}");
            } else {
                tracing::info!("records are shown elsewhere");
            }
            *known = trouble;
        }
    }
}

impl fmt::Debug for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projection")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
