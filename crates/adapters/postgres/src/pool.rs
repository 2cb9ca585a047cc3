//! Connections for reading. They are set to read only; nothing that is found through them decides a write.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use deadpool_postgres::{Connect, Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Row};

use crate::connect::{Connector, Session, settings};
use crate::error::{OpenError, StoreError, text_of};
use crate::options::PostgresOptions;

/// The connections that read.
#[derive(Clone)]
pub(crate) struct Readers {
    pool: Pool,
    read_time: Duration,
}

/// Values for a statement.
pub(crate) type Values<'v> = &'v [&'v (dyn ToSql + Sync)];

impl Readers {
    pub(crate) fn new(connector: &Connector, options: &PostgresOptions) -> Result<Self, OpenError> {
        let manager = Manager::from_connect(
            connector.config().clone(),
            Reach {
                connector: connector.clone(),
                within: options.read_time,
            },
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        let set_up = settings(Session::Read, options.read_time);
        let hook = Hook::async_fn(move |client, _| {
            let set_up = set_up.clone();
            Box::pin(async move { client.batch_execute(&set_up).await.map_err(HookError::Backend) })
                as Pin<Box<dyn Future<Output = Result<(), HookError>> + Send>>
        });
        let pool = Pool::builder(manager)
            .max_size(options.pool.max(1))
            .wait_timeout(Some(options.read_time))
            .create_timeout(Some(options.read_time))
            .runtime(Runtime::Tokio1)
            .post_create(hook)
            .build()
            .map_err(|error| OpenError::Database {
                reason: error.to_string(),
            })?;
        Ok(Self {
            pool,
            read_time: options.read_time,
        })
    }

    /// The rows that a statement finds. A connection that turns out to be lost is replaced, once.
    pub(crate) async fn query(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, StoreError> {
        match self.try_query(sql, values).await {
            Err(Tried::Lost) => {}
            Err(Tried::Failed(error)) => return Err(error),
            Ok(rows) => return Ok(rows),
        }
        self.try_query(sql, values).await.map_err(|tried| match tried {
            Tried::Lost => StoreError::Database("the connection was lost".into()),
            Tried::Failed(error) => error,
        })
    }

    async fn try_query(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Tried> {
        let client = self.pool.get().await.map_err(|error| Tried::Failed(no_client(error)))?;
        let reading = async {
            let statement = client.prepare_cached(sql).await?;
            client.query(&statement, values).await
        };
        match tokio::time::timeout(self.read_time, reading).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) if error.as_db_error().is_none() => {
                drop(Object::take(client));
                Err(Tried::Lost)
            }
            Ok(Err(error)) => {
                // A standby says so to every reader; the primary may be another host by now.
                let error = StoreError::from(error);
                drop(Object::take(client));
                Err(Tried::Failed(error))
            }
            Err(_) => {
                drop(Object::take(client));
                Err(Tried::Failed(StoreError::Silent(self.read_time)))
            }
        }
    }

    pub(crate) fn close(&self) {
        self.pool.close();
    }
}

/// Makes connections the way the writer makes its own.
struct Reach {
    connector: Connector,
    within: Duration,
}

impl Connect for Reach {
    fn connect(&self, _: &Config) -> Pin<Box<dyn Future<Output = Result<Driven, tokio_postgres::Error>> + Send + '_>> {
        Box::pin(async move {
            let (client, connection) = self.connector.reach(self.within).await?;
            let driving = tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::warn!(reason = text_of(&error), "a connection that reads is lost");
                }
            });
            Ok((client, driving))
        })
    }
}

/// A connection, and the task that drives it.
type Driven = (Client, JoinHandle<()>);

/// Why a read has no rows.
enum Tried {
    Lost,
    Failed(StoreError),
}

fn no_client(error: deadpool_postgres::PoolError) -> StoreError {
    use deadpool_postgres::PoolError;
    match error {
        PoolError::Closed => StoreError::Closed,
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => error.into(),
        error => StoreError::Database(error.to_string()),
    }
}
