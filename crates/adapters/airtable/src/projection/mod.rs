//! Airtable as a place where records are shown: the port of the projection, over the wire layer and the mapping.
//!
//! Nothing here decides what is sent or when; it says what a record looks like as a row, sends what it is told to, once,
//! and says in the port's words what became of it.

mod check;
mod digest;
mod older_rows;
mod survey;
mod words;

use crate::answer::TableSchema;
use crate::client::Airtable;
use crate::ids::{BaseId, RecordId};
use crate::mapping::{Mapping, ResolvedTable, RowProblem, Values};
use crate::outcome::{Outcome, ReadError};
use crate::request::{BATCH_ROWS, Batch, BatchError, ChangedRow, Fields, ListQuery, NewRow, RowKey};
use runledger_domain::{JobSummary, RecordKind, RunKey, RunRecord};
use runledger_ports::{
    Cells, Clock, FoundRow, NotDone, Prepared, ProjectionTarget, RefusedFor, RowId, TargetFigures, Unshowable,
    WriteOutcome,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

pub use self::older_rows::{OlderPage, OlderRow, OlderTable};

use self::digest::digest;
use self::words::{not_done, not_written};

/// The tables that the two kinds of records are shown in.
const KINDS: [RecordKind; 2] = [RecordKind::Job, RecordKind::Client];

/// Where a kind of records is shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TablePlace {
    /// The base.
    pub base: BaseId,
    /// The table, and its fields.
    pub mapping: Mapping,
}

/// Where all records are shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Places {
    /// Job records.
    pub jobs: TablePlace,
    /// Client run records.
    pub clients: TablePlace,
    /// How many rows go into one request, at most; Airtable takes [`BATCH_ROWS`].
    pub rows_max: usize,
}

/// Two tables at Airtable.
pub struct AirtableTarget {
    airtable: Airtable,
    places: Places,
    clock: Arc<dyn Clock>,
    /// What the tables were like when they were last looked at; nothing before that.
    tables: RwLock<Option<Arc<Tables>>>,
}

/// The tables as they were seen.
#[derive(Debug, PartialEq)]
struct Tables {
    jobs: ResolvedTable,
    clients: ResolvedTable,
}

impl Places {
    /// The older system's two tables in one base.
    pub fn older(base: &BaseId) -> Self {
        let place = |kind| TablePlace {
            base: base.clone(),
            mapping: Mapping::older(kind),
        };
        Self {
            jobs: place(RecordKind::Job),
            clients: place(RecordKind::Client),
            rows_max: BATCH_ROWS,
        }
    }

    const fn of(&self, kind: RecordKind) -> &TablePlace {
        match kind {
            RecordKind::Job => &self.jobs,
            RecordKind::Client => &self.clients,
        }
    }
}

impl Tables {
    const fn of(&self, kind: RecordKind) -> &ResolvedTable {
        match kind {
            RecordKind::Job => &self.jobs,
            RecordKind::Client => &self.clients,
        }
    }
}

impl AirtableTarget {
    /// Two tables, asked by this client. Nothing is sent yet.
    pub fn new(airtable: Airtable, places: Places, clock: Arc<dyn Clock>) -> Self {
        Self {
            airtable,
            places,
            clock,
            tables: RwLock::default(),
        }
    }

    /// The way to Airtable.
    pub const fn airtable(&self) -> &Airtable {
        &self.airtable
    }

    /// The base of a kind, and its table as it was last looked at.
    ///
    /// # Errors
    /// [`NotDone::Later`] when nobody has looked yet.
    pub fn table(&self, kind: RecordKind) -> Result<(&BaseId, ResolvedTable), NotDone> {
        let tables = self.tables()?;
        Ok((&self.places.of(kind).base, tables.of(kind).clone()))
    }

