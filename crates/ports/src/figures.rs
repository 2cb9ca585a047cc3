//! What a store says about its own work, for whoever operates it. No rule reads it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Microseconds: from a fast disk's flush to ten seconds.
const MICROS_BOUNDS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];
/// Operations in one commit: powers of two.
const GROUP_BOUNDS: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

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

/// What a store counts of its commits while it works; nothing here is waited for.
///
/// ```
/// use std::time::Duration;
/// use runledger_ports::CommitMeter;
///
/// let meter = CommitMeter::default();
/// meter.committed(3, Some(Duration::from_micros(180)));
/// meter.failed();
/// assert_eq!((meter.group_size().count(), meter.commit_micros().sum, meter.failures()), (1, 180, 1));
/// ```
#[derive(Debug, Default)]
pub struct CommitMeter {
    failures: AtomicU64,
    // One class more than there are bounds.
    group_size: Classes<12>,
    commits: TimeMeter,
}

impl CommitMeter {
    /// Notes a commit of so many operations, and how long it took from its beginning until it was safe, if that was timed.
    pub fn committed(&self, operations: usize, took: Option<Duration>) {
        let operations = u64::try_from(operations).unwrap_or(u64::MAX);
        self.group_size.count(&GROUP_BOUNDS, operations);
        if let Some(took) = took {
            self.commits.took(took);
        }
    }

    /// Notes a commit that was rolled back, or whose outcome was not known at first.
    pub fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// How many commits failed.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Operations in one commit.
    pub fn group_size(&self) -> Distribution {
        self.group_size.distribution(&GROUP_BOUNDS)
    }

    /// How long the commits took, in microseconds.
    pub fn commit_micros(&self) -> Distribution {
        self.commits.micros()
    }
}

/// How long things take, counted; nothing here is waited for.
///
/// ```
/// use std::time::Duration;
/// use runledger_ports::TimeMeter;
///
/// let meter = TimeMeter::default();
/// meter.took(Duration::from_micros(180));
/// assert_eq!((meter.micros().count(), meter.micros().sum), (1, 180));
/// ```
#[derive(Debug, Default)]
pub struct TimeMeter {
    // One class more than there are bounds.
    micros: Classes<17>,
}

impl TimeMeter {
    /// Notes how long one of them took.
    pub fn took(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.count(&MICROS_BOUNDS, micros);
    }

    /// How long they took, in microseconds.
    pub fn micros(&self) -> Distribution {
        self.micros.distribution(&MICROS_BOUNDS)
    }
}

/// Counters of classes of values; `N` is one more than there are bounds.
#[derive(Debug)]
struct Classes<const N: usize> {
    counts: [AtomicU64; N],
    sum: AtomicU64,
}

impl<const N: usize> Default for Classes<N> {
    fn default() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; N],
            sum: AtomicU64::new(0),
        }
    }
}

impl<const N: usize> Classes<N> {
    fn count(&self, bounds: &[u64], value: u64) {
        let class = bounds.partition_point(|bound| *bound < value);
        if let Some(counter) = self.counts.get(class) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    fn distribution(&self, bounds: &'static [u64]) -> Distribution {
        Distribution {
            bounds,
            counts: self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_class_for_every_bound_and_one_beyond() {
        let meter = CommitMeter::default();
        meter.committed(100_000, Some(Duration::from_mins(1)));
        for found in [meter.group_size(), meter.commit_micros()] {
            assert_eq!(found.counts.len(), found.bounds.len() + 1);
            assert!(found.bounds.is_sorted());
            assert_eq!(found.counts.last(), Some(&1));
        }
    }

    #[test]
    fn a_value_falls_into_the_class_of_the_first_bound_that_holds_it() {
        let meter = CommitMeter::default();
        for operations in [0, 1, 2, 3, 1_024, 1_025] {
            meter.committed(operations, None);
        }
        let found = meter.group_size();
        assert_eq!(found.counts, [2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!((found.sum, found.count()), (2_055, 6));
        assert_eq!(meter.commit_micros().count(), 0, "nothing was timed");
    }
}
