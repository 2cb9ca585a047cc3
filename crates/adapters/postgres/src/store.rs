//! The store as the app sees it: the writer for what writes, the pool for what reads.

mod duty;
mod moving;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use runledger_domain::access::{TokenChange, TokenId, TokenRecord};
use runledger_domain::{
    AttemptId, CreationPermit, JobSummary, NewActivity, RunId, RunKey, RunRecord, Source, Timestamp,
};
use runledger_ports::{
    ActivityFilter, ActivityLog, ActivityPage, ActivityWatch, ChangeError, ChangeRequest, Changed, Counts, CreateError,
    CreateOutcome, Cursor, DeliveryState, DeliveryStore, Fence, FencedError, ListFilter, PageSize, RecordPage,
    RunChanger, RunCreator, RunReader, StalledFilter, StoreFigures, StoreMeter, TokenStore, TokenStoreError,
    Unavailable, WebhookName,
};
use tokio::sync::oneshot;

use crate::connect::{Connector, Session};
use crate::draft::{DeliveryOrder, Prepared, TokenOrder};
use crate::duty::Duties;
use crate::error::{OpenError, StoreError};
use crate::follow::Follower;
use crate::operation::{Asked, DeliveryAnswer, NotCreated};
use crate::options::PostgresOptions;
use crate::pool::Readers;
use crate::restore::Restorer;
use crate::writer::{Shared, Writer};
use crate::{listing, notice, read, schema};

/// The store over a PostgreSQL database, beside any number of others.
pub struct PostgresStore {
    writer: Writer,
    readers: Readers,
    shared: Arc<Shared>,
    duties: Duties,
    follower: Follower,
    connector: Connector,
    restorer: Restorer,
    read_time: Duration,
}

impl PostgresStore {
    /// Opens the ledger in the database. It must be there, with the schema that this program knows.
    ///
    /// # Errors
    /// [`OpenError`]: not reached, no ledger in it, or another schema. [`OpenError::may_pass`] says whether it is worth
    /// trying again.
    pub async fn open(options: PostgresOptions) -> Result<Self, OpenError> {
        let connector = Connector::new(&options)?;
        let connection = connector
            .connect(Session::Read, options.write_time / 2)
            .await
            .map_err(as_open_error)?;
        schema::check(&connection.client).await?;
        drop(connection);
        let readers = Readers::new(&connector, &options)?;
        let last_line = read::last_line(&readers).await.map_err(as_open_error)?;
        let shared = Arc::new(Shared::new(last_line));
        if options.notices {
            let (connector, shared) = (connector.clone(), Arc::clone(&shared));
            tokio::spawn(notice::exchange(connector, shared, options.write_time / 2));
        }
        let follower = Follower::new(&shared, options.look_every);
        let duties = Duties::new(connector.clone(), options.write_time);
        let restorer = Restorer::new(connector.clone(), options.write_time);
        let writer = Writer::start(
            connector.clone(),
            Arc::clone(&shared),
            options.queue,
            options.write_time,
        );
        Ok(Self {
            writer,
            readers,
            shared,
            duties,
            follower,
            connector,
            restorer,
            read_time: options.read_time,
        })
    }

    /// Finishes what was accepted and gives the connections up. Whoever still holds the store is answered
    /// [`Unavailable::Stopped`] from then on.
    pub async fn close(&self) {
        self.writer.close().await;
        self.duties.close().await;
        self.restorer.close().await;
        self.shared.closed.send_replace(true);
        self.readers.close();
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), Unavailable> {
        read::last_line(&self.readers).await?;
        Ok(())
    }

    /// What is not found is not there, unless a call has an outcome that nobody knows (I10).
    fn know<T>(&self, found: Option<T>) -> Result<Option<T>, Unavailable> {
        if found.is_none() && self.shared.is_unsettled() {
            let reason = "it is not known yet what the last write did; ask again".to_owned();
            return Err(Unavailable::Failed { reason });
        }
        Ok(found)
    }

    async fn order_token(&self, order: TokenOrder) -> Result<TokenRecord, TokenStoreError> {
        let (reply, answer) = oneshot::channel();
        self.writer.submit(Asked::Token(Box::new(order), reply))?;
        answer.await.unwrap_or_else(|_| Err(gone().into()))
    }

