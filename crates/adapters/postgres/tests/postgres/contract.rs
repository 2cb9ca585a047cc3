//! The store keeps the contract of every store.

use std::sync::Arc;

use runledger_contract::{AfterDoubt, Handles, OpenStore, Support, Writers};
use runledger_postgres::PostgresStore;

use crate::bed::{Database, options, server};
use crate::proxy::{Mode, Proxy};

struct OnServer {
    database: Database,
    proxy: Proxy,
    store: Option<Arc<PostgresStore>>,
}

impl OnServer {
    async fn open(&mut self) {
        self.proxy.set(Mode::Through);
        let url = self.proxy.url(&self.database.url());
        let store = PostgresStore::open(options(&url)).await.unwrap();
        self.store = Some(Arc::new(store));
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
        self.open().await;
        Support::Done
    }

    async fn crash(&mut self) -> Support {
        // The process goes without a word; what it answered is in the database or nowhere.
        drop(self.store.take());
        self.open().await;
        Support::Done
    }

    async fn doubt(&mut self) -> Support {
        self.proxy.set(Mode::LoseAnswerThenAway);
        Support::Done
    }

    fn writers(&self) -> Writers {
        Writers::Several
    }

    fn after_doubt(&self) -> AfterDoubt {
        AfterDoubt::GoesOn
    }

    async fn recover(&mut self) -> Support {
        self.proxy.set(Mode::Through);
        Support::Done
    }

    async fn stop(&mut self) -> Support {
        self.store.as_ref().expect("it is open").close().await;
        Support::Done
    }
}

async fn fresh() -> OnServer {
    let mut fresh = OnServer {
        database: Database::fresh().await,
        proxy: Proxy::start(server().port()).await,
        store: None,
    };
    fresh.open().await;
    fresh
}

runledger_contract::store_contract_tests!(fresh, histories = 32);
