//! Who has which duty since the file was opened (I13). Whoever had one before is gone, since nobody else writes the file.
//!
//! Epochs are in the file. How long a duty is somebody's is in memory: it ends with the process, and runs by the machine's
//! steady clock, which no setting moves (I18).

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runledger_domain::Source;
use runledger_ports::{Duty, Fence, FencedError, Taken};
use tokio::time::Instant;

/// The duties that were taken since the file was opened and not given up.
#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<Held>);

/// Which they are. While it is locked nobody takes, keeps or gives up a duty.
#[derive(Debug, Default)]
pub(crate) struct Held(BTreeMap<Duty, Lease>);

#[derive(Debug)]
struct Lease {
    epoch: NonZeroU64,
    holder: Source,
    until: Instant,
}

impl Leases {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Who has a duty, if its time is not over.
    pub(crate) fn holder(&self, duty: &Duty) -> Option<Taken> {
        let left = self.left(duty);
        let lease = self.0.get(duty).filter(|_| !left.is_zero())?;
        Some(Taken::Elsewhere {
            holder: lease.holder.clone(),
            left,
        })
    }

    /// For how long a duty is somebody's yet.
    pub(crate) fn left(&self, duty: &Duty) -> Duration {
        let lease = self.0.get(duty);
        lease.map_or(Duration::ZERO, |lease| {
            lease.until.saturating_duration_since(Instant::now())
        })
    }

    pub(crate) fn give(&mut self, fence: &Fence, holder: &Source, time: Duration) {
        let lease = Lease {
            epoch: fence.epoch,
            holder: holder.clone(),
            until: end_of(time),
        };
        self.0.insert(fence.duty.clone(), lease);
    }

    pub(crate) fn keep(&mut self, fence: &Fence, time: Duration) -> Result<(), FencedError> {
        self.check(fence, &fence.duty)?;
        if let Some(lease) = self.0.get_mut(&fence.duty) {
            lease.until = end_of(time);
        }
        Ok(())
    }

    pub(crate) fn end(&mut self, fence: &Fence) {
        if self.check(fence, &fence.duty).is_ok() {
            self.0.remove(&fence.duty);
        }
    }

    /// Whether what this duty writes may be written with this fence.
    pub(crate) fn check(&self, fence: &Fence, duty: &Duty) -> Result<(), FencedError> {
        let lease = self.0.get(duty);
        if fence.duty == *duty && lease.is_some_and(|lease| lease.epoch == fence.epoch) {
            Ok(())
        } else {
            Err(FencedError::Lost {
                duty: fence.duty.clone(),
            })
        }
    }
}

/// A time beyond what the clock can tell lasts as long as any process.
fn end_of(time: Duration) -> Instant {
    const FOR_EVER: Duration = Duration::from_hours(24 * 365 * 30);
    Instant::now() + time.min(FOR_EVER)
}
