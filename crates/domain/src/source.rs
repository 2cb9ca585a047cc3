//! Who asks: a specific, named source. Generic names are refused, because a log that says "system" says nothing.

use alloc::string::String;
use alloc::sync::Arc;
use core::str::FromStr;

use crate::run_id::clip;
use crate::text::{Shape, TextError};

/// The program or step that performs an operation, such as `orchestrator`. Case matters.
///
/// A letter, then 1 to 63 letters, digits, `_`, `.`, `:` and `-`. Names that could be anybody's (`system`, `api`,
/// `unknown`, ...) are refused for every operation.
///
/// ```
/// use runledger_domain::Source;
/// assert!("smart_resume_workflow".parse::<Source>().is_ok());
/// assert!("unknown".parse::<Source>().is_err());
/// ```
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Source(Arc<str>);

text_type!(Source);

/// Why a text is not a [`Source`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The text has not the form of a source.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Two characters are the least.
    #[error("source {text:?} is too short; name the program that asks")]
    TooShort {
        /// The text as sent.
        text: String,
    },
    /// The name could be anybody's.
    #[error("source {text:?} is generic; name the program or step that asks, such as \"orchestrator\"")]
    Generic {
        /// The text as sent.
        text: String,
    },
}

const SOURCE: Shape = Shape {
    what: "source",
    first: |c| c.is_ascii_alphabetic(),
    rest: |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-'),
    allowed: "a letter, then letters, digits, '_', '.', ':' and '-'",
    min_bytes: 1,
    max_bytes: 64,
};

/// Names that say nothing about who asks, compared without regard to case.
pub const GENERIC_SOURCES: [&str; 28] = [
    "admin",
    "anonymous",
    "anyone",
    "api",
    "app",
    "application",
    "backend",
    "caller",
    "client",
    "default",
    "job",
    "main",
    "nobody",
    "none",
    "null",
    "process",
    "root",
    "script",
    "server",
    "service",
    "source",
    "system",
    "test",
    "undefined",
    "unknown",
    "user",
    "worker",
    "nan",
];

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        SOURCE.check(text)?;
        if text.len() < 2 {
            return Err(SourceError::TooShort { text: clip(text) });
        }
        if GENERIC_SOURCES.iter().any(|generic| generic.eq_ignore_ascii_case(text)) {
            return Err(SourceError::Generic { text: clip(text) });
        }
        Ok(Self(Arc::from(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generic_names_are_refused_in_any_case() {
        for text in GENERIC_SOURCES.into_iter().chain(["System", "API"]) {
            assert!(
                matches!(text.parse::<Source>(), Err(SourceError::Generic { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn specific_names_are_kept_as_they_are() {
        for text in ["orchestrator", "apify_webhook", "svc:mailer-2", "Orchestrator", "ab"] {
            assert_eq!(text.parse::<Source>().unwrap().as_str(), text);
        }
        for text in ["", "a", "9lives", "a b", "é", "a\u{0}"] {
            assert!(text.parse::<Source>().is_err(), "{text:?}");
        }
    }
}
