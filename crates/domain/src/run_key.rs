//! The key of a record: a run, or one client's share in it (I1, I15).

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use crate::client_id::ClientId;
use crate::run_id::{RunId, RunIdError, RunIdReason, RunIdScheme, begins_like_timestamp, clip, fixed_shape_prefix};
use crate::text::TextError;

/// What a record is found by, for ever: the run alone (a job record), or the run and a client (a client run record).
///
/// A key is written as `250925-112233` or `250925-112233-Guy-Wilson`. Client ids hold hyphens, so the split is exact
/// because the run id in front has a fixed shape; a run that is a *name* has none and is written `nightly/Guy-Wilson`.
///
/// ```
/// use runledger_domain::RunKey;
/// let key: RunKey = "250925-112233-Guy-Wilson".parse()?;
/// assert_eq!(key.run().as_str(), "250925-112233");
/// assert_eq!(key.client().map(|c| c.as_str()), Some("Guy-Wilson"));
/// assert_eq!(key.to_string(), "250925-112233-Guy-Wilson");
/// # Ok::<(), runledger_domain::RunKeyError>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum RunKey {
    /// The record of the run itself.
    Job(RunId),
    /// One client's share in the run.
    Client(RunId, ClientId),
}

/// Which kind of record a key names.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum RecordKind {
    /// The record of a run.
    Job,
    /// The record of one client's share in a run.
    Client,
}

impl RecordKind {
    /// `job` or `client`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Client => "client",
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a text, or a pair of texts, is not a run key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RunKeyError {
    /// The run id is not one.
    #[error(transparent)]
    Run(#[from] RunIdError),
    /// The client id is not one.
    #[error(transparent)]
    Client(#[from] TextError),
    /// The run id carries a client other than the one given.
    #[error("run id {text:?} carries the client {suffix:?}, but the client given is {client:?}; one of them is wrong")]
    ClientMismatch {
        /// The run id as sent.
        text: String,
        /// The client in it.
        suffix: String,
        /// The client that was given apart.
        client: String,
    },
}

impl RunKey {
    /// Makes a key from a run id text and a client given apart, if any.
    ///
    /// The run id may be written with its own client behind it (`250925-112233-Guy-Wilson` for the client
    /// `Guy-Wilson`): both spellings are one key (I15).
    ///
    /// # Errors
    /// [`RunKeyError::ClientMismatch`] when the run id names another client; the others when a part is not an id.
    pub fn resolve(run: &str, client: Option<&ClientId>) -> Result<Self, RunKeyError> {
        let Some(client) = client else {
            return Ok(Self::Job(run.parse()?));
        };
        if let Some(length) = fixed_shape_prefix(run) {
            let suffix = &run[length + 1..];
            if suffix != client.as_str() {
                return Err(RunKeyError::ClientMismatch {
                    text: clip(run),
                    suffix: clip(suffix),
                    client: clip(client.as_str()),
                });
            }
            return Ok(Self::Client(run[..length].parse()?, client.clone()));
        }
        Ok(Self::Client(run.parse()?, client.clone()))
    }

    /// The key whose run and client stand apart, as stores and lines of the log hold them: a job record has an empty client.
    ///
    /// ```
    /// use runledger_domain::RunKey;
    ///
    /// assert_eq!(RunKey::of_parts("nightly", "acme")?.to_string(), "nightly/acme");
    /// assert_eq!(RunKey::of_parts("nightly", "")?.to_string(), "nightly");
    /// # Ok::<(), runledger_domain::RunKeyError>(())
    /// ```
    ///
    /// # Errors
    /// [`RunKeyError`] when one of them is not an id.
    pub fn of_parts(run: &str, client: &str) -> Result<Self, RunKeyError> {
        let run = run.parse()?;
        if client.is_empty() {
            return Ok(Self::Job(run));
        }
        Ok(Self::Client(run, client.parse()?))
    }

    /// The run that the record belongs to.
    pub const fn run(&self) -> &RunId {
        match self {
            Self::Job(run) | Self::Client(run, _) => run,
        }
    }

    /// The client, for a client run record.
    pub const fn client(&self) -> Option<&ClientId> {
        match self {
            Self::Job(_) => None,
            Self::Client(_, client) => Some(client),
        }
    }

    /// Job or client.
    pub const fn kind(&self) -> RecordKind {
        match self {
            Self::Job(_) => RecordKind::Job,
            Self::Client(..) => RecordKind::Client,
        }
    }

    /// The key of the run's job record.
    #[must_use]
    pub fn job(&self) -> Self {
        Self::Job(self.run().clone())
    }
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(run) => f.pad(run.as_str()),
            Self::Client(run, client) if run.scheme() == RunIdScheme::Name => write!(f, "{run}/{client}"),
            Self::Client(run, client) => write!(f, "{run}-{client}"),
        }
    }
}

impl FromStr for RunKey {
    type Err = RunKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((run, client)) = text.split_once('/') {
            return Self::resolve(run, Some(&client.parse()?));
        }
        if let Some(length) = fixed_shape_prefix(text) {
            return Ok(Self::Client(text[..length].parse()?, text[length + 1..].parse()?));
        }
        // `250999-112233-Guy`: the run id in front is the part to complain about.
        if begins_like_timestamp(text)
            && let Err(RunIdError {
                reason: reason @ RunIdReason::Calendar(_),
                ..
            }) = text[..13].parse::<RunId>()
        {
            return Err(RunIdError {
                text: clip(text),
                reason,
            }
            .into());
        }
        Ok(Self::Job(text.parse()?))
    }
}

text_serde!(RunKey);

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_key_survives_being_written_and_read_in_every_scheme() {
        for run in [
            "250925-112233",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "nightly-x",
        ] {
            for client in ["Guy-Wilson", "3Peaks", "250925-112233", "a"] {
                let key = RunKey::Client(run.parse().unwrap(), client.parse().unwrap());
                assert_eq!(key.to_string().parse::<RunKey>().unwrap(), key);
            }
            let key = RunKey::Job(run.parse().unwrap());
            assert_eq!(key.to_string().parse::<RunKey>().unwrap(), key);
        }
    }

    #[test]
    fn two_spellings_of_one_key_are_one_key() {
        let client: ClientId = "Guy-Wilson".parse().unwrap();
        let bare = RunKey::resolve("250925-112233", Some(&client)).unwrap();
        assert_eq!(
            RunKey::resolve("250925-112233-Guy-Wilson", Some(&client)).unwrap(),
            bare
        );
    }

    #[test]
    fn a_suffix_of_another_client_is_refused() {
        let client: ClientId = "Wilson".parse().unwrap();
        let refused = RunKey::resolve("250925-112233-Guy-Wilson", Some(&client)).unwrap_err();
        assert!(matches!(refused, RunKeyError::ClientMismatch { .. }), "{refused}");
    }

    #[test]
    fn a_job_is_not_named_with_a_client() {
        assert!(RunKey::resolve("250925-112233-Guy-Wilson", None).is_err());
    }
}
