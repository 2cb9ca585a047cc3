//! A record as a row: its cells by the older names of their columns, as clients and formulas see them.

use std::sync::Arc;

use runledger_airtable_formula::{self as formula, Value, date_text, moment};
use runledger_app::Ledger;
use runledger_domain::{JobSummary, RunKey, RunRecord, Timestamp};
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::value::RawValue;

use super::table::RunTable;
use crate::fields;
use crate::service::failure::Failure;
use crate::service::record::{APIFY, Cells};
use crate::status;

/// A row.
#[derive(Debug)]
pub(super) struct Row<'a> {
    table: &'a RunTable,
    pub(super) record: Arc<RunRecord>,
    id: String,
    cells: Cells,
}

/// How rows are shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Form {
    /// Columns are named by their ids.
    pub(super) by_id: bool,
    /// These columns alone, by their older names.
    pub(super) only: Option<Vec<&'static str>>,
}

impl Form {
    /// Whether the totals of a job are among what is shown.
    pub(super) fn shows_totals(&self) -> bool {
        let is_total = |column: &&'static str| fields::JOB_TOTALS.iter().any(|(total, _)| total == column);
        self.only.as_ref().is_none_or(|only| only.iter().any(is_total))
    }
}

impl<'a> Row<'a> {
    /// The row of a record. The totals of a job are derived (I19), and left out when they are not given.
    pub(super) fn of(
        table: &'a RunTable,
        id: String,
        record: Arc<RunRecord>,
        summary: Option<&JobSummary>,
    ) -> Result<Self, Failure> {
        let cells = cells(table, &record, summary)?;
        Ok(Self {
            table,
            record,
            id,
            cells,
        })
    }

    /// The same with the totals, if it is a job's. What was done is done: when they cannot be read, it is left as it is.
    pub(super) async fn with_totals(self, ledger: &Ledger) -> Result<Self, Failure> {
        let RunKey::Job(run) = self.record.key() else {
            return Ok(self);
        };
        let summary = ledger.runs.summary(run).await.ok();
        Self::of(self.table, self.id, self.record, summary.as_ref())
    }

    /// The id of the row.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// What a cell shows, by the older name of its column.
    pub(super) fn cell(&self, older: &str) -> Option<&RawValue> {
        self.cells.get(older)
    }

    /// What formulas and orders see of a cell.
    pub(super) fn value(&self, older: &str) -> Value {
        let Some(cell) = self.cell(older) else {
            return Value::Blank;
        };
        match (older, serde_json::from_str(cell.get())) {
            (fields::START_TIME | fields::END_TIME, Ok(serde_json::Value::String(text))) => {
                moment(&text).map_or(Value::Error, |ms| Value::Date { ms, is_day: false })
            }
            (_, Ok(serde_json::Value::String(text))) => Value::Text(text),
            (_, Ok(serde_json::Value::Number(number))) => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
            _ => Value::Blank,
        }
    }

    /// The row as the API shows it.
    pub(super) fn shown<'b>(&'b self, form: &'b Form) -> impl Serialize + 'b {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Shown<'b> {
            id: &'b str,
            created_time: String,
            fields: Fields<'b>,
        }
        Shown {
            id: &self.id,
            created_time: time_text(self.record.creation().at),
            fields: Fields { row: self, form },
        }
    }
}

struct Fields<'a> {
    row: &'a Row<'a>,
    form: &'a Form,
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { row, form } = self;
        let mut map = serializer.serialize_map(None)?;
        for column in &row.table.columns {
            if form.only.as_ref().is_some_and(|only| !only.contains(&column.older)) {
                continue;
            }
            let Some(cell) = row.cell(column.older) else { continue };
            let name = column.id.as_ref().filter(|_| form.by_id).unwrap_or(&column.name);
            map.serialize_entry(name, cell)?;
        }
        map.end()
    }
}

impl formula::Row for Row<'_> {
    fn field(&self, name: &str) -> Value {
        self.table
            .column(name)
            .map_or(Value::Error, |column| self.value(column.older))
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn created_ms(&self) -> i64 {
        ms(self.record.creation().at)
    }

    fn modified_ms(&self) -> i64 {
        ms(self.record.updated_at())
    }
}

fn cells(table: &RunTable, record: &RunRecord, summary: Option<&JobSummary>) -> Result<Cells, Failure> {
    let mut cells = Cells::default();
    let key = record.key();
    cells.put(fields::RUN_ID, &run_id_text(table, key))?;
    if let Some(client) = key.client() {
        cells.put(fields::CLIENT_ID, &client.as_str())?;
        if let Some(name) = record.client_name() {
            cells.put(fields::CLIENT_NAME, &name.as_str())?;
        }
    }
    cells.put(fields::STATUS, &status::write(record.status()))?;
    cells.put_stream(record)?;
    let started_at = record.state().started_at().unwrap_or(record.creation().at);
    cells.put(fields::START_TIME, &time_text(started_at))?;
    if let Some(ended_at) = record.state().ending().and_then(|ending| ending.ended_at) {
        cells.put(fields::END_TIME, &time_text(ended_at))?;
    }
    if key.client().is_some() {
        cells.put_counters(record.metrics())?;
    } else if let Some(summary) = summary {
        cells.put_totals(summary)?;
    }
    let notes = notes(record).join("\n");
    if !notes.is_empty() {
        cells.put(fields::SYSTEM_NOTES, &notes)?;
        // Programs read this one, put a line behind it and write it back, so it is there to be read, with its last line ended.
        if key.client().is_some() {
            cells.put(fields::PROGRESS_LOG, &format!("{notes}\n"))?;
        }
    }
    let ids = record.external_ids().iter().filter(|id| id.system() == APIFY);
    let ids: Vec<_> = ids.map(runledger_domain::ExternalId::id).collect();
    if !ids.is_empty() {
        cells.put(fields::APIFY_RUN_ID, &ids.join(", "))?;
    }
    Ok(cells)
}

/// How a row of this table writes the run id.
pub(super) fn run_id_text(table: &RunTable, key: &RunKey) -> String {
    if table.run_id_with_client {
        key.to_string()
    } else {
        key.run().to_string()
    }
}

/// The notes of a record and what was said at its end, in their order.
pub(super) fn notes(record: &RunRecord) -> Vec<&str> {
    let last = record.state().ending().and_then(|ending| ending.note.as_ref());
    let notes = record.notes().iter().map(|note| &note.text);
    notes.chain(last).map(runledger_domain::NoteText::as_str).collect()
}

fn ms(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(1_000)
}

/// A moment as Airtable writes it.
fn time_text(at: Timestamp) -> String {
    date_text(ms(at), false)
}
