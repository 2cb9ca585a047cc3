//! Reading single things. Nothing here can write.

use std::sync::Arc;
use std::time::Duration;

use runledger_domain::access::TokenRecord;
use runledger_domain::{AttemptId, ChainHash, ChainHead, JobSummary, RunId, RunKey, RunRecord, Source, Timestamp};
use runledger_ports::{Counts, DeliveryState, Fence, Lease, STALLED_COUNTED_MAX, WebhookName};
use tokio_postgres::Row;

use crate::columns::{big, decode, decode_token, delivery, delivery_column, key_columns, status_of};
use crate::duty::epoch_of;
use crate::error::StoreError;
use crate::pool::Readers;

/// The record in the first two columns of a row.
pub(crate) fn record(row: &Row) -> Result<Arc<RunRecord>, StoreError> {
    decode(row.try_get(1)?, row.try_get(0)?)
}

/// The record under a run and a client.
pub(crate) const GET: &str = "SELECT id, body FROM run WHERE run_id = $1 AND client_id = $2";
/// The record that a source created in an attempt, under an id that the ledger chose.
pub(crate) const MINTED: &str =
    "SELECT run.id, run.body FROM minted JOIN run ON run.id = minted.run WHERE source = $1 AND attempt = $2";
/// All records of a run.
pub(crate) const RUN: &str = "SELECT id, body FROM run WHERE run_id = $1";
/// What [`counts`] reads: records by status, and the lines and the stalled records under numbers that no status has.
pub(crate) const COUNTS: &str = "SELECT status, records FROM tally WHERE records > 0
         UNION ALL SELECT -1::smallint, seq FROM head
         UNION ALL SELECT -2::smallint, count(*) FROM (
           SELECT FROM run WHERE status < 2 AND deadline < $1 ORDER BY deadline, id LIMIT $2) AS stalled";

pub(crate) async fn get(readers: &Readers, key: &RunKey) -> Result<Option<Arc<RunRecord>>, StoreError> {
    let (run, client) = key_columns(key);
    let rows = readers.query(GET, &[&run, &client]).await?;
    rows.first().map(record).transpose()
}

pub(crate) async fn find_minted(
    readers: &Readers,
    source: &Source,
    attempt: &AttemptId,
) -> Result<Option<Arc<RunRecord>>, StoreError> {
    let rows = readers.query(MINTED, &[&source.as_str(), &attempt.as_str()]).await?;
    rows.first().map(record).transpose()
}

/// One statement, so that all of it is of one moment. It looks at eight rows, the end of the log, and as many stalled
/// records as are counted at most.
pub(crate) async fn counts(readers: &Readers, stalled_before: Timestamp) -> Result<Counts, StoreError> {
    const LINES: i16 = -1;
    const STALLED: i16 = -2;
    let values: [i64; 2] = [stalled_before.as_micros(), big(STALLED_COUNTED_MAX)];
    let mut counts = Counts::default();
    for row in readers.query(COUNTS, &[&values[0], &values[1]]).await? {
        let (what, count): (i16, i64) = (row.try_get(0)?, row.try_get(1)?);
        let count = u64::try_from(count).unwrap_or(0);
        match what {
            LINES => counts.lines = count,
            STALLED => counts.stalled = count,
            code => {
                let status = status_of(code)
                    .ok_or_else(|| StoreError::Inconsistent(format!("records are counted under status {code}")))?;
                counts.records.insert(status, count);
            }
        }
    }
    Ok(counts)
}

/// The number of the last line of the log.
pub(crate) async fn last_line(readers: &Readers) -> Result<u64, StoreError> {
    let rows = readers.query("SELECT seq FROM head", &[]).await?;
    let row = rows
        .first()
        .ok_or_else(|| StoreError::Inconsistent("the log has no head".into()))?;
    let seq: i64 = row.try_get(0)?;
    Ok(seq.unsigned_abs())
}

/// Where the log ends, in number and hash.
pub(crate) const HEAD: &str = "SELECT seq, hash FROM head";

pub(crate) async fn head(readers: &Readers) -> Result<ChainHead, StoreError> {
    let rows = readers.query(HEAD, &[]).await?;
    let none = || StoreError::Inconsistent("the log has no head".into());
    head_in(rows.first().ok_or_else(none)?)
}

