//! The ledger as it stood at one moment: a connection of its own that stays in one transaction of reading. Nobody who
//! writes waits for it; for as long as it lives, the database keeps what was changed since.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use runledger_domain::access::TokenRecord;
use runledger_domain::{Activity, ChainHead, RunKey, RunRecord};
use runledger_ports::{DeliveryState, LedgerSnapshot, Unavailable, WebhookName};
use tokio_postgres::Row;

use crate::columns::{ACTIVITY, activity, big, decode, key_columns};
use crate::connect::{Connection, Connector, Session};
use crate::error::StoreError;
use crate::pool::Values;
use crate::{read, schema};

const RECORDS: &str =
    "SELECT k.place, r.id, r.body FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k(run_id, client_id, place)
  JOIN run r ON r.run_id = k.run_id AND r.client_id = k.client_id";
const RECORDS_BY_KEY: &str =
    "SELECT id, body FROM run WHERE (run_id, client_id) > ($1, $2) ORDER BY run_id, client_id LIMIT $3";

/// A connection in a transaction of reading.
pub(crate) struct Snapshot {
    connection: Connection,
    head: ChainHead,
    read_time: Duration,
}

impl Snapshot {
    pub(crate) async fn open(connector: &Connector, read_time: Duration) -> Result<Self, StoreError> {
        let connection = connector.connect(Session::Read, read_time).await?;
        let client = &connection.client;
        schema::check(client).await?;
        // Whoever reads may take long between two reads: the other end may be a disk, or another database.
        client
            .batch_execute(
                "SET idle_in_transaction_session_timeout = 0; SET plan_cache_mode = force_custom_plan;
                 SET enable_hashjoin = off; SET enable_mergejoin = off;
                 BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            )
            .await?;
        // The first read is what fixes the moment.
        let head = read::head_in(&client.query_one(read::HEAD, &[]).await?)?;
        Ok(Self {
            connection,
            head,
            read_time,
        })
    }

    async fn query(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, StoreError> {
        let reading = self.connection.client.query(sql, values);
        match tokio::time::timeout(self.read_time, reading).await {
            Ok(rows) => Ok(rows?),
            Err(_) => Err(StoreError::Silent(self.read_time)),
        }
    }
}

#[async_trait]
impl LedgerSnapshot for Snapshot {
    fn head(&self) -> ChainHead {
        self.head
    }

    async fn lines(&mut self, after: u64, most: u32) -> Result<Vec<Activity>, Unavailable> {
        let sql = format!("SELECT {ACTIVITY} FROM activity WHERE seq > $1 ORDER BY seq LIMIT $2");
        let rows = self.query(&sql, &[&big(after), &i64::from(most)]).await?;
        Ok(rows.iter().map(activity).collect::<Result<_, _>>()?)
    }

    async fn records(&mut self, keys: &[RunKey]) -> Result<Vec<Option<Arc<RunRecord>>>, Unavailable> {
        let (runs, clients): (Vec<_>, Vec<_>) = keys.iter().map(key_columns).unzip();
        let mut records = vec![None; keys.len()];
        for row in self.query(RECORDS, &[&runs, &clients]).await? {
            let unreadable = |_| StoreError::Inconsistent("a read gave what nobody asked for".into());
            let (place, id): (i64, i64) = (
                row.try_get(0).map_err(StoreError::from)?,
                row.try_get(1).map_err(StoreError::from)?,
            );
            let place = usize::try_from(place - 1).map_err(unreadable)?;
            let body = row.try_get(2).map_err(StoreError::from)?;
            if let Some(record) = records.get_mut(place) {
                *record = Some(decode(body, id)?);
            }
        }
        Ok(records)
    }

    async fn records_by_key(&mut self, after: Option<&RunKey>, most: u32) -> Result<Vec<Arc<RunRecord>>, Unavailable> {
        let (run, client) = after.map_or(("", ""), key_columns);
        let rows = self.query(RECORDS_BY_KEY, &[&run, &client, &i64::from(most)]).await?;
        Ok(rows.iter().map(read::record).collect::<Result<_, _>>()?)
    }

    async fn tokens(&mut self) -> Result<Vec<TokenRecord>, Unavailable> {
        let rows = self.query(read::TOKENS, &[]).await?;
        Ok(rows.iter().map(read::token).collect::<Result<_, _>>()?)
    }

    async fn deliveries(&mut self) -> Result<Vec<(WebhookName, DeliveryState)>, Unavailable> {
        let rows = self.query(read::DELIVERIES, &[]).await?;
        Ok(rows.iter().map(read::named_delivery).collect::<Result<_, _>>()?)
    }
}
