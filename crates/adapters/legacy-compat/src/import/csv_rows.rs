//! CSV, read row by row with its exact lines.
//!
//! The `csv` crate reads the same language, and a test holds the two together. It is not used for reading because an
//! import has to know three things that it does not tell: the line a row begins on (with CRLF it counts the line
//! before), that a quote was never closed (it hands out the rest of a cut-off file as a row like any other), and that
//! a row is longer than any row can be (it takes in the whole of it).

use std::io::{self, BufRead};
use std::sync::Arc;

use runledger_domain::RecordKind;

use super::error::ImportError;
use super::input::{OpenFile, Place};
use super::line::reason;
use super::rows::{Broken, COLUMNS_MAX, Fields, ROW_MAX_BYTES, Row};
use crate::fields;
use crate::run_id::clip;

/// A CSV file, open behind its column names.
#[derive(Debug)]
pub(super) struct CsvRows {
    pub(super) file: OpenFile,
    columns: Vec<Arc<str>>,
    rows: u64,
    raw: RawRow,
}

/// The bytes of one row, field after field.
#[derive(Debug)]
struct RawRow {
    bytes: Vec<u8>,
    /// Where each field ends in `bytes`.
    ends: Vec<usize>,
    place: Place,
    unclosed: bool,
    too_long: bool,
}

impl CsvRows {
    pub(super) fn open(file: OpenFile, table: RecordKind) -> Result<Self, ImportError> {
        let mut open = Self {
            file,
            columns: Vec::new(),
            rows: 0,
            raw: RawRow::new(),
        };
        if !open.read_raw()? {
            return Err(ImportError::Empty {
                path: open.file.path.clone(),
            });
        }
        open.columns = open.raw.column_names().map_err(|problem| ImportError::Header {
            path: open.file.path.clone(),
            problem,
        })?;
        for column in required(table) {
            if !open.columns.iter().any(|known| &**known == *column) {
                return Err(ImportError::MissingColumn {
                    path: open.file.path.clone(),
                    column,
                    found: clip(&open.columns.join(", ")),
                });
            }
        }
        Ok(open)
    }

    pub(super) fn next_row(&mut self) -> Result<Option<Row>, ImportError> {
        if !self.read_raw()? {
            return Ok(None);
        }
        self.rows += 1;
        let broken = self.broken();
        let values = self
            .raw
            .fields()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let pairs = self.columns.iter().cloned().zip(values).collect();
        let mut fields = Fields { pairs, created: None };
        let created = fields.pairs.iter().find(|(name, _)| fields::is_created_column(name));
        fields.created = created.map(|(_, value)| value.clone());
        Ok(Some(Row {
            number: self.rows,
            place: self.raw.place,
            fields,
            broken,
        }))
    }

    fn read_raw(&mut self) -> Result<bool, ImportError> {
        let (reader, place) = self.file.parts();
        let read = self.raw.read(reader, place);
        read.map_err(|source| self.file.failed(source))
    }

    fn broken(&self) -> Option<Broken> {
        let (found, expected) = (self.raw.ends.len(), self.columns.len());
        let row = |reason, detail| Broken {
            reason,
            field: String::new(),
            value: String::new(),
            detail,
        };
        if self.raw.too_long {
            return Some(row(
                reason::TOO_LONG,
                format!("the row has more than {ROW_MAX_BYTES} bytes"),
            ));
        }
        if self.raw.unclosed {
            let detail = "a quote is opened and never closed; the file may be cut off";
            return Some(row(reason::UNCLOSED_QUOTE, detail.into()));
        }
        if found != expected {
            let detail = format!("{found} fields, but there are {expected} columns");
            return Some(row(reason::COLUMN_COUNT, detail));
        }
        let (column, bytes) = self
            .columns
            .iter()
            .zip(self.raw.fields())
            .find(|(_, bytes)| std::str::from_utf8(bytes).is_err())?;
        Some(Broken {
            reason: reason::INVALID_UTF8,
            field: column.to_string(),
            value: clip(&String::from_utf8_lossy(bytes)),
            detail: "not UTF-8; export the table in UTF-8".into(),
        })
    }
}

/// The columns without which a table says nothing.
pub(super) const fn required(table: RecordKind) -> &'static [&'static str] {
    match table {
        RecordKind::Job => &[fields::RUN_ID, fields::STATUS],
        RecordKind::Client => &[fields::RUN_ID, fields::CLIENT_ID, fields::STATUS],
    }
}

#[derive(Clone, Copy)]
enum State {
    /// Between rows: line ends are skipped.
    Between,
    FieldStart,
    Bare,
    Quoted,
    /// Behind a quote inside a quoted field: its end, or one half of a doubled quote.
    QuoteSeen,
}

