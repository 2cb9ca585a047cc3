//! Counters of what the app did since it started. For people and metrics; no rule reads them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the start of the process.
#[derive(Debug, Default)]
pub struct Stats {
    pub(crate) created: AtomicU64,
    pub(crate) replayed: AtomicU64,
    pub(crate) conflicts: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) changed: AtomicU64,
    pub(crate) unchanged: AtomicU64,
    pub(crate) not_found: AtomicU64,
    pub(crate) in_doubt: AtomicU64,
    pub(crate) reads: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StatsSnapshot {
    /// Records created.
    pub created: u64,
    /// Creations that had taken place before.
    pub replayed: u64,
    /// Creations of keys that were taken.
    pub conflicts: u64,
    /// Attempts refused by a rule.
    pub refused: u64,
    /// Changes made.
    pub changed: u64,
    /// Changes that had been made before.
    pub unchanged: u64,
    /// Changes of unknown keys: attempted implicit creations.
    pub not_found: u64,
    /// Operations whose outcome is not known, or that the store could not do.
    pub in_doubt: u64,
    /// Reads.
    pub reads: u64,
}

impl Stats {
    /// The counters now.
    pub fn snapshot(&self) -> StatsSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StatsSnapshot {
            created: read(&self.created),
            replayed: read(&self.replayed),
            conflicts: read(&self.conflicts),
            refused: read(&self.refused),
            changed: read(&self.changed),
            unchanged: read(&self.unchanged),
            not_found: read(&self.not_found),
            in_doubt: read(&self.in_doubt),
            reads: read(&self.reads),
        }
    }

    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
