//! The lines of the report: what became of each row.

use std::fmt;
use std::io::{self, Write};

use runledger_domain::RecordKind;

use super::error::ImportError;

/// The columns of the report, in their order.
///
/// `row` counts the rows of the table from 1, `line` is the physical line of the file on which the row begins. `run_id`
/// is the canonical run id of a row whose key is understood. `kept_row` is the row that holds the key of a duplicate, or
/// `ledger`. `field` and `value` are what a refusal is about. A line of the class `reconstructed` is no row of a file
/// but a job that was made because its clients name it; it has no number.
pub const REPORT_COLUMNS: [&str; 14] = [
    "table",
    "row",
    "line",
    "class",
    "reason",
    "effect",
    "raw_run_id",
    "client_id",
    "run_id",
    "kept_row",
    "differs_in",
    "field",
    "value",
    "detail",
];

/// What a row is. Every row is exactly one of these.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Taken as it stands.
    Created,
    /// Taken under the canonical spelling, or with what could not stand in one record put apart.
    Normalised,
    /// Another row, or a record of the ledger, holds the key.
    Duplicate,
    /// Not taken.
    Refused,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 4] = [Self::Created, Self::Normalised, Self::Duplicate, Self::Refused];

    /// The word for the class.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Normalised => "normalised",
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The words for reasons, beside those of [`Form`](crate::Form) and [`RefusedForm`](crate::RefusedForm).
pub mod reason {
    /// Created: a client that still ran, without an end, when the table was exported.
    pub const STUCK_RUNNING: &str = "stuck-running";
    /// Created: the job table has no row for its run, so the job was reconstructed.
    pub const NO_JOB: &str = "no-job";
    /// Normalised: it is kept as running, the end time that it also had is in its note.
    pub const RUNNING_WITH_END_TIME: &str = "running-with-end-time";
    /// Normalised: the same for one that waits.
    pub const QUEUED_WITH_END_TIME: &str = "queued-with-end-time";
    /// Duplicate: the key is held by a record of the ledger that another creation made.
    pub const IN_LEDGER: &str = "in-ledger";
    /// Refused: the client id is empty.
    pub const EMPTY_CLIENT_ID: &str = "empty-client-id";
    /// Refused: the client id is none.
    pub const BAD_CLIENT_ID: &str = "bad-client-id";
    /// Refused: the client's name cannot be kept.
    pub const BAD_CLIENT_NAME: &str = "bad-client-name";
    /// Refused: the status is no definite word.
    pub const UNKNOWN_STATUS: &str = "unknown-status";
    /// Refused: a number that is none, is negative or too large.
    pub const BAD_METRIC: &str = "bad-metric";
    /// Refused: a time that is none.
    pub const BAD_TIME: &str = "bad-time";
    /// Refused: the end lies before the start.
    pub const END_BEFORE_START: &str = "end-before-start";
    /// Refused: the Apify run id cannot be kept.
    pub const BAD_APIFY_ID: &str = "bad-apify-id";
    /// Refused: the stream is no number.
    pub const BAD_STREAM: &str = "bad-stream";
    /// Refused: the note cannot be kept.
    pub const BAD_NOTE: &str = "bad-note";
    /// Refused: the note is longer than a note may be.
    pub const NOTE_TOO_LONG: &str = "note-too-long";
    /// Refused: more or fewer fields than columns.
    pub const COLUMN_COUNT: &str = "column-count";
    /// Refused: bytes that are not UTF-8.
    pub const INVALID_UTF8: &str = "invalid-utf8";
    /// Refused: the line is no JSON record.
    pub const BAD_JSON: &str = "bad-json";
    /// Refused: text stands behind a closing quote.
    pub const TEXT_AFTER_QUOTE: &str = "text-after-quote";
    /// Refused: a quoted field holds what reads as rows of the table, as two stray quotes make it.
    pub const ROWS_IN_FIELD: &str = "rows-in-field";
    /// Refused: a quote is opened and never closed.
    pub const UNCLOSED_QUOTE: &str = "unclosed-quote";
    /// Refused: longer than any row can be.
    pub const TOO_LONG: &str = "row-too-long";
}

/// What the import did about a row.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Effect {
    #[default]
    None,
    Created,
    AlreadyThere,
    /// It was there, and its metrics are higher now.
    Raised,
    WouldCreate,
    WouldRaise,
}

impl Effect {
    const fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Created => "created",
            Self::AlreadyThere => "already there",
            Self::Raised => "raised",
            Self::WouldCreate => "would create",
            Self::WouldRaise => "would raise",
        }
    }
}

/// One line of the report.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) table: RecordKind,
    pub(super) row: u64,
    /// The line of the file that it begins on.
    pub(super) begins_on: u64,
    /// `None` for a reconstructed job, which is no row.
    pub(super) class: Option<Class>,
    pub(super) reason: &'static str,
    pub(super) effect: Effect,
    pub(super) raw_run_id: String,
    pub(super) client_id: String,
    pub(super) run_id: String,
    pub(super) kept_row: String,
    pub(super) differs_in: String,
    pub(super) field: String,
    pub(super) value: String,
    pub(super) detail: Vec<String>,
    /// Whether its metrics are raised to those of its duplicates.
    pub(super) raised: bool,
    /// Whether they are not, because the ledger's record has ended.
    pub(super) not_raised: bool,
    /// Whether the ledger's record was made because its clients name it.
    pub(super) meets_reconstructed: bool,
}

impl Line {
    pub(super) fn new(table: RecordKind) -> Self {
        Self {
            table,
            row: 0,
            begins_on: 0,
            class: None,
            reason: "",
            effect: Effect::None,
            raw_run_id: String::new(),
            client_id: String::new(),
            run_id: String::new(),
            kept_row: String::new(),
            differs_in: String::new(),
            field: String::new(),
            value: String::new(),
            detail: Vec::new(),
            raised: false,
            not_raised: false,
            meets_reconstructed: false,
        }
    }

    fn cells(&self) -> [String; REPORT_COLUMNS.len()] {
        let number = |n: u64| if n == 0 { String::new() } else { n.to_string() };
        [
            self.table.as_str().to_owned(),
            number(self.row),
            number(self.begins_on),
            self.class.map_or("reconstructed", Class::as_str).to_owned(),
            self.reason.to_owned(),
            self.effect.as_str().to_owned(),
            self.raw_run_id.clone(),
            self.client_id.clone(),
            self.run_id.clone(),
            self.kept_row.clone(),
            self.differs_in.clone(),
            self.field.clone(),
            self.value.clone(),
            self.detail.join("; "),
        ]
    }
}

/// Writes the report, line by line.
pub(super) struct Lines<'a> {
    writer: csv::Writer<&'a mut (dyn Write + Send)>,
}

impl<'a> Lines<'a> {
    pub(super) fn begin(report: &'a mut (dyn Write + Send)) -> Result<Self, ImportError> {
        let mut lines = Self {
            writer: csv::Writer::from_writer(report),
        };
        lines.writer.write_record(REPORT_COLUMNS).map_err(failed)?;
        Ok(lines)
    }

    pub(super) fn write(&mut self, line: &Line) -> Result<(), ImportError> {
        self.writer.write_record(line.cells()).map_err(failed)
    }

    pub(super) fn end(&mut self) -> Result<(), ImportError> {
        self.writer.flush().map_err(|source| ImportError::Report { source })
    }
}

fn failed(error: csv::Error) -> ImportError {
    ImportError::Report {
        source: io::Error::from(error),
    }
}
