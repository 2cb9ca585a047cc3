//! What Airtable says when it refuses, in any of the four shapes in which it says so.

use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// The longest message that is kept, in characters: it may quote what was sent.
const MESSAGE_CHARACTERS_MAX: usize = 500;

/// The type of the refusal for a month whose calls are spent.
const QUOTA: &str = "PUBLIC_API_BILLING_LIMIT_EXCEEDED";

/// The word for a record that is not there.
const NO_RECORD: &str = "NOT_FOUND";

/// A refusal: nothing was done.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct Refusal {
    /// What it comes to.
    pub kind: RefusalKind,
    /// The status.
    pub status: u16,
    /// Airtable's own word, such as `UNKNOWN_FIELD_NAME`; none where the body held none.
    pub word: Option<String>,
    /// Airtable's own message, cut short.
    pub message: Option<String>,
    /// How long Airtable asks to wait.
    pub retry_after: Option<Duration>,
}

/// What a refusal comes to, and so what there is to do.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum RefusalKind {
    /// Too many requests: the same one may be sent again after the lock-out.
    RateLimited,
    /// The calls of the month are spent: nothing helps until it turns, or the plan changes.
    QuotaSpent,
    /// The token is not known.
    Unauthenticated,
    /// A bill is open.
    PaymentRequired,
    /// The token may not, or the base or the table does not exist for it.
    Forbidden,
    /// The record, or the address, does not exist.
    NotFound,
    /// The body is too large: fewer rows in one request may pass.
    TooLarge,
    /// A record of the batch does not exist.
    RowMissing,
    /// A field does not exist: the table is not what it was.
    UnknownField,
    /// A field does not take the value, or is computed.
    InvalidValue,
    /// A select has no such option.
    UnknownOption,
    /// The formula is refused.
    InvalidFormula,
    /// The list must begin again from its first page.
    CursorExpired,
    /// Another refusal: the same request will be refused again.
    Invalid,
}

impl Refusal {
    /// Reads a refusal. The status decides; the body only says more.
    pub(crate) fn read(status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let (word, message) = words(body);
        let message = message.map(|message| message.chars().take(MESSAGE_CHARACTERS_MAX).collect());
        Self {
            kind: kind(status, word.as_deref()),
            status,
            word,
            message,
            retry_after,
        }
    }

    /// Whether the same request may be sent again, unchanged, after a wait.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, RefusalKind::RateLimited)
    }

    /// Whether it is Airtable's word that a record does not exist. A 404 without it comes from something in between, or is
    /// about the table, and says nothing of the record.
    pub(crate) fn says_there_is_no_record(&self) -> bool {
        self.kind == RefusalKind::NotFound && self.word.as_deref() == Some(NO_RECORD)
    }

    /// Whether it was refused before anybody looked at its rows, so that certainly none of them was written. Otherwise
    /// that a batch is all or nothing is what was seen, not what is promised: look up each row before it is sent again.
    pub fn is_at_the_door(&self) -> bool {
        matches!(
            self.kind,
            RefusalKind::RateLimited
                | RefusalKind::QuotaSpent
                | RefusalKind::Unauthenticated
                | RefusalKind::PaymentRequired
                | RefusalKind::Forbidden
                | RefusalKind::TooLarge
        )
    }
}

impl RefusalKind {
    /// What to do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::RateLimited => {
                "wait for the lock-out of 30 s to pass; lower airtable's request rate if it comes again"
            }
            Self::QuotaSpent => "wait for the month to turn, or take a larger plan; nothing is lost meanwhile",
            Self::Unauthenticated => "give a token that is valid",
            Self::PaymentRequired => "settle the account at Airtable",
            Self::Forbidden => {
                "give the token data.records:read and data.records:write for this base, and check base and table"
            }
            Self::NotFound => "the record was deleted, or the address is wrong",
            Self::TooLarge => "send fewer rows at once",
            Self::RowMissing => "a row was deleted at Airtable; look it up by its key",
            Self::UnknownField => "the table has no such field: add it, or change the mapping",
            Self::InvalidValue => "the field is of another type or computed: change it, or the mapping",
            Self::UnknownOption => "add the option to the field at Airtable",
            Self::InvalidFormula => "a field that is looked for was renamed: read the schema again",
            Self::CursorExpired => "begin the list again",
            Self::Invalid => "the request is not one that Airtable takes: report it with the message",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Airtable refuses with {}", self.status)?;
        if let Some(word) = &self.word {
            write!(f, " {word}")?;
        }
        if let Some(message) = &self.message {
            write!(f, " ({message})")?;
        }
        write!(f, ": {}", self.kind.advice())
    }
}

