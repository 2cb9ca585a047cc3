//! The writer: one task, one connection, one call at a time.
//!
//! Whatever waits goes into the next call, and nobody waits for a timer: while a call is under way the next one collects
//! itself. What a call found stale is decided again, at the head of the next. An operation whose time is up is answered:
//! unavailable while it is known that nothing was done, in doubt otherwise (I10).

mod round;
mod session;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runledger_ports::{CommitMeter, Unavailable};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::round::Round;
use self::session::Sessions;
use crate::cache::Cache;
use crate::connect::Connector;
use crate::operation::{Asked, Operation};

/// The most operations of one call.
const CALL_MAX: usize = 256;
/// How long the writer waits before it tries again what failed, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// Which part of the time that a call took the next one waits for those who were answered by it, and how long at most.
const PATIENCE_PART: u32 = 8;
const PATIENCE_MAX: Duration = Duration::from_micros(250);

/// Callers who were just answered, and how long they are waited for.
#[derive(Clone, Copy, Default)]
struct Returning {
    callers: usize,
    patience: Duration,
}

/// The way to the writer.
pub(crate) struct Writer {
    queue: mpsc::Sender<Operation>,
    queue_max: usize,
    write_time: Duration,
    closing: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What the writer and the store both see.
pub(crate) struct Shared {
    pub(crate) meter: CommitMeter,
    /// The outcome of a call is not known: what is not found may be there (I10).
    pub(crate) unsettled: AtomicBool,
    /// The number of the last line that is known to be written.
    pub(crate) last_line: watch::Sender<u64>,
    /// The number of the last line that this server wrote, or the last one before it began to.
    pub(crate) written: watch::Sender<u64>,
    /// Grows whenever another server says that it wrote.
    pub(crate) heard: watch::Sender<u64>,
    /// Nothing more will come.
    pub(crate) closed: watch::Sender<bool>,
}

impl Writer {
    /// Starts the task of the writer.
    pub(crate) fn start(connector: Connector, shared: Arc<Shared>, queue_max: usize, write_time: Duration) -> Self {
        let (queue, waiting) = mpsc::channel(queue_max.max(1));
        let (closing, told_to_close) = watch::channel(false);
        let core = Core {
            sessions: Sessions::new(connector, write_time / 2, Arc::clone(&shared)),
            cache: Cache::default(),
            waiting: VecDeque::new(),
            pause: PAUSE.0,
            shared,
        };
        let task = tokio::spawn(core.serve(waiting, told_to_close));
        Self {
            queue,
            queue_max,
            write_time,
            closing,
            task: Mutex::new(Some(task)),
        }
    }

    /// Has something done; the answer comes through its reply.
    pub(crate) fn submit(&self, asked: Asked) -> Result<(), Unavailable> {
        let until = Instant::now() + self.write_time;
        self.queue
            .try_send(Operation::new(asked, until))
            .map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(_) => Unavailable::Busy,
                mpsc::error::TrySendError::Closed(_) => stopped(),
            })
    }

    /// How many operations wait, and how many may.
    pub(crate) fn queued(&self) -> (usize, usize) {
        let free = self.queue.capacity();
        (self.queue.max_capacity().saturating_sub(free), self.queue_max)
    }

    /// Whether nothing more is written.
    pub(crate) fn is_stopped(&self) -> bool {
        self.queue.is_closed()
    }

    /// Finishes what was accepted, then ends the task.
    pub(crate) async fn close(&self) {
        self.closing.send_replace(true);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the writer ended early");
        }
    }
}

/// The store was closed.
pub(crate) fn stopped() -> Unavailable {
    crate::error::StoreError::Closed.into()
}

/// The task, and what goes with it.
struct Core {
    sessions: Sessions,
    cache: Cache,
    /// Operations in their order; those that are tried again stand first.
    waiting: VecDeque<Operation>,
    pause: Duration,
    shared: Arc<Shared>,
}

