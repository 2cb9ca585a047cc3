//! The store in memory: the reference for what every other store answers.
//!
//! It is for tests, and for teams that embed the ledger and need no durability: what it holds ends with the process.
//! It is small on purpose. All rules come from `runledger-domain`; this crate only keeps what they decide, under one
//! lock, so that each call is one transaction. It must never decide a rule by itself.
//!
//! ```
//! use runledger_domain::{CreationIntent, CreationPolicy, RunKey, Timestamp};
//! use runledger_memory::MemoryStore;
//! use runledger_ports::{CreateOutcome, RunCreator, RunReader};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new();
//! let key: RunKey = "250925-231841".parse()?;
//! assert_eq!(store.get(&key).await?, None);
//!
//! let intent = CreationIntent::new(key.clone(), "orchestrator".parse()?, "attempt-1".parse()?, Timestamp::EPOCH);
//! let permit = CreationPolicy::default().authorise(intent)?;
//! let outcomes = store.create(vec![permit]).await?;
//! assert!(matches!(outcomes[..], [CreateOutcome::Created(_)]));
//! assert_eq!(store.get(&key).await?.map(|record| record.version()), Some(1));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod change;
mod create;
mod lease;
mod ledger;
mod outbox;
mod read;
mod snapshot;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use runledger_domain::access::{TokenChange, TokenId, TokenRecord};
use runledger_domain::{
    AttemptId, ChainHead, CreationPermit, JobSummary, NewActivity, RunId, RunKey, RunRecord, Source, Timestamp,
};
use runledger_ports::{
    ActivityFilter, ActivityLog, ActivityPage, ActivityWatch, ChangeError, ChangeRequest, Changed, Counts, CreateError,
    CreateOutcome, Cursor, DeliveryState, DeliveryStore, Duty, Fence, FencedError, LedgerRestorer, LedgerSnapshot,
    ListFilter, PageSize, RecordPage, RestoreError, Restored, RunChanger, RunCreator, RunReader, SnapshotSource,
    StalledFilter, TokenStore, TokenStoreError, Unavailable, WebhookName, not_whole,
};

use crate::ledger::Ledger;

/// A ledger in memory. Empty when made, gone when dropped; share it by `Arc`.
#[derive(Debug, Default)]
pub struct MemoryStore {
    ledger: Mutex<Ledger>,
}

impl MemoryStore {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// One transaction. A poisoned lock is taken as it is: every write to the ledger below comes after all that could
    /// panic, so what a panicking caller leaves behind is whole.
    fn transaction(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One transaction of whoever wants a line written, which a ledger that is not whole does not take.
    fn writing(&self) -> Result<MutexGuard<'_, Ledger>, Unavailable> {
        let ledger = self.transaction();
        ledger.unfinished().map_or(Ok(ledger), |until| Err(not_whole(until)))
    }
}

#[async_trait]
impl RunReader for MemoryStore {
    async fn get(&self, key: &RunKey) -> Result<Option<Arc<RunRecord>>, Unavailable> {
        Ok(self.transaction().get(key).cloned())
    }

    async fn find_minted(&self, source: &Source, attempt: &AttemptId) -> Result<Option<Arc<RunRecord>>, Unavailable> {
        Ok(self.transaction().minted(source, attempt).cloned())
    }

