//! Between records and rows: the one place that knows how a record, a status and a line are written into columns.

use std::sync::Arc;

use runledger_domain::access::TokenRecord;
use runledger_domain::{Activity, ChainHash, NewActivity, RunKey, RunRecord, Status, Subject, Timestamp, Verdict};
use runledger_ports::DeliveryState;
use tokio_postgres::Row;

use crate::error::StoreError;

/// The columns of a line, in the order in which [`activity`] reads them.
pub(crate) const ACTIVITY: &str = "seq, at, action, source, run_id, client_id, verdict, code, version, detail, hash";

/// The state of a delivery `d` in one column, in the form that [`delivery`] reads.
macro_rules! delivery_column {
    () => {
        "json_build_array(d.position, d.failures, d.failing_since, d.disabled_at, d.last_error)::text"
    };
}
pub(crate) use delivery_column;

/// The number that stands for a status: its place among all.
pub(crate) fn status_code(status: Status) -> i16 {
    let place = Status::ALL.into_iter().position(|known| known == status);
    place.and_then(|place| i16::try_from(place).ok()).unwrap_or(-1)
}

/// The status that a number stands for.
pub(crate) fn status_of(code: i16) -> Option<Status> {
    usize::try_from(code)
        .ok()
        .and_then(|place| Status::ALL.get(place))
        .copied()
}

/// The two columns of a key; an empty client stands for a job.
pub(crate) fn key_columns(key: &RunKey) -> (&str, &str) {
    (key.run().as_str(), key.client().map_or("", |client| client.as_str()))
}

/// A number as the database holds it. None of ours is beyond.
pub(crate) fn big(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Stands before what a text of PostgreSQL cannot hold.
const ESCAPE: char = '\u{1a}';

/// A text as a column holds it. PostgreSQL knows no NUL: it is written as U+001A and `0`, and U+001A, which nobody writes
/// either, as two of them. So whatever was sent is kept, and read back as it was.
pub(crate) fn text_column(text: String) -> String {
    if !text.contains(['\0', ESCAPE]) {
        return text;
    }
    let mut column = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\0' => column.extend([ESCAPE, '0']),
            ESCAPE => column.extend([ESCAPE, ESCAPE]),
            c => column.push(c),
        }
    }
    column
}

/// The text that a [column](text_column) holds.
pub(crate) fn text_of_column(column: String) -> String {
    if !column.contains(ESCAPE) {
        return column;
    }
    let mut text = String::with_capacity(column.len());
    let mut rest = column.chars();
    while let Some(c) = rest.next() {
        if c != ESCAPE {
            text.push(c);
            continue;
        }
        match rest.next() {
            Some('0') => text.push('\0'),
            Some(ESCAPE) | None => text.push(ESCAPE),
            Some(other) => text.extend([ESCAPE, other]),
        }
    }
    text
}

pub(crate) fn encode(record: &RunRecord) -> Result<String, StoreError> {
    serde_json::to_string(record).map_err(|source| StoreError::Record {
        key: record.key().to_string(),
        source,
    })
}

/// The record in this column; `id` is only for the message when it cannot be read.
pub(crate) fn decode(body: &str, id: i64) -> Result<Arc<RunRecord>, StoreError> {
    serde_json::from_str(body)
        .map(Arc::new)
        .map_err(|source| StoreError::Record {
            key: format!("in row {id}"),
            source,
        })
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

/// The state in this [column](delivery_column).
pub(crate) fn delivery(column: &str) -> Result<DeliveryState, StoreError> {
    let unreadable = || StoreError::Inconsistent("the state of a delivery cannot be read".into());
    let time = |micros: Option<i64>| micros.map(Timestamp::from_micros).transpose();
    let (position, failures, failing_since, disabled_at, last_error) =
        serde_json::from_str(column).map_err(|_| unreadable())?;
    let last_error: Option<String> = last_error;
    Ok(DeliveryState {
        position,
        failures,
        failing_since: time(failing_since).map_err(|_| unreadable())?,
        disabled_at: time(disabled_at).map_err(|_| unreadable())?,
        last_error: last_error.map(text_of_column),
    })
}

pub(crate) fn activity(row: &Row) -> Result<Activity, StoreError> {
    let seq: i64 = row.try_get(0)?;
    let contradiction = |what: &str| StoreError::Inconsistent(format!("line {seq} of the log has no readable {what}"));
    let hash: &[u8] = row.try_get(10)?;
    Ok(Activity {
        seq: u64::try_from(seq).map_err(|_| contradiction("number"))?,
        line: NewActivity {
            at: Timestamp::from_micros(row.try_get(1)?).map_err(|_| contradiction("time"))?,
            action: row
                .try_get::<_, &str>(2)?
                .parse()
                .map_err(|_| contradiction("action"))?,
            source: text_of_column(row.try_get(3)?),
            subject: Subject {
                run: text_of_column(row.try_get(4)?),
                client: text_of_column(row.try_get(5)?),
            },
            verdict: Verdict::from_words(row.try_get(6)?, row.try_get(7)?).ok_or_else(|| contradiction("verdict"))?,
            version: row
                .try_get::<_, Option<i64>>(8)?
                .map(|version| u64::try_from(version).map_err(|_| contradiction("version")))
                .transpose()?,
            detail: text_of_column(row.try_get(9)?),
        },
        hash: ChainHash::from_bytes(hash.try_into().map_err(|_| contradiction("hash"))?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers are in every ledger: the schema compares them, and its indexes name them.
    #[test]
    fn statuses_keep_their_numbers() {
        let words: Vec<_> = (0..8).filter_map(status_of).map(Status::as_str).collect();
        let kept = "queued running succeeded succeeded_with_errors failed skipped cancelled lost";
        assert_eq!(words.join(" "), kept);
        assert_eq!(status_of(8), None);
        for (code, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(
                (usize::try_from(status_code(status)), status.is_open()),
                (Ok(code), code < 2)
            );
        }
    }
}
