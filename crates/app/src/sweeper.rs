//! The sweeper: closes records that have been silent past their deadline and a grace period as `Lost`, through the
//! same life cycle as everybody else. It creates nothing and decides nothing by itself.

use std::sync::Arc;
use std::time::Duration;

use runledger_domain::{Command, RecordKind, RunKey, RunRecord, Source};
use runledger_ports::{ChangeError, Cursor, ListFilter, PageSize, Unavailable};

use crate::run_service::RunService;

/// What a sweep did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SweepReport {
    /// Records closed as lost.
    pub lost: Vec<RunKey>,
    /// Stalled jobs left open because clients of theirs are still at work.
    pub waiting: Vec<RunKey>,
    /// Records that could not be closed, and why. The sweep went on with the others (I12).
    pub failed: Vec<(RunKey, String)>,
}

/// Closes what is lost.
pub struct Sweeper {
    source: Source,
    grace: Duration,
}

impl Sweeper {
    /// A sweeper that acts as `source` and gives records `grace` past their deadline.
    pub const fn new(source: Source, grace: Duration) -> Self {
        Self { source, grace }
    }

    /// One pass over the stalled records: client run records first, then the jobs that no client keeps open.
    ///
    /// # Errors
    /// [`Unavailable`] when the stalled records cannot be listed; a record that cannot be closed is in the report.
    pub async fn sweep(&self, runs: &RunService) -> Result<SweepReport, Unavailable> {
        let mut report = SweepReport::default();
        let mut jobs = Vec::new();
        let mut after: Option<Cursor> = None;
        loop {
            let page = runs.stalled(after, PageSize::default()).await?;
            for record in page.records {
                if !self.is_due(&record, runs) {
                    continue;
                }
                match record.key().kind() {
                    RecordKind::Client => self.close(runs, record, &mut report).await,
                    RecordKind::Job => jobs.push(record),
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for job in jobs {
            if has_open_clients(runs, &job).await? {
                report.waiting.push(job.key().clone());
            } else {
                self.close(runs, job, &mut report).await;
            }
        }
        Ok(report)
    }

    fn is_due(&self, record: &RunRecord, runs: &RunService) -> bool {
        runs.now() > record.deadline().saturating_add(self.grace)
    }

    async fn close(&self, runs: &RunService, record: Arc<RunRecord>, report: &mut SweepReport) {
        let key = record.key().clone();
        // The version that was seen: a heartbeat that came in between wins.
        let command = Command::DeclareLost { grace: self.grace };
        match runs
            .change(&self.source, key.clone(), Some(record.version()), command)
            .await
        {
            Ok(_) => report.lost.push(key),
            Err(ChangeError::Refused { .. }) => {}
            Err(error) => report.failed.push((key, error.to_string())),
        }
    }
}

async fn has_open_clients(runs: &RunService, job: &RunRecord) -> Result<bool, Unavailable> {
    let filter = ListFilter {
        run: Some(job.key().run().clone()),
        kind: Some(RecordKind::Client),
        open: true,
        ..ListFilter::default()
    };
    let page = runs.list(&filter, None, PageSize::new(1).unwrap_or_default()).await?;
    Ok(!page.records.is_empty())
}
