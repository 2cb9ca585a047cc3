//! What calls answer when they succeed.

use serde::{Deserialize, Serialize};

use crate::record::Record;

/// What a creation came to: the record is there either way, and it is the one that was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Creation<T = Record> {
    /// It was created now. Of several, at least one was.
    Created(T),
    /// The same attempt had created it before; this is how it stands now.
    Replayed(T),
}

impl<T> Creation<T> {
    /// The record, or the records.
    pub const fn get(&self) -> &T {
        match self {
            Self::Created(it) | Self::Replayed(it) => it,
        }
    }

    /// The record, or the records.
    pub fn into_inner(self) -> T {
        match self {
            Self::Created(it) | Self::Replayed(it) => it,
        }
    }

    /// Whether it had been created before.
    pub const fn is_replayed(&self) -> bool {
        matches!(self, Self::Replayed(_))
    }

    pub(crate) fn of(it: T, replayed: bool) -> Self {
        if replayed {
            Self::Replayed(it)
        } else {
            Self::Created(it)
        }
    }
}

/// What a change came to.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Changed {
    /// The record as it stands.
    pub record: Record,
    /// Whether the change had been made before, and counts once.
    pub replayed: bool,
    /// How many client records were closed with their job.
    pub closed: u64,
}

/// One page of a listing.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// What stands on it.
    pub items: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// Where a page begins. It keeps its meaning for ever, so it may be stored.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Cursor(String);

impl Cursor {
    /// The text of the cursor.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text of a cursor that was given out; whether it is one, the ledger says.
impl From<String> for Cursor {
    fn from(text: String) -> Self {
        Self(text)
    }
}
