//! The projection on the wire: how far it is, and what holds it up.

use runledger_app::ProjectionStatus;
use runledger_ports::{OutboxEntry, Step};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::time::Time;

/// How far records are shown elsewhere.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Projection)]
pub(crate) struct ProjectionOut<'a> {
    /// `working`, `stopped`, or `not_begun`.
    #[schema(example = "working")]
    status: &'static str,
    /// Where records are shown.
    #[schema(required)]
    target: Option<&'a str>,
    /// All lines of the log up to this one were looked at.
    position: u64,
    /// How many lines were not.
    lag_lines: u64,
    /// For how many seconds the row that has waited longest has been due.
    late_seconds: u64,
    /// Why nothing is shown, and what to do.
    #[schema(required)]
    reason: Option<&'a str>,
    /// Since when nothing is shown.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    stopped_at: Option<Time>,
    /// When it goes on by itself.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
    /// Rows that lack something.
    waiting: u64,
    /// Rows under way.
    sending: u64,
    /// Rows of which nobody can say whether they were written.
    in_doubt: u64,
    /// Rows that cannot be written as they are.
    set_aside: u64,
    /// Those, the first 100.
    rows_set_aside: Vec<SetAsideOut<'a>>,
    /// Requests that this server sent there.
    requests: u64,
    /// Those that were refused because there were too many.
    too_many_requests: u64,
    /// Rows that this server made.
    rows_made: u64,
    /// Rows that this server changed.
    rows_changed: u64,
}

/// A row that cannot be written as it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RowSetAside)]
pub(crate) struct SetAsideOut<'a> {
    /// The run.
    run_id: &'a str,
    /// The client.
    #[schema(required)]
    client_id: Option<&'a str>,
    /// Since when.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    since: Option<Time>,
    /// Why, and what to do.
    reason: &'a str,
}

impl<'a> SetAsideOut<'a> {
    fn of(entry: &'a OutboxEntry) -> Self {
        let (since, reason) = match &entry.row.step {
            Step::SetAside { at, why, .. } => (Some(Time(*at)), why.as_str()),
            _ => (None, ""),
        };
        Self {
            run_id: entry.key.run().as_str(),
            client_id: entry.key.client().map(runledger_domain::ClientId::as_str),
            since,
            reason,
        }
    }
}

impl<'a> ProjectionOut<'a> {
    pub(crate) fn of(status: &'a ProjectionStatus) -> Self {
        let stop = status.head.as_ref().and_then(|head| head.stopped.as_ref());
        let reason = stop.map(|stop| stop.reason.as_str()).or(status.trouble.as_deref());
        Self {
            status: match (&status.head, reason) {
                (_, Some(_)) => "stopped",
                (Some(_), None) => "working",
                (None, None) => "not_begun",
            },
            target: status.head.as_ref().map(|head| head.target.as_str()),
            position: status.head.as_ref().map_or(0, |head| head.position),
            lag_lines: status.lag_lines(),
            late_seconds: status.late.as_secs(),
            reason,
            stopped_at: stop.map(|stop| Time(stop.at)),
            until: stop.and_then(|stop| stop.until).map(Time),
            waiting: status.counts.waiting,
            sending: status.counts.sending,
            in_doubt: status.counts.unknown,
            set_aside: status.counts.set_aside,
            rows_set_aside: status.set_aside.iter().map(SetAsideOut::of).collect(),
            requests: status.asked.requests,
            too_many_requests: status.asked.too_many,
            rows_made: status.made,
            rows_changed: status.changed,
        }
    }
}

/// How many rows go on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RowsRetried)]
pub(crate) struct RetriedOut {
    /// Rows that were set aside, and are tried again.
    pub(crate) rows: u64,
}

/// Whether there was anything to resume.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProjectionResumed)]
pub(crate) struct ResumedOut {
    /// Whether it was stopped.
    pub(crate) was_stopped: bool,
}
