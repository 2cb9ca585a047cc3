//! A clock that stands still until the demo moves it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use runledger_domain::Timestamp;
use runledger_ports::Clock;

/// 2025-09-25T23:18:41Z.
const EVENING_MICROS: i64 = 1_758_842_321_000_000;

/// The demo's clock.
pub(super) struct DemoClock(AtomicI64);

impl DemoClock {
    /// The evening on which the batch begins.
    pub(super) const fn new() -> Self {
        Self(AtomicI64::new(EVENING_MICROS))
    }

    /// Lets time pass.
    pub(super) fn pass(&self, span: Duration) {
        let micros = i64::try_from(span.as_micros()).unwrap_or(0);
        self.0.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Clock for DemoClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed)).unwrap_or(Timestamp::EPOCH)
    }
}