    fn tables(&self) -> Result<Arc<Tables>, NotDone> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.clone().ok_or_else(|| NotDone::Later {
            why: "nobody has looked yet what the tables are like".into(),
        })
    }

    async fn resolve(&self, kind: RecordKind, notes: &mut Vec<String>) -> Result<ResolvedTable, NotDone> {
        let TablePlace { base, mapping } = self.places.of(kind);
        let stopped = |why| NotDone::Stopped { why, until: None };
        let tables = self.airtable.tables(base).await.map_err(|error| self.words(error))?;
        let found = table_of(&tables, &mapping.table).ok_or_else(|| {
            let names: Vec<_> = tables.iter().map(|table| format!("{:?}", table.name)).collect();
            stopped(format!(
                "the base {base} has no table {:?}, but {}: name one of them in the mapping",
                mapping.table,
                names.join(", ")
            ))
        })?;
        let resolution = mapping.resolve(found).map_err(|error| stopped(error.to_string()))?;
        let findings = resolution.findings.iter();
        let (forbidding, others): (Vec<_>, Vec<_>) = findings.partition(|finding| finding.problem.forbids_writing());
        notes.extend(others.into_iter().map(ToString::to_string));
        resolution.table.ok_or_else(|| {
            let all: Vec<_> = forbidding.into_iter().map(ToString::to_string).collect();
            stopped(all.join("; "))
        })
    }

    fn words(&self, error: ReadError) -> NotDone {
        not_done(error, self.clock.now())
    }

    /// The rows of records, found by their keys in the table as it was seen.
    async fn look_up_in(
        &self,
        base: &BaseId,
        table: &ResolvedTable,
        records: &[Arc<RunRecord>],
    ) -> Result<Result<Vec<(RunKey, FoundRow)>, ReadError>, NotDone> {
        let key = |record: &Arc<RunRecord>| {
            let row_key = table.key(&Values::of(record, None));
            row_key.map(|row_key| (row_key, record.key().clone()))
        };
        let keys: Result<BTreeMap<RowKey, RunKey>, RowProblem> = records.iter().map(key).collect();
        let keys = keys.map_err(|error| NotDone::Stopped {
            why: error.to_string(),
            until: None,
        })?;
        let row_keys: Vec<_> = keys.keys().cloned().collect();
        let found = self.airtable.look_up(base, table.table(), &row_keys, true).await;
        Ok(found.map(|found| {
            let rows = found.into_iter().filter_map(|(row_key, record)| {
                let id = row_id(&record.id)?;
                let digest = digest(table, &record.fields);
                Some((keys.get(&row_key)?.clone(), FoundRow { id, digest }))
            });
            rows.collect()
        }))
    }

    /// What a write is said to have come to.
    fn outcome<R>(&self, outcome: Outcome<R>, keys: &[(RowKey, RunKey)]) -> WriteOutcome {
        match outcome {
            Outcome::Done(written) => match named(&written, keys) {
                Some(rows) => WriteOutcome::Done(rows),
                None => unnamed(),
            },
            Outcome::NotDone { why, .. } => not_written(why, self.clock.now()),
            Outcome::Unknown { written, why, .. } => WriteOutcome::Unknown {
                written: named(&written, keys).unwrap_or_default(),
                why: why.to_string(),
            },
        }
    }
}

