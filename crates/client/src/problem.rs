//! What the ledger said when it did not do something (RFC 9457), or what is to be said when no answer came.

use std::fmt;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, Response};
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::connection::SendError;
use crate::record::Record;

/// The code of an answer that is none of a ledger.
pub(crate) const UNEXPECTED: &str = "unexpected_answer";

/// Why something was not done.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Problem {
    /// The stable word for programs, as listed in docs/problems.md; `unreachable`, `not_trusted`, `no_answer` and
    /// `unexpected_answer` are this client's own.
    pub code: String,
    /// What happened this time.
    pub detail: String,
    /// The HTTP status; `None` when no answer came.
    pub status: Option<u16>,
    /// The field, header or parameter that is meant.
    pub field: Option<String>,
    /// The run that was meant, as it was sent.
    pub run_id: Option<String>,
    /// The client that was meant, as it was sent.
    pub client_id: Option<String>,
    /// The record as it stands.
    pub existing: Option<Box<Record>>,
    /// In what two creations of one key differ.
    pub differs_in: Vec<String>,
    /// How long the server asked to wait.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.code)
    }
}

#[derive(Deserialize)]
struct Wire {
    code: String,
    detail: String,
    field: Option<String>,
    run_id: Option<String>,
    client_id: Option<String>,
    existing: Option<Box<RawValue>>,
    #[serde(default)]
    differs_in: Vec<String>,
}

impl Problem {
    pub(crate) fn new(code: &str, detail: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            detail: detail.into(),
            status: None,
            field: None,
            run_id: None,
            client_id: None,
            existing: None,
            differs_in: Vec::new(),
            retry_after: None,
        }
    }

    /// What an answer says that is no success.
    pub(crate) fn of(response: &Response<Bytes>) -> Self {
        let status = response.status();
        let mut problem = match serde_json::from_slice::<Wire>(response.body()) {
            Ok(wire) => Self {
                field: wire.field,
                run_id: wire.run_id,
                client_id: wire.client_id,
                // What a later server shows there and this client cannot read takes nothing from the problem.
                existing: wire.existing.and_then(|raw| serde_json::from_str(raw.get()).ok()),
                differs_in: wire.differs_in,
                ..Self::new(&wire.code, wire.detail)
            },
            Err(_) => Self::new(
                UNEXPECTED,
                format!("{status} was answered without a problem document, so not by a ledger; check the URL"),
            ),
        };
        problem.status = Some(status.as_u16());
        problem.retry_after = retry_after(response.headers());
        problem
    }

    /// What is to be said when no answer came.
    pub(crate) fn of_silence(error: &SendError) -> Self {
        let code = match error {
            SendError::NotReached { .. } => "unreachable",
            SendError::NotTrusted { .. } => "not_trusted",
            _ => "no_answer",
        };
        Self::new(code, error.to_string())
    }
}

/// Seconds only: that is what ledgers send, and a date would need a clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
