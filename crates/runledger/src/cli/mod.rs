//! The command line as clap reads it. Only shapes and help: what commands do is in `commands`.
#![expect(
    clippy::doc_markdown,
    reason = "these comments are help texts, in which backticks would be printed"
)]

mod airtable;
mod dev;
mod ingest;
mod record;
mod tables;
mod token;
mod webhook;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use airtable::{AirtableCommand, WaitArgs};
pub(crate) use dev::{DevCommand, FakeAirtableArgs};
pub(crate) use ingest::{ExportArgs, ExportFormat, Import, ImportArgs, LedgerArgs, Merge};
pub(crate) use record::{
    ChangeArgs, ClientCommand, ClientCreateArgs, CompleteArgs, CreationArgs, HeartbeatArgs, JobCommand, JobCreateArgs,
    KeyArgs, NoteArgs, StageCommand, StageFinishArgs, StageStartArgs, UpdateArgs,
};

pub(crate) use tables::{ReconcileArgs, RepairArgs, ReportFormat, TablesArgs, TablesCommand};
pub(crate) use token::{TokenCommand, TokenCreateArgs};
pub(crate) use webhook::WebhookCommand;

use crate::server_file::Secret;
use crate::settings::Span;

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  the program failed, or `verify` found damage
  2  the command, an id or a value cannot be understood
  3  refused: the source may not, or the state of the record does not allow it
  4  there is no such record; none was made
  5  conflict: the key is taken by another creation, or the attempt sent other content before
  6  the ledger is unavailable, or cannot say whether it was done

The ledger:
  Commands work on the data directory: --data, RUNLEDGER_DATA, or the key `data` of the
  configuration. While `runledger serve` holds it, they go through that server by themselves.

First steps:
  runledger demo
  runledger job create 250925-231841 --source orchestrator
  runledger client create 250925-231841 Guy-Wilson --source batch_process
  runledger update 250925-231841 Guy-Wilson --add leads=12 --source lead_scoring
  runledger complete 250925-231841 Guy-Wilson --source batch_process
  runledger summary 250925-231841";

/// The run ledger: records of runs, created once, on purpose, by someone allowed to.
#[derive(Debug, Parser)]
#[command(name = "runledger", bin_name = "runledger", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// The data directory [env: RUNLEDGER_DATA] [default: $XDG_DATA_HOME/runledger or ~/.local/share/runledger]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    pub(crate) data: Option<PathBuf>,
    /// The configuration file [default: runledger.toml in the data directory, if it is there]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "RUNLEDGER_CONFIG",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub(crate) config: Option<PathBuf>,
    /// Who asks: the name of the program or step, such as orchestrator; needed to create or change
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "RUNLEDGER_SOURCE",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub(crate) source: Option<String>,
    /// A server to go to, such as http://ledger:7420, instead of the data directory
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "RUNLEDGER_URL",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub(crate) url: Option<String>,
    /// The token to show there; better given as RUNLEDGER_TOKEN, which other users of the machine cannot see
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "RUNLEDGER_TOKEN",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub(crate) token: Option<Secret>,
    /// The certificates to believe at an https address, as a PEM file [default: those of this machine]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "RUNLEDGER_CA_FILE",
        hide_env_values = true,
        help_heading = "Everywhere"
    )]
    pub(crate) ca_file: Option<PathBuf>,
    /// Write for programs: one JSON object a line; errors as problem documents on standard error
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server on the data directory
    Serve(ServeArgs),
    /// Create the record of a run
    #[command(subcommand)]
    Job(JobCommand),
    /// Create the records of clients in a run
    #[command(subcommand)]
    Client(ClientCommand),
    /// Show one record
    #[command(after_help = "\
Examples:
  runledger get 250925-231841
  runledger get 250925-231841 Guy-Wilson
  runledger get 250925-231841-Guy-Wilson --json")]
    Get(KeyArgs),
    /// List records, oldest first
    #[command(after_help = "\
