//! Metrics: named numbers, exact, merged by rules that survive retries and races. No floats.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

use crate::run_id::clip;
use crate::text::{Shape, TextError};

/// The most metrics that one record holds.
pub const METRICS_MAX: usize = 128;
const PLACES: u32 = 9;
const SCALE: u128 = 10u128.pow(PLACES);
const LIMIT_UNITS: u128 = 10u128.pow(UNITS_MAX_DIGITS);
const UNITS_MAX_DIGITS: u32 = 18;
/// The most digits that a number in range can have; so many fit into 128 bits.
const SIGNIFICANT_MAX: usize = 38;

/// The name of a metric: a letter, then up to 63 letters, digits, `_`, `.`, `:` and `-`.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MetricName(Arc<str>);

text_type!(MetricName);

const NAME: Shape = Shape {
    what: "metric name",
    first: |c| c.is_ascii_alphabetic(),
    rest: |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-'),
    allowed: "a letter, then letters, digits, '_', '.', ':' and '-'",
    min_bytes: 1,
    max_bytes: 64,
};

impl FromStr for MetricName {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        NAME.check(text)?;
        Ok(Self(Arc::from(text)))
    }
}

/// An exact number that is never negative: up to 18 digits before the point and 9 behind it.
///
/// Counts and money share the type; sums are exact. A record refuses a sum of 10^18; a run's totals may be larger.
///
/// ```
/// use runledger_domain::MetricValue;
/// let cost: MetricValue = "0.10".parse()?;
/// let more: MetricValue = "0.2".parse()?;
/// assert_eq!(cost.checked_add(more).unwrap().to_string(), "0.3");
/// assert!("-5".parse::<MetricValue>().is_err());
/// assert!("1e999".parse::<MetricValue>().is_err());
/// # Ok::<(), runledger_domain::MetricValueError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MetricValue(u128);

/// Why a text is not a [`MetricValue`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricValueError {
    /// The text is not a decimal number.
    #[error("{text:?} is not a number; write it like 12 or 0.58")]
    NotANumber {
        /// The text as sent.
        text: String,
    },
    /// The number is below zero.
    #[error("{text:?} is negative; a metric counts up from 0 (use \"set\" to correct one downwards)")]
    Negative {
        /// The text as sent.
        text: String,
    },
    /// The number is 10^18 or more.
    #[error("{text:?} is out of range; the largest metric is below 10^18")]
    OutOfRange {
        /// The text as sent.
        text: String,
    },
    /// More than nine digits behind the point.
    #[error("{text:?} has more than 9 digits behind the point; round it before sending")]
    TooFine {
        /// The text as sent.
        text: String,
    },
}

impl MetricValue {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// A whole number.
    pub const fn from_integer(value: u32) -> Self {
        Self(value as u128 * SCALE)
    }

    /// The exact sum, or `None` when it would reach 10^18.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0
            .checked_add(other.0)
            .filter(|sum| *sum < LIMIT_UNITS * SCALE)
            .map(Self)
    }
}

impl fmt::Display for MetricValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (units, mut fraction) = (self.0 / SCALE, self.0 % SCALE);
        if fraction == 0 {
            return write!(f, "{units}");
        }
        let mut width = PLACES as usize;
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            width -= 1;
        }
        write!(f, "{units}.{fraction:0width$}")
    }
}

impl FromStr for MetricValue {
    type Err = MetricValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_value(text).map_err(|problem| {
            let text = clip(text);
            match problem {
                Problem::NotANumber => MetricValueError::NotANumber { text },
                Problem::Negative => MetricValueError::Negative { text },
                Problem::OutOfRange => MetricValueError::OutOfRange { text },
                Problem::TooFine => MetricValueError::TooFine { text },
            }
        })
    }
}

text_serde!(MetricValue);

enum Problem {
    NotANumber,
    Negative,
    OutOfRange,
    TooFine,
}

