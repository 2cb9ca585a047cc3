//! Deliveries, as wrong stores keep them.

use async_trait::async_trait;
use runledger_domain::{Action, NewActivity, Source, Subject, Timestamp, Verdict};
use runledger_ports::{ActivityLog, DeliveryState, DeliveryStore, Duty, Fence, FencedError, Unavailable, WebhookName};

use crate::flaws::Flaw;
use crate::store::{WrongStore, pause};

#[async_trait]
impl DeliveryStore for WrongStore {
    async fn deliveries(&self) -> Result<Vec<(WebhookName, DeliveryState)>, Unavailable> {
        self.must_run()?;
        let restarted = self.shadow().restarted;
        let crashed = self.shadow().crashed;
        match self.flaw {
            Flaw::ForgetsDeliveriesOnRestart if restarted => Ok(Vec::new()),
            Flaw::KeepsDeliveriesAtTheClose if crashed => Ok(Vec::new()),
            Flaw::LetsDeliveriesGoBack => Ok(self.shadow().deliveries.clone().into_iter().collect()),
            Flaw::ForgetsWhyDeliveriesFail => {
                let mut states = self.right.deliveries().await?;
                for (_, state) in &mut states {
                    state.last_error = None;
                }
                Ok(states)
            }
            Flaw::TakesNulOutOfWhyDeliveriesFail => {
                let mut states = self.right.deliveries().await?;
                for error in states.iter_mut().filter_map(|(_, state)| state.last_error.as_mut()) {
                    error.retain(|c| c != '\0');
                }
                Ok(states)
            }
            Flaw::SharesOneDelivery => {
                let mut states = self.right.deliveries().await?;
                let last = self.shadow().last_delivery.clone().unwrap_or_default();
                for (_, state) in &mut states {
                    *state = last.clone();
                }
                Ok(states)
            }
            _ => self.right.deliveries().await,
        }
    }

    async fn keep_delivery(
        &self,
        mut fence: Option<&Fence>,
        name: &WebhookName,
        state: DeliveryState,
    ) -> Result<DeliveryState, FencedError> {
        self.must_run()?;
        let duty = Duty::Deliver(name.clone());
        match (self.flaw, fence) {
            (Flaw::DeliversWithALostFence, _) => fence = None,
            (Flaw::DeliversWithAnyFence, Some(any)) if any.duty != duty => fence = None,
            (Flaw::LooksAtTheFenceOfADeliveryTooEarly, Some(held))
                if self.fence_of(&duty).await.as_ref() == Some(held) =>
            {
                pause().await;
                fence = None;
            }
            _ => {}
        }
        if self.falls_into_doubt() {
            return Ok(self.kept_delivery_in_doubt(name, state).await?);
        }
        let kept = self.right.keep_delivery(fence, name, state.clone()).await?;
        self.shadow().deliveries.insert(name.clone(), state.clone());
        self.shadow().last_delivery = Some(state.clone());
        match self.flaw {
            Flaw::LetsDeliveriesGoBack => return Ok(state),
            Flaw::LogsDeliveries => {
                let line = NewActivity {
                    at: Timestamp::EPOCH,
                    action: Action::Update,
                    source: "webhook".into(),
                    subject: Subject::default(),
                    verdict: Verdict::Unchanged,
                    version: None,
                    detail: String::new(),
                };
                self.right.record(line).await?;
            }
            _ => {}
        }
        Ok(kept)
    }

    async fn enable_delivery(
        &self,
        name: &WebhookName,
        by: &Source,
        at: Timestamp,
    ) -> Result<Option<DeliveryState>, Unavailable> {
        self.must_run()?;
        let stood = self.right.deliveries().await?;
        let stood = stood
            .into_iter()
            .find_map(|(known, state)| (known == *name).then_some(state));
        if self.falls_into_doubt() {
            return self.enabled_in_doubt(name, stood, (by, at)).await;
        }
        let answer = self.right.enable_delivery(name, by, at).await?;
        let wrong = match (self.flaw, stood) {
            (Flaw::AnswersHowAWebhookStands, stood) => return Ok(stood.map(DeliveryState::enabled)),
            (Flaw::EnablesFromTheStart, Some(state)) => return Ok(Some(DeliveryState { position: 0, ..state })),
            (Flaw::ForgivesWhoIsNotDisabled, Some(state)) => DeliveryState {
                position: state.position,
                ..DeliveryState::default()
            },
            (Flaw::EnablesWithoutAWebhook, None) => DeliveryState::default(),
            (Flaw::LeavesDisabledWhoIsEnabled, Some(state)) => state,
            _ => return Ok(answer),
        };
        let _kept = self.right.keep_delivery(None, name, wrong).await;
        Ok(answer)
    }
}
