//! A table in CSV: its column names, then row by row with its exact lines.
//!
//! A row that is no CSV never takes others with it. Reading goes on at the next line that reads as a row: one from which
//! a whole row can be read, with a status or an id that is known by its form, or one whose run id is a timestamp id. The
//! lines up to there are inside the row that is refused, and its refusal names them.

use std::fmt::Write as _;
use std::sync::Arc;

use runledger_domain::RecordKind;

use super::error::ImportError;
use super::input::{OpenFile, Place};
use super::line::reason;
use super::raw_row::{Fault, RawRow};
use super::rows::{Broken, COLUMNS_MAX, Fields, ROW_MAX_BYTES, Row};
use crate::run_id::{clip, has_known_form, is_timestamp_id};
use crate::{fields, status};

/// A CSV file, open behind its column names.
#[derive(Debug)]
pub(super) struct CsvRows {
    pub(super) file: OpenFile,
    columns: Vec<Arc<str>>,
    /// The numbers of the columns that a row is recognised by.
    run_id: usize,
    status: usize,
    rows: u64,
    raw: RawRow,
}

impl CsvRows {
    pub(super) fn open(file: OpenFile, table: RecordKind) -> Result<Self, ImportError> {
        let mut open = Self {
            file,
            columns: Vec::new(),
            run_id: 0,
            status: 0,
            rows: 0,
            raw: RawRow::new(),
        };
        if !open.read_raw()? {
            return Err(ImportError::Empty {
                path: open.file.path.clone(),
            });
        }
        open.columns = column_names(&open.raw).map_err(|problem| ImportError::Header {
            path: open.file.path.clone(),
            problem,
        })?;
        for column in required(table) {
            open.number_of(column)?;
        }
        open.run_id = open.number_of(fields::RUN_ID)?;
        open.status = open.number_of(fields::STATUS)?;
        Ok(open)
    }

    fn number_of(&self, column: &'static str) -> Result<usize, ImportError> {
        let found = self.columns.iter().position(|known| &**known == column);
        found.ok_or_else(|| ImportError::MissingColumn {
            path: self.file.path.clone(),
            column,
            found: clip(&self.columns.join(", ")),
        })
    }

    pub(super) fn next_row(&mut self) -> Result<Option<Row>, ImportError> {
        if !self.read_raw()? {
            return Ok(None);
        }
        self.rows += 1;
        let place = self.raw.place;
        let values = self
            .raw
            .fields()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let pairs = self.columns.iter().cloned().zip(values).collect();
        let mut fields = Fields { pairs, created: None };
        let created = fields.pairs.iter().find(|(name, _)| fields::is_created_column(name));
        fields.created = created.cloned();
        Ok(Some(Row {
            number: self.rows,
            place,
            ends_on: self.file.place.line_before(),
            fields,
            broken: self.broken(place)?,
        }))
    }

    fn read_raw(&mut self) -> Result<bool, ImportError> {
        let (reader, place) = self.file.parts();
        let read = self.raw.read(reader, place);
        read.map_err(|source| self.file.failed(source))
    }

    /// What is wrong with the row that was just read, if anything. Leaves the file at the next row.
    fn broken(&mut self, begins: Place) -> Result<Option<Broken>, ImportError> {
        let (found, expected) = (self.raw.len(), self.columns.len());
        let number = found + 1;
        let (reason, what) = match self.raw.fault {
            Some(Fault::TooLong) => (reason::TOO_LONG, format!("the row has more than {ROW_MAX_BYTES} bytes")),
            Some(Fault::UnclosedQuote) => (
                reason::UNCLOSED_QUOTE,
                format!("a quote is opened in field {number} and never closed; the file may be cut off"),
            ),
            Some(Fault::TextAfterQuote) => (
                reason::TEXT_AFTER_QUOTE,
                format!("text stands behind a closing quote in field {number}; write a quote inside a field twice"),
            ),
            None if found != expected => (
                reason::COLUMN_COUNT,
                format!("{found} fields, but there are {expected} columns"),
            ),
            None => return Ok(self.bad_field(begins)),
        };
        let end = self.raw.fault.is_none().then_some(self.file.place);
        let (line, last) = self.resume(begins, end)?;
        let mut broken = Broken::of_row(reason, &line, what);
        if let Some(lines) = lines_inside(begins.line, last) {
            let _ = write!(broken.detail, "; {lines} inside it");
        }
        Ok(Some(broken))
    }

