//! Records in the older shape: `{id, fields}`, with the older column names and words.

use runledger_domain::{JobSummary, Metrics, RunKey, RunRecord};
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::failure::Failure;
use crate::{fields, status};

/// The word in an external id for Apify.
pub(crate) const APIFY: &str = "apify";

/// The counters that a client's row had from the start; the others came when they were first written.
const FROM_THE_START: [&str; 5] = [
    "Profiles Examined for Scoring",
    "Profiles Successfully Scored",
    "Total Posts Harvested",
    "Profile Scoring Tokens",
    "Post Scoring Tokens",
];

/// The id of a record in the older sense: stable, and read off its key, so that it never has to be looked up.
///
/// ```
/// use runledger_legacy::record_id;
/// assert_eq!(record_id(&"250925-231841-Guy-Wilson".parse()?), "rec250925-231841-Guy-Wilson");
/// # Ok::<(), runledger_domain::RunKeyError>(())
/// ```
pub fn record_id(key: &RunKey) -> String {
    format!("rec{key}")
}

/// The values of a row, in the order of its columns. Numbers stand as their own text, never as a float.
#[derive(Debug, Default)]
pub(crate) struct Cells(Vec<(&'static str, Box<RawValue>)>);

impl Serialize for Cells {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (column, value) in &self.0 {
            map.serialize_entry(column, value)?;
        }
        map.end()
    }
}

impl Cells {
    /// The value in a column.
    pub(crate) fn get(&self, column: &str) -> Option<&RawValue> {
        let (_, value) = self.0.iter().find(|(known, _)| *known == column)?;
        Some(value)
    }

    pub(crate) fn put(&mut self, column: &'static str, value: &impl Serialize) -> Result<(), Failure> {
        self.0
            .push((column, to_raw_value(value).map_err(|error| unwritable(&error))?));
        Ok(())
    }

    fn put_number(&mut self, column: &'static str, text: String) -> Result<(), Failure> {
        self.0
            .push((column, RawValue::from_string(text).map_err(|error| unwritable(&error))?));
        Ok(())
    }

    /// The column was a number; a label that is none is shown as it is.
    pub(crate) fn put_stream(&mut self, record: &RunRecord) -> Result<(), Failure> {
        let Some(label) = record.batch() else { return Ok(()) };
        match label.as_str().parse::<u64>() {
            Ok(stream) => self.put(fields::STREAM, &stream),
            Err(_) => self.put(fields::STREAM, &label.as_str()),
        }
    }

    pub(crate) fn put_counters(&mut self, metrics: &Metrics) -> Result<(), Failure> {
        for (column, metric) in fields::METRICS {
            match metrics.get(metric) {
                Some(value) => self.put_number(column, value.to_string())?,
                None if FROM_THE_START.contains(&column) => self.put(column, &0)?,
                None => {}
            }
        }
        Ok(())
    }

    pub(crate) fn put_totals(&mut self, summary: &JobSummary) -> Result<(), Failure> {
        for (column, total) in fields::JOB_TOTALS {
            let text = match total {
                "clients" => summary.clients.to_string(),
                "with_errors" => summary.with_errors.to_string(),
                metric => summary.totals.get(metric).unwrap_or_default().to_string(),
            };
            self.put_number(column, text)?;
        }
        Ok(())
    }
}

fn unwritable(error: &serde_json::Error) -> Failure {
    Failure::new("internal", format!("the answer cannot be written as JSON: {error}"))
}

/// Writes any answer as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| unwritable(&error))
}

/// Writes a record. The totals of a job are derived (I19), and left out when they are not known now.
pub(crate) fn record_json(record: &RunRecord, summary: Option<&JobSummary>) -> Result<String, Failure> {
    #[derive(Serialize)]
    struct Row {
        id: String,
        fields: Cells,
    }
    let key = record.key();
    let mut row = Cells::default();
    row.put(fields::RUN_ID, &key.to_string())?;
    if let Some(client) = key.client() {
        row.put(fields::CLIENT_ID, &client.as_str())?;
        if let Some(name) = record.client_name() {
            row.put(fields::CLIENT_NAME, &name.as_str())?;
        }
    }
    row.put(fields::STATUS, &status::write(record.status()))?;
    row.put_stream(record)?;
    let started_at = record.state().started_at().unwrap_or(record.creation().at);
    row.put(fields::START_TIME, &started_at.to_string())?;
    if let Some(ended_at) = record.state().ending().and_then(|ending| ending.ended_at) {
        row.put(fields::END_TIME, &ended_at.to_string())?;
    }
    if key.client().is_some() {
        row.put_counters(record.metrics())?;
    } else if let Some(summary) = summary {
        row.put_totals(summary)?;
    }
    row.put(fields::SYSTEM_NOTES, &notes(record))?;
    let ids = record.external_ids().iter().filter(|id| id.system() == APIFY);
    let ids: Vec<_> = ids.map(runledger_domain::ExternalId::id).collect();
    if !ids.is_empty() {
        row.put(fields::APIFY_RUN_ID, &ids.join(", "))?;
    }
    json(&Row {
        id: record_id(key),
        fields: row,
    })
}

/// The first line that the older service wrote, then all notes, then what was said at the end.
fn notes(record: &RunRecord) -> String {
    let creation = record.creation();
    let what = match record.key() {
        RunKey::Job(_) => "Run initiated",
        RunKey::Client(..) => "Processing started",
    };
    let mut text = format!("{what} at {} from {}", creation.at, creation.source);
    let last = record.state().ending().and_then(|ending| ending.note.as_ref());
    for note in record.notes().iter().map(|note| &note.text).chain(last) {
        text.push('\n');
        text.push_str(note.as_str());
    }
    text
}
