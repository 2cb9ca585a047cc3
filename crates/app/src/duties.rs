//! Duties: what one server does for all of them, however many there are (I13).
//!
//! Here it is seen to that a duty is taken when nobody has it, kept while its worker is at it, and given up in the end; what
//! the work is, is the worker's. A worker is stopped as soon as the duty is no longer known to be this server's: when
//! another server took it, and when its time is over before it could be kept. It is not even looked at again after that,
//! so a process that was paused for long does not go on by mistake. What it had begun to write by then is refused by the
//! store, because it carries the fence.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use runledger_domain::Source;
use runledger_ports::{Duty, Fence, FencedError, Lease, LeaseStore, Taken, Unavailable};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// A duty is kept once in this part of its time.
const KEPT_PART: u32 = 3;
/// What could not be done with a lease is tried again after this part of its time.
const RETRY_PART: u32 = 12;

/// On what terms a server does duties.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Terms {
    /// Who it is, for people.
    pub holder: Source,
    /// For how long a duty is taken. A server that is lost is followed by another one after this time.
    pub time: Duration,
}

/// A duty in the hands of its worker.
#[derive(Clone, Debug)]
pub struct HeldLease {
    /// What goes along with everything that the worker writes.
    pub fence: Fence,
    /// True when the server is to end: the worker then notes where it is, and returns.
    pub stop: watch::Receiver<bool>,
}

/// A duty, as the store knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DutyStatus {
    /// Who has it, or had it last.
    pub lease: Lease,
    /// Whether that is this server.
    pub is_here: bool,
}

/// What this server had to do with a duty since its start.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DutyFigures {
    /// The taking of it that is this server's now.
    pub held: Option<Fence>,
    /// How often it was taken.
    pub taken: u64,
    /// How often it was lost: another server took it, or it could not be kept in time.
    pub lost: u64,
}

/// Does duties, and says which.
pub struct Duties {
    leases: Arc<dyn LeaseStore>,
    figures: Mutex<BTreeMap<Duty, DutyFigures>>,
}

/// How the work at a duty came to its end.
#[derive(Debug)]
enum Ended {
    /// The worker returned.
    Returned,
    /// Another server has taken the duty.
    Taken,
    /// Its time was over before it could be kept.
    Over,
}

impl Duties {
    /// Duties that are held in this store.
    pub fn new(leases: Arc<dyn LeaseStore>) -> Self {
        Self {
            leases,
            figures: Mutex::default(),
        }
    }

