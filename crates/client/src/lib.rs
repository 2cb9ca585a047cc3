#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod answer;
mod builder;
mod calls;
mod client;
pub mod connection;
mod error;
mod intent;
mod number;
mod path;
mod problem;
mod query;
mod record;
mod retry;
mod tls;
mod work;

pub use answer::{Changed, Creation, Cursor, Page};
pub use builder::Builder;
pub use client::{Client, NewClient, NewClients, NewJob};
pub use error::{Error, Unknown};
pub use intent::{Intent, Operation, Settled};
pub use problem::Problem;
pub use query::{ActivityFilter, RecordFilter};
pub use record::{Activity, Note, Record, Stage, Summary};
pub use retry::Retry;
pub use tls::TlsError;
pub use work::{Attachment, RunError, Work};

pub use runledger_domain as domain;
