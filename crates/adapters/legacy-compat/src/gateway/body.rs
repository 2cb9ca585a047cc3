//! Bodies of requests that write: one record or a batch of them, as the API takes them.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::table::{Column, RunTable};
use crate::fields::{COMPLETION_NOTES, SAID_BY_THE_LEDGER};
use crate::service::arguments::Members;
use crate::service::failure::Failure;

/// The most records that one request is about.
pub(super) const BATCH_MAX: usize = 10;

/// What a request says.
#[derive(Debug)]
pub(super) struct Sent<'a> {
    pub(super) records: Vec<SentRecord<'a>>,
    /// The body is one record, not a batch.
    pub(super) is_single: bool,
    /// Rows are to be answered with the ids of their columns.
    pub(super) by_id: bool,
    /// The columns to find records by, of a request to update or create.
    pub(super) merge_on: Option<Vec<String>>,
}

/// One record of it.
#[derive(Debug)]
pub(super) struct SentRecord<'a> {
    pub(super) id: Option<String>,
    /// Values by the older names of their columns.
    pub(super) cells: Vec<(&'static str, &'a RawValue)>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    records: Option<Vec<BodyRecord<'a>>>,
    #[serde(borrow)]
    fields: Option<Members<'a>>,
    #[serde(rename = "returnFieldsByFieldId", default)]
    by_id: Option<bool>,
    #[serde(rename = "performUpsert", default)]
    merge: Option<Merge>,
}

#[derive(Deserialize)]
struct BodyRecord<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(borrow)]
    fields: Option<Members<'a>>,
}

#[derive(Deserialize)]
struct Merge {
    #[serde(rename = "fieldsToMergeOn")]
    on: Vec<String>,
}

impl<'a> Sent<'a> {
    /// Reads a body. `done` says what is done with the records, for the message.
    ///
    /// # Errors
    /// No JSON, another shape, an empty batch or one that is too large, a column that the table does not have, or one twice.
    pub(super) fn read(table: &RunTable, body: &'a [u8], done: &str) -> Result<Self, Failure> {
        let body = understood(body)?;
        let (given, is_single) = match (body.records, body.fields) {
            (Some(records), None) => (records, false),
            (None, fields @ Some(_)) => (vec![BodyRecord { id: None, fields }], true),
            (None, None) => return Err(fields_missing()),
            (Some(_), Some(_)) => {
                let detail = "the body has both records and fields; send one record as fields, or several as records";
                return Err(Failure::new("body_invalid", detail));
            }
        };
        if given.len() > BATCH_MAX {
            let detail = format!(
                "A maximum of {BATCH_MAX} records can be {done} per request but you have provided {}.",
                given.len()
            );
            return Err(Failure::new("records_invalid", detail));
        }
        if given.is_empty() {
            return Err(Failure::new(
                "records_invalid",
                "the batch is empty; send 1 to 10 records",
            ));
        }
        let record = |record: BodyRecord<'a>| {
            let Members(members) = record.fields.ok_or_else(fields_missing)?;
            Ok(SentRecord {
                id: record.id,
                cells: cells(table, members)?,
            })
        };
        Ok(Self {
            records: given.into_iter().map(record).collect::<Result<_, Failure>>()?,
            is_single,
            by_id: check_by_id(table, body.by_id.unwrap_or(false))?,
            merge_on: body.merge.map(|merge| merge.on),
        })
    }
}

/// The cells of every record of a body, as far as they are understood: for what has to be known of a request that will be
/// refused.
pub(super) fn understood_cells<'a>(table: &RunTable, body: &'a [u8]) -> Vec<Vec<(&'static str, &'a RawValue)>> {
    let Ok(body) = understood(body) else { return Vec::new() };
    let batch = body.records.into_iter().flatten().filter_map(|record| record.fields);
    let all = body.fields.into_iter().chain(batch);
    let known = |(name, value): (String, &'a RawValue)| Some((table.column(&name)?.older, value));
    all.take(BATCH_MAX)
        .map(|Members(members)| members.into_iter().filter_map(known).collect())
        .collect()
}

fn understood(body: &[u8]) -> Result<Body<'_>, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            let detail = format!("the body has another shape than the API's: {error}");
            Failure::new("body_invalid", detail)
        } else {
            Failure::new("body_not_json", format!("Could not parse request body: {error}"))
        }
    })
}

fn cells<'a>(
    table: &RunTable,
    members: Vec<(String, &'a RawValue)>,
) -> Result<Vec<(&'static str, &'a RawValue)>, Failure> {
    let mut cells: Vec<(&'static str, &'a RawValue)> = Vec::with_capacity(members.len());
    for (name, value) in members {
        let older = match (known_column(table, &name), name.as_str()) {
            (Ok(column), _) => column.older,
            (Err(_), COMPLETION_NOTES) => COMPLETION_NOTES,
            // The log says who did what and when; whatever is claimed here is no other answer.
            (Err(_), name) if SAID_BY_THE_LEDGER.contains(&name) => continue,
            (Err(unknown), _) => return Err(unknown),
        };
        if cells.iter().any(|(known, _)| *known == older) {
            let detail = format!("column {name} stands twice; send it once");
            return Err(Failure::new("body_invalid", detail).at(&name));
        }
        cells.push((older, value));
    }
    Ok(cells)
}

/// The column of this name or id.
///
/// # Errors
/// The table has none.
pub(super) fn known_column<'t>(table: &'t RunTable, name: &str) -> Result<&'t Column, Failure> {
    table.column(name).ok_or_else(|| {
        let detail = format!("Unknown field name: \"{name}\"; the ledger has no place for it");
        Failure::new("unknown_field", detail).at(name)
    })
}

/// Whether rows may be answered by the ids of their columns, where that is asked for.
///
/// # Errors
/// The ids are not known.
pub(super) fn check_by_id(table: &RunTable, asked: bool) -> Result<bool, Failure> {
    let unknown = table.columns.iter().find(|column| column.id.is_none());
    match unknown {
        Some(column) if asked => {
            let detail = format!(
                "returnFieldsByFieldId needs the ids of the columns, and that of {} is not known; give field_ids for this \
                 table in the settings of the gateway, or ask by names",
                column.name
            );
            Err(Failure::new("body_invalid", detail).at("returnFieldsByFieldId"))
        }
        _ => Ok(asked),
    }
}

fn fields_missing() -> Failure {
    Failure::new("fields_missing", "Could not find field \"fields\" in the request body")
}
