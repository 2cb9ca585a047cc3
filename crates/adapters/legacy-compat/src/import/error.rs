//! What stops an import. A row that cannot be taken never does; it is refused and the rest goes on.

use std::io;
use std::path::PathBuf;

use runledger_app::CreationError;
use runledger_domain::RunKey;
use runledger_ports::{ChangeError, Unavailable};

/// Why an import stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// No file was given.
    #[error("nothing to import; give the file of the jobs, of the clients, or both")]
    NoInput,
    /// The file cannot be opened.
    #[error("cannot open {}; check the path and that it may be read", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory, a pipe or something else that cannot be read twice.
    #[error("{} is not a regular file; the import reads a file twice, so save it as one first", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// There is nothing in the file, not even column names.
    #[error("{} is empty; export the table again", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The column names cannot be read.
    #[error("the column names of {} cannot be read: {problem}; export the table as CSV in UTF-8", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        problem: String,
    },
    /// A column that is needed is not there.
    #[error("{} has no column \"{column}\"; its columns are: {found}. Export the table with it", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// The columns that there are, separated by commas.
        found: String,
    },
    /// No line of a file of JSON lines is a record.
    #[error("no line of {} is a record of the Airtable API, {{\"fields\":{{..}}}}; {looks_like}", path.display())]
    NoRecords {
        /// The file.
        path: PathBuf,
        /// What it looks like instead, and what to do.
        looks_like: &'static str,
    },
    /// The file could not be read to its end.
    #[error("cannot read {} past line {line}; what was created stays, and repeating the import is safe", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The last line that was read.
        line: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what it was at the first reading.
    #[error(
        "{} was changed while it was being imported; what was created stays. Repeat the import once nothing writes to \
         it", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The report cannot be written.
    #[error("cannot write the report; what was created stays, and repeating the import is safe")]
    Report {
        /// What the system said.
        source: io::Error,
    },
    /// The policy does not let the import create records.
    #[error("the creation policy of this ledger does not allow imports; run the import command of the ledger itself")]
    NotAllowed {
        /// The refusal.
        source: CreationError,
    },
    /// The ledger could not take a record, or could not say whether it has.
    #[error(
        "the ledger stopped taking records at {key}; what was created stays, and repeating the same import is safe: it goes on from there"
    )]
    Store {
        /// The record.
        key: RunKey,
        /// What the ledger said.
        source: CreationError,
    },
    /// The metrics of a record could not be raised, or the ledger could not say whether they are.
    #[error(
        "the ledger did not raise the metrics of {key}; what was done stays, and repeating the same import is safe"
    )]
    Raise {
        /// The record.
        key: RunKey,
        /// What the ledger said.
        source: ChangeError,
    },
    /// The ledger cannot be read, so a dry run cannot compare with it.
    #[error("the ledger cannot be read to compare with it; nothing was written. Check it with `runledger verify`")]
    Compare {
        /// What the ledger said.
        source: Unavailable,
    },
}
