//! What wrong stores make of a commit whose outcome they do not know.

use runledger_domain::{Command, CreationIntent, CreationPermit, CreationPolicy, NewActivity, Source, Timestamp};
use runledger_ports::{
    ActivityLog, ChangeError, ChangeRequest, Changed, CreateError, CreateOutcome, DeliveryState, DeliveryStore,
    RunChanger, RunCreator, Unavailable, WebhookName,
};

use crate::changing::Answer;
use crate::creating::decided_without_looking;
use crate::flaws::Flaw;
use crate::store::{State, WrongStore, mint};

impl WrongStore {
    /// Whether the outcome of this commit is unknown; if so, it is the last one.
    pub(crate) fn falls_into_doubt(&self) -> bool {
        let mut shadow = self.shadow();
        let falls = shadow.state == State::DoubtAhead;
        if falls {
            shadow.state = match self.flaw {
                Flaw::WritesOnInDoubt => State::Running,
                _ => State::InDoubt,
            };
        }
        falls
    }

    pub(crate) async fn created_in_doubt(
        &self,
        permits: Vec<CreationPermit>,
        mut intents: Vec<CreationIntent>,
    ) -> Result<Vec<CreateOutcome>, CreateError> {
        match self.flaw {
            Flaw::CreatesInDoubt => return Ok(permits.into_iter().map(decided_without_looking).collect()),
            Flaw::RefusesInDoubt => return Ok(vec![CreateOutcome::Withheld; permits.len()]),
            Flaw::DoubtAsUnavailable => return Err(failed().into()),
            Flaw::AnswersConflictsInDoubt => {
                let outcomes = self.right.create(permits).await?;
                if matches!(outcomes[..], [CreateOutcome::Conflict { .. }]) {
                    return Ok(outcomes);
                }
            }
            Flaw::NoneButDoubtTakesPlace => {
                let _outcomes = self.right.create(permits).await?;
            }
            Flaw::DoubtLeavesHalf => {
                let _first = self.right.create(permits.into_iter().take(1).collect()).await?;
            }
            Flaw::DoubtForgetsTheStart => {
                for intent in &intents {
                    let unnamed = CreationIntent {
                        minted: false,
                        ..intent.clone()
                    };
                    let permit = mint(&CreationPolicy::default(), unnamed);
                    let _outcomes = self.right.create(vec![permit]).await?;
                }
            }
            Flaw::ForgetsIntentsInDoubt => intents.clear(),
            Flaw::HandsIntentsBackInAnotherOrder => intents.reverse(),
            _ => {}
        }
        Err(CreateError::Indeterminate {
            intents,
            reason: REASON.to_owned(),
        })
    }

    pub(crate) async fn changed_in_doubt(&self, mut request: ChangeRequest) -> Answer {
        let current = self.shown(&request.key).await;
        match (self.flaw, current) {
            (Flaw::ChangesInDoubt, Some(current)) => return Ok(Changed::Unchanged(current)),
            (Flaw::FindsNothingInDoubt, _) => return Err(ChangeError::NotFound { key: request.key }),
            (Flaw::ChangeDoubtAsUnavailable, _) => return Err(failed().into()),
            (Flaw::AnswersRefusalsInDoubt, _) => {
                let _made = self.right.change(request).await?;
            }
            (Flaw::NoneButDoubtTakesPlace, _) => {
                let _answer = self.right.change(request).await;
            }
            (Flaw::DoubtForgetsUpdateIds, _) => {
                if let Command::Update(update) = &mut request.command {
                    update.update_id = None;
                }
                let _answer = self.right.change(request).await;
            }
            _ => {}
        }
        Err(ChangeError::Indeterminate {
            reason: REASON.to_owned(),
        })
    }

    pub(crate) async fn kept_in_doubt(&self, line: NewActivity) -> Result<(), Unavailable> {
        match self.flaw {
            Flaw::KeepsLinesInDoubt => return Ok(()),
            Flaw::NoneButDoubtTakesPlace => self.right.record(line).await?,
            _ => {}
        }
        Err(failed())
    }

    pub(crate) async fn kept_delivery_in_doubt(
        &self,
        name: &WebhookName,
        state: DeliveryState,
    ) -> Result<DeliveryState, Unavailable> {
        match self.flaw {
            Flaw::KeepsDeliveriesInDoubt => return Ok(state),
            Flaw::NoneButDoubtTakesPlace => {
                let _kept = self.keep_unfenced(name, state).await;
            }
            Flaw::DoubtKeepsHalfADelivery => {
                let half = DeliveryState { failures: 1, ..state };
                let _kept = self.keep_unfenced(name, half).await;
            }
            _ => {}
        }
        Err(failed())
    }

    pub(crate) async fn enabled_in_doubt(
        &self,
        name: &WebhookName,
        stood: Option<DeliveryState>,
        (by, at): (&Source, Timestamp),
    ) -> Result<Option<DeliveryState>, Unavailable> {
        match (self.flaw, stood) {
            (Flaw::EnablesInDoubt, stood) => return Ok(stood.map(DeliveryState::enabled)),
            (Flaw::NoneButDoubtTakesPlace, _) => {
                self.right.enable_delivery(name, by, at).await?;
            }
            (Flaw::DoubtEnablesWithoutALine, Some(stood)) => {
                let _kept = self.keep_unfenced(name, stood.enabled()).await;
            }
            _ => {}
        }
        Err(failed())
    }
}

const REASON: &str = "the commit failed, and nobody knows how";

pub(crate) fn failed() -> Unavailable {
    let reason = REASON.to_owned();
    Unavailable::Failed { reason }
}
