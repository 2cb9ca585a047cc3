//! The tables looked through: all their rows, whoever made them, and surplus ones taken out.

use super::digest::{digest, shown};
use super::words::{not_done, not_removed};
use super::{AirtableTarget, row_id};
use crate::answer::Record;
use crate::ids::RecordId;
use crate::mapping::{LedgerField, ResolvedTable, Values};
use crate::outcome::ReadError;
use crate::refusal::RefusalKind;
use crate::request::{Direction, Fields, ListQuery};
use runledger_domain::{ClientId, RecordKind, RunKey, RunRecord};
use runledger_ports::{
    CellDifference, Cells, ListRowsError, ListedRow, NotDone, RemoveOutcome, RowId, RowsPage, RowsPlace, SurveyTarget,
    TargetFinding,
};
use serde_json::Value;
use std::sync::Arc;

/// Rows on a page: the most that Airtable gives.
const PAGE_ROWS: u8 = 100;
/// The longest text of a cell that a difference shows, in characters.
const SHOWN_CHARACTERS_MAX: usize = 200;

#[async_trait::async_trait]
impl SurveyTarget for AirtableTarget {
    async fn check(&self) -> Vec<TargetFinding> {
        self.find_faults().await
    }

    async fn list_rows(&self, kind: RecordKind, after: Option<&RowsPlace>) -> Result<RowsPage, ListRowsError> {
        let (base, table) = self.table(kind)?;
        let keys = table.fields().iter().filter(|field| field.is_key);
        let query = ListQuery {
            sort: keys.map(|field| (field.id.clone(), Direction::Ascending)).collect(),
            page_size: Some(PAGE_ROWS),
            by_field_id: true,
            offset: after.map(|place| place.0.clone()),
            ..ListQuery::default()
        };
        let page = match self.airtable.list(base, table.table(), &query).await {
            Ok(page) => page,
            Err(ReadError::Refused(refusal)) if refusal.kind == RefusalKind::CursorExpired => {
                return Err(ListRowsError::PlaceLost);
            }
            Err(error) => return Err(self.words(error).into()),
        };
        Ok(RowsPage {
            rows: page
                .records
                .iter()
                .filter_map(|record| listed(kind, &table, record))
                .collect(),
            next: page.offset.map(RowsPlace),
        })
    }

    async fn rows_of(&self, kind: RecordKind, records: &[Arc<RunRecord>]) -> Result<Vec<ListedRow>, NotDone> {
        let (base, table) = self.table(kind)?;
        let keys = records.iter().map(|record| table.key(&Values::of(record, None)));
        let keys = keys.collect::<Result<Vec<_>, _>>().map_err(|error| NotDone::Stopped {
            why: error.to_string(),
            until: None,
        })?;
        let found = self.airtable.look_up(base, table.table(), &keys, true).await;
        let found = found.map_err(|error| self.words(error))?;
        let rows = found.iter().filter_map(|(_, record)| listed(kind, &table, record));
        Ok(rows.collect())
    }

    fn differences(&self, kind: RecordKind, cells: &Cells, row: &Cells) -> Vec<CellDifference> {
        let fields = |cells: &Cells| serde_json::from_str::<Fields>(&cells.text).unwrap_or_default();
        let Ok((_, table)) = self.table(kind) else {
            return Vec::new();
        };
        let (ledger, row) = (fields(cells), fields(row));
        let differing = table.fields().iter().filter(|field| {
            let (one, other) = (ledger.get(&field.id), row.get(&field.id));
            shown(one) != shown(other)
        });
        differing
            .map(|field| CellDifference {
                field: field.name.clone(),
                ledger: for_people(ledger.get(&field.id)),
                row: for_people(row.get(&field.id)),
            })
            .collect()
    }

