//! Leases, as wrong stores give them.

use std::num::NonZeroU64;
use std::time::Duration;

use async_trait::async_trait;
use runledger_domain::{Action, NewActivity, Source, Subject, Timestamp, Verdict};
use runledger_ports::{ActivityLog, Duty, Fence, FencedError, Lease, LeaseStore, Taken, Unavailable};

use crate::doubting::failed;
use crate::flaws::Flaw;
use crate::store::{WrongStore, pause};

const LONG: Duration = Duration::from_hours(1);

impl WrongStore {
    /// Ends all leases, as opening a store does that nobody else writes.
    pub(crate) async fn end_leases_of_the_gone(&self) {
        if matches!(self.flaw, Flaw::NoneButOutlivesDoubt | Flaw::HoldsDutiesOfTheGone) {
            return;
        }
        for lease in self.right.leases().await.expect("memory does not fail") {
            let _ended = self.right.end_lease(&lease.fence).await;
        }
    }

    /// The fence with which a duty is held.
    pub(crate) async fn fence_of(&self, duty: &Duty) -> Option<Fence> {
        let leases = self.right.leases().await.expect("memory does not fail");
        let lease = leases.into_iter().find(|lease| lease.fence.duty == *duty)?;
        Some(lease.fence)
    }

    pub(crate) async fn log_a_duty(&self) -> Result<(), Unavailable> {
        let line = NewActivity {
            at: Timestamp::EPOCH,
            action: Action::Update,
            source: "server".into(),
            subject: Subject::default(),
            verdict: Verdict::Unchanged,
            version: None,
            detail: String::new(),
        };
        self.right.record(line).await
    }

    fn forgets_epochs(&self) -> bool {
        let shadow = self.shadow();
        match self.flaw {
            Flaw::KeepsTheEpoch => true,
            Flaw::ForgetsEpochsOnRestart => shadow.restarted,
            Flaw::ForgetsEpochsInACrash => shadow.crashed,
            _ => false,
        }
    }
}

#[async_trait]
impl LeaseStore for WrongStore {
    async fn take_lease(&self, duty: &Duty, holder: &Source, time: Duration) -> Result<Taken, Unavailable> {
        self.must_run()?;
        if self.falls_into_doubt() {
            return match self.flaw {
                Flaw::TakesDutiesInDoubt => self.right.take_lease(duty, holder, time).await,
                Flaw::NoneButDoubtTakesPlace => {
                    self.right.take_lease(duty, holder, time).await?;
                    Err(failed())
                }
                _ => Err(failed()),
            };
        }
        if self.flaw == Flaw::LogsDuties {
            self.log_a_duty().await?;
        }
        if self.flaw == Flaw::GivesADutyTwiceInARace {
            let leases = self.right.leases().await?;
            let is_free = |lease: &Lease| lease.fence.duty != *duty || lease.left.is_zero();
            if leases.iter().all(is_free) {
                pause().await;
                if let Some(fence) = self.fence_of(duty).await {
                    self.right.end_lease(&fence).await?;
                }
            }
        }
        let time = if self.flaw == Flaw::NeverEndsALease { LONG } else { time };
        let taken = self.right.take_lease(duty, holder, time).await?;
        Ok(match (self.flaw, taken) {
            (Flaw::GivesADutyTwice, Taken::Elsewhere { .. }) => {
                Taken::Held(self.fence_of(duty).await.expect("it is held"))
            }
            (Flaw::SaysWhoAsksHasIt, Taken::Elsewhere { left, .. }) => Taken::Elsewhere {
                holder: holder.clone(),
                left,
            },
            (_, Taken::Held(fence)) if self.forgets_epochs() => Taken::Held(Fence {
                epoch: NonZeroU64::MIN,
                ..fence
            }),
            (_, taken) => taken,
        })
    }

    async fn keep_lease(&self, fence: &Fence, time: Duration) -> Result<(), FencedError> {
        if self.flaw != Flaw::KeepsDutiesAfterADoubt {
            self.must_run()?;
        }
        if self.falls_into_doubt() {
            return match self.flaw {
                Flaw::KeepsDutiesInDoubt => Ok(()),
                Flaw::NoneButDoubtTakesPlace => {
                    self.right.keep_lease(fence, time).await?;
                    Err(failed().into())
                }
                _ => Err(failed().into()),
            };
        }
        let time = match self.flaw {
            Flaw::NeverLengthensALease => time.min(LONG),
            Flaw::NeverShortensALease | Flaw::NeverEndsALease => time.max(LONG),
            _ => time,
        };
        let kept = self.right.keep_lease(fence, time).await;
        let was_given_up = match self.fence_of(&fence.duty).await {
            Some(last) => last == *fence,
            None => false,
        };
        match self.flaw {
            Flaw::KeepsWhatIsLost => Ok(()),
            Flaw::KeepsWhatWasGivenUp if was_given_up => Ok(()),
            _ => kept,
        }
    }

    async fn end_lease(&self, fence: &Fence) -> Result<(), Unavailable> {
        self.must_run()?;
        if self.falls_into_doubt() {
            return Err(failed());
        }
        match self.flaw {
            Flaw::EndsNoLease => Ok(()),
            Flaw::EndsLeasesOfOthers => {
                let last = self.fence_of(&fence.duty).await;
                self.right.end_lease(&last.unwrap_or(fence.clone())).await
            }
            _ => self.right.end_lease(fence).await,
        }
    }

    async fn leases(&self) -> Result<Vec<Lease>, Unavailable> {
        let mut leases = self.right.leases().await?;
        if self.flaw == Flaw::ListsDutiesBackwards {
            leases.reverse();
        }
        Ok(leases)
    }
}
