//! The capability to create (I1, I2, I9, I10).

use std::sync::Arc;

use async_trait::async_trait;
use runledger_domain::{CreationField, CreationIntent, CreationPermit, CreationRefusal, RunRecord};

use crate::error::Unavailable;

/// What became of one permit.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub enum CreateOutcome {
    /// The record is there now, durably, and this call created it.
    Created(Arc<RunRecord>),
    /// The same creation took place before; this is its record as it stands (I7).
    Replayed(Arc<RunRecord>),
    /// The key is taken by another creation. Nothing was created.
    Conflict {
        /// The record that holds the key; it is durable.
        existing: Arc<RunRecord>,
        /// In what the two creations differ.
        differs_in: Vec<CreationField>,
    },
    /// The rules do not allow the creation now. Nothing was created.
    Refused(CreationRefusal),
    /// Nothing stood against this one, but another permit of the same batch failed, so nothing was created.
    Withheld,
}

/// Why it is not known, or not done, what was asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CreateError {
    /// The store does not know whether the records were created. The intents come back: have them authorised again and
    /// send them again with the same attempt; that is safe at any later time (I7, I10).
    #[error("it is not known whether the record was created: {reason}")]
    Indeterminate {
        /// What was asked for, in the order of the permits.
        intents: Vec<CreationIntent>,
        /// What happened.
        reason: String,
    },
    /// Nothing was created.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A store that can create records.
///
/// # Contract
/// - A key MUST be created at most once in the store's whole life, whatever the number of callers and restarts (I1).
/// - `Created` MUST be answered at most once for a key, and only when the record and its line are durable (I2, I4, I9).
/// - The record and its *create accepted* line MUST become durable together (I2).
/// - `Conflict` and `Replayed` MUST be decided by [`CreationPermit::decide`] or
///   [`NewRecord::against`](runledger_domain::creation::NewRecord::against) on the durable record under the key (I7, I9).
/// - A batch MUST be all or nothing: with one `Conflict` or `Refused` in it nothing is inserted, and the permits that
///   would have been created are `Withheld`. Replays in a batch stay replays.
/// - When [`CreationPermit::needs_load`] says so, what the client's open records come to, of whatever run, MUST be counted
///   in the same transaction, with the records that the permits before it in the batch insert (I8, I12).
/// - Every permit MUST leave one line: that of the new record, or the one that
///   [`AttemptLine`](runledger_domain::creation::AttemptLine) has for a replay, a conflict, a refusal and for what is
///   withheld (I6).
/// - A permit whose intent is minted MUST be compared with the minted job record that its source and attempt created
///   before, stored or earlier in the batch, whatever the run id: `Replayed` when the content is the same, `Conflict` when
///   it differs. A source and attempt MUST NOT create two minted job records (I7).
/// - When the outcome is not known it MUST be `Indeterminate`, never anything else, with the intents in the order of the
///   permits (I10). From then on a store of which nobody else can say what it holds MUST answer every write `Unavailable`
///   until it is opened again (I16); one that can ask MUST answer nothing as done before it knows what became of that
///   commit.
/// - A call whose future is dropped MUST create all of its records or none, as if it had been answered (I2, I10).
///
/// A store that cannot insert-if-absent in one atomic step must not implement this trait.
#[async_trait]
pub trait RunCreator: Send + Sync {
    /// Spends permits: creates all of these records, or none. The outcomes are in the order of the permits.
    ///
    /// Two permits for one key in a batch are decided one after the other.
    ///
    /// # Errors
    /// [`CreateError::Indeterminate`] when in doubt, [`CreateError::Unavailable`] when nothing was done.
    async fn create(&self, permits: Vec<CreationPermit>) -> Result<Vec<CreateOutcome>, CreateError>;
}
