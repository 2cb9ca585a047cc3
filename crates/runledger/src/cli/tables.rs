//! The shapes of those commands of `airtable` that go over whole tables.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::PageArgs;

/// Those of them.
#[derive(Debug, Subcommand)]
pub(crate) enum TablesCommand {
    /// Look what stands between the ledger and its rows, before the first one is written
    ///
    /// Looks at the token, the tables, their fields and options, and the limits of the plan. Writes nothing. Ends with 1
    /// when something forbids that a row is written.
    Check,
    /// Take the rows of the tables into the ledger, and learn which row is whose
    ///
    /// For tables that have rows before the ledger shows anything in them. Needs the ledger for itself, like `import`, and
    /// follows the same rules; writes nothing at Airtable. May be repeated at any time.
    Import(TablesArgs),
    /// Compare the ledger with its tables, row by row
    ///
    /// Says which rows are missing, show something else, are there several times or are of no record. Ends with 1 when
    /// there is something that nobody was told to put right.
    Reconcile(ReconcileArgs),
    /// Delete surplus rows of records that have several; each is kept in the ledger before
    Repair(RepairArgs),
    /// List the rows that were deleted, as they were
    Removed(PageArgs),
}

/// `airtable import`.
#[derive(Args, Debug)]
pub(crate) struct TablesArgs {
    /// Classify every row and compare with the ledger, but write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write a report with one line for every row to DIR/airtable.csv
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
}

/// `airtable reconcile`.
#[derive(Args, Debug)]
pub(crate) struct ReconcileArgs {
    /// Have rows that are missing or show something else put right; nothing is deleted, and rows of no record stay
    #[arg(long)]
    pub(crate) apply: bool,
    /// How to write what is found
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
}

/// How a comparison is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people
    Table,
    /// One line for each cell that differs
    Csv,
    /// One JSON object a line
    Json,
}

/// `airtable repair`.
#[derive(Args, Debug)]
pub(crate) struct RepairArgs {
    /// Of records that have several rows, delete all but one
    #[arg(long, required = true)]
    pub(crate) duplicates: bool,
    /// Which row stays
    #[arg(long, value_enum, value_name = "WHICH", required = true)]
    pub(crate) keep: Keep,
    /// Only say what would be deleted
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Which of several rows stays.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Keep {
    /// The one that Airtable says was created first; of two from the same moment, the one whose id sorts first
    Earliest,
}
