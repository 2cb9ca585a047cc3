//! A fake Airtable on this machine: the Web API with its schemas, formulas, limits and refusals, and faults on demand.
//!
//! It is for trying a projection without an account, and for tests. It is written from Airtable's public documentation
//! and from what its clients were seen to do; where nobody says how the real one behaves, a setting chooses. It keeps all
//! in memory, believes whoever can reach it, and must never stand where strangers can.
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use runledger_airtable_fake::{Fake, FakeOptions};
//!
//! let fake = Fake::start(FakeOptions::default()).await?;
//! println!("{} holds {:?}", fake.url(), fake.table_ids());
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod base;
mod cell;
mod clock;
mod control;
mod encoding;
mod error;
pub mod example;
mod fake;
mod fault;
mod id;
mod limit;
mod list;
mod meta;
mod request;
mod schema;
mod server;
mod settings;
mod table;
mod tokens;
mod world;
mod write;

pub use error::Shape;
pub use fake::{Fake, FakeError, FakeOptions};
pub use fault::{Cut, FaultSpec, Match, Refusal};
pub use request::Operation;
pub use schema::{BaseSpec, FieldSpec, TableSpec};
pub use settings::{Beyond, Lock, Order, Plan, Role, Settings, TokenSpec};
pub use world::RequestLine;
