//! What became of a request: done, not done, or unknown. Unknown is never taken for either of the others.

use crate::answer::Record;
use crate::http::TransportError;
use crate::refusal::Refusal;
use crate::request::RowKey;
use std::time::Duration;

/// What became of a write of rows `S`.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a write whose outcome nobody looks at is neither done nor safe to repeat"]
pub enum Outcome<S> {
    /// All of it was done; the answer came whole and named each row.
    Done(Vec<Written>),
    /// None of it was done.
    NotDone {
        /// What was to be written.
        sent: Vec<S>,
        /// Why not.
        why: NotSent,
    },
    /// Some of it may have been done, or may still be: look each row up by its key after a quiet period.
    Unknown {
        /// The rows in doubt, as they were sent.
        sent: Vec<S>,
        /// The rows of the same request that were certainly written.
        written: Vec<Written>,
        /// Where the doubt comes from.
        why: Doubt,
    },
}

/// A row that was written: the answer named it.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The key that it was sent with, and matched by.
    pub key: RowKey,
    /// The record as Airtable answered it.
    pub record: Record,
}

/// Why a write was certainly not done.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotSent {
    /// Airtable refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No byte of it was sent.
    #[error("Airtable was not reached, and nothing was sent: {0}; check the network")]
    NotReached(String),
}

/// Where a doubt comes from.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Doubt {
    /// No answer in time; the request may be carried out even later.
    #[error("no answer came within {0:?}")]
    TimedOut(Duration),
    /// The connection ended before the answer was whole.
    #[error("the connection ended before the answer was whole: {0}")]
    Cut(String),
    /// The server failed, or could not say.
    #[error("the answer was {0}")]
    Status(u16),
    /// A success that cannot be read.
    #[error("the answer says that it was done, and cannot be read: {0}")]
    Unreadable(String),
    /// A success that does not name these rows, or one of them twice.
    #[error("the answer says that it was done, and does not name every row once")]
    RowsMissing,
}

/// What an answer says, by its status.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It was carried out; the body says what.
    Done,
    /// It was not carried out.
    NotDone(Refusal),
    /// Nobody can say.
    Unknown(Doubt),
}

/// Why a read has no answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Airtable refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Airtable was not reached.
    #[error("Airtable was not reached: {0}; check the network")]
    NotReached(String),
    /// The answer is missing or broken; a read may be asked again.
    #[error("Airtable's answer cannot be used, ask again later: {0}")]
    NoAnswer(Doubt),
}

impl ReadError {
    /// Whether the same read may be asked again, after a wait.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.is_retryable(),
            Self::NotReached(_) | Self::NoAnswer(_) => true,
        }
    }
}

/// What an answer says. The status comes first, whatever the body claims.
///
/// A write is not done on 4xx, but for 408, 409 and 425, which come from something in between and say nothing of what
/// stands behind it. It is unknown on 5xx, also where the words promise that a retry is safe: they speak of requests in
/// general. Redirections are not followed and say nothing either.
pub fn classify(status: u16, body: &[u8], retry_after: Option<Duration>) -> Verdict {
    match status {
        200..=299 => Verdict::Done,
        408 | 409 | 425 => Verdict::Unknown(Doubt::Status(status)),
        400..=499 => Verdict::NotDone(Refusal::read(status, body, retry_after)),
        _ => Verdict::Unknown(Doubt::Status(status)),
    }
}

/// What a request without an answer leaves: nothing sent, or a doubt.
pub(crate) fn doubt(error: TransportError) -> Result<Doubt, NotSent> {
    match error {
        TransportError::NotReached(cause) => Err(NotSent::NotReached(cause)),
        TransportError::TimedOut(within) => Ok(Doubt::TimedOut(within)),
        TransportError::Cut(cause) => Ok(Doubt::Cut(cause)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_done_not_done_or_unknown_by_the_table() {
        for status in 100..600 {
            let verdict = classify(status, b"{}", None);
            let expected = match status {
                200..=299 => "done",
                408 | 409 | 425 => "unknown",
                400..=499 => "not done",
                _ => "unknown",
            };
            let found = match verdict {
                Verdict::Done => "done",
                Verdict::NotDone(refusal) => {
                    assert_eq!(refusal.status, status);
                    "not done"
                }
                Verdict::Unknown(doubt) => {
                    assert_eq!(doubt, Doubt::Status(status));
                    "unknown"
                }
            };
            assert_eq!(found, expected, "{status}");
        }
    }
}
