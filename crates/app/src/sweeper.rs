//! The sweeper: closes records that have been silent past their deadline and a grace period as `Lost`, through the
//! same life cycle as everybody else. It creates nothing and decides nothing by itself.

use std::sync::Arc;
use std::time::Duration;

use runledger_domain::{Command, Outcome, RecordKind, RunKey, RunRecord, Source, Status, Timestamp};
use runledger_ports::{ChangeError, Cursor, Fence, FencedError, ListFilter, PageSize, Unavailable};

use crate::run_service::RunService;

/// What a sweep did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SweepReport {
    /// Records closed as lost.
    pub lost: Vec<RunKey>,
    /// Stalled jobs left open because clients of theirs are at work, or were until lately.
    pub waiting: Vec<RunKey>,
    /// Records that could not be closed, and why. The sweep went on with the others (I12).
    pub failed: Vec<(RunKey, String)>,
}

/// Closes what is lost.
pub struct Sweeper {
    source: Source,
    grace: Duration,
    fence: Option<Fence>,
}

impl Sweeper {
    /// A sweeper that acts as `source` and gives records `grace` past their deadline.
    pub const fn new(source: Source, grace: Duration) -> Self {
        Self {
            source,
            grace,
            fence: None,
        }
    }

    /// The same, by the server whose duty it is: it closes nothing once another one has taken that (I13).
    #[must_use]
    pub fn with_duty(self, fence: Fence) -> Self {
        Self {
            fence: Some(fence),
            ..self
        }
    }

    /// One pass over the stalled records: client run records first, then the jobs that no client keeps alive.
    ///
    /// # Errors
    /// [`Unavailable`] when the stalled records cannot be listed; a record that cannot be closed is in the report.
    pub async fn sweep(&self, runs: &RunService) -> Result<SweepReport, Unavailable> {
        self.sweep_at(runs, runs.now(), None)
            .await
            .map_err(|error| match error {
                FencedError::Unavailable(unavailable) => unavailable,
                lost @ FencedError::Lost { .. } => Unavailable::Failed {
                    reason: lost.to_string(),
                },
            })
    }

    /// As [`Sweeper::sweep`], at `now`, of a server whose clock jumped forward `jumped` before. By such a clock
    /// everybody has been silent for long; nobody is lost before their time has passed since the jump. The clock is not
    /// looked at again: it could jump meanwhile.
    ///
    /// # Errors
    /// As [`Sweeper::sweep`], or the duty is no longer this server's: what was closed before that is closed.
    pub async fn sweep_at(
        &self,
        runs: &RunService,
        now: Timestamp,
        jumped: Option<Duration>,
    ) -> Result<SweepReport, FencedError> {
        let pass = self.pass(runs, now, jumped).await;
        runs.swept(pass.as_ref());
        pass
    }

    async fn pass(
        &self,
        runs: &RunService,
        now: Timestamp,
        jumped: Option<Duration>,
    ) -> Result<SweepReport, FencedError> {
        let mut report = SweepReport::default();
        let mut jobs = Vec::new();
        let mut after: Option<Cursor> = None;
        loop {
            let page = runs.stalled(None, after, PageSize::default()).await?;
            for record in page.records {
                if !self.is_due(&record, now, jumped) {
                    continue;
                }
                match record.key().kind() {
                    RecordKind::Client => self.close(runs, record, &mut report).await?,
                    RecordKind::Job => jobs.push(record),
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for job in jobs {
            if self.is_kept_alive(runs, now, &job).await? {
                report.waiting.push(job.key().clone());
            } else {
                self.close(runs, job, &mut report).await?;
            }
        }
        Ok(report)
    }

    fn is_due(&self, record: &RunRecord, now: Timestamp, jumped: Option<Duration>) -> bool {
        let time = Duration::from_secs(record.deadline_after().as_secs()).saturating_add(self.grace);
        now > record.deadline().saturating_add(self.grace) && jumped.is_none_or(|since| since > time)
    }

    /// Whether clients of a stalled job are at work, or were within the time that the job itself has: between two
    /// clients, a run that goes on for longer than its deadline looks silent and is not.
    async fn is_kept_alive(&self, runs: &RunService, now: Timestamp, job: &RunRecord) -> Result<bool, Unavailable> {
        let mut filter = ListFilter {
            run: Some(job.key().run().clone()),
            kind: Some(RecordKind::Client),
            open: true,
            ..ListFilter::default()
        };
        let one = PageSize::new(1).unwrap_or_default();
        if !runs.list(&filter, None, one).await?.records.is_empty() {
            return Ok(true);
        }
        filter.open = false;
        let mut after = None;
        loop {
            let page = runs.list(&filter, after, PageSize::default()).await?;
            let gave_sign = |record: &Arc<RunRecord>| {
                // Being found lost is no sign of life.
                let was_lost = record.status() == Status::Ended(Outcome::Lost);
                let silent_from = job
                    .deadline_after()
                    .from(record.updated_at())
                    .saturating_add(self.grace);
                !was_lost && now <= silent_from
            };
            if page.records.iter().any(gave_sign) {
                return Ok(true);
            }
            after = page.next;
            if after.is_none() {
                return Ok(false);
            }
        }
    }

    async fn close(
        &self,
        runs: &RunService,
        record: Arc<RunRecord>,
        report: &mut SweepReport,
    ) -> Result<(), FencedError> {
        let key = record.key().clone();
        // The version that was seen: a heartbeat that came in between wins.
        let command = Command::DeclareLost { grace: self.grace };
        let closed = runs.change_with(
            self.fence.clone(),
            &self.source,
            key.clone(),
            Some(record.version()),
            command,
        );
        match closed.await {
            Ok(_) => report.lost.push(key),
            Err(ChangeError::Refused { .. }) => {}
            Err(ChangeError::Fenced { duty }) => return Err(FencedError::Lost { duty }),
            Err(error) => report.failed.push((key, error.to_string())),
        }
        Ok(())
    }
}
