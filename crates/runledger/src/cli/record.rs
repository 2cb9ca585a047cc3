//! The shapes of the commands that create and change records.

use clap::{Args, Subcommand};

use super::WaitArgs;
use crate::settings::Span;

/// The record that a command is about.
#[derive(Args, Debug)]
pub(crate) struct KeyArgs {
    /// The run, or run and client in one word: 250925-231841-Guy-Wilson, nightly/Guy-Wilson
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// The client; without it, the command is about the record of the run itself
    #[arg(value_name = "CLIENT")]
    pub(crate) client: Option<String>,
}

/// `job`.
#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Create the record of a run
    Create(JobCreateArgs),
}

/// `job create`.
#[derive(Args, Debug)]
#[command(after_help = "\
Only the sources that the policy lists may create (`runledger config show`: creation.creators). The same creation sent \
again with the same --attempt is answered with the record, and creates nothing.

Examples:
  runledger job create 250925-231841 --source orchestrator
  runledger job create --batch nightly --source orchestrator      (the ledger chooses the run id)
  runledger job create 250925-231841 --attempt deploy-17 --source orchestrator")]
pub(crate) struct JobCreateArgs {
    /// The run id: YYMMDD-HHMMSS, a ULID, a UUID or a name; without it the ledger chooses the next free second
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// What both kinds of creation take.
    #[command(flatten)]
    pub(crate) new: CreationArgs,
}

/// `client`.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Create the records of one or many clients in a run: all of them, or none
    Create(ClientCreateArgs),
}

/// `client create`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  runledger client create 250925-231841 Guy-Wilson --name 'Guy Wilson' --source batch_process
  runledger client create 250925-231841 acme globex initech --queued --source batch_process")]
pub(crate) struct ClientCreateArgs {
    /// The run
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// The clients
    #[arg(value_name = "CLIENT", required = true)]
    pub(crate) clients: Vec<String>,
    /// The client's name as people read it; with one client only
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// What both kinds of creation take.
    #[command(flatten)]
    pub(crate) new: CreationArgs,
}

