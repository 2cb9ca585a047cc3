//! The writer: one connection, greedy group commit, one thread for when there is more than one caller.
//!
//! Whatever is waiting is done in one transaction and answered after the commit. While a flush runs the next group
//! collects itself, so the group follows the load; nobody waits for a timer. A caller who finds the writer idle commits
//! by itself on its own thread: waking another one up twice would cost it more than a third of a flush. An operation
//! that cannot be done fails alone; a commit whose outcome is not known stops the writer for good (I16).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use runledger_domain::{ChainHead, NewActivity};
use runledger_ports::Unavailable;
use rusqlite::Connection;
use tokio::sync::watch;

use crate::error::StoreError;
use crate::lease::Leases;
use crate::meter::Meter;
use crate::open::WriteLock;
use crate::operation::{Operation, perform, refuse_all};
use crate::transaction::Transaction;

/// The most operations of one group.
const GROUP_MAX: usize = 1_024;
/// How long the line of an attempt without an effect (a replay) may wait for company before it is written by itself.
const DEFERRED_WAIT: Duration = Duration::from_millis(20);
/// How many such lines wait before they are written whatever else happens.
const DEFERRED_MAX: usize = 1_024;
/// How many may wait while a commit is under way, before the next one has to wait for a commit itself.
const DEFERRED_WAITING_MAX: usize = 16 * DEFERRED_MAX;

