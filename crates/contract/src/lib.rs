//! The suite that every store of a run ledger must pass.
//!
//! Types keep callers from creating by accident; they do not bind the author of a store. This suite does: every
//! sentence with a MUST in the `# Contract` sections of `runledger-ports` has a rule here, and every rule is itself
//! tested against stores that are wrong on purpose (`tests/wrong_stores/`). It must never depend on a store.
//!
//! # Testing a store
//!
//! Say how to open a fresh, empty store and, if it keeps its data, how to close it and open it again, how to lose its
//! process, and how to have a commit fail; then let [`store_contract_tests!`] make one test per rule, and one that plays
//! random histories. What a store cannot do it says ([`Support::Missing`]), and the rules about it do not apply:
//!
//! ```
//! use std::sync::Arc;
//!
//! use runledger_contract::{Handles, OpenStore, Support};
//! # use runledger_memory::MemoryStore;
//!
//! struct InMemory(Arc<MemoryStore>);
//!
//! #[async_trait::async_trait]
//! impl OpenStore for InMemory {
//!     fn handles(&self) -> Handles {
//!         Handles::of(&self.0)
//!     }
//!
//!     async fn reopen(&mut self) -> Support {
//!         Support::Missing // A store on disk closes itself here, and opens the same files.
//!     }
//!
//!     async fn crash(&mut self) -> Support {
//!         Support::Missing // Nor can it be killed and leave something.
//!     }
//!
//!     async fn doubt(&mut self) -> Support {
//!         Support::Missing // There is no commit of which it could not know the outcome.
//!     }
//!
//!     async fn stop(&mut self) -> Support {
//!         Support::Missing
//!     }
//! }
//!
//! async fn fresh() -> InMemory {
//!     InMemory(Arc::new(MemoryStore::new()))
//! }
//!
//! // In `tests/contract.rs` of the store's crate:
//! runledger_contract::store_contract_tests!(fresh);
//!
//! // Or by hand, all rules at once:
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! assert_eq!(runledger_contract::run_all(&fresh).await, []);
//! # });
//! ```
//!
//! `run_all` holds no random histories; [`check_histories`] plays those. The rules send nothing that a caller could not
//! send: all permits come from a policy, all changes are domain commands. Times are data; no rule waits for a clock.
#![forbid(unsafe_code)]

#[macro_use]
mod list;

mod bench;
mod fixture;
pub mod histories;
pub mod rules;
mod store;
mod time;
mod violation;

pub use histories::{assert_histories, check_histories};
pub use rules::{RULES, Rule, assert_rule, run_all};
pub use store::{AfterDoubt, Handles, OpenStore, StoreUnderTest, Support, Writers};
pub use time::{CountingIds, FixedClock};
pub use violation::Violation;
