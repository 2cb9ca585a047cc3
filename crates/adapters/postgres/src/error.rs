//! What can go wrong, and what is known of a write when it did.

use std::path::PathBuf;

use runledger_ports::Unavailable;
use tokio_postgres::error::{DbError, Severity, SqlState};

/// Why the store does not open, or the schema cannot be brought up to date.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The address cannot be read. It is not shown, because it may hold a password.
    #[error(
        "the address of the database cannot be read; write it as postgres://USER:PASSWORD@HOST:5432/DATABASE, with special \
         characters of the password percent-encoded"
    )]
    Url,
    /// The certificates cannot be used.
    #[error("the certificates {what} cannot be used: {reason}")]
    Certificates {
        /// Which.
        what: String,
        /// Why.
        reason: String,
    },
    /// The database cannot be reached, or does not let us in.
    #[error("the database cannot be used: {reason}")]
    Database {
        /// What it, or the way to it, said.
        reason: String,
    },
    /// The database does not know the user, or not with this password, or not from here.
    #[error("the database does not let this user in: {reason}; look at user and password in postgres.url")]
    LogIn {
        /// What it said.
        reason: String,
    },
    /// The server of the database has none of this name.
    #[error(
        "the database is not there: {reason}; make it with CREATE DATABASE ... ENCODING 'UTF8', or name another one in \
         postgres.url"
    )]
    NoDatabase {
        /// What it said.
        reason: String,
    },
    /// The database lets the user in, and not do what is needed.
    #[error(
        "the database does not allow this user what is needed: {reason}; give it a role of `runledger db roles`, or for \
         `db migrate` the right to make tables"
    )]
    NotAllowed {
        /// What it said.
        reason: String,
    },
    /// The database cannot hold every text.
    #[error(
        "the database has the encoding {found}, in which not every text can be kept; make one with CREATE DATABASE ... \
         ENCODING 'UTF8' TEMPLATE template0"
    )]
    Encoding {
        /// Which it has.
        found: String,
    },
    /// Somebody holds what is to be changed.
    #[error(
        "the tables of the ledger are held by somebody else, perhaps a back-up; nothing was changed, try again when that \
         is done"
    )]
    Locked,
    /// There is no ledger in the database.
    #[error(
        "there is no ledger in the database; make one with `runledger db migrate`, as a role that may create tables"
    )]
    Absent,
    /// The schema is older than this program needs.
    #[error(
        "the ledger in the database has schema {found}, this program needs {needed}; run `runledger db migrate` first"
    )]
    Older {
        /// What there is.
        found: i32,
        /// What is needed.
        needed: i32,
    },
    /// The schema is newer than this program knows, and does not serve it (I17).
    #[error(
        "the ledger in the database has schema {found}, this program knows schemas up to {known}; it was left alone. Use a \
         newer program"
    )]
    Newer {
        /// What there is.
        found: i32,
        /// What is known.
        known: i32,
    },
}

impl OpenError {
    /// Whether the database may come back by itself.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Database { .. } | Self::Locked)
    }
}

impl From<tokio_postgres::Error> for OpenError {
    fn from(error: tokio_postgres::Error) -> Self {
        let reason = text_of(&error);
        match error.code().map(SqlState::code) {
            Some(LOCKED) => Self::Locked,
            Some(NO_DATABASE) => Self::NoDatabase { reason },
            Some(NOT_ALLOWED) => Self::NotAllowed { reason },
            Some(code) if code.starts_with(LOG_IN) => Self::LogIn { reason },
            // What the driver itself finds wrong has no code.
            None if reason.starts_with(NO_PASSWORD) || reason.starts_with(NOT_BELIEVED) => Self::LogIn { reason },
            None if reason.starts_with(UNFIT) => Self::Url,
            _ => Self::Database { reason },
        }
    }
}

const LOCKED: &str = "55P03";
const NO_DATABASE: &str = "3D000";
const NOT_ALLOWED: &str = "42501";
/// The class of everything that is wrong with who logs in.
const LOG_IN: &str = "28";
/// What the driver says of an address with which it cannot connect to anything.
const UNFIT: &str = "invalid configuration";
const NO_PASSWORD: &str = "invalid configuration: password missing";
/// What the driver says when both sides do not agree on how to log in.
const NOT_BELIEVED: &str = "authentication error";

/// Why a statement has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// What the database, or the way to it, said.
    #[error("{0}")]
    Database(String),
    /// The database cannot be opened for use at the moment.
    #[error(transparent)]
    NotOpen(#[from] OpenError),
    /// The time is up.
    #[error("the database gave no answer within {} ms", .0.as_millis())]
    Silent(std::time::Duration),
    /// A record cannot be read or written as JSON.
    #[error("the record {key} is stored in a form that cannot be read: {source}")]
    Record {
        /// Which.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
    /// What is stored contradicts itself.
    #[error("the ledger contradicts itself: {0}")]
    Inconsistent(String),
    /// The store was closed.
    #[error("it is shut down")]
    Closed,
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let text = text_of(&error);
        match OpenError::from(error) {
            OpenError::Database { .. } | OpenError::Locked => Self::Database(text),
            final_answer => Self::NotOpen(final_answer),
        }
    }
}

impl From<StoreError> for Unavailable {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Closed => Self::Stopped {
                reason: error.to_string(),
            },
            error => Self::Failed {
                reason: error.to_string(),
            },
        }
    }
}

/// What is known of a call that has no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// The database rolled it back.
    NotDone,
    /// It may have been done, or may still be.
    Unknown,
}

/// What an error says about the call that it answers.
pub(crate) fn fate(error: &tokio_postgres::Error) -> Fate {
    error.as_db_error().map_or(Fate::Unknown, fate_of)
}

fn fate_of(error: &DbError) -> Fate {
    let ended = matches!(error.parsed_severity(), Some(Severity::Fatal | Severity::Panic) | None);
    // Whoever ends a session may do so while its commit, which is done here, waits for the standby (V1).
    let in_doubt = error.code() == &SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN || error.code().code().starts_with("57");
    if ended || (in_doubt && error.code() != &SqlState::QUERY_CANCELED) {
        Fate::Unknown
    } else {
        Fate::NotDone
    }
}

/// Errors that pass by themselves: serialization, deadlock, a lock or a statement that took too long, a call that comes
/// after its settlement, a database that is (still) a standby or is going down.
const PASSING: [&str; 11] = [
    "40001", "40P01", "55P03", "57014", "RL001", "25006", "57P01", "57P02", "57P03", "53300", GONE,
];
/// The statement is gone, because the schema serves this program no longer. That does not pass, and is not the operations'
/// fault: the next connection says which program is needed.
pub(crate) const GONE: &str = "42883";

/// The ledger is being taken over, and not whole yet.
pub(crate) const NOT_WHOLE: &str = "RL004";

/// Whether an error with this code passes by itself.
pub(crate) fn passes(code: &str) -> bool {
    PASSING.contains(&code)
}

/// What happened, with what caused it. Values of rows are left out.
pub(crate) fn text_of(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return format!("{} ({})", error.message(), error.code().code());
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// The certificates in this file cannot be used.
pub(crate) fn bad_certificates(file: Option<&PathBuf>, reason: &dyn ToString) -> OpenError {
    OpenError::Certificates {
        what: file.map_or_else(|| "of the platform".to_owned(), |file| format!("in {}", file.display())),
        reason: reason.to_string(),
    }
}
