//! The ledger as it stood at one moment: a copy of it.

use std::sync::Arc;

use async_trait::async_trait;
use runledger_domain::access::TokenRecord;
use runledger_domain::{Activity, ChainHead, ClientId, RunKey, RunRecord};
use runledger_ports::{DeliveryState, LedgerSnapshot, Unavailable, WebhookName};

use crate::ledger::Ledger;

/// A copy of what a ledger held.
pub(crate) struct Copied {
    head: ChainHead,
    lines: Vec<Activity>,
    /// By their keys.
    records: Vec<Arc<RunRecord>>,
    tokens: Vec<TokenRecord>,
    deliveries: Vec<(WebhookName, DeliveryState)>,
}

impl Copied {
    pub(crate) fn of(ledger: &Ledger) -> Self {
        let mut records: Vec<_> = ledger.records(0).map(|(_, record)| Arc::clone(record)).collect();
        records.sort_by(|one, other| columns(one.key()).cmp(&columns(other.key())));
        let deliveries = ledger.deliveries();
        Self {
            head: ledger.head(),
            lines: ledger.lines(0).cloned().collect(),
            records,
            tokens: ledger.tokens().cloned().collect(),
            deliveries: deliveries.map(|(name, state)| (name.clone(), state.clone())).collect(),
        }
    }

    fn place(&self, key: &RunKey) -> Result<usize, usize> {
        self.records
            .binary_search_by(|record| columns(record.key()).cmp(&columns(key)))
    }
}

/// What keys are ordered by.
fn columns(key: &RunKey) -> (&str, &str) {
    (key.run().as_str(), key.client().map_or("", ClientId::as_str))
}

fn most(most: u32) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX)
}

#[async_trait]
impl LedgerSnapshot for Copied {
    fn head(&self) -> ChainHead {
        self.head
    }

    async fn lines(&mut self, after: u64, at_most: u32) -> Result<Vec<Activity>, Unavailable> {
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        Ok(self.lines.iter().skip(after).take(most(at_most)).cloned().collect())
    }

    async fn records(&mut self, keys: &[RunKey]) -> Result<Vec<Option<Arc<RunRecord>>>, Unavailable> {
        let found = keys.iter().map(|key| self.place(key).ok());
        Ok(found
            .map(|place| place.map(|place| Arc::clone(&self.records[place])))
            .collect())
    }

    async fn records_by_key(
        &mut self,
        after: Option<&RunKey>,
        at_most: u32,
    ) -> Result<Vec<Arc<RunRecord>>, Unavailable> {
        let from = after.map_or(0, |after| match self.place(after) {
            Ok(place) => place + 1,
            Err(place) => place,
        });
        Ok(self.records.iter().skip(from).take(most(at_most)).cloned().collect())
    }

    async fn tokens(&mut self) -> Result<Vec<TokenRecord>, Unavailable> {
        Ok(self.tokens.clone())
    }

    async fn deliveries(&mut self) -> Result<Vec<(WebhookName, DeliveryState)>, Unavailable> {
        Ok(self.deliveries.clone())
    }
}
