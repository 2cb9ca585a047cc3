//! Reading: a pool of connections that cannot write, apart from the writer's.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runledger_domain::access::TokenRecord;
use runledger_domain::{AttemptId, JobSummary, RunId, RunKey, RunRecord, Source, Timestamp};
use runledger_ports::{Counts, DeliveryState, Fence, Lease, STALLED_COUNTED_MAX, WebhookName};
use rusqlite::{Connection, Row, params};

use crate::columns::{decode, decode_token, key_columns, status_of};
use crate::error::{OpenError, StoreError};
use crate::open::open_reader;
use crate::transaction::epoch_of;

/// The most idle connections that are kept.
const IDLE_MAX: usize = 8;

/// Connections for reading, made when needed.
#[derive(Debug)]
pub(crate) struct Readers {
    directory: PathBuf,
    /// `None` once the store is closed.
    idle: Mutex<Option<Vec<Connection>>>,
}

impl Readers {
    pub(crate) fn open(directory: &Path) -> Result<Self, OpenError> {
        let first = open_reader(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            idle: Mutex::new(Some(vec![first])),
        })
    }

    /// Reads with a connection of the pool.
    pub(crate) fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = match self.idle().as_mut() {
            Some(idle) => idle.pop(),
            None => return Err(StoreError::Closed),
        };
        let connection = match idle {
            Some(connection) => connection,
            None => open_reader(&self.directory).map_err(|error| StoreError::NoReader(Box::new(error)))?,
        };
        let answer = read(&connection);
        if let Some(idle) = self.idle().as_mut()
            && idle.len() < IDLE_MAX
        {
            idle.push(connection);
        }
        answer
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn close(&self) {
        *self.idle() = None;
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The record in the second column of a row.
pub(crate) fn record(row: &rusqlite::Row<'_>) -> Result<Arc<RunRecord>, StoreError> {
    let id: i64 = row.get(0)?;
    let body = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(Arc::new(decode(body, || format!("in row {id}"))?))
}

pub(crate) fn get(connection: &Connection, key: &RunKey) -> Result<Option<Arc<RunRecord>>, StoreError> {
    let (run, client) = key_columns(key);
    let mut statement = connection
        .prepare_cached("SELECT id, body FROM run INDEXED BY run_key WHERE run_id = ?1 AND client_id = ?2")?;
    let mut rows = statement.query([run, client])?;
    rows.next()?.map(record).transpose()
}

pub(crate) fn find_minted(
    connection: &Connection,
    source: &Source,
    attempt: &AttemptId,
) -> Result<Option<Arc<RunRecord>>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT run.id, run.body FROM minted JOIN run ON run.id = minted.run WHERE source = ?1 AND attempt = ?2",
    )?;
    let mut rows = statement.query(params![source.as_str(), attempt.as_str()])?;
    rows.next()?.map(record).transpose()
}

/// One statement, so that all of it is of one moment. It looks at eight rows, the end of the log, and as many stalled
/// records as are counted at most.
pub(crate) fn counts(connection: &Connection, stalled_before: Timestamp) -> Result<Counts, StoreError> {
    const LINES: i64 = -1;
    const STALLED: i64 = -2;
    let mut statement = connection.prepare_cached(
        "SELECT status, records FROM tally WHERE records > 0
         UNION ALL SELECT -1, coalesce(max(seq), 0) FROM activity
         UNION ALL SELECT -2, count(*) FROM (
           SELECT 1 FROM run INDEXED BY run_deadline WHERE status < 2 AND deadline < ?1 LIMIT ?2)",
    )?;
    let most = i64::try_from(STALLED_COUNTED_MAX).unwrap_or(i64::MAX);
    let mut rows = statement.query([stalled_before.as_micros(), most])?;
    let mut counts = Counts::default();
    while let Some(row) = rows.next()? {
        let (what, count): (i64, i64) = (row.get(0)?, row.get(1)?);
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

/// All tokens, in the order of their ids.
pub(crate) fn tokens(connection: &Connection) -> Result<Vec<TokenRecord>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT body FROM token ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut tokens = Vec::new();
    while let Some(row) = rows.next()? {
        let body: String = row.get(0)?;
        tokens.push(decode_token(&body)?);
    }
    Ok(tokens)
}

pub(crate) fn summary(connection: &Connection, run: &RunId) -> Result<Option<JobSummary>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id, body FROM run INDEXED BY run_key WHERE run_id = ?1")?;
    let mut rows = statement.query([run.as_str()])?;
    let mut summary = JobSummary::new(run.clone());
    let mut found = false;
    while let Some(row) = rows.next()? {
        found = true;
        let record = record(row)?;
        summary.add(&record);
    }
    Ok(found.then_some(summary))
}

