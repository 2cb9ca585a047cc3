//! Exact numbers: read from the text on the wire, never by way of a float.

use std::collections::BTreeMap;

use runledger_domain::{MetricChange, MetricName, MetricValue, Metrics};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::value::RawValue;

struct Number(MetricValue);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        raw.get().parse().map(Self).map_err(D::Error::custom)
    }
}

/// The metrics of a record.
pub(crate) fn metrics<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Metrics, D::Error> {
    let numbers = BTreeMap::<MetricName, Number>::deserialize(deserializer)?;
    Ok(numbers.into_iter().map(|(name, Number(value))| (name, value)).collect())
}

/// Sums, which may be larger than any metric: the text that they are on the wire.
pub(crate) fn totals<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<MetricName, String>, D::Error> {
    let numbers = BTreeMap::<MetricName, Box<RawValue>>::deserialize(deserializer)?;
    Ok(numbers
        .into_iter()
        .map(|(name, raw)| (name, raw.get().to_owned()))
        .collect())
}

/// What a stage reported, if it has ended.
pub(crate) fn reported<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<MetricChange>, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Reported {
        add: BTreeMap<MetricName, Number>,
        max: BTreeMap<MetricName, Number>,
        set: BTreeMap<MetricName, Number>,
    }
    fn plain(numbers: BTreeMap<MetricName, Number>) -> BTreeMap<MetricName, MetricValue> {
        numbers.into_iter().map(|(name, Number(value))| (name, value)).collect()
    }
    let reported = Option::<Reported>::deserialize(deserializer)?;
    Ok(reported.map(|Reported { add, max, set }| MetricChange {
        add: plain(add),
        max: plain(max),
        set: plain(set),
    }))
}
