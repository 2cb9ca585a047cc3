//! The writer's connection: made when it is needed, and given up as soon as anything about it is in doubt. What a call on
//! a lost connection did is settled on the next one, before anything else is written.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use runledger_ports::Unavailable;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use super::Shared;
use crate::call::{Call, Done, SETTLE, WRITE, WRITE_DELIVERIES, WRITE_FENCED, WrittenBy};
use crate::connect::{Connection, Connector, Session};
use crate::error::{Fate, StoreError, fate, text_of};
use crate::evidence::{Evidence, READ, Wanted};
use crate::schema;

/// The connection, what is prepared on it, and how this server numbers its calls.
pub(super) struct Sessions {
    connector: Connector,
    /// How long one step may take before the connection counts as lost.
    step: Duration,
    open: Option<Open>,
    /// The number of this opening of the store; `None` while there is none.
    server: Option<i64>,
    last_call: i64,
    /// The call of which nobody knows what it did.
    owed: Option<i64>,
    /// What went wrong last.
    trouble: Option<String>,
    shared: Arc<Shared>,
}

struct Open {
    connection: Connection,
    write: Statement,
    write_deliveries: Statement,
    write_fenced: Statement,
    read: Statement,
    settle: Statement,
}

/// What came of sending a call.
pub(super) enum Sent {
    /// It was committed.
    Done(Done),
    /// It was rolled back, with this error and its code.
    RolledBack(String, String),
    /// Nobody knows: it is owed until [`Sessions::settle`] says.
    Unknown,
}

impl Sessions {
    pub(super) const fn new(connector: Connector, step: Duration, shared: Arc<Shared>) -> Self {
        Self {
            connector,
            step,
            open: None,
            server: None,
            last_call: 0,
            owed: None,
            trouble: None,
            shared,
        }
    }

    /// Whether a call is to be settled.
    pub(super) const fn owes(&self) -> bool {
        self.owed.is_some()
    }

    /// Why nothing can be written.
    pub(super) fn trouble(&self) -> Unavailable {
        match &self.trouble {
            Some(reason) => Unavailable::Failed { reason: reason.clone() },
            None => Unavailable::Busy,
        }
    }

    /// Notes what went wrong, and gives the connection up.
    pub(super) fn lose(&mut self, reason: String) {
        tracing::warn!(reason, "the connection that writes is given up");
        self.open = None;
        self.trouble = Some(reason);
    }

    /// Forgets the number of this opening: another one is taken before the next call.
    pub(super) fn forget_server(&mut self) {
        self.server = None;
    }

    /// Connects, if there is no connection, and settles what is owed, whose answer nobody waits for any more.
    pub(super) async fn ready(&mut self) -> Result<(), StoreError> {
        let ready = match self.connect().await {
            Ok(()) if self.owed.is_some() => self.settle().await.map(|_| ()),
            connected => connected,
        };
        match &ready {
            Ok(()) => self.trouble = None,
            Err(error) => self.lose(error.to_string()),
        }
        ready
    }

    /// Reads what supports a call.
    pub(super) async fn read(&self, wanted: Wanted) -> Result<Evidence, StoreError> {
        if wanted.is_empty() {
            return Ok(Evidence::default());
        }
        let open = self.opened()?;
        let read = Evidence::read(&open.connection.client, &open.read, wanted);
        let evidence = tokio::time::timeout(self.step, read).await;
        evidence.map_err(|_| StoreError::Silent(self.step))?
    }

