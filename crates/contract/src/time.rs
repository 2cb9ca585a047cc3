//! A clock that stands still until told otherwise, and ids that count: the doors to time and randomness, for tests.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use runledger_domain::{AttemptId, Timestamp};
use runledger_ports::{Clock, IdSource};

/// A clock that a test sets. It never moves by itself.
///
/// ```
/// use std::time::Duration;
///
/// use runledger_contract::FixedClock;
/// use runledger_domain::Timestamp;
/// use runledger_ports::Clock;
///
/// let clock = FixedClock::at(Timestamp::EPOCH);
/// clock.advance(Duration::from_secs(90));
/// assert_eq!(clock.now().to_string(), "1970-01-01T00:01:30.000Z");
/// clock.set(Timestamp::EPOCH); // Clocks jump back, too (I18).
/// assert_eq!(clock.now(), Timestamp::EPOCH);
/// ```
#[derive(Debug)]
pub struct FixedClock {
    micros: AtomicI64,
}

impl FixedClock {
    /// A clock that stands at this point.
    pub const fn at(now: Timestamp) -> Self {
        Self {
            micros: AtomicI64::new(now.as_micros()),
        }
    }

    /// Moves the clock, in either direction.
    pub fn set(&self, now: Timestamp) {
        self.micros.store(now.as_micros(), Ordering::SeqCst);
    }

    /// Moves the clock on. Of two that move it at once, one may be lost; tests move it from one place.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().saturating_add(by));
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        // Only timestamps are put in, so what comes out is one.
        Timestamp::from_micros(self.micros.load(Ordering::SeqCst)).unwrap_or(Timestamp::EPOCH)
    }
}

/// Attempt ids that count: `attempt-1`, `attempt-2`, ...
///
/// ```
/// use runledger_contract::CountingIds;
/// use runledger_ports::IdSource;
///
/// let ids = CountingIds::default();
/// assert_eq!(ids.attempt().as_str(), "attempt-1");
/// assert_eq!(ids.attempt().as_str(), "attempt-2");
/// ```
#[derive(Debug, Default)]
pub struct CountingIds {
    given: AtomicU64,
}

impl IdSource for CountingIds {
    fn attempt(&self) -> AttemptId {
        let number = self.given.fetch_add(1, Ordering::SeqCst) + 1;
        format!("attempt-{number}")
            .parse()
            .expect("a word and a number are an attempt id")
    }
}
