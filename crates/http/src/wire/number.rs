//! Exact numbers on the wire. A metric is a decimal of up to 27 digits: it is written from its own text and read from
//! the text in the body, never by way of a float.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use runledger_domain::{MetricChange, MetricName, MetricValue, Metrics};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::describe::forms;
use crate::problem;
use crate::trouble::Problem;
use crate::wire::text::{Object, Text};

/// Numbers by name, as they stand in the body. Twice the same name is kept twice, so that it can be refused.
#[derive(Debug, Default)]
pub(crate) struct Numbers<'a>(Vec<(Text<'a>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Numbers<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Numbers<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of numbers by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Numbers(pairs))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl Numbers<'_> {
    fn read(&self) -> Result<BTreeMap<MetricName, MetricValue>, Problem> {
        let mut numbers = BTreeMap::new();
        for (name, value) in &self.0 {
            let text = name.as_str();
            let parsed: MetricName = text.parse().map_err(|error| Problem::value(text, format!("{error}")))?;
            let value = read_number(value).map_err(|detail| Problem::value(text, detail))?;
            if numbers.insert(parsed, value).is_some() {
                let detail = format!("metric {text} stands twice in one object; name it once");
                return Err(Problem::new(&problem::METRIC_NAMED_TWICE, detail).at(text));
            }
        }
        Ok(numbers)
    }
}

/// A number, or a text that holds one: some languages have no exact decimal in JSON.
fn read_number(value: &RawValue) -> Result<MetricValue, String> {
    let raw = value.get();
    let parsed = match raw.as_bytes().first() {
        Some(b'"') => {
            let text: String = serde_json::from_str(raw).map_err(|error| error.to_string())?;
            text.parse::<MetricValue>()
        }
        Some(b'-' | b'0'..=b'9') => raw.parse(),
        _ => return Err("expected a number, such as 12 or 0.58".into()),
    };
    parsed.map_err(|error| error.to_string())
}

/// A change to metrics.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MetricChange)]
pub(crate) struct MetricChangeIn<'a> {
    /// Deltas, added to the present values.
    #[serde(borrow)]
    #[schema(value_type = Option<forms::NumbersIn>)]
    add: Option<Numbers<'a>>,
    /// High-water marks: the higher of present and new value stays.
    #[schema(value_type = Option<forms::NumbersIn>)]
    max: Option<Numbers<'a>>,
    /// Plain values: the new one replaces the present one.
    #[schema(value_type = Option<forms::NumbersIn>)]
    set: Option<Numbers<'a>>,
}

impl MetricChangeIn<'_> {
    fn read(&self) -> Result<MetricChange, Problem> {
        let part = |name: &str, numbers: &Option<Numbers<'_>>| {
            let numbers = numbers.as_ref().map(Numbers::read).transpose();
            numbers.map(Option::unwrap_or_default).map_err(|p| p.inside(name))
        };
        Ok(MetricChange {
            add: part("add", &self.add)?,
            max: part("max", &self.max)?,
            set: part("set", &self.set)?,
        })
    }
}

/// Reads the `metrics` of a body.
pub(crate) fn read_metrics(metrics: Option<&Object<MetricChangeIn<'_>>>) -> Result<MetricChange, Problem> {
    metrics.map_or_else(
        || Ok(MetricChange::default()),
        |Object(change)| change.read().map_err(|problem| problem.inside("metrics")),
    )
}

/// An exact number that is never negative.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(value_type = f64, format = "decimal", minimum = 0, example = json!(0.18))]
pub(crate) struct Number(MetricValue);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = Digits::default();
        write!(digits, "{}", self.0).map_err(S::Error::custom)?;
        let text = digits.as_str();
        // Whole numbers fit 64 bits (they are below 10^18); the others go out as their own text.
        match text.parse::<u64>() {
            Ok(whole) => serializer.serialize_u64(whole),
            Err(_) => serde_json::from_str::<&RawValue>(text)
                .map_err(S::Error::custom)?
                .serialize(serializer),
        }
    }
}

/// Room for the longest number: 18 digits, the point, 9 digits.
#[derive(Default)]
struct Digits {
    bytes: [u8; 32],
    length: usize,
}

impl Digits {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl fmt::Write for Digits {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Metrics as an object of numbers.
#[derive(Debug)]
pub(crate) struct MetricsOut<'a>(pub(crate) &'a Metrics);

impl Serialize for MetricsOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let metrics = self.0.iter();
        let mut map = serializer.serialize_map(Some(metrics.len()))?;
        for (name, value) in metrics {
            map.serialize_entry(name.as_str(), &Number(value))?;
        }
        map.end()
    }
}

/// What a stage reported, as it was sent.
#[derive(Debug)]
pub(crate) struct MetricChangeOut<'a>(pub(crate) &'a MetricChange);

impl Serialize for MetricChangeOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Part<'a>(&'a BTreeMap<MetricName, MetricValue>);
        impl Serialize for Part<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().map(|(name, value)| (name.as_str(), Number(*value))))
            }
        }
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("add", &Part(&self.0.add))?;
        map.serialize_entry("max", &Part(&self.0.max))?;
        map.serialize_entry("set", &Part(&self.0.set))?;
        map.end()
    }
}
