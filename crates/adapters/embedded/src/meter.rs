//! What the writer measures of its own work. Whoever measures holds the writer already, so nothing here is waited for.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use runledger_domain::Timestamp;
use runledger_ports::{Clock, Distribution};

use crate::DATABASE_FILE;

/// Operations in one commit: powers of two up to the largest group.
const GROUP_BOUNDS: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];
/// Microseconds: from a fast disk's flush to ten seconds.
const MICROS_BOUNDS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];

/// The measures of one store.
#[derive(Default)]
pub(crate) struct Meter {
    clock: OnceLock<Arc<dyn Clock>>,
    pub(crate) queued: AtomicU64,
    pub(crate) commits_failed: AtomicU64,
    group_size: Classes<12>,
    commit_micros: Classes<17>,
}

/// Counters of classes of values; `N` is one more than there are bounds.
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

impl Meter {
    /// Takes the clock by which commits are timed; only the first one counts.
    pub(crate) fn time_by(&self, clock: Arc<dyn Clock>) {
        // A second clock would only mix two times.
        let _ = self.clock.set(clock);
    }

    /// When a group begins, if there is a clock.
    pub(crate) fn begin(&self) -> Option<Timestamp> {
        self.clock.get().map(|clock| clock.now())
    }

    /// Notes a group that is safe on disk.
    pub(crate) fn committed(&self, operations: usize, began: Option<Timestamp>) {
        self.group_size
            .count(&GROUP_BOUNDS, u64::try_from(operations).unwrap_or(u64::MAX));
        if let (Some(clock), Some(began)) = (self.clock.get(), began) {
            let took: Duration = clock.now().saturating_since(began);
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.commit_micros.count(&MICROS_BOUNDS, micros);
        }
    }

    pub(crate) fn failed(&self) {
        self.commits_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn group_size(&self) -> Distribution {
        self.group_size.distribution(&GROUP_BOUNDS)
    }

    pub(crate) fn commit_micros(&self) -> Distribution {
        self.commit_micros.distribution(&MICROS_BOUNDS)
    }
}

/// The size of the database with its log file, in bytes.
pub(crate) fn bytes_used(directory: &Path) -> Option<u64> {
    let size = |suffix: &str| {
        let mut path = PathBuf::from(directory);
        path.push(format!("{DATABASE_FILE}{suffix}"));
        fs::metadata(path).map(|found| found.len())
    };
    // The log file is not there while nobody writes.
    let log = size("-wal").unwrap_or(0);
    size("").ok().map(|database| database.saturating_add(log))
}

/// What the file system of the directory has left for this user, in bytes.
pub(crate) fn bytes_free(directory: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(directory).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_class_of_the_first_bound_that_holds_it() {
        let classes = Classes::<12>::default();
        for value in [0, 1, 2, 3, 1_024, 1_025] {
            classes.count(&GROUP_BOUNDS, value);
        }
        let found = classes.distribution(&GROUP_BOUNDS);
        assert_eq!(found.counts, [2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!((found.sum, found.count()), (2_055, 6));
    }

    #[test]
    fn there_is_a_class_for_every_bound_and_one_beyond() {
        let meter = Meter::default();
        for found in [meter.group_size(), meter.commit_micros()] {
            assert_eq!(found.counts.len(), found.bounds.len() + 1);
            assert!(found.bounds.is_sorted());
        }
    }
}
