//! Spans of requests, for whoever collects traces: what each request asked, what came of it, and how long. Who makes
//! spans of that is no matter of this crate; without them none of this runs.
//!
//! A span is told what the log is told, and no more: never a token, a note, a metric, a query or a header.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use runledger_app::Ledger;
use runledger_domain::access::Access;
use runledger_domain::{RunKey, Source, Subject, Timestamp};

use crate::answer::REPLAYED;
use crate::describe;
use crate::trace::{self, TraceParent};

/// The outcome of a request whose caller went away before there was an answer.
const CALLER_GONE: &str = "caller_gone";

/// Makes a span of each request.
pub trait Spans: fmt::Debug + Send + Sync {
    /// A request has come; none when no span is made of it. It must not wait for anybody.
    fn begin(&self, asked: Asked<'_>) -> Option<Box<dyn RequestSpan>>;

    /// How many spans there were, and what became of them.
    fn counted(&self) -> SpanCounts;
}

/// The span of one request.
pub trait RequestSpan: Send {
    /// The request is answered, or whoever asked went away. It must not wait for anybody.
    fn end(self: Box<Self>, answered: &Answered<'_>);
}

/// What became of spans since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SpanCounts {
    /// The collector has them.
    pub sent: u64,
    /// Too many waited; these were never sent.
    pub dropped: u64,
    /// The collector did not take them, or it is not known whether it did.
    pub lost: u64,
}

/// What a request asks.
#[derive(Debug)]
#[non_exhaustive]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path as the API describes it, with the names of its parts in place of ids; none when there is no such path.
    pub route: Option<&'a str>,
    /// The operation as the API describes it, such as `createJob`.
    pub operation: Option<&'a str>,
    /// The span that asks, when the headers name one (W3C Trace Context) that is understood.
    pub parent: Option<TraceParent>,
    /// When it came.
    pub at: Timestamp,
}

/// What came of a request.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Answered<'a> {
    /// The status; none when whoever asked went away.
    pub status: Option<StatusCode>,
    /// What it came to: `created`, `replayed`, `changed`, `unchanged`, `read`, the code of the problem, or `caller_gone`.
    pub outcome: &'a str,
    /// The code of the problem, if it is one.
    pub code: Option<&'static str>,
    /// The record, if one was named.
    pub key: Option<&'a str>,
    /// Who asked, if they are known.
    pub source: Option<&'a str>,
    /// From when to when the ledger wrote: its turn, the decision, the commit.
    pub written: Option<(Timestamp, Timestamp)>,
    /// When the answer was there.
    pub at: Timestamp,
}

/// The code of the problem that an answer holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProblemCode(pub(crate) &'static str);

/// What an answer comes to, where its path and method do not tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CameTo(pub(crate) &'static str);

/// What handlers find out about a request while they are at it. Without spans nobody asks, and nothing is kept.
#[derive(Clone, Default)]
pub(crate) struct Notes(Option<Arc<Kept>>);

#[derive(Default)]
struct Kept {
    source: OnceLock<String>,
    key: OnceLock<String>,
    written: OnceLock<(Timestamp, Timestamp)>,
}

impl Notes {
    /// Those of the request with these extensions.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    pub(crate) fn source(&self, source: &Source) {
        if let Some(kept) = &self.0 {
            let _ = kept.source.set(source.to_string());
        }
    }

    /// The only source that whoever reads speaks for, if there is just one.
    pub(crate) fn speaker(&self, access: &Access) {
        if self.0.is_some()
            && let Ok(source) = access.source(None)
        {
            self.source(&source);
        }
    }

    /// The first record that is named stays.
    pub(crate) fn key(&self, key: &dyn fmt::Display) {
        if let Some(kept) = &self.0 {
            let _ = kept.key.set(key.to_string());
        }
    }

    /// Who asks for what, as a function of an older service was told, if they are a source and a record.
    pub(crate) fn claimed(&self, source: &str, subject: &Subject) {
        if self.0.is_none() {
            return;
        }
        if let Ok(source) = source.parse() {
            self.source(&source);
        }
        let client = subject.client.parse().ok();
        if let Ok(key) = RunKey::resolve(&subject.run, client.as_ref()) {
            self.key(&key);
        }
    }

    /// The record that a path names, if it is one.
    pub(crate) fn named(&self, key: impl FnOnce() -> Option<RunKey>) {
        if self.0.is_some()
            && let Some(key) = key()
        {
            self.key(&key);
        }
    }

    /// Notes how long the ledger writes.
    pub(crate) async fn writing<T>(&self, ledger: &Ledger, write: impl Future<Output = T>) -> T {
        let Some(kept) = &self.0 else { return write.await };
        let began = ledger.runs.now();
        let written = write.await;
        let _ = kept.written.set((began, ledger.runs.now()));
        written
    }
}

