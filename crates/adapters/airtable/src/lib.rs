//! The wire layer to Airtable: what is sent, what is answered, and what became of a write.
//!
//! Airtable has no unique key and no transaction, so it is a place where the ledger is *shown* (I14), never where it is
//! decided. This crate therefore answers every write with one of three words, [`Outcome`]: *done*, with the rows matched
//! by their keys; *not done*, with the refusal; or *unknown*, with all that was sent, so that the caller looks before it
//! asks again. Nothing here tries a write twice, and nothing here matches records by upserts: a write says which record it
//! means, or that it makes a new one.
//!
//! What else is here: formulas that no text can break out of ([`Formula`]), pacing ([`Pace`]), and the mapping of the
//! ledger's fields to those of a table ([`mapping`]), which is data. [`AirtableTarget`] puts all of it behind the port of
//! the projection. [`HandOn`] hands on what others ask of Airtable, for the gateway.
#![forbid(unsafe_code)]

mod answer;
mod client;
mod formula;
mod hand_on;
mod http;
mod ids;
pub mod mapping;
mod outcome;
mod pace;
mod pat;
mod projection;
mod refusal;
mod request;
mod tls;

pub use answer::{FieldSchema, Page, Record, SelectOption, TableSchema, Whoami};
pub use client::{Airtable, Connection};
pub use formula::{FieldName, Formula, FormulaError};
pub use hand_on::HandOn;
pub use http::{SetUpError, TransportError};
pub use ids::{BaseId, IdError, RecordId, TableRef};
pub use outcome::{Doubt, NotSent, Outcome, ReadError, Verdict, Written, classify};
pub use pace::{LOCK_OUT, Pace, PaceSettings, Time, TokioTime};
pub use pat::{Pat, PatError};
pub use projection::{AirtableTarget, OlderPage, OlderRow, OlderTable, Places, TablePlace};
pub use refusal::{Refusal, RefusalKind};
pub use request::{BATCH_ROWS, Batch, BatchError, ChangedRow, Direction, Fields, ListQuery, NewRow, RowKey};
