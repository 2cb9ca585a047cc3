//! Notices that the clock of the system jumps forward: set by hand, or a machine that slept. The steady clock beside it
//! does not.

use std::time::Duration;

use runledger_domain::Timestamp;
use tokio::time::Instant;

/// How much further the clock may come than the steady one between two looks.
const DRIFT_MAX: Duration = Duration::from_mins(1);

/// Compares the clocks whenever it is asked to look.
#[derive(Debug, Default)]
pub(crate) struct ClockWatch {
    last: Option<(Timestamp, Instant)>,
    jumped: Option<Instant>,
}

/// What a look found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Look {
    /// How far the clock has jumped forward since the last look.
    pub(crate) jump: Option<Duration>,
    /// How long ago the last jump was noticed, if there was one.
    pub(crate) since: Option<Duration>,
}

impl ClockWatch {
    /// Looks at both clocks, which show this.
    pub(crate) fn look(&mut self, clock: Timestamp, steady: Instant) -> Look {
        let jump = self.last.and_then(|(before, at)| {
            let ahead = clock.saturating_since(before).saturating_sub(steady.duration_since(at));
            (ahead > DRIFT_MAX).then_some(ahead)
        });
        self.last = Some((clock, steady));
        if jump.is_some() {
            self.jumped = Some(steady);
        }
        Look {
            jump,
            since: self.jumped.map(|at| steady.duration_since(at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_jump_forward_is_noticed_and_remembered_and_nothing_else_is() {
        let (start, steady) = (Timestamp::EPOCH, Instant::now());
        let seconds = Duration::from_secs;
        let mut watch = ClockWatch::default();
        let mut look =
            |clock: u64, after: u64| watch.look(start.saturating_add(seconds(clock)), steady + seconds(after));
        let quiet = Look {
            jump: None,
            since: None,
        };
        // The first look knows nothing; then both go on, the clock is set back, and it is slewed.
        for (clock, after) in [(100_000, 0), (100_060, 60), (50_000, 120), (50_090, 180)] {
            assert_eq!(look(clock, after), quiet, "{clock} {after}");
        }
        let day = seconds(86_400);
        let found = look(50_090 + 86_400 + 60, 240);
        assert_eq!((found.jump, found.since), (Some(day), Some(Duration::ZERO)));
        let found = look(50_090 + 86_400 + 120, 300);
        assert_eq!((found.jump, found.since), (None, Some(seconds(60))));
    }
}
