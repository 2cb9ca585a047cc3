//! Both ends of a move: the ledger as it stands, and being continued by what another store holds.

use async_trait::async_trait;
use runledger_domain::ChainHead;
use runledger_ports::{LedgerRestorer, LedgerSnapshot, RestoreError, Restored, SnapshotSource, Unavailable};
use tokio::sync::oneshot;

use super::{EmbeddedStore, ReadOnlyStore, WRITER_GONE, chain_head, in_background};
use crate::operation::Operation;
use crate::snapshot::Snapshot;

#[async_trait]
impl SnapshotSource for EmbeddedStore {
    async fn snapshot(&self) -> Result<Box<dyn LedgerSnapshot>, Unavailable> {
        self.flush().await;
        Ok(Box::new(Snapshot::open(&self.directory)?))
    }
}

#[async_trait]
impl SnapshotSource for ReadOnlyStore {
    async fn snapshot(&self) -> Result<Box<dyn LedgerSnapshot>, Unavailable> {
        Ok(Box::new(Snapshot::open(self.readers.directory())?))
    }
}

#[async_trait]
impl LedgerRestorer for EmbeddedStore {
    async fn head(&self) -> Result<ChainHead, Unavailable> {
        self.flush().await;
        in_background(&self.readers, chain_head).await
    }

    async fn unfinished(&self) -> Result<Option<u64>, Unavailable> {
        self.unfinished_up_to()
    }

    async fn restore(&self, part: Restored) -> Result<(), RestoreError> {
        let (reply, answer) = oneshot::channel();
        self.writer.submit(Operation::Restore(Box::new(part), reply))?;
        answer.await.unwrap_or_else(|_| {
            Err(RestoreError::Indeterminate {
                reason: WRITER_GONE.into(),
            })
        })
    }
}
