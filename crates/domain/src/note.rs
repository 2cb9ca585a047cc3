//! Notes: entries that are appended and never edited, so that no writer can wipe another's.

use alloc::sync::Arc;
use core::str::FromStr;

use crate::source::Source;
use crate::text::{TextError, check_prose};
use crate::timestamp::Timestamp;

/// The longest note, in characters: what one Airtable text field holds.
pub const NOTE_MAX_CHARS: usize = 100_000;
/// The most bytes of notes that one record holds, all entries together.
pub const NOTES_MAX_BYTES: usize = 1_048_576;

/// The text of a note: not blank, no NUL, at most [`NOTE_MAX_CHARS`] characters.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NoteText(Arc<str>);

text_type!(NoteText);

impl FromStr for NoteText {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check_prose("note", text, NOTE_MAX_CHARS)?;
        Ok(Self(Arc::from(text)))
    }
}

/// One note on a record: who wrote what, when.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Note {
    /// When it was written.
    pub at: Timestamp,
    /// Who wrote it.
    pub source: Source,
    /// What it says.
    pub text: NoteText,
}
