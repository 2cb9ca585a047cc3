//! Who has which duty (I13). Time runs by the machine's steady clock, which no setting moves.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use async_trait::async_trait;
use runledger_domain::Source;
use runledger_ports::{Duty, Fence, FencedError, Lease, LeaseStore, Taken, Unavailable};
use tokio::time::Instant;

use crate::MemoryStore;

/// All duties that were ever taken.
#[derive(Debug, Default)]
pub(crate) struct Leases(BTreeMap<Duty, Held>);

#[derive(Debug)]
struct Held {
    epoch: NonZeroU64,
    holder: Source,
    /// `None` once it was ended.
    until: Option<Instant>,
}

impl Held {
    fn left(&self, now: Instant) -> Duration {
        self.until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

impl Leases {
    fn take(&mut self, duty: &Duty, holder: &Source, time: Duration, now: Instant) -> Taken {
        let before = self.0.get(duty);
        if let Some(held) = before
            && !held.left(now).is_zero()
        {
            return Taken::Elsewhere {
                holder: held.holder.clone(),
                left: held.left(now),
            };
        }
        let epoch = before.map_or(NonZeroU64::MIN, |held| held.epoch.saturating_add(1));
        let held = Held {
            epoch,
            holder: holder.clone(),
            until: Some(end_of(time, now)),
        };
        self.0.insert(duty.clone(), held);
        Taken::Held(Fence {
            duty: duty.clone(),
            epoch,
        })
    }

    fn keep(&mut self, fence: &Fence, time: Duration, now: Instant) -> Result<(), FencedError> {
        self.check(fence, &fence.duty)?;
        if let Some(held) = self.0.get_mut(&fence.duty) {
            held.until = Some(end_of(time, now));
        }
        Ok(())
    }

    fn end(&mut self, fence: &Fence) {
        if self.check(fence, &fence.duty).is_ok()
            && let Some(held) = self.0.get_mut(&fence.duty)
        {
            held.until = None;
        }
    }

    /// Whether what this duty writes may be written with this fence.
    pub(crate) fn check(&self, fence: &Fence, duty: &Duty) -> Result<(), FencedError> {
        let is_held = self
            .0
            .get(duty)
            .is_some_and(|held| held.until.is_some() && held.epoch == fence.epoch);
        if is_held && fence.duty == *duty {
            Ok(())
        } else {
            Err(FencedError::Lost {
                duty: fence.duty.clone(),
            })
        }
    }

    fn all(&self, now: Instant) -> Vec<Lease> {
        let lease = |(duty, held): (&Duty, &Held)| Lease {
            fence: Fence {
                duty: duty.clone(),
                epoch: held.epoch,
            },
            holder: held.holder.clone(),
            left: held.left(now),
        };
        let mut leases: Vec<Lease> = self.0.iter().map(lease).collect();
        leases.sort_by_cached_key(|lease| lease.fence.duty.to_string());
        leases
    }
}

/// A time beyond what the clock can tell never ends.
fn end_of(time: Duration, now: Instant) -> Instant {
    const FOR_EVER: Duration = Duration::from_hours(24 * 365 * 30);
    now + time.min(FOR_EVER)
}

#[async_trait]
impl LeaseStore for MemoryStore {
    async fn take_lease(&self, duty: &Duty, holder: &Source, time: Duration) -> Result<Taken, Unavailable> {
        let mut ledger = self.transaction();
        Ok(ledger.leases.take(duty, holder, time, Instant::now()))
    }

    async fn keep_lease(&self, fence: &Fence, time: Duration) -> Result<(), FencedError> {
        let mut ledger = self.transaction();
        ledger.leases.keep(fence, time, Instant::now())
    }

    async fn end_lease(&self, fence: &Fence) -> Result<(), Unavailable> {
        self.transaction().leases.end(fence);
        Ok(())
    }

    async fn leases(&self) -> Result<Vec<Lease>, Unavailable> {
        Ok(self.transaction().leases.all(Instant::now()))
    }
}