    async fn remove_rows(&self, kind: RecordKind, rows: &[RowId]) -> RemoveOutcome {
        let (base, table) = match self.table(kind) {
            Ok(found) => found,
            Err(error) => return RemoveOutcome::NotDone(error),
        };
        let ids: Result<Vec<RecordId>, _> = rows.iter().map(|row| row.as_str().parse()).collect();
        let ids = match ids {
            Ok(ids) => ids,
            Err(error) => {
                return RemoveOutcome::Refused { why: error.to_string() };
            }
        };
        match self.airtable.delete(base, table.table(), &ids).await {
            Ok((_, None)) => RemoveOutcome::Done,
            Ok((removed, Some(doubt))) => RemoveOutcome::Unknown {
                removed: removed.iter().filter_map(row_id).collect(),
                why: doubt.to_string(),
            },
            Err(why) => not_removed(why, self.clock.now()),
        }
    }

    async fn rows_there(&self, kind: RecordKind, rows: &[RowId]) -> Result<Vec<RowId>, NotDone> {
        let (base, table) = self.table(kind)?;
        let mut there = Vec::new();
        for row in rows {
            // What cannot be the id of a record is none.
            let Ok(id) = row.as_str().parse() else { continue };
            let found = self.airtable.find(base, table.table(), &id, true).await;
            if found.map_err(|error| not_done(error, self.clock.now()))?.is_some() {
                there.push(row.clone());
            }
        }
        Ok(there)
    }
}

fn listed(kind: RecordKind, table: &ResolvedTable, record: &Record) -> Option<ListedRow> {
    let key_cells = table.fields().iter().filter(|field| field.is_key);
    let known_by: Vec<_> = key_cells
        .map(|field| for_people(record.fields.get(&field.id)))
        .collect();
    Some(ListedRow {
        id: row_id(&record.id)?,
        key: run_key(kind, table, &record.fields),
        known_by: known_by.join(" "),
        made_at: record.created_time.as_deref().and_then(|text| text.parse().ok()),
        cells: Cells {
            digest: digest(table, &record.fields),
            text: Value::Object(record.fields.clone()).to_string(),
        },
    })
}

/// The key that the cells of a row name, in the ledger's own spelling and no other.
fn run_key(kind: RecordKind, table: &ResolvedTable, cells: &Fields) -> Result<RunKey, String> {
    let text = |from: &LedgerField| {
        let field = table
            .fields()
            .iter()
            .find(|field| field.is_key && field.from == *from)?;
        let cell = cells.get(&field.id).and_then(Value::as_str).unwrap_or_default();
        Some((field.name.as_str(), cell))
    };
    let (whole, run, client) = (
        text(&LedgerField::Key),
        text(&LedgerField::RunId),
        text(&LedgerField::ClientId).filter(|_| kind == RecordKind::Client),
    );
    for (name, cell) in [whole, run, client].into_iter().flatten() {
        if cell.is_empty() {
            return Err(format!("its {name:?} is empty"));
        }
    }
    let said = |name: &str, error: &dyn std::fmt::Display| format!("its {name:?} cannot be read: {error}");
    let client_id = match client {
        Some((name, cell)) => Some(cell.parse::<ClientId>().map_err(|error| said(name, &error))?),
        None => None,
    };
    let key = match (whole, run) {
        (Some((name, cell)), _) => cell.parse::<RunKey>().map_err(|error| said(name, &error))?,
        (None, Some((name, cell))) => RunKey::resolve(cell, client_id.as_ref()).map_err(|error| said(name, &error))?,
        (None, None) => return Err("the mapping has no key that names a run".into()),
    };
    if key.kind() != kind {
        return Err(format!("it names a {} record", key.kind()));
    }
    let fits = whole.is_none_or(|(_, cell)| cell == key.to_string())
        && run.is_none_or(|(_, cell)| cell == key.run().as_str())
        && client_id.is_none_or(|id| key.client() == Some(&id));
    if fits {
        Ok(key)
    } else {
        Err(format!(
            "it is not spelled as the ledger spells {key}, or contradicts itself"
        ))
    }
}

/// A cell as text, cut where it is long. An empty one is an empty text.
fn for_people(cell: Option<&Value>) -> String {
    let text = match cell {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(cell) => cell.to_string(),
    };
    if text.chars().count() <= SHOWN_CHARACTERS_MAX {
        return text;
    }
    let kept: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
    kept + "..."
}
