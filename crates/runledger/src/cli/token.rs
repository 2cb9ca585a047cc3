//! The shapes of `token`.

use clap::{Args, Subcommand};

use crate::settings::Span;

/// `token`.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token; its secret is shown this once
    #[command(after_help = "\
A ledger without any token is open to every program of this machine. With its first token it is closed for good: every \
request needs one. Commands on this machine go on without one, as whoever owns the data directory.

Examples:
  runledger token create nightly --scope create --scope change --scope read --for orchestrator
  runledger token create acme-worker --scope change --scope read --for lead_scoring --client acme --expires 90d
  runledger token create dashboard --scope read")]
    Create(TokenCreateArgs),
    /// List all tokens, ended ones too, without their secrets
    List,
    /// End a token at once
    Revoke {
        /// The id of the token, as `token list` shows it
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Put a new token with the same rights in the place of one
    #[command(after_help = "Example:\n  runledger token rotate 7k3m9q2w5x8z --overlap 1h")]
    Rotate {
        /// The id of the token, as `token list` shows it
        #[arg(value_name = "ID")]
        id: String,
        /// How long the old one counts beside the new one [default: not at all]
        #[arg(long, value_name = "SPAN")]
        overlap: Option<Span>,
    },
}

/// `token create`.
#[derive(Args, Debug)]
pub(crate) struct TokenCreateArgs {
    /// What it is for
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What it may do: create, change, read, admin; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    pub(crate) scopes: Vec<String>,
    /// A source that it speaks for; may be repeated
    #[arg(long = "for", value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// A client whose records alone it sees and touches; may be repeated [default: all clients]
    #[arg(long = "client", value_name = "CLIENT")]
    pub(crate) clients: Vec<String>,
    /// For how long it counts [default: until it is revoked]
    #[arg(long, value_name = "SPAN")]
    pub(crate) expires: Option<Span>,
}
