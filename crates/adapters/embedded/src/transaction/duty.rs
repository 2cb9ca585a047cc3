//! Duties inside a transaction, and what the holder of one writes: the look at the fence and the write are one step (I13).

use std::num::NonZeroU64;
use std::time::Duration;

use runledger_domain::Source;
use runledger_ports::{Duty, Fence, FencedError, Taken};
use rusqlite::params;

use super::Transaction;
use super::outbox::OutboxWrite;
use crate::error::StoreError;

const INSERT_LEASE: &str = "INSERT INTO lease(duty, epoch, holder) VALUES(?1, 0, ?2) ON CONFLICT DO NOTHING";
const UPDATE_LEASE: &str = "UPDATE lease SET epoch = epoch + 1, holder = ?2 WHERE duty = ?1 RETURNING epoch";

/// What is to happen to a duty, or is written by its holder.
pub(crate) enum DutyOrder {
    Take { duty: Duty, holder: Source, time: Duration },
    End(Fence),
    Project(Fence, OutboxWrite),
}

/// What came of it; a taking alone has more to say than that it was done.
pub(crate) type DutyDone = Result<Option<Taken>, FencedError>;

impl Transaction<'_> {
    pub(crate) fn duty(&mut self, order: DutyOrder) -> Result<DutyDone, StoreError> {
        match order {
            DutyOrder::Take { duty, holder, time } => {
                self.take_lease(&duty, &holder, time).map(|taken| Ok(Some(taken)))
            }
            // Here, so that nothing with this fence is under way any more once it is answered.
            DutyOrder::End(fence) => {
                self.leases.lock().end(&fence);
                Ok(Ok(None))
            }
            DutyOrder::Project(fence, _) if self.is_lost(&fence, &Duty::Project) => {
                Ok(Err(FencedError::Lost { duty: fence.duty }))
            }
            DutyOrder::Project(_, write) => Ok(self.write_outbox(write)?.map(|()| None)),
        }
    }

    /// Whether what this duty writes may not be written with this fence. Duties are taken and given up in transactions
    /// alone, so what this says holds until the commit.
    pub(super) fn is_lost(&self, fence: &Fence, duty: &Duty) -> bool {
        self.leases.lock().check(fence, duty).is_err()
    }

    fn take_lease(&mut self, duty: &Duty, holder: &Source, time: Duration) -> Result<Taken, StoreError> {
        let mut held = self.leases.lock();
        if let Some(elsewhere) = held.holder(duty) {
            return Ok(elsewhere);
        }
        let values = params![duty.to_string(), holder.as_str()];
        self.connection.prepare_cached(INSERT_LEASE)?.execute(values)?;
        let mut update = self.connection.prepare_cached(UPDATE_LEASE)?;
        let epoch: i64 = update.query_row(values, |row| row.get(0))?;
        self.wrote = true;
        let fence = Fence {
            duty: duty.clone(),
            epoch: epoch_of(epoch)?,
        };
        // If the commit fails the duty is nobody's until the time is over: its fence was given to nobody.
        held.give(&fence, holder, time);
        Ok(Taken::Held(fence))
    }
}

pub(crate) fn epoch_of(epoch: i64) -> Result<NonZeroU64, StoreError> {
    let epoch = u64::try_from(epoch).ok().and_then(NonZeroU64::new);
    epoch.ok_or_else(|| StoreError::Inconsistent("a duty has no readable epoch".into()))
}
