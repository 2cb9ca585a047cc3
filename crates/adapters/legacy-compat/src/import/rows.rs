//! A row of an older table as it stands in its file, whatever the format.

use std::sync::Arc;

use super::csv_rows::CsvRows;
use super::error::ImportError;
use super::input::{OpenFile, Place};
use super::json_rows::JsonRows;
use crate::run_id::clip;

/// The most bytes that one row may have; what is longer is refused and skipped over. Four text fields of Airtable's
/// largest size, in the widest characters, have less.
pub(super) const ROW_MAX_BYTES: usize = 4 * 1024 * 1024;

/// The most columns that a table may have; Airtable has 500.
pub(super) const COLUMNS_MAX: usize = 1_000;

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    /// Its number in the table, from 1.
    pub(super) number: u64,
    /// Where it begins.
    pub(super) place: Place,
    /// The line that it ends on.
    pub(super) ends_on: u64,
    /// What could be read of it.
    pub(super) fields: Fields,
    /// Why it could not be read as a row, if so.
    pub(super) broken: Option<Broken>,
}

/// What is wrong with a row that could not be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Broken {
    pub(super) reason: &'static str,
    pub(super) field: String,
    pub(super) value: String,
    pub(super) detail: String,
}

impl Broken {
    /// What the reader of a report sees as the field when it is about the row as a whole.
    const ROW: &'static str = "(row)";

    /// The row as a whole cannot be read. It is shown as it stands, with what cannot be printed made visible.
    pub(super) fn of_row(reason: &'static str, line: &[u8], detail: String) -> Self {
        let mut shown = String::new();
        for c in String::from_utf8_lossy(line).chars() {
            if c.is_control() {
                shown.extend(c.escape_unicode());
            } else {
                shown.push(c);
            }
        }
        Self {
            reason,
            field: Self::ROW.to_owned(),
            value: clip(&shown),
            detail,
        }
    }
}

/// The fields of a row by the names of their columns. A field without a value is the empty text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Fields {
    pub(super) pairs: Vec<(Arc<str>, String)>,
    /// What says when Airtable created the row, by its name, as it stands.
    pub(super) created: Option<(Arc<str>, String)>,
}

impl Fields {
    pub(super) fn get(&self, column: &str) -> &str {
        self.pairs
            .iter()
            .find(|(name, _)| &**name == column)
            .map_or("", |(_, value)| value)
    }

    /// The columns in which the two rows differ, those of `self` first.
    pub(super) fn differs_in<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let mine = self.pairs.iter().filter(|(name, value)| other.get(name) != value);
        let only_theirs = other
            .pairs
            .iter()
            .filter(|(name, value)| !value.is_empty() && !self.pairs.iter().any(|(known, _)| known == name));
        mine.chain(only_theirs).map(|(name, _)| &**name).collect()
    }
}

/// A table, row by row.
#[derive(Debug)]
pub(super) enum Rows {
    Csv(CsvRows),
    Json(JsonRows),
}

impl Rows {
    /// The next row, or `None` at the end.
    pub(super) fn next_row(&mut self) -> Result<Option<Row>, ImportError> {
        match self {
            Self::Csv(rows) => rows.next_row(),
            Self::Json(rows) => rows.next_row(),
        }
    }

    /// The fields of the row that begins at `place`.
    pub(super) fn fields_at(&mut self, place: Place) -> Result<Fields, ImportError> {
        self.file_mut().seek(place)?;
        let row = self.next_row()?;
        row.map(|row| row.fields).ok_or_else(|| ImportError::Changed {
            path: self.file().path.clone(),
        })
    }

    pub(super) const fn file(&self) -> &OpenFile {
        match self {
            Self::Csv(rows) => &rows.file,
            Self::Json(rows) => &rows.file,
        }
    }

    const fn file_mut(&mut self) -> &mut OpenFile {
        match self {
            Self::Csv(rows) => &mut rows.file,
            Self::Json(rows) => &mut rows.file,
        }
    }
}
