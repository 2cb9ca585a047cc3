//! What a store says about its own work, for whoever operates it. No rule reads it.

/// A store that measures its own work.
pub trait StoreMeter: Send + Sync {
    /// How the work goes. Cheap: it asks neither the records nor the log.
    fn figures(&self) -> StoreFigures;
}

/// How the work of a store goes, counted since it was opened.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StoreFigures {
    /// Operations that wait for the writer now.
    pub queue: u64,
    /// How many may wait; beyond it the store is busy.
    pub queue_max: u64,
    /// Lines of attempts without an effect that wait to be written with others.
    pub lines_waiting: u64,
    /// Whether the store has stopped taking writes (I16).
    pub is_stopped: bool,
    /// Transactions that were rolled back, or whose commit failed.
    pub commits_failed: u64,
    /// Operations in one commit.
    pub group_size: Distribution,
    /// How long a group took from its beginning until it was safe on disk, in microseconds.
    pub commit_micros: Distribution,
    /// The size of all files of the store, in bytes; `None` when it cannot be told.
    pub bytes_used: Option<u64>,
    /// How much its file system can still take, in bytes; `None` when it cannot be told.
    pub bytes_free: Option<u64>,
}

/// How often values were how large.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Distribution {
    /// The upper bound of each class, itself included, growing.
    pub bounds: &'static [u64],
    /// How many values fell into each class; one more than there are bounds, for those beyond the last.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: u64,
}

impl Distribution {
    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}
