//! Following the log. What this server writes is told at once; what others write is seen by looking at the head of the
//! log, once for all who wait, and only while somebody does: every so often, and when another server says that it wrote.

use std::sync::Arc;
use std::time::Duration;

use runledger_ports::Unavailable;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep_until};

use crate::pool::Readers;
use crate::read;
use crate::writer::{Shared, stopped};

/// At least so long is between two looks, however much others write.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// Looks at the head of the log, for all who wait.
pub(crate) struct Follower {
    looked: Mutex<Looked>,
    look_every: Duration,
}

/// When it was looked at last, and what was heard since.
struct Looked {
    at: Option<Instant>,
    heard: watch::Receiver<u64>,
}

impl Follower {
    pub(crate) fn new(shared: &Shared, look_every: Duration) -> Self {
        let heard = shared.heard.subscribe();
        Self {
            looked: Mutex::new(Looked { at: None, heard }),
            look_every,
        }
    }

    /// Waits until there is a line after `after`; answers the number of the last one.
    pub(crate) async fn grown(&self, shared: &Arc<Shared>, readers: &Readers, after: u64) -> Result<u64, Unavailable> {
        let mut told = shared.last_line.subscribe();
        let mut closing = shared.closed.subscribe();
        loop {
            if *closing.borrow() {
                return Err(stopped());
            }
            let known = *told.borrow_and_update();
            if known > after {
                return Ok(known);
            }
            tokio::select! {
                _ = told.changed() => {}
                _ = closing.changed() => {}
                looked = self.look(shared, readers) => looked?,
            }
        }
    }

    /// Looks, if nobody did lately; waits for whoever is at it.
    async fn look(&self, shared: &Shared, readers: &Readers) -> Result<(), Unavailable> {
        let mut looked = self.looked.lock().await;
        if let Some(last) = looked.at {
            tokio::select! {
                () = sleep_until(last + self.look_every) => {}
                // The store that could say something has it all the same.
                _ = looked.heard.changed() => sleep_until(last + LOOK_PAUSE).await,
            }
        }
        looked.heard.mark_unchanged();
        let line = read::last_line(readers).await?;
        looked.at = Some(Instant::now());
        shared.tell(line);
        Ok(())
    }
}
