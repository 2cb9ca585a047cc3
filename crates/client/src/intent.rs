//! A creation or a change, complete before it is tried first: so every try of it is the same.

use std::fmt;
use std::fmt::Write as _;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request};
use hyper::body::Bytes;
use runledger_domain::{Source, Version};
use serde::{Deserialize, Serialize};

use crate::record::Record;

/// What somebody wants done, with the name under which it counts once.
///
/// An [`Unknown`](crate::Unknown) outcome hands it back. [`Client::repeat`](crate::Client::repeat) asks for it again, at
/// any later time, also from another process: it can be stored (`serde`). It holds no token.
///
/// The name of a creation belongs to its source, so an intent keeps the source of its client. With a token that speaks
/// for one source, and no source given, it must be repeated with a token of the same source.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Intent {
    pub(crate) operation: Operation,
    pub(crate) path: String,
    pub(crate) body: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) version: Option<Version>,
    pub(crate) source: Option<Source>,
}

/// What an intent does.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Operation {
    /// Creates the record of a run.
    CreateJob,
    /// Creates one client run record.
    CreateClient,
    /// Creates several client run records.
    CreateClients,
    /// Changes the contents of a record.
    Change,
    /// Begins a stage.
    StartStage,
    /// Ends a stage.
    FinishStage,
    /// Says that the work goes on.
    Heartbeat,
    /// Ends a record.
    Complete,
}

/// What a repeated intent came to.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Settled {
    /// The record as it stands; several for [`Operation::CreateClients`].
    pub records: Vec<Record>,
    /// Whether it had been done before.
    pub replayed: bool,
}

impl Operation {
    /// The word for the operation: the name of the method that it is for.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateJob => "create_job",
            Self::CreateClient => "create_client",
            Self::CreateClients => "create_clients",
            Self::Change => "change",
            Self::StartStage => "start_stage",
            Self::FinishStage => "finish_stage",
            Self::Heartbeat => "heartbeat",
            Self::Complete => "complete",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Intent {
    /// What it does.
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// The attempt or update id that every try carries; `None` for what has the same effect the second time anyway.
    pub fn idempotency_key(&self) -> Option<&str> {
        self.idempotency_key.as_deref()
    }

    pub(crate) fn request(&self) -> Result<Request<Bytes>, http::Error> {
        let method = match self.operation {
            Operation::Change => Method::PATCH,
            _ => Method::POST,
        };
        let mut builder = Request::builder()
            .method(method)
            .uri(&self.path)
            .header(ACCEPT, "application/json");
        if let Some(source) = &self.source {
            builder = builder.header("runledger-source", source.as_str());
        }
        if let Some(key) = &self.idempotency_key {
            builder = builder.header("idempotency-key", key);
        }
        if let Some(version) = self.version {
            builder = builder.header("if-match", format!("\"{version}\""));
        }
        if self.body.is_some() {
            builder = builder.header(CONTENT_TYPE, "application/json");
        }
        builder.body(Bytes::from(self.body.clone().unwrap_or_default()))
    }
}

/// A name that nobody else chooses: 128 bits of chance.
pub(crate) fn new_name() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    let mut name = String::with_capacity(32);
    for byte in bytes {
        // Writing to a text cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_is_stored_and_read_back_and_asks_for_the_same() {
        let intent = Intent {
            operation: Operation::Change,
            path: "/v1/runs/nightly".into(),
            body: Some(r#"{"note":"once"}"#.into()),
            idempotency_key: Some(new_name().unwrap()),
            version: Some(3),
            source: Some("orchestrator".parse().unwrap()),
        };
        let stored = serde_json::to_string(&intent).unwrap();
        let read: Intent = serde_json::from_str(&stored).unwrap();
        assert_eq!(read, intent);
        let (first, second) = (intent.request().unwrap(), read.request().unwrap());
        assert_eq!(first.headers(), second.headers());
        assert_eq!(first.headers()["if-match"], "\"3\"");
        assert_eq!(first.body(), second.body());
    }
}
