//! The files of an import: which, in which format, opened so that they can be read twice.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use runledger_domain::RecordKind;

use super::csv_rows::CsvRows;
use super::error::ImportError;
use super::json_rows::JsonRows;
use super::rows::Rows;

/// One exported table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Input {
    /// Where it is.
    pub path: PathBuf,
    /// How it is written.
    pub format: Format,
}

/// How a table is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// CSV as Airtable exports it: UTF-8 with or without a byte order mark, a row of column names, quoted fields that
    /// may hold line breaks.
    Csv,
    /// One record of the Airtable API a line: `{"id":..,"createdTime":..,"fields":{..}}`.
    JsonLines,
}

impl Input {
    /// A CSV file.
    pub fn csv(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            format: Format::Csv,
        }
    }

    /// A file of JSON lines.
    pub fn json_lines(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            format: Format::JsonLines,
        }
    }

    /// A file whose format its name tells: `.csv` is CSV, everything else JSON lines.
    pub fn by_extension(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let is_csv = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
        if is_csv {
            Self::csv(path)
        } else {
            Self::json_lines(path)
        }
    }

    /// Opens the table at its first row.
    pub(super) fn open(&self, table: RecordKind) -> Result<Rows, ImportError> {
        let file = OpenFile::open(&self.path)?;
        match self.format {
            Format::Csv => CsvRows::open(file, table).map(Rows::Csv),
            Format::JsonLines => JsonRows::open(file).map(Rows::Json),
        }
    }
}

/// A file with the place up to which it has been read.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) path: PathBuf,
    reader: BufReader<File>,
    pub(super) place: Place,
    pub(super) bytes_total: u64,
}

/// A place in a file: how many bytes lie before it, and which line it is on, counted from 1. A line feed ends a line, a
/// carriage return does, and both together do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) line: u64,
    behind: Behind,
}

/// The byte before a place, as far as lines are concerned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Behind {
    CarriageReturn,
    LineFeed,
    Other,
}

impl Place {
    pub(super) const START: Self = Self {
        offset: 0,
        line: 1,
        behind: Behind::Other,
    };

    /// Moves the place behind these bytes.
    pub(super) fn advance(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        for byte in bytes {
            let ends_line = match byte {
                b'\r' => true,
                b'\n' => self.behind != Behind::CarriageReturn,
                _ => false,
            };
            self.line += u64::from(ends_line);
            self.behind = match byte {
                b'\r' => Behind::CarriageReturn,
                b'\n' => Behind::LineFeed,
                _ => Behind::Other,
            };
        }
    }

    /// The line of the byte before it.
    pub(super) const fn line_before(self) -> u64 {
        match self.behind {
            Behind::CarriageReturn | Behind::LineFeed => self.line - 1,
            Behind::Other => self.line,
        }
    }
}

/// How much of a line was kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum LineRead {
    Whole,
    Cut,
}

impl OpenFile {
    const BUFFER_BYTES: usize = 256 * 1024;
    const BYTE_ORDER_MARK: &'static [u8] = b"\xEF\xBB\xBF";

    fn open(path: &Path) -> Result<Self, ImportError> {
        let failed = |source| ImportError::Open {
            path: path.to_owned(),
            source,
        };
        // Before opening it: opening a pipe would wait for a writer.
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            return Err(ImportError::NotAFile { path: path.to_owned() });
        }
        let file = File::open(path).map_err(failed)?;
        let bytes_total = file.metadata().map_err(failed)?.len();
        let mut open = Self {
            path: path.to_owned(),
            reader: BufReader::with_capacity(Self::BUFFER_BYTES, file),
            place: Place::START,
            bytes_total,
        };
        let start = open.reader.fill_buf().map_err(failed)?;
        if start.starts_with(Self::BYTE_ORDER_MARK) {
            open.reader.consume(Self::BYTE_ORDER_MARK.len());
            open.place.offset += Self::BYTE_ORDER_MARK.len() as u64;
        }
        Ok(open)
    }

    pub(super) fn parts(&mut self) -> (&mut impl BufRead, &mut Place) {
        (&mut self.reader, &mut self.place)
    }

    /// Goes to a place that was passed before. Near by, nothing has to be read again.
    pub(super) fn seek(&mut self, place: Place) -> Result<(), ImportError> {
        let sought = match i64::try_from(i128::from(place.offset) - i128::from(self.place.offset)) {
            Ok(way) => self.reader.seek_relative(way),
            Err(_) => self.reader.seek(SeekFrom::Start(place.offset)).map(drop),
        };
        self.place = place;
        sought.map_err(|source| self.failed(source))
    }

    /// Reads to the end of the line, and keeps at most `limit` bytes of it in `line`, its end not counted. `None` at the
    /// end of the file; else whether all of it was kept.
    pub(super) fn read_line(&mut self, line: &mut Vec<u8>, limit: usize) -> Result<Option<LineRead>, ImportError> {
        line.clear();
        let mut found = None;
        loop {
            let buffer = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(self.failed(source)),
                Ok(buffer) => buffer,
            };
            if buffer.is_empty() {
                return Ok(found);
            }
            let end = buffer.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let content = &buffer[..end.unwrap_or(buffer.len())];
            let room = limit - line.len();
            line.extend_from_slice(&content[..content.len().min(room)]);
            let kept = if content.len() > room {
                LineRead::Cut
            } else {
                LineRead::Whole
            };
            found = Some(if found == Some(LineRead::Cut) {
                LineRead::Cut
            } else {
                kept
            });
            let used = content.len() + usize::from(end.is_some());
            self.place.advance(&buffer[..used]);
            self.reader.consume(used);
            if end.is_some() {
                self.pass_line_feed();
                return Ok(found);
            }
        }
    }

    /// A line feed behind a carriage return belongs to the same line end. What cannot be read now is an error when the
    /// next line is read.
    fn pass_line_feed(&mut self) {
        if self.place.behind == Behind::CarriageReturn && matches!(self.reader.fill_buf(), Ok([b'\n', ..])) {
            self.place.advance(b"\n");
            self.reader.consume(1);
        }
    }

    pub(super) fn failed(&self, source: io::Error) -> ImportError {
        ImportError::Read {
            path: self.path.clone(),
            line: self.place.line,
            source,
        }
    }
}