fn kind(status: u16, word: Option<&str>) -> RefusalKind {
    match (status, word) {
        (429, Some(QUOTA)) => RefusalKind::QuotaSpent,
        (429, _) => RefusalKind::RateLimited,
        (401, _) => RefusalKind::Unauthenticated,
        (402, _) => RefusalKind::PaymentRequired,
        (403, _) => RefusalKind::Forbidden,
        (404, _) => RefusalKind::NotFound,
        (413, _) => RefusalKind::TooLarge,
        (_, Some("ROW_DOES_NOT_EXIST")) => RefusalKind::RowMissing,
        (_, Some("UNKNOWN_FIELD_NAME")) => RefusalKind::UnknownField,
        (_, Some("INVALID_VALUE_FOR_COLUMN")) => RefusalKind::InvalidValue,
        (_, Some("INVALID_MULTIPLE_CHOICE_OPTIONS")) => RefusalKind::UnknownOption,
        (_, Some("INVALID_FILTER_BY_FORMULA")) => RefusalKind::InvalidFormula,
        (_, Some("LIST_RECORDS_ITERATOR_NOT_AVAILABLE")) => RefusalKind::CursorExpired,
        _ => RefusalKind::Invalid,
    }
}

/// The word and the message of `{"error":{"type","message"}}`, `{"error":{"type"}}`, `{"error":"WORD"}` or
/// `{"errors":[{"error","message"}]}`; nothing of anything else.
fn words(body: &[u8]) -> (Option<String>, Option<String>) {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return (None, None);
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    match body.get("error") {
        Some(Value::String(word)) => (Some(word.clone()), text(body.get("message"))),
        Some(error @ Value::Object(_)) => (text(error.get("type")), text(error.get("message"))),
        _ => {
            let first = body.get("errors").and_then(|errors| errors.get(0));
            let word = first.and_then(|first| first.get("error").or_else(|| first.get("type")));
            (text(word), text(first.and_then(|first| first.get("message"))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_shapes_are_read_and_nothing_else_breaks() {
        for (body, word, message) in [
            (r#"{"error":{"type":"A","message":"m"}}"#, Some("A"), Some("m")),
            (r#"{"error":"NOT_FOUND"}"#, Some("NOT_FOUND"), None),
            (r#"{"error":{"type":"NOT_FOUND"}}"#, Some("NOT_FOUND"), None),
            (r#"{"errors":[{"error":"A","message":"m"}]}"#, Some("A"), Some("m")),
            (r#"{"errors":[{"type":"A"}]}"#, Some("A"), None),
            ("<html>502</html>", None, None),
            ("", None, None),
            ("null", None, None),
            ("[]", None, None),
            (r#"{"error":null}"#, None, None),
            (r#"{"errors":[]}"#, None, None),
            (r#"{"error":{"type":7}}"#, None, None),
        ] {
            let refusal = Refusal::read(422, body.as_bytes(), None);
            assert_eq!(
                (refusal.word.as_deref(), refusal.message.as_deref()),
                (word, message),
                "{body}"
            );
        }
        let long = format!(r#"{{"error":{{"type":"A","message":"{}"}}}}"#, "x".repeat(10_000));
        assert_eq!(
            Refusal::read(422, long.as_bytes(), None).message.unwrap().len(),
            MESSAGE_CHARACTERS_MAX
        );
    }

    #[test]
    fn the_status_decides_before_the_word() {
        for (status, word, expected) in [
            (429, "RATE_LIMIT_REACHED", RefusalKind::RateLimited),
            (429, "", RefusalKind::RateLimited),
            (429, QUOTA, RefusalKind::QuotaSpent),
            (401, "AUTHENTICATION_REQUIRED", RefusalKind::Unauthenticated),
            (402, "", RefusalKind::PaymentRequired),
            (403, "INVALID_PERMISSIONS", RefusalKind::Forbidden),
            (403, "UNKNOWN_FIELD_NAME", RefusalKind::Forbidden),
            (404, "TABLE_NOT_FOUND", RefusalKind::NotFound),
            (413, "", RefusalKind::TooLarge),
            (422, "ROW_DOES_NOT_EXIST", RefusalKind::RowMissing),
            (422, "UNKNOWN_FIELD_NAME", RefusalKind::UnknownField),
            (422, "INVALID_VALUE_FOR_COLUMN", RefusalKind::InvalidValue),
            (422, "INVALID_MULTIPLE_CHOICE_OPTIONS", RefusalKind::UnknownOption),
            (422, "INVALID_FILTER_BY_FORMULA", RefusalKind::InvalidFormula),
            (422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE", RefusalKind::CursorExpired),
            (422, "SOMETHING_NEW", RefusalKind::Invalid),
            (400, "INVALID_REQUEST_BODY", RefusalKind::Invalid),
        ] {
            let body = format!(r#"{{"error":{{"type":"{word}"}}}}"#);
            let refusal = Refusal::read(status, body.as_bytes(), None);
            assert_eq!(refusal.kind, expected, "{status} {word}");
            assert_eq!(refusal.is_retryable(), expected == RefusalKind::RateLimited);
        }
    }
}
