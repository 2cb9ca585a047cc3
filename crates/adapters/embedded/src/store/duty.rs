//! Duties and the outbox, as the app sees them.

use std::time::Duration;

use async_trait::async_trait;
use runledger_domain::{RecordKind, RunKey, Source, Timestamp};
use runledger_ports::{
    Duty, Fence, FencedError, Lease, LeaseStore, Mark, OutboxCounts, OutboxEntry, OutboxHead, OutboxStop, OutboxStore,
    PageSize, RemovedRow, RowState, StepKind, Taken, Unavailable,
};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{EmbeddedStore, in_background, writer_gone};
use crate::error::StoreError;
use crate::operation::Operation;
use crate::transaction::{DutyDone, DutyOrder, OutboxWrite};
use crate::{outbox, read};

impl EmbeddedStore {
    async fn order_duty(&self, order: DutyOrder) -> DutyDone {
        let (reply, answer) = oneshot::channel();
        self.writer.submit(Operation::Duty(Box::new(order), reply))?;
        answer.await.unwrap_or_else(|_| Err(writer_gone().into()))
    }

    async fn project(&self, fence: &Fence, write: OutboxWrite) -> Result<(), FencedError> {
        self.order_duty(DutyOrder::Project(fence.clone(), write))
            .await
            .map(drop)
    }

    /// Reads the outbox, unless a commit has an outcome that nobody knows (I10).
    async fn read_outbox<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Unavailable> {
        self.writer.must_go_on()?;
        in_background(&self.readers, read).await
    }
}

#[async_trait]
impl LeaseStore for EmbeddedStore {
    async fn take_lease(&self, duty: &Duty, holder: &Source, time: Duration) -> Result<Taken, Unavailable> {
        let (duty, holder) = (duty.clone(), holder.clone());
        match self.order_duty(DutyOrder::Take { duty, holder, time }).await {
            Ok(Some(taken)) => Ok(taken),
            Err(FencedError::Unavailable(why)) => Err(why),
            Ok(None) | Err(FencedError::Lost { .. }) => Err(writer_gone()),
        }
    }

    async fn keep_lease(&self, fence: &Fence, time: Duration) -> Result<(), FencedError> {
        self.writer.must_go_on()?;
        self.leases.lock().keep(fence, time)
    }

    async fn end_lease(&self, fence: &Fence) -> Result<(), Unavailable> {
        match self.order_duty(DutyOrder::End(fence.clone())).await {
            Err(FencedError::Unavailable(why)) => Err(why),
            Ok(_) | Err(FencedError::Lost { .. }) => Ok(()),
        }
    }

    async fn leases(&self) -> Result<Vec<Lease>, Unavailable> {
        let mut leases = self.read_outbox(read::leases).await?;
        let held = self.leases.lock();
        for lease in &mut leases {
            lease.left = held.left(&lease.fence.duty);
        }
        Ok(leases)
    }
}

#[async_trait]
impl OutboxStore for EmbeddedStore {
    async fn outbox(&self) -> Result<Option<OutboxHead>, Unavailable> {
        self.read_outbox(outbox::head).await
    }

    async fn begin_outbox(&self, fence: &Fence, target: &str, position: u64) -> Result<(), FencedError> {
        let target = target.to_owned();
        self.project(fence, OutboxWrite::Begin { target, position }).await
    }

    async fn mark_outbox(&self, fence: &Fence, position: u64, marks: Vec<Mark>) -> Result<(), FencedError> {
        self.project(fence, OutboxWrite::Mark { position, marks }).await
    }

    async fn keep_rows(&self, fence: &Fence, rows: Vec<(RunKey, Timestamp, RowState)>) -> Result<(), FencedError> {
        self.project(fence, OutboxWrite::KeepRows(rows)).await
    }

    async fn stop_outbox(&self, fence: &Fence, stop: Option<OutboxStop>) -> Result<(), FencedError> {
        self.project(fence, OutboxWrite::Stop(stop)).await
    }

    async fn due_entries(
        &self,
        kind: RecordKind,
        now: Timestamp,
        size: PageSize,
    ) -> Result<Vec<OutboxEntry>, Unavailable> {
        self.read_outbox(move |connection| outbox::due(connection, kind, now, size))
            .await
    }

    async fn entries(&self, keys: &[RunKey]) -> Result<Vec<Option<OutboxEntry>>, Unavailable> {
        let keys = keys.to_vec();
        self.read_outbox(move |connection| outbox::entries(connection, &keys))
            .await
    }

    async fn entries_in(
        &self,
        step: StepKind,
        after: Option<&RunKey>,
        size: PageSize,
    ) -> Result<Vec<OutboxEntry>, Unavailable> {
        let after = after.cloned();
        self.read_outbox(move |connection| outbox::entries_in(connection, step, after.as_ref(), size))
            .await
    }

    async fn outbox_counts(&self) -> Result<OutboxCounts, Unavailable> {
        self.read_outbox(outbox::counts).await
    }

    async fn keep_removed(&self, fence: &Fence, rows: Vec<RemovedRow>) -> Result<(), FencedError> {
        self.project(fence, OutboxWrite::KeepRemoved(rows)).await
    }

    async fn removed_rows(&self, after: u64, size: PageSize) -> Result<Vec<RemovedRow>, Unavailable> {
        self.read_outbox(move |connection| outbox::removed(connection, after, size))
            .await
    }
}
