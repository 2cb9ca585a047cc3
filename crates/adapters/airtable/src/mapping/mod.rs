//! Which field of the ledger goes into which field of a table: data, with the names of the older system's tables as the
//! shipped default.
//!
//! A [`Mapping`] is read from the configuration and compared once with the schema that Airtable shows
//! ([`Mapping::resolve`]). What comes of it, a [`ResolvedTable`], makes rows of records: it writes only fields that were
//! there, by their ids; never a computed one; only options that a select has; numbers only where they stay exact; and
//! texts no longer than Airtable takes, with a mark where they were cut. A row that cannot be made says which field is to
//! blame, and holds up no other (F97 to F105).

mod cell;
mod data;
mod older;
mod resolve;
mod source;
mod values;

pub use cell::{CellProblem, TEXT_UNITS_MAX};
pub use data::{FieldMap, KeyUnfit, Mapping, StatusWords};
pub use resolve::{Finding, Problem, Resolution, ResolvedField, ResolvedTable, RowProblem};
pub use source::{LedgerField, UnknownLedgerField};
pub use values::{LedgerValue, Values};
