//! What the ledger says of a record, field by field.

use super::source::LedgerField;
use runledger_domain::{JobSummary, MetricValue, Metrics, RunRecord, Status, Timestamp};
use std::collections::BTreeMap;

/// A value of the ledger.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum LedgerValue {
    /// A text; too long, it loses its end.
    Text(String),
    /// A text that grows; too long, it loses its beginning, since people look at the end.
    Log(String),
    /// An exact number, in decimal digits.
    Number(String),
    /// A moment.
    Moment(Timestamp),
    /// A status.
    Status(Status),
}

/// Everything that a row can show of a record. What a record does not have is not in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Values(BTreeMap<LedgerField, LedgerValue>);

impl Values {
    /// What there is to say of a record; with its summary, also the totals of a job.
    pub fn of(record: &RunRecord, summary: Option<&JobSummary>) -> Self {
        let mut values = Self(BTreeMap::new());
        let text = |text: &dyn ToString| LedgerValue::Text(text.to_string());
        values.put(LedgerField::Key, text(record.key()));
        values.put(LedgerField::RunId, text(record.key().run()));
        values.put_some(LedgerField::ClientId, record.key().client().map(|id| text(id)));
        values.put_some(LedgerField::ClientName, record.client_name().map(|name| text(name)));
        values.put(LedgerField::Status, LedgerValue::Status(record.status()));
        let ended_at = record.state().ending().and_then(|ending| ending.ended_at);
        values.put_some(
            LedgerField::StartedAt,
            record.state().started_at().map(LedgerValue::Moment),
        );
        values.put_some(LedgerField::EndedAt, ended_at.map(LedgerValue::Moment));
        let seconds = record
            .duration()
            .map(|took| LedgerValue::Number(took.as_secs().to_string()));
        values.put_some(LedgerField::DurationSeconds, seconds);
        values.put_some(LedgerField::Batch, record.batch().map(|batch| text(batch)));
        values.put_some(LedgerField::Notes, log(notes(record)));
        values.put_some(LedgerField::ProgressLog, log(progress(record)));
        values.put(LedgerField::CreatedBy, text(&record.creation().source));
        values.put(LedgerField::Attempt, text(&record.creation().attempt));
        values.put(LedgerField::UpdatedAt, LedgerValue::Moment(record.updated_at()));
        values.put(LedgerField::UpdatedBy, text(record.updated_by()));
        values.put(LedgerField::Version, LedgerValue::Number(record.version().to_string()));
        let mut of_system: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for id in record.external_ids() {
            of_system.entry(id.system()).or_default().push(id.id());
        }
        for (system, ids) in of_system {
            values.put(
                LedgerField::ExternalIds(system.to_owned()),
                LedgerValue::Text(ids.join(", ")),
            );
        }
        values.put_metrics(record.metrics(), LedgerField::Metric);
        if let Some(summary) = summary {
            values.put(
                LedgerField::TotalClients,
                LedgerValue::Number(summary.clients.to_string()),
            );
            let with_errors = LedgerValue::Number(summary.with_errors.to_string());
            values.put(LedgerField::TotalWithErrors, with_errors);
            values.put_metrics(&summary.totals, LedgerField::Total);
        }
        values
    }

    /// The value of a field, where the record has one.
    pub fn get(&self, field: &LedgerField) -> Option<&LedgerValue> {
        self.0.get(field)
    }

    fn put(&mut self, field: LedgerField, value: LedgerValue) {
        self.0.insert(field, value);
    }

    fn put_some(&mut self, field: LedgerField, value: Option<LedgerValue>) {
        if let Some(value) = value {
            self.put(field, value);
        }
    }

    fn put_metrics(&mut self, metrics: &Metrics, field: fn(runledger_domain::MetricName) -> LedgerField) {
        for (name, value) in metrics.iter() {
            let value: MetricValue = value;
            self.put(field(name.clone()), LedgerValue::Number(value.to_string()));
        }
    }
}

fn log(lines: Vec<(Timestamp, String)>) -> Option<LedgerValue> {
    let lines: Vec<_> = lines.into_iter().map(|(at, line)| format!("{at} {line}")).collect();
    (!lines.is_empty()).then(|| LedgerValue::Log(lines.join("\n")))
}

fn notes(record: &RunRecord) -> Vec<(Timestamp, String)> {
    let notes = record.notes().iter();
    notes
        .map(|note| (note.at, format!("{}: {}", note.source, note.text)))
        .collect()
}

fn progress(record: &RunRecord) -> Vec<(Timestamp, String)> {
    let mut lines = notes(record);
    for stage in record.stages() {
        lines.push((stage.started_at, format!("{} started", stage.name)));
        if let Some(end) = &stage.end {
            lines.push((end.ended_at, format!("{} {}", stage.name, end.outcome)));
        }
    }
    lines.sort_by_key(|(at, _)| *at);
    lines
}