impl RawRow {
    const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            ends: Vec::new(),
            place: Place::START,
            unclosed: false,
            too_long: false,
        }
    }

    /// Reads the next row; `false` at the end of the file.
    fn read(&mut self, reader: &mut impl BufRead, place: &mut Place) -> io::Result<bool> {
        self.bytes.clear();
        self.ends.clear();
        self.unclosed = false;
        self.too_long = false;
        let mut state = State::Between;
        loop {
            let buffer = match reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if buffer.is_empty() {
                return Ok(self.finish(state));
            }
            let mut used = 0;
            let mut ended = false;
            for byte in buffer {
                if matches!(state, State::Between) && !matches!(byte, b'\r' | b'\n') {
                    self.place = *place;
                    self.place.advance(&buffer[..used]);
                    state = State::FieldStart;
                }
                used += 1;
                (state, ended) = self.step(state, *byte);
                if ended {
                    break;
                }
            }
            place.advance(&buffer[..used]);
            reader.consume(used);
            if ended {
                return Ok(true);
            }
        }
    }

    /// Takes one byte; says the state behind it and whether the row ends with it.
    fn step(&mut self, state: State, byte: u8) -> (State, bool) {
        match (state, byte) {
            (State::Between, _) => (State::Between, false),
            (State::Quoted, b'"') => (State::QuoteSeen, false),
            (State::Quoted, _) | (State::QuoteSeen, b'"') => {
                self.push(byte);
                (State::Quoted, false)
            }
            (State::FieldStart, b'"') => (State::Quoted, false),
            (State::FieldStart | State::Bare | State::QuoteSeen, b',') => {
                self.end_field();
                (State::FieldStart, false)
            }
            (State::FieldStart | State::Bare | State::QuoteSeen, b'\r' | b'\n') => {
                self.end_field();
                (State::Between, true)
            }
            (State::FieldStart | State::Bare | State::QuoteSeen, _) => {
                self.push(byte);
                (State::Bare, false)
            }
        }
    }

    fn finish(&mut self, state: State) -> bool {
        if matches!(state, State::Between) {
            return false;
        }
        self.unclosed = matches!(state, State::Quoted);
        self.end_field();
        true
    }

    fn push(&mut self, byte: u8) {
        if self.bytes.len() < ROW_MAX_BYTES {
            self.bytes.push(byte);
        } else {
            self.too_long = true;
        }
    }

    fn end_field(&mut self) {
        if self.ends.len() < ROW_MAX_BYTES {
            self.ends.push(self.bytes.len());
        } else {
            self.too_long = true;
        }
    }

    fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    fn column_names(&self) -> Result<Vec<Arc<str>>, String> {
        if self.unclosed || self.too_long {
            return Err("a quote is opened and never closed".into());
        }
        if self.ends.len() > COLUMNS_MAX {
            return Err(format!("there are more than {COLUMNS_MAX}"));
        }
        let mut names: Vec<Arc<str>> = Vec::with_capacity(self.ends.len());
        for bytes in self.fields() {
            let name = std::str::from_utf8(bytes).map_err(|_| "they are not UTF-8".to_owned())?;
            let name = name.trim();
            if !name.is_empty() && names.iter().any(|known| &**known == name) {
                return Err(format!("{:?} stands there twice", clip(name)));
            }
            names.push(Arc::from(name));
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rows as `line: field|field`, with `!` behind a row with an unclosed quote.
    fn read_all(bytes: &[u8], buffer_bytes: usize) -> Vec<(u64, Vec<Vec<u8>>, bool)> {
        let mut reader = io::BufReader::with_capacity(buffer_bytes, bytes);
        let (mut place, mut raw, mut rows) = (Place::START, RawRow::new(), Vec::new());
        while raw.read(&mut reader, &mut place).unwrap() {
            rows.push((raw.place.line, raw.fields().map(<[u8]>::to_vec).collect(), raw.unclosed));
        }
        assert_eq!(place.offset, bytes.len() as u64);
        rows
    }

    fn check(text: &str, expected: &[&str]) {
        for buffer_bytes in [1, 2, 3, 4096] {
            let found: Vec<String> = read_all(text.as_bytes(), buffer_bytes)
                .into_iter()
                .map(|(line, fields, unclosed)| {
                    let fields: Vec<_> = fields.into_iter().map(|f| String::from_utf8(f).unwrap()).collect();
                    format!("{line}: {}{}", fields.join("|"), if unclosed { "!" } else { "" })
                })
                .collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn rows_are_found_with_the_line_that_they_begin_on() {
        check("a,b\r\n1,2\r\n", &["1: a|b", "2: 1|2"]);
        check("a,b\n1,2", &["1: a|b", "2: 1|2"]);
        check("a,\"b\r\nc\"\r\nd,e\r\n", &["1: a|b\r\nc", "3: d|e"]);
        check("a\r\n\r\n\r\nb\r\n", &["1: a", "4: b"]);
        check("\"a\"\"b\",\"\"\n,\n", &["1: a\"b|", "2: |"]);
        check("5\" pipe,x\"y\"\n", &["1: 5\" pipe|x\"y\""]);
        check("", &[]);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_noticed() {
        check("a,b\n1,\"cut off", &["1: a|b", "2: 1|cut off!"]);
        check("a\n\"", &["1: a", "2: !"]);
        check("a\n\"\"", &["1: a", "2: "]);
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_the_csv_crate_reads(text in "[a,\"\r\n ]{0,40}") {
            let mut oracle = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let expected: Vec<Vec<Vec<u8>>> = oracle
                .byte_records()
                .map(|row| row.unwrap().iter().map(<[u8]>::to_vec).collect())
                .collect();
            let found: Vec<_> = read_all(text.as_bytes(), 7).into_iter().map(|(_, fields, _)| fields).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
