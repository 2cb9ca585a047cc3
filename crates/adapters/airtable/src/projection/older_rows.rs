//! Rows as the import of the older tables reads them: under the names that the older tables had, whatever a table calls its
//! fields.

use super::digest::digest;
use super::{AirtableTarget, row_id, table_of};
use crate::answer::TableSchema;
use crate::mapping::{LedgerField, Mapping, StatusWords};
use crate::outcome::ReadError;
use crate::refusal::RefusalKind;
use crate::request::{Fields, ListQuery};
use runledger_domain::{RecordKind, Status};
use runledger_ports::{ListRowsError, NotDone, RowId, RowsPlace};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The field of the older tables that held the run.
const RUN_ID: &str = "Run ID";
/// What stands before the name of a field that is called like one of the older tables, and is mapped to nothing.
const OTHER: &str = "other: ";

/// A row under the older names.
#[derive(Clone, Debug, PartialEq)]
pub struct OlderRow {
    /// What it is called.
    pub id: RowId,
    /// The digest of those of its cells that a projection writes.
    pub digest: [u8; 32],
    /// The cells by their older names.
    pub fields: Fields,
    created_time: Option<String>,
}

/// Some rows of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct OlderPage {
    /// The rows.
    pub rows: Vec<OlderRow>,
    /// Where the list goes on; nothing at its end.
    pub next: Option<RowsPlace>,
}

impl OlderRow {
    /// The row as the API answers it, on one line.
    pub fn line(&self) -> String {
        json!({ "id": self.id.as_str(), "createdTime": self.created_time, "fields": self.fields }).to_string()
    }
}

/// A table that is read under the older names.
pub struct OlderTable<'a> {
    target: &'a AirtableTarget,
    kind: RecordKind,
    names: OlderNames,
}

/// What the fields of a table are called in the older tables.
struct OlderNames {
    /// By the ids of the fields.
    names: HashMap<String, String>,
    /// The field that holds the status.
    status: Option<String>,
    statuses: StatusWords,
}

impl AirtableTarget {
    /// The table of a kind, to be read under the older names. The tables must have been
    /// [looked at](runledger_ports::ProjectionTarget::prepare).
    ///
    /// # Errors
    /// [`NotDone`].
    pub async fn older_table(&self, kind: RecordKind) -> Result<OlderTable<'_>, NotDone> {
        let place = self.places.of(kind);
        let tables = self
            .airtable
            .tables(&place.base)
            .await
            .map_err(|error| self.words(error))?;
        let schema = table_of(&tables, &place.mapping.table).ok_or_else(|| NotDone::Later {
            why: format!("the table {:?} has gone since it was looked at", place.mapping.table),
        })?;
        Ok(OlderTable {
            target: self,
            kind,
            names: OlderNames::of(kind, &place.mapping, schema),
        })
    }
}

impl OlderTable<'_> {
    /// Some rows, after a place or from the first page.
    ///
    /// # Errors
    /// [`ListRowsError`].
    pub async fn page(&self, after: Option<&RowsPlace>) -> Result<OlderPage, ListRowsError> {
        let (base, table) = self.target.table(self.kind)?;
        let query = ListQuery {
            by_field_id: true,
            offset: after.map(|place| place.0.clone()),
            ..ListQuery::default()
        };
        let page = match self.target.airtable.list(base, table.table(), &query).await {
            Ok(page) => page,
            Err(ReadError::Refused(refusal)) if refusal.kind == RefusalKind::CursorExpired => {
                return Err(ListRowsError::PlaceLost);
            }
            Err(error) => return Err(self.target.words(error).into()),
        };
        let rows = page.records.into_iter().filter_map(|record| {
            Some(OlderRow {
                id: row_id(&record.id)?,
                digest: digest(&table, &record.fields),
                created_time: record.created_time,
                fields: self.names.rename(record.fields),
            })
        });
        Ok(OlderPage {
            rows: rows.collect(),
            next: page.offset.map(RowsPlace),
        })
    }
}

impl OlderNames {
    fn of(kind: RecordKind, mapping: &Mapping, schema: &TableSchema) -> Self {
        let older = Mapping::older(kind);
        let older_name = |from: &LedgerField| {
            older
                .fields
                .iter()
                .find(|map| map.from == *from)
                .map(|map| map.to.clone())
        };
        let has_key = mapping.fields.iter().any(|map| map.from == LedgerField::Key);
        let (mut names, mut status) = (HashMap::new(), None);
        for map in &mapping.fields {
            let Some(field) = schema.field(&map.to) else { continue };
            let name = match map.from {
                LedgerField::RunId if !has_key => Some(RUN_ID.to_owned()),
                _ => older_name(&map.from),
            };
            if map.from == LedgerField::Status {
                status = Some(field.id.clone());
            }
            if let Some(name) = name {
                names.insert(field.id.clone(), name);
            }
        }
        for field in &schema.fields {
            if names.contains_key(&field.id) {
                continue;
            }
            let is_taken = older.fields.iter().any(|map| map.to == field.name) || field.name == RUN_ID;
            let name = if is_taken {
                format!("{OTHER}{}", field.name)
            } else {
                field.name.clone()
            };
            names.insert(field.id.clone(), name);
        }
        Self {
            names,
            status,
            statuses: mapping.statuses.clone(),
        }
    }

    fn rename(&self, fields: Fields) -> Fields {
        let renamed = fields.into_iter().map(|(id, cell)| {
            let cell = match &cell {
                Value::String(word) if self.status.as_ref() == Some(&id) => self.word(word).into(),
                _ => cell,
            };
            (self.names.get(&id).cloned().unwrap_or(id), cell)
        });
        renamed.collect()
    }

    /// The ledger's word for a status that the table has a word of its own for. One that stands for several stays as it is:
    /// the import knows what the older tables meant by theirs.
    fn word(&self, word: &str) -> String {
        let mut meant = Status::ALL
            .into_iter()
            .filter(|status| self.statuses.word(*status) == word);
        match (meant.next(), meant.next()) {
            (Some(status), None) => status.to_string(),
            _ => word.to_owned(),
        }
    }
}