impl fmt::Debug for AirtableTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AirtableTarget")
            .field("airtable", &self.airtable)
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl ProjectionTarget for AirtableTarget {
    fn groups(&self) -> Vec<Vec<RecordKind>> {
        let mut of_base: BTreeMap<&BaseId, Vec<RecordKind>> = BTreeMap::new();
        for kind in KINDS {
            of_base.entry(&self.places.of(kind).base).or_default().push(kind);
        }
        of_base.into_values().collect()
    }

    fn rows_max(&self) -> usize {
        self.places.rows_max
    }

    async fn prepare(&self) -> Result<Prepared, NotDone> {
        let mut notes = Vec::new();
        let tables = Tables {
            jobs: self.resolve(RecordKind::Job, &mut notes).await?,
            clients: self.resolve(RecordKind::Client, &mut notes).await?,
        };
        let name = |kind| format!("{}/{}", self.places.of(kind).base, tables.of(kind).table());
        let target = format!("airtable {} {}", name(RecordKind::Job), name(RecordKind::Client));
        let mut known = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let is_changed = known.as_deref().is_some_and(|known| *known != tables);
        *known = Some(Arc::new(tables));
        Ok(Prepared {
            target,
            is_changed,
            notes,
        })
    }

    fn shows_totals(&self) -> bool {
        let fields = self.places.jobs.mapping.fields.iter();
        fields.clone().any(|map| map.from.is_total())
    }

    fn render(&self, record: &RunRecord, summary: Option<&JobSummary>) -> Result<Cells, Unshowable> {
        let unshowable = |why: &dyn fmt::Display| Unshowable { why: why.to_string() };
        let tables = self.tables().map_err(|error| unshowable(&error))?;
        let table = tables.of(record.key().kind());
        let values = Values::of(record, summary);
        let cells = table.cells(&values).map_err(|error| unshowable(&error))?;
        // A row without its key would never be found again.
        table.key(&values).map_err(|error| unshowable(&error))?;
        Ok(Cells {
            digest: digest(table, &cells),
            text: Value::Object(cells).to_string(),
        })
    }

    async fn ready(&self, kind: RecordKind) {
        self.airtable.pace().ready(&self.places.of(kind).base).await;
    }

    async fn has_rows(&self, kind: RecordKind) -> Result<bool, NotDone> {
        let (base, table) = self.table(kind)?;
        let query = ListQuery {
            page_size: Some(1),
            max_records: Some(1),
            ..ListQuery::default()
        };
        let page = self.airtable.list(base, table.table(), &query).await;
        Ok(!page.map_err(|error| self.words(error))?.records.is_empty())
    }

    async fn look_up(&self, kind: RecordKind, records: &[Arc<RunRecord>]) -> Result<Vec<(RunKey, FoundRow)>, NotDone> {
        let (base, table) = self.table(kind)?;
        match self.look_up_in(base, &table, records).await? {
            // A formula names fields, and somebody may have renamed one.
            Err(ReadError::Refused(refusal)) if words::is_for_its_fields(&refusal) => {
                self.prepare().await?;
                let (base, looked_at) = self.table(kind)?;
                if looked_at == table {
                    return Err(self.words(ReadError::Refused(refusal)));
                }
                let found = self.look_up_in(base, &looked_at, records).await?;
                found.map_err(|error| self.words(error))
            }
            found => found.map_err(|error| self.words(error)),
        }
    }

    async fn make_rows(&self, kind: RecordKind, rows: Vec<(RunKey, Cells)>) -> WriteOutcome {
        let (base, table) = match self.table(kind) {
            Ok(found) => found,
            Err(error) => return WriteOutcome::NotDone(error),
        };
        let read = |(key, cells): (RunKey, Cells)| {
            let mut fields = fields(&cells)?;
            let row_key = table.key_in(&fields)?;
            // What the record does not have is left out.
            fields.retain(|_, value| !value.is_null());
            Some((key, NewRow { key: row_key, fields }))
        };
        let Some(rows) = rows.into_iter().map(read).collect::<Option<Vec<_>>>() else {
            return stale();
        };
        let keys: Vec<_> = rows.iter().map(|(key, row)| (row.key.clone(), key.clone())).collect();
        match Batch::new(rows.into_iter().map(|(_, row)| row).collect(), self.places.rows_max) {
            Ok(rows) => self.outcome(self.airtable.create(base, table.table(), rows, true).await, &keys),
            Err(error) => unsendable(&error),
        }
    }

    async fn change_rows(&self, kind: RecordKind, rows: Vec<(RunKey, RowId, Cells)>) -> WriteOutcome {
        let (base, table) = match self.table(kind) {
            Ok(found) => found,
            Err(error) => return WriteOutcome::NotDone(error),
        };
        let read = |(key, id, cells): (RunKey, RowId, Cells)| {
            let fields = fields(&cells)?;
            let row = ChangedRow {
                id: id.as_str().parse().ok()?,
                key: table.key_in(&fields)?,
                fields,
            };
            Some((key, row))
        };
        let Some(rows) = rows.into_iter().map(read).collect::<Option<Vec<_>>>() else {
            return stale();
        };
        let keys: Vec<_> = rows.iter().map(|(key, row)| (row.key.clone(), key.clone())).collect();
        match Batch::new(rows.into_iter().map(|(_, row)| row).collect(), self.places.rows_max) {
            Ok(rows) => self.outcome(self.airtable.change(base, table.table(), rows, true).await, &keys),
            Err(error) => unsendable(&error),
        }
    }

    fn figures(&self) -> TargetFigures {
        self.airtable.figures()
    }
}

/// The table of this id, or of this name.
fn table_of<'a>(tables: &'a [TableSchema], id_or_name: &str) -> Option<&'a TableSchema> {
    let by_id = tables.iter().find(|table| table.id == id_or_name);
    by_id.or_else(|| tables.iter().find(|table| table.name == id_or_name))
}

fn row_id(id: &RecordId) -> Option<RowId> {
    id.as_str().parse().ok()
}

/// The rows that an answer names, by the keys of the ledger.
fn named(written: &[crate::Written], keys: &[(RowKey, RunKey)]) -> Option<Vec<(RunKey, RowId)>> {
    let one = |written: &crate::Written| {
        let (_, key) = keys.iter().find(|(row_key, _)| *row_key == written.key)?;
        Some((key.clone(), row_id(&written.record.id)?))
    };
    written.iter().map(one).collect()
}

fn fields(cells: &Cells) -> Option<Fields> {
    serde_json::from_str(&cells.text).ok()
}

fn unnamed() -> WriteOutcome {
    WriteOutcome::Unknown {
        written: Vec::new(),
        why: "the answer names rows that were not sent".into(),
    }
}

/// The cells were made ready for tables that have changed since.
fn stale() -> WriteOutcome {
    WriteOutcome::NotDone(NotDone::Later {
        why: "the table has changed since the rows were made ready".into(),
    })
}

fn unsendable(error: &BatchError) -> WriteOutcome {
    let why = error.to_string();
    match error {
        BatchError::TooMany { .. } => WriteOutcome::Refused {
            of: RefusedFor::TooLarge,
            why,
        },
        BatchError::Empty | BatchError::SameKey(_) => WriteOutcome::NotDone(NotDone::Later { why }),
    }
}