/// What the middleware needs.
pub(crate) struct Observed {
    pub(crate) spans: Arc<dyn Spans>,
    pub(crate) ledger: Arc<Ledger>,
    /// The operations of each path.
    operations: HashMap<String, Vec<(Method, String)>>,
}

impl Observed {
    pub(crate) fn new(spans: Arc<dyn Spans>, ledger: Arc<Ledger>) -> Self {
        Self {
            spans,
            ledger,
            operations: describe::operations(),
        }
    }

    fn operation(&self, method: &Method, route: &str) -> Option<&str> {
        let mut of_route = self.operations.get(route)?.iter();
        of_route.find(|(of, _)| of == method).map(|(_, name)| name.as_str())
    }
}

/// Makes a span of the request.
pub(crate) async fn observe(State(observed): State<Arc<Observed>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let kept = Arc::<Kept>::default();
    parts.extensions.insert(Notes(Some(Arc::clone(&kept))));
    let asked = asked(&observed, &parts);
    let (is_read, creates) = (
        asked.method.is_safe(),
        asked.operation.is_some_and(|name| name.starts_with("create")),
    );
    let mut open = Open {
        span: observed.spans.begin(asked),
        kept,
        ledger: &observed.ledger,
    };
    let response = next.run(Request::from_parts(parts, body)).await;
    let code = response.extensions().get::<ProblemCode>().map(|code| code.0);
    let came_to = response.extensions().get::<CameTo>().map(|came_to| came_to.0);
    let outcome = code.or(came_to).unwrap_or_else(|| outcome(is_read, creates, &response));
    open.end(Some(response.status()), outcome, code);
    response
}

/// The span of a request that is not answered yet. When it is dropped so, whoever asked went away.
struct Open<'a> {
    span: Option<Box<dyn RequestSpan>>,
    kept: Arc<Kept>,
    ledger: &'a Ledger,
}

impl Open<'_> {
    fn end(&mut self, status: Option<StatusCode>, outcome: &str, code: Option<&'static str>) {
        let Some(span) = self.span.take() else { return };
        span.end(&Answered {
            status,
            outcome,
            code,
            key: self.kept.key.get().map(String::as_str),
            source: self.kept.source.get().map(String::as_str),
            written: self.kept.written.get().copied(),
            at: self.ledger.runs.now(),
        });
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.end(None, CALLER_GONE, None);
    }
}

fn asked<'a>(observed: &'a Observed, parts: &'a Parts) -> Asked<'a> {
    let route = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    Asked {
        method: &parts.method,
        route,
        operation: route.and_then(|route| observed.operation(&parts.method, route)),
        parent: trace::parent(&parts.headers),
        at: observed.ledger.runs.now(),
    }
}

/// The words of the metrics, as far as an answer tells.
fn outcome(is_read: bool, creates: bool, response: &Response) -> &'static str {
    let is_repeated = response.headers().contains_key(&REPLAYED);
    match (is_read, creates, is_repeated) {
        (true, ..) => "read",
        (false, true, false) => "created",
        (false, true, true) => "replayed",
        (false, false, false) => "changed",
        (false, false, true) => "unchanged",
    }
}
