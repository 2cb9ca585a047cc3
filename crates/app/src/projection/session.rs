//! One session of the projection: from what the holder of the duty finds, until it is told to stop, loses the duty, or the
//! store cannot say.

use std::collections::BTreeSet;
use std::time::Duration;

use runledger_domain::{RunKey, Timestamp};
use runledger_ports::{
    Fence, FencedError, NotDone, OutboxEntry, OutboxHead, OutboxStop, PageSize, RowState, Step, StepKind,
};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep};

use super::step::NextStep as _;
use super::{Projection, begun};

/// How long to wait before a place that could not be looked at is looked at again.
const FAILED_PAUSE: Duration = Duration::from_secs(30);
/// The same, when somebody must do something first.
const STOPPED_PAUSE: Duration = Duration::from_mins(15);
/// How many entries are read at once.
const ENTRIES_AT_ONCE: u32 = 1_000;

/// A clock that goes on evenly, whatever that of the machine does (I18).
#[derive(Clone, Copy, Debug)]
pub(super) struct SteadyClock {
    base: Timestamp,
    begun: Instant,
}

impl SteadyClock {
    fn new(base: Timestamp) -> Self {
        Self {
            base,
            begun: Instant::now(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.base.saturating_add(self.begun.elapsed())
    }

    /// How long until then.
    pub(super) fn until(&self, at: Timestamp) -> Duration {
        at.saturating_since(self.now())
    }
}

pub(super) struct Session<'a> {
    pub(super) projection: &'a Projection,
    pub(super) fence: &'a Fence,
    pub(super) clock: SteadyClock,
    /// When it began: what was in doubt before has been quiet only since then, as far as this clock knows.
    pub(super) begun: Timestamp,
    pub(super) stop: watch::Receiver<bool>,
    /// Why nothing is sent.
    pub(super) stopped: watch::Sender<Option<OutboxStop>>,
    /// Whoever reads rows and keeps them holds this in between.
    pub(super) rows: Mutex<()>,
    /// Rows that somebody wants to go on, until they show what they lacked: whoever waits at another server.
    pub(super) hastened: std::sync::Mutex<BTreeSet<RunKey>>,
    /// Grows when entries were marked or let go.
    pub(super) marked: watch::Sender<u64>,
    /// Grows when rows came into doubt.
    pub(super) doubted: watch::Sender<u64>,
    /// Whether rows may be there that nobody noted: each is looked for before it is made.
    pub(super) looks_first: bool,
}

impl<'a> Session<'a> {
    /// Runs until told to stop.
    pub(super) async fn run(
        projection: &'a Projection,
        fence: &'a Fence,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), FencedError> {
        let (head, looks_first) = tokio::select! {
            begun = begin(projection, fence) => begun?,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        };
        let counts = projection.store.outbox_counts().await?;
        // Times that a clock wrote which was ahead are not waited for: none is later than the longest that is gathered.
        let options = &projection.options;
        let now = projection.shared.clock.now();
        let latest = now.saturating_add(options.gather.max(options.gather_progress));
        let ahead = counts.latest_due.filter(|due| *due > latest);
        let clock = SteadyClock::new(ahead.unwrap_or(now));
        let session = Self {
            projection,
            fence,
            begun: clock.now(),
            clock,
            stop,
            stopped: watch::Sender::new(head.stopped),
            rows: Mutex::default(),
            hastened: std::sync::Mutex::default(),
            marked: watch::Sender::new(0),
            doubted: watch::Sender::new(0),
            looks_first,
        };
        session.recover().await?;
        session.work().await
    }

    async fn work(&self) -> Result<(), FencedError> {
        let groups = self.projection.target.groups();
        let sending = async {
            let each = groups.iter().map(|kinds| self.send_group(kinds));
            futures_util::future::try_join_all(each).await.map(|_| ())
        };
        tokio::try_join!(self.follow(), self.resolve_doubts(), sending).map(|_| ())
    }

    /// What another holder had begun, or this server before it ended, may have taken effect, or still take it.
    async fn recover(&self) -> Result<(), FencedError> {
        loop {
            let sending = self.entries_in(StepKind::Sending).await?;
            if sending.is_empty() {
                return Ok(());
            }
            tracing::warn!(
                count = sending.len(),
                "{} rows were under way when the projection ended; they are looked up after a quiet period",
                sending.len()
            );
            let doubtful = sending.into_iter().map(|entry| {
                let line = match entry.row.step {
                    Step::Sending { line, .. } => line,
                    _ => entry.wanted,
                };
                let why = "the server ended while it was under way".into();
                (entry.row.clone().in_doubt(self.begun, line, why), entry)
            });
            self.keep(doubtful).await?;
        }
    }

    /// Entries at a step, as many as are read at once.
    pub(super) async fn entries_in(&self, step: StepKind) -> Result<Vec<OutboxEntry>, FencedError> {
        let size = PageSize::new(ENTRIES_AT_ONCE).unwrap_or_default();
        Ok(self.projection.store.entries_in(step, None, size).await?)
    }

    /// Keeps rows; they stay due when they were.
    pub(super) async fn keep(
        &self,
        rows: impl IntoIterator<Item = (RowState, OutboxEntry)>,
    ) -> Result<(), FencedError> {
        let rows = rows.into_iter().map(|(row, entry)| (entry.key, entry.due, row));
        self.keep_rows(rows.collect()).await
    }

