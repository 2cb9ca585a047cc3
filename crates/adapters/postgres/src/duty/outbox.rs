//! What whoever projects writes, in the columns of its statements (I14).

use std::collections::BTreeMap;

use runledger_domain::{RunKey, Timestamp};
use runledger_ports::{Mark, OutboxStop, RemovedRow, RowId, RowState};
use tokio_postgres::types::ToSql;

use crate::columns::{big, key_columns, text_column};

const BEGIN: &str = "SELECT ledger_begin_outbox_v1($1, $2, $3, $4)";
const MARK: &str = "SELECT ledger_mark_outbox_v1($1, $2, $3, $4, $5, $6, $7)";
const KEEP_ROWS: &str = "SELECT ledger_keep_rows_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
const STOP: &str = "SELECT ledger_stop_outbox_v1($1, $2, $3, $4, $5)";
const KEEP_REMOVED: &str = "SELECT ledger_keep_removed_v1($1, $2, $3, $4, $5, $6, $7, $8)";

/// One write.
pub(crate) enum OutboxWrite {
    Begin { target: String, position: i64 },
    Mark(Marks),
    KeepRows(Rows),
    Stop(Stop),
    KeepRemoved(Removed),
}

#[derive(Default)]
pub(crate) struct Marks {
    position: i64,
    run: Vec<String>,
    client: Vec<String>,
    line: Vec<i64>,
    due: Vec<i64>,
}

#[derive(Default)]
pub(crate) struct Rows {
    run: Vec<String>,
    client: Vec<String>,
    due: Vec<i64>,
    id: Vec<Option<String>>,
    shown: Vec<i64>,
    digest: Vec<Option<Vec<u8>>>,
    step: Vec<i16>,
    at: Vec<Option<i64>>,
    line: Vec<Option<i64>>,
    why: Vec<Option<String>>,
    failures: Vec<i64>,
}

#[derive(Default)]
pub(crate) struct Stop {
    at: Option<i64>,
    until: Option<i64>,
    reason: Option<String>,
}

#[derive(Default)]
pub(crate) struct Removed {
    run: Vec<String>,
    client: Vec<String>,
    id: Vec<String>,
    at: Vec<i64>,
    by: Vec<String>,
    cells: Vec<String>,
}

impl OutboxWrite {
    pub(crate) fn begin(target: &str, position: u64) -> Self {
        Self::Begin {
            target: text_column(target.to_owned()),
            position: big(position),
        }
    }

    pub(crate) fn mark(position: u64, marks: Vec<Mark>) -> Self {
        let mut columns = Marks {
            position: big(position),
            ..Marks::default()
        };
        for mark in Mark::folded(marks) {
            let (run, client) = key_columns(&mark.key);
            columns.run.push(run.to_owned());
            columns.client.push(client.to_owned());
            columns.line.push(big(mark.line));
            columns.due.push(mark.due.as_micros());
        }
        Self::Mark(columns)
    }

    pub(crate) fn keep_rows(rows: Vec<(RunKey, Timestamp, RowState)>) -> Self {
        // An update takes one row for each record; of several the last counts.
        let last: BTreeMap<RunKey, (Timestamp, RowState)> =
            rows.into_iter().map(|(key, due, row)| (key, (due, row))).collect();
        let mut columns = Rows::default();
        for (key, (due, row)) in last {
            let (run, client) = key_columns(&key);
            let (at, line, why) = row.step.parts();
            columns.run.push(run.to_owned());
            columns.client.push(client.to_owned());
            columns.due.push(due.as_micros());
            columns.id.push(row.id.as_ref().map(RowId::as_str).map(str::to_owned));
            columns.shown.push(big(row.shown));
            columns.digest.push(row.digest.map(Vec::from));
            columns.step.push(row.step.kind().number().into());
            columns.at.push(at.map(Timestamp::as_micros));
            columns.line.push(line.map(big));
            columns.why.push(why.map(|why| text_column(why.to_owned())));
            columns.failures.push(big(row.failures));
        }
        Self::KeepRows(columns)
    }

    pub(crate) fn stop(stop: Option<OutboxStop>) -> Self {
        Self::Stop(stop.map_or_else(Stop::default, |stop| Stop {
            at: Some(stop.at.as_micros()),
            until: stop.until.map(Timestamp::as_micros),
            reason: Some(text_column(stop.reason)),
        }))
    }

    pub(crate) fn keep_removed(rows: Vec<RemovedRow>) -> Self {
        let mut columns = Removed::default();
        for row in rows {
            let (run, client) = key_columns(&row.key);
            columns.run.push(run.to_owned());
            columns.client.push(client.to_owned());
            columns.id.push(row.id.as_str().to_owned());
            columns.at.push(row.at.as_micros());
            columns.by.push(text_column(row.by));
            columns.cells.push(text_column(row.cells));
        }
        Self::KeepRemoved(columns)
    }

    /// The statement, and its values but for the first two: which taking writes, and the number of the write.
    pub(super) fn statement(&self) -> (&'static str, Vec<&(dyn ToSql + Sync)>) {
        match self {
            Self::Begin { target, position } => (BEGIN, vec![target, position]),
            Self::Mark(marks) => (
                MARK,
                vec![&marks.position, &marks.run, &marks.client, &marks.line, &marks.due],
            ),
            Self::KeepRows(rows) => (
                KEEP_ROWS,
                vec![
                    &rows.run,
                    &rows.client,
                    &rows.due,
                    &rows.id,
                    &rows.shown,
                    &rows.digest,
                    &rows.step,
                    &rows.at,
                    &rows.line,
                    &rows.why,
                    &rows.failures,
                ],
            ),
            Self::Stop(stop) => (STOP, vec![&stop.at, &stop.until, &stop.reason]),
            Self::KeepRemoved(rows) => (
                KEEP_REMOVED,
                vec![&rows.run, &rows.client, &rows.id, &rows.at, &rows.by, &rows.cells],
            ),
        }
    }
}
