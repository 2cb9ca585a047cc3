//! The shapes of `airtable`, and of waiting for it.

use clap::{Args, Subcommand};

use super::TablesCommand;

/// How long is waited when nobody says.
const WAIT_SECONDS: u64 = 20;
/// The longest wait: an answer takes a minute at most.
const WAIT_SECONDS_MAX: u64 = 50;

/// `airtable`.
#[derive(Debug, Subcommand)]
pub(crate) enum AirtableCommand {
    /// Show how far records are shown at Airtable, and which rows are set aside
    Status,
    /// Let a row go on that was set aside, once what was wrong is mended
    #[command(after_help = "\
Examples:
  runledger airtable retry 250925-231841-Guy-Wilson
  runledger airtable retry --all-set-aside")]
    Retry {
        /// The record: RUN, or run and client in one word
        #[arg(
            value_name = "KEY",
            required_unless_present = "all_set_aside",
            conflicts_with = "all_set_aside"
        )]
        key: Option<String>,
        /// All rows that are set aside
        #[arg(long)]
        all_set_aside: bool,
    },
    /// Go on after a stop: a token that was refused, a month whose calls were spent
    Resume,
    /// What goes over whole tables.
    #[command(flatten)]
    Tables(TablesCommand),
}

/// What waits.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct WaitArgs {
    /// Wait until Airtable shows it, so many seconds at most [default: 20]; what the ledger did stays done either way
    #[arg(long, value_name = "airtable[=SECONDS]", value_parser = seconds)]
    pub(crate) wait: Option<u64>,
}

impl WaitArgs {
    /// The preference, as the API takes it.
    pub(crate) fn preference(&self) -> Option<String> {
        self.wait.map(|seconds| format!("wait={seconds}"))
    }
}

fn seconds(text: &str) -> Result<u64, String> {
    let unfit = || format!("{text:?} is not understood: write airtable, or airtable=30 for 30 seconds, at most 50");
    match text.strip_prefix("airtable") {
        Some("") => Ok(WAIT_SECONDS),
        Some(rest) => rest
            .strip_prefix('=')
            .and_then(|seconds| seconds.parse().ok())
            .filter(|seconds| *seconds <= WAIT_SECONDS_MAX)
            .ok_or_else(unfit),
        None => Err(unfit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_for_airtable_and_for_seconds() {
        for (text, expected) in [
            ("airtable", Some(20)),
            ("airtable=7", Some(7)),
            ("airtable=", None),
            ("airtable=51", None),
            ("7", None),
        ] {
            assert_eq!(seconds(text).ok(), expected, "{text}");
        }
    }
}
