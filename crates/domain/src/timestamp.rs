//! A point in time, handed in as data. This module never reads a clock (I18).

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

/// A point in time in UTC, to the microsecond: from the year 0000 to the end of 9999-12-30, 22:00.
///
/// The domain never asks what time it is: callers pass a `Timestamp` with each operation, so that every rule can be
/// replayed and holds under any jump of the clock (I18).
///
/// ```
/// use runledger_domain::Timestamp;
///
/// let at: Timestamp = "2025-09-25T13:18:41.000Z".parse()?;
/// assert_eq!(at.to_string(), "2025-09-25T13:18:41.000Z");
/// assert_eq!(at.as_micros(), 1_758_806_321_000_000);
/// # Ok::<(), runledger_domain::TimestampError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(i64);

const MICROS_OF_A_SECOND: i64 = 1_000_000;

/// Why a text or a number is not a [`Timestamp`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TimestampError {
    /// The text is not RFC 3339.
    #[error("a time must be RFC 3339 with an offset, such as 2025-09-25T13:18:41Z")]
    Unreadable,
    /// The point lies outside the years 0000 to 9999.
    #[error("a time must lie in the years 0000 to 9999")]
    OutOfRange,
}

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    const MIN_MICROS: i64 = -62_167_219_200_000_000;
    /// The last point that the calendar library knows, which keeps a day free for every offset.
    const MAX_MICROS: i64 = 253_402_207_200_999_999;

    /// Takes microseconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// [`TimestampError::OutOfRange`] outside the years 0000 to 9999.
    pub const fn from_micros(micros: i64) -> Result<Self, TimestampError> {
        if micros < Self::MIN_MICROS || micros > Self::MAX_MICROS {
            return Err(TimestampError::OutOfRange);
        }
        Ok(Self(micros))
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This point plus `span`, no later than the last point there is.
    #[must_use]
    pub fn saturating_add(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros).min(Self::MAX_MICROS))
    }

    /// This point minus `span`, no earlier than the beginning of the year 0000.
    #[must_use]
    pub fn saturating_sub(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros).max(Self::MIN_MICROS))
    }

    /// The time from `earlier` to this point; zero when `earlier` is later.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The beginning of the next month in UTC, which is later than this point, but for the last month that there is.
    #[must_use]
    pub fn next_month(self) -> Self {
        let date = self.civil().date().first_of_month();
        let next = date
            .checked_add(jiff::Span::new().months(1))
            .map(|date| date.at(0, 0, 0, 0));
        let next = next.and_then(|date| jiff::tz::Offset::UTC.to_timestamp(date));
        next.ok()
            .and_then(|next| Self::from_micros(next.as_microsecond()).ok())
            .unwrap_or(Self(Self::MAX_MICROS))
    }

    pub(crate) fn civil(self) -> jiff::civil::DateTime {
        jiff::tz::Offset::UTC.to_datetime(self.to_jiff())
    }

    /// By second and fraction: from microseconds alone the library refuses the fraction of its own last second.
    fn to_jiff(self) -> jiff::Timestamp {
        let fraction = i32::try_from(self.0 % MICROS_OF_A_SECOND * 1_000).unwrap_or(0);
        jiff::Timestamp::new(self.0 / MICROS_OF_A_SECOND, fraction).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.civil();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        )?;
        let micros = self.0.rem_euclid(MICROS_OF_A_SECOND);
        if micros % 1_000 == 0 {
            write!(f, "{:03}Z", micros / 1_000)
        } else {
            write!(f, "{micros:06}Z")
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let at: jiff::Timestamp = text.parse().map_err(|_| TimestampError::Unreadable)?;
        Self::from_micros(at.as_microsecond())
    }
}

text_serde!(Timestamp);

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_time_survives_being_written_and_read() {
        for text in [
            "1969-12-31T23:59:59.999999Z",
            "2025-09-26T15:41:22.000Z",
            "0000-01-01T00:00:00.000Z",
        ] {
            let at: Timestamp = text.parse().unwrap();
            assert_eq!(at.to_string(), text);
        }
    }

    #[test]
    fn a_month_turns_on_its_first_in_utc() {
        for (text, next) in [
            ("2025-09-25T13:18:41Z", "2025-10-01T00:00:00.000Z"),
            ("2025-12-31T23:59:59.999999Z", "2026-01-01T00:00:00.000Z"),
            ("2026-01-31T00:00:00Z", "2026-02-01T00:00:00.000Z"),
            ("2026-02-01T00:00:00Z", "2026-03-01T00:00:00.000Z"),
            ("9999-12-15T00:00:00Z", "9999-12-30T22:00:00.999999Z"),
        ] {
            let at: Timestamp = text.parse().unwrap();
            assert_eq!(at.next_month().to_string(), next);
        }
    }

    #[test]
    fn the_last_point_is_shown_as_itself() {
        let last = Timestamp::EPOCH.saturating_add(Duration::MAX);
        assert_eq!(last.to_string().parse::<Timestamp>().unwrap(), last);
        assert_eq!(last.to_string(), "9999-12-30T22:00:00.999999Z");
        let first = Timestamp::EPOCH.saturating_sub(Duration::MAX);
        assert_eq!(first.to_string().parse::<Timestamp>().unwrap(), first);
    }

    #[test]
    fn a_time_without_an_offset_is_refused() {
        assert_eq!(
            "2025-09-26T15:41:22".parse::<Timestamp>(),
            Err(TimestampError::Unreadable)
        );
        assert_eq!("yesterday".parse::<Timestamp>(), Err(TimestampError::Unreadable));
    }

    #[test]
    fn a_span_never_runs_backwards() {
        let early = Timestamp::from_micros(5).unwrap();
        assert_eq!(Timestamp::EPOCH.saturating_since(early), Duration::ZERO);
    }
}
