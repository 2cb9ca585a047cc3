//! How a client is set up.

use std::path::PathBuf;
use std::time::Duration;

use runledger_domain::Source;

use crate::client::Client;
use crate::connection::{Connection, Settings};
use crate::error::Error;
use crate::retry::Retry;

/// How long one try may wait for its answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of a [`Client`], made by [`Client::builder`].
#[derive(Clone, Debug)]
#[must_use = "`build` makes the client"]
pub struct Builder {
    url: String,
    settings: Settings,
    source: Option<Source>,
    timeout: Duration,
    retry: Option<Retry>,
}

impl Builder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            settings: Settings::default(),
            source: None,
            timeout: TIMEOUT,
            retry: Some(Retry::default()),
        }
    }

    /// Shows this token. It is kept out of everything that is printed.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.settings = self.settings.token(token);
        self
    }

    /// Names the program or step that asks. Whatever creates or changes needs one, unless the token has one alone.
    pub fn source(mut self, source: Source) -> Self {
        self.source = Some(source);
        self
    }

    /// Believes the certificates in this PEM file, and no others. Without it, those of the platform are believed.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings = self.settings.ca_file(path);
        self
    }

    /// Believes the certificates in this PEM text, and no others.
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.settings = self.settings.ca_pem(pem);
        self
    }

    /// How long one try may wait for its answer; 10 seconds by default.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long a call may take with all its tries; a minute by default.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.retry = Some(Retry {
            deadline,
            ..self.retry.unwrap_or_default()
        });
        self
    }

    /// When a call is tried again; `None` tries once.
    pub const fn retry(mut self, retry: Option<Retry>) -> Self {
        self.retry = retry;
        self
    }

    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::SetUp`]: the URL, the token or the certificates cannot be used.
    pub fn build(self) -> Result<Client, Error> {
        let connection = Connection::new(&self.url, &self.settings)?;
        Ok(Client::new(connection, self.source, self.timeout, self.retry))
    }
}