    /// Has a worker do a duty whenever it is this server's, until `stop` is true. Meant for a task of its own.
    ///
    /// `work` is called for each taking. What it gives is dropped, wherever it is, once the duty is lost; told to stop, it
    /// is waited for, and the duty is kept meanwhile. A worker that returns before has the duty offered to all servers.
    pub async fn perform<W, F>(&self, terms: &Terms, duty: &Duty, mut stop: watch::Receiver<bool>, mut work: W)
    where
        W: FnMut(HeldLease) -> F,
        F: Future<Output = ()>,
    {
        self.figures().entry(duty.clone()).or_default();
        let mut holder_seen = None;
        while !*stop.borrow_and_update() {
            let asked = Instant::now();
            let pause = match self.leases.take_lease(duty, &terms.holder, terms.time).await {
                Ok(Taken::Held(fence)) => {
                    holder_seen = None;
                    let lease = HeldLease {
                        fence,
                        stop: stop.clone(),
                    };
                    self.hold(terms, lease, asked + terms.time, &mut work).await;
                    terms.time / RETRY_PART
                }
                Ok(Taken::Elsewhere { holder, left }) => {
                    if holder_seen.as_ref() != Some(&holder) {
                        tracing::info!(%duty, %holder, "the duty {duty} is done by {holder}");
                        holder_seen = Some(holder);
                    }
                    // It may be given up before its time is over.
                    left.clamp(terms.time / RETRY_PART, terms.time / KEPT_PART)
                }
                Err(error) => {
                    tracing::warn!(%duty, %error, "the duty {duty} could not be taken: {error}");
                    terms.time / RETRY_PART
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                // Whoever could say it is gone: that says it as well.
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// All duties that were ever taken, by any server.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    pub async fn list(&self) -> Result<Vec<DutyStatus>, Unavailable> {
        let leases = self.leases.leases().await?;
        let figures = self.figures();
        let status = |lease: Lease| DutyStatus {
            is_here: figures.get(&lease.fence.duty).and_then(|of| of.held.as_ref()) == Some(&lease.fence),
            lease,
        };
        Ok(leases.into_iter().map(status).collect())
    }

    /// The duties that this server does or would do, in the order of their names.
    pub fn here(&self) -> Vec<(Duty, DutyFigures)> {
        let figures = self.figures();
        figures.iter().map(|(duty, of)| (duty.clone(), of.clone())).collect()
    }

    /// Works at a duty that was taken until this time, and is kept meanwhile.
    async fn hold<W, F>(&self, terms: &Terms, lease: HeldLease, until: Instant, work: &mut W)
    where
        W: FnMut(HeldLease) -> F,
        F: Future<Output = ()>,
    {
        let fence = lease.fence.clone();
        let (duty, epoch) = (&fence.duty, fence.epoch);
        tracing::info!(%duty, epoch, "this server does the duty {duty} now");
        self.note(duty, |of| {
            of.held = Some(fence.clone());
            of.taken += 1;
        });
        let until = Mutex::new(until);
        let ended = {
            let mut working = pin!(work(lease));
            let working = poll_fn(|context| {
                if Instant::now() >= *lock(&until) {
                    return Poll::Ready(Ended::Over);
                }
                working.as_mut().poll(context).map(|()| Ended::Returned)
            });
            tokio::select! {
                biased;
                ended = self.keep(terms, &fence, &until) => ended,
                ended = working => ended,
            }
        };
        self.note(duty, |of| {
            of.held = None;
            of.lost += u64::from(!matches!(ended, Ended::Returned));
        });
        match ended {
            Ended::Returned => match self.leases.end_lease(&fence).await {
                Ok(()) => tracing::info!(%duty, epoch, "this server gives the duty {duty} up"),
                Err(error) => tracing::warn!(%duty, epoch, %error, "the duty {duty} ends by its time: {error}"),
            },
            Ended::Taken => tracing::warn!(%duty, epoch, "another server has taken the duty {duty}"),
            Ended::Over => tracing::warn!(%duty, epoch, "the duty {duty} could not be kept in time"),
        }
    }

    /// Keeps a duty for as long as that can be done.
    async fn keep(&self, terms: &Terms, fence: &Fence, until: &Mutex<Instant>) -> Ended {
        let mut pause = terms.time / KEPT_PART;
        loop {
            let over = *lock(until);
            sleep_until(over.min(Instant::now() + pause)).await;
            // By this server's clock the time begins before the store can have begun to count it.
            let asked = Instant::now();
            match timeout_at(over, self.leases.keep_lease(fence, terms.time)).await {
                Ok(Ok(())) => {
                    *lock(until) = asked + terms.time;
                    pause = terms.time / KEPT_PART;
                }
                Ok(Err(FencedError::Lost { .. })) => return Ended::Taken,
                Ok(Err(FencedError::Unavailable(error))) => {
                    tracing::warn!(duty = %fence.duty, %error, "the duty {} could not be kept: {error}", fence.duty);
                    if Instant::now() >= over {
                        return Ended::Over;
                    }
                    pause = terms.time / RETRY_PART;
                }
                Err(_) => return Ended::Over,
            }
        }
    }

    fn note(&self, duty: &Duty, note: impl FnOnce(&mut DutyFigures)) {
        note(self.figures().entry(duty.clone()).or_default());
    }

    fn figures(&self) -> MutexGuard<'_, BTreeMap<Duty, DutyFigures>> {
        lock(&self.figures)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
