//! Ids that other systems gave to (parts of) a run. They are references, never keys: nothing turns one into a run id.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::text::{Shape, TextError, check_not_missing};

/// The most external ids that one record holds.
pub const EXTERNAL_IDS_MAX: usize = 64;

/// An id of another system, such as an Apify run id, written `system:id`.
///
/// ```
/// use runledger_domain::ExternalId;
/// let id: ExternalId = "apify:8MSTBAfqMzuXPvgB3".parse()?;
/// assert_eq!((id.system(), id.id()), ("apify", "8MSTBAfqMzuXPvgB3"));
/// # Ok::<(), runledger_domain::TextError>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ExternalId {
    system: Arc<str>,
    id: Arc<str>,
}

const SYSTEM: Shape = Shape {
    what: "external system",
    first: |c| c.is_ascii_lowercase(),
    rest: |c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.' | '-'),
    allowed: "a lower-case letter, then lower-case letters, digits, '_', '.' and '-'",
    min_bytes: 1,
    max_bytes: 64,
};

const ID: Shape = Shape {
    what: "external id",
    first: |c| c.is_ascii_graphic(),
    rest: |c| c.is_ascii_graphic(),
    allowed: "visible ASCII characters",
    min_bytes: 1,
    max_bytes: 128,
};

impl ExternalId {
    /// Takes the other system's short name and the id that it gave.
    ///
    /// # Errors
    /// [`TextError`] when either is empty, too long or holds other characters.
    pub fn new(system: &str, id: &str) -> Result<Self, TextError> {
        SYSTEM.check(system)?;
        ID.check(id)?;
        Ok(Self {
            system: Arc::from(system),
            id: Arc::from(id),
        })
    }

    /// The short name of the other system, e.g. `apify`.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// The id that the other system gave, byte for byte.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.system, self.id)
    }
}

impl FromStr for ExternalId {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((system, id)) => Self::new(system, id),
            None => Err(TextError::Character {
                what: "external id",
                found: text.chars().next_back().unwrap_or(' '),
                position: text.len().saturating_sub(1),
                allowed: "the system, a colon, the id (apify:8MSTBAfqMzuXPvgB3)",
            }),
        }
    }
}

text_serde!(ExternalId);

/// The same references in one order, each once: in which order a caller lists them means nothing.
pub(crate) fn normalised(ids: &[ExternalId]) -> Vec<ExternalId> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// A label that groups runs of one kind of batch, e.g. `stream-1`; a reference for people, never part of a key.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BatchLabel(Arc<str>);

text_type!(BatchLabel);

const BATCH: Shape = Shape {
    what: "batch label",
    first: |c| c.is_ascii_alphanumeric(),
    rest: |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ':' | '/' | ' '),
    allowed: "a letter or digit, then letters, digits, spaces and '_', '.', '-', ':', '/'",
    min_bytes: 1,
    max_bytes: 128,
};

impl FromStr for BatchLabel {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        BATCH.check(text)?;
        check_not_missing(BATCH.what, text)?;
        Ok(Self(Arc::from(text)))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn an_external_id_keeps_its_bytes_and_is_no_run_id() {
        let id: ExternalId = "apify:8MSTBAfqMzuXPvgB3".parse().unwrap();
        assert_eq!(id.to_string(), "apify:8MSTBAfqMzuXPvgB3");
        assert!(id.id().parse::<crate::RunId>().is_err());
        for text in ["8MSTBAfqMzuXPvgB3", "apify:", ":x", "Apify:x", "apify:a b"] {
            assert!(text.parse::<ExternalId>().is_err(), "{text}");
        }
    }
}
