//! The connection of duties: made when it is needed, and given up as soon as anything about it is in doubt. What a write of
//! the outbox on a lost connection did is settled on the next one, before anything else is done.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use runledger_domain::Source;
use runledger_ports::{Duty, Fence, FencedError, Taken, Unavailable};
use tokio::time::Instant;
use tokio_postgres::{Row, Statement};

use super::{DutyCall, DutyDone, OutboxWrite, epoch_of};
use crate::columns::big;
use crate::connect::{Connection, Connector, Session};
use crate::error::{Fate, GONE, StoreError, fate, passes};
use crate::pool::Values;
use crate::schema;

const TAKE: &str = "SELECT taken, holder, remaining FROM ledger_take_lease_v1($1, $2, $3)";
const KEEP: &str = "SELECT ledger_keep_lease_v1($1, $2, $3)";
const END: &str = "SELECT ledger_end_lease_v1($1, $2)";
const LAST_WRITE: &str = "SELECT call FROM lease WHERE duty = 'project' AND epoch = $1 AND until IS NOT NULL";
const SETTLE: &str = "SELECT ledger_settle_outbox_v1($1, $2)";

/// How long to wait before what failed is tried again.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest time for which a duty is given.
const TIME_MAX: Duration = Duration::from_hours(24 * 365 * 30);

/// The connection, and how the writes of the outbox are numbered.
pub(super) struct DutySession {
    connector: Connector,
    /// How long one step may take before the connection counts as lost.
    step: Duration,
    open: Option<Open>,
    /// The taking that writes, and the number of its last write.
    last: Option<(NonZeroU64, i64)>,
    /// The write of which nobody knows whether it was done.
    owed: Option<(NonZeroU64, i64)>,
    unsettled: Arc<AtomicBool>,
    closed: bool,
}

struct Open {
    connection: Connection,
    statements: HashMap<&'static str, Statement>,
}

/// Why there is no answer.
enum Failure {
    /// It was not done, and to try again is of no use, unless the database says that it passes.
    NotDone { reason: String, code: String },
    /// Nobody knows whether it was done. The connection is given up.
    Unknown(StoreError),
}

impl From<StoreError> for Failure {
    /// Of what fails before anything is sent nothing is done, and it may work on another connection.
    fn from(error: StoreError) -> Self {
        Self::Unknown(error)
    }
}

/// What became of a write that was owed.
enum Settled {
    Done,
    NotDone,
    /// Somebody else has the duty by now.
    NobodyKnows,
}

impl DutySession {
    pub(super) const fn new(connector: Connector, step: Duration, unsettled: Arc<AtomicBool>) -> Self {
        Self {
            connector,
            step,
            open: None,
            last: None,
            owed: None,
            unsettled,
            closed: false,
        }
    }

    pub(super) fn close(&mut self) {
        self.open = None;
        self.closed = true;
    }

