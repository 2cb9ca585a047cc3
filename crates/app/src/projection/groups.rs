//! The senders: one for each group of tables that share their limits, so that none holds up another (I12).

use std::sync::Arc;
use std::time::Duration;

use runledger_domain::RecordKind;
use runledger_ports::{FencedError, NotDone, RowId, Unavailable, WriteOutcome};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::batch::{Batch, Chosen, Claim, Next};
use super::session::Session;
use super::turn::Unfilled;

/// The pause after the first failure; it doubles with each.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// The shortest wait for rows whose time has not come.
const WAIT_MIN: Duration = Duration::from_millis(1);
/// The longest one: the next mark ends it before that.
const WAIT_MAX: Duration = Duration::from_mins(1);
/// After how many requests in a row that were refused for their rows nothing is sent any more. Ten rows that are all to
/// blame are alone after 18 requests.
const REFUSED_MAX: u32 = 30;

/// How the sending of a group goes.
#[derive(Debug)]
pub(super) struct Going {
    failures: u32,
    refusals: u32,
    /// Nothing is sent before.
    not_before: Instant,
    unfilled: Unfilled,
}

impl Going {
    fn new() -> Self {
        Self {
            failures: 0,
            refusals: 0,
            not_before: Instant::now(),
            unfilled: Unfilled::default(),
        }
    }

    pub(super) fn succeeded(&mut self) {
        (self.failures, self.refusals) = (0, 0);
    }

    /// The next request waits, longer each time.
    pub(super) fn failed(&mut self, why: &str) {
        let pause = PAUSE_MIN.saturating_mul(1 << self.failures.min(16)).min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        self.not_before = self.not_before.max(Instant::now() + pause);
        tracing::info!(
            why,
            seconds = pause.as_secs(),
            "rows wait for {} s: {why}",
            pause.as_secs()
        );
    }

    /// Counts a request that was refused for its rows.
    pub(super) fn is_refused_too_often(&mut self) -> bool {
        self.refusals = self.refusals.saturating_add(1);
        self.refusals.is_multiple_of(REFUSED_MAX)
    }
}

/// A request that ended.
type Sent = (RecordKind, Batch, WriteOutcome);

impl Session<'_> {
    /// Sends what is due of these kinds, until told to stop; then waits for what is under way.
    pub(super) async fn send_group(&self, kinds: &[RecordKind]) -> Result<(), FencedError> {
        let mut going = Going::new();
        let mut under_way: JoinSet<Sent> = JoinSet::new();
        let mut marked = self.marked.subscribe();
        let mut kept = self.projection.kept.subscribe();
        loop {
            marked.mark_unchanged();
            kept.mark_unchanged();
            if self.is_told_to_stop() {
                return self.finish(under_way, &mut going).await;
            }
            let may_send = under_way.len() < self.projection.options.requests_max
                && self.stopped.borrow().is_none()
                && going.not_before <= Instant::now();
            let next = if may_send {
                self.next_turn(kinds, &going.unfilled).await?
            } else {
                Next::Nothing
            };
            if let Next::Now(kind) = next {
                tokio::select! {
                    () = self.projection.target.ready(kind) => {
                        self.send_next(kind, &mut under_way, &mut going).await?;
                    }
                    Some(sent) = under_way.join_next() => self.sent(sent, &mut going).await?,
                    () = self.told_to_stop() => {}
                }
                continue;
            }
            let wake = self.wake(may_send, &next, &going);
            tokio::select! {
                Some(sent) = under_way.join_next() => self.sent(sent, &mut going).await?,
                _ = marked.changed() => {}
                _ = kept.changed(), if may_send => {}
                stopped = self.wait_while_stopped(), if self.stopped.borrow().is_some() => stopped?,
                () = sleep_until(wake) => {}
                () = self.told_to_stop() => {}
            }
        }
    }

    /// When to look again, if nothing else happens.
    fn wake(&self, may_send: bool, next: &Next, going: &Going) -> Instant {
        let now = Instant::now();
        if !may_send && going.not_before > now {
            return going.not_before;
        }
        let wait = match next {
            Next::At(at) => self.clock.until(*at),
            Next::Now(_) | Next::Nothing => WAIT_MAX,
        };
        now + wait.clamp(WAIT_MIN, WAIT_MAX)
    }

    /// Begins the next request, if there is something to send after all.
    async fn send_next(
        &self,
        kind: RecordKind,
        under_way: &mut JoinSet<Sent>,
        going: &mut Going,
    ) -> Result<(), FencedError> {
        let noted = Instant::now();
        let batch = match self.choose(kind, &going.unfilled).await? {
            Chosen::Nothing => return Ok(()),
            Chosen::NotDone(NotDone::Stopped { why, until }) => return self.stop_sending(&why, until).await,
            Chosen::NotDone(NotDone::Later { why }) => {
                going.failed(&why);
                return Ok(());
            }
            Chosen::Batch(batch) => batch,
        };
        let target = Arc::clone(&self.projection.target);
        if batch.len() < target.rows_max() && !batch.was_refused() {
            going.unfilled.note(kind, batch.way(), self.clock.now());
        }
        // A process that was paused here may find that another server has looked for these rows in vain, and made them.
        let too_late = noted + self.projection.options.quiet / 2;
        under_way.spawn(async move {
            let outcome = if Instant::now() > too_late {
                WriteOutcome::NotDone(NotDone::Later {
                    why: "this server was held up before it could send".into(),
                })
            } else {
                match &batch {
                    Batch::Make(claims) => {
                        let rows = claims.iter().map(|claim| (claim.key.clone(), claim.cells.clone()));
                        target.make_rows(kind, rows.collect()).await
                    }
                    Batch::Change(claims) => {
                        let row = |(id, claim): &(RowId, Claim)| (claim.key.clone(), id.clone(), claim.cells.clone());
                        target.change_rows(kind, claims.iter().map(row).collect()).await
                    }
                }
            };
            (kind, batch, outcome)
        });
        Ok(())
    }

    async fn sent(&self, sent: Result<Sent, JoinError>, going: &mut Going) -> Result<(), FencedError> {
        match sent {
            Ok((kind, batch, outcome)) => {
                if !matches!(outcome, WriteOutcome::Done(_)) {
                    going.unfilled.forget(kind, batch.way());
                }
                self.settle(kind, batch, outcome, going).await
            }
            // What it was about is noted as under way: it is in doubt when the next session begins.
            Err(error) => Err(Unavailable::Failed {
                reason: format!("a request for rows ended half-way: {error}"),
            }
            .into()),
        }
    }

    async fn finish(&self, mut under_way: JoinSet<Sent>, going: &mut Going) -> Result<(), FencedError> {
        while let Some(sent) = under_way.join_next().await {
            self.sent(sent, going).await?;
        }
        Ok(())
    }
}
