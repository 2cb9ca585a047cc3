//! The capability to read a whole ledger as it stood at one moment, while others go on writing.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use runledger_domain::access::TokenRecord;
use runledger_domain::segment::{Segment, SegmentError, speaks_of};
use runledger_domain::{Activity, ChainHead, RunKey, RunRecord, Verdict};

use crate::deliveries::{DeliveryState, WebhookName};
use crate::error::Unavailable;

/// A ledger as it stood at one moment. It may cost the store something for as long as it lives: give it up soon.
///
/// # Contract
/// - Everything that it answers MUST be of one moment, whatever is written meanwhile, and nobody who writes waits for it.
/// - A record that it answers MUST be the one that the lines up to [`head`](Self::head) lead to.
/// - `records_by_key` MUST hold every record once, in the order of the bytes of their runs, then of their clients, a job
///   before its clients.
#[async_trait]
pub trait LedgerSnapshot: Send {
    /// Where the log ended.
    fn head(&self) -> ChainHead;

    /// The lines behind the one of this number, `most` at most; none at the end.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn lines(&mut self, after: u64, most: u32) -> Result<Vec<Activity>, Unavailable>;

    /// The records under these keys, in the order of the keys; `None` for a key that has none.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn records(&mut self, keys: &[RunKey]) -> Result<Vec<Option<Arc<RunRecord>>>, Unavailable>;

    /// The records behind this key, `most` at most; none at the end.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn records_by_key(&mut self, after: Option<&RunKey>, most: u32) -> Result<Vec<Arc<RunRecord>>, Unavailable>;

    /// All tokens, in the order of their ids.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn tokens(&mut self) -> Result<Vec<TokenRecord>, Unavailable>;

    /// How far the log was delivered to each webhook, in the order of their names.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn deliveries(&mut self) -> Result<Vec<(WebhookName, DeliveryState)>, Unavailable>;
}

/// A store that gives snapshots.
#[async_trait]
pub trait SnapshotSource: Send + Sync {
    /// The ledger as it stands now.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn snapshot(&self) -> Result<Box<dyn LedgerSnapshot>, Unavailable>;
}

/// Why a snapshot gives no segment.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SnapshotError {
    /// The store cannot say.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The ledger contradicts itself.
    #[error("{0}; check the ledger with `runledger verify`")]
    Segment(#[from] SegmentError),
}

/// The segment of at most `most` lines behind `from`, with the records that they create, for whoever holds the ledger as it
/// was at line `held`; `None` when there are no more lines. Records that were created after `held` come once, with their
/// creation, in their last version; of older ones it has every one that its lines change.
///
/// # Errors
/// [`SnapshotError`].
pub async fn next_segment(
    snapshot: &mut dyn LedgerSnapshot,
    from: ChainHead,
    held: u64,
    most: u32,
) -> Result<Option<Segment>, SnapshotError> {
    let lines = snapshot.lines(from.seq, most).await?;
    if lines.is_empty() {
        return Ok(None);
    }
    let mut keys = BTreeSet::new();
    for line in &lines {
        // Whoever held nothing has got every record with its creation.
        if let Some((key, _)) = speaks_of(line)?
            && (held > 0 || line.line.verdict == Verdict::Created)
        {
            keys.insert(key);
        }
    }
    let keys: Vec<RunKey> = keys.into_iter().collect();
    let records = snapshot.records(&keys).await?;
    let records = records.into_iter().flatten().map(|record| (*record).clone());
    Ok(Some(Segment::check(from, lines, records.collect())?))
}
