//! The client of the run ledger for Rust.
#![forbid(unsafe_code)]

pub mod connection;
mod path;
mod tls;

pub use tls::TlsError;
