//! The client for Rust. It creates only where its caller says create, and never sends one wish under two names.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod answer;
mod builder;
mod calls;
mod client;
pub mod connection;
mod creation;
mod error;
mod intent;
mod number;
mod path;
mod problem;
mod query;
mod reading;
mod record;
mod retry;
mod tls;
mod work;

pub use answer::{Changed, Creation, Cursor, Page};
pub use builder::Builder;
pub use client::Client;
pub use creation::{NewClient, NewClients, NewJob};
pub use error::{Error, Unknown};
pub use intent::{Intent, Operation, Settled};
pub use problem::Problem;
pub use query::{ActivityFilter, RecordFilter};
pub use record::{Activity, Note, Record, Stage, Summary};
pub use retry::Retry;
pub use tls::TlsError;
pub use work::{Attachment, RunError, Work};

pub use runledger_domain as domain;
