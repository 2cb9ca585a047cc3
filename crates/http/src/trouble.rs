//! One problem that happened: its kind, what it is about, and how it is answered (RFC 9457). Also the hand-written way
//! from the app's errors to problems.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use runledger_app::{CreationError, FunctionError, ReadError};
use runledger_domain::activity::printable;
use runledger_domain::{CreationField, RunKey, RunRecord, Subject, Timestamp};
use runledger_ports::{ChangeError, Unavailable};
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use crate::problem::{self, Kind};
use crate::spans::ProblemCode;
use crate::wire::record::Record;
use crate::wire::text::Shown;

/// The longest detail, in characters: what others sent is quoted in it.
const DETAIL_MAX_CHARS: usize = 400;
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
/// How long to wait before the same request, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"runledger\"");

/// Why a request is not answered as its sender wished.
#[derive(Debug)]
pub(crate) struct Problem(Box<Details>);

#[derive(Debug)]
struct Details {
    kind: &'static Kind,
    detail: String,
    subject: Option<Subject>,
    field: Option<String>,
    existing: Option<(Arc<RunRecord>, Timestamp)>,
    differs_in: Vec<CreationField>,
    /// What the line says instead, when the answer must not say it.
    logged_as: Option<&'static Kind>,
    /// After how many seconds to try again.
    retry_after: Option<u64>,
}

impl Problem {
    /// A problem of this kind; `detail` says what happened this time and what to do about it.
    pub(crate) fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Self(Box::new(Details {
            kind,
            detail: clip(detail.into()),
            subject: None,
            field: None,
            existing: None,
            differs_in: Vec::new(),
            logged_as: None,
            retry_after: None,
        }))
    }

    /// A value that is not allowed.
    pub(crate) fn value(field: &str, detail: impl Into<String>) -> Self {
        Self::new(&problem::VALUE_INVALID, detail).at(field)
    }

    /// Names the field, header or parameter.
    pub(crate) fn at(mut self, field: &str) -> Self {
        self.0.field = Some(printable(field));
        self
    }

    /// Puts the field into the part of the body that it was read from, such as `clients[3]`.
    pub(crate) fn inside(mut self, part: &str) -> Self {
        self.0.field = Some(match self.0.field {
            Some(field) => format!("{part}.{field}"),
            None => part.into(),
        });
        self
    }

    /// Says which record was meant, by the texts that were sent, unless that is known already.
    pub(crate) fn about(mut self, run: &str, client: &str) -> Self {
        if self.0.subject.is_none() && !(run.is_empty() && client.is_empty()) {
            self.0.subject = Some(Subject::claimed(run, client));
        }
        self
    }

    /// Shows the record as it stands.
    pub(crate) fn existing(mut self, record: Arc<RunRecord>, now: Timestamp) -> Self {
        self.0.subject = Some(Subject::of(record.key()));
        self.0.existing = Some((record, now));
        self
    }

    fn of(mut self, key: &RunKey) -> Self {
        self.0.subject = Some(Subject::of(key));
        self
    }

    /// Says after how many seconds to try again.
    pub(crate) fn after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// Keeps another kind for the line in the log: what the caller may not learn.
    pub(crate) fn logged_as(mut self, kind: &'static Kind) -> Self {
        self.0.logged_as = Some(kind);
        self
    }

    /// The code and the detail for the line in the log.
    pub(crate) fn logged(&self) -> (&'static str, &str) {
        match self.0.logged_as {
            Some(kind) => (kind.code, kind.title),
            None => (self.0.kind.code, &self.0.detail),
        }
    }

    /// What is said of it, for whoever says it in another shape: status, code, detail, and after how many seconds to try
    /// again.
    pub(crate) fn said(&self) -> (StatusCode, &'static str, &str, Option<u64>) {
        let details = &*self.0;
        let status = details.kind.status;
        let unavailable = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1);
        (
            status,
            details.kind.code,
            &details.detail,
            details.retry_after.or(unavailable),
        )
    }

    pub(crate) const fn subject(&self) -> Option<&Subject> {
        self.0.subject.as_ref()
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let details = &*self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &Shown(&format_args!("/problems/{}", details.kind.code)))?;
        map.serialize_entry("title", details.kind.title)?;
        map.serialize_entry("status", &details.kind.status.as_u16())?;
        map.serialize_entry("detail", &details.detail)?;
        map.serialize_entry("code", details.kind.code)?;
        if let Some(field) = &details.field {
            map.serialize_entry("field", field)?;
        }
        if let Some(subject) = &details.subject {
            for (name, text) in [("run_id", &subject.run), ("client_id", &subject.client)] {
                if !text.is_empty() {
                    map.serialize_entry(name, text)?;
                }
            }
        }
        if let Some((record, now)) = &details.existing {
            map.serialize_entry("existing", &Record::of(record, *now))?;
        }
        if !details.differs_in.is_empty() {
            let names: Vec<_> = details.differs_in.iter().map(|field| field.as_str()).collect();
            map.serialize_entry("differs_in", &names)?;
        }
        map.end()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // A problem holds texts and a record; writing them as JSON into memory cannot fail.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        let status = self.0.kind.status;
        *response.status_mut() = status;
        response.extensions_mut().insert(ProblemCode(self.0.kind.code));
        response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, BEARER);
        }
        if let Some(seconds) = self.0.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }
}

