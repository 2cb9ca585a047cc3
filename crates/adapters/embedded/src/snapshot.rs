//! The ledger as it stood at one moment: a connection of its own that stays in one transaction of reading. Nobody who
//! writes waits for it; the log file of SQLite grows for as long as it lives.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use runledger_domain::access::TokenRecord;
use runledger_domain::{Activity, ChainHead, RunKey, RunRecord};
use runledger_ports::{DeliveryState, LedgerSnapshot, Unavailable, WebhookName};
use rusqlite::{Connection, params};

use crate::columns::{ACTIVITY, activity, key_columns, version_column};
use crate::error::StoreError;
use crate::open::open_reader;
use crate::read;
use crate::store::chain_head;

/// A connection in a transaction of reading.
pub(crate) struct Snapshot {
    head: ChainHead,
    /// `None` only while a task has it.
    connection: Option<Connection>,
}

impl Snapshot {
    pub(crate) fn open(directory: &Path) -> Result<Self, StoreError> {
        let connection = open_reader(directory).map_err(|error| StoreError::NoReader(Box::new(error)))?;
        connection.execute_batch("BEGIN")?;
        // The first read is what fixes the moment.
        let head = chain_head(&connection)?;
        Ok(Self {
            head,
            connection: Some(connection),
        })
    }

    /// Reads apart from the tasks of the caller's runtime.
    async fn read<T: Send + 'static>(
        &mut self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let connection = self.connection.take().ok_or(StoreError::Closed)?;
        let task = tokio::task::spawn_blocking(move || {
            let answer = read(&connection);
            (connection, answer)
        });
        match task.await {
            Ok((connection, answer)) => {
                self.connection = Some(connection);
                Ok(answer?)
            }
            Err(ended) => Err(Unavailable::Failed {
                reason: format!("a read ended early: {ended}"),
            }),
        }
    }
}

#[async_trait]
impl LedgerSnapshot for Snapshot {
    fn head(&self) -> ChainHead {
        self.head
    }

    async fn lines(&mut self, after: u64, most: u32) -> Result<Vec<Activity>, Unavailable> {
        self.read(move |connection| {
            let sql = format!("SELECT {ACTIVITY} FROM activity WHERE seq > ?1 ORDER BY seq LIMIT ?2");
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params![version_column(after)?, most])?;
            let mut lines = Vec::new();
            while let Some(row) = rows.next()? {
                lines.push(activity(row)?);
            }
            Ok(lines)
        })
        .await
    }

    async fn records(&mut self, keys: &[RunKey]) -> Result<Vec<Option<Arc<RunRecord>>>, Unavailable> {
        let keys = keys.to_vec();
        self.read(move |connection| keys.iter().map(|key| read::get(connection, key)).collect())
            .await
    }

    async fn records_by_key(&mut self, after: Option<&RunKey>, most: u32) -> Result<Vec<Arc<RunRecord>>, Unavailable> {
        let (run, client) = after.map_or(("", ""), key_columns);
        let (run, client) = (run.to_owned(), client.to_owned());
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, body FROM run INDEXED BY run_key WHERE (run_id, client_id) > (?1, ?2)
                 ORDER BY run_id, client_id LIMIT ?3",
            )?;
            let mut rows = statement.query(params![run, client, most])?;
            let mut records = Vec::new();
            while let Some(row) = rows.next()? {
                records.push(read::record(row)?);
            }
            Ok(records)
        })
        .await
    }

    async fn tokens(&mut self) -> Result<Vec<TokenRecord>, Unavailable> {
        self.read(read::tokens).await
    }

    async fn deliveries(&mut self) -> Result<Vec<(WebhookName, DeliveryState)>, Unavailable> {
        self.read(read::deliveries).await
    }
}
