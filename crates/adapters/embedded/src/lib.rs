//! The default durable store: SQLite in one file, one writer, many readers, no server.
//!
//! Every write goes through one thread, which takes whatever is waiting, does it in one transaction and answers when
//! that is on disk: many waiting creates share one flush, a lone one waits for nobody. Reads use connections of their
//! own and never wait for the writer.
//!
//! What it confirms before it serves, and what makes it stop (I4, I16): see [`OpenError`] and the module `open`. What
//! the file looks like: `schema.rs`.
//!
//! ```
//! use runledger_embedded::{EmbeddedOptions, EmbeddedStore};
//! use runledger_ports::{ListFilter, PageSize, RunReader};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let directory = tempfile::tempdir()?;
//! let store = EmbeddedStore::open(directory.path(), EmbeddedOptions::default())?;
//! let page = store.list(&ListFilter::default(), None, PageSize::default()).await?;
//! assert!(page.records.is_empty());
//! store.close();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
#![forbid(unsafe_code)]

mod columns;
mod error;
mod lease;
mod listing;
mod meter;
mod open;
mod operation;
mod outbox;
mod read;
mod schema;
mod snapshot;
mod store;
mod transaction;
mod verify;
mod writer;

pub use error::OpenError;
pub use store::{EmbeddedOptions, EmbeddedStore, ReadOnlyStore};
pub use verify::{Finding, VerifyReport};

/// The name of the database file in the data directory.
pub const DATABASE_FILE: &str = "ledger.sqlite";
/// The name of the lock file in the data directory; whoever holds its lock may write.
pub const LOCK_FILE: &str = "ledger.lock";