    async fn order_delivery(&self, order: DeliveryOrder) -> DeliveryAnswer {
        let (reply, answer) = oneshot::channel();
        self.writer.submit(Asked::Delivery(Box::new(order), reply))?;
        answer.await.unwrap_or_else(|_| Err(gone().into()))
    }
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

fn as_open_error(error: StoreError) -> OpenError {
    match error {
        StoreError::NotOpen(error) => error,
        error => OpenError::Database {
            reason: error.to_string(),
        },
    }
}

const WRITER_GONE: &str = "the writer ended before it answered";

fn gone() -> Unavailable {
    Unavailable::Failed {
        reason: WRITER_GONE.into(),
    }
}

#[async_trait]
impl RunCreator for PostgresStore {
    async fn create(&self, permits: Vec<CreationPermit>) -> Result<Vec<CreateOutcome>, CreateError> {
        if permits.is_empty() {
            return Ok(Vec::new());
        }
        let intents: Vec<_> = permits.iter().map(|permit| permit.intent().clone()).collect();
        let prepared = permits
            .into_iter()
            .map(Prepared::new)
            .collect::<Result<_, _>>()
            .map_err(Unavailable::from)?;
        let (reply, answer) = oneshot::channel();
        self.writer.submit(Asked::Create(prepared, reply))?;
        match answer.await {
            Ok(Ok(outcomes)) => Ok(outcomes),
            Ok(Err(NotCreated::Unavailable(unavailable))) => Err(unavailable.into()),
            Ok(Err(NotCreated::InDoubt(reason))) => Err(CreateError::Indeterminate { intents, reason }),
            Err(_) => Err(CreateError::Indeterminate {
                intents,
                reason: WRITER_GONE.into(),
            }),
        }
    }
}

#[async_trait]
impl RunChanger for PostgresStore {
    async fn change(&self, request: ChangeRequest) -> Result<Changed, ChangeError> {
        let (reply, answer) = oneshot::channel();
        self.writer.submit(Asked::Change(Box::new(request), reply))?;
        answer.await.unwrap_or_else(|_| {
            Err(ChangeError::Indeterminate {
                reason: WRITER_GONE.into(),
            })
        })
    }
}

#[async_trait]
impl ActivityLog for PostgresStore {
    async fn record(&self, line: NewActivity) -> Result<(), Unavailable> {
        let (reply, answer) = oneshot::channel();
        self.writer.submit(Asked::Line(Box::new(line), reply))?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

#[async_trait]
impl TokenStore for PostgresStore {
    async fn tokens(&self) -> Result<Vec<TokenRecord>, Unavailable> {
        Ok(read::tokens(&self.readers).await?)
    }

    async fn add_token(&self, token: TokenRecord) -> Result<(), TokenStoreError> {
        self.order_token(TokenOrder::Add(token)).await.map(|_| ())
    }

    async fn end_token(
        &self,
        id: &TokenId,
        change: TokenChange,
        by: &Source,
        at: Timestamp,
    ) -> Result<TokenRecord, TokenStoreError> {
        let (id, by) = (id.clone(), by.clone());
        self.order_token(TokenOrder::End { id, change, by, at }).await
    }
}

#[async_trait]
impl DeliveryStore for PostgresStore {
    async fn deliveries(&self) -> Result<Vec<(WebhookName, DeliveryState)>, Unavailable> {
        Ok(read::deliveries(&self.readers).await?)
    }

    async fn keep_delivery(
        &self,
        fence: &Fence,
        name: &WebhookName,
        state: DeliveryState,
    ) -> Result<DeliveryState, FencedError> {
        let (fence, name) = (fence.clone(), name.clone());
        let kept = self.order_delivery(DeliveryOrder::Keep { fence, name, state }).await?;
        kept.ok_or_else(|| gone().into())
    }

    async fn enable_delivery(
        &self,
        name: &WebhookName,
        by: &Source,
        at: Timestamp,
    ) -> Result<Option<DeliveryState>, Unavailable> {
        let (name, by) = (name.clone(), by.clone());
        match self.order_delivery(DeliveryOrder::Enable { name, by, at }).await {
            Ok(stood) => Ok(stood),
            Err(FencedError::Unavailable(why)) => Err(why),
            // It goes with no duty.
            Err(FencedError::Lost { .. }) => Err(gone()),
        }
    }
}

#[async_trait]
impl ActivityWatch for PostgresStore {
    async fn last_line(&self) -> Result<u64, Unavailable> {
        let line = read::last_line(&self.readers).await?;
        self.shared.tell(line);
        Ok(line)
    }

    async fn grown(&self, after: u64) -> Result<u64, Unavailable> {
        self.follower.grown(&self.shared, &self.readers, after).await
    }
}

impl StoreMeter for PostgresStore {
    fn figures(&self) -> StoreFigures {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let (queue, queue_max) = self.writer.queued();
        let meter = &self.shared.meter;
        StoreFigures {
            queue: count(queue),
            queue_max: count(queue_max),
            lines_waiting: 0,
            is_stopped: self.writer.is_stopped(),
            commits_failed: meter.failures(),
            group_size: meter.group_size(),
            commit_micros: meter.commit_micros(),
            bytes_used: None,
            bytes_free: None,
        }
    }
}

#[async_trait]
impl RunReader for PostgresStore {
    async fn get(&self, key: &RunKey) -> Result<Option<Arc<RunRecord>>, Unavailable> {
        let found = read::get(&self.readers, key).await?;
        self.know(found)
    }

    async fn find_minted(&self, source: &Source, attempt: &AttemptId) -> Result<Option<Arc<RunRecord>>, Unavailable> {
        let found = read::find_minted(&self.readers, source, attempt).await?;
        self.know(found)
    }

    async fn list(
        &self,
        filter: &ListFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<RecordPage, Unavailable> {
        Ok(listing::list(&self.readers, filter, after, size).await?)
    }

    async fn stalled(
        &self,
        filter: &StalledFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<RecordPage, Unavailable> {
        Ok(listing::stalled(&self.readers, filter, after, size).await?)
    }

    async fn summary(&self, run: &RunId) -> Result<Option<JobSummary>, Unavailable> {
        let found = read::summary(&self.readers, run).await?;
        self.know(found)
    }

    async fn activity(
        &self,
        filter: &ActivityFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<ActivityPage, Unavailable> {
        Ok(listing::activity_page(&self.readers, filter, after, size).await?)
    }

    async fn counts(&self, stalled_before: Timestamp) -> Result<Counts, Unavailable> {
        Ok(read::counts(&self.readers, stalled_before).await?)
    }
}
