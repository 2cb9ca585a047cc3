//! Spans that wait for the collector: so many and no more. Whoever puts one in never waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use prost::Message as _;
use runledger_http::SpanCounts;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::collector::Collector;
use super::message::{ExportRequest, Span};

/// How many spans wait at most; about a kilobyte each. More are dropped.
const WAITING_MAX: usize = 4_096;
/// How many spans go to the collector at once.
const BATCH_MAX: usize = 512;
/// How long a span waits for company.
const COMPANY_WAIT: Duration = Duration::from_secs(1);

/// Where spans are put in.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    way: mpsc::Sender<Span>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    queued: AtomicU64,
    sent: AtomicU64,
    dropped: AtomicU64,
    lost: AtomicU64,
    /// Whether the log has said that spans are dropped, and not yet that they arrive again.
    is_dropping: AtomicBool,
}

/// Where spans come out.
#[derive(Debug)]
pub(super) struct Waiting {
    spans: mpsc::Receiver<Span>,
    counts: Arc<Counts>,
}

/// An empty queue.
pub(super) fn queue() -> (Queue, Waiting) {
    let (way, spans) = mpsc::channel(WAITING_MAX);
    let counts = Arc::<Counts>::default();
    let waiting = Waiting {
        spans,
        counts: Arc::clone(&counts),
    };
    (Queue { way, counts }, waiting)
}

impl Queue {
    /// Puts a span in, or drops and counts it when too many wait.
    pub(super) fn put(&self, span: Span) {
        if self.way.try_send(span).is_ok() {
            self.counts.queued.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        if !self.counts.is_dropping.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                waiting = WAITING_MAX,
                "too many spans wait for the collector: spans are dropped"
            );
        }
    }

    /// What became of spans.
    pub(super) fn counted(&self) -> SpanCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        SpanCounts {
            sent: read(&self.counts.sent),
            dropped: read(&self.counts.dropped),
            lost: read(&self.counts.lost),
        }
    }

    /// How many were neither sent nor lost.
    pub(super) fn left(&self) -> u64 {
        let SpanCounts { sent, lost, .. } = self.counted();
        self.counts
            .queued
            .load(Ordering::Relaxed)
            .saturating_sub(sent)
            .saturating_sub(lost)
    }
}

impl Waiting {
    /// Sends what waits, until it is told to end; then what is left, and no more comes in.
    pub(super) async fn send_on(mut self, collector: Collector, mut ending: oneshot::Receiver<()>) {
        let mut is_ending = false;
        let mut is_reached = true;
        loop {
            let mut batch = Vec::with_capacity(BATCH_MAX);
            tokio::select! {
                count = self.spans.recv_many(&mut batch, BATCH_MAX) => if count == 0 { return },
                _ = &mut ending, if !is_ending => {
                    is_ending = true;
                    self.spans.close();
                    continue;
                }
            }
            if !is_ending {
                tokio::select! {
                    () = self.fill(&mut batch) => {}
                    () = sleep(COMPANY_WAIT) => {}
                    _ = &mut ending => {
                        is_ending = true;
                        self.spans.close();
                    }
                }
            }
            self.send(&collector, batch, &mut is_reached).await;
        }
    }

    /// Waits until the batch is full.
    async fn fill(&mut self, batch: &mut Vec<Span>) {
        while batch.len() < BATCH_MAX {
            if self.spans.recv_many(batch, BATCH_MAX - batch.len()).await == 0 {
                return;
            }
        }
    }

    /// The log says when the collector is no longer reached, and when it is again; not each batch.
    async fn send(&self, collector: &Collector, batch: Vec<Span>, is_reached: &mut bool) {
        let count = batch.len() as u64;
        let body = Bytes::from(ExportRequest::new(batch).encode_to_vec());
        let refused = match collector.export(body).await {
            Ok(refused) => refused.min(count),
            Err(error) => {
                self.counts.lost.fetch_add(count, Ordering::Relaxed);
                if std::mem::replace(is_reached, false) {
                    tracing::warn!(%error, spans = count, "spans did not reach the collector; its next batch is tried");
                }
                return;
            }
        };
        self.counts.sent.fetch_add(count - refused, Ordering::Relaxed);
        self.counts.lost.fetch_add(refused, Ordering::Relaxed);
        if refused > 0 {
            tracing::warn!(spans = refused, "the collector refused spans");
        }
        let was_dropping = self.counts.is_dropping.swap(false, Ordering::Relaxed);
        if !std::mem::replace(is_reached, true) || was_dropping {
            tracing::info!("spans reach the collector again");
        }
    }
}
