//! The outbox, as it is read. None of these statements looks at entries that lack nothing.

use runledger_domain::{RecordKind, RunKey, Timestamp};
use runledger_ports::{
    OutboxCounts, OutboxEntry, OutboxHead, OutboxStop, PageSize, RemovedRow, RowState, Step, StepKind,
};
use tokio_postgres::Row;

use crate::columns::{key_columns, text_of_column};
use crate::error::StoreError;
use crate::pool::{Readers, Values};

/// The columns of an entry, in the order in which [`entry`] reads them.
macro_rules! entry_columns {
    () => {
        "r.run_id, r.client_id, e.wanted, e.due, e.row_id, e.shown, e.digest, e.step, e.step_at, e.step_line, e.step_why, \
         e.failures"
    };
}

/// Those of one kind that wait: the earliest first, then in the order of creation.
pub(crate) const DUE: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM outbox_entry e JOIN run r ON r.id = e.run
      WHERE e.step = 0 AND e.wanted > e.shown AND e.is_client = $1 AND e.due <= $2 ORDER BY e.due, e.run LIMIT $3"
);
const ENTRIES: &str = concat!(
    "SELECT ",
    entry_columns!(),
    ", k.place FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k(run_id, client_id, place)
      JOIN run r ON r.run_id = k.run_id AND r.client_id = k.client_id JOIN outbox_entry e ON e.run = r.id"
);
/// Those at a step. The first condition says that the index, which holds no idle ones, has them all.
pub(crate) const AT_STEP: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM outbox_entry e JOIN run r ON r.id = e.run
      WHERE e.step <> 0 AND e.step = $1
        AND e.run > coalesce((SELECT a.id FROM run a WHERE a.run_id = $2 AND a.client_id = $3), 0)
      ORDER BY e.run LIMIT $4"
);
/// One statement, so that all of it is of one moment.
pub(crate) const COUNTS: &str =
    "SELECT 0::smallint, count(*), min(due), max(due) FROM outbox_entry WHERE step = 0 AND wanted > shown
     UNION ALL SELECT step, count(*), NULL, NULL FROM outbox_entry WHERE step <> 0 GROUP BY step";
/// One that was ended has no target (see [`restore`](crate::restore)).
const HEAD: &str = "SELECT target, position, stopped_at, stopped_until, stopped_reason FROM outbox WHERE target <> ''";
const REMOVED: &str =
    "SELECT run_id, client_id, row_id, at, by_whom, cells FROM removed_row WHERE id > $1 ORDER BY id LIMIT $2";

fn unreadable(what: &str) -> StoreError {
    StoreError::Inconsistent(format!("the outbox has no readable {what}"))
}

fn number(row: &Row, column: usize, what: &str) -> Result<u64, StoreError> {
    u64::try_from(row.try_get::<_, i64>(column)?).map_err(|_| unreadable(what))
}

fn time(row: &Row, column: usize) -> Result<Option<Timestamp>, StoreError> {
    let micros: Option<i64> = row.try_get(column)?;
    let time = micros.map(Timestamp::from_micros).transpose();
    time.map_err(|_| unreadable("time"))
}

fn time_that_is_there(row: &Row, column: usize) -> Result<Timestamp, StoreError> {
    time(row, column)?.ok_or_else(|| unreadable("time"))
}

fn text(row: &Row, column: usize) -> Result<String, StoreError> {
    Ok(text_of_column(row.try_get(column)?))
}

/// The key in the first two columns.
fn key(row: &Row) -> Result<RunKey, StoreError> {
    let (run, client): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
    RunKey::of_parts(run, client).map_err(|_| unreadable("key"))
}

/// The step in four columns.
fn step(row: &Row, first: usize) -> Result<Step, StoreError> {
    let kind = StepKind::of_number(row.try_get::<_, i16>(first)?.into());
    let line: Option<i64> = row.try_get(first + 2)?;
    let line = line.and_then(|line| u64::try_from(line).ok());
    let why: Option<String> = row.try_get(first + 3)?;
    let at = time(row, first + 1)?;
    kind.and_then(|kind| Step::of(kind, at, line, why.map(text_of_column)))
        .ok_or_else(|| unreadable("step"))
}

