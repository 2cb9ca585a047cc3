//! Why the store does not open, and how a failing SQLite is reported.

use std::io;
use std::path::PathBuf;

use runledger_ports::Unavailable;

/// Why a ledger cannot be opened. Nothing was served and nothing was written to a ledger that exists.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process writes to this ledger.
    #[error("the ledger in {} is held by another process; use that one, or stop it first", directory.display())]
    InUse {
        /// The data directory.
        directory: PathBuf,
    },
    /// There is no ledger in the directory, and reading must not make one.
    #[error("there is no ledger in {}; check the data directory", directory.display())]
    Absent {
        /// The data directory.
        directory: PathBuf,
    },
    /// The file was written by a newer version.
    #[error("the ledger has schema version {found}, this program knows up to {known}; use the newer program")]
    Newer {
        /// The version of the file.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The file was written by an older version and not opened for writing since.
    #[error(
        "the ledger has schema version {found}, this program reads {known}; `runledger serve`, or any command that \
             writes, brings it forward"
    )]
    Older {
        /// The version of the file.
        found: i64,
        /// The version that this program reads.
        known: i64,
    },
    /// The file is an SQLite database of something else.
    #[error("{} is not a run ledger; nothing was changed", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// SQLite does not guarantee what the ledger promises (I16).
    #[error("the ledger cannot promise that what it acknowledges is kept: {promise}; nothing is served")]
    Unsafe {
        /// What was not confirmed.
        promise: String,
    },
    /// The file system failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite failed.
    #[error("cannot {action} the ledger")]
    Sqlite {
        /// What was attempted.
        action: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

/// What can go wrong inside a transaction.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// SQLite said no.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A stored record cannot be read.
    #[error("the stored record {key} cannot be read ({source}); run `runledger verify`")]
    Record { key: String, source: serde_json::Error },
    /// What is stored contradicts itself.
    #[error("the ledger contradicts itself: {0}; run `runledger verify`")]
    Inconsistent(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// No further connection for reading could be opened.
    #[error("no further reader could be opened: {0}")]
    NoReader(Box<OpenError>),
}

impl StoreError {
    /// Whether only the operation that met it is concerned, not the transaction around it.
    pub(crate) const fn is_local(&self) -> bool {
        matches!(self, Self::Record { .. })
    }

    /// Whether SQLite may have lost track of what is on disk, so that nothing more may be written (I16).
    pub(crate) fn stops_writer(&self) -> bool {
        use rusqlite::ErrorCode as Code;
        match self {
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(Code::SystemIoFailure | Code::DatabaseCorrupt | Code::NotADatabase | Code::CannotOpen)
            ),
            Self::Inconsistent(_) => true,
            Self::Record { .. } | Self::Closed | Self::NoReader(_) => false,
        }
    }
}

impl From<StoreError> for Unavailable {
    fn from(error: StoreError) -> Self {
        Self::Failed {
            reason: error.to_string(),
        }
    }
}
