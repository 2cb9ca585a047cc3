//! Checking a whole ledger: that records and log say the same, and that the log is whole (I2, I5, I6).

use runledger_domain::{ChainHead, Status};
use rusqlite::Connection;

use crate::columns::{ACTIVITY, activity, decode, key_columns, status_code, status_of};
use crate::error::StoreError;

/// The most findings that are listed; the rest are counted.
const FINDINGS_MAX: usize = 100;

/// What a check of the ledger found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct VerifyReport {
    /// How many records were checked.
    pub records: u64,
    /// How many lines of the log were checked.
    pub lines: u64,
    /// What is wrong, at most a hundred.
    pub findings: Vec<Finding>,
    /// How many findings there are in all.
    pub count: u64,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// The record or line concerned.
    pub subject: String,
    /// What is wrong with it.
    pub problem: String,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub const fn is_clean(&self) -> bool {
        self.count == 0
    }

    fn found(&mut self, subject: impl Into<String>, problem: impl Into<String>) {
        self.count += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding {
                subject: subject.into(),
                problem: problem.into(),
            });
        }
    }
}

pub(crate) fn verify(connection: &Connection) -> Result<VerifyReport, StoreError> {
    // One snapshot for all of it, also while somebody writes.
    connection.execute_batch("BEGIN")?;
    let report = verify_snapshot(connection);
    connection.execute_batch("ROLLBACK")?;
    report
}

fn verify_snapshot(connection: &Connection) -> Result<VerifyReport, StoreError> {
    let mut report = VerifyReport::default();
    check_file(connection, &mut report)?;
    check_chain(connection, &mut report)?;
    check_records(connection, &mut report)?;
    check_tally(connection, &mut report)?;
    check_loads(connection, &mut report)?;
    check_orphans(connection, &mut report)?;
    check_tokens(connection, &mut report)?;
    Ok(report)
}

fn check_file(connection: &Connection, report: &mut VerifyReport) -> Result<(), StoreError> {
    let mut statement = connection.prepare("PRAGMA quick_check")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let problem: String = row.get(0)?;
        if problem != "ok" {
            report.found("the file", problem);
        }
    }
    Ok(())
}

fn check_chain(connection: &Connection, report: &mut VerifyReport) -> Result<(), StoreError> {
    let mut statement = connection.prepare(&format!("SELECT {ACTIVITY} FROM activity ORDER BY seq"))?;
    let mut rows = statement.query([])?;
    let mut head = ChainHead::EMPTY;
    while let Some(row) = rows.next()? {
        report.lines += 1;
        let line = activity(row)?;
        if !head.accepts(&line) {
            let problem = if line.seq == head.seq + 1 {
                "does not follow from the line before it: one of the two was changed".to_owned()
            } else {
                format!("follows line {}: lines are missing", head.seq)
            };
            report.found(format!("line {} of the log", line.seq), problem);
            head = ChainHead {
                seq: line.seq,
                hash: line.hash,
            };
        }
    }
    Ok(())
}

/// Every record against its columns and its lines: one creation, and as many versions as accepted lines.
fn check_records(connection: &Connection, report: &mut VerifyReport) -> Result<(), StoreError> {
    let mut statement = connection.prepare(
        "SELECT run.run_id, run.client_id, run.status, run.version, run.deadline, run.body, line.created, line.accepted,
                line.version
         FROM run INDEXED BY run_key LEFT JOIN (
           SELECT run_id, client_id, sum(verdict = 'created') AS created, count(*) AS accepted, max(version) AS version
           FROM activity WHERE verdict IN ('created', 'changed') GROUP BY run_id, client_id
         ) AS line ON line.run_id = run.run_id AND line.client_id = run.client_id
         ORDER BY run.run_id, run.client_id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        report.records += 1;
        let (run, client): (String, String) = (row.get(0)?, row.get(1)?);
        let subject = if client.is_empty() {
            format!("record {run}")
        } else {
            format!("record {run} of {client}")
        };
        let body: String = row.get(5)?;
        let record = match decode(&body, || subject.clone()) {
            Ok(record) => record,
            Err(error) => {
                report.found(subject, error.to_string());
                continue;
            }
        };
        if key_columns(record.key()) != (run.as_str(), client.as_str()) {
            report.found(&subject, format!("holds the record {}", record.key()));
        }
        let version: i64 = row.get(3)?;
        let columns = (row.get::<_, i64>(2)?, version, row.get::<_, i64>(4)?);
        let held = (
            status_code(record.status()),
            i64::try_from(record.version()).unwrap_or(-1),
            record.deadline().as_micros(),
        );
        if columns != held {
            report.found(&subject, "its columns and its body differ");
        }
        let created: Option<i64> = row.get(6)?;
        if created != Some(1) {
            report.found(
                &subject,
                format!("has {} create lines instead of 1", created.unwrap_or(0)),
            );
        }
        if row.get::<_, Option<i64>>(7)? != Some(version) || row.get::<_, Option<i64>>(8)? != Some(version) {
            report.found(&subject, format!("is at version {version}, which its lines do not say"));
        }
    }
    Ok(())
}

