//! Taking over what another store holds: on a connection of its own, in one transaction for each part. It goes by the same
//! write statement as everything else, which numbers and chains; so the same lines come to the same hashes, or nothing is
//! committed.

use std::time::Duration;

use runledger_domain::access::TokenId;
use runledger_domain::{ChainHead, RunKey, RunRecord};
use runledger_ports::{RestoreError, Restored, Unavailable};
use tokio::sync::Mutex;
use tokio_postgres::{Client, Statement};

use crate::call::{Call, WRITE, WRITE_DELIVERIES};
use crate::columns::{big, encode_token, key_columns};
use crate::connect::{Connection, Connector, Session};
use crate::draft::{add_line, add_record, weight};
use crate::error::{Fate, StoreError, fate, text_of};
use crate::evidence::{Evidence, READ, Seen, Wanted};
use crate::read::{HEAD, UNTIL, head_in, until_in};
use crate::schema;

/// The shortest time that a part is given: it may be large, and nobody waits for it.
const STEP_MIN: Duration = Duration::from_mins(1);
/// Ends the duty of whoever writes the outbox, and then that itself: in the order in which all others come to these rows.
/// The roles of servers may do this; to delete its row they may not.
const END_OUTBOX: &str = "DO $$ BEGIN
      IF EXISTS (SELECT FROM outbox WHERE target <> '') THEN
        UPDATE lease SET until = NULL WHERE duty = 'project';
        TRUNCATE outbox_entry;
        UPDATE outbox SET target = '';
      END IF;
    END $$";
const SET_UNTIL: &str = "UPDATE head SET until = $1";
/// The one group of a part: it is written as a whole.
const GROUP: i32 = 0;

/// Takes over parts, one after the other.
pub(crate) struct Restorer {
    connector: Connector,
    step: Duration,
    open: Mutex<Option<Open>>,
}

/// A connection that takes over, with its own number among those who write.
struct Open {
    connection: Connection,
    write: Statement,
    write_deliveries: Statement,
    read: Statement,
    server: i64,
    calls: i64,
}

/// Why a part was not taken over, and whether the connection is of further use.
enum Failed {
    /// Nothing was written, for this reason.
    Refused(RestoreError),
    /// Nothing was written, and the connection is given up.
    Lost(StoreError),
    /// Nobody knows.
    InDoubt(String),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Lost(error)
    }
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Lost(error.into())
    }
}

impl Restorer {
    pub(crate) fn new(connector: Connector, write_time: Duration) -> Self {
        Self {
            connector,
            step: write_time.max(STEP_MIN),
            open: Mutex::new(None),
        }
    }

    /// Takes over one part.
    pub(crate) async fn restore(&self, part: &Restored) -> Result<(), RestoreError> {
        let mut place = self.open.lock().await;
        let mut open = match place.take() {
            Some(open) if !open.connection.client.is_closed() => open,
            _ => self.connect().await.map_err(Unavailable::from)?,
        };
        let taking = open.take_over(part);
        let taken = tokio::time::timeout(self.step, taking).await;
        match taken {
            Ok(Ok(())) => {
                *place = Some(open);
                Ok(())
            }
            Ok(Err(Failed::Refused(error))) => {
                if open.connection.client.batch_execute("ROLLBACK").await.is_ok() {
                    *place = Some(open);
                }
                Err(error)
            }
            // A connection that is dropped takes its transaction back.
            Ok(Err(Failed::Lost(error))) => Err(Unavailable::from(error).into()),
            Ok(Err(Failed::InDoubt(reason))) => Err(RestoreError::Indeterminate { reason }),
            Err(_) => {
                let reason = StoreError::Silent(self.step).to_string();
                Err(RestoreError::Indeterminate { reason })
            }
        }
    }

    /// Gives the connection up.
    pub(crate) async fn close(&self) {
        *self.open.lock().await = None;
    }

    async fn connect(&self) -> Result<Open, StoreError> {
        let connection = self.connector.connect(Session::Write, self.step).await?;
        let client = &connection.client;
        schema::check(client).await?;
        let write = client.prepare(WRITE).await?;
        let write_deliveries = client.prepare(WRITE_DELIVERIES).await?;
        let read = client.prepare(READ).await?;
        let row = client
            .query_one("INSERT INTO opening DEFAULT VALUES RETURNING id", &[])
            .await?;
        let server = row.try_get(0)?;
        Ok(Open {
            connection,
            write,
            write_deliveries,
            read,
            server,
            calls: 0,
        })
    }
}

