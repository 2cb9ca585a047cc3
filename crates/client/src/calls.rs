//! One call: sent with one name however often it is tried, answered by a value or by one kind of error.

use std::time::Duration;

use http::{Request, Response};
use hyper::body::Bytes;

use crate::connection::{Connection, SendError};
use crate::error::Error;
use crate::intent::{Intent, Operation};
use crate::problem::{Problem, UNEXPECTED};
use crate::retry::{Retry, Tries};

/// Statuses that say: not now. 408 is a time-out; 502 and 504 are how a proxy tells of a connection that failed and of an
/// answer that did not come.
const COME_AGAIN: [u16; 5] = [408, 429, 502, 503, 504];
/// The codes that say for certain that a request which may be repeated had no effect.
const NOTHING_DONE: [&str; 6] = [
    "busy",
    "stopped",
    "store_failed",
    "body_too_slow",
    "rate_limited",
    "client_rate_limited",
];

/// The refusals about a record whose reason never passes (docs/problems.md): whoever asks for the same later is refused as
/// well.
const LASTING: [&str; 9] = [
    "already_ended",
    "conflict",
    "job_ended",
    "notes_full",
    "stage_ended",
    "too_many_metrics",
    "too_many_stages",
    "too_many_updates",
    "version_mismatch",
];

/// A request, complete before it is tried first.
pub(crate) struct Call<'a> {
    pub(crate) request: Request<Bytes>,
    /// What it is to change; `None` for what only reads.
    pub(crate) intent: Option<&'a Intent>,
}

/// Sends a call until it is answered, or its deadline has passed.
pub(crate) async fn send<T>(
    connection: &Connection,
    (retry, timeout): (Option<Retry>, Duration),
    call: &Call<'_>,
    read: impl FnOnce(&Response<Bytes>) -> Result<T, serde_json::Error>,
) -> Result<T, Error> {
    let mut tries = Tries::new(retry, timeout);
    // How many tries may have taken effect.
    let mut unanswered = 0;
    loop {
        let problem = match connection.send(call.request.clone(), tries.time()).await {
            Ok(response) if response.status().is_success() => {
                return read(&response).map_err(|error| call.not_read(&response, &error, unanswered));
            }
            Ok(response) => {
                let problem = Problem::of(&response);
                if !may_come_again(&problem) {
                    return Err(call.refused(problem, unanswered));
                }
                if !NOTHING_DONE.contains(&problem.code.as_str()) {
                    unanswered += 1;
                }
                problem
            }
            // Another try would meet the same certificate.
            Err(error @ SendError::NotTrusted { .. }) => {
                return Err(call.given_up(Problem::of_silence(&error), unanswered));
            }
            Err(error) => {
                if !error.nothing_was_done() {
                    unanswered += 1;
                }
                Problem::of_silence(&error)
            }
        };
        if !tries.wait(problem.retry_after).await {
            return Err(call.given_up(problem, unanswered));
        }
    }
}

fn may_come_again(problem: &Problem) -> bool {
    // A creation whose first try is still being carried out is a conflict that says when to come again.
    let still_at_it = problem.status == Some(409) && problem.retry_after.is_some();
    still_at_it || problem.status.is_some_and(|status| COME_AGAIN.contains(&status))
}

impl Call<'_> {
    /// A success that cannot be read: what was done is not known for a change.
    fn not_read(&self, response: &Response<Bytes>, error: &serde_json::Error, unanswered: u32) -> Error {
        let status = response.status();
        let mut problem = Problem::new(
            UNEXPECTED,
            format!("{status} was answered, but not as a ledger does: {error}"),
        );
        problem.status = Some(status.as_u16());
        match self.intent {
            Some(intent) => Error::unknown(intent.clone(), problem, unanswered + 1),
            None => Error::UnexpectedAnswer(Box::new(problem)),
        }
    }

    fn refused(&self, problem: Problem, unanswered: u32) -> Error {
        let failed = problem.status.is_some_and(|status| status >= 500);
        match self.intent {
            // The server failed in the middle of it.
            Some(intent) if failed => Error::unknown(intent.clone(), problem, unanswered + 1),
            None if failed => Error::Unavailable(Box::new(problem)),
            Some(intent) if unanswered > 0 && !settles(intent, &problem) => {
                Error::unknown(intent.clone(), problem, unanswered)
            }
            _ => Error::of(problem),
        }
    }

    fn given_up(&self, problem: Problem, unanswered: u32) -> Error {
        match self.intent {
            Some(intent) if unanswered > 0 => Error::unknown(intent.clone(), problem, unanswered),
            _ => Error::Unavailable(Box::new(problem)),
        }
    }
}

/// Whether a refusal also says that no try before it has an effect. The ledger looks for the repetition first, and refuses
/// only what is none; so a refusal about the record does, if a repetition can be told at all, and if its reason lasts: a
/// try that is still on its way may come when there is such a record, or when the stages have ended. That there is no
/// record says even less where one was seen: then another ledger answers, or an older copy of it. And a refusal about the
/// caller, such as a token that was revoked in between, says nothing of the past.
fn settles(intent: &Intent, problem: &Problem) -> bool {
    let is_known_again = intent.idempotency_key.is_some()
        || !matches!(
            intent.operation,
            Operation::Change | Operation::StartStage | Operation::Heartbeat
        );
    match problem.status {
        Some(409 | 412) => is_known_again && LASTING.contains(&problem.code.as_str()),
        Some(422) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusals_that_last_are_those_that_the_ledger_names() {
        let page = include_str!("../../../docs/problems.md");
        let (_, section) = page.split_once("## Refusals that last\n\n").unwrap();
        let (_, list) = section.split_once("\n\n").unwrap();
        let (list, _) = list.split_once("\n\n").unwrap();
        assert_eq!(list, LASTING.map(|code| format!("`{code}`")).join(", "));
    }
}
