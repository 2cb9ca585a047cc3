//! The outbox: its columns, and how it is read. What writes it is in `transaction/outbox`.

use runledger_domain::{RecordKind, RunKey, Timestamp};
use runledger_ports::{
    OutboxCounts, OutboxEntry, OutboxHead, OutboxStop, PageSize, RemovedRow, RowState, Step, StepKind,
};
use rusqlite::{Connection, Row, params};

use crate::columns::key_columns;
use crate::error::StoreError;

/// The columns of an entry, in the order in which [`entry`] reads them.
const ENTRY: &str = "run.run_id, run.client_id, e.wanted, e.due, e.row_id, e.shown, e.digest, e.step, e.step_at, \
                     e.step_line, e.step_why, e.failures";

fn unreadable(what: &str) -> StoreError {
    StoreError::Inconsistent(format!("the outbox has no readable {what}"))
}

fn number(row: &Row<'_>, column: usize, what: &str) -> Result<u64, StoreError> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|_| unreadable(what))
}

fn time(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, StoreError> {
    let micros: Option<i64> = row.get(column)?;
    micros
        .map(Timestamp::from_micros)
        .transpose()
        .map_err(|_| unreadable("time"))
}

fn time_that_is_there(row: &Row<'_>, column: usize) -> Result<Timestamp, StoreError> {
    time(row, column)?.ok_or_else(|| unreadable("time"))
}

/// The key in the first two columns.
fn key(row: &Row<'_>) -> Result<RunKey, StoreError> {
    let (run, client): (String, String) = (row.get(0)?, row.get(1)?);
    RunKey::of_parts(&run, &client).map_err(|_| unreadable("key"))
}

/// The step in four columns.
fn step(row: &Row<'_>, first: usize) -> Result<Step, StoreError> {
    let kind = StepKind::of_number(row.get(first)?);
    let line: Option<i64> = row.get(first + 2)?;
    let line = line.and_then(|line| u64::try_from(line).ok());
    let (at, why) = (time(row, first + 1)?, row.get(first + 3)?);
    kind.and_then(|kind| Step::of(kind, at, line, why))
        .ok_or_else(|| unreadable("step"))
}

fn entry(row: &Row<'_>) -> Result<OutboxEntry, StoreError> {
    let id: Option<String> = row.get(4)?;
    let state = RowState {
        id: id.map(|id| id.parse()).transpose().map_err(|_| unreadable("row"))?,
        shown: number(row, 5, "line")?,
        digest: row.get(6)?,
        step: step(row, 7)?,
        failures: number(row, 11, "number of failures")?,
    };
    Ok(OutboxEntry {
        key: key(row)?,
        wanted: number(row, 2, "line")?,
        due: time_that_is_there(row, 3)?,
        row: state,
    })
}

fn entries_of(connection: &Connection, sql: &str, values: &[i64]) -> Result<Vec<OutboxEntry>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(entry(row)?);
    }
    Ok(entries)
}

pub(crate) fn head(connection: &Connection) -> Result<Option<OutboxHead>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT target, position, stopped_at, stopped_until, stopped_reason FROM outbox")?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let stopped = match time(row, 2)? {
        Some(at) => Some(OutboxStop {
            at,
            until: time(row, 3)?,
            reason: row.get(4)?,
        }),
        None => None,
    };
    Ok(Some(OutboxHead {
        target: row.get(0)?,
        position: number(row, 1, "position")?,
        stopped,
    }))
}

pub(crate) fn due(
    connection: &Connection,
    kind: RecordKind,
    now: Timestamp,
    size: PageSize,
) -> Result<Vec<OutboxEntry>, StoreError> {
    let sql = format!(
        "SELECT {ENTRY} FROM outbox_entry e INDEXED BY outbox_due JOIN run ON run.id = e.run
         WHERE e.step = 0 AND e.wanted > e.shown AND e.is_client = ?1 AND e.due <= ?2 ORDER BY e.due, e.run LIMIT ?3"
    );
    let values = [
        i64::from(kind == RecordKind::Client),
        now.as_micros(),
        size.get().into(),
    ];
    entries_of(connection, &sql, &values)
}

pub(crate) fn entries(connection: &Connection, keys: &[RunKey]) -> Result<Vec<Option<OutboxEntry>>, StoreError> {
    let sql = format!(
        "SELECT {ENTRY} FROM run INDEXED BY run_key JOIN outbox_entry e ON e.run = run.id
         WHERE run.run_id = ?1 AND run.client_id = ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let (run, client) = key_columns(key);
        let mut rows = statement.query([run, client])?;
        found.push(rows.next()?.map(entry).transpose()?);
    }
    Ok(found)
}

pub(crate) fn entries_in(
    connection: &Connection,
    step: StepKind,
    after: Option<&RunKey>,
    size: PageSize,
) -> Result<Vec<OutboxEntry>, StoreError> {
    if step == StepKind::Idle {
        return Ok(Vec::new());
    }
    let after = match after {
        Some(key) => number_of(connection, key)?,
        None => 0,
    };
    // The first condition says to SQLite that the index, which holds no idle ones, has them all.
    let sql = format!(
        "SELECT {ENTRY} FROM outbox_entry e INDEXED BY outbox_step JOIN run ON run.id = e.run
         WHERE e.step <> 0 AND e.step = ?1 AND e.run > ?2 ORDER BY e.run LIMIT ?3"
    );
    entries_of(connection, &sql, &[step.number().into(), after, size.get().into()])
}

/// The number of a record, 0 when there is none.
fn number_of(connection: &Connection, key: &RunKey) -> Result<i64, StoreError> {
    let (run, client) = key_columns(key);
    let sql = "SELECT id FROM run INDEXED BY run_key WHERE run_id = ?1 AND client_id = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([run, client])?;
    rows.next()?.map_or(Ok(0), |row| Ok(row.get(0)?))
}

/// One statement, so that all of it is of one moment. It looks at none that lack nothing.
pub(crate) fn counts(connection: &Connection) -> Result<OutboxCounts, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT 0, count(*), min(due), max(due) FROM outbox_entry INDEXED BY outbox_due WHERE step = 0 AND wanted > shown
         UNION ALL SELECT step, count(*), NULL, NULL FROM outbox_entry INDEXED BY outbox_step WHERE step <> 0 GROUP BY step",
    )?;
    let mut rows = statement.query([])?;
    let mut counts = OutboxCounts::default();
    while let Some(row) = rows.next()? {
        let kind = StepKind::of_number(row.get(0)?).ok_or_else(|| unreadable("step"))?;
        counts.add(kind, number(row, 1, "count")?, [time(row, 2)?, time(row, 3)?]);
    }
    Ok(counts)
}

pub(crate) fn removed(connection: &Connection, after: u64, size: PageSize) -> Result<Vec<RemovedRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT run_id, client_id, row_id, at, by_whom, cells FROM removed_row WHERE id > ?1 ORDER BY id LIMIT ?2",
    )?;
    let mut rows = statement.query(params![i64::try_from(after).unwrap_or(i64::MAX), size.get()])?;
    let mut removed = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(2)?;
        removed.push(RemovedRow {
            key: key(row)?,
            id: id.parse().map_err(|_| unreadable("row"))?,
            at: time_that_is_there(row, 3)?,
            by: row.get(4)?,
            cells: row.get(5)?,
        });
    }
    Ok(removed)
}
