//! The older system's spellings and functions, and the import of its tables.
//!
//! Everything here turns what an older service wrote into what the ledger holds, or refuses it with the reason. It is
//! never a guess: the rules read no clock, invent no id and never turn one identity into another (I15).
//!
//! | what | where |
//! | --- | --- |
//! | the spellings of run ids, accepted and refused | [`LegacyId`], [`Form`], [`RefusedForm`] |
//! | the words for statuses | [`status`] |
//! | the names of columns, and which metric they hold | [`fields`] |
//! | the names that older callers gave as their source | [`source`] |
//! | the import of exported tables | [`import`] |
//! | the functions of the older services | [`LegacyService`] |
//! | their tables, for programs that speak to Airtable | [`AirtableGateway`] |
//!
//! ```
//! use runledger_legacy::{Form, LegacyId};
//!
//! let client = "Guy-Wilson".parse()?;
//! let id = LegacyId::parse("251007-070457-Guy-Wilson-Guy-Wilson", Some(&client))?;
//! assert_eq!(id.key().to_string(), "251007-070457-Guy-Wilson");
//! assert_eq!(id.form(), Form::DoubleSuffix);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod fields;
mod gateway;
pub mod import;
mod run_id;
mod service;
pub mod source;
pub mod status;

pub use gateway::{AirtableGateway, Deletes, LIST_MAX, RunTable, RunTableError, RunTableSpec};
pub use run_id::{Form, LegacyId, LegacyIdError, RefusedForm};
pub use service::{LegacyService, record_id};
