//! The shapes of import and export.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `import`.
#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// From the two tables as Airtable exports them as CSV
    #[command(after_help = "\
An import can be repeated: what is there already is left as it is, and said so. It needs the data directory for \
itself; stop the server first.

Examples:
  runledger import airtable-csv --jobs job_tracking.csv --clients client_run_results.csv --dry-run
  runledger import airtable-csv --jobs job_tracking.csv --clients client_run_results.csv --report report/")]
    AirtableCsv(ImportArgs),
    /// From the two tables as JSON lines, as the Airtable API answers them
    #[command(after_help = "\
Example:
  runledger import airtable-jsonl --clients client_run_results.jsonl --report report/")]
    AirtableJsonl(ImportArgs),
    /// From a file that `export --format ledger` made: everything, as it is
    #[command(after_help = "\
The ledger must be empty, or hold the beginning of the same one: then what is missing is added. So an import that was \
interrupted is simply run again. docs/moving.md has the whole way from one store to another.

Examples:
  runledger import ledger ledger.jsonl
  runledger export --data old --format ledger | runledger import ledger - --data new")]
    Ledger(LedgerArgs),
}

/// `import ledger`.
#[derive(Args, Debug)]
pub(crate) struct LedgerArgs {
    /// The file; `-` for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// What an import takes.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) tables: Tables,
    /// Say what would be done, and do nothing; compared with the ledger, if there is one
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write what became of every row into this directory, as CSV
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// What to do with the counters of duplicates: without it they are only reported
    #[arg(long, value_name = "HOW")]
    pub(crate) merge: Option<Merge>,
}

/// The tables: one, or better both in one command.
#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
pub(crate) struct Tables {
    /// The table of runs
    #[arg(long, value_name = "FILE")]
    pub(crate) jobs: Option<PathBuf>,
    /// The table of client run results
    #[arg(long, value_name = "FILE")]
    pub(crate) clients: Option<PathBuf>,
}

/// What to do with the counters of duplicates.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Merge {
    /// Raise the counters of the kept record to the highest ones of its duplicates
    Max,
}

/// `export`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  runledger export --out records.jsonl
  runledger export --format csv --out records.csv
  runledger export --format ledger --out ledger.jsonl")]
pub(crate) struct ExportArgs {
    /// The format
    #[arg(long, default_value = "jsonl")]
    pub(crate) format: ExportFormat,
    /// The file; it appears only when it is complete [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// With --format ledger: only what came after this line of the log
    #[arg(long, value_name = "LINE")]
    pub(crate) after: Option<u64>,
}

/// A format of exports.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One JSON object a line, all fields
    Jsonl,
    /// One row a record; notes and stages are counted, metrics are columns
    Csv,
    /// The whole ledger for `import ledger`: records as they are stored, the log, tokens, webhooks
    Ledger,
}
