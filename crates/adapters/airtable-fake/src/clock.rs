//! The time of the fake: the machine's, moved by whoever tests, or standing still.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock that can be set forward and stopped.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// By how much it is ahead of the machine's, in milliseconds.
    ahead_ms: i64,
    /// The time at which it stands, in milliseconds since 1970.
    stands_at_ms: Option<i64>,
}

impl Clock {
    /// Now, in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        self.stands_at_ms
            .unwrap_or_else(|| machine_ms().saturating_add(self.ahead_ms))
    }

    /// Sets it forward.
    pub(crate) fn advance(&mut self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 4);
        match &mut self.stands_at_ms {
            Some(at) => *at = at.saturating_add(by),
            None => self.ahead_ms = self.ahead_ms.saturating_add(by),
        }
    }

    /// Stops it, or lets it go on from where it stood.
    pub(crate) fn stand(&mut self, still: bool) {
        match (still, self.stands_at_ms) {
            (true, None) => self.stands_at_ms = Some(self.now_ms()),
            (false, Some(at)) => {
                self.ahead_ms = at - machine_ms();
                self.stands_at_ms = None;
            }
            _ => {}
        }
    }

    pub(crate) fn stands(&self) -> bool {
        self.stands_at_ms.is_some()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the fake stands for a service elsewhere, which has a clock of its own; no record of the ledger sees it"
)]
fn machine_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX / 4)
}
