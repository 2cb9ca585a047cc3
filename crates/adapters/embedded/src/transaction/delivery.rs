//! How far the log was delivered, inside a transaction. It touches no record; only who enables a webhook leaves a line (I6).

use runledger_domain::{Source, Timestamp};
use runledger_ports::{DeliveryState, Duty, Fence, FencedError, WebhookName};
use rusqlite::params;

use super::{Transaction, check_rows};
use crate::columns::version_column;
use crate::error::StoreError;
use crate::operation::DeliveryAnswer;
use crate::read::delivery;

const INSERT_DELIVERY: &str = "INSERT INTO delivery(name, position, failures) VALUES(?1, 0, 0) ON CONFLICT DO NOTHING";
const UPDATE_DELIVERY: &str =
    "UPDATE delivery SET position = max(position, ?2), failures = ?3, failing_since = ?4, disabled_at = ?5,
        last_error = ?6 WHERE name = ?1";

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

impl Transaction<'_> {
    /// The state as it is kept, or as it stood before it was enabled; nothing when there is none to enable.
    pub(crate) fn delivery(&mut self, order: &DeliveryOrder) -> Result<DeliveryAnswer, StoreError> {
        match order {
            DeliveryOrder::Keep { fence, name, .. } if self.is_lost(fence, &Duty::Deliver(name.clone())) => {
                Ok(Err(FencedError::Lost {
                    duty: fence.duty.clone(),
                }))
            }
            DeliveryOrder::Keep { name, state, .. } => Ok(Ok(Some(self.keep_delivery(name, state)?))),
            DeliveryOrder::Enable { name, by, at } => Ok(Ok(self.enable_delivery(name, by, *at)?)),
        }
    }

    fn enable_delivery(
        &mut self,
        name: &WebhookName,
        by: &Source,
        at: Timestamp,
    ) -> Result<Option<DeliveryState>, StoreError> {
        let stood = delivery(self.connection, name)?;
        self.line(name.line_of_enabling(stood.as_ref(), by, at))?;
        if let Some(stood) = &stood {
            self.keep_delivery(name, &stood.clone().enabled())?;
        }
        Ok(stood)
    }

    pub(super) fn keep_delivery(
        &mut self,
        name: &WebhookName,
        state: &DeliveryState,
    ) -> Result<DeliveryState, StoreError> {
        self.connection
            .prepare_cached(INSERT_DELIVERY)?
            .execute([name.as_str()])?;
        let rows = self.connection.prepare_cached(UPDATE_DELIVERY)?.execute(params![
            name.as_str(),
            version_column(state.position)?,
            version_column(state.failures)?,
            state.failing_since.map(Timestamp::as_micros),
            state.disabled_at.map(Timestamp::as_micros),
            state.last_error,
        ])?;
        check_rows(rows, "the state of a delivery")?;
        self.wrote = true;
        let kept = delivery(self.connection, name)?;
        kept.ok_or_else(|| StoreError::Inconsistent("the state of a delivery is gone".into()))
    }
}
