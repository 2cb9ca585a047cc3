//! A store that answers nothing but errors.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use runledger_contract::{Handles, OpenStore, Support};
use runledger_domain::access::{TokenChange, TokenId, TokenRecord};
use runledger_domain::{
    AttemptId, ChainHead, CreationPermit, JobSummary, NewActivity, RecordKind, RunId, RunKey, RunRecord, Source,
    Timestamp,
};
use runledger_ports::{
    ActivityFilter, ActivityLog, ActivityPage, ActivityWatch, ChangeError, ChangeRequest, Changed, Counts, CreateError,
    CreateOutcome, Cursor, DeliveryState, DeliveryStore, Duty, Fence, FencedError, Lease, LeaseStore, LedgerRestorer,
    LedgerSnapshot, ListFilter, Mark, OutboxCounts, OutboxEntry, OutboxHead, OutboxStop, OutboxStore, PageSize,
    RecordPage, RemovedRow, RestoreError, Restored, RowState, RunChanger, RunCreator, RunReader, SnapshotSource,
    StalledFilter, StepKind, Taken, TokenStore, TokenStoreError, Unavailable, WebhookName,
};

/// The store, and its own opening.
pub(crate) struct DeadStore;

fn dead<T>() -> Result<T, Unavailable> {
    let reason = "nobody is there".to_owned();
    Err(Unavailable::Failed { reason })
}

#[async_trait]
impl OpenStore for DeadStore {
    fn handles(&self) -> Handles {
        Handles::of(&Arc::new(Self))
    }

    async fn reopen(&mut self) -> Support {
        Support::Done
    }

    async fn crash(&mut self) -> Support {
        Support::Done
    }

    async fn doubt(&mut self) -> Support {
        Support::Done
    }

    async fn stop(&mut self) -> Support {
        Support::Done
    }
}

#[async_trait]
impl RunReader for DeadStore {
    async fn get(&self, _: &RunKey) -> Result<Option<Arc<RunRecord>>, Unavailable> {
        dead()
    }

    async fn find_minted(&self, _: &Source, _: &AttemptId) -> Result<Option<Arc<RunRecord>>, Unavailable> {
        dead()
    }

    async fn list(&self, _: &ListFilter, _: Option<Cursor>, _: PageSize) -> Result<RecordPage, Unavailable> {
        dead()
    }

    async fn stalled(&self, _: &StalledFilter, _: Option<Cursor>, _: PageSize) -> Result<RecordPage, Unavailable> {
        dead()
    }

    async fn summary(&self, _: &RunId) -> Result<Option<JobSummary>, Unavailable> {
        dead()
    }

    async fn activity(&self, _: &ActivityFilter, _: Option<Cursor>, _: PageSize) -> Result<ActivityPage, Unavailable> {
        dead()
    }

    async fn counts(&self, _: Timestamp) -> Result<Counts, Unavailable> {
        dead()
    }
}

#[async_trait]
impl RunChanger for DeadStore {
    async fn change(&self, _: ChangeRequest) -> Result<Changed, ChangeError> {
        Ok(dead()?)
    }
}

#[async_trait]
impl RunCreator for DeadStore {
    async fn create(&self, _: Vec<CreationPermit>) -> Result<Vec<CreateOutcome>, CreateError> {
        Ok(dead()?)
    }
}

#[async_trait]
impl ActivityLog for DeadStore {
    async fn record(&self, _: NewActivity) -> Result<(), Unavailable> {
        dead()
    }
}

#[async_trait]
impl ActivityWatch for DeadStore {
    async fn last_line(&self) -> Result<u64, Unavailable> {
        dead()
    }

    async fn grown(&self, _: u64) -> Result<u64, Unavailable> {
        dead()
    }
}

#[async_trait]
impl TokenStore for DeadStore {
    async fn tokens(&self) -> Result<Vec<TokenRecord>, Unavailable> {
        dead()
    }

    async fn add_token(&self, _: TokenRecord) -> Result<(), TokenStoreError> {
        Ok(dead()?)
    }

    async fn end_token(
        &self,
        _: &TokenId,
        _: TokenChange,
        _: &Source,
        _: Timestamp,
    ) -> Result<TokenRecord, TokenStoreError> {
        Ok(dead()?)
    }
}

#[async_trait]
impl DeliveryStore for DeadStore {
    async fn deliveries(&self) -> Result<Vec<(WebhookName, DeliveryState)>, Unavailable> {
        dead()
    }

    async fn keep_delivery(&self, _: &Fence, _: &WebhookName, _: DeliveryState) -> Result<DeliveryState, FencedError> {
        Ok(dead()?)
    }

    async fn enable_delivery(
        &self,
        _: &WebhookName,
        _: &Source,
        _: Timestamp,
    ) -> Result<Option<DeliveryState>, Unavailable> {
        dead()
    }
}

#[async_trait]
impl LeaseStore for DeadStore {
    async fn take_lease(&self, _: &Duty, _: &Source, _: Duration) -> Result<Taken, Unavailable> {
        dead()
    }

    async fn keep_lease(&self, _: &Fence, _: Duration) -> Result<(), FencedError> {
        Ok(dead()?)
    }

    async fn end_lease(&self, _: &Fence) -> Result<(), Unavailable> {
        dead()
    }

    async fn leases(&self) -> Result<Vec<Lease>, Unavailable> {
        dead()
    }
}

#[async_trait]
impl OutboxStore for DeadStore {
    async fn outbox(&self) -> Result<Option<OutboxHead>, Unavailable> {
        dead()
    }

    async fn begin_outbox(&self, _: &Fence, _: &str, _: u64) -> Result<(), FencedError> {
        Ok(dead()?)
    }

    async fn mark_outbox(&self, _: &Fence, _: u64, _: Vec<Mark>) -> Result<(), FencedError> {
        Ok(dead()?)
    }

    async fn keep_rows(&self, _: &Fence, _: Vec<(RunKey, Timestamp, RowState)>) -> Result<(), FencedError> {
        Ok(dead()?)
    }

    async fn stop_outbox(&self, _: &Fence, _: Option<OutboxStop>) -> Result<(), FencedError> {
        Ok(dead()?)
    }

    async fn due_entries(&self, _: RecordKind, _: Timestamp, _: PageSize) -> Result<Vec<OutboxEntry>, Unavailable> {
        dead()
    }

    async fn entries(&self, _: &[RunKey]) -> Result<Vec<Option<OutboxEntry>>, Unavailable> {
        dead()
    }

    async fn entries_in(&self, _: StepKind, _: Option<&RunKey>, _: PageSize) -> Result<Vec<OutboxEntry>, Unavailable> {
        dead()
    }

    async fn outbox_counts(&self) -> Result<OutboxCounts, Unavailable> {
        dead()
    }

    async fn keep_removed(&self, _: &Fence, _: Vec<RemovedRow>) -> Result<(), FencedError> {
        Ok(dead()?)
    }

    async fn removed_rows(&self, _: u64, _: PageSize) -> Result<Vec<RemovedRow>, Unavailable> {
        dead()
    }
}

#[async_trait]
impl SnapshotSource for DeadStore {
    async fn snapshot(&self) -> Result<Box<dyn LedgerSnapshot>, Unavailable> {
        dead()
    }
}

#[async_trait]
impl LedgerRestorer for DeadStore {
    async fn head(&self) -> Result<ChainHead, Unavailable> {
        dead()
    }

    async fn unfinished(&self) -> Result<Option<u64>, Unavailable> {
        dead()
    }

    async fn restore(&self, _: Restored) -> Result<(), RestoreError> {
        Ok(dead()?)
    }
}
