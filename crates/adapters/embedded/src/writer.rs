//! The writer: one thread, one connection, greedy group commit.
//!
//! It takes whatever is waiting, does it in one transaction and answers after the commit. While a flush runs the next
//! group collects itself, so the group follows the load; nobody waits for a timer. An operation that cannot be done
//! fails alone; a commit whose outcome is not known stops the writer for good (I16).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use runledger_domain::{ChainHead, NewActivity};
use runledger_ports::{ChangeError, ChangeRequest, Changed, CreateOutcome, Unavailable};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::open::WriteLock;
use crate::transaction::{Prepared, Transaction};

/// The most operations of one group.
const GROUP_MAX: usize = 1_024;
/// How long the line of an attempt without an effect (a replay) may wait for company before it is written by itself.
const DEFERRED_WAIT: Duration = Duration::from_millis(20);
/// The most such lines that wait.
const DEFERRED_MAX: usize = 1_024;

type Reply<T> = oneshot::Sender<T>;
/// The outcomes, or why there are none. In doubt the caller, who kept the intents, hands them back.
pub(crate) type CreateAnswer = Result<Vec<CreateOutcome>, NotCreated>;
pub(crate) type ChangeAnswer = Result<Changed, ChangeError>;
pub(crate) type LineAnswer = Result<(), Unavailable>;

/// Why a creation has no outcome.
pub(crate) enum NotCreated {
    InDoubt(String),
    Unavailable(Unavailable),
}

/// What the writer is asked to do.
pub(crate) enum Operation {
    Create(Vec<Prepared>, Reply<CreateAnswer>),
    Change(Box<ChangeRequest>, Reply<ChangeAnswer>),
    Line(Box<NewActivity>, Reply<LineAnswer>),
    /// Answered when every line that was waiting is written.
    Flush(Reply<()>),
    Stop,
}

/// The way to the writer.
pub(crate) struct Writer {
    queue: SyncSender<Operation>,
    shared: Arc<WriterState>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct WriterState {
    /// Why nothing more is written.
    stopped: OnceLock<String>,
    /// How many lines wait to be written.
    deferred: AtomicUsize,
}

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        lock: WriteLock,
        head: ChainHead,
        queue: usize,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(queue.max(1));
        let shared = Arc::new(WriterState::default());
        let state = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("runledger-writer".into())
            .spawn(move || {
                let mut run = WriterThread {
                    connection,
                    head,
                    deferred: Vec::new(),
                    state,
                };
                run.serve(&receiver);
                // The connection is closed (and the log file folded into the database) before the lock is given up.
                drop(run);
                drop(lock);
            })?;
        Ok(Self {
            queue: sender,
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Puts an operation into the queue, or says why not. Never waits.
    pub(crate) fn send(&self, operation: Operation) -> Result<(), Unavailable> {
        if let Some(reason) = self.shared.stopped.get() {
            return Err(Unavailable::Stopped { reason: reason.clone() });
        }
        self.queue.try_send(operation).map_err(|refused| match refused {
            TrySendError::Full(_) => Unavailable::Busy,
            TrySendError::Disconnected(_) => Unavailable::Stopped {
                reason: "it is shutting down".into(),
            },
        })
    }

    /// Whether lines wait to be written.
    pub(crate) fn has_deferred(&self) -> bool {
        self.shared.deferred.load(Ordering::Acquire) > 0
    }

    /// Finishes what was accepted, then ends the thread.
    pub(crate) fn stop(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A full queue drains, because the thread is still there.
            let _ = self.queue.send(Operation::Stop);
            if thread.join().is_err() {
                tracing::error!("the writer ended in a panic; check the ledger with `runledger verify`");
            }
        }
    }
}

struct WriterThread {
    connection: Connection,
    head: ChainHead,
    deferred: Vec<NewActivity>,
    state: Arc<WriterState>,
}

/// An operation that was done inside the transaction and waits for the commit.
enum Done {
    Create(CreateAnswer, Reply<CreateAnswer>),
    Change(ChangeAnswer, Reply<ChangeAnswer>),
    Line(LineAnswer, Reply<LineAnswer>),
    Flush(Reply<()>),
}

impl WriterThread {
    fn serve(&mut self, queue: &Receiver<Operation>) {
        let mut stopping = false;
        while !stopping {
            let first = if self.deferred.is_empty() {
                queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                queue.recv_timeout(DEFERRED_WAIT)
            };
            let mut group = Vec::new();
            match first {
                Ok(Operation::Stop) | Err(RecvTimeoutError::Disconnected) => stopping = true,
                Ok(operation) => group.push(operation),
                Err(RecvTimeoutError::Timeout) => {}
            }
            // After a stop, what was accepted before it is still done.
            while group.len() < GROUP_MAX
                && let Ok(operation) = queue.try_recv()
            {
                match operation {
                    Operation::Stop => stopping = true,
                    operation => group.push(operation),
                }
            }
            let idle = group.is_empty();
            self.commit(group, idle || stopping);
        }
    }

