//! The way between the projection and the fake: real connections on this machine, in a time that passes by itself.
//!
//! Tokio's clock stands, and jumps to the next timer as soon as no task has anything to do. A request that lies in a socket
//! is nothing that it knows of, so it would jump past each answer. Therefore [`Wire::pass`] keeps the clock from jumping
//! while anything moves, and lets it go on in steps: small ones while a request is under way. The fake's clock is set to
//! the same time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use runledger_airtable::{AirtableTarget, Time};
use runledger_airtable_fake::Fake;
use runledger_domain::{JobSummary, RecordKind, RunKey, RunRecord};
use runledger_ports::{
    Cells, FoundRow, NotDone, Prepared, ProjectionTarget, RowId, TargetFigures, Unshowable, WriteOutcome,
};
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

/// How often it is looked whether anything moves before time goes on, while a request is under way: from one side to the
/// other and back it is seen on some ten of these looks.
const LOOKS_UNDER_WAY: u32 = 30;
/// The same, while none is.
const LOOKS_IDLE: u32 = 2;
/// The first step of the time while a request is under way; each that changes nothing is followed by one twice as long.
const STEP_MIN: Duration = Duration::from_millis(50);
/// The longest step.
const STEP_MAX: Duration = Duration::from_secs(1);

/// The fake, and what is under way to it.
pub(crate) struct Wire {
    pub(crate) fake: Fake,
    begun: Instant,
    /// Up to when the fake's clock was set forward, in milliseconds.
    told: AtomicU64,
    /// How many calls are under way.
    calls: AtomicUsize,
    /// Grows with everything that is seen to go on.
    moves: AtomicU64,
    called: Notify,
}

impl Wire {
    pub(crate) fn new(fake: Fake) -> Arc<Self> {
        Arc::new(Self {
            fake,
            begun: Instant::now(),
            told: AtomicU64::new(0),
            calls: AtomicUsize::new(0),
            moves: AtomicU64::new(0),
            called: Notify::new(),
        })
    }

    /// How much time has passed; the fake's clock is set to it.
    pub(crate) fn now(&self) -> Duration {
        let now = self.begun.elapsed();
        let millis = u64::try_from(now.as_millis()).unwrap();
        let told = self.told.swap(millis, Ordering::Relaxed);
        self.fake.advance(Duration::from_millis(millis - told));
        now
    }

    /// Something went on.
    pub(crate) fn moved(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
    }

    /// A call begins, and is under way as long as what this gives is there.
    pub(crate) fn call(&self) -> Call<'_> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.moved();
        self.called.notify_one();
        Call(self)
    }

    /// Waits until a call is under way.
    pub(crate) async fn called(&self) {
        while self.calls.load(Ordering::Relaxed) == 0 {
            sleep(STEP_MIN).await;
        }
    }

    /// Lets time pass, for as long as it is polled.
    pub(crate) async fn pass(&self) {
        let (mut step, mut seen) = (STEP_MIN, 0);
        loop {
            self.settle().await;
            self.now();
            let moves = self.moves.load(Ordering::Relaxed);
            let is_idle = self.calls.load(Ordering::Relaxed) == 0;
            step = if is_idle {
                STEP_MAX
            } else if moves == seen {
                (step * 2).min(STEP_MAX)
            } else {
                STEP_MIN
            };
            seen = moves;
            tokio::select! {
                () = sleep(step) => {}
                () = self.called.notified() => step = STEP_MIN,
            }
        }
    }

    /// Waits, while time stands, until nothing moves any more.
    async fn settle(&self) {
        let (mut seen, mut still) = (self.moves.load(Ordering::Relaxed), 0);
        loop {
            let is_idle = self.calls.load(Ordering::Relaxed) == 0;
            if still >= if is_idle { LOOKS_IDLE } else { LOOKS_UNDER_WAY } {
                return;
            }
            // Whoever yields lets sockets be looked at, and keeps the clock from jumping.
            yield_now().await;
            let moves = self.moves.load(Ordering::Relaxed);
            still = if moves == seen { still + 1 } else { 0 };
            seen = moves;
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

/// A call that is under way.
pub(crate) struct Call<'a>(&'a Wire);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
        self.0.moved();
    }
}

/// The time by which requests are paced. It is asked just before each, so the fake knows when it came.
#[derive(Debug)]
pub(crate) struct PaceTime(pub(crate) Arc<Wire>);

impl Time for PaceTime {
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn wait(&self, how_long: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(sleep(how_long))
    }
}

/// The tables at the fake, asked over the wire.
pub(crate) struct Watched {
    target: Arc<AirtableTarget>,
    wire: Arc<Wire>,
}

impl Watched {
    pub(crate) fn new(target: &Arc<AirtableTarget>, wire: &Arc<Wire>) -> Arc<Self> {
        Arc::new(Self {
            target: Arc::clone(target),
            wire: Arc::clone(wire),
        })
    }
}

#[async_trait]
impl ProjectionTarget for Watched {
    fn groups(&self) -> Vec<Vec<RecordKind>> {
        self.target.groups()
    }

    fn rows_max(&self) -> usize {
        self.target.rows_max()
    }

    async fn prepare(&self) -> Result<Prepared, NotDone> {
        let _call = self.wire.call();
        self.target.prepare().await
    }

    fn shows_totals(&self) -> bool {
        self.target.shows_totals()
    }

    fn render(&self, record: &RunRecord, summary: Option<&JobSummary>) -> Result<Cells, Unshowable> {
        self.target.render(record, summary)
    }

    async fn ready(&self, kind: RecordKind) {
        self.target.ready(kind).await;
    }

    async fn has_rows(&self, kind: RecordKind) -> Result<bool, NotDone> {
        let _call = self.wire.call();
        self.target.has_rows(kind).await
    }

    async fn look_up(&self, kind: RecordKind, records: &[Arc<RunRecord>]) -> Result<Vec<(RunKey, FoundRow)>, NotDone> {
        let _call = self.wire.call();
        self.target.look_up(kind, records).await
    }

    async fn make_rows(&self, kind: RecordKind, rows: Vec<(RunKey, Cells)>) -> WriteOutcome {
        let _call = self.wire.call();
        self.target.make_rows(kind, rows).await
    }

    async fn change_rows(&self, kind: RecordKind, rows: Vec<(RunKey, RowId, Cells)>) -> WriteOutcome {
        let _call = self.wire.call();
        self.target.change_rows(kind, rows).await
    }

    fn figures(&self) -> TargetFigures {
        self.target.figures()
    }
}
