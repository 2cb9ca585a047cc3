//! What the writer measures of its own work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use runledger_ports::Distribution;

/// Operations in one call: powers of two up to the largest.
const GROUP_BOUNDS: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];
/// Microseconds: from a fast disk's flush to ten seconds.
const MICROS_BOUNDS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];

/// The measures of one store.
#[derive(Default)]
pub(crate) struct Meter {
    pub(crate) calls_failed: AtomicU64,
    group_size: Classes<10>,
    call_micros: Classes<17>,
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
    /// Notes a call that was committed.
    pub(crate) fn committed(&self, operations: usize, took: Duration) {
        let operations = u64::try_from(operations).unwrap_or(u64::MAX);
        self.group_size.count(&GROUP_BOUNDS, operations);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.call_micros.count(&MICROS_BOUNDS, micros);
    }

    /// Notes a call that was rolled back, or whose outcome was not known at first.
    pub(crate) fn failed(&self) {
        self.calls_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn group_size(&self) -> Distribution {
        self.group_size.distribution(&GROUP_BOUNDS)
    }

    pub(crate) fn call_micros(&self) -> Distribution {
        self.call_micros.distribution(&MICROS_BOUNDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_class_for_every_bound_and_one_beyond() {
        let meter = Meter::default();
        meter.committed(1_000, Duration::from_mins(1));
        for found in [meter.group_size(), meter.call_micros()] {
            assert_eq!(found.counts.len(), found.bounds.len() + 1);
            assert_eq!(found.counts.last(), Some(&1));
        }
    }
}
