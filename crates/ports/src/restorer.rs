//! The capability to be continued by what another store holds: how a ledger moves.

use async_trait::async_trait;
use runledger_domain::access::TokenRecord;
use runledger_domain::segment::Segment;
use runledger_domain::{ChainHead, RunKey};

use crate::deliveries::{DeliveryState, WebhookName};
use crate::error::Unavailable;

/// What a store is to take over at once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Restored {
    /// Lines, and the records that they speak of.
    pub segment: Segment,
    /// Tokens as they stand at the end of the segment; those that are not named stay as they are.
    pub tokens: Vec<TokenRecord>,
    /// How far the log was delivered to webhooks.
    pub deliveries: Vec<(WebhookName, DeliveryState)>,
    /// The last line of what is being taken over, while more parts of it are to come; nothing with the last one.
    pub until: Option<u64>,
}

impl Restored {
    /// Up to which line a ledger is being taken over once it has this part, when it `stood` like that before.
    pub fn unfinished_after(&self, stood: Option<u64>) -> Option<u64> {
        match self.until {
            Some(until) => Some(stood.map_or(until, |stood| stood.max(until))),
            // The last part of something shorter does not end it.
            None => stood.filter(|stood| *stood > self.segment.to().seq),
        }
    }
}

/// What whoever writes to a ledger is told that is being taken over up to this line, and is not whole yet.
pub fn not_whole(until: u64) -> Unavailable {
    Unavailable::Stopped {
        reason: format!(
            "it is being taken over, up to line {until} of its log, and not whole yet; run the same `runledger import \
             ledger` again, which goes on where it was"
        ),
    }
}

/// Why nothing was taken over.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The log ends elsewhere than where the segment begins.
    #[error("the log of this ledger ends at line {}, with another hash or number than what was to follow it", head.seq)]
    Elsewhere {
        /// Where it ends.
        head: ChainHead,
    },
    /// A record of which lines of the segment speak is not there, or is older than they say.
    #[error("{key} is not there in the version that the lines to come speak of")]
    Behind {
        /// Its key.
        key: RunKey,
    },
    /// A key, or an attempt, that is to be created is there already.
    #[error("{key} is there already, though the log does not say so")]
    Taken {
        /// The key.
        key: RunKey,
    },
    /// It is not known whether it was taken over: ask for the head of the log again.
    #[error("it is not known whether the last part was taken over: {reason}")]
    Indeterminate {
        /// What happened.
        reason: String,
    },
    /// Nothing was taken over.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A store that can be continued by segments of a ledger that was kept elsewhere. It creates nothing by itself: a record
/// comes in with the accepted line of its creation, which the policy of that time allowed (I2, I3).
///
/// # Contract
/// - A segment MUST be taken over only when the log ends exactly where it begins, in number and hash; otherwise
///   [`RestoreError::Elsewhere`] (I6).
/// - It MUST be taken over as a whole or not at all, and be durable when the call returns (I2, I4).
/// - Records, lines, hashes, tokens and deliveries MUST come to stand as they are given. Whatever the store finds by them
///   (attempts of chosen ids, references, counts, loads) MUST be as if it had written them itself (I7, I19).
/// - A record that is held in a later version than the one given MUST stay; the position of a delivery MUST NOT go back.
/// - When a record that the segment [knows](Segment::known) is not held in that version or a later one, the call MUST be
///   [`RestoreError::Behind`] (I5).
/// - Once lines were taken over, the [outbox](crate::OutboxStore::outbox) MUST be one that was not begun, and whoever wrote it
///   until then MUST write it no more: where those lines come from, rows may have been made elsewhere that this store knows
///   nothing of (I14). A part without lines leaves it alone.
/// - From a part on that says that more is to come, [`unfinished`](Self::unfinished) MUST answer up to which line, the
///   greatest that was said, until the last part of that is taken over ([`Restored::unfinished_after`]); it MUST be as
///   durable as the part (I4, I17).
/// - Until then the store MUST write no line but those of parts, and answer whoever wants one written [`Unavailable`]: a
///   line of its own would make another ledger of it, to which the rest does not fit (I6).
#[async_trait]
pub trait LedgerRestorer: Send + Sync {
    /// Where the log ends.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn head(&self) -> Result<ChainHead, Unavailable>;

    /// Up to which line the ledger is being taken over; nothing when it is whole.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn unfinished(&self) -> Result<Option<u64>, Unavailable>;

    /// Takes over one part.
    ///
    /// # Errors
    /// [`RestoreError`].
    async fn restore(&self, part: Restored) -> Result<(), RestoreError>;
}
