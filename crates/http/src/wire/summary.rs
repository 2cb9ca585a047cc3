//! The summary of a run on the wire.

use std::collections::BTreeMap;

use runledger_domain::{JobSummary, Status};
use serde::Serialize;
use serde::ser::Serializer;
use utoipa::ToSchema;

use crate::wire::number::{MetricsOut, Number};
use crate::wire::time::Time;

/// What a run comes to, derived from its records.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Summary)]
pub(crate) struct SummaryOut<'a> {
    /// The run.
    run_id: &'a str,
    /// The status of the job record; null when there is none.
    #[schema(required)]
    job: Option<&'static str>,
    /// How many client run records there are.
    clients: u64,
    /// How many of them are still open.
    open: u64,
    /// How many of them ended with errors: failed, lost, succeeded with errors.
    with_errors: u64,
    /// How many have each status.
    #[schema(value_type = BTreeMap<String, u64>)]
    by_status: Counts<'a>,
    /// The sums of the clients' metrics, exact.
    #[schema(value_type = BTreeMap<String, Number>)]
    totals: MetricsOut<'a>,
    /// When the first client began.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    first_start: Option<Time>,
    /// When the last client ended, once all have.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    last_end: Option<Time>,
}

impl<'a> SummaryOut<'a> {
    pub(crate) fn of(summary: &'a JobSummary) -> Self {
        Self {
            run_id: summary.run.as_str(),
            job: summary.job.map(Status::as_str),
            clients: summary.clients,
            open: summary.open,
            with_errors: summary.with_errors,
            by_status: Counts(&summary.by_status),
            totals: MetricsOut(&summary.totals),
            first_start: summary.first_start.map(Time),
            last_end: summary.last_end.map(Time),
        }
    }
}

#[derive(Debug)]
struct Counts<'a>(&'a BTreeMap<Status, u64>);

impl Serialize for Counts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(status, count)| (status.as_str(), count)))
    }
}
