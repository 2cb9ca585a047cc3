//! How far the log was delivered, inside a transaction. It touches neither records nor the log.

use runledger_domain::Timestamp;
use runledger_ports::{DeliveryState, WebhookName};
use rusqlite::params;

use super::{Transaction, check_rows};
use crate::columns::version_column;
use crate::error::StoreError;
use crate::read::delivery;

const INSERT_DELIVERY: &str = "INSERT INTO delivery(name, position, failures) VALUES(?1, 0, 0) ON CONFLICT DO NOTHING";
const UPDATE_DELIVERY: &str =
    "UPDATE delivery SET position = max(position, ?2), failures = ?3, failing_since = ?4, disabled_at = ?5,
        last_error = ?6 WHERE name = ?1";

/// A state that is to be kept.
pub(crate) struct DeliveryOrder {
    pub(crate) name: WebhookName,
    pub(crate) state: DeliveryState,
}

impl Transaction<'_> {
    pub(crate) fn delivery(&mut self, order: &DeliveryOrder) -> Result<DeliveryState, StoreError> {
        let DeliveryOrder { name, state } = order;
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