/// Reads `12`, `0.58`, `1.5e3`: the numbers of JSON, without a detour over floats.
fn parse_value(text: &str) -> Result<MetricValue, Problem> {
    let (text, negative) = text.strip_prefix('-').map_or((text, false), |rest| (rest, true));
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let digits_only = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits_only(whole) || !digits_only(fraction) {
        return Err(Problem::NotANumber);
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return Err(Problem::NotANumber);
    }
    // What does not count is left away first: `0.30000` is as good as `0.3`, however long it is written.
    let fraction = fraction.trim_end_matches('0');
    let (significant, zeros) = if fraction.is_empty() {
        let significant = whole.trim_end_matches('0');
        (significant, whole.len() - significant.len())
    } else {
        (whole, 0)
    };
    let length = |digits: usize| i64::try_from(digits).unwrap_or(i64::MAX);
    let digits = significant.bytes().chain(fraction.bytes()).skip_while(|b| *b == b'0');
    if digits.clone().count() > SIGNIFICANT_MAX {
        return Err(if negative {
            Problem::Negative
        } else if i64::from(exponent) + length(whole.len()) > i64::from(UNITS_MAX_DIGITS) {
            Problem::OutOfRange
        } else {
            Problem::TooFine
        });
    }
    let significant = digits.map(|b| u128::from(b - b'0'));
    // The value is `digits * 10^(exponent + zeros - fraction length)`; what is stored is that times 10^PLACES.
    let mut shift = i64::from(exponent) + length(zeros) - length(fraction.len()) + i64::from(PLACES);
    let mut value: u128 = 0;
    for digit in significant {
        value = value
            .checked_mul(10)
            .and_then(|v| v.checked_add(digit))
            .ok_or(Problem::OutOfRange)?;
    }
    if value == 0 {
        return Ok(MetricValue::ZERO);
    }
    if negative {
        return Err(Problem::Negative);
    }
    while shift > 0 {
        value = value
            .checked_mul(10)
            .filter(|v| *v < LIMIT_UNITS * SCALE)
            .ok_or(Problem::OutOfRange)?;
        shift -= 1;
    }
    while shift < 0 {
        if !value.is_multiple_of(10) {
            return Err(Problem::TooFine);
        }
        value /= 10;
        shift += 1;
    }
    if value >= LIMIT_UNITS * SCALE {
        Err(Problem::OutOfRange)
    } else {
        Ok(MetricValue(value))
    }
}

fn parse_exponent(text: &str) -> Result<i32, Problem> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Problem::NotANumber);
    }
    // Every exponent of more than four digits is out of range in one direction or the other.
    let size = digits.parse::<i32>().unwrap_or(9_999).min(9_999);
    Ok(if text.starts_with('-') { -size } else { size })
}

/// The metrics of one record.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Metrics(BTreeMap<MetricName, MetricValue>);

/// A change to metrics: which to add to, which to raise, which to set.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub struct MetricChange {
    /// Deltas: added to the present value.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "BTreeMap::is_empty"))]
    pub add: BTreeMap<MetricName, MetricValue>,
    /// High-water marks: the higher of present and new value stays.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "BTreeMap::is_empty"))]
    pub max: BTreeMap<MetricName, MetricValue>,
    /// Plain values: the new one replaces the present one.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "BTreeMap::is_empty"))]
    pub set: BTreeMap<MetricName, MetricValue>,
}

/// Why a change to metrics is refused. Nothing of it is applied.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// One name stands under more than one of `add`, `max` and `set`.
    #[error("metric {name} stands under more than one of add, max and set; choose one")]
    NamedTwice {
        /// The metric.
        name: MetricName,
    },
    /// The sum would reach 10^18.
    #[error("metric {name} would reach 10^18 by this addition; nothing was added")]
    Overflow {
        /// The metric.
        name: MetricName,
    },
    /// The record would hold more than [`METRICS_MAX`] metrics.
    #[error("the record would hold more than {METRICS_MAX} metrics; nothing was changed")]
    TooMany,
}

impl MetricChange {
    /// Whether nothing would be changed.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.max.is_empty() && self.set.is_empty()
    }

    fn check_names(&self) -> Result<(), MetricError> {
        let twice = self
            .add
            .keys()
            .find(|name| self.max.contains_key(*name) || self.set.contains_key(*name))
            .or_else(|| self.max.keys().find(|name| self.set.contains_key(*name)));
        twice.map_or(Ok(()), |name| Err(MetricError::NamedTwice { name: name.clone() }))
    }
}

impl Metrics {
    /// The value of one metric.
    pub fn get(&self, name: &str) -> Option<MetricValue> {
        self.0
            .iter()
            .find(|(known, _)| known.as_str() == name)
            .map(|(_, value)| *value)
    }

    /// All metrics in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&MetricName, MetricValue)> {
        self.0.iter().map(|(name, value)| (name, *value))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Applies a change as a whole.
    ///
    /// # Errors
    /// [`MetricError`] when a name stands twice, a sum overflows or there would be too many; nothing is applied then.
    pub fn merge(&self, change: &MetricChange) -> Result<Self, MetricError> {
        change.check_names()?;
        let mut merged = self.0.clone();
        for (name, delta) in &change.add {
            let value = merged.entry(name.clone()).or_default();
            *value = value
                .checked_add(*delta)
                .ok_or_else(|| MetricError::Overflow { name: name.clone() })?;
        }
        for (name, mark) in &change.max {
            let value = merged.entry(name.clone()).or_default();
            *value = (*value).max(*mark);
        }
        merged.extend(change.set.iter().map(|(name, value)| (name.clone(), *value)));
        if merged.len() > METRICS_MAX {
            Err(MetricError::TooMany)
        } else {
            Ok(Self(merged))
        }
    }

