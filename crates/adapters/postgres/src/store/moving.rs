//! Both ends of a move: the ledger as it stands, and being continued by what another store holds.

use async_trait::async_trait;
use runledger_domain::ChainHead;
use runledger_ports::{LedgerRestorer, LedgerSnapshot, RestoreError, Restored, SnapshotSource, Unavailable};

use super::PostgresStore;
use crate::read;
use crate::snapshot::Snapshot;

#[async_trait]
impl SnapshotSource for PostgresStore {
    async fn snapshot(&self) -> Result<Box<dyn LedgerSnapshot>, Unavailable> {
        Ok(Box::new(Snapshot::open(&self.connector, self.read_time).await?))
    }
}

#[async_trait]
impl LedgerRestorer for PostgresStore {
    async fn head(&self) -> Result<ChainHead, Unavailable> {
        Ok(read::head(&self.readers).await?)
    }

    async fn unfinished(&self) -> Result<Option<u64>, Unavailable> {
        Ok(read::unfinished(&self.readers).await?)
    }

    async fn restore(&self, part: Restored) -> Result<(), RestoreError> {
        let last = part.segment.to().seq;
        self.restorer.restore(&part).await?;
        self.shared.tell(last);
        Ok(())
    }
}