    /// Does a group in one transaction and answers it.
    fn commit(&mut self, group: Vec<Operation>, flush_deferred: bool) {
        if let Some(reason) = self.state.stopped.get() {
            let stopped = Unavailable::Stopped { reason: reason.clone() };
            for operation in group {
                refuse(operation, &stopped);
            }
            return;
        }
        let head_before = self.head;
        if let Err(error) = self.connection.execute_batch("BEGIN IMMEDIATE") {
            let failed = StoreError::from(error);
            self.stop_if_needed(&failed);
            let unavailable = Unavailable::from(failed);
            for operation in group {
                refuse(operation, &unavailable);
            }
            return;
        }
        let mut done = Vec::with_capacity(group.len());
        let deferred_before = self.deferred.len();
        let mut transaction = Transaction::new(&self.connection, &mut self.head, &mut self.deferred);
        let mut waiting = group.into_iter();
        let mut failure = None;
        let mut flush = flush_deferred;
        for operation in waiting.by_ref() {
            flush |= matches!(operation, Operation::Flush(_));
            let (finished, error) = perform(&mut transaction, operation);
            done.push(finished);
            failure = error;
            if failure.is_some() {
                break;
            }
        }
        let mut wrote = transaction.wrote();
        if failure.is_none() && (flush || wrote || deferred_before >= DEFERRED_MAX) {
            failure = transaction.write_deferred().err();
            wrote = transaction.wrote();
        }
        if let Some(error) = failure {
            self.roll_back(head_before, &error);
            self.deferred.truncate(deferred_before);
            let unavailable = Unavailable::from(error);
            for finished in done {
                finished.fail(&unavailable);
            }
            for operation in waiting {
                refuse(operation, &unavailable);
            }
        } else if let Err(error) = self.connection.execute_batch("COMMIT") {
            let reason =
                format!("a commit failed with an outcome that is not known ({error}); restart to check the ledger");
            tracing::error!(%error, "commit failed; no more writes are accepted");
            let _ = self.state.stopped.set(reason.clone());
            for finished in done {
                finished.doubt(&reason, wrote);
            }
        } else {
            for finished in done {
                finished.answer();
            }
        }
        self.state.deferred.store(self.deferred.len(), Ordering::Release);
    }

    fn roll_back(&mut self, head: ChainHead, error: &StoreError) {
        tracing::error!(%error, "a transaction failed and is rolled back");
        self.head = head;
        self.stop_if_needed(error);
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            let _ = self.state.stopped.set(format!(
                "a failed transaction could not be rolled back ({error}); restart"
            ));
        }
    }

    fn stop_if_needed(&self, error: &StoreError) {
        if error.stops_writer() {
            let _ = self
                .state
                .stopped
                .set(format!("the store failed ({error}); restart to check the ledger"));
        }
    }
}

/// Performs one operation. An error that concerns it alone is its answer; any other ends the transaction.
fn perform(transaction: &mut Transaction<'_>, operation: Operation) -> (Done, Option<StoreError>) {
    match operation {
        Operation::Create(permits, reply) => {
            let (answer, error) = match transaction.create(permits) {
                Ok(outcomes) => (Ok(outcomes), None),
                Err(error) => (Err(NotCreated::Unavailable(failed(&error))), Some(error)),
            };
            (Done::Create(answer, reply), error.filter(|error| !error.is_local()))
        }
        Operation::Change(request, reply) => {
            let (answer, error) = match transaction.change(&request) {
                Ok(answer) => (answer, None),
                Err(error) => (Err(failed(&error).into()), Some(error)),
            };
            (Done::Change(answer, reply), error.filter(|error| !error.is_local()))
        }
        Operation::Line(line, reply) => (Done::Line(Ok(()), reply), transaction.line(*line).err()),
        Operation::Flush(reply) => (Done::Flush(reply), None),
        Operation::Stop => (Done::Flush(oneshot::channel().0), None),
    }
}

fn failed(error: &StoreError) -> Unavailable {
    Unavailable::Failed {
        reason: error.to_string(),
    }
}

fn refuse(operation: Operation, why: &Unavailable) {
    match operation {
        Operation::Create(_, reply) => drop(reply.send(Err(NotCreated::Unavailable(why.clone())))),
        Operation::Change(_, reply) => drop(reply.send(Err(why.clone().into()))),
        Operation::Line(_, reply) => drop(reply.send(Err(why.clone()))),
        Operation::Flush(_) | Operation::Stop => {}
    }
}

impl Done {
    /// The commit is on disk. A caller who is gone does not undo anything.
    fn answer(self) {
        match self {
            Self::Create(answer, reply) => drop(reply.send(answer)),
            Self::Change(answer, reply) => drop(reply.send(answer)),
            Self::Line(answer, reply) => drop(reply.send(answer)),
            Self::Flush(reply) => drop(reply.send(())),
        }
    }

    /// The transaction was rolled back: nothing of it was done.
    fn fail(self, why: &Unavailable) {
        match self {
            Self::Create(_, reply) => drop(reply.send(Err(NotCreated::Unavailable(why.clone())))),
            Self::Change(_, reply) => drop(reply.send(Err(why.clone().into()))),
            Self::Line(_, reply) => drop(reply.send(Err(why.clone()))),
            Self::Flush(_) => {}
        }
    }

    /// The commit failed, and nobody knows what is on disk (I10).
    fn doubt(self, reason: &str, wrote: bool) {
        let reason = reason.to_owned();
        if !wrote {
            return self.fail(&Unavailable::Stopped { reason });
        }
        match self {
            Self::Create(_, reply) => drop(reply.send(Err(NotCreated::InDoubt(reason)))),
            Self::Change(_, reply) => drop(reply.send(Err(ChangeError::Indeterminate { reason }))),
            Self::Line(_, reply) => drop(reply.send(Err(Unavailable::Stopped { reason }))),
            Self::Flush(_) => {}
        }
    }
}
