//! The hand that writes the outbox: this server's own duty, or one that is taken for a moment because nobody has it.

use std::time::Duration;

use runledger_ports::{Duty, Fence, FencedError, Taken};

use super::{ReconcileError, Reconciler};

/// For how long the duty is taken when nobody has it.
const TIME: Duration = Duration::from_mins(2);

/// The right to write what goes with the rows.
pub(super) struct Hand {
    pub(super) fence: Fence,
    /// Whether it was taken for this, and is given up again.
    is_borrowed: bool,
}

impl Reconciler {
    /// Takes the hand.
    pub(super) async fn take_hand(&self) -> Result<Hand, ReconcileError> {
        let here = self.duties.here();
        let held = here.into_iter().find(|(duty, _)| *duty == Duty::Project);
        if let Some(fence) = held.and_then(|(_, figures)| figures.held) {
            return Ok(Hand {
                fence,
                is_borrowed: false,
            });
        }
        match self.leases.take_lease(&Duty::Project, &self.holder, TIME).await? {
            Taken::Held(fence) => Ok(Hand {
                fence,
                is_borrowed: true,
            }),
            Taken::Elsewhere { holder, .. } => Err(ReconcileError::Elsewhere { holder }),
        }
    }

    /// Gives it up. Where that fails, its time ends it.
    pub(super) async fn give_up(&self, hand: Hand) {
        if hand.is_borrowed
            && let Err(error) = self.leases.end_lease(&hand.fence).await
        {
            tracing::warn!(%error, "the duty {} ends by its time: {error}", hand.fence.duty);
        }
    }

    /// What became of what was to be kept; when another server has the duty by now, which.
    pub(super) async fn kept<T>(&self, kept: Result<T, FencedError>) -> Result<T, ReconcileError> {
        match kept {
            Ok(kept) => Ok(kept),
            Err(FencedError::Unavailable(error)) => Err(error.into()),
            Err(FencedError::Lost { duty }) => {
                let leases = self.leases.leases().await?.into_iter();
                let taken = leases
                    .filter(|lease| lease.fence.duty == duty)
                    .map(|lease| lease.holder);
                // A duty that was lost was held, so its lease is there.
                let holder = taken.last().unwrap_or_else(|| self.holder.clone());
                Err(ReconcileError::Elsewhere { holder })
            }
        }
    }
}
