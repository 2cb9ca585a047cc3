//! The older system's words for statuses.
//!
//! One word was written in several ways by several callers, so case does not matter and `_` is a space. A word that
//! says nothing definite (`Done!`, `true`) is refused: nothing is guessed. `Partial` is one in a table; of a caller, who
//! says it about the work that it ends, it is understood.

use runledger_domain::{Outcome, Status};

/// Each word, in lower case with spaces, and what it means. The ledger's own words are among them, so that reading
/// what was written changes nothing.
pub const WORDS: [(&str, Status); 20] = [
    ("pending", Status::Queued),
    ("queued", Status::Queued),
    ("running", Status::Running),
    ("success", Status::Ended(Outcome::Succeeded)),
    ("completed", Status::Ended(Outcome::Succeeded)),
    ("succeeded", Status::Ended(Outcome::Succeeded)),
    ("completed with errors", Status::Ended(Outcome::SucceededWithErrors)),
    ("succeeded with errors", Status::Ended(Outcome::SucceededWithErrors)),
    ("error", Status::Ended(Outcome::Failed)),
    ("failed", Status::Ended(Outcome::Failed)),
    ("skipped", Status::Ended(Outcome::Skipped)),
    ("no leads to score", Status::Ended(Outcome::Skipped)),
    ("no leads", Status::Ended(Outcome::Skipped)),
    ("cancelled", Status::Ended(Outcome::Cancelled)),
    ("canceled", Status::Ended(Outcome::Cancelled)),
    ("lost", Status::Ended(Outcome::Lost)),
    // A watchdog of the older system wrote these: nothing was heard of the work in time.
    ("timed out", Status::Ended(Outcome::Lost)),
    ("timeout", Status::Ended(Outcome::Lost)),
    ("job timeout killed", Status::Ended(Outcome::Lost)),
    ("started", Status::Running),
];

/// The word is none that the older system used for a definite status.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{text:?} is not a status; write Running, Completed, Completed with errors, Failed, Skipped or No Leads To Score"
)]
pub struct UnknownStatus {
    /// The word as it stood.
    pub text: String,
}

/// The status that an older word means.
///
/// ```
/// use runledger_domain::{Outcome, Status};
/// use runledger_legacy::status::read;
///
/// assert_eq!(read("RUNNING"), Ok(Status::Running));
/// assert_eq!(read("No Leads To Score"), Ok(Status::Ended(Outcome::Skipped)));
/// assert!(read("Partial").is_err());
/// ```
///
/// # Errors
/// [`UnknownStatus`] for every other word; white space around a word makes it another one.
pub fn read(text: &str) -> Result<Status, UnknownStatus> {
    let word = text.to_ascii_lowercase().replace('_', " ");
    WORDS
        .iter()
        .find(|(known, _)| *known == word)
        .map(|(_, status)| *status)
        .ok_or_else(|| UnknownStatus {
            text: crate::run_id::clip(text),
        })
}

/// The status that a caller means by a word: that of a table, or `Partial`, which the older services said when only some of
/// a client's operations could be started. The work ended, and not all of it went well.
///
/// ```
/// use runledger_domain::{Outcome, Status};
/// use runledger_legacy::status::said;
///
/// assert_eq!(said("Success"), Ok(Status::Ended(Outcome::Succeeded)));
/// assert_eq!(said("Partial"), Ok(Status::Ended(Outcome::SucceededWithErrors)));
/// ```
///
/// # Errors
/// [`UnknownStatus`] for every other word.
pub fn said(text: &str) -> Result<Status, UnknownStatus> {
    if text.eq_ignore_ascii_case("partial") {
        return Ok(Status::Ended(Outcome::SucceededWithErrors));
    }
    read(text)
}

/// The option that the older tables have for a status. They have fewer: what they cannot tell apart is `Failed`.
pub const fn write(status: Status) -> &'static str {
    match status {
        Status::Queued | Status::Running => "Running",
        Status::Ended(Outcome::Succeeded) => "Completed",
        Status::Ended(Outcome::SucceededWithErrors) => "Completed with Errors",
        Status::Ended(Outcome::Skipped) => "No Leads To Score",
        Status::Ended(Outcome::Failed | Outcome::Cancelled | Outcome::Lost) => "Failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_that_callers_sent_is_read_or_refused() {
        for (text, expected) in [
            ("Running", "running"),
            ("RUNNING", "running"),
            ("running", "running"),
            ("pending", "queued"),
            ("Success", "succeeded"),
            ("success", "succeeded"),
            ("Completed", "succeeded"),
            ("completed", "succeeded"),
            ("Error", "failed"),
            ("error", "failed"),
            ("Failed", "failed"),
            ("FAILED", "failed"),
            ("Skipped", "skipped"),
            ("completed_with_errors", "succeeded_with_errors"),
            ("Completed_with_errors", "succeeded_with_errors"),
            ("Completed with Errors", "succeeded_with_errors"),
            ("No Leads To Score", "skipped"),
            ("Canceled", "cancelled"),
            ("Timed_out", "lost"),
            ("JOB_TIMEOUT_KILLED", "lost"),
            ("STARTED", "running"),
        ] {
            assert_eq!(read(text).map(Status::as_str), Ok(expected), "{text}");
        }
        for text in [
            "",
            " ",
            "Partial",
            "in progress??",
            "Done!",
            "true",
            "false",
            "[object Object]",
            "Running ",
            "Läuft",
            "undefined",
        ] {
            assert!(read(text).is_err(), "{text:?}");
            assert!(text == "Partial" || said(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_words_of_the_ledger_and_the_options_of_the_tables_are_read_back() {
        for status in Status::ALL {
            assert_eq!(read(status.as_str()), Ok(status));
            let option = write(status);
            assert_eq!(write(read(option).unwrap()), option);
        }
    }
}