    async fn list(
        &self,
        filter: &ListFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<RecordPage, Unavailable> {
        Ok(read::list(&self.transaction(), filter, after, size))
    }

    async fn stalled(
        &self,
        filter: &StalledFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<RecordPage, Unavailable> {
        Ok(read::stalled(&self.transaction(), filter, after, size))
    }

    async fn summary(&self, run: &RunId) -> Result<Option<JobSummary>, Unavailable> {
        Ok(read::summary(&self.transaction(), run))
    }

    async fn activity(
        &self,
        filter: &ActivityFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<ActivityPage, Unavailable> {
        Ok(read::activity(&self.transaction(), filter, after, size))
    }

    async fn counts(&self, stalled_before: Timestamp) -> Result<Counts, Unavailable> {
        Ok(read::counts(&self.transaction(), stalled_before))
    }
}

#[async_trait]
impl RunChanger for MemoryStore {
    async fn change(&self, request: ChangeRequest) -> Result<Changed, ChangeError> {
        change::change(&mut *self.writing()?, request)
    }
}

#[async_trait]
impl RunCreator for MemoryStore {
    async fn create(&self, permits: Vec<CreationPermit>) -> Result<Vec<CreateOutcome>, CreateError> {
        Ok(create::create(&mut *self.writing()?, permits))
    }
}

#[async_trait]
impl ActivityLog for MemoryStore {
    async fn record(&self, line: NewActivity) -> Result<(), Unavailable> {
        self.writing()?.log(line);
        Ok(())
    }
}

#[async_trait]
impl ActivityWatch for MemoryStore {
    async fn last_line(&self) -> Result<u64, Unavailable> {
        Ok(self.transaction().last_line())
    }

    async fn grown(&self, after: u64) -> Result<u64, Unavailable> {
        let mut last_line = self.transaction().watch();
        let grown = last_line.wait_for(|last| *last > after).await;
        let last = grown.map_err(|_| Unavailable::Stopped {
            reason: "the ledger in memory is gone".into(),
        })?;
        Ok(*last)
    }
}

#[async_trait]
impl TokenStore for MemoryStore {
    async fn tokens(&self) -> Result<Vec<TokenRecord>, Unavailable> {
        Ok(self.transaction().tokens().cloned().collect())
    }

    async fn add_token(&self, token: TokenRecord) -> Result<(), TokenStoreError> {
        let id = token.id().clone();
        if self.writing()?.add_token(token) {
            Ok(())
        } else {
            Err(TokenStoreError::Taken { id })
        }
    }

    async fn end_token(
        &self,
        id: &TokenId,
        change: TokenChange,
        by: &Source,
        at: Timestamp,
    ) -> Result<TokenRecord, TokenStoreError> {
        let ended = self.writing()?.end_token(id, change, by, at);
        ended.ok_or_else(|| TokenStoreError::Missing { id: id.clone() })
    }
}

#[async_trait]
impl DeliveryStore for MemoryStore {
    async fn deliveries(&self) -> Result<Vec<(WebhookName, DeliveryState)>, Unavailable> {
        let ledger = self.transaction();
        let states = ledger.deliveries();
        Ok(states.map(|(name, state)| (name.clone(), state.clone())).collect())
    }

    async fn keep_delivery(
        &self,
        fence: &Fence,
        name: &WebhookName,
        state: DeliveryState,
    ) -> Result<DeliveryState, FencedError> {
        let mut ledger = self.transaction();
        ledger.leases.check(fence, &Duty::Deliver(name.clone()))?;
        Ok(ledger.keep_delivery(name, state))
    }

    async fn enable_delivery(
        &self,
        name: &WebhookName,
        by: &Source,
        at: Timestamp,
    ) -> Result<Option<DeliveryState>, Unavailable> {
        Ok(self.writing()?.enable_delivery(name, by, at))
    }
}

#[async_trait]
impl SnapshotSource for MemoryStore {
    async fn snapshot(&self) -> Result<Box<dyn LedgerSnapshot>, Unavailable> {
        Ok(Box::new(snapshot::Copied::of(&self.transaction())))
    }
}

#[async_trait]
impl LedgerRestorer for MemoryStore {
    async fn head(&self) -> Result<ChainHead, Unavailable> {
        Ok(self.transaction().head())
    }

    async fn unfinished(&self) -> Result<Option<u64>, Unavailable> {
        Ok(self.transaction().unfinished())
    }

    async fn restore(&self, part: Restored) -> Result<(), RestoreError> {
        self.transaction().restore(part)
    }
}
