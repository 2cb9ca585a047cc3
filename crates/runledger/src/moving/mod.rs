//! Moving a ledger from one store to another, and comparing two. It reads and writes the stores themselves: what an API
//! shows of a ledger is less than the ledger. It decides no rule; what may be taken over, the domain says (`Segment`).

mod compare;
mod export;
mod form;
mod import;

use std::path::Path;
use std::sync::Arc;

use runledger_embedded::EmbeddedStore;
use runledger_ports::{LedgerSnapshot, SnapshotSource};
use runledger_postgres::PostgresStore;

pub(crate) use self::compare::compare;
pub(crate) use self::export::export;
pub(crate) use self::import::import;
use crate::connect::expect_ledger;
use crate::failure::{Failure, Outcome};
use crate::ledger::{failure_of, failure_of_database, is_shared};
use crate::settings::Settings;

/// A ledger that is read, beside whoever writes to it.
pub(crate) struct Source {
    store: Arc<dyn SnapshotSource>,
    /// A database is given up in good order.
    database: Option<Arc<PostgresStore>>,
}

impl Source {
    /// The ledger of the settings.
    pub(crate) async fn open(settings: &Settings) -> Outcome<Self> {
        if is_shared(settings) {
            return Self::in_database(settings).await;
        }
        expect_ledger(settings)?;
        Self::in_directory(&settings.data)
    }

    /// The ledger that is named: `postgres`, the address of a database, or a data directory.
    pub(crate) async fn named(settings: &Settings, name: &str) -> Outcome<Self> {
        if name == "postgres" {
            if settings.postgres.url.0.is_empty() {
                return Err(Failure::usage("postgres.url is not given")
                    .advise("give the address of the database, best as RUNLEDGER_POSTGRES__URL, which no file holds"));
            }
            return Self::in_database(settings).await;
        }
        if name.starts_with("postgres://") || name.starts_with("postgresql://") {
            let mut settings = settings.clone();
            name.clone_into(&mut settings.postgres.url.0);
            return Self::in_database(&settings).await;
        }
        if name.contains("://") {
            return Err(
                Failure::usage(format_args!("{name} is no ledger that can be read here"))
                    .advise("name a data directory, `postgres`, or the address of a database; a server is not asked"),
            );
        }
        Self::in_directory(Path::new(name))
    }

    /// Whether the name is that of the ledger of the settings.
    pub(crate) fn is_named(settings: &Settings, name: &str) -> bool {
        if is_shared(settings) {
            return name == "postgres" || name == settings.postgres.url.0;
        }
        let (here, there) = (settings.data.canonicalize(), Path::new(name).canonicalize());
        matches!((here, there), (Ok(here), Ok(there)) if here == there)
    }

    async fn in_database(settings: &Settings) -> Outcome<Self> {
        let store = PostgresStore::open(settings.postgres.options()?).await;
        let store = Arc::new(store.map_err(|error| failure_of_database(&error))?);
        Ok(Self {
            store: store.clone(),
            database: Some(store),
        })
    }

    fn in_directory(directory: &Path) -> Outcome<Self> {
        let store = EmbeddedStore::open_read_only(directory).map_err(|error| failure_of(&error))?;
        Ok(Self {
            store: Arc::new(store),
            database: None,
        })
    }

    /// The ledger as it stands now.
    pub(crate) async fn snapshot(&self) -> Outcome<Box<dyn LedgerSnapshot>> {
        self.store.snapshot().await.map_err(Failure::unavailable)
    }

    /// Gives the ledger up.
    pub(crate) async fn close(self) {
        if let Some(database) = self.database {
            database.close().await;
        }
    }
}