fn entry(row: &Row) -> Result<OutboxEntry, StoreError> {
    let id: Option<&str> = row.try_get(4)?;
    let digest: Option<&[u8]> = row.try_get(6)?;
    let state = RowState {
        id: id.map(str::parse).transpose().map_err(|_| unreadable("row"))?,
        shown: number(row, 5, "line")?,
        digest: digest
            .map(TryInto::try_into)
            .transpose()
            .map_err(|_| unreadable("digest"))?,
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

async fn entries_of(readers: &Readers, sql: &str, values: Values<'_>) -> Result<Vec<OutboxEntry>, StoreError> {
    readers.query(sql, values).await?.iter().map(entry).collect()
}

pub(crate) async fn head(readers: &Readers) -> Result<Option<OutboxHead>, StoreError> {
    let rows = readers.query(HEAD, &[]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let stopped = match time(row, 2)? {
        Some(at) => Some(OutboxStop {
            at,
            until: time(row, 3)?,
            reason: text(row, 4)?,
        }),
        None => None,
    };
    Ok(Some(OutboxHead {
        target: text(row, 0)?,
        position: number(row, 1, "position")?,
        stopped,
    }))
}

pub(crate) async fn due(
    readers: &Readers,
    kind: RecordKind,
    now: Timestamp,
    size: PageSize,
) -> Result<Vec<OutboxEntry>, StoreError> {
    let (is_client, now, size) = (kind == RecordKind::Client, now.as_micros(), i64::from(size.get()));
    entries_of(readers, DUE, &[&is_client, &now, &size]).await
}

pub(crate) async fn entries(readers: &Readers, keys: &[RunKey]) -> Result<Vec<Option<OutboxEntry>>, StoreError> {
    let (runs, clients): (Vec<_>, Vec<_>) = keys.iter().map(key_columns).unzip();
    let mut found = vec![None; keys.len()];
    for row in readers.query(ENTRIES, &[&runs, &clients]).await? {
        let place = usize::try_from(row.try_get::<_, i64>(12)? - 1).unwrap_or(usize::MAX);
        let unasked = || StoreError::Inconsistent("a read gave what nobody asked for".into());
        *found.get_mut(place).ok_or_else(unasked)? = Some(entry(&row)?);
    }
    Ok(found)
}

pub(crate) async fn entries_in(
    readers: &Readers,
    step: StepKind,
    after: Option<&RunKey>,
    size: PageSize,
) -> Result<Vec<OutboxEntry>, StoreError> {
    if step == StepKind::Idle {
        return Ok(Vec::new());
    }
    let (run, client) = after.map(key_columns).unzip();
    let (step, size) = (i16::from(step.number()), i64::from(size.get()));
    entries_of(readers, AT_STEP, &[&step, &run, &client, &size]).await
}

pub(crate) async fn counts(readers: &Readers) -> Result<OutboxCounts, StoreError> {
    let mut counts = OutboxCounts::default();
    for row in readers.query(COUNTS, &[]).await? {
        let kind = StepKind::of_number(row.try_get::<_, i16>(0)?.into()).ok_or_else(|| unreadable("step"))?;
        counts.add(kind, number(&row, 1, "count")?, [time(&row, 2)?, time(&row, 3)?]);
    }
    Ok(counts)
}

pub(crate) async fn removed(readers: &Readers, after: u64, size: PageSize) -> Result<Vec<RemovedRow>, StoreError> {
    let (after, size) = (i64::try_from(after).unwrap_or(i64::MAX), i64::from(size.get()));
    let mut removed = Vec::new();
    for row in readers.query(REMOVED, &[&after, &size]).await? {
        let id: &str = row.try_get(2)?;
        removed.push(RemovedRow {
            key: key(&row)?,
            id: id.parse().map_err(|_| unreadable("row"))?,
            at: time_that_is_there(&row, 3)?,
            by: text(&row, 4)?,
            cells: text(&row, 5)?,
        });
    }
    Ok(removed)
}
