//! Listings: every one is a walk along an index from a cursor on, whatever the size of the ledger.
//!
//! The index is named in each statement. A listing that could not use it would fail in its test instead of becoming
//! slow in a large ledger.

use std::collections::BTreeSet;

use runledger_domain::{ClientId, RecordKind};
use runledger_ports::{ActivityFilter, ActivityPage, Cursor, ListFilter, PageSize, RecordPage, StalledFilter};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::columns::{ACTIVITY, activity, status_code};
use crate::error::StoreError;
use crate::read::record;

/// How many lines of the log one page looks at when no index serves its filter.
const LINES_SCANNED: i64 = 50_000;

/// A statement under construction: conditions and their values, in step.
struct Query {
    from: &'static str,
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Query {
    fn text(&mut self, condition: &str, value: &str) {
        self.values.push(Value::Text(value.to_owned()));
        self.conditions
            .push(condition.replace('?', &format!("?{}", self.values.len())));
    }

    fn number(&mut self, condition: &str, value: i64) {
        self.values.push(Value::Integer(value));
        self.conditions
            .push(condition.replace('?', &format!("?{}", self.values.len())));
    }

    /// One of these clients, in the column of the client.
    fn within(&mut self, clients: &BTreeSet<ClientId>) {
        let first = self.values.len() + 1;
        self.values
            .extend(clients.iter().map(|client| Value::Text(client.as_str().to_owned())));
        let places: Vec<_> = (first..=self.values.len()).map(|place| format!("?{place}")).collect();
        self.conditions.push(format!("client_id IN ({})", places.join(", ")));
    }

    fn always(&mut self, condition: &str) {
        self.conditions.push(condition.to_owned());
    }

    fn sql(&self, columns: &str, order: &str, limit: usize) -> String {
        let conditions = if self.conditions.is_empty() {
            "1".to_owned()
        } else {
            self.conditions.join(" AND ")
        };
        format!(
            "SELECT {columns} FROM {} WHERE {conditions} ORDER BY {order} LIMIT {limit}",
            self.from
        )
    }
}

pub(crate) fn list(
    connection: &Connection,
    filter: &ListFilter,
    after: Option<Cursor>,
    size: PageSize,
) -> Result<RecordPage, StoreError> {
    let after = after.map_or(0, |cursor| i64::try_from(cursor.id).unwrap_or(i64::MAX));
    let limit = size.get() as usize + 1;
    let mut found = Vec::new();
    for filter in filter.walks() {
        let query = list_query(&filter, after);
        let mut statement = connection.prepare_cached(&query.sql("run.id, run.body", "run.id", limit))?;
        let mut rows = statement.query(params_from_iter(query.values))?;
        while let Some(row) = rows.next()? {
            found.push((in_order(row.get(0)?), record(row)?));
        }
    }
    Ok(RecordPage::of(found, size))
}

/// The place of a record in the order of creation.
fn in_order(id: i64) -> Cursor {
    Cursor {
        order: 0,
        id: id.unsigned_abs(),
    }
}

fn list_query(filter: &ListFilter, after: i64) -> Query {
    let status = filter.status.map(status_code);
    let from = if filter.external_id.is_some() {
        "reference JOIN run ON run.id = reference.run"
    } else if filter.run.is_some() {
        "run INDEXED BY run_key"
    } else if filter.batch.is_some() {
        "run INDEXED BY run_batch"
    } else if filter.client.is_some() || filter.kind == Some(RecordKind::Job) {
        "run INDEXED BY run_client"
    } else if status.is_some_and(|status| status != 2) {
        "run INDEXED BY run_status"
    } else {
        "run NOT INDEXED"
    };
    let mut query = Query {
        from,
        conditions: Vec::new(),
        values: Vec::new(),
    };
    query.number(
        if filter.external_id.is_some() {
            "reference.run > ?"
        } else {
            "run.id > ?"
        },
        after,
    );
    if let Some(id) = &filter.external_id {
        query.text("reference.system = ?", id.system());
        query.text("reference.external = ?", id.id());
    }
    if let Some(run) = &filter.run {
        query.text("run.run_id = ?", run.as_str());
    }
    if let Some(batch) = &filter.batch {
        query.text("run.batch = ?", batch.as_str());
        query.always("run.batch IS NOT NULL");
    }
    if let Some(client) = &filter.client {
        query.text("run.client_id = ?", client.as_str());
    }
    match filter.kind {
        Some(RecordKind::Job) => query.always("run.client_id = ''"),
        Some(RecordKind::Client) => query.always("run.client_id <> ''"),
        None => {}
    }
    if let Some(status) = status {
        // Written out, because a bound value cannot prove that the partial index holds the rows.
        query.always(&format!("run.status = {status}"));
        if status != 2 {
            query.always("run.status <> 2");
        }
    }
    query
}

pub(crate) fn stalled(
    connection: &Connection,
    filter: &StalledFilter,
    after: Option<Cursor>,
    size: PageSize,
) -> Result<RecordPage, StoreError> {
    // A list of no clients means no records; SQLite would look in vain for a way to use the index for it.
    if filter.within.as_ref().is_some_and(BTreeSet::is_empty) {
        return Ok(RecordPage::default());
    }
    let limit = size.get() as usize + 1;
    let mut query = Query {
        from: "run INDEXED BY run_deadline",
        conditions: Vec::new(),
        values: Vec::new(),
    };
    query.always("status < 2");
    query.number("deadline < ?", filter.deadline_before.as_micros());
    if let Some(clients) = &filter.within {
        query.within(clients);
    }
    if let Some(after) = after {
        query.number("deadline >= ?", after.order);
        query.values.push(Value::Integer(after.order));
        query
            .values
            .push(Value::Integer(i64::try_from(after.id).unwrap_or(i64::MAX)));
        let last = query.values.len();
        query.always(&format!("(deadline, id) > (?{}, ?{last})", last - 1));
    }
    let mut statement = connection.prepare_cached(&query.sql("id, body, deadline", "deadline, id", limit))?;
    let mut rows = statement.query(params_from_iter(query.values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let place = Cursor {
            order: row.get(2)?,
            id: row.get::<_, i64>(0)?.unsigned_abs(),
        };
        found.push((place, record(row)?));
    }
    Ok(RecordPage::of(found, size))
}

pub(crate) fn activity_page(
    connection: &Connection,
    filter: &ActivityFilter,
    after: Option<Cursor>,
    size: PageSize,
) -> Result<ActivityPage, StoreError> {
    if filter.within.as_ref().is_some_and(BTreeSet::is_empty) {
        return Ok(ActivityPage::default());
    }
    let after = after.map_or(0, |cursor| i64::try_from(cursor.id).unwrap_or(i64::MAX));
    let limit = size.get() as usize + 1;
    let from = if filter.run.is_some() {
        "activity INDEXED BY activity_run"
    } else if filter.refused {
        "activity INDEXED BY activity_refused"
    } else {
        "activity NOT INDEXED"
    };
    // A walk along the log itself may find little for long: it is bounded, and the page says where to go on.
    let scanned_to = after.saturating_add(LINES_SCANNED);
    let bounded = filter.run.is_none()
        && !filter.refused
        && (filter.client.is_some() || filter.source.is_some() || filter.within.is_some());
    let mut query = Query {
        from,
        conditions: Vec::new(),
        values: Vec::new(),
    };
    query.number("seq > ?", after);
    if bounded {
        query.number("seq <= ?", scanned_to);
    }
    if let Some(run) = &filter.run {
        query.text("run_id = ?", run.as_str());
    }
    if let Some(client) = &filter.client {
        query.text("client_id = ?", client.as_str());
    }
    if let Some(source) = &filter.source {
        query.text("source = ?", source.as_str());
    }
    if let Some(clients) = &filter.within {
        query.within(clients);
    }
    if filter.refused {
        query.always("verdict = 'refused'");
    }
    let mut statement = connection.prepare_cached(&query.sql(ACTIVITY, "seq", limit))?;
    let mut rows = statement.query(params_from_iter(query.values))?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        lines.push(activity(row)?);
    }
    let more = lines.len() >= limit;
    lines.truncate(size.get() as usize);
    let mut next = lines
        .last()
        .filter(|_| more)
        .map(|line| Cursor { order: 0, id: line.seq });
    if bounded && next.is_none() && last_line(connection)? > scanned_to {
        next = Some(Cursor {
            order: 0,
            id: scanned_to.unsigned_abs(),
        });
    }
    Ok(ActivityPage { lines, next })
}

/// The number of the last line of the log.
pub(crate) fn last_line(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection
        .prepare_cached("SELECT coalesce(max(seq), 0) FROM activity")?
        .query_row([], |row| row.get(0))?)
}