Examples:
  runledger list --open
  runledger list --run 250925-231841 --status failed
  runledger list --json | jq -r .run_id")]
    List(ListArgs),
    /// Change a record: metrics, a note, references, its start
    Update(UpdateArgs),
    /// Start or finish a stage of a record
    #[command(subcommand)]
    Stage(StageCommand),
    /// Append a note to a record
    Note(NoteArgs),
    /// Say that the work on a record goes on; moves its deadline
    Heartbeat(HeartbeatArgs),
    /// End a record
    Complete(CompleteArgs),
    /// Show what a run comes to: its clients, their statuses, the totals of their metrics
    #[command(after_help = "Example:\n  runledger summary 250925-231841")]
    Summary {
        /// The run
        #[arg(value_name = "RUN")]
        run: String,
    },
    /// List records that are open although their deadline has passed; changes nothing
    Stalled(PageArgs),
    /// Close records as lost that have been silent past deadline and grace period
    #[command(after_help = "\
The sweep acts as the source runledger_sweeper. A running server sweeps by itself, at the interval `sweeper.interval`; \
the command is for ledgers without one.

Example:
  runledger sweep --grace 2h")]
    Sweep {
        /// How long past the deadline a record is left alone [default: the key deadline.grace, 1h]
        #[arg(long, value_name = "SPAN")]
        grace: Option<Span>,
    },
    /// Show the activity log: every attempt, accepted or refused, oldest first
    #[command(after_help = "\
Examples:
  runledger activity --refused
  runledger activity --run 250925-231841 --client Guy-Wilson")]
    Activity(ActivityArgs),
    /// Print events: the activity log line by line, and with --follow each new line as it comes
    #[command(after_help = "\
With --follow it goes on until it is told to end, also when the server is started again in between: no line is left out \
and none comes twice.

Examples:
  runledger events --follow
  runledger events --follow --kind complete --json | while read -r event; do ...; done
  runledger events --after 41 --refused")]
    Events(EventsArgs),
    /// Make, list and end the tokens by which programs are known
    #[command(subcommand)]
    Token(TokenCommand),
    /// See how the deliveries of the log to its receivers go
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// Show which server does what for all: sweeps, delivers to a webhook, shows records at Airtable
    Duties,
    /// See how far records are shown at Airtable, let rows go on, and look after the tables
    #[command(subcommand)]
    Airtable(AirtableCommand),
    /// Take over records from the older tables, or a whole ledger
    #[command(subcommand)]
    Import(Import),
    /// Write all records to a file or to standard output
    Export(ExportArgs),
    /// Play a night's batch of 12 clients against a throw-away ledger
    Demo,
    /// What helps to try things out
    #[command(subcommand)]
    Dev(DevCommand),
    /// The configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check the ledger: every record has its create line, versions match the log, the chain is unbroken
    #[command(after_help = "\
It reads only, and can be run beside a server. Exit code 1 says that something is wrong, or differs.

Examples:
  runledger verify
  runledger verify --against /var/lib/runledger-old
  runledger verify --against postgres")]
    Verify {
        /// Compare with another ledger instead, record by record: a data directory, `postgres` for the database of
        /// postgres.url, or the address of a database
        #[arg(long, value_name = "LEDGER")]
        against: Option<String>,
    },
    /// The ledger in a PostgreSQL database
    #[command(subcommand)]
    Db(DbCommand),
    /// Write a completion script for a shell to standard output
    #[command(after_help = "\
Example:
  runledger completions bash > ~/.local/share/bash-completion/completions/runledger")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write manual pages
    #[command(after_help = "Example:\n  runledger man ~/.local/share/man/man1")]
    Man {
        /// The directory for the pages; without it, the page of runledger goes to standard output
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,
    },
    /// Print the table of problems of the HTTP API
    #[command(hide = true)]
    Problems,
    /// Print the OpenAPI description of the HTTP API
    #[command(hide = true)]
    Openapi,
}

/// `serve`.
#[derive(Args, Debug)]
#[command(after_help = "\
Without any token the server listens on loopback only; `runledger token create` makes the first one. SIGINT or SIGTERM ends it once it has finished what it \
accepted; a second one ends it at once. Nothing that was acknowledged is lost either way.

Example:
  runledger serve --data /var/lib/runledger --listen 127.0.0.1:7420")]
