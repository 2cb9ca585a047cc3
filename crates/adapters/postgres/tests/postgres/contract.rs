//! The store keeps the contract of every store.

use std::sync::Arc;

use runledger_contract::{Handles, OpenStore, Support};
use runledger_postgres::PostgresStore;

use crate::bed::{Database, options};

struct OnServer {
    database: Database,
    store: Option<Arc<PostgresStore>>,
}

impl OnServer {
    async fn open(database: Database) -> Self {
        let store = PostgresStore::open(options(&database.url())).await.unwrap();
        Self {
            database,
            store: Some(Arc::new(store)),
        }
    }
}

#[async_trait::async_trait]
impl OpenStore for OnServer {
    fn handles(&self) -> Handles {
        Handles::of(self.store.as_ref().expect("it is open"))
    }

    async fn reopen(&mut self) -> Support {
        let store = self.store.take().expect("it is open");
        store.close().await;
        drop(store);
        let store = PostgresStore::open(options(&self.database.url())).await.unwrap();
        self.store = Some(Arc::new(store));
        Support::Done
    }

    async fn crash(&mut self) -> Support {
        // The server process goes without a word; what it answered is in the database or nowhere.
        drop(self.store.take());
        let store = PostgresStore::open(options(&self.database.url())).await.unwrap();
        self.store = Some(Arc::new(store));
        Support::Done
    }

    async fn doubt(&mut self) -> Support {
        Support::Missing
    }

    async fn stop(&mut self) -> Support {
        self.store.as_ref().expect("it is open").close().await;
        Support::Done
    }
}

async fn fresh() -> OnServer {
    OnServer::open(Database::fresh().await).await
}

runledger_contract::store_contract_tests!(fresh, histories = 32);
