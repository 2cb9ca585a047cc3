//! When a line that was not delivered is tried again, and when it no longer is.

use std::time::Duration;

use runledger_domain::{ChainHash, Timestamp};
use runledger_ports::DeliveryState;

/// How long after the first failure the second try comes.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that is our own choice.
const PAUSE_MAX: Duration = Duration::from_mins(5);
/// The longest pause that a receiver can ask for.
const ASKED_MAX: Duration = Duration::from_hours(1);
/// How long a webhook may do nothing but fail.
const FAILING_MAX: Duration = Duration::from_hours(24);
/// How many tries must have failed as well: a clock that jumped is no reason.
const FAILURES_MIN: u64 = 10;

/// How long to wait after so many failures in a row, at least as long as the receiver asked.
///
/// The pause doubles, and is up to a quarter shorter or longer, by a byte of the line's hash: so receivers that came back
/// are not met by all ledgers in the same moment.
pub(super) fn pause(failures: u64, asked: Option<Duration>, hash: ChainHash) -> Duration {
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(PAUSE_MAX);
    let bytes = hash.as_bytes();
    let place = usize::try_from(failures).unwrap_or(0) % bytes.len();
    let jitter = f64::from(bytes[place]) / f64::from(u8::MAX) * 0.5 + 0.75;
    let asked = asked.unwrap_or_default().min(ASKED_MAX);
    pause.mul_f64(jitter).max(asked)
}

/// Whether a webhook has failed for so long that it is given up.
pub(super) fn is_given_up(state: &DeliveryState, now: Timestamp) -> bool {
    let failing = state.failing_since.map(|since| now.saturating_since(since));
    state.failures >= FAILURES_MIN && failing.is_some_and(|failing| failing >= FAILING_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_are_never_shorter_than_asked() {
        let hash = ChainHash::from_bytes([0x7f; 32]);
        let seconds =
            |failures, asked: Option<u64>| pause(failures, asked.map(Duration::from_secs), hash).as_secs_f64();
        for (failures, about) in [
            (1, 1.0),
            (2, 2.0),
            (3, 4.0),
            (9, 256.0),
            (10, 300.0),
            (1_000_000, 300.0),
        ] {
            let found = seconds(failures, None);
            assert!((found - about).abs() < about * 0.01, "{failures}: {found}");
        }
        assert!((seconds(1, Some(120)) - 120.0).abs() < 0.01);
        assert!((seconds(1, Some(1_000_000)) - 3_600.0).abs() < 0.01);
        let shortest = pause(4, None, ChainHash::from_bytes([0; 32]));
        let longest = pause(4, None, ChainHash::from_bytes([255; 32]));
        assert_eq!((shortest, longest), (Duration::from_secs(6), Duration::from_secs(10)));
    }

    #[test]
    fn a_day_of_nothing_but_failures_ends_it_and_a_jump_of_the_clock_does_not() {
        let at = |hours: u64| Timestamp::EPOCH.saturating_add(Duration::from_hours(hours));
        let failing = |failures| DeliveryState {
            failures,
            failing_since: Some(at(0)),
            ..DeliveryState::default()
        };
        assert!(is_given_up(&failing(10), at(24)));
        assert!(!is_given_up(&failing(10), at(23)));
        assert!(!is_given_up(&failing(9), at(1_000)));
        assert!(!is_given_up(&DeliveryState::default(), at(1_000)));
    }
}
