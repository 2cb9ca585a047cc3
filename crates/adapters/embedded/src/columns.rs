//! Between records and rows: the one place that knows how a record, a status and a line are written into columns.

use runledger_domain::access::TokenRecord;
use runledger_domain::{
    Activity, ChainHash, NewActivity, Outcome, RunKey, RunRecord, Status, Subject, Timestamp, Verdict,
};
use rusqlite::Row;

use crate::error::StoreError;

/// The columns of a line, in the order in which [`activity`] reads them.
pub(crate) const ACTIVITY: &str = "seq, at, action, source, run_id, client_id, verdict, code, version, detail, hash";

/// The number that stands for a status.
pub(crate) const fn status_code(status: Status) -> i64 {
    match status {
        Status::Queued => 0,
        Status::Running => 1,
        Status::Ended(Outcome::Succeeded) => 2,
        Status::Ended(Outcome::SucceededWithErrors) => 3,
        Status::Ended(Outcome::Failed) => 4,
        Status::Ended(Outcome::Skipped) => 5,
        Status::Ended(Outcome::Cancelled) => 6,
        Status::Ended(Outcome::Lost) => 7,
    }
}

/// The status that a number stands for.
pub(crate) fn status_of(code: i64) -> Option<Status> {
    Status::ALL.into_iter().find(|status| status_code(*status) == code)
}

/// Whether a status number stands for an open record.
pub(crate) const fn is_open(code: i64) -> bool {
    code < 2
}

/// The two columns of a key; an empty client stands for a job.
pub(crate) fn key_columns(key: &RunKey) -> (&str, &str) {
    (key.run().as_str(), key.client().map_or("", |client| client.as_str()))
}

/// Room for a usual record, so that its text does not grow while it is written.
const RECORD_BYTES: usize = 960;

pub(crate) fn encode(record: &RunRecord) -> Result<String, StoreError> {
    let mut body = Vec::with_capacity(RECORD_BYTES);
    match serde_json::to_writer(&mut body, record) {
        Ok(()) => Ok(String::from_utf8(body).expect("JSON is written in UTF-8")),
        Err(source) => Err(StoreError::Record {
            key: record.key().to_string(),
            source,
        }),
    }
}

/// Reads a stored record; `key` is only for the message when it cannot be read.
pub(crate) fn decode(body: &str, key: impl FnOnce() -> String) -> Result<RunRecord, StoreError> {
    serde_json::from_str(body).map_err(|source| StoreError::Record { key: key(), source })
}

pub(crate) fn encode_token(token: &TokenRecord) -> Result<String, StoreError> {
    serde_json::to_string(token).map_err(|error| token_unreadable(&error))
}

pub(crate) fn decode_token(body: &str) -> Result<TokenRecord, StoreError> {
    serde_json::from_str(body).map_err(|error| token_unreadable(&error))
}

/// The text of the error is left out: it may quote what is kept of a secret.
fn token_unreadable(error: &serde_json::Error) -> StoreError {
    let place = error.column();
    StoreError::Inconsistent(format!(
        "a token is stored in a form that cannot be read (at column {place})"
    ))
}

pub(crate) fn activity(row: &Row<'_>) -> Result<Activity, StoreError> {
    let seq: i64 = row.get(0)?;
    let contradiction = |what: &str| StoreError::Inconsistent(format!("line {seq} of the log has no readable {what}"));
    let action: String = row.get(2)?;
    let (verdict, code): (String, String) = (row.get(6)?, row.get(7)?);
    let hash: Vec<u8> = row.get(10)?;
    Ok(Activity {
        seq: u64::try_from(seq).map_err(|_| contradiction("number"))?,
        line: NewActivity {
            at: Timestamp::from_micros(row.get(1)?).map_err(|_| contradiction("time"))?,
            action: action.parse().map_err(|_| contradiction("action"))?,
            source: row.get(3)?,
            subject: Subject {
                run: row.get(4)?,
                client: row.get(5)?,
            },
            verdict: Verdict::from_words(&verdict, &code).ok_or_else(|| contradiction("verdict"))?,
            version: row
                .get::<_, Option<i64>>(8)?
                .map(|version| u64::try_from(version).map_err(|_| contradiction("version")))
                .transpose()?,
            detail: row.get(9)?,
        },
        hash: ChainHash::from_bytes(hash.try_into().map_err(|_| contradiction("hash"))?),
    })
}

/// A version as SQLite holds it.
pub(crate) fn version_column(version: u64) -> Result<i64, StoreError> {
    i64::try_from(version).map_err(|_| StoreError::Inconsistent(format!("version {version} is beyond all bounds")))
}