/// The kept numbers of records against the records.
fn check_tally(connection: &Connection, report: &mut VerifyReport) -> Result<(), StoreError> {
    let mut statement = connection.prepare(
        "SELECT status, sum(kept), sum(there) FROM (
           SELECT status, records AS kept, 0 AS there FROM tally
           UNION ALL SELECT status, 0, count(*) FROM run GROUP BY status
         ) GROUP BY status HAVING sum(kept) <> sum(there)",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (code, kept, there): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let status = status_of(code).map_or("of no known status", Status::as_str);
        report.found(
            format!("the number of records that are {status}"),
            format!("is kept as {kept}, but there are {there}"),
        );
    }
    Ok(())
}

/// The kept loads of clients against their open records.
fn check_loads(connection: &Connection, report: &mut VerifyReport) -> Result<(), StoreError> {
    let mut statement = connection.prepare(
        "SELECT client_id, sum(kept), sum(there), sum(kept_notes), sum(notes_there) FROM (
           SELECT client_id, records AS kept, 0 AS there, notes AS kept_notes, 0 AS notes_there FROM client_load
           UNION ALL SELECT client_id, 0, count(*), 0, CAST(total(iif(json_valid(body), json_array_length(body, '$.notes'), 0)) AS INTEGER) FROM run
             WHERE client_id <> '' AND status < 2 GROUP BY client_id
         ) GROUP BY client_id HAVING sum(kept) <> sum(there) OR sum(kept_notes) <> sum(notes_there)",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let client: String = row.get(0)?;
        let [kept, there, kept_notes, notes_there]: [i64; 4] = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
        report.found(
            format!("what {client} holds"),
            format!("is kept as {kept} open records with {kept_notes} notes, but there are {there} with {notes_there}"),
        );
    }
    Ok(())
}

/// Create lines without a record, references to nothing.
fn check_orphans(connection: &Connection, report: &mut VerifyReport) -> Result<(), StoreError> {
    // Those about tokens and webhooks concern no record.
    let mut statement = connection.prepare(
        "SELECT seq, run_id, client_id FROM activity WHERE verdict IN ('created', 'changed')
           AND run_id <> '' AND NOT EXISTS (
           SELECT 1 FROM run WHERE run.run_id = activity.run_id AND run.client_id = activity.client_id)",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (seq, run, client): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        report.found(
            format!("line {seq} of the log"),
            format!("speaks of a record that is not there: {run} {client}"),
        );
    }
    for (table, what) in [
        ("minted", "an attempt"),
        ("reference", "a reference"),
        ("outbox_entry", "to be copied elsewhere, as the rows"),
    ] {
        let lost: i64 = connection.query_row(
            &format!("SELECT count(*) FROM {table} WHERE run NOT IN (SELECT id FROM run)"),
            [],
            |row| row.get(0),
        )?;
        if lost > 0 {
            report.found(
                format!("{lost} entries"),
                format!("are {what} of a record that is not there"),
            );
        }
    }
    Ok(())
}

/// Every token was made by somebody, once.
fn check_tokens(connection: &Connection, report: &mut VerifyReport) -> Result<(), StoreError> {
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let tokens = count("SELECT count(*) FROM token")?;
    let lines = count("SELECT count(*) FROM activity WHERE action = 'create_token' AND verdict = 'created'")?;
    if tokens != lines {
        report.found(
            "the tokens",
            format!("are {tokens}, but the log has {lines} lines of making one"),
        );
    }
    if let Err(error) = crate::read::tokens(connection) {
        report.found("the tokens", error.to_string());
    }
    Ok(())
}