    pub(super) async fn keep_rows(&self, rows: Vec<(RunKey, Timestamp, RowState)>) -> Result<(), FencedError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.projection.store.keep_rows(self.fence, rows).await?;
        self.projection.tell();
        Ok(())
    }

    /// Sends nothing more, until somebody says so or the time has come.
    pub(super) async fn stop_sending(&self, why: &str, until: Option<Timestamp>) -> Result<(), FencedError> {
        let stop = OutboxStop {
            at: self.clock.now(),
            until,
            reason: why.to_owned(),
        };
        tracing::error!(why, "nothing is shown elsewhere any more: {why}");
        self.set_stop(Some(stop)).await
    }

    /// Goes on sending.
    pub(super) async fn go_on(&self) -> Result<(), FencedError> {
        if self.stopped.borrow().is_none() {
            return Ok(());
        }
        tracing::info!("records are shown elsewhere again");
        self.set_stop(None).await
    }

    async fn set_stop(&self, stop: Option<OutboxStop>) -> Result<(), FencedError> {
        self.projection.store.stop_outbox(self.fence, stop.clone()).await?;
        self.stopped.send_replace(stop);
        self.projection.tell();
        Ok(())
    }

    /// Waits while nothing is to be sent.
    pub(super) async fn wait_while_stopped(&self) -> Result<(), FencedError> {
        let mut stopped = self.stopped.subscribe();
        loop {
            let until = match stopped.borrow_and_update().as_ref() {
                None => return Ok(()),
                Some(stop) => stop.until.map(|until| self.clock.until(until)),
            };
            if until == Some(Duration::ZERO) {
                return self.go_on().await;
            }
            // The sender is this session's own: it does not go away.
            tokio::select! {
                _ = stopped.changed() => {}
                () = sleep(until.unwrap_or(STOPPED_PAUSE)) => {}
            }
        }
    }

    pub(super) fn is_told_to_stop(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits until it is to end.
    pub(super) async fn told_to_stop(&self) {
        let mut stop = self.stop.clone();
        // Whoever could say it is gone: that says it as well.
        let _ = stop.wait_for(|stop| *stop).await;
    }
}

/// Looks at the place until it can be shown something, and begins the outbox for it unless that was done. Answers also
/// whether rows are looked for before they are made.
async fn begin(projection: &Projection, fence: &Fence) -> Result<(OutboxHead, bool), FencedError> {
    let Projection {
        target, store, options, ..
    } = projection;
    loop {
        let (why, pause) = match target.prepare().await {
            Ok(prepared) => {
                for note in &prepared.notes {
                    tracing::warn!(note, "{note}");
                }
                let known = store.outbox().await?.and_then(|head| {
                    let looks_first = begun::looks_first(&head, &prepared.target)?;
                    Some((head, looks_first || options.rows_may_exist))
                });
                if let Some((mut head, looks_first)) = known {
                    projection.set_trouble(None);
                    // What somebody had to do may have been done since; what is to wait for its time still is.
                    if head.stopped.as_ref().is_some_and(|stop| stop.until.is_none()) {
                        store.stop_outbox(fence, None).await?;
                        head.stopped = None;
                    }
                    return Ok((head, looks_first));
                }
                match rows_that_are_there(projection).await {
                    Ok(None) => {
                        if options.rows_may_exist {
                            // Where this ledger was kept before, rows may be under way: they are not there yet, and not
                            // in doubt here.
                            sleep(options.quiet).await;
                        }
                        begin_outbox(projection, fence, &prepared.target).await?;
                        continue;
                    }
                    Ok(Some(why)) => (why, STOPPED_PAUSE),
                    Err(error) => (error.to_string(), pause_after(&error)),
                }
            }
            Err(error) => (error.to_string(), pause_after(&error)),
        };
        projection.set_trouble(Some(why));
        tokio::select! {
            () = sleep(pause) => {}
            () = projection.asked.notified() => {}
        }
    }
}

async fn begin_outbox(projection: &Projection, fence: &Fence, target: &str) -> Result<(), FencedError> {
    let position = if projection.options.from_beginning {
        0
    } else {
        projection.events.last_line().await?
    };
    tracing::info!(
        target_name = target,
        position,
        "records are shown in {target}, from line {position} on"
    );
    let name = begun::name(target, projection.options.rows_may_exist);
    projection.store.begin_outbox(fence, &name, position).await
}

/// Rows that nobody knows are not to be doubled: says so when there are any, and nobody has said that there may be.
async fn rows_that_are_there(projection: &Projection) -> Result<Option<String>, NotDone> {
    if projection.options.rows_may_exist {
        return Ok(None);
    }
    for kind in projection.target.groups().into_iter().flatten() {
        if projection.target.has_rows(kind).await? {
            return Ok(Some(format!(
                "the table of {} records has rows already, and the ledger knows none of them: import them with \
                 `runledger airtable import`, empty the table, or set airtable.existing_rows = \"look_up\", as for a \
                 ledger that was moved",
                kind.as_str()
            )));
        }
    }
    Ok(None)
}

fn pause_after(error: &NotDone) -> Duration {
    match error {
        NotDone::Later { .. } => FAILED_PAUSE,
        NotDone::Stopped { .. } => STOPPED_PAUSE,
    }
}
