//! Duties on the wire: which server does what for all of them.

use runledger_app::DutyStatus;
use serde::Serialize;
use utoipa::ToSchema;

/// What one server at a time does for all of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Duty)]
pub(crate) struct DutyOut<'a> {
    /// `sweep`, `project`, or `deliver:` and the name of a webhook.
    #[schema(example = "sweep")]
    duty: String,
    /// Which server has it, or had it last.
    #[schema(example = "at:ledger-1:4711")]
    holder: &'a str,
    /// For how many seconds it is theirs yet, unless they keep it; 0 when nobody has it.
    left_seconds: u64,
    /// Which taking of it that is; 1 the first time.
    epoch: u64,
    /// Whether that is the server that was asked.
    here: bool,
}

impl<'a> DutyOut<'a> {
    fn of(status: &'a DutyStatus) -> Self {
        let lease = &status.lease;
        Self {
            duty: lease.fence.duty.to_string(),
            holder: lease.holder.as_str(),
            // One that is held has a second left, however little it is.
            left_seconds: lease.left.as_secs() + u64::from(lease.left.subsec_nanos() > 0),
            epoch: lease.fence.epoch.get(),
            here: status.is_here,
        }
    }
}

/// All duties that were ever taken, by their names.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DutyList<'a> {
    duties: Vec<DutyOut<'a>>,
}

impl<'a> DutyList<'a> {
    pub(crate) fn of(duties: &'a [DutyStatus]) -> Self {
        Self {
            duties: duties.iter().map(DutyOut::of).collect(),
        }
    }
}