    /// Sends a call, as the next of this server.
    pub(super) async fn send(&mut self, call: &Call) -> Result<Sent, StoreError> {
        let server = self.server.ok_or(StoreError::Closed)?;
        self.last_call += 1;
        let number = self.last_call;
        let open = self.opened()?;
        let write = match call.written_by() {
            WrittenBy::Plain => &open.write,
            WrittenBy::Deliveries => &open.write_deliveries,
            WrittenBy::Fenced => &open.write_fenced,
        };
        let sending = call.send(&open.connection.client, write, server, number);
        let Ok(sent) = tokio::time::timeout(self.step, sending).await else {
            self.owe(number, StoreError::Silent(self.step).to_string());
            return Ok(Sent::Unknown);
        };
        let warned = open.connection.was_warned();
        Ok(match sent {
            Ok(done) if !warned => Sent::Done(done),
            Ok(_) => {
                let reason = "the database warns that a commit may not be on its standby";
                self.owe(number, reason.into());
                Sent::Unknown
            }
            Err(error) if fate(&error) == Fate::NotDone => {
                let code = error.code().map_or("", |code| code.code()).to_owned();
                Sent::RolledBack(text_of(&error), code)
            }
            Err(error) => {
                self.owe(number, text_of(&error));
                Sent::Unknown
            }
        })
    }

    /// Asks what the owed call did, on a connection that is made for it if need be; `None` when it was not done, and now
    /// never will be. While this fails, it is owed.
    pub(super) async fn settle(&mut self) -> Result<Option<Done>, StoreError> {
        let Some(number) = self.owed else { return Ok(None) };
        self.connect().await?;
        let server = self.server.unwrap_or(0);
        let open = self.opened()?;
        let values: [&(dyn ToSql + Sync); 2] = [&server, &number];
        let asking = open.connection.client.query(&open.settle, &values);
        let rows = tokio::time::timeout(self.step, asking)
            .await
            .map_err(|_| StoreError::Silent(self.step))??;
        if open.connection.was_warned() {
            let reason = "a commit may not be on its standby, and what the database says now may not be either";
            return Err(StoreError::Database(reason.into()));
        }
        let row = rows
            .first()
            .ok_or_else(|| StoreError::Inconsistent("no answer".into()))?;
        let (known, done): (bool, bool) = (row.try_get(3)?, row.try_get(4)?);
        self.owed = None;
        self.shared.unsettled.store(false, Ordering::SeqCst);
        if !known {
            // Another database, in which this opening does not exist: nothing of it can be done there any more.
            self.forget_server();
        }
        tracing::info!(call = number, done, "what a lost connection left open is settled");
        Ok(if done { Some(Done::read(row)?) } else { None })
    }

    fn owe(&mut self, number: i64, reason: String) {
        self.owed = Some(number);
        self.shared.unsettled.store(true, Ordering::SeqCst);
        self.lose(reason);
    }

    fn opened(&self) -> Result<&Open, StoreError> {
        self.open
            .as_ref()
            .ok_or_else(|| StoreError::Database(self.trouble.clone().unwrap_or_default()))
    }

    async fn connect(&mut self) -> Result<(), StoreError> {
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.connection.client.is_closed())
        {
            self.open = None;
        }
        if self.open.is_some() && self.server.is_some() {
            return Ok(());
        }
        let step = self.step;
        tokio::time::timeout(step, self.connect_in_time())
            .await
            .map_err(|_| StoreError::Silent(step))?
    }

    async fn connect_in_time(&mut self) -> Result<(), StoreError> {
        if self.open.is_none() {
            let connection = self.connector.connect(Session::Write, self.step).await?;
            schema::check(&connection.client).await?;
            let write = connection.client.prepare(WRITE).await?;
            let write_deliveries = connection.client.prepare(WRITE_DELIVERIES).await?;
            let write_fenced = connection.client.prepare(WRITE_FENCED).await?;
            let read = connection.client.prepare(READ).await?;
            let settle = connection.client.prepare(SETTLE).await?;
            self.open = Some(Open {
                connection,
                write,
                write_deliveries,
                write_fenced,
                read,
                settle,
            });
        }
        if self.server.is_none() && self.owed.is_none() {
            let client = &self.opened()?.connection.client;
            let rows = client
                .query("INSERT INTO opening DEFAULT VALUES RETURNING id", &[])
                .await?;
            let row = rows
                .first()
                .ok_or_else(|| StoreError::Inconsistent("no answer".into()))?;
            self.server = Some(row.try_get(0)?);
            self.last_call = 0;
        }
        Ok(())
    }
}