    /// Goes to the next row behind one that is broken and begins here; at the latest to its end, where that is known.
    /// Answers the line that it begins on, and the number of its last line.
    fn resume(&mut self, begins: Place, end: Option<Place>) -> Result<(Vec<u8>, u64), ImportError> {
        const LINE_SHOWN_BYTES: usize = 1_000;
        let mut line = Vec::new();
        self.file.seek(begins)?;
        self.file.read_line(&mut line, LINE_SHOWN_BYTES)?;
        let mut last = begins.line;
        loop {
            let may_go_on = end.is_none_or(|end| self.file.place.offset < end.offset);
            if !may_go_on || !self.read_raw()? || end.is_some_and(|end| self.raw.place.offset >= end.offset) {
                if let Some(end) = end {
                    self.file.seek(end)?;
                }
                return Ok((line, last));
            }
            let place = self.raw.place;
            self.file.seek(place)?;
            if self.reads_as_row() {
                return Ok((line, last));
            }
            last = place.line;
            self.file.read_line(&mut Vec::new(), 0)?;
        }
    }

    /// Whether what was just read is a row, or at least the beginning of one.
    fn reads_as_row(&self) -> bool {
        let id = self.raw.text(self.run_id);
        let is_whole = self.raw.fault.is_none() && self.raw.len() == self.columns.len();
        let has_status = || {
            self.raw
                .text(self.status)
                .is_some_and(|word| status::read(word).is_ok())
        };
        id.is_some_and(is_timestamp_id) || (is_whole && (id.is_some_and(has_known_form) || has_status()))
    }

    /// What is wrong with one field of a row that is CSV.
    fn bad_field(&self, begins: Place) -> Option<Broken> {
        self.columns
            .iter()
            .zip(self.raw.fields())
            .enumerate()
            .find_map(|(number, (column, bytes))| {
                let broken = |reason, value: &str, detail| Broken {
                    reason,
                    field: column.to_string(),
                    value: clip(value),
                    detail,
                };
                let Ok(text) = std::str::from_utf8(bytes) else {
                    let text = String::from_utf8_lossy(bytes);
                    let detail = "not UTF-8; export the table in UTF-8".into();
                    return Some(broken(reason::INVALID_UTF8, &text, detail));
                };
                let line = self.row_inside(number, text)?;
                let last = self.file.place.line_before();
                let lines = lines_inside(begins.line, last).unwrap_or_default();
                let detail = format!(
                    "the field holds what reads as rows of the table ({lines} inside it): a quote is missing or too \
                     many. Correct the file and import it again"
                );
                Some(broken(reason::ROWS_IN_FIELD, line, detail))
            })
    }

    /// A line inside a quoted field that reads as a row of the table. That is CSV, but two stray quotes make it too: then
    /// the rows between them stand in the field, and the last of them as far as its own stray quote.
    fn row_inside<'a>(&self, number: usize, text: &'a str) -> Option<&'a str> {
        let mut lines = text.split(['\n', '\r']).skip(1).peekable();
        while let Some(line) = lines.next() {
            let cells: Vec<_> = line.split(',').collect();
            // Commas may stand inside the last of them too.
            let at_least = if lines.peek().is_some() {
                self.columns.len()
            } else {
                number + 1
            };
            let is_id = |id: &&str| is_timestamp_id(id);
            if cells.len() >= at_least && self.run_id < number && cells.get(self.run_id).is_some_and(is_id) {
                return Some(line);
            }
        }
        None
    }
}

/// The lines of a row behind the one that it begins on, with their verb.
pub(super) fn lines_inside(begins_on: u64, last: u64) -> Option<String> {
    match last.saturating_sub(begins_on) {
        0 => None,
        1 => Some(format!("line {last} is")),
        _ => Some(format!("lines {} to {last} are", begins_on + 1)),
    }
}

fn column_names(raw: &RawRow) -> Result<Vec<Arc<str>>, String> {
    match raw.fault {
        None => {}
        Some(Fault::TextAfterQuote) => return Err("text stands behind a closing quote".into()),
        Some(Fault::UnclosedQuote | Fault::TooLong) => return Err("a quote is opened and never closed".into()),
    }
    if raw.len() > COLUMNS_MAX {
        return Err(format!("there are more than {COLUMNS_MAX}"));
    }
    let mut names: Vec<Arc<str>> = Vec::with_capacity(raw.len());
    for bytes in raw.fields() {
        let name = std::str::from_utf8(bytes).map_err(|_| "they are not UTF-8".to_owned())?;
        let name = name.trim();
        if !name.is_empty() && names.iter().any(|known| &**known == name) {
            return Err(format!("{:?} stands there twice", clip(name)));
        }
        names.push(Arc::from(name));
    }
    Ok(names)
}

/// The columns without which a table says nothing.
const fn required(table: RecordKind) -> &'static [&'static str] {
    match table {
        RecordKind::Job => &[fields::RUN_ID, fields::STATUS],
        RecordKind::Client => &[fields::RUN_ID, fields::CLIENT_ID, fields::STATUS],
    }
}
