//! GET: one row, and lists with filter, order and pages. Nothing here creates or changes anything (I3).
//!
//! A list that says which record it wants is a look-up. Any other is read through from its beginning, or from where its last
//! page ended, so no list is remembered between two pages: a server that starts again, or another server, goes on with it.

use std::cmp::Ordering;
use std::sync::Arc;

use runledger_airtable_formula::{Formula, FormulaError, Value};
use runledger_app::ReadError;
use runledger_domain::access::Scope;
use runledger_domain::{ClientId, RecordKind, RunKey, RunRecord, Subject};
use runledger_ports::{Cursor, ListFilter, PageSize};
use serde::Serialize;

use super::answer::{Answered, Asked};
use super::change;
use super::query::Query;
use super::row::{Row, run_id_text};
use super::table::RunTable;
use crate::fields::{CLIENT_ID, JOB_TOTALS, RUN_ID};
use crate::service::failure::Failure;
use crate::service::key;

/// How many are read at once.
const WINDOW: usize = 500;
/// The longest formula, in bytes: some thousand row ids. It is looked at for each record that is read through.
const FORMULA_BYTES_MAX: usize = 100_000;
/// How an offset begins; then the place in the listing and the number of rows that were given, in hexadecimal.
const OFFSET: &str = "itr";

/// One row.
pub(super) async fn find(asked: &Asked<'_>, id: &str) -> Result<Answered, Failure> {
    asked.access.allow(Scope::Read)?;
    let by_id = form_urlencoded::parse(asked.query.as_bytes())
        .any(|(name, value)| name == "returnFieldsByFieldId" && matches!(&*value, "true" | "1"));
    let form = super::row::Form {
        by_id: super::body::check_by_id(asked.table, by_id)?,
        only: None,
    };
    let record = change::by_id(asked, id, &mut Subject::default()).await?;
    let row = asked.row(record)?.with_totals(asked.ledger).await?;
    Answered::of(&row.shown(&form), "read")
}

#[derive(Serialize)]
struct Page<R> {
    records: Vec<R>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<String>,
}

/// A page of rows.
pub(super) async fn list(asked: &Asked<'_>, query: Query) -> Result<Answered, Failure> {
    asked.access.allow(Scope::Read)?;
    let filter = Filter::read(asked, &query)?;
    let (given, from) = match &query.offset {
        Some(offset) => read_offset(offset)?,
        None => (0, None),
    };
    let room = query.page.min(query.most.unwrap_or(usize::MAX).saturating_sub(given));
    let (rows, next) = if query.sort.is_empty() {
        filter.page(asked, from, room, &mut Looked::default()).await?
    } else {
        filter.sorted_page(asked, &query.sort, given, room).await?
    };
    let mut shown = Vec::with_capacity(rows.len());
    for row in rows {
        shown.push(if query.form.shows_totals() && !filter.needs_totals {
            row.with_totals(asked.ledger).await?
        } else {
            row
        });
    }
    let given = given + shown.len();
    let is_full = query.most.is_some_and(|most| given >= most);
    let next = next.filter(|_| !is_full);
    let offset = next.map(|place| offset_text(given, place));
    let records = shown.iter().map(|row| row.shown(&query.form)).collect();
    Answered::of(&Page { records, offset }, "read")
}

/// Which records a list is about.
struct Filter {
    formula: Option<Formula>,
    /// The formula or the order looks at totals, so they are derived for every row that is looked at.
    needs_totals: bool,
    scope: Reach,
    now_ms: i64,
}

/// How many records were read through for a page so far.
#[derive(Default)]
struct Looked(usize);

/// Where the records are looked for.
enum Reach {
    /// The formula demands what no record has.
    Nothing,
    /// It demands this one.
    One(RunKey),
    /// Among these.
    Among(Box<ListFilter>),
}

