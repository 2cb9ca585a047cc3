//! The reference store under the contract suite.

use std::sync::Arc;

use async_trait::async_trait;
use runledger_contract::{Handles, OpenStore, Support};
use runledger_memory::MemoryStore;

struct InMemory(Arc<MemoryStore>);

#[async_trait]
impl OpenStore for InMemory {
    fn handles(&self) -> Handles {
        Handles::of(&self.0)
    }

    async fn reopen(&mut self) -> Support {
        Support::Missing
    }

    async fn crash(&mut self) -> Support {
        Support::Missing
    }

    async fn doubt(&mut self) -> Support {
        Support::Missing
    }

    async fn stop(&mut self) -> Support {
        Support::Missing
    }
}

async fn fresh() -> InMemory {
    InMemory(Arc::new(MemoryStore::new()))
}

runledger_contract::store_contract_tests!(fresh);
