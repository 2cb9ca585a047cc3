//! Deadlines: how long a record may be silent before it counts as stalled.

use core::time::Duration;

use crate::timestamp::Timestamp;

/// How long a record may go without a sign of life: 1 second to 366 days, in whole seconds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "u64", into = "u64")
)]
pub struct DeadlineAfter(u64);

/// The span is not between 1 second and 366 days.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a deadline of {seconds} s is out of range; give 1 to 31622400 seconds (366 days)")]
pub struct DeadlineError {
    /// The span as given.
    pub seconds: u64,
}

impl DeadlineAfter {
    /// Six hours: what a record gets when neither the caller nor the policy says otherwise.
    pub const DEFAULT: Self = Self(6 * 60 * 60);
    const MAX_SECS: u64 = 366 * 24 * 60 * 60;

    /// Takes whole seconds.
    ///
    /// # Errors
    /// [`DeadlineError`] outside 1 second to 366 days.
    pub const fn from_secs(seconds: u64) -> Result<Self, DeadlineError> {
        if seconds == 0 || seconds > Self::MAX_SECS {
            return Err(DeadlineError { seconds });
        }
        Ok(Self(seconds))
    }

    /// The span in seconds.
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// The deadline of a record that gave its last sign of life at `at`.
    pub fn from(self, at: Timestamp) -> Timestamp {
        at.saturating_add(Duration::from_secs(self.0))
    }
}

impl TryFrom<u64> for DeadlineAfter {
    type Error = DeadlineError;

    fn try_from(seconds: u64) -> Result<Self, Self::Error> {
        Self::from_secs(seconds)
    }
}

impl From<DeadlineAfter> for u64 {
    fn from(after: DeadlineAfter) -> Self {
        after.0
    }
}