/// The way to the writer.
pub(crate) struct Writer {
    queue: SyncSender<Operation>,
    core: Arc<Mutex<Core>>,
    state: Arc<WriterState>,
    last_line: watch::Receiver<u64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct WriterState {
    /// Why nothing more is written.
    stopped: OnceLock<String>,
    /// Lines of attempts without an effect that their callers handed in, in their order. The core takes them over when
    /// it commits; the thread is woken for the first of them, not for each.
    handed_in: Mutex<HandedIn>,
    /// How many lines the core has taken over and not yet written.
    deferred: AtomicUsize,
    /// The ledger is being taken over: no line may wait to be written between two parts.
    not_whole: AtomicBool,
    /// How many operations the last group had. More than one: callers come together, and the thread collects them.
    last_group: AtomicUsize,
    meter: Meter,
}

#[derive(Default)]
struct HandedIn {
    lines: Vec<NewActivity>,
    /// The writer ends: nothing more is taken.
    closed: bool,
}

impl WriterState {
    fn handed_in(&self) -> MutexGuard<'_, HandedIn> {
        self.handed_in.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether lines wait to be written.
    fn has_deferred(&self) -> bool {
        self.deferred.load(Ordering::Acquire) > 0 || !self.handed_in().lines.is_empty()
    }
}

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        lock: WriteLock,
        leases: Arc<Leases>,
        (head, unfinished): (ChainHead, Option<u64>),
        queue: usize,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(queue.max(1));
        let state = Arc::new(WriterState::default());
        state.not_whole.store(unfinished.is_some(), Ordering::Relaxed);
        let (told, last_line) = watch::channel(head.seq);
        let core = Core {
            connection: Some(connection),
            last_line: Some(told),
            leases,
            head,
            unfinished,
            deferred: Vec::new(),
            state: Arc::clone(&state),
        };
        let core = Arc::new(Mutex::new(core));
        let (thread_core, thread_state) = (Arc::clone(&core), Arc::clone(&state));
        let thread = std::thread::Builder::new()
            .name("runledger-writer".into())
            .spawn(move || {
                serve(&receiver, &thread_core, &thread_state);
                // The connection is closed (and the log file folded into the database) before the lock is given up.
                let mut core = lock_core(&thread_core);
                drop(core.connection.take());
                // Whoever waits for a line learns that none will come.
                drop(core.last_line.take());
                drop(lock);
            })?;
        Ok(Self {
            queue: sender,
            core,
            state,
            last_line,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Has an operation done: by this thread when nobody else is at it, by the writer's otherwise. Blocks for no longer
    /// than its own commit; the answer comes through the operation's reply.
    pub(crate) fn submit(&self, operation: Operation) -> Result<(), Unavailable> {
        self.must_go_on()?;
        if self.state.last_group.load(Ordering::Relaxed) <= 1
            && let Ok(mut core) = self.core.try_lock()
        {
            let waited = core.deferred.len();
            core.commit(vec![operation], false);
            if waited == 0 && !core.deferred.is_empty() {
                self.wake();
            }
            return Ok(());
        }
        self.enqueue(operation)
    }

    /// Takes a line that need not be durable at once; never waits and never commits. Hands it back when too many wait.
    pub(crate) fn submit_deferred(&self, line: NewActivity) -> Result<Option<NewActivity>, Unavailable> {
        self.must_go_on()?;
        let mut handed_in = self.state.handed_in();
        if handed_in.closed {
            return Err(Unavailable::Stopped {
                reason: SHUTTING_DOWN.into(),
            });
        }
        if handed_in.lines.len() >= DEFERRED_WAITING_MAX || self.state.not_whole.load(Ordering::Relaxed) {
            return Ok(Some(line));
        }
        handed_in.lines.push(line);
        let waiting = handed_in.lines.len();
        drop(handed_in);
        if waiting == 1 || waiting == DEFERRED_MAX {
            self.wake();
        }
        Ok(None)
    }

    /// Has the thread look after lines that wait. A full queue has it awake anyway.
    fn wake(&self) {
        let _ = self.queue.try_send(Operation::LookAfterDeferred);
    }

    fn enqueue(&self, operation: Operation) -> Result<(), Unavailable> {
        // Before it is sent, so that whoever takes it out never counts below nothing.
        self.state.meter.queued.fetch_add(1, Ordering::Relaxed);
        self.queue.try_send(operation).map_err(|refused| {
            self.state.meter.queued.fetch_sub(1, Ordering::Relaxed);
            match refused {
                TrySendError::Full(_) => Unavailable::Busy,
                TrySendError::Disconnected(_) => Unavailable::Stopped {
                    reason: SHUTTING_DOWN.into(),
                },
            }
        })
    }

    /// What is measured of the work.
    pub(crate) fn meter(&self) -> &Meter {
        &self.state.meter
    }

    /// How many lines wait to be written with others.
    pub(crate) fn lines_waiting(&self) -> usize {
        self.state.deferred.load(Ordering::Relaxed) + self.state.handed_in().lines.len()
    }

    /// Whether nothing more is written.
    pub(crate) fn is_stopped(&self) -> bool {
        self.state.stopped.get().is_some()
    }

    /// Whether lines wait to be written.
    pub(crate) fn has_deferred(&self) -> bool {
        self.state.has_deferred()
    }

    /// The writer has not stopped.
    pub(crate) fn must_go_on(&self) -> Result<(), Unavailable> {
        match self.state.stopped.get() {
            None => Ok(()),
            Some(reason) => Err(Unavailable::Stopped { reason: reason.clone() }),
        }
    }

    /// The number of the last line on disk; it changes with every commit, and is given up when the writer ends.
    pub(crate) fn last_line(&self) -> watch::Receiver<u64> {
        self.last_line.clone()
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

const SHUTTING_DOWN: &str = "it is shutting down";

fn lock_core(core: &Mutex<Core>) -> MutexGuard<'_, Core> {
    core.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread: collects what waits, until it is told to stop.
fn serve(queue: &Receiver<Operation>, core: &Mutex<Core>, state: &WriterState) {
    let mut stopping = false;
    while !stopping {
        let first = if state.has_deferred() {
            queue.recv_timeout(DEFERRED_WAIT)
        } else {
            queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        // Whoever commits for itself at this moment is waited for; the queue fills meanwhile.
        let mut core = lock_core(core);
        let mut group = Vec::new();
        let mut quiet = false;
        match first {
            Ok(Operation::Stop) | Err(RecvTimeoutError::Disconnected) => stopping = true,
            Ok(Operation::LookAfterDeferred) => {}
            Ok(operation) => {
                state.meter.queued.fetch_sub(1, Ordering::Relaxed);
                group.push(operation);
            }
            Err(RecvTimeoutError::Timeout) => quiet = true,
        }
        // After a stop, what was accepted before it is still done.
        while group.len() < GROUP_MAX
            && let Ok(operation) = queue.try_recv()
        {
            match operation {
                Operation::Stop => stopping = true,
                Operation::LookAfterDeferred => {}
                operation => {
                    state.meter.queued.fetch_sub(1, Ordering::Relaxed);
                    group.push(operation);
                }
            }
        }
        if stopping {
            state.handed_in().closed = true;
        }
        let flush = quiet || stopping || state.handed_in().lines.len() >= DEFERRED_MAX;
        if !group.is_empty() || flush {
            core.commit(group, flush);
        }
        if stopping {
            // Set while the core is locked: nobody slips in between the last group and the end.
            let _ = state.stopped.set(SHUTTING_DOWN.into());
        }
    }
}

/// The connection and what goes with it; whoever holds its lock writes.
struct Core {
    /// `None` once the writer has ended.
    connection: Option<Connection>,
    /// Tells of lines that are on disk; `None` once the writer has ended.
    last_line: Option<watch::Sender<u64>>,
    leases: Arc<Leases>,
    head: ChainHead,
    /// Up to which line the ledger is being taken over.
    unfinished: Option<u64>,
    /// Lines of attempts without an effect, in their order; written before the next line.
    deferred: Vec<NewActivity>,
    state: Arc<WriterState>,
}

/// What a roll-back goes back to.
#[derive(Clone, Copy)]
struct Before {
    head: ChainHead,
    unfinished: Option<u64>,
    deferred: usize,
}

impl Core {
    /// Does a group in one transaction and answers it.
    fn commit(&mut self, group: Vec<Operation>, flush_deferred: bool) {
        self.state.last_group.store(group.len(), Ordering::Relaxed);
        let connection = match (self.state.stopped.get(), &self.connection) {
            (None, Some(connection)) => connection,
            (reason, _) => {
                let reason = reason.map_or(SHUTTING_DOWN, String::as_str).to_owned();
                return refuse_all(group, &Unavailable::Stopped { reason });
            }
        };
        let began = self.state.meter.begin();
        if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
            let error = StoreError::from(error);
            self.state.meter.commits.failed();
            self.stop_if_needed(&error);
            return refuse_all(group, &error.into());
        }
        self.deferred.append(&mut self.state.handed_in().lines);
        let before = Before {
            head: self.head,
            unfinished: self.unfinished,
            deferred: self.deferred.len(),
        };
        let end = (&mut self.head, &mut self.unfinished);
        let mut transaction = Transaction::new(connection, &self.leases, end, &mut self.deferred);
        let mut done = Vec::with_capacity(group.len());
        let mut flush = flush_deferred || before.deferred >= DEFERRED_MAX;
        let mut failure = None;
        let mut waiting = group.into_iter();
        for operation in waiting.by_ref() {
            flush |= matches!(operation, Operation::Flush(_));
            let (finished, error) = perform(&mut transaction, operation);
            done.push(finished);
            failure = error;
            if failure.is_some() {
                break;
            }
        }
        if failure.is_none() && flush {
            failure = transaction.write_deferred().err();
        }
        if failure.is_none() {
            failure = transaction.write_tally().err();
        }
        let (wrote, deferred_written) = (transaction.wrote(), transaction.deferred_written());
        if let Some(error) = failure {
            self.roll_back(before, &error);
            let unavailable = Unavailable::from(error);
            for finished in done {
                finished.fail(&unavailable);
            }
            refuse_all(waiting, &unavailable);
        } else if let Err(error) = connection.execute_batch("COMMIT") {
            let reason =
                format!("a commit failed with an outcome that is not known ({error}); restart to check the ledger");
            tracing::error!(%error, "commit failed; no more writes are accepted");
            self.state.meter.commits.failed();
            let _ = self.state.stopped.set(reason.clone());
            for finished in done {
                finished.doubt(&reason, wrote);
            }
        } else {
            if wrote {
                self.state.meter.committed(done.len(), began);
            }
            self.deferred.drain(..deferred_written);
            self.state.not_whole.store(self.unfinished.is_some(), Ordering::Relaxed);
            if let Some(last_line) = &self.last_line {
                last_line.send_replace(self.head.seq);
            }
            // Before the answers: whoever is answered may ask for the log at once.
            self.state.deferred.store(self.deferred.len(), Ordering::Release);
            for finished in done {
                finished.answer();
            }
        }
        self.state.deferred.store(self.deferred.len(), Ordering::Release);
    }

    fn roll_back(&mut self, before: Before, error: &StoreError) {
        tracing::error!(%error, "a transaction failed and is rolled back");
        self.state.meter.commits.failed();
        (self.head, self.unfinished) = (before.head, before.unfinished);
        self.deferred.truncate(before.deferred);
        self.stop_if_needed(error);
        if let Some(connection) = &self.connection
            && !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
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