impl Open {
    async fn take_over(&mut self, part: &Restored) -> Result<(), Failed> {
        let client = &self.connection.client;
        client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        // Whoever holds this row is alone with the log (see `ledger_write_v1`).
        let head = head_of(client, &format!("{HEAD} FOR UPDATE")).await?;
        if head != part.segment.from() {
            return Err(Failed::Refused(RestoreError::Elsewhere { head }));
        }
        let evidence = Evidence::read(client, &self.read, wanted(part)).await?;
        check(part, &evidence).map_err(Failed::Refused)?;
        let call = call(part, &evidence)?;
        let stood = until_in(&client.query_one(UNTIL, &[]).await?)?;
        if stood.is_some() {
            // Nobody sees this: the row is held until the commit.
            client.execute(SET_UNTIL, &[&None::<i64>]).await?;
        }
        if !call.is_empty() {
            self.calls += 1;
            // Nothing that is taken over goes with a duty.
            let write = if part.deliveries.is_empty() {
                &self.write
            } else {
                &self.write_deliveries
            };
            let done = call.send(client, write, self.server, self.calls).await?;
            let head = head_of(client, HEAD).await?;
            if !done.stale.is_empty() || head != part.segment.to() {
                let what = format!("line {} would not be what it was", head.seq);
                return Err(Failed::Lost(StoreError::Inconsistent(what)));
            }
        }
        if !part.segment.lines().is_empty() {
            client.batch_execute(END_OUTBOX).await?;
        }
        if let Some(until) = part.unfinished_after(stood) {
            client.execute(SET_UNTIL, &[&big(until)]).await?;
        }
        match client.batch_execute("COMMIT").await {
            Ok(()) if !self.connection.was_warned() => Ok(()),
            Ok(()) => Err(Failed::InDoubt(
                "the database warns that a commit may not be on its standby".into(),
            )),
            Err(error) if fate(&error) == Fate::NotDone => Err(error.into()),
            Err(error) => Err(Failed::InDoubt(text_of(&error))),
        }
    }
}

async fn head_of(client: &Client, sql: &str) -> Result<ChainHead, StoreError> {
    head_in(&client.query_one(sql, &[]).await?)
}

/// What has to be read: every record that the part speaks of, and what it brings besides.
fn wanted(part: &Restored) -> Wanted {
    let segment = &part.segment;
    let given = segment.created().iter().chain(segment.changed()).map(RunRecord::key);
    Wanted {
        records: given.chain(segment.known().keys()).cloned().collect(),
        tokens: part.tokens.iter().map(|token| token.id().clone()).collect(),
        deliveries: part.deliveries.iter().map(|(name, _)| name.clone()).collect(),
        ..Wanted::default()
    }
}

/// What stands against the part.
fn check(part: &Restored, evidence: &Evidence) -> Result<(), RestoreError> {
    let segment = &part.segment;
    if let Some(taken) = segment
        .created()
        .iter()
        .find(|record| held(evidence, record.key()).is_some())
    {
        let key = taken.key().clone();
        return Err(RestoreError::Taken { key });
    }
    let changed = segment.changed().iter().map(|record| (record.key(), 1));
    let known = segment.known().iter().map(|(key, version)| (key, *version));
    let behind = changed.chain(known).find(|(key, version)| {
        let held = held(evidence, key).map(|seen| seen.record.version());
        held.is_none_or(|held| held < *version)
    });
    match behind {
        Some((key, _)) => Err(RestoreError::Behind { key: key.clone() }),
        None => Ok(()),
    }
}

fn held<'e>(evidence: &'e Evidence, key: &RunKey) -> Option<&'e Seen> {
    evidence.records.get(key).and_then(Option::as_ref)
}

/// The columns of the write statement.
fn call(part: &Restored, evidence: &Evidence) -> Result<Call, StoreError> {
    let mut call = Call::default();
    let segment = &part.segment;
    for record in segment.created() {
        add_load(&mut call, None, record);
        add_record(&mut call, GROUP, None, record.clone().into(), None)?;
    }
    for record in segment.changed() {
        let Some(seen) = held(evidence, record.key()) else {
            continue;
        };
        if seen.record.version() < record.version() {
            add_load(&mut call, Some(&seen.record), record);
            add_record(&mut call, GROUP, Some(seen.clone()), record.clone().into(), None)?;
        }
    }
    for line in segment.lines() {
        add_line(&mut call.lines, GROUP, line.line.clone());
    }
    for token in &part.tokens {
        let is_new = |id: &TokenId| evidence.tokens.get(id).is_none_or(Option::is_none);
        call.tokens.group.push(GROUP);
        call.tokens.new.push(is_new(token.id()));
        call.tokens.id.push(token.id().as_str().to_owned());
        call.tokens.body.push(encode_token(token)?);
    }
    for (name, state) in &part.deliveries {
        let version = evidence.deliveries.get(name).and_then(Option::as_ref);
        call.deliveries
            .push(GROUP, name, version.map_or(0, |seen| seen.version), state.clone());
    }
    Ok(call)
}

/// What a record adds to its client's load.
fn add_load(call: &mut Call, before: Option<&RunRecord>, now: &RunRecord) {
    let (was, is) = (before.map_or((0, 0), weight), weight(now));
    let (_, client) = key_columns(now.key());
    if client.is_empty() || was == is {
        return;
    }
    call.loads.group.push(GROUP);
    call.loads.client.push(client.to_owned());
    call.loads.records.push(is.0 - was.0);
    call.loads.notes.push(is.1 - was.1);
}
