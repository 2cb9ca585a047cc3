//! The import of the older system's two tables, as Airtable exports them.
//!
//! Every row read ends in exactly one class, and the classes add up: *created*, *normalised* (created under the
//! canonical spelling), *duplicate* (another row, or the ledger, holds the key), *refused* (with field, value and
//! reason). Nothing is merged, guessed or left out in silence.
//!
//! The files are read twice, one row at a time. The first reading decides which row is kept for each key. The second
//! writes the report and creates. What stays in memory is the keys with a row number each (150 to 400 bytes a key),
//! never the rows.
//!
//! Of the rows of one key the one is kept that was created first: the one with the earliest *Start Time*, which the older
//! system wrote when it created the row; where that is equal or missing, the one with the earliest `createdTime` of the
//! API (or the column *Created*); and where that says nothing either, the first in the file. A row without a time comes
//! behind one with it. So the same rows are kept from CSV and from JSON lines.
//!
//! Creation goes through the creation point alone (I2), by the source [`SOURCE`] and with one fixed attempt, so that
//! the same import may be repeated, also after it was killed at any moment: what is in the ledger is answered as
//! *already there* (I7), and the rest is created.
//!
//! It must never hold a store. It changes a record in one case alone: the highest metrics were asked for
//! ([`Merge::Max`]), and the record that holds the key came from an import and is open.

mod classify;
mod csv_rows;
mod error;
mod input;
mod json_rows;
mod line;
mod pass;
mod plan;
mod raw_row;
mod reconstruct;
mod report;
mod rows;
mod take;

use std::io::Write;

use runledger_app::Ledger;
use runledger_domain::RecordKind;
use runledger_ports::RunReader;

pub use error::ImportError;
pub use input::{Format, Input};
pub use line::{Class, REPORT_COLUMNS, reason};
pub use report::{NotTaken, Report, TableReport, Why};

/// The source that imported records are created by. The policy has to allow it
/// ([`CreationPolicy::allow_import`](runledger_domain::CreationPolicy::allow_import)).
pub const SOURCE: &str = "import";

/// The attempt of every imported record: the same one for ever, so that a repeated import is recognised (I7).
pub const ATTEMPT: &str = "import";

/// How many rows are settled before their records are created, so that the store makes all of them durable with one
/// flush.
pub const BATCH: usize = 256;

/// What to import, and how.
///
/// ```
/// use runledger_legacy::import::{Import, Input, Mode};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("clients.csv");
/// # std::fs::write(&path, "Run ID,Client ID,Status\r\n250925-231841-acme,acme,Completed\r\nundefined,acme,Running\r\n")?;
/// let import = Import { clients: Some(Input::csv(path)), ..Import::default() };
/// let report = import.run(Mode::DryRun(None), &mut std::io::sink(), &mut |_| {}).await?;
/// let clients = report.clients.unwrap();
/// assert_eq!((clients.rows, clients.created, clients.refused), (2, 1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// The export of `Job Tracking`.
    pub jobs: Option<Input>,
    /// The export of `Client Run Results`.
    pub clients: Option<Input>,
    /// What becomes of the metrics of duplicates.
    pub merge: Merge,
}

/// What becomes of the metrics of the rows that are not kept.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Merge {
    /// They are reported and stay out of the ledger.
    #[default]
    Nothing,
    /// The kept record's metrics become the highest of all rows of its key. The report says which were raised, and
    /// which were not, because the record has ended in the ledger.
    Max,
}

/// Whether to write.
#[derive(Clone, Copy)]
pub enum Mode<'a> {
    /// Classify and report; nothing is written. With a ledger to read, the report says what is there already.
    DryRun(Option<&'a dyn RunReader>),
    /// Create through the creation point of this ledger, and raise metrics where that is asked for.
    Into(&'a Ledger),
}

/// How far the import is. For a progress bar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// Which table.
    pub table: RecordKind,
    /// Which of the two readings of its file.
    pub phase: Phase,
    /// How many rows of it have been read.
    pub rows: u64,
    /// How many bytes of it have been read.
    pub bytes: u64,
    /// How many bytes the file has.
    pub bytes_total: u64,
}

/// The two readings of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Every row is classified.
    Read,
    /// The report is written and the records are created.
    Write,
}

impl Import {
    /// Imports, and answers the summary. One line of CSV for each row goes to `report` ([`REPORT_COLUMNS`]), in the
    /// order of the files, the jobs first.
    ///
    /// The values in the report are those of the older tables as they stand, also when a spreadsheet would take one
    /// for a formula; only the long ones are clipped.
    ///
    /// # Errors
    /// [`ImportError`] when a file cannot be read or lacks a column that is needed, and when the ledger cannot take
    /// records. What was created stays; repeating the same import is safe and goes on from there.
    pub async fn run(
        &self,
        mode: Mode<'_>,
        report: &mut (dyn Write + Send),
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Report, ImportError> {
        let plan = plan::read(self, progress)?;
        pass::run(self, plan, mode, report, progress).await
    }
}
