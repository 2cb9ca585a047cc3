//! The embedded store keeps the contract of every store.

use std::sync::Arc;

use runledger_contract::{Handles, OpenStore, Support};
use runledger_embedded::{EmbeddedOptions, EmbeddedStore};
use tempfile::TempDir;

struct OnDisk {
    directory: TempDir,
    store: Option<Arc<EmbeddedStore>>,
}

impl OnDisk {
    fn open(directory: TempDir) -> Self {
        let store = EmbeddedStore::open(directory.path(), EmbeddedOptions::default()).unwrap();
        Self {
            directory,
            store: Some(Arc::new(store)),
        }
    }
}

#[async_trait::async_trait]
impl OpenStore for OnDisk {
    fn handles(&self) -> Handles {
        Handles::of(self.store.as_ref().expect("it is open"))
    }

    async fn reopen(&mut self) -> Support {
        let store = self.store.take().expect("it is open");
        store.close();
        drop(store);
        self.store = Some(Arc::new(
            EmbeddedStore::open(self.directory.path(), EmbeddedOptions::default()).unwrap(),
        ));
        Support::Done
    }

    async fn stop(&mut self) -> Support {
        self.store.as_ref().expect("it is open").close();
        Support::Done
    }
}

async fn fresh() -> OnDisk {
    OnDisk::open(tempfile::tempdir().unwrap())
}

runledger_contract::store_contract_tests!(fresh);
