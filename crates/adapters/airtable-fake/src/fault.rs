//! Faults on demand: which requests, and what goes wrong with them.

use crate::error::{ApiError, Shape};
use crate::id::Ids;
use crate::request::{DataRequest, Operation};
use serde::{Deserialize, Deserializer, Serialize};

/// A fault: the requests that it meets, and what happens to them. Of several that meet a request, the oldest does.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultSpec {
    /// A name for the list of requests; a number when left out.
    pub name: Option<String>,
    /// Which requests.
    #[serde(rename = "match")]
    pub matching: Match,
    /// How many of those pass before it begins.
    pub skip: u64,
    /// How many it meets; all when left out.
    pub times: Option<u64>,
    /// How many of a thousand it meets, drawn by chance; all when left out.
    pub per_mille: Option<u64>,
    /// Waits before the effect, in milliseconds.
    pub delay_before_ms: u64,
    /// Waits between the effect and the answer, in milliseconds.
    pub delay_after_ms: u64,
    /// Answers with this refusal.
    pub refuse: Option<Refusal>,
    /// Cuts the connection.
    pub cut: Option<Cut>,
    /// The effect takes place although `refuse` or `cut` hide it.
    pub after_effect: bool,
    /// The effect takes place that many milliseconds after the refusal or the cut.
    pub late_effect_ms: Option<u64>,
    /// Of the records of a write the last ones, so many, are not written, whatever the answer says.
    pub records_left_out: usize,
    /// An upsert looks for its records, then waits until that many upserts have, then writes.
    pub interleave: Option<usize>,
    /// Locks the base out, as too many requests do.
    pub lock: bool,
}

/// Which requests a fault meets; what is left out does not matter.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// The method.
    pub method: Option<String>,
    /// What is done.
    pub operation: Option<Operation>,
    /// Any operation that changes records.
    pub writes: bool,
    /// The base, by its id.
    pub base: Option<String>,
    /// The table, as it stands in the path: an id or a name.
    pub table: Option<String>,
    /// A text in the body, or in the decoded query.
    pub containing: Option<String>,
}

/// A refusal that is not earned.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The status, from 200 to 599.
    #[serde(deserialize_with = "status")]
    pub status: u16,
    /// The type; one that goes with the status when left out.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// The message.
    #[serde(default)]
    pub message: Option<String>,
    /// How the body is written.
    #[serde(default)]
    pub shape: Shape,
    /// `Retry-After`, in seconds.
    #[serde(default)]
    pub retry_after: Option<u64>,
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let status = u16::deserialize(deserializer)?;
    if (200..600).contains(&status) {
        return Ok(status);
    }
    Err(serde::de::Error::custom(format_args!(
        "no client takes {status} for the end of an answer: write a status from 200 to 599"
    )))
}

/// Where the connection is cut.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// Before the answer.
    Connection,
    /// In the middle of the body.
    Body,
    /// Nothing more comes in the middle of the body, and the connection stays open.
    Stall,
    /// Nothing comes at all, and the connection stays open.
    Silence,
}

/// A fault that was asked for, and how often it was met.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) id: u64,
    pub(crate) spec: FaultSpec,
    pub(crate) seen: u64,
    pub(crate) met: u64,
}

impl Fault {
    pub(crate) fn name(&self) -> String {
        self.spec.name.clone().unwrap_or_else(|| self.id.to_string())
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.spec.times.is_some_and(|times| self.met >= times)
    }

    /// Whether it meets this request; counts.
    pub(crate) fn meets(&mut self, request: &DataRequest, ids: &mut Ids) -> bool {
        if self.is_used_up() || !self.spec.matching.fits(request) {
            return false;
        }
        self.seen += 1;
        if self.seen <= self.spec.skip {
            return false;
        }
        if self.spec.per_mille.is_some_and(|chance| ids.per_mille() >= chance) {
            return false;
        }
        self.met += 1;
        true
    }
}

impl FaultSpec {
    /// Whether the effect comes before the answer.
    pub(crate) fn effect_comes_first(&self) -> bool {
        let hidden = self.refuse.is_some() || matches!(self.cut, Some(Cut::Connection | Cut::Silence));
        self.late_effect_ms.is_none() && (self.after_effect || !hidden)
    }
}

impl Match {
    fn fits(&self, request: &DataRequest) -> bool {
        let same =
            |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| found == Some(wanted));
        same(&self.method, Some(&request.method))
            && self.operation.is_none_or(|operation| operation == request.operation)
            && (!self.writes || request.operation.writes())
            && same(&self.base, request.base.as_deref())
            && same(&self.table, request.table.as_deref())
            && self.containing.as_deref().is_none_or(|text| request.contains(text))
    }
}

impl Refusal {
    pub(crate) fn error(&self) -> ApiError {
        let (kind, message) = match self.status {
            429 => ("RATE_LIMIT_REACHED", "Rate limit exceeded. Please try again later"),
            500 => ("SERVER_ERROR", "Try again. If the problem persists, contact support."),
            502 => (
                "BAD_GATEWAY",
                "Airtable's servers are restarting or an unexpected outage is in progress",
            ),
            503 => (
                "RETRIABLE_ERROR",
                "The service is temporarily unavailable. It is safe to retry the request",
            ),
            504 => ("GATEWAY_TIMEOUT", "The request could not be served in time"),
            _ => ("INVALID_REQUEST_UNKNOWN", "Invalid request"),
        };
        ApiError {
            status: self.status,
            kind: self.kind.clone().unwrap_or_else(|| kind.to_owned()),
            message: self.message.clone().unwrap_or_else(|| message.to_owned()),
            shape: self.shape,
            retry_after: self.retry_after,
        }
    }
}
