//! The summary of a run: derived from its records, never written (I19).

use alloc::collections::BTreeMap;

use crate::metric::Metrics;
use crate::record::RunRecord;
use crate::run_id::RunId;
use crate::run_key::RecordKind;
use crate::status::Status;
use crate::timestamp::Timestamp;

/// What a run comes to, counted over its client run records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JobSummary {
    /// The run.
    pub run: RunId,
    /// The status of the job record, when there is one.
    pub job: Option<Status>,
    /// How many client run records there are.
    pub clients: u64,
    /// How many of them are still open.
    pub open: u64,
    /// How many of them ended with errors (failed, lost, succeeded with errors).
    pub with_errors: u64,
    /// How many have each status.
    pub by_status: BTreeMap<Status, u64>,
    /// The sums of the clients' metrics, exact also where they go beyond what one record may hold.
    pub totals: Metrics,
    /// When the first client began.
    pub first_start: Option<Timestamp>,
    /// When the last client ended, once all have and as far as it is known.
    pub last_end: Option<Timestamp>,
}

impl JobSummary {
    /// An empty summary, to which records are [`add`](Self::add)ed.
    pub fn new(run: RunId) -> Self {
        Self {
            run,
            job: None,
            clients: 0,
            open: 0,
            with_errors: 0,
            by_status: BTreeMap::new(),
            totals: Metrics::default(),
            first_start: None,
            last_end: None,
        }
    }

    /// Counts one record of the run in. Records of other runs are left out.
    pub fn add(&mut self, record: &RunRecord) {
        if record.key().run() != &self.run {
            return;
        }
        let status = record.status();
        if record.key().kind() == RecordKind::Job {
            self.job = Some(status);
            return;
        }
        self.totals.add_all(record.metrics());
        self.clients += 1;
        *self.by_status.entry(status).or_default() += 1;
        let (start, end) = (
            record.state().started_at(),
            record.state().ending().and_then(|ending| ending.ended_at),
        );
        self.first_start = [self.first_start, start].into_iter().flatten().min();
        match status {
            Status::Queued | Status::Running => self.open += 1,
            Status::Ended(outcome) => self.with_errors += u64::from(outcome.has_errors()),
        }
        self.last_end = if self.open > 0 {
            None
        } else {
            [self.last_end, end].into_iter().flatten().max()
        };
    }
}
