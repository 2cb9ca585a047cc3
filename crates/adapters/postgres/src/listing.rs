//! Listings: every one is a walk along an index from a cursor on, whatever the size of the ledger.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use runledger_domain::{ClientId, RecordKind};
use runledger_ports::{ActivityFilter, ActivityPage, Cursor, ListFilter, PageSize, RecordPage, StalledFilter};

use crate::columns::{ACTIVITY, activity, big, status_code};
use crate::error::StoreError;
use crate::pool::Readers;
use crate::read::record;
use crate::statement::{Statement, Value};

/// How many lines of the log one page looks at when no index serves its filter.
const LINES_SCANNED: i64 = 50_000;

/// A statement under construction: conditions and their values, in step.
#[derive(Default)]
struct Query {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Query {
    /// Adds a condition; `?` stands for its value.
    fn with(&mut self, condition: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        let place = format!("${}", self.values.len());
        self.conditions.push(condition.replace('?', &place));
    }

    /// One of these clients, in the column of the client.
    fn within(&mut self, clients: &BTreeSet<ClientId>) {
        let clients: Vec<String> = clients.iter().map(|client| client.as_str().to_owned()).collect();
        self.with("client_id = ANY(?)", clients);
    }

    fn always(&mut self, condition: &str) {
        self.conditions.push(condition.to_owned());
    }

    fn statement(self, select: &str, order: &str, limit: usize) -> Statement {
        let mut sql = select.to_owned();
        if !self.conditions.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(sql, " WHERE {}", self.conditions.join(" AND "));
        }
        let _ = write!(sql, " ORDER BY {order} LIMIT {limit}");
        Statement::new(sql, self.values)
    }
}

pub(crate) async fn list(
    readers: &Readers,
    filter: &ListFilter,
    after: Option<Cursor>,
    size: PageSize,
) -> Result<RecordPage, StoreError> {
    let mut found = Vec::new();
    for statement in list_statements(filter, after, size) {
        for row in statement.rows(readers).await? {
            found.push((in_order(row.try_get(0)?), record(&row)?));
        }
    }
    Ok(RecordPage::of(found, size))
}

/// One statement for each walk of the filter.
pub(crate) fn list_statements(filter: &ListFilter, after: Option<Cursor>, size: PageSize) -> Vec<Statement> {
    let after = after.map_or(0, |cursor| big(cursor.id));
    let limit = size.get() as usize + 1;
    let walks = filter.walks().into_iter();
    walks
        .map(|filter| {
            let (select, query) = list_query(&filter, after);
            query.statement(select, "run.id", limit)
        })
        .collect()
}

/// The place of a record in the order of creation.
fn in_order(id: i64) -> Cursor {
    Cursor {
        order: 0,
        id: id.unsigned_abs(),
    }
}

fn list_query(filter: &ListFilter, after: i64) -> (&'static str, Query) {
    let mut query = Query::default();
    let select = if let Some(id) = &filter.external_id {
        query.with("reference.run > ?", after);
        query.with("reference.system = ?", id.system().to_owned());
        query.with("reference.external = ?", id.id().to_owned());
        "SELECT run.id, run.body FROM reference JOIN run ON run.id = reference.run"
    } else {
        query.with("run.id > ?", after);
        "SELECT run.id, run.body FROM run"
    };
    if let Some(run) = &filter.run {
        query.with("run.run_id = ?", run.as_str().to_owned());
    }
    if let Some(batch) = &filter.batch {
        query.with("run.batch = ?", batch.as_str().to_owned());
    }
    if let Some(client) = &filter.client {
        query.with("run.client_id = ?", client.as_str().to_owned());
    }
    match filter.kind {
        Some(RecordKind::Job) => query.always("run.client_id = ''"),
        Some(RecordKind::Client) => query.always("run.client_id <> ''"),
        None => {}
    }
    if let Some(status) = filter.status.map(status_code) {
        // Written out, because a value cannot prove that the partial index holds the rows.
        query.always(&format!("run.status = {status}"));
    }
    (select, query)
}

pub(crate) async fn stalled(
    readers: &Readers,
    filter: &StalledFilter,
    after: Option<Cursor>,
    size: PageSize,
) -> Result<RecordPage, StoreError> {
    let rows = stalled_statement(filter, after, size).rows(readers).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let place = Cursor {
            order: row.try_get(2)?,
            id: row.try_get::<_, i64>(0)?.unsigned_abs(),
        };
        found.push((place, record(row)?));
    }
    Ok(RecordPage::of(found, size))
}

pub(crate) fn stalled_statement(filter: &StalledFilter, after: Option<Cursor>, size: PageSize) -> Statement {
    let mut query = Query::default();
    query.always("status < 2");
    query.with("deadline < ?", filter.deadline_before.as_micros());
    if let Some(clients) = &filter.within {
        query.within(clients);
    }
    if let Some(after) = after {
        query.with("(deadline, id) > (?, ", after.order);
        query.values.push(big(after.id).into());
        let last = query.values.len();
        if let Some(condition) = query.conditions.last_mut() {
            let _ = write!(condition, "${last})");
        }
    }
    query.statement(
        "SELECT id, body, deadline FROM run",
        "deadline, id",
        size.get() as usize + 1,
    )
}

pub(crate) async fn activity_page(
    readers: &Readers,
    filter: &ActivityFilter,
    after: Option<Cursor>,
    size: PageSize,
) -> Result<ActivityPage, StoreError> {
    let after = after.map_or(0, |cursor| big(cursor.id));
    let bounded = is_bounded(filter);
    // Asked first: lines that come later are beyond this page in any case.
    let last = if bounded {
        big(crate::read::last_line(readers).await?)
    } else {
        0
    };
    let rows = activity_statement(filter, after, size).rows(readers).await?;
    let mut lines = rows.iter().map(activity).collect::<Result<Vec<_>, _>>()?;
    let more = lines.len() > size.get() as usize;
    lines.truncate(size.get() as usize);
    let mut next = lines.last().filter(|_| more).map(|line| Cursor::after_line(line.seq));
    let scanned_to = after.saturating_add(LINES_SCANNED);
    if bounded && next.is_none() && last > scanned_to {
        next = Some(Cursor::after_line(scanned_to.unsigned_abs()));
    }
    Ok(ActivityPage { lines, next })
}

/// A walk along the log itself may find little for long: it is bounded, and the page says where to go on.
const fn is_bounded(filter: &ActivityFilter) -> bool {
    let narrowed = filter.client.is_some() || filter.source.is_some() || filter.within.is_some();
    narrowed && filter.run.is_none() && !filter.refused
}

pub(crate) fn activity_statement(filter: &ActivityFilter, after: i64, size: PageSize) -> Statement {
    let mut query = Query::default();
    query.with("seq > ?", after);
    if is_bounded(filter) {
        query.with("seq <= ?", after.saturating_add(LINES_SCANNED));
    }
    if let Some(run) = &filter.run {
        query.with("run_id = ?", run.as_str().to_owned());
    }
    if let Some(client) = &filter.client {
        query.with("client_id = ?", client.as_str().to_owned());
    }
    if let Some(source) = &filter.source {
        query.with("source = ?", source.as_str().to_owned());
    }
    if let Some(clients) = &filter.within {
        query.within(clients);
    }
    if filter.refused {
        query.always("verdict = 'refused'");
    }
    query.statement(
        &format!("SELECT {ACTIVITY} FROM activity"),
        "seq",
        size.get() as usize + 1,
    )
}
