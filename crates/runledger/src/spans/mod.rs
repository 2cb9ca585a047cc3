//! Spans for a collector (OTLP over HTTP): one for each request, below the span of whoever asked, and one for the write
//! in it. Spans wait in a bounded queue for a task of their own; when that cannot keep up or the collector is away,
//! spans are dropped and counted, and the log says so. No request waits for any of this.

mod collector;
mod message;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use runledger_domain::Timestamp;
use runledger_http::{Answered, Asked, RequestSpan, SpanCounts, Spans, TraceParent};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::collector::Collector;
use self::message::{IS_REMOTE, IS_REMOTE_KNOWN, KeyValue, RECORDED, Span, SpanKind, Status, StatusCode};
use self::queue::{Queue, queue};
use crate::failure::Outcome;
use crate::settings::Traces;

/// How long the end of the server waits for the collector.
const FLUSH_TIME_MAX: Duration = Duration::from_secs(3);

/// The way to the collector, open as long as the server runs.
#[derive(Debug)]
pub(crate) struct Collecting {
    queue: Queue,
    share: f64,
    ending: oneshot::Sender<()>,
    sending: JoinHandle<()>,
}

impl Collecting {
    /// Opens the way, if there is to be one. The collector need not be there.
    ///
    /// # Errors
    /// The certificates of `traces.ca_file`, or of the machine, cannot be used.
    pub(crate) fn start(traces: &Traces) -> Outcome<Option<Self>> {
        if !traces.are_wanted() {
            return Ok(None);
        }
        let collector = Collector::new(traces)?;
        tracing::info!(
            collector = collector.url(),
            sample = traces.sample,
            "spans go to a collector"
        );
        let (queue, waiting) = queue();
        let (ending, ended) = oneshot::channel();
        Ok(Some(Self {
            queue,
            share: traces.sample,
            ending,
            sending: tokio::spawn(waiting.send_on(collector, ended)),
        }))
    }

    /// What makes the spans.
    pub(crate) fn spans(&self) -> Arc<dyn Spans> {
        Arc::new(RequestSpans {
            queue: self.queue.clone(),
            share: self.share,
        })
    }

    /// Sends what waits, for a few seconds at most.
    pub(crate) async fn end(mut self) {
        // The task may have ended with the runtime before.
        let _ = self.ending.send(());
        if timeout(FLUSH_TIME_MAX, &mut self.sending).await.is_err() {
            self.sending.abort();
        }
        let (SpanCounts { sent, dropped, lost }, left) = (self.queue.counted(), self.queue.left());
        if dropped + lost + left > 0 {
            tracing::warn!(sent, dropped, lost, left, "not all spans reached the collector");
        }
    }
}

#[derive(Debug)]
struct RequestSpans {
    queue: Queue,
    /// The share of the traces that begin here.
    share: f64,
}

/// What every span gets at random: the id of a trace that begins here, of the span and of the span of a write.
struct Ids {
    trace: [u8; 16],
    span: [u8; 8],
    write: [u8; 8],
}

impl Ids {
    fn new() -> Option<Self> {
        let mut ids = Self {
            trace: [0; 16],
            span: [0; 8],
            write: [0; 8],
        };
        getrandom::fill(&mut ids.trace).ok()?;
        getrandom::fill(&mut ids.span).ok()?;
        getrandom::fill(&mut ids.write).ok()?;
        Some(ids)
    }
}

/// Whether a trace that begins here is recorded: its id is as good as a drawn lot.
fn is_drawn(trace: [u8; 16], share: f64) -> bool {
    let lot = u32::from_be_bytes([trace[12], trace[13], trace[14], trace[15]]);
    f64::from(lot) < share * (f64::from(u32::MAX) + 1.0)
}

impl Spans for RequestSpans {
    /// Whoever asks decides for their trace; the share is that of traces that begin here.
    fn begin(&self, asked: Asked<'_>) -> Option<Box<dyn RequestSpan>> {
        // Without randomness there are no ids.
        let ids = Ids::new()?;
        let is_recorded = match &asked.parent {
            Some(parent) => parent.is_recorded,
            None => is_drawn(ids.trace, self.share),
        };
        is_recorded.then(|| {
            Box::new(OpenSpan {
                queue: self.queue.clone(),
                write: ids.write,
                span: span_of(asked, &ids),
            }) as Box<dyn RequestSpan>
        })
    }

