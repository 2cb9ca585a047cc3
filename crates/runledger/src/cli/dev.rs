//! The shapes of what helps to try things out.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::server_file::Secret;

/// `dev`.
#[derive(Debug, Subcommand)]
pub(crate) enum DevCommand {
    /// Run a fake Airtable on this machine: its API, its limits, and faults on demand
    #[command(after_help = "\
It begins with the two tables of the older system, empty, and keeps all in memory. Any token is taken unless some are \
given. docs/fake-airtable.md lists the settings and what the control plane can do.

Examples:
  runledger dev fake-airtable --listen 127.0.0.1:8090
  runledger dev fake-airtable --plan free --set lockout_ms=3000 --set list_lag_ms=2000
  curl -X POST http://127.0.0.1:8090/_fake/faults -d '{\"match\":{\"writes\":true},\"cut\":\"body\",\"times\":1}'")]
    FakeAirtable(FakeAirtableArgs),
}

/// `dev fake-airtable`.
#[derive(Args, Debug)]
pub(crate) struct FakeAirtableArgs {
    /// Where the API is; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    pub(crate) listen: SocketAddr,
    /// Where the control plane is [default: under /_fake of the API]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) control: Option<SocketAddr>,
    /// Bases with their tables and fields, as JSON, instead of the two tables
    #[arg(long, value_name = "FILE")]
    pub(crate) bases: Option<PathBuf>,
    /// A token that is known, with all rights; may be given several times
    #[arg(long = "known-token", value_name = "TOKEN")]
    pub(crate) known_tokens: Vec<Secret>,
    /// The limits of this plan: free, team, business, enterprise, unlimited
    #[arg(long, value_name = "PLAN", default_value = "business")]
    pub(crate) plan: String,
    /// A setting, such as base_requests=5; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
    /// Draws the same ids and the same chances each time
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
}