/// What a creation takes.
#[derive(Args, Debug)]
pub(crate) struct CreationArgs {
    /// The name of this attempt: the same creation with the same attempt counts once, for ever
    #[arg(long, value_name = "ID")]
    pub(crate) attempt: Option<String>,
    /// The batch that it belongs to
    #[arg(long, value_name = "LABEL")]
    pub(crate) batch: Option<String>,
    /// A reference to another system, written system:id (repeatable)
    #[arg(long = "external-id", value_name = "SYSTEM:ID")]
    pub(crate) external_ids: Vec<String>,
    /// A first note
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// How long it may be silent before it counts as stalled, such as 6h [default: the key deadline.default]
    #[arg(long, value_name = "SPAN")]
    pub(crate) deadline_after: Option<Span>,
    /// Begin as queued instead of running
    #[arg(long)]
    pub(crate) queued: bool,
    /// Whether to wait.
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// What every change takes.
#[derive(Args, Debug, Default)]
pub(crate) struct ChangeArgs {
    /// Only if the record still has this version
    #[arg(long, value_name = "N")]
    pub(crate) if_version: Option<u64>,
    /// Whether to wait.
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// `update`.
#[derive(Args, Debug)]
#[command(after_help = "\
A change never creates: an unknown key is refused and leaves a line in the activity log. A delta (--add) with an \
--update-id counts once, however often it is sent.

Examples:
  runledger update 250925-231841 Guy-Wilson --add leads=12 --add cost=0.18 --update-id scoring-3 --source lead_scoring
  runledger update 250925-231841 Guy-Wilson --max peak_memory=812 --note 'second pass' --source lead_scoring
  runledger update 250925-231841 --start --if-version 1 --source orchestrator")]
pub(crate) struct UpdateArgs {
    /// The record.
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Add to a metric (repeatable)
    #[arg(long, value_name = "METRIC=NUMBER")]
    pub(crate) add: Vec<String>,
    /// Raise a metric to this number, if it is lower (repeatable)
    #[arg(long, value_name = "METRIC=NUMBER")]
    pub(crate) max: Vec<String>,
    /// Set a metric (repeatable)
    #[arg(long, value_name = "METRIC=NUMBER")]
    pub(crate) set: Vec<String>,
    /// Append a note
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// Add a reference to another system, written system:id (repeatable)
    #[arg(long = "external-id", value_name = "SYSTEM:ID")]
    pub(crate) external_ids: Vec<String>,
    /// Begin the work of a queued record
    #[arg(long)]
    pub(crate) start: bool,
    /// The name of this update: sent again, it counts once
    #[arg(long, value_name = "ID")]
    pub(crate) update_id: Option<String>,
    /// What every change takes.
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// Run, client and a last word, where the client may be left out.
#[derive(Args, Debug)]
pub(crate) struct WordsArgs {
    /// RUN, optionally CLIENT, and the last word
    #[arg(value_name = "WORDS", required = true, num_args = 1..=3)]
    pub(crate) words: Vec<String>,
}

/// `stage`.
#[derive(Debug, Subcommand)]
pub(crate) enum StageCommand {
    /// Start a stage of a record
    Start(StageStartArgs),
    /// Finish a stage of a record
    Finish(StageFinishArgs),
}

/// `stage start`.
#[derive(Args, Debug)]
#[command(
    override_usage = "runledger stage start <RUN> [CLIENT] <NAME> [OPTIONS]",
    after_help = "\
Examples:
  runledger stage start 250925-231841 Guy-Wilson lead_scoring --source lead_scoring
  runledger stage start 250925-231841 harvest --source orchestrator       (a stage of the job record)"
)]
pub(crate) struct StageStartArgs {
    /// Run, client and stage.
    #[command(flatten)]
    pub(crate) words: WordsArgs,
    /// What every change takes.
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// `stage finish`.
#[derive(Args, Debug)]
#[command(
    override_usage = "runledger stage finish <RUN> [CLIENT] <NAME> [OPTIONS]",
    after_help = "\
Example:
  runledger stage finish 250925-231841 Guy-Wilson lead_scoring --add leads=12 --source lead_scoring"
)]
pub(crate) struct StageFinishArgs {
    /// Run, client and stage.
    #[command(flatten)]
    pub(crate) words: WordsArgs,
    /// How it ended: succeeded, succeeded_with_errors, failed, skipped, cancelled
    #[arg(long, value_name = "OUTCOME", default_value = "succeeded")]
    pub(crate) status: String,
    /// Add to a metric of the record; counts once, with the end of the stage (repeatable)
    #[arg(long, value_name = "METRIC=NUMBER")]
    pub(crate) add: Vec<String>,
    /// Raise a metric of the record to this number, if it is lower (repeatable)
    #[arg(long, value_name = "METRIC=NUMBER")]
    pub(crate) max: Vec<String>,
    /// Set a metric of the record (repeatable)
    #[arg(long, value_name = "METRIC=NUMBER")]
    pub(crate) set: Vec<String>,
    /// What every change takes.
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// `note`.
#[derive(Args, Debug)]
#[command(
    override_usage = "runledger note <RUN> [CLIENT] <TEXT> [OPTIONS]",
    after_help = "\
Example:
  runledger note 250925-231841 Guy-Wilson 'the feed was empty' --source batch_process"
)]
pub(crate) struct NoteArgs {
    /// Run, client and text.
    #[command(flatten)]
    pub(crate) words: WordsArgs,
    /// The name of this note: sent again, it is appended once
    #[arg(long, value_name = "ID")]
    pub(crate) update_id: Option<String>,
    /// What every change takes.
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// `heartbeat`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  runledger heartbeat 250925-231841 Guy-Wilson --source lead_scoring")]
pub(crate) struct HeartbeatArgs {
    /// The record.
    #[command(flatten)]
    pub(crate) key: KeyArgs,
}

/// `complete`.
#[derive(Args, Debug)]
#[command(after_help = "\
An end is final. The same completion again is accepted and changes nothing; another one is refused.

Examples:
  runledger complete 250925-231841 Guy-Wilson --source batch_process
  runledger complete 250925-231841 Guy-Wilson --status failed --note 'no feed' --source batch_process
  runledger complete 250925-231841 --close-open --source orchestrator")]
pub(crate) struct CompleteArgs {
    /// The record.
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// How it ended: succeeded, succeeded_with_errors, failed, skipped, cancelled, lost
    #[arg(long, value_name = "OUTCOME", default_value = "succeeded")]
    pub(crate) status: String,
    /// A note on the end
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// Close what is still open in it (stages; for a run its clients) as cancelled, instead of being refused
    #[arg(long)]
    pub(crate) close_open: bool,
    /// What every change takes.
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}
