//! Spans of time as people write them: `90s`, `15m`, `6h`, `2d`, `1h30m`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The longest span: 366 days.
const SECONDS_MAX: u64 = 366 * 24 * 60 * 60;

/// A span of whole seconds.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Span(u64);

/// The text is not a span.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} is not a span of time; write it with units, such as 90s, 15m, 6h, 2d or 1h30m (at most 366d)")]
pub(crate) struct SpanError {
    text: String,
}

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl Span {
    /// A span of so many seconds.
    pub(crate) const fn from_secs(seconds: u64) -> Self {
        Self(seconds)
    }

    /// The seconds of the span.
    pub(crate) const fn as_secs(self) -> u64 {
        self.0
    }

    /// The span as the standard library has it.
    pub(crate) const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || SpanError {
            text: text.chars().take(40).collect(),
        };
        let mut seconds = 0_u64;
        let mut units = UNITS.iter();
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
            let count: u64 = rest[..digits].parse().map_err(|_| error())?;
            let unit = rest[digits..].chars().next().ok_or_else(error)?;
            // Each unit once, the larger first.
            let (_, factor) = units.find(|(name, _)| *name == unit).ok_or_else(error)?;
            seconds = count
                .checked_mul(*factor)
                .and_then(|part| seconds.checked_add(part))
                .filter(|sum| *sum <= SECONDS_MAX)
                .ok_or_else(error)?;
            rest = &rest[digits + unit.len_utf8()..];
        }
        if text.is_empty() {
            Err(error())
        } else {
            Ok(Self(seconds))
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, factor) in UNITS {
            if rest >= factor {
                write!(f, "{}{unit}", rest / factor)?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

impl serde::Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, seconds: Option<u64>) {
        assert_eq!(text.parse::<Span>().ok().map(Span::as_secs), seconds, "{text}");
    }

    #[test]
    fn spans_are_read_with_their_units_or_not_at_all() {
        check("90s", Some(90));
        check("6h", Some(21_600));
        check("1h30m", Some(5_400));
        check("2d", Some(172_800));
        check("0s", Some(0));
        for text in [
            "",
            "90",
            "6 h",
            "h",
            "30m1h",
            "1h1h",
            "-1h",
            "1.5h",
            "1w",
            "9999999999999999999h",
            "367d",
            "6h ",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_span_survives_being_written_and_read() {
        for seconds in [0, 1, 59, 60, 90, 3_600, 5_400, 86_400, 90_061] {
            assert_eq!(Span(seconds).to_string().parse(), Ok(Span(seconds)));
        }
        assert_eq!(Span(5_400).to_string(), "1h30m");
    }
}
