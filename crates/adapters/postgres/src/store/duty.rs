//! Duties and the outbox, as the app sees them.

use std::time::Duration;

use async_trait::async_trait;
use runledger_domain::{RecordKind, RunKey, Source, Timestamp};
use runledger_ports::{
    Duty, Fence, FencedError, Lease, LeaseStore, Mark, OutboxCounts, OutboxEntry, OutboxHead, OutboxStop, OutboxStore,
    PageSize, RemovedRow, RowState, StepKind, Taken, Unavailable,
};

use super::{PostgresStore, gone};
use crate::duty::{DutyCall, OutboxWrite};
use crate::{outbox, read};

impl PostgresStore {
    async fn project(&self, fence: &Fence, write: OutboxWrite) -> Result<(), FencedError> {
        self.duties
            .call(DutyCall::Project(fence.clone(), Box::new(write)))
            .await
            .map(drop)
    }
}

#[async_trait]
impl LeaseStore for PostgresStore {
    async fn take_lease(&self, duty: &Duty, holder: &Source, time: Duration) -> Result<Taken, Unavailable> {
        let (duty, holder) = (duty.clone(), holder.clone());
        match self.duties.call(DutyCall::Take { duty, holder, time }).await {
            Ok(Some(taken)) => Ok(taken),
            Err(FencedError::Unavailable(why)) => Err(why),
            Ok(None) | Err(FencedError::Lost { .. }) => Err(gone()),
        }
    }

    async fn keep_lease(&self, fence: &Fence, time: Duration) -> Result<(), FencedError> {
        let fence = fence.clone();
        self.duties.call(DutyCall::Keep { fence, time }).await.map(drop)
    }

    async fn end_lease(&self, fence: &Fence) -> Result<(), Unavailable> {
        match self.duties.call(DutyCall::End(fence.clone())).await {
            Err(FencedError::Unavailable(why)) => Err(why),
            Ok(_) | Err(FencedError::Lost { .. }) => Ok(()),
        }
    }

    async fn leases(&self) -> Result<Vec<Lease>, Unavailable> {
        Ok(read::leases(&self.readers).await?)
    }
}

#[async_trait]
impl OutboxStore for PostgresStore {
    async fn outbox(&self) -> Result<Option<OutboxHead>, Unavailable> {
        self.duties.settled().await?;
        Ok(outbox::head(&self.readers).await?)
    }

    async fn begin_outbox(&self, fence: &Fence, target: &str, position: u64) -> Result<(), FencedError> {
        self.project(fence, OutboxWrite::begin(target, position)).await
    }

    async fn mark_outbox(&self, fence: &Fence, position: u64, marks: Vec<Mark>) -> Result<(), FencedError> {
        self.project(fence, OutboxWrite::mark(position, marks)).await
    }

    async fn keep_rows(&self, fence: &Fence, rows: Vec<(RunKey, Timestamp, RowState)>) -> Result<(), FencedError> {
        self.project(fence, OutboxWrite::keep_rows(rows)).await
    }

    async fn stop_outbox(&self, fence: &Fence, stop: Option<OutboxStop>) -> Result<(), FencedError> {
        self.project(fence, OutboxWrite::stop(stop)).await
    }

    async fn due_entries(
        &self,
        kind: RecordKind,
        now: Timestamp,
        size: PageSize,
    ) -> Result<Vec<OutboxEntry>, Unavailable> {
        self.duties.settled().await?;
        Ok(outbox::due(&self.readers, kind, now, size).await?)
    }

    async fn entries(&self, keys: &[RunKey]) -> Result<Vec<Option<OutboxEntry>>, Unavailable> {
        self.duties.settled().await?;
        Ok(outbox::entries(&self.readers, keys).await?)
    }

    async fn entries_in(
        &self,
        step: StepKind,
        after: Option<&RunKey>,
        size: PageSize,
    ) -> Result<Vec<OutboxEntry>, Unavailable> {
        self.duties.settled().await?;
        Ok(outbox::entries_in(&self.readers, step, after, size).await?)
    }

    async fn outbox_counts(&self) -> Result<OutboxCounts, Unavailable> {
        self.duties.settled().await?;
        Ok(outbox::counts(&self.readers).await?)
    }

    async fn keep_removed(&self, fence: &Fence, rows: Vec<RemovedRow>) -> Result<(), FencedError> {
        self.project(fence, OutboxWrite::keep_removed(rows)).await
    }

    async fn removed_rows(&self, after: u64, size: PageSize) -> Result<Vec<RemovedRow>, Unavailable> {
        self.duties.settled().await?;
        Ok(outbox::removed(&self.readers, after, size).await?)
    }
}
