//! What callers asked of each record, from when to when, and what they were answered: the input of the check that follows.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::http;

/// The name of one wish. Every try of it goes out under this name.
pub(crate) type Name = u64;
/// A moment, in nanoseconds from the beginning of the test.
pub(crate) type Moment = u64;
/// The end of what has none: nobody heard an answer, so it may take effect at any later time.
pub(crate) const NEVER: Moment = Moment::MAX;

/// What is asked of one record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ask {
    /// Create it, in the attempt of this name.
    Create(Name),
    /// Add one to `count`, in the update of this name.
    Add(Name),
    /// Set `mark` to the name of this update, if the record has this version.
    Set(Name, u64),
    /// End it, as succeeded or as failed.
    Complete(bool),
    /// Show it.
    Get,
}

/// What an answer shows of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct View {
    pub(crate) attempt: Name,
    pub(crate) version: u64,
    pub(crate) count: u64,
    pub(crate) mark: Name,
    /// How it ended: succeeded, or failed.
    pub(crate) ended: Option<bool>,
}

/// What came of one try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// It was done by this try.
    Done(View),
    /// It had been done before; this is the record now.
    Replayed(View),
    /// The record, to whoever asked to see it.
    Shown(View),
    /// The key is taken by another attempt.
    Taken(View),
    /// The record has ended.
    Ended(View),
    /// The record has another version.
    OtherVersion(View),
    /// There is no such record.
    Absent,
    /// Nobody knows: it may take effect yet.
    Unknown,
}

/// One try.
#[derive(Clone, Debug)]
pub(crate) struct Try {
    pub(crate) ask: Ask,
    pub(crate) from: Moment,
    /// When the answer was there; [`NEVER`] while it is not known.
    pub(crate) to: Moment,
    pub(crate) answer: Answer,
    /// Which caller at which server.
    pub(crate) by: (usize, usize),
}

/// All tries, by the run that they are about.
pub(crate) type History = BTreeMap<String, Vec<Try>>;

impl Ask {
    /// The name that goes out with it.
    pub(crate) const fn name(self) -> Option<Name> {
        match self {
            Self::Create(name) | Self::Add(name) | Self::Set(name, _) => Some(name),
            Self::Complete(_) | Self::Get => None,
        }
    }

    /// Whether it can have an effect.
    pub(crate) const fn writes(self) -> bool {
        !matches!(self, Self::Get)
    }
}

impl Answer {
    /// Reads an answer; nothing when the server says that nothing was done, and why.
    pub(crate) fn read(ask: Ask, answer: &http::Answer) -> Result<Self, String> {
        let body = &answer.body;
        let code = body["code"].as_str().unwrap_or_default();
        let existing = || View::read(&body["existing"]);
        Ok(match (answer.status, code) {
            (200, _) if ask == Ask::Get => Self::Shown(View::read(body)),
            (200 | 201, _) if answer.replayed => Self::Replayed(View::read(body)),
            (201, _) if matches!(ask, Ask::Create(_)) => Self::Done(View::read(body)),
            (200, _) if !matches!(ask, Ask::Create(_)) => Self::Done(View::read(body)),
            (404, "not_found") => Self::Absent,
            (409, "conflict") => Self::Taken(existing()),
            (409, "already_ended") => Self::Ended(existing()),
            (412, "version_mismatch") => Self::OtherVersion(existing()),
            (503, "in_doubt") => Self::Unknown,
            (503, "store_failed" | "busy") => return Err(code.to_owned()),
            _ => panic!("{ask:?} has no such answer: {answer:?}"),
        })
    }

    pub(crate) const fn view(&self) -> Option<View> {
        match self {
            Self::Done(view)
            | Self::Replayed(view)
            | Self::Shown(view)
            | Self::Taken(view)
            | Self::Ended(view)
            | Self::OtherVersion(view) => Some(*view),
            Self::Absent | Self::Unknown => None,
        }
    }
}

impl View {
    /// Reads a record as the API shows it.
    pub(crate) fn read(record: &Value) -> Self {
        let attempt = record["attempt"]
            .as_str()
            .and_then(|text| text.strip_prefix("attempt-"));
        let metric = |name: &str| record["metrics"][name].as_u64().unwrap_or_default();
        Self {
            attempt: attempt
                .and_then(|name| name.parse().ok())
                .unwrap_or_else(|| panic!("no record: {record}")),
            version: record["version"].as_u64().unwrap(),
            count: metric("count"),
            mark: metric("mark"),
            ended: match record["status"].as_str().unwrap() {
                "running" => None,
                "succeeded" => Some(true),
                "failed" => Some(false),
                other => panic!("nobody made it {other}: {record}"),
            },
        }
    }
}

impl fmt::Display for Try {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |moment: Moment| moment / 1_000_000;
        let Self {
            ask,
            from,
            to,
            answer,
            by,
        } = self;
        write!(f, "caller {} at server {}, {} to ", by.0, by.1, milliseconds(*from))?;
        match *to {
            NEVER => f.write_str("?")?,
            to => write!(f, "{}", milliseconds(to))?,
        }
        write!(f, " ms: {ask:?} -> {answer:?}")
    }
}
