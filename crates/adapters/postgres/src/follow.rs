//! Following the log. What this server writes is told at once; what others write is seen by looking at the head of the
//! log, once for all who wait, and only while somebody does.

use std::sync::Arc;
use std::time::Duration;

use runledger_ports::Unavailable;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::pool::Readers;
use crate::read;
use crate::writer::{Shared, stopped};

/// How often the head of the log is looked at while somebody waits.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Looks at the head of the log, for all who wait.
#[derive(Default)]
pub(crate) struct Follower {
    looked: Mutex<Option<Instant>>,
}

impl Follower {
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
        if let Some(last) = *looked {
            tokio::time::sleep_until(last + LOOK_EVERY).await;
        }
        let line = read::last_line(readers).await?;
        *looked = Some(Instant::now());
        shared.tell(line);
        Ok(())
    }
}