/// Up to which line the ledger is being taken over.
pub(crate) const UNTIL: &str = "SELECT until FROM head";

/// Up to which line the ledger is being taken over; nothing when it is whole.
pub(crate) async fn unfinished(readers: &Readers) -> Result<Option<u64>, StoreError> {
    let rows = readers.query(UNTIL, &[]).await?;
    rows.first().map_or(Ok(None), until_in)
}

/// The same in a row of [`UNTIL`].
pub(crate) fn until_in(row: &Row) -> Result<Option<u64>, StoreError> {
    let until: Option<i64> = row.try_get(0)?;
    let unreadable = |_| StoreError::Inconsistent("up to which line the ledger is taken over cannot be read".into());
    until.map(u64::try_from).transpose().map_err(unreadable)
}

/// The end of the log in a row of [`HEAD`].
pub(crate) fn head_in(row: &Row) -> Result<ChainHead, StoreError> {
    let (seq, hash): (i64, &[u8]) = (row.try_get(0)?, row.try_get(1)?);
    let unreadable = |_| StoreError::Inconsistent("the hash of the last line cannot be read".into());
    Ok(ChainHead {
        seq: seq.unsigned_abs(),
        hash: ChainHash::from_bytes(hash.try_into().map_err(unreadable)?),
    })
}

/// All tokens, in the order of their ids.
pub(crate) const TOKENS: &str = "SELECT body FROM token ORDER BY id";
/// The states of all webhooks, in the order of their names.
pub(crate) const DELIVERIES: &str = concat!(
    "SELECT d.name, ",
    delivery_column!(),
    " FROM delivery d ORDER BY d.name"
);

pub(crate) async fn tokens(readers: &Readers) -> Result<Vec<TokenRecord>, StoreError> {
    readers.query(TOKENS, &[]).await?.iter().map(token).collect()
}

/// The token in a row of [`TOKENS`].
pub(crate) fn token(row: &Row) -> Result<TokenRecord, StoreError> {
    decode_token(row.try_get(0)?)
}

pub(crate) async fn deliveries(readers: &Readers) -> Result<Vec<(WebhookName, DeliveryState)>, StoreError> {
    readers
        .query(DELIVERIES, &[])
        .await?
        .iter()
        .map(named_delivery)
        .collect()
}

/// The state in a row of [`DELIVERIES`], with its name.
pub(crate) fn named_delivery(row: &Row) -> Result<(WebhookName, DeliveryState), StoreError> {
    let unreadable = |_| StoreError::Inconsistent("the name of a webhook cannot be read".into());
    let name = row.try_get::<_, &str>(0)?.parse().map_err(unreadable)?;
    Ok((name, delivery(row.try_get(1)?)?))
}

pub(crate) async fn summary(readers: &Readers, run: &RunId) -> Result<Option<JobSummary>, StoreError> {
    let rows = readers.query(RUN, &[&run.as_str()]).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut summary = JobSummary::new(run.clone());
    for row in &rows {
        summary.add(&*record(row)?);
    }
    Ok(Some(summary))
}

/// All duties that were ever taken, in the order of their names. One that a newer program does, and this one does not
/// know, is left out.
pub(crate) async fn leases(readers: &Readers) -> Result<Vec<Lease>, StoreError> {
    const LEASES: &str = "SELECT duty, epoch, holder,
        coalesce(greatest(0, extract(epoch FROM until - clock_timestamp()) * 1000000), 0)::bigint FROM lease ORDER BY duty";
    let mut leases = Vec::new();
    for row in readers.query(LEASES, &[]).await? {
        let (duty, holder): (&str, &str) = (row.try_get(0)?, row.try_get(2)?);
        let Ok(duty) = duty.parse() else { continue };
        let left: i64 = row.try_get(3)?;
        leases.push(Lease {
            fence: Fence {
                duty,
                epoch: epoch_of(row.try_get(1)?)?,
            },
            holder: holder
                .parse()
                .map_err(|_| StoreError::Inconsistent("a duty is held by nobody readable".into()))?,
            left: Duration::from_micros(left.unsigned_abs()),
        });
    }
    Ok(leases)
}