pub(crate) struct ServeArgs {
    /// Where to listen; port 0 takes a free one [env: RUNLEDGER_LISTEN] [default: 127.0.0.1:7420]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
}

/// How much of a listing to show.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct PageArgs {
    /// At most this many [default: 100 in a table, all with --json]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// All there are
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

impl PageArgs {
    /// How many entries to show at most. People get a screenful; a program gets all, since it sees no hint that there
    /// are more.
    pub(crate) fn most(self, for_programs: bool) -> u64 {
        let usual = if self.all || for_programs { u64::MAX } else { 100 };
        self.limit.unwrap_or(usual)
    }
}

/// A kind of record.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KindArg {
    /// Records of runs
    Job,
    /// Records of clients in runs
    Client,
}

/// `list`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Only of this run
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Only of this client
    #[arg(long, value_name = "CLIENT")]
    pub(crate) client: Option<String>,
    /// Only of this kind
    #[arg(long)]
    pub(crate) kind: Option<KindArg>,
    /// Only with this status: queued, running, succeeded, succeeded_with_errors, failed, skipped, cancelled, lost
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<String>,
    /// Only open ones (queued or running)
    #[arg(long)]
    pub(crate) open: bool,
    /// Only of this batch
    #[arg(long, value_name = "LABEL")]
    pub(crate) batch: Option<String>,
    /// Only with this reference, written system:id
    #[arg(long, value_name = "SYSTEM:ID")]
    pub(crate) external_id: Option<String>,
    /// How much
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// `activity`.
#[derive(Args, Debug)]
pub(crate) struct ActivityArgs {
    /// Only refused attempts
    #[arg(long)]
    pub(crate) refused: bool,
    /// Only about this run
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Only about this client
    #[arg(long, value_name = "CLIENT")]
    pub(crate) client: Option<String>,
    /// Only by this source
    #[arg(long, value_name = "SOURCE")]
    pub(crate) by: Option<String>,
    /// The last N lines instead of the first; reads the whole log
    #[arg(long, value_name = "N", conflicts_with_all = ["limit", "all"], value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) last: Option<u64>,
    /// How much
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// `events`.
#[derive(Args, Debug)]
pub(crate) struct EventsArgs {
    /// Go on with what comes, from a running server
    #[arg(long)]
    pub(crate) follow: bool,
    /// Begin behind this line [default: at the start; with --follow, with what comes from now on]
    #[arg(long, value_name = "LINE")]
    pub(crate) after: Option<u64>,
    /// Refused attempts as well
    #[arg(long)]
    pub(crate) refused: bool,
    /// Refused attempts and nothing else
    #[arg(long, conflicts_with = "refused")]
    pub(crate) only_refused: bool,
    /// Only about this run
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Only about this client
    #[arg(long, value_name = "CLIENT")]
    pub(crate) client: Option<String>,
    /// Only of this action: create, import, update, start_stage, finish_stage, heartbeat, complete, declare_lost,
    /// create_token, end_token
    #[arg(long, value_name = "ACTION")]
    pub(crate) kind: Option<String>,
}

/// `db`.
#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Make the ledger in the database that postgres.url names, or bring its schema up to date
    #[command(after_help = "\
It needs a role that may create tables; servers need none of that. It also makes partitions of the activity log for the \
months to come, so run it with each new version, and once a year.

Example:
  RUNLEDGER_POSTGRES__URL=postgres://owner@db/ledger runledger db migrate")]
    Migrate {
        /// For how many months ahead the log gets a partition of its own
        #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(0..=1200))]
        months: u32,
    },
    /// Say whether the database can be reached and holds a ledger that this program can use
    Check,
    /// Print the statements that make the roles of the database; see docs/postgres.md
    #[command(after_help = "\
Examples:
  runledger db roles | psql postgres://owner@db/ledger
  runledger db roles --client acme | psql postgres://owner@db/ledger")]
    Roles {
        /// Those of a role instead that sees the rows of this client and nothing else
        #[arg(long, value_name = "CLIENT")]
        client: Option<String>,
    },
}

/// `config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every key with its effective value and where it comes from
    Show,
}
