//! `cargo xtask <command>`: the one entry to building, checking, testing and releasing, for people and for CI.
//!
//! Each check also runs alone. Nothing here needs more than cargo, rustc and the usual tools of a Unix system; the
//! tests of the Python client, of the API's description and of the fake Airtable need Python, Node and their package
//! indexes, those of the module for Node need Node. Nothing of ours depends on it.

#![forbid(unsafe_code)]

mod airtable;
mod checks;
mod ci;
mod contract;
mod dist;
mod failure_modes;
mod graph;
mod layers;
mod licences;
mod long;
mod manifests;
mod node;
mod page;
mod python;
mod server;
mod source;
mod spdx;
mod statements;
mod test;
mod workspace;

use clap::{Parser, Subcommand};
use long::Cluster;
use std::process::ExitCode;

/// Build, check, test and release tasks of Run Ledger.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything that CI runs, in its order, with a table of times.
    Ci,
    /// All tests and doctests; closes with one line `N passed, N failed`.
    Test(test::Options),
    /// Are all sources formatted?
    Fmt,
    /// Clippy over every target, warnings refused.
    Clippy,
    /// The documentation of every crate, warnings refused.
    Doc,
    /// Does every dependency between crates follow the design, and do domain and ports stay pure?
    Layers,
    /// Is every licence in the lock one that was agreed on?
    Licences,
    /// Does the source hold a statement that the design forbids?
    Statements,
    /// Writes docs/openapi.json and docs/problems.md from the code, or compares them.
    Openapi {
        /// Compare only; fail when a file is not what the code says.
        #[arg(long)]
        check: bool,
    },
    /// cargo-deny, where it is installed.
    Deny,
    /// Do the public clients of Airtable, of npm and `PyPI`, notice that the fake one is none?
    Airtable,
    /// The types and the tests of the Python client, against the server that is built for them.
    Python,
    /// The tests of the module for Node, against the server that is built for them.
    Node,
    /// Does the server do what the description of its API says? Schemathesis asks it.
    Contract(contract::Options),
    /// Does every failure of old have its row, and did the tests that the rows name run? Runs those alone.
    FailureModes,
    /// Does a browser draw the whole page that shows the API? Where there is one.
    Page,
    /// The release archive, its third-party licences and its checksum.
    Dist,
    /// The benchmarks; arguments go to them as they are.
    Bench {
        /// What the benchmark program is given.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The fail-over under Patroni and etcd, as in production: kills the machine of the primary, again and again. Needs
    /// Debian's packages patroni, etcd-server and postgresql.
    Ha {
        /// How many times the primary is killed; about a minute each.
        #[arg(long, default_value_t = 6)]
        kills: u32,
    },
    /// The long verification: the same tests with many more cases.
    #[command(args_conflicts_with_subcommands = true)]
    Verify {
        /// How many cases each property test runs.
        #[arg(long)]
        cases: Option<u32>,
        /// One of them alone.
        #[command(subcommand)]
        one: Option<Verified>,
    },
}

#[derive(Debug, Subcommand)]
enum Verified {
    /// Kills the primary of two database servers under load, again and again, and says what came of it.
    #[command(name = "failover")]
    FailOver {
        /// How many times it is killed; about ten seconds each.
        #[arg(long, default_value_t = 50)]
        kills: u32,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Ci => ci::run(),
        Command::Test(options) => test::run(&options),
        Command::Fmt => checks::fmt(),
        Command::Clippy => checks::clippy(),
        Command::Doc => checks::doc(),
        Command::Layers => layers::run(),
        Command::Licences => licences::run(),
        Command::Statements => statements::run(),
        Command::Openapi { check } => checks::openapi(check),
        Command::Deny => checks::deny().map(|_ran| ()),
        Command::Airtable => airtable::run_all(),
        Command::Python => python::run_tests(),
        Command::Node => node::run_tests(),
        Command::Contract(options) => contract::run_all(&options),
        Command::FailureModes => failure_modes::run(),
        Command::Page => page::run().map(|_ran| ()),
        Command::Dist => dist::run(),
        Command::Bench { arguments } => long::bench(&arguments),
        Command::Ha { kills } => long::fail_over(Cluster::Patroni, kills),
        Command::Verify { cases, one: None } => long::verify(cases),
        Command::Verify {
            one: Some(Verified::FailOver { kills }),
            ..
        } => long::fail_over(Cluster::Pair, kills),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