    /// Adds every metric of `other` to these: how totals are derived (I19). A total may go beyond 10^18: one client's
    /// large number must not take the run's totals away (I12). 128 bits hold the sum of 10^11 records that are full.
    pub fn add_all(&mut self, other: &Self) {
        for (name, value) in &other.0 {
            let total = self.0.entry(name.clone()).or_default();
            *total = MetricValue(total.0.saturating_add(value.0));
        }
    }
}

impl FromIterator<(MetricName, MetricValue)> for Metrics {
    fn from_iter<T: IntoIterator<Item = (MetricName, MetricValue)>>(iter: T) -> Self {
        Self(iter.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        let found = text
            .parse::<MetricValue>()
            .map_or_else(|e| format!("{e:?}"), |v| v.to_string());
        assert!(found.starts_with(expected), "{text}: {found}");
    }

    #[test]
    fn numbers_are_read_exactly_or_refused_with_the_reason() {
        check("0", "0");
        check("-0", "0");
        check("12", "12");
        check("0.40", "0.4");
        check("0.3000000000000000000000000000000000000000", "0.3");
        check("0.3000000000000000000000000000000000000001", "TooFine");
        check("-0.3000000000000000000000000000000000000001", "Negative");
        check("1000000000000000000000000000000000000000e-30", "1000000000");
        check("1000000000000000000000000000000000000000", "OutOfRange");
        check("0e999", "0");
        check("1.5e3", "1500");
        check("15e-1", "1.5");
        check("0.000000001", "0.000000001");
        check("999999999999999999.999999999", "999999999999999999.999999999");
        check("1000000000000000000", "OutOfRange");
        check("1e999", "OutOfRange");
        check("1e99999999999", "OutOfRange");
        check("0.0000000001", "TooFine");
        check("1e-999", "TooFine");
        check("-5", "Negative");
        for text in [
            "007", "00", "", "NaN", "Infinity", "1,5", "1 ", "+1", ".5", "5.", "0x1", "--1", "e3", "1e", "½",
        ] {
            check(text, "NotANumber");
        }
    }

    fn name(text: &str) -> MetricName {
        text.parse().unwrap()
    }

    #[test]
    fn deltas_add_marks_never_fall_and_set_replaces() {
        let value = |text: &str| text.parse::<MetricValue>().unwrap();
        let before: Metrics = [
            (name("a"), value("1")),
            (name("m"), value("9")),
            (name("s"), value("5")),
        ]
        .into_iter()
        .collect();
        let change = MetricChange {
            add: [(name("a"), value("2"))].into(),
            max: [(name("m"), value("3")), (name("n"), value("4"))].into(),
            set: [(name("s"), value("1"))].into(),
        };
        let after = before.merge(&change).unwrap();
        let texts: alloc::vec::Vec<_> = after.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(texts, ["a=3", "m=9", "n=4", "s=1"]);
    }

    #[test]
    fn a_name_under_two_rules_is_refused() {
        let one: BTreeMap<_, _> = [(name("a"), MetricValue::ZERO)].into();
        let change = MetricChange {
            add: one.clone(),
            max: BTreeMap::new(),
            set: one,
        };
        assert_eq!(
            Metrics::default().merge(&change),
            Err(MetricError::NamedTwice { name: name("a") })
        );
    }

    proptest! {
        #[test]
        fn a_value_survives_being_written_and_read(units in 0u64..1_000_000_000_000_000_000, nanos in 0u32..1_000_000_000) {
            let value: MetricValue = format!("{units}.{nanos:09}").parse().unwrap();
            prop_assert_eq!(value.to_string().parse::<MetricValue>().unwrap(), value);
        }

        #[test]
        fn addition_does_not_depend_on_the_order(a in 0u64..1_000_000_000, b in 0u64..1_000_000_000, c in 0u64..1_000_000_000) {
            let v = |n: u64| format!("0.{n:09}").parse::<MetricValue>().unwrap();
            let left = v(a).checked_add(v(b)).unwrap().checked_add(v(c)).unwrap();
            let right = v(c).checked_add(v(b)).unwrap().checked_add(v(a)).unwrap();
            prop_assert_eq!(left, right);
        }
    }
}
