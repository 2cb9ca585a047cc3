//! Duties, and what their holders write: on a connection of their own, apart from the writer, so that neither waits for
//! the other. One write goes at a time; whether it is done does not depend on whether its caller still waits.

mod outbox;
mod session;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use runledger_domain::Source;
use runledger_ports::{Duty, Fence, FencedError, Taken, Unavailable};
use tokio::sync::Mutex;
use tokio::time::Instant;

pub(crate) use self::outbox::OutboxWrite;
use self::session::DutySession;
use crate::connect::Connector;
use crate::error::StoreError;

/// What is asked about a duty.
pub(crate) enum DutyCall {
    Take {
        duty: Duty,
        holder: Source,
        time: Duration,
    },
    Keep {
        fence: Fence,
        time: Duration,
    },
    End(Fence),
    Project(Fence, Box<OutboxWrite>),
    /// Finds out what became of the last write, if nobody knows.
    Settle,
}

/// What came of it; a taking alone has more to say than that it was done.
pub(crate) type DutyDone = Result<Option<Taken>, FencedError>;

/// The way to the database for whoever holds a duty.
pub(crate) struct Duties {
    session: Arc<Mutex<DutySession>>,
    /// The outcome of a write of the outbox is not known: what is read may change yet (I10).
    unsettled: Arc<AtomicBool>,
    write_time: Duration,
}

impl Duties {
    pub(crate) fn new(connector: Connector, write_time: Duration) -> Self {
        let unsettled = Arc::new(AtomicBool::new(false));
        let session = DutySession::new(connector, write_time / 2, Arc::clone(&unsettled));
        Self {
            session: Arc::new(Mutex::new(session)),
            unsettled,
            write_time,
        }
    }

    /// Has something done, within the time that a write may take.
    pub(crate) async fn call(&self, call: DutyCall) -> DutyDone {
        let until = Instant::now() + self.write_time;
        let session = Arc::clone(&self.session);
        // A caller who goes away leaves no write half way whose outcome nobody would settle.
        let calling = tokio::spawn(async move { session.lock().await.call(call, until).await });
        calling.await.unwrap_or_else(|ended| {
            let reason = format!("a write ended early: {ended}");
            Err(Unavailable::Failed { reason }.into())
        })
    }

    /// The outbox can be read as it stands: no write is on its way of which nobody knows.
    pub(crate) async fn settled(&self) -> Result<(), Unavailable> {
        if !self.unsettled.load(Ordering::SeqCst) {
            return Ok(());
        }
        match self.call(DutyCall::Settle).await {
            Err(FencedError::Unavailable(why)) => Err(why),
            Ok(_) | Err(FencedError::Lost { .. }) => Ok(()),
        }
    }

    /// Gives the connection up; nothing more is written.
    pub(crate) async fn close(&self) {
        self.session.lock().await.close();
    }
}

pub(crate) fn epoch_of(epoch: i64) -> Result<NonZeroU64, StoreError> {
    let epoch = u64::try_from(epoch).ok().and_then(NonZeroU64::new);
    epoch.ok_or_else(|| StoreError::Inconsistent("a duty has no readable epoch".into()))
}
