//! How the store is set up. The address of the database holds a password: it is shown to nobody.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::error::OpenError;

/// The address of the database, e.g. `postgres://user:secret@host:5432/ledger?sslmode=require`. Several hosts may be named,
/// with `target_session_attrs=read-write`, so that the primary is found after a fail-over.
#[derive(Clone)]
pub struct DatabaseUrl(tokio_postgres::Config);

impl DatabaseUrl {
    pub(crate) const fn config(&self) -> &tokio_postgres::Config {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = OpenError;

    fn from_str(text: &str) -> Result<Self, OpenError> {
        // The parser's own error may quote what it could not read, and that may be the password.
        text.parse().map(Self).map_err(|_| OpenError::Url)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(..)")
    }
}

/// How the store is set up.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// The database.
    pub url: DatabaseUrl,
    /// The certificates that the database's own must come from, as PEM; those of the platform when there is none.
    pub ca_file: Option<PathBuf>,
    /// How many connections read; one more writes.
    pub pool: usize,
    /// How many operations may wait for the writer; more are answered
    /// [`Unavailable::Busy`](runledger_ports::Unavailable::Busy).
    pub queue: usize,
    /// How long the writer tries before it says that it does not know, or that nothing was done.
    pub write_time: Duration,
    /// How long a read may take.
    pub read_time: Duration,
    /// Whether notices go to other servers and come from them, on one connection more. Without, whoever follows the log
    /// sees what others write a moment later.
    pub notices: bool,
    /// How often it is looked whether others have written, while somebody follows the log.
    pub look_every: Duration,
}

impl PostgresOptions {
    /// The database at this address: 8 connections that read, 8192 operations, 10 s for a write, 10 s for a read, with notices, and a
    /// look ten times a second.
    pub const fn new(url: DatabaseUrl) -> Self {
        Self {
            url,
            ca_file: None,
            pool: 8,
            queue: 8_192,
            write_time: Duration::from_secs(10),
            read_time: Duration::from_secs(10),
            notices: true,
            look_every: Duration::from_millis(100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_shown_the_password() {
        let url: DatabaseUrl = "postgres://ledger:hidden-word@db/ledger".parse().unwrap();
        assert!(!format!("{:?}", PostgresOptions::new(url)).contains("hidden-word"));
        let wrong = "postgres://ledger:hidden-word@db:hidden-word/ledger?hidden-word=1";
        let error = wrong.parse::<DatabaseUrl>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hidden-word"));
    }
}
