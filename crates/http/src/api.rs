//! What all handlers share: the ledger, the bounds, and how an attempt that goes wrong is answered.

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use axum::response::{IntoResponse as _, Response};
use runledger_app::{Attempt, GatewayStats, Ledger};
use runledger_domain::access::TokenId;
use runledger_domain::activity::printable;
use runledger_domain::{Action, ClientId, Subject, Timestamp};
use tokio::sync::Semaphore;
use tracing::{Instrument as _, Span};

use crate::body;
use crate::incoming::Incoming;
use crate::options::Options;
use crate::problem;
use crate::rate::Buckets;
use crate::trouble::Problem;

/// The state of the router.
pub(crate) struct Api {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) options: Options,
    pub(crate) token_buckets: Buckets<TokenId>,
    pub(crate) client_buckets: Buckets<ClientId>,
    /// A permit for each stream of events that may be open.
    pub(crate) streams: Arc<Semaphore>,
    /// What came of requests to the gateway, if there is one.
    pub(crate) gateway_stats: GatewayStats,
}

impl Api {
    pub(crate) fn new(ledger: Arc<Ledger>, options: Options) -> Self {
        Self {
            streams: Arc::new(Semaphore::new(options.streams_max.min(Semaphore::MAX_PERMITS))),
            ledger,
            options,
            token_buckets: Buckets::default(),
            client_buckets: Buckets::default(),
            gateway_stats: GatewayStats::default(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.ledger.runs.now()
    }

    /// Answers an attempt that failed before it reached the app: its line is kept first (I6). When that fails, the
    /// refusal is not answered as one.
    pub(crate) async fn refuse(&self, incoming: &Incoming, action: Action, problem: Problem) -> Response {
        let source = incoming.source_text();
        self.refuse_as(&source, action, about(problem, incoming, action)).await
    }

    /// The same, of an attempt whose source is known by other means.
    pub(crate) async fn refuse_as(&self, source: &str, action: Action, problem: Problem) -> Response {
        match self.keep_line(source, action, &problem).await {
            Ok(()) => problem.into_response(),
            Err(unavailable) => unavailable.into_response(),
        }
    }

    /// Keeps the line of an attempt that failed before it reached the app. Whoever names neither themselves nor a record
    /// leaves none.
    ///
    /// # Errors
    /// The line could not be kept; then this is what is to be answered.
    pub(crate) async fn keep_line(&self, source: &str, action: Action, problem: &Problem) -> Result<(), Problem> {
        let source = printable(source);
        if source.is_empty() && problem.subject().is_none() {
            return Ok(());
        }
        let (code, detail) = problem.logged();
        let attempt = Attempt {
            action,
            source,
            subject: problem.subject().cloned().unwrap_or_else(Subject::default),
            code,
            detail: detail.into(),
        };
        Ok(self.ledger.runs.refuse(attempt).await?)
    }
}

/// Says which record was meant: by the path, and for a creation also by the body.
fn about(problem: Problem, incoming: &Incoming, action: Action) -> Problem {
    let path = &incoming.path;
    if !matches!(action, Action::Create) {
        return problem.about(path.run(), path.client().unwrap_or_default());
    }
    let (run, client) = body::named(&incoming.body);
    problem.about(if path.run().is_empty() { &run } else { path.run() }, &client)
}

/// Does what changes something so that a caller who hangs up stops waiting, but never stops a write, nor what is
/// remembered of it, half-way (I8, I10): what has to wait goes on in a task of its own. What is done at once, such as a
/// repeated creation or the commit of a lone caller, needs none. Its lines in the log are those of the trace.
pub(crate) async fn carry_out<F>(trace: Span, work: F) -> Response
where
    F: Future<Output = Response> + Send + 'static,
{
    let mut work = Box::pin(work.instrument(trace));
    let begun = poll_fn(|context| Poll::Ready(catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))))).await;
    match begun {
        Ok(Poll::Ready(response)) => response,
        Ok(Poll::Pending) => match tokio::spawn(work).await {
            Ok(response) => response,
            Err(error) => failed_half_way(&error),
        },
        Err(_) => failed_half_way(&"it panicked"),
    }
}

fn failed_half_way(error: &dyn fmt::Display) -> Response {
    tracing::error!(%error, "a request failed half-way; its outcome is not known");
    let detail = "the server failed half-way; read the record, or repeat the request with the same Idempotency-Key";
    Problem::new(&problem::INTERNAL, detail).into_response()
}
