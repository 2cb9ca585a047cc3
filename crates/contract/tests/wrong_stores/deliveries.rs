//! Deliveries, as wrong stores keep them.

use async_trait::async_trait;
use runledger_domain::segment::Segment;
use runledger_domain::{Action, NewActivity, Source, Subject, Timestamp, Verdict};
use runledger_ports::{
    ActivityLog, DeliveryState, DeliveryStore, Duty, Fence, FencedError, LedgerRestorer as _, Restored, Unavailable,
    WebhookName,
};

use crate::flaws::Flaw;
use crate::store::{WrongStore, pause};

impl WrongStore {
    /// Keeps a state, whoever has the duty: as what a ledger brings along that is taken over.
    pub(crate) async fn keep_unfenced(&self, name: &WebhookName, state: DeliveryState) -> DeliveryState {
        let head = self.right.head().await.expect("memory does not fail");
        let part = Restored {
            segment: Segment::check(head, Vec::new(), Vec::new()).expect("nothing follows from anywhere"),
            tokens: Vec::new(),
            deliveries: vec![(name.clone(), state.clone())],
            until: None,
        };
        // When a line came in between it is kept by nobody, which is wrong too.
        let _taken = self.right.restore(part).await;
        let kept = self.right.deliveries().await.expect("memory does not fail");
        let kept = kept
            .into_iter()
            .find_map(|(known, kept)| (known == *name).then_some(kept));
        kept.unwrap_or(state)
    }
}

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
        fence: &Fence,
        name: &WebhookName,
        state: DeliveryState,
    ) -> Result<DeliveryState, FencedError> {
        self.must_run()?;
        let duty = Duty::Deliver(name.clone());
        let looks_at_no_fence = match self.flaw {
            Flaw::DeliversWithALostFence => true,
            Flaw::DeliversWithAnyFence => fence.duty != duty,
            Flaw::LooksAtTheFenceOfADeliveryTooEarly if self.fence_of(&duty).await.as_ref() == Some(fence) => {
                pause().await;
                true
            }
            _ => false,
        };
        if self.falls_into_doubt() {
            return Ok(self.kept_delivery_in_doubt(name, state).await?);
        }
        let kept = if looks_at_no_fence {
            self.keep_unfenced(name, state.clone()).await
        } else {
            self.right.keep_delivery(fence, name, state.clone()).await?
        };
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
        let _kept = self.keep_unfenced(name, wrong).await;
        Ok(answer)
    }
}
