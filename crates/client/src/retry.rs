//! When a call is tried again: exponential back-off with full jitter, inside one deadline for the whole call.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long and how often a call is tried.
///
/// Tried again is only what another try can change: a connection that fails, an answer that does not come in time, a
/// server that says to come again (429, 503). Every try of a call carries the same idempotency key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retry {
    /// From the first try on; no try begins after it, none waits for an answer past it.
    pub deadline: Duration,
    /// The longest wait before the second try. It doubles with each further one.
    pub first_delay: Duration,
    /// What the waits grow to. A longer `Retry-After` is honoured all the same.
    pub longest_delay: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            deadline: Duration::from_mins(1),
            first_delay: Duration::from_millis(100),
            longest_delay: Duration::from_secs(5),
        }
    }
}

/// The tries of one call.
pub(crate) struct Tries {
    /// Without it there is one try.
    retry: Option<Retry>,
    ends: Instant,
    timeout: Duration,
    failed: u32,
}

impl Tries {
    pub(crate) fn new(retry: Option<Retry>, timeout: Duration) -> Self {
        let time = retry.map_or(timeout, |retry| retry.deadline);
        let now = Instant::now();
        Self {
            retry,
            // A deadline that no clock can hold is as good as a year.
            ends: now
                .checked_add(time)
                .unwrap_or_else(|| now + Duration::from_hours(24 * 365)),
            timeout,
            failed: 0,
        }
    }

    /// How long this try may take.
    pub(crate) fn time(&self) -> Duration {
        let left = self.ends.saturating_duration_since(Instant::now());
        self.timeout.min(left).max(Duration::from_millis(1))
    }

    /// Waits for the next try. Answers `false` at once, if that would begin after the deadline.
    pub(crate) async fn wait(&mut self, retry_after: Option<Duration>) -> bool {
        let Some(retry) = self.retry else {
            return false;
        };
        let grown = retry.first_delay.saturating_mul(1_u32 << self.failed.min(30));
        self.failed += 1;
        let jitter = part_of(grown.min(retry.longest_delay));
        let delay = jitter.saturating_add(retry_after.unwrap_or_default());
        if Instant::now().checked_add(delay).is_none_or(|at| at >= self.ends) {
            return false;
        }
        sleep(delay).await;
        true
    }
}

/// Anything from nothing to the whole: callers who failed together do not come again together.
fn part_of(whole: Duration) -> Duration {
    // A source of chance that fails costs the jitter, not the call.
    let share = getrandom::u32().unwrap_or(u32::MAX);
    whole.mul_f64(f64::from(share) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry {
        deadline: Duration::from_secs(10),
        first_delay: Duration::from_millis(100),
        longest_delay: Duration::from_secs(1),
    };

    #[tokio::test(start_paused = true)]
    async fn no_try_begins_after_the_deadline_and_none_waits_past_it() {
        let began = Instant::now();
        let mut tries = Tries::new(Some(RETRY), Duration::from_secs(4));
        assert_eq!(tries.time(), Duration::from_secs(4));
        let mut count = 0;
        while tries.wait(None).await {
            count += 1;
            assert!(began.elapsed() < RETRY.deadline);
        }
        assert!((10..2_000).contains(&count), "{count}");
        sleep(Duration::from_secs(9)).await;
        assert_eq!(tries.time(), Duration::from_millis(1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_server_asks_for_is_waited_for() {
        let began = Instant::now();
        let mut tries = Tries::new(Some(RETRY), Duration::from_secs(4));
        assert!(tries.wait(Some(Duration::from_secs(3))).await);
        assert!(began.elapsed() >= Duration::from_secs(3));
        assert!(!tries.wait(Some(Duration::from_secs(8))).await);
        assert!(!tries.wait(Some(Duration::MAX)).await);
        assert!(!Tries::new(None, Duration::from_secs(4)).wait(None).await);
    }

    #[test]
    fn jitter_is_anywhere_between_nothing_and_the_whole() {
        let whole = Duration::from_secs(1);
        let parts: Vec<_> = (0..200).map(|_| part_of(whole)).collect();
        assert!(parts.iter().all(|part| *part <= whole));
        assert!(parts.iter().any(|part| *part < whole / 2) && parts.iter().any(|part| *part > whole / 2));
    }
}