impl Core {
    async fn serve(mut self, mut queue: mpsc::Receiver<Operation>, mut closing: watch::Receiver<bool>) {
        let mut returning = Returning::default();
        loop {
            if self.waiting.is_empty() && queue.is_empty() {
                returning = Returning::default();
                tokio::select! {
                    biased;
                    first = queue.recv() => match first {
                        Some(operation) => self.waiting.push_back(operation),
                        None => break,
                    },
                    // After this, what was accepted before is still done; then there is no more.
                    _ = closing.changed(), if !queue.is_closed() => queue.close(),
                    // What is in doubt is settled as soon as the database is back, whoever waits.
                    () = tokio::time::sleep(PAUSE.1), if self.sessions.owes() => {
                        let _ = self.sessions.ready().await;
                        continue;
                    }
                }
            }
            self.collect(&mut queue, returning).await;
            self.fail_overdue();
            let group = self.next_group();
            returning = Returning::default();
            if !group.is_empty() {
                returning.callers = group.len();
                let began = Instant::now();
                self.write(group).await;
                returning.patience = (began.elapsed() / PATIENCE_PART).min(PATIENCE_MAX);
            }
        }
        tracing::debug!("the writer has ended");
    }

    /// Takes what waits. Callers who were just answered may be about to ask again: while others wait already, they get a
    /// moment to come along, or two halves of them would take turns for ever, each with a call of its own.
    async fn collect(&mut self, queue: &mut mpsc::Receiver<Operation>, returning: Returning) {
        let until = Instant::now() + returning.patience;
        let expected = queue.len() + returning.callers;
        while !queue.is_empty() && queue.len() < expected && Instant::now() < until {
            tokio::task::yield_now().await;
        }
        while self.waiting.len() < CALL_MAX
            && let Ok(operation) = queue.try_recv()
        {
            self.waiting.push_back(operation);
        }
    }

    /// The operations of the next call: all that wait, or one that has to go alone.
    fn next_group(&mut self) -> Vec<Operation> {
        let together = self.waiting.iter().take_while(|operation| !operation.alone).count();
        let size = if together == 0 { 1 } else { together.min(CALL_MAX) };
        self.waiting.drain(..size.min(self.waiting.len())).collect()
    }

    /// Answers operations whose time is up. Nothing of them was done.
    fn fail_overdue(&mut self) {
        let now = Instant::now();
        if self.waiting.iter().all(|operation| operation.until > now) {
            return;
        }
        let why = self.sessions.trouble();
        for operation in std::mem::take(&mut self.waiting) {
            if operation.until > now {
                self.waiting.push_back(operation);
            } else {
                operation.fail(&why);
            }
        }
    }

    /// Tries one call. What has no answer after it waits again.
    async fn write(&mut self, group: Vec<Operation>) {
        let round = Round {
            sessions: &mut self.sessions,
            cache: &mut self.cache,
            shared: &self.shared,
        };
        let left = round.run(group).await;
        for operation in left.again.into_iter().rev() {
            self.waiting.push_front(operation);
        }
        if left.failed {
            let earliest = self.waiting.iter().map(|operation| operation.until).min();
            let time_left = earliest.map_or(self.pause, |until| until.saturating_duration_since(Instant::now()));
            tokio::time::sleep(self.pause.min(time_left)).await;
            self.pause = (self.pause * 2).min(PAUSE.1);
        } else {
            self.pause = PAUSE.0;
        }
    }
}

impl Shared {
    pub(crate) fn new(last_line: u64) -> Self {
        Self {
            meter: CommitMeter::default(),
            unsettled: AtomicBool::new(false),
            last_line: watch::Sender::new(last_line),
            written: watch::Sender::new(last_line),
            heard: watch::Sender::new(0),
            closed: watch::Sender::new(false),
        }
    }

    /// Tells of a line that can be read.
    pub(crate) fn tell(&self, line: u64) {
        raise(&self.last_line, line);
    }

    /// Has other servers told of a line that this one wrote.
    pub(crate) fn say_written(&self, line: u64) {
        raise(&self.written, line);
    }

    /// Notes that another server may have written.
    pub(crate) fn hear(&self) {
        self.heard.send_modify(|times| *times = times.wrapping_add(1));
    }

    /// Whether what is not found may be there all the same.
    pub(crate) fn is_unsettled(&self) -> bool {
        self.unsettled.load(Ordering::SeqCst)
    }
}

fn raise(to: &watch::Sender<u64>, line: u64) {
    to.send_if_modified(|last| {
        let newer = line > *last;
        *last = line.max(*last);
        newer
    });
}