impl From<Unavailable> for Problem {
    fn from(unavailable: Unavailable) -> Self {
        let kind = match unavailable {
            Unavailable::Busy => &problem::BUSY,
            Unavailable::Stopped { .. } => &problem::STOPPED,
            // The enum is open to new cases: what is not known here failed.
            _ => &problem::STORE_FAILED,
        };
        Self::new(kind, unavailable.to_string())
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound { ref key } => Self::new(&problem::NOT_FOUND, error.to_string()).of(key),
            ReadError::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

/// What a creation failed with.
pub(crate) fn of_creation(error: CreationError, now: Timestamp) -> Problem {
    let detail = error.to_string();
    match error {
        CreationError::NotAuthorised { key, reason } => Problem::new(problem::of(reason.code()), detail).of(&key),
        CreationError::Conflict { existing, differs_in } => {
            let mut problem = Problem::new(&problem::CONFLICT, detail).existing(existing, now);
            problem.0.differs_in = differs_in;
            problem
        }
        CreationError::AttemptReused { existing, differs_in } => {
            let mut problem = Problem::new(&problem::IDEMPOTENCY_KEY_REUSED, detail)
                .at("Idempotency-Key")
                .existing(existing, now);
            problem.0.differs_in = differs_in;
            problem
        }
        CreationError::Refused { key, refusal } => Problem::new(problem::of(refusal.code()), detail).of(&key),
        CreationError::NoFreeSecond => Problem::new(&problem::NO_FREE_SECOND, detail),
        CreationError::CannotMint => Problem::new(&problem::CANNOT_MINT, detail).at("run_id"),
        CreationError::BatchSize { .. } => Problem::new(&problem::BATCH_SIZE, detail).at("clients"),
        CreationError::Indeterminate { .. } => Problem::new(&problem::IN_DOUBT, detail),
        CreationError::Unavailable(unavailable) => unavailable.into(),
        // The enum is open to new cases: nothing is known about what they mean for the record (I10).
        _ => Problem::new(&problem::INTERNAL, detail),
    }
}

/// What a change failed with.
pub(crate) fn of_change(error: ChangeError, now: Timestamp) -> Problem {
    let detail = error.to_string();
    match error {
        ChangeError::NotFound { key } => Problem::new(&problem::NOT_FOUND, detail).of(&key),
        ChangeError::Refused { refusal, current } => {
            Problem::new(problem::of(refusal.code()), detail).existing(current, now)
        }
        ChangeError::Indeterminate { .. } => Problem::new(
            &problem::IN_DOUBT,
            format!("{detail}; read the record, or send the same change again with the same update id"),
        ),
        // No request that comes from outside goes with a duty.
        ChangeError::Fenced { .. } => Unavailable::Failed { reason: detail }.into(),
        ChangeError::Unavailable(unavailable) => unavailable.into(),
    }
}

/// What a function failed with.
pub(crate) fn of_function(error: FunctionError, now: Timestamp) -> Problem {
    let FunctionError {
        code,
        detail,
        field,
        subject,
        existing,
    } = error;
    let mut problem = Problem::new(problem::of(code), detail).about(&subject.run, &subject.client);
    if let Some(existing) = existing {
        problem = problem.existing(existing.record, now);
        problem.0.differs_in = existing.differs_in;
    }
    if let Some(field) = field {
        problem = problem.at(&field);
    }
    problem
}

/// Clips what may quote a whole body, and makes it safe for a log line.
fn clip(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(DETAIL_MAX_CHARS) {
        text.truncate(end);
        text.push('…');
    }
    if text.contains(char::is_control) {
        text = text.replace(char::is_control, "?");
    }
    text
}
