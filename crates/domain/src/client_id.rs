//! Clients (tenants): their ids, byte for byte, and the names that people read.

use alloc::sync::Arc;
use core::str::FromStr;

use crate::text::{Shape, TextError, check_prose, missing_value};

/// The id of a client, kept byte for byte: no prefix is added, none is taken away, case matters.
///
/// A letter or digit, then letters, digits, `_`, `.` and `-`, at most 128 bytes.
///
/// ```
/// use runledger_domain::ClientId;
/// assert_eq!("Chris-Adams".parse::<ClientId>()?.as_str(), "Chris-Adams");
/// assert!("Mary-O'Brien".parse::<ClientId>().is_err());
/// # Ok::<(), runledger_domain::TextError>(())
/// ```
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClientId(Arc<str>);

text_type!(ClientId);

const CLIENT_ID: Shape = Shape {
    what: "client id",
    first: |c| c.is_ascii_alphanumeric(),
    rest: |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'),
    allowed: "a letter or digit, then letters, digits, '_', '.' and '-'",
    min_bytes: 1,
    max_bytes: 128,
};

impl FromStr for ClientId {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(found) = missing_value(text) {
            return Err(TextError::Placeholder {
                what: CLIENT_ID.what,
                found,
            });
        }
        CLIENT_ID.check(text)?;
        Ok(Self(Arc::from(text)))
    }
}

/// The name of a client as people read it: any text up to 256 characters.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClientName(Arc<str>);

text_type!(ClientName);

impl FromStr for ClientName {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check_prose("client name", text, 256)?;
        Ok(Self(Arc::from(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_of_the_older_system_are_kept_as_they_are() {
        for text in [
            "Guy-Wilson",
            "3Peaks",
            "R2.Partners",
            "Lena_Schmidt",
            "CGuy-Wilson",
            "batch",
        ] {
            assert_eq!(text.parse::<ClientId>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_client_id_that_is_no_id_is_refused() {
        for text in [
            "",
            " acme",
            "acme ",
            "Mary-O'Brien",
            "undefined",
            "null",
            "NaN",
            "-acme",
            "a/b",
            "é",
            "a\nb",
        ] {
            assert!(text.parse::<ClientId>().is_err(), "{text:?}");
        }
        assert!("a".repeat(129).parse::<ClientId>().is_err());
    }
}