impl Filter {
    fn read(asked: &Asked<'_>, query: &Query) -> Result<Self, Failure> {
        let formula = query
            .formula
            .as_deref()
            .map(|text| readable(asked.table, text))
            .transpose()?;
        let named: Vec<_> = formula.iter().flat_map(Formula::fields).collect();
        let is_total = |older: &str| JOB_TOTALS.iter().any(|(total, _)| *total == older);
        let names_totals = named
            .iter()
            .any(|name| asked.table.column(name).is_some_and(|column| is_total(column.older)));
        let needs_totals = asked.table.kind == RecordKind::Job
            && (names_totals || query.sort.iter().any(|(older, _)| is_total(older)));
        let scope = formula
            .as_ref()
            .map_or_else(|| whole(asked), |formula| reach(asked, formula));
        Ok(Self {
            needs_totals,
            scope,
            formula,
            now_ms: asked.ledger.runs.now().as_micros().div_euclid(1_000),
        })
    }

    /// The next rows from a place on, and the place behind them if there may be more.
    async fn page<'a>(
        &self,
        asked: &Asked<'a>,
        from: Option<Cursor>,
        room: usize,
        looked: &mut Looked,
    ) -> Result<(Vec<Row<'a>>, Option<Cursor>), Failure> {
        let filter = match &self.scope {
            Reach::Nothing => return Ok((Vec::new(), None)),
            Reach::One(key) => return Ok((self.one(asked, key).await?.into_iter().collect(), None)),
            Reach::Among(filter) => filter,
        };
        let (mut rows, mut after) = (Vec::new(), from);
        while rows.len() < room {
            let left = asked.list_max.saturating_sub(looked.0);
            if left == 0 {
                return Err(too_many(asked.list_max));
            }
            // Never more than there is room for, so that the page ends where what was looked at does.
            let size = (room - rows.len()).min(WINDOW).min(left);
            let size = u32::try_from(size).unwrap_or(1);
            let size = PageSize::new(size).unwrap_or_default();
            let page = asked.ledger.runs.list(filter, after, size).await?;
            looked.0 += page.records.len();
            for record in page.records {
                rows.extend(self.kept(asked, record).await?);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok((rows, after))
    }

    /// The rows of a page in another order than that of creation: all are looked at, and those that were given left out.
    async fn sorted_page<'a>(
        &self,
        asked: &Asked<'a>,
        sort: &[(&'static str, bool)],
        given: usize,
        room: usize,
    ) -> Result<(Vec<Row<'a>>, Option<Cursor>), Failure> {
        let (mut rows, mut from, mut looked) = (Vec::new(), None, Looked::default());
        loop {
            let (more, next) = self.page(asked, from, WINDOW, &mut looked).await?;
            rows.extend(more);
            from = next;
            if from.is_none() {
                break;
            }
        }
        // A stable sort: equals stay in the order of their creation.
        rows.sort_by(|left, right| {
            sort.iter().fold(Ordering::Equal, |order, (older, is_descending)| {
                let next = compare(&left.value(older), &right.value(older));
                order.then(if *is_descending { next.reverse() } else { next })
            })
        });
        let is_more = rows.len() > given.saturating_add(room);
        let rows = rows.into_iter().skip(given).take(room).collect();
        Ok((rows, is_more.then_some(Cursor { order: 0, id: 0 })))
    }

    async fn one<'a>(&self, asked: &Asked<'a>, key: &RunKey) -> Result<Option<Row<'a>>, Failure> {
        if !asked.access.sees(key) {
            return Ok(None);
        }
        match asked.ledger.runs.get(key).await {
            Ok(record) => self.kept(asked, record).await,
            Err(ReadError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn kept<'a>(&self, asked: &Asked<'a>, record: Arc<RunRecord>) -> Result<Option<Row<'a>>, Failure> {
        let mut row = asked.row(record)?;
        if self.needs_totals {
            row = row.with_totals(asked.ledger).await?;
        }
        let keeps = |formula: &Formula| formula.keeps(&row, self.now_ms);
        let is_kept = self.formula.as_ref().is_none_or(keeps);
        Ok(is_kept.then_some(row))
    }
}

/// A formula that names columns of this table only, with the run ids that it compares with in the table's own spelling.
fn readable(table: &RunTable, text: &str) -> Result<Formula, Failure> {
    let refused = |error: &FormulaError| {
        let detail = format!("The formula for filtering records is invalid: {error}");
        Failure::new("formula_invalid", detail)
    };
    if text.len() > FORMULA_BYTES_MAX {
        let detail = format!(
            "the formula is longer than {FORMULA_BYTES_MAX} bytes; ask for less at once, or find rows by their ids"
        );
        return Err(Failure::new("formula_invalid", detail));
    }
    let formula = Formula::parse(text).map_err(|error| refused(&error))?;
    let unknown = formula.fields().into_iter().filter(|name| table.column(name).is_none());
    let unknown: Vec<_> = unknown.map(str::to_lowercase).collect();
    if !unknown.is_empty() {
        return Err(refused(&FormulaError::UnknownFields(unknown)));
    }
    let client = formula
        .demands(table.name_of(CLIENT_ID))
        .and_then(|text| text.parse::<ClientId>().ok());
    let spell = |text: &str| key::key(text, client.as_ref()).ok().map(|key| run_id_text(table, &key));
    Ok(formula.respelled(table.name_of(RUN_ID), &spell))
}

/// Where the records that a formula may hold for are to be looked for.
fn reach(asked: &Asked<'_>, formula: &Formula) -> Reach {
    let table = asked.table;
    let run = formula.demands(table.name_of(RUN_ID));
    let client = match (table.kind, formula.demands(table.name_of(CLIENT_ID))) {
        (RecordKind::Client, Some(text)) => match text.parse::<ClientId>() {
            Ok(client) => Some(client),
            // No record has such a client, the empty one included.
            Err(_) => return Reach::Nothing,
        },
        _ => None,
    };
    let Some(run) = run else {
        return among(asked, None, client);
    };
    let key = match (table.kind, &client) {
        (RecordKind::Job, _) => key::key(run, None).ok(),
        (RecordKind::Client, Some(client)) => key::key(run, Some(client)).ok(),
        // The client stands behind the run id, where ids are shown so; a bare one is that of a whole run.
        (RecordKind::Client, None) => match run.parse::<RunKey>() {
            Ok(key @ RunKey::Client(..)) if table.run_id_with_client => Some(key),
            Ok(RunKey::Job(run)) if !table.run_id_with_client => return among(asked, Some(run), None),
            _ => None,
        },
    };
    key.map_or(Reach::Nothing, Reach::One)
}

fn whole(asked: &Asked<'_>) -> Reach {
    among(asked, None, None)
}

fn among(asked: &Asked<'_>, run: Option<runledger_domain::RunId>, client: Option<ClientId>) -> Reach {
    Reach::Among(Box::new(ListFilter {
        run,
        client,
        kind: Some(asked.table.kind),
        within: asked.access.clients().cloned(),
        ..ListFilter::default()
    }))
}

/// Empty cells first; texts without regard to case, then with it.
fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Blank, Value::Blank) => Ordering::Equal,
        (Value::Blank, _) => Ordering::Less,
        (_, Value::Blank) => Ordering::Greater,
        (Value::Number(left), Value::Number(right)) => left.total_cmp(right),
        (Value::Date { ms: left, .. }, Value::Date { ms: right, .. }) => left.cmp(right),
        (left, right) => {
            let (left, right) = (left.text(), right.text());
            left.to_lowercase()
                .cmp(&right.to_lowercase())
                .then_with(|| left.cmp(&right))
        }
    }
}

fn offset_text(given: usize, place: Cursor) -> String {
    format!("{OFFSET}{:x}-{given:x}", place.id)
}

/// How many rows were given, and the place behind them.
fn read_offset(offset: &str) -> Result<(usize, Option<Cursor>), Failure> {
    let read = || {
        let (id, given) = offset.strip_prefix(OFFSET)?.split_once('-')?;
        let cursor = Cursor {
            order: 0,
            id: u64::from_str_radix(id, 16).ok()?,
        };
        Some((usize::from_str_radix(given, 16).ok()?, Some(cursor)))
    };
    read().ok_or_else(|| {
        let detail = format!("the offset {offset:?} is none of this table; begin the list again");
        Failure::new("offset_invalid", detail)
    })
}

fn too_many(list_max: usize) -> Failure {
    let detail = format!(
        "more than {list_max} records would have to be looked through; ask for a run id or a client id in the formula, \
         or list without an order"
    );
    Failure::new("list_too_long", detail)
}
