//! The sweeper of a server: at work while that is its duty, with an eye on the clock all the time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runledger_app::{HeldLease, Ledger, Sweeper, Terms};
use runledger_domain::{Source, Timestamp};
use runledger_ports::{Duty, FencedError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::clock_watch::{ClockWatch, Look};
use crate::commands::sweep;
use crate::failure::Outcome;
use crate::settings::Settings;

/// The task of the sweeper.
pub(crate) struct Sweeping {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Sweeping {
    /// Begins to sweep whenever that is this server's duty, if it is to sweep at all.
    ///
    /// # Errors
    /// Never: the sweeper's name is a source.
    pub(crate) fn begin(settings: &Settings, ledger: &Arc<Ledger>, terms: Terms) -> Outcome<Self> {
        let (stop, stopped) = watch::channel(false);
        let sweep = Sweep {
            ledger: Arc::clone(ledger),
            source: sweep::source()?,
            pause: settings.sweeper.interval.duration(),
            grace: settings.deadline.grace.duration(),
            clock: Mutex::default(),
        };
        let task = tokio::spawn(async move {
            if sweep.pause > Duration::ZERO {
                sweep.perform(&terms, stopped).await;
            }
        });
        Ok(Self { stop, task })
    }

    /// Stops between two passes.
    pub(crate) async fn end(self, within: Duration) {
        // Nobody may be left to tell.
        let _ = self.stop.send(true);
        if timeout(within, self.task).await.is_err() {
            tracing::warn!("a sweep was still under way; it goes on at the next start");
        }
    }
}

struct Sweep {
    ledger: Arc<Ledger>,
    source: Source,
    pause: Duration,
    grace: Duration,
    clock: Mutex<ClockWatch>,
}

impl Sweep {
    async fn perform(&self, terms: &Terms, stop: watch::Receiver<bool>) {
        let duties = &self.ledger.duties;
        let performing = duties.perform(terms, &Duty::Sweep, stop, |lease| self.work(lease));
        // A server that takes over has to know what its clock did before that.
        let watching = async {
            let mut ticks = interval(self.pause);
            loop {
                ticks.tick().await;
                self.look(self.ledger.runs.now());
            }
        };
        tokio::select! {
            () = performing => {}
            () = watching => {}
        }
    }

    async fn work(&self, lease: HeldLease) {
        let HeldLease { fence, mut stop } = lease;
        let sweeper = Sweeper::new(self.source.clone(), self.grace).with_duty(fence);
        let mut ticks = interval(self.pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            // The duty is kept meanwhile, so a pass may take its time.
            if let Err(FencedError::Lost { .. }) = self.pass(&sweeper).await {
                return;
            }
        }
    }

    async fn pass(&self, sweeper: &Sweeper) -> Result<(), FencedError> {
        let now = self.ledger.runs.now();
        let look = self.look(now);
        match sweeper.sweep_at(&self.ledger.runs, now, look.since).await {
            Ok(report) => {
                for (key, why) in &report.failed {
                    tracing::warn!(run.key = %key, why, "{key} is stalled and could not be closed");
                }
                if !report.lost.is_empty() {
                    tracing::warn!(
                        count = report.lost.len(),
                        "{} records closed as lost",
                        report.lost.len()
                    );
                }
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%error, "a sweep ended early");
                Err(error)
            }
        }
    }

    fn look(&self, now: Timestamp) -> Look {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let look = clock.look(now, Instant::now());
        if let Some(jump) = look.jump {
            tracing::warn!(
                seconds = jump.as_secs(),
                "the clock jumped forward; nothing is closed as lost before its time has passed since now"
            );
        }
        look
    }
}