/// All duties that were ever taken, in the order of their names; for how long they are held yet is not in the file.
pub(crate) fn leases(connection: &Connection) -> Result<Vec<Lease>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT duty, epoch, holder FROM lease ORDER BY duty")?;
    let mut rows = statement.query([])?;
    let mut leases = Vec::new();
    while let Some(row) = rows.next()? {
        let (duty, holder): (String, String) = (row.get(0)?, row.get(2)?);
        let unreadable = || StoreError::Inconsistent(format!("the duty {duty} is held by nobody readable"));
        leases.push(Lease {
            fence: Fence {
                duty: duty.parse().map_err(|_| unreadable())?,
                epoch: epoch_of(row.get(1)?)?,
            },
            holder: holder.parse().map_err(|_| unreadable())?,
            left: Duration::ZERO,
        });
    }
    Ok(leases)
}

/// Up to which line the ledger is being taken over from another store; nothing when it is whole.
pub(crate) fn unfinished(connection: &Connection) -> Result<Option<u64>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE name = 'until'")?;
    let mut rows = statement.query([])?;
    let until: Option<i64> = rows.next()?.map(|row| row.get(0)).transpose()?;
    let unreadable = |_| StoreError::Inconsistent("up to which line the ledger is taken over cannot be read".into());
    until.map(u64::try_from).transpose().map_err(unreadable)
}

const DELIVERY: &str = "name, position, failures, failing_since, disabled_at, last_error";

/// How the deliveries of all webhooks stand, in the order of their names.
pub(crate) fn deliveries(connection: &Connection) -> Result<Vec<(WebhookName, DeliveryState)>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {DELIVERY} FROM delivery ORDER BY name"))?;
    let mut rows = statement.query([])?;
    let mut states = Vec::new();
    while let Some(row) = rows.next()? {
        states.push(delivery_of(row)?);
    }
    Ok(states)
}

/// How the deliveries of one webhook stand.
pub(crate) fn delivery(connection: &Connection, name: &WebhookName) -> Result<Option<DeliveryState>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {DELIVERY} FROM delivery WHERE name = ?1"))?;
    let mut rows = statement.query([name.as_str()])?;
    rows.next()?.map(|row| Ok(delivery_of(row)?.1)).transpose()
}

fn delivery_of(row: &Row<'_>) -> Result<(WebhookName, DeliveryState), StoreError> {
    let name: String = row.get(0)?;
    let contradiction = |what: &str| StoreError::Inconsistent(format!("the delivery {name} has no readable {what}"));
    let number = |column, what| u64::try_from(row.get::<_, i64>(column)?).map_err(|_| contradiction(what));
    let time = |column, what| {
        let micros: Option<i64> = row.get(column)?;
        let time = micros.map(Timestamp::from_micros).transpose();
        time.map_err(|_| contradiction(what))
    };
    let state = DeliveryState {
        position: number(1, "position")?,
        failures: number(2, "number of failures")?,
        failing_since: time(3, "time")?,
        disabled_at: time(4, "time")?,
        last_error: row.get(5)?,
    };
    Ok((name.parse().map_err(|_| contradiction("name"))?, state))
}
