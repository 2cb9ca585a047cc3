//! The store for several servers: PostgreSQL. Every server may go at any time, and none has to know of the others.
//!
//! All writes go through one statement, the function `ledger_write_v1` of the schema, which is its own transaction: it
//! checks that what was decided on still holds, writes, numbers and chains the lines. Everything that waits goes into the
//! next call; a lone creation is sent at once, without a look. Decisions are the domain's, made here on what was read; a
//! call whose evidence went stale is decided again. What a lost connection leaves open is settled by asking the database
//! on a new one (I10); nothing is ever created from memory.
//!
//! The schema comes from [`migrate`](schema::migrate) alone: the store itself never changes it.
#![forbid(unsafe_code)]

mod cache;
mod call;
mod columns;
mod connect;
mod draft;
mod duty;
mod error;
mod evidence;
mod follow;
mod hosts;
mod listing;
mod notice;
mod operation;
mod options;
mod outbox;
pub mod plans;
mod pool;
mod read;
mod restore;
pub mod schema;
mod snapshot;
mod statement;
mod store;
mod tls;
mod writer;

pub use error::OpenError;
pub use options::{DatabaseUrl, PostgresOptions};
pub use store::PostgresStore;
