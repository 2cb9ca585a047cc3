//! One stream: it looks at the log at the pace of its reader, a bounded page at a time, and sleeps while there is nothing.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::HeaderMap;
use futures_util::Stream;
use futures_util::stream::unfold;
use runledger_app::EventFilter;
use runledger_domain::Activity;
use runledger_domain::access::Access;
use runledger_ports::PageSize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use crate::api::Api;
use crate::incoming::Reading;
use crate::wire::activity::ActivityOut;

/// How many lines are looked at, and held, at once.
const LINES_AT_ONCE: u32 = 100;
/// The least time between two looks at the end of the log, however fast it grows.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// How long a client that was cut off is to wait before it comes back.
const COME_BACK_AFTER: Duration = Duration::from_secs(1);

/// A stream of events to one reader.
pub(super) struct EventStream {
    api: Arc<Api>,
    /// What the reader showed of themselves, and what they were allowed for it.
    headers: HeaderMap,
    access: Access,
    filter: EventFilter,
    /// All lines up to this one have been looked at.
    position: u64,
    /// The last id that the reader was told.
    told: Option<u64>,
    /// The line to end with; `None` to go on at the end of the log.
    until: Option<u64>,
    ended: bool,
    looks: Interval,
    /// One of the streams that there may be.
    _place: OwnedSemaphorePermit,
}

/// What a stream comes to next.
enum Step {
    Send(String),
    End,
}

impl EventStream {
    pub(super) fn new(
        api: Arc<Api>,
        reading: Reading,
        filter: EventFilter,
        after: u64,
        until: Option<u64>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let mut looks = interval(LOOK_PAUSE);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            api,
            headers: reading.headers,
            access: reading.access,
            filter,
            position: after,
            told: None,
            until,
            ended: false,
            looks,
            _place: place,
        }
    }

    /// The stream as the pieces of a body. Each is made when the one before has been taken.
    pub(super) fn chunks(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        unfold(self, async |mut stream| match stream.step().await {
            Step::Send(text) => Some((Ok(Bytes::from(text)), stream)),
            Step::End => None,
        })
    }

    async fn step(&mut self) -> Step {
        if self.told.is_none() {
            // The first thing a reader learns is where they are: whoever is cut off before the first event knows it.
            let mut text = format!("retry: {}\n", COME_BACK_AFTER.as_millis());
            self.tell_position(&mut text);
            return Step::Send(text);
        }
        if self.ended {
            return Step::End;
        }
        let closing = self.api.options.closing.clone();
        // One for the whole step: lines that this reader does not want are no word to them.
        let mut silence = pin!(sleep(self.api.options.keep_alive));
        while !self.is_complete() && !closing.has_begun() && self.api.is_still(&self.headers, &self.access).await {
            let size = PageSize::new(LINES_AT_ONCE).unwrap_or_default();
            let page = self.api.ledger.events.page(&self.filter, self.position, size).await;
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, "a stream of events ends; its reader can come back");
                    break;
                }
            };
            self.position = page.position;
            if !page.lines.is_empty() {
                return self.events(&page.lines);
            }
            if !page.at_end {
                let mut text = String::new();
                self.tell_position(&mut text);
                return Step::Send(text);
            }
            if self.is_complete() {
                break;
            }
            tokio::select! {
                grown = self.api.ledger.events.grown(self.position) => {
                    if grown.is_err() {
                        break;
                    }
                }
                () = closing.begun() => break,
                () = &mut silence => {
                    let mut text = String::from(": nothing new\n");
                    self.tell_position(&mut text);
                    return Step::Send(text);
                }
            }
            self.looks.tick().await;
        }
        // The last word is the position, if the reader does not know it.
        self.ended = true;
        if self.told == Some(self.position) {
            return Step::End;
        }
        let mut text = String::new();
        self.tell_position(&mut text);
        Step::Send(text)
    }

    /// Whether all that was asked for has been looked at.
    fn is_complete(&self) -> bool {
        self.until.is_some_and(|until| self.position >= until)
    }

    fn events(&mut self, lines: &[Activity]) -> Step {
        let mut text = String::new();
        for line in lines {
            let data = match serde_json::to_string(&ActivityOut::of(line)) {
                Ok(data) => data,
                Err(error) => {
                    tracing::error!(%error, "line {} cannot be written as JSON; a stream of events ends", line.seq);
                    return Step::End;
                }
            };
            // Writing to a String cannot fail. JSON on one line holds no line end.
            let _ = write!(text, "id: {}\nevent: {}\ndata: {data}\n\n", line.seq, line.line.action);
            self.told = Some(line.seq);
        }
        Step::Send(text)
    }

    /// An id without data: clients take it as the last one, and hand on no event.
    fn tell_position(&mut self, text: &mut String) {
        // Writing to a String cannot fail.
        let _ = write!(text, "id: {}\n\n", self.position);
        self.told = Some(self.position);
    }
}
