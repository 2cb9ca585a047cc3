//! What a formula works with, and how one kind passes for another.

use jiff::Timestamp;
use std::cmp::Ordering;

/// A value in a formula.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing.
    Blank,
    /// A number; may be `NaN`.
    Number(f64),
    /// A text.
    Text(String),
    /// True or false; counts as 1 or 0.
    Bool(bool),
    /// A moment, in milliseconds since 1970, and whether it is a date without a time.
    Date {
        /// The moment.
        ms: i64,
        /// It is a date alone.
        is_day: bool,
    },
    /// Several values, as of a field with several options.
    List(Vec<Value>),
    /// `#ERROR!`.
    Error,
}

impl Value {
    /// Whether a filter keeps a record on this: not on `0`, false, an empty text, `NaN`, an empty list or an error.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Blank | Self::Error => false,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::Bool(value) => *value,
            Self::Date { .. } => true,
            Self::List(values) => !values.is_empty(),
        }
    }

    /// As a text, as `&` joins it.
    pub fn text(&self) -> String {
        match self {
            Self::Blank => String::new(),
            Self::Number(number) => number_text(*number),
            Self::Text(text) => text.clone(),
            Self::Bool(value) => if *value { "1" } else { "0" }.into(),
            Self::Date { ms, is_day } => date_text(*ms, *is_day),
            Self::List(values) => values.iter().map(Self::text).collect::<Vec<_>>().join(", "),
            Self::Error => "#ERROR!".into(),
        }
    }

    /// How much text it holds.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::List(values) => values.iter().map(Self::bytes).sum(),
            _ => 0,
        }
    }

    /// As a number, where it passes for one. A blank is 0.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Blank => Some(0.0),
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            Self::List(values) => match values.as_slice() {
                [] => Some(0.0),
                [one] => one.number(),
                _ => None,
            },
            Self::Date { .. } | Self::Error => None,
        }
    }

    /// As a moment: a date, or a text that holds one.
    pub(crate) fn moment(&self) -> Option<i64> {
        match self {
            Self::Date { ms, .. } => Some(*ms),
            Self::Text(text) => crate::dates::parse(text),
            Self::List(values) => match values.as_slice() {
                [one] => one.moment(),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether `=` holds. Text is compared letter by letter: case counts.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Blank, other) | (other, Self::Blank) => match other {
                Self::Blank => true,
                Self::Number(number) => *number == 0.0,
                Self::Text(text) => text.is_empty(),
                Self::Bool(value) => !value,
                Self::List(values) => values.is_empty(),
                Self::Date { .. } | Self::Error => false,
            },
            (Self::Date { ms: left, .. }, Self::Date { ms: right, .. }) => left == right,
            (Self::Number(_) | Self::Bool(_), Self::Number(_) | Self::Bool(_)) => self.number() == other.number(),
            _ => self.text() == other.text(),
        }
    }

    /// How two values stand to each other, where that can be said.
    pub(crate) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Date { ms: left, .. }, Self::Date { ms: right, .. }) => Some(left.cmp(right)),
            (Self::Text(left), Self::Text(right)) => Some(left.cmp(right)),
            // A moment that is written as a text is the moment.
            (Self::Date { .. }, Self::Text(_)) | (Self::Text(_), Self::Date { .. }) => {
                Some(self.moment()?.cmp(&other.moment()?))
            }
            _ => self.number()?.partial_cmp(&other.number()?),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// A number without needless digits.
pub(crate) fn number_text(number: f64) -> String {
    if number.is_nan() {
        "NaN".into()
    } else if number == 0.0 {
        // Never "-0".
        "0".into()
    } else {
        number.to_string()
    }
}

/// A moment in milliseconds since 1970 as Airtable's API writes it: in UTC with milliseconds, or as a date alone; empty
/// for a moment beyond the calendar.
pub fn date_text(ms: i64, is_day: bool) -> String {
    let Ok(moment) = Timestamp::from_millisecond(ms) else {
        return String::new();
    };
    let format = if is_day { "%Y-%m-%d" } else { "%Y-%m-%dT%H:%M:%S" };
    let text = moment.strftime(format).to_string();
    if is_day {
        return text;
    }
    format!("{text}.{:03}Z", ms.rem_euclid(1000))
}
