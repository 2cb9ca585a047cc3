//! The last reads, for people who want to see who asks for what. Reads leave no line in the log; this list is bounded
//! and forgotten with the process (I6).

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use runledger_domain::{RunKey, Timestamp};

/// How many reads are remembered.
pub const RECENT_READS: usize = 256;

/// One read of a record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecentRead {
    /// When.
    pub at: Timestamp,
    /// Of what.
    pub key: RunKey,
    /// Whether there was a record.
    pub found: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<VecDeque<RecentRead>>);

impl Recent {
    pub(crate) fn push(&self, read: RecentRead) {
        // A contended list is not worth waiting for: the read itself is counted elsewhere.
        let Ok(mut reads) = self.0.try_lock() else { return };
        if reads.len() == RECENT_READS {
            reads.pop_front();
        }
        reads.push_back(read);
    }

    pub(crate) fn list(&self) -> Vec<RecentRead> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}
