//! Deliveries in a draft: they never go back, and touch no record; only who enables a webhook leaves a line (I6).

use runledger_domain::{Source, Timestamp};
use runledger_ports::{DeliveryState, Duty, Fence, FencedError, WebhookName};

use super::{Common, Draft, Drafted};
use crate::operation::DeliveryAnswer;

/// What is to happen to the state of a webhook.
pub(crate) enum DeliveryOrder {
    Keep {
        fence: Fence,
        name: WebhookName,
        state: DeliveryState,
    },
    Enable {
        name: WebhookName,
        by: Source,
        at: Timestamp,
    },
}

impl DeliveryOrder {
    /// Which webhook.
    pub(crate) const fn name(&self) -> &WebhookName {
        match self {
            Self::Keep { name, .. } | Self::Enable { name, .. } => name,
        }
    }

    /// What it goes with.
    pub(crate) const fn fence(&self) -> Option<&Fence> {
        match self {
            Self::Keep { fence, .. } => Some(fence),
            Self::Enable { .. } => None,
        }
    }
}

/// The state of a webhook that the call keeps.
pub(super) struct TouchedDelivery {
    pub(super) member: usize,
    /// The version that is stored; 0 for none.
    pub(super) version: i64,
    pub(super) state: DeliveryState,
}

impl Draft<'_> {
    /// The state as it is kept, or as it stood before it was enabled; nothing when there is none to enable.
    pub(crate) fn delivery(&mut self, member: usize, order: &DeliveryOrder) -> Drafted<DeliveryAnswer> {
        let name = order.name();
        self.groups.join(member, Common::Delivery(name.clone()));
        let Some(stored) = self.evidence.deliveries.get(name) else {
            return Drafted::LookFirst;
        };
        let fence = order.fence();
        if let Some(fence) = fence {
            match self.holds(fence, &Duty::Deliver(name.clone())) {
                Some(true) => {}
                Some(false) => {
                    let duty = fence.duty.clone();
                    return Drafted::Answer(Err(FencedError::Lost { duty }));
                }
                None => return Drafted::LookFirst,
            }
        }
        let stood = match self.deliveries.get(name) {
            Some(touched) => Some(touched.state.clone()),
            None => stored.as_ref().map(|seen| seen.state.clone()),
        };
        let (state, answer) = match order {
            DeliveryOrder::Keep { state, .. } => {
                let position = state.position.max(stood.map_or(0, |stood| stood.position));
                let kept = DeliveryState {
                    position,
                    ..state.clone()
                };
                (kept.clone(), kept)
            }
            DeliveryOrder::Enable { by, at, .. } => {
                self.line(member, name.line_of_enabling(stood.as_ref(), by, *at));
                let Some(stood) = stood else {
                    return Drafted::Answer(Ok(None));
                };
                (stood.clone().enabled(), stood)
            }
        };
        let touched = TouchedDelivery {
            member,
            version: stored.as_ref().map_or(0, |seen| seen.version),
            state,
        };
        self.deliveries.insert(name.clone(), touched);
        if let Some(fence) = fence {
            self.guard_fence(member, fence);
        }
        Drafted::Answer(Ok(Some(answer)))
    }
}