    /// Does what is asked, again until it has an answer or the time is up.
    pub(super) async fn call(&mut self, call: DutyCall, until: Instant) -> DutyDone {
        loop {
            if self.closed {
                return Err(unavailable(StoreError::Closed));
            }
            let reason = match self.attempt(&call).await {
                Ok(done) => return done,
                Err(Failure::NotDone { reason, code }) if !passes(&code) => {
                    return Err(unavailable(StoreError::Database(reason)));
                }
                Err(Failure::NotDone { reason, code }) => {
                    if matches!(&*code, "25006" | GONE) {
                        // Another host may be the primary by now; or the next connection says what the schema is.
                        self.open = None;
                    }
                    self.last = None;
                    StoreError::Database(reason)
                }
                Err(Failure::Unknown(error)) => {
                    self.open = None;
                    error
                }
            };
            if Instant::now() + PAUSE >= until {
                return Err(unavailable(reason));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn attempt(&mut self, call: &DutyCall) -> Result<DutyDone, Failure> {
        self.settle().await?;
        match call {
            DutyCall::Take { duty, holder, time } => self.take(duty, holder, *time).await,
            DutyCall::Keep { fence, time } => {
                let (duty, epoch, time) = (fence.duty.to_string(), big(fence.epoch.get()), micros(*time));
                let row = self.row(KEEP, &[&duty, &epoch, &time]).await?;
                let kept: bool = read(&row, 0)?;
                Ok(if kept { Ok(None) } else { Err(lost(fence)) })
            }
            DutyCall::End(fence) => {
                let (duty, epoch) = (fence.duty.to_string(), big(fence.epoch.get()));
                self.row(END, &[&duty, &epoch]).await?;
                Ok(Ok(None))
            }
            DutyCall::Project(fence, write) => self.project(fence, write).await,
            DutyCall::Settle => Ok(Ok(None)),
        }
    }

    /// A taking of which nobody knows whether it was done is asked for again: then it is somebody's, and its time ends it.
    async fn take(&mut self, duty: &Duty, holder: &Source, time: Duration) -> Result<DutyDone, Failure> {
        let (name, time) = (duty.to_string(), micros(time));
        let row = self.row(TAKE, &[&name, &holder.as_str(), &time]).await?;
        let taken: Option<i64> = read(&row, 0)?;
        if let Some(epoch) = taken {
            let fence = Fence {
                duty: duty.clone(),
                epoch: epoch_of(epoch)?,
            };
            return Ok(Ok(Some(Taken::Held(fence))));
        }
        let (holder, left): (String, i64) = (read(&row, 1)?, read(&row, 2)?);
        let unreadable = |_| StoreError::Inconsistent("a duty is held by nobody readable".into());
        Ok(Ok(Some(Taken::Elsewhere {
            holder: holder.parse().map_err(unreadable)?,
            left: Duration::from_micros(left.unsigned_abs()),
        })))
    }

    async fn project(&mut self, fence: &Fence, write: &OutboxWrite) -> Result<DutyDone, Failure> {
        if fence.duty != Duty::Project {
            return Ok(Err(lost(fence)));
        }
        let epoch = big(fence.epoch.get());
        let last = match self.last {
            Some((of, last)) if of == fence.epoch => last,
            _ => match self.rows(LAST_WRITE, &[&epoch]).await?.first() {
                Some(row) => read(row, 0)?,
                None => return Ok(Err(lost(fence))),
            },
        };
        let number = last + 1;
        let (sql, mut values) = write.statement();
        values.splice(0..0, [&epoch as _, &number as _]);
        match self.row(sql, &values).await {
            Ok(row) => {
                self.last = Some((fence.epoch, number));
                let is_held: bool = read(&row, 0)?;
                Ok(if is_held { Ok(None) } else { Err(lost(fence)) })
            }
            Err(Failure::Unknown(error)) => {
                self.owe(fence.epoch, number);
                self.open = None;
                self.resolve(error).await
            }
            Err(not_done) => Err(not_done),
        }
    }

    /// Finds out what became of the write that was just lost.
    async fn resolve(&mut self, error: StoreError) -> Result<DutyDone, Failure> {
        match self.settle().await? {
            Some(Settled::Done) | None => Ok(Ok(None)),
            // It is tried again.
            Some(Settled::NotDone) => Err(Failure::Unknown(error)),
            Some(Settled::NobodyKnows) => {
                let reason = format!("{error}; the duty was taken since, and it is not known what was written before");
                Ok(Err(unavailable(StoreError::Database(reason))))
            }
        }
    }

    fn owe(&mut self, epoch: NonZeroU64, number: i64) {
        self.owed = Some((epoch, number));
        self.unsettled.store(true, Ordering::SeqCst);
    }

    /// Asks what the owed write did; while this fails, it is owed.
    async fn settle(&mut self) -> Result<Option<Settled>, Failure> {
        let Some((epoch, number)) = self.owed else {
            return Ok(None);
        };
        let row = self.row(SETTLE, &[&big(epoch.get()), &number]).await?;
        let code: i32 = read(&row, 0)?;
        self.owed = None;
        self.last = None;
        self.unsettled.store(false, Ordering::SeqCst);
        tracing::info!(write = number, code, "what a lost connection left open is settled");
        Ok(Some(match code {
            0 => Settled::Done,
            1 => Settled::NotDone,
            _ => Settled::NobodyKnows,
        }))
    }

    /// The one row that a function gives.
    async fn row(&mut self, sql: &'static str, values: Values<'_>) -> Result<Row, Failure> {
        let row = self.rows(sql, values).await?.pop();
        row.ok_or_else(|| StoreError::Inconsistent("no answer".into()).into())
    }

    async fn rows(&mut self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>, Failure> {
        let step = self.step;
        let statement = tokio::time::timeout(step, self.prepared(sql))
            .await
            .map_err(|_| StoreError::Silent(step))??;
        let Some(open) = &self.open else {
            return Err(StoreError::Closed.into());
        };
        let answer = tokio::time::timeout(step, open.connection.client.query(&statement, values)).await;
        let warned = open.connection.was_warned();
        match answer {
            Err(_) => Err(StoreError::Silent(step).into()),
            Ok(Ok(_)) if warned => {
                let reason = "the database warns that a commit may not be on its standby";
                Err(StoreError::Database(reason.into()).into())
            }
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) if fate(&error) == Fate::NotDone => Err(Failure::NotDone {
                code: error.code().map_or("", |code| code.code()).to_owned(),
                // Who lacks rights is told how to get them: what a newer schema adds has to be granted.
                reason: StoreError::from(error).to_string(),
            }),
            Ok(Err(error)) => Err(StoreError::from(error).into()),
        }
    }

    /// A statement on a connection that works, as far as anybody knows.
    async fn prepared(&mut self, sql: &'static str) -> Result<Statement, StoreError> {
        let lost = |open: &mut Open| open.connection.client.is_closed();
        if self.open.as_mut().is_none_or(lost) {
            let connection = self.connector.connect(Session::Write, self.step).await?;
            schema::check(&connection.client).await?;
            self.open = Some(Open {
                connection,
                statements: HashMap::new(),
            });
        }
        let open = self.open.as_mut().ok_or(StoreError::Closed)?;
        if let Some(statement) = open.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = open.connection.client.prepare(sql).await?;
        open.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

fn lost(fence: &Fence) -> FencedError {
    FencedError::Lost {
        duty: fence.duty.clone(),
    }
}

fn unavailable(error: StoreError) -> FencedError {
    Unavailable::from(error).into()
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.min(TIME_MAX).as_micros()).unwrap_or(i64::MAX)
}

fn read<'r, T: tokio_postgres::types::FromSql<'r>>(row: &'r Row, column: usize) -> Result<T, StoreError> {
    Ok(row.try_get(column)?)
}
