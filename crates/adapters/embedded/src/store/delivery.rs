//! Deliveries, as the app sees them.

use async_trait::async_trait;
use runledger_domain::{Source, Timestamp};
use runledger_ports::{DeliveryState, DeliveryStore, Fence, FencedError, Unavailable, WebhookName};
use tokio::sync::oneshot;

use super::{EmbeddedStore, in_background, writer_gone};
use crate::operation::{DeliveryAnswer, Operation};
use crate::read;
use crate::transaction::DeliveryOrder;

impl EmbeddedStore {
    async fn order_delivery(&self, order: DeliveryOrder) -> DeliveryAnswer {
        let (reply, answer) = oneshot::channel();
        self.writer.submit(Operation::Delivery(Box::new(order), reply))?;
        answer.await.unwrap_or_else(|_| Err(writer_gone().into()))
    }
}

#[async_trait]
impl DeliveryStore for EmbeddedStore {
    async fn deliveries(&self) -> Result<Vec<(WebhookName, DeliveryState)>, Unavailable> {
        in_background(&self.readers, read::deliveries).await
    }

    async fn keep_delivery(
        &self,
        fence: &Fence,
        name: &WebhookName,
        state: DeliveryState,
    ) -> Result<DeliveryState, FencedError> {
        let (fence, name) = (fence.clone(), name.clone());
        let kept = self.order_delivery(DeliveryOrder::Keep { fence, name, state }).await?;
        kept.ok_or_else(|| writer_gone().into())
    }

    async fn enable_delivery(
        &self,
        name: &WebhookName,
        by: &Source,
        at: Timestamp,
    ) -> Result<Option<DeliveryState>, Unavailable> {
        let (name, by) = (name.clone(), by.clone());
        match self.order_delivery(DeliveryOrder::Enable { name, by, at }).await {
            Ok(stood) => Ok(stood),
            Err(FencedError::Unavailable(why)) => Err(why),
            // It goes with no duty.
            Err(FencedError::Lost { .. }) => Err(writer_gone()),
        }
    }
}
