//! Measures the ledger against its floors. What counts is each ratio within one run: all sides run in turns on the
//! same machine, and the median of the rounds is reported.
#![forbid(unsafe_code)]

mod airtable;
mod client;
mod fair;
mod floor;
mod gateway;
mod http;
mod load;
mod plans;
mod postgres;
mod process;
mod soak;
mod store;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Ratios of the ledger to its floors, measured in one run")]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Seconds of each window.
    #[arg(long, default_value_t = 2.0, global = true)]
    seconds: f64,
    /// Rounds; the median counts.
    #[arg(long, default_value_t = 5, global = true)]
    rounds: usize,
    /// Where the ledgers are made; a directory on the disk that is to be measured.
    #[arg(long, global = true)]
    directory: Option<PathBuf>,
}

#[derive(Subcommand)]
enum What {
    /// Durable creates in process, against hand-written group commit of the same rows.
    Store,
    /// Creates and reads over PostgreSQL, against pgbench with the same statement one by one, on one server.
    Postgres,
    /// How PostgreSQL goes about each read of a large ledger, against the same of one with 10,000 records.
    Plans {
        /// How many records the large ledger has.
        #[arg(long, default_value_t = 10_000_000)]
        records: u64,
    },
    /// Creates, replays and reads over HTTP.
    Http {
        /// The binary to measure; `target/release/runledger` unless given.
        #[arg(long)]
        binary: Option<PathBuf>,
    },
    /// Requests to Airtable for the life of a record, and how fast rows go out, in a time that passes by itself.
    Airtable,
    /// One client's latency beside a flood.
    Fair {
        /// The binary to measure; `target/release/runledger` unless given.
        #[arg(long)]
        binary: Option<PathBuf>,
    },
    /// What the gateway adds to a request that it hands on, against the same one sent straight to the fake Airtable.
    Gateway {
        /// The binary to measure; `target/release/runledger` unless given.
        #[arg(long)]
        binary: Option<PathBuf>,
    },
    /// Memory, start and growth of the server process.
    Process {
        /// The binary to measure; `target/release/runledger` unless given.
        #[arg(long)]
        binary: Option<PathBuf>,
        /// How many records the large ledger has.
        #[arg(long, default_value_t = 1_000_000)]
        records: u64,
    },
    /// Everything that clients do for half an hour, at four fifths of the peak: memory stops growing, and every
    /// acknowledged record is there in its last version.
    Soak {
        /// The binary to measure; `target/release/runledger` unless given.
        #[arg(long)]
        binary: Option<PathBuf>,
        /// How long, in minutes.
        #[arg(long, default_value_t = 30.0)]
        minutes: f64,
    },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let plan = load::Plan {
        window: std::time::Duration::from_secs_f64(arguments.seconds),
        rounds: arguments.rounds,
        directory: arguments.directory.unwrap_or_else(|| PathBuf::from("target/bench")),
    };
    std::fs::create_dir_all(&plan.directory)?;
    let binary = |given: Option<PathBuf>| given.unwrap_or_else(|| PathBuf::from("target/release/runledger"));
    match arguments.what {
        What::Store => store::run(&plan),
        What::Postgres => postgres::run(&plan),
        What::Plans { records } => plans::run(&plan, records),
        What::Http { binary: given } => http::run(&plan, &binary(given)),
        What::Airtable => airtable::run(),
        What::Fair { binary: given } => fair::run(&plan, &binary(given)),
        What::Gateway { binary: given } => gateway::run(&plan, &binary(given)),
        What::Process { binary: given, records } => process::run(&plan, &binary(given), records),
        What::Soak { binary: given, minutes } => soak::run(&plan, &binary(given), minutes),
    }
}