    fn counted(&self) -> SpanCounts {
        self.queue.counted()
    }
}

/// What a method is called that the standard does not know: it may be any text, and a span does not repeat it.
const OTHER_METHOD: &str = "_OTHER";

fn method_of<'a>(asked: &Asked<'a>) -> &'a str {
    match asked.method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "TRACE" | "CONNECT") => known,
        _ => OTHER_METHOD,
    }
}

fn span_of(asked: Asked<'_>, ids: &Ids) -> Span {
    let method = method_of(&asked);
    let mut attributes = vec![KeyValue::new("http.request.method", method)];
    attributes.extend(asked.route.map(|route| KeyValue::new("http.route", route)));
    attributes.extend(asked.operation.map(|operation| KeyValue::new("operation", operation)));
    let name = asked
        .route
        .map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
    let mut span = Span {
        trace: ids.trace.into(),
        id: ids.span.into(),
        name,
        kind: SpanKind::Server.into(),
        start_time_unix_nano: nanos(asked.at),
        attributes,
        flags: RECORDED | IS_REMOTE_KNOWN,
        ..Span::default()
    };
    if let Some(TraceParent {
        trace,
        span: parent,
        state,
        ..
    }) = asked.parent
    {
        span.trace = trace.into();
        span.parent = parent.into();
        span.state = state;
        span.flags |= IS_REMOTE;
    }
    span
}

/// The span of a request that is not answered yet.
struct OpenSpan {
    queue: Queue,
    /// The id of the span of the write.
    write: [u8; 8],
    span: Span,
}

impl RequestSpan for OpenSpan {
    fn end(self: Box<Self>, answered: &Answered<'_>) {
        let Self { queue, write, mut span } = *self;
        if let Some(status) = answered.status {
            let status = i64::from(status.as_u16());
            span.attributes.push(KeyValue::new("http.response.status_code", status));
        }
        let texts = [
            ("outcome", Some(answered.outcome)),
            ("run.key", answered.key),
            ("source", answered.source),
            ("code", answered.code),
        ];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text?)));
        span.attributes
            .extend(texts.map(|(name, text)| KeyValue::new(name, text)));
        // A refusal is an answer; only what the server failed at is an error of its span.
        if answered.status.is_some_and(|status| status.is_server_error()) {
            span.status = Some(Status {
                message: answered.outcome.to_owned(),
                code: StatusCode::Error.into(),
            });
        }
        if let Some((began, ended)) = answered.written {
            queue.put(Span {
                trace: span.trace.clone(),
                id: write.into(),
                state: span.state.clone(),
                parent: span.id.clone(),
                name: "write".to_owned(),
                kind: SpanKind::Internal.into(),
                start_time_unix_nano: nanos(began),
                end_time_unix_nano: nanos(ended),
                flags: RECORDED | IS_REMOTE_KNOWN,
                ..Span::default()
            });
        }
        span.end_time_unix_nano = nanos(answered.at);
        queue.put(span);
    }
}

/// The point in time as spans have it; none of them is before 1970.
fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or_default().saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_traces_is_that_of_their_ids() {
        let with = |lot: u32| {
            let mut trace = [7; 16];
            trace[12..].copy_from_slice(&lot.to_be_bytes());
            trace
        };
        assert!(!is_drawn(with(0), 0.0));
        assert!(is_drawn(with(u32::MAX), 1.0));
        assert!(is_drawn(with(u32::MAX / 4), 0.5) && !is_drawn(with(u32::MAX / 4 * 3), 0.5));
    }

    #[tokio::test]
    async fn what_no_longer_fits_is_dropped_and_counted() {
        let (queue, waiting) = queue();
        for _ in 0..4_100 {
            queue.put(Span::default());
        }
        assert_eq!((queue.counted().dropped, queue.left()), (4, 4_096));
        drop(waiting);
        queue.put(Span::default());
        assert_eq!(queue.counted().dropped, 5);
    }
}
