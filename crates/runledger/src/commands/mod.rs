//! What the commands do. Those about records make requests of the API and print the answers; they never decide a rule.

pub(crate) mod airtable;
pub(crate) mod change;
pub(crate) mod create;
pub(crate) mod db;
pub(crate) mod dev;
pub(crate) mod duty;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod import;
mod listing;
mod pages;
pub(crate) mod read;
pub(crate) mod setup;
pub(crate) mod sweep;
mod tables;
mod target;
pub(crate) mod token;
pub(crate) mod webhook;

pub(crate) use listing::{activity, list, stalled};

use crate::cli::WaitArgs;
use crate::connect::{Connection, Need, Remote, connect};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::settings::Settings;
use crate::transport::{Answer, Request};

/// The header that says who asks.
const SOURCE: &str = "Runledger-Source";
/// Who asks when nobody is named: whoever sits at the machine.
const OPERATOR: &str = "operator";
/// The header that makes a retry safe.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// The header that says which version a change expects.
const IF_MATCH: &str = "If-Match";

/// The header that says what the caller prefers.
const PREFER: &str = "Prefer";
/// The header that says whether a record is shown elsewhere.
const PROJECTED: &str = "runledger-projection";

/// What every command has at hand.
pub(crate) struct Context<'a> {
    /// The configuration.
    pub(crate) settings: &'a Settings,
    /// The server and the token that the caller named.
    pub(crate) remote: Remote<'a>,
    /// Who asks, if the caller said so.
    pub(crate) source: Option<&'a str>,
    /// The terminal.
    pub(crate) output: &'a Output,
}

impl Context<'_> {
    async fn connect(&self, need: Need) -> Outcome<Connection> {
        connect(self.settings, self.remote, need).await
    }

    /// Says whether a record is shown elsewhere, to whoever waited for that.
    fn tell_projected(&self, answer: &Answer, wait: &WaitArgs) -> Outcome {
        if wait.wait.is_none() || self.output.is_json() {
            return Ok(());
        }
        let word = projected(answer);
        self.output.line(match word {
            Some("shown") => "Airtable shows it",
            Some("set_aside") => "Airtable does not show it: its row is set aside; see `runledger airtable status`",
            Some("stopped") => "Airtable does not show it: nothing is sent there; see `runledger airtable status`",
            Some(_) => "Airtable does not show it yet",
            None => "this ledger shows nothing at Airtable",
        })
    }

    /// Adds who asks, and sends. Without a source the API refuses, and keeps a line of it.
    async fn ask(&self, connection: &Connection, request: Request) -> Outcome<Answer> {
        let request = request.header(SOURCE, self.source)?;
        connection.transport.request(&request).await.map_err(advise)
    }
}

/// Whether a record is shown elsewhere, as the answer says.
fn projected(answer: &Answer) -> Option<&str> {
    answer.headers.get(PROJECTED).and_then(|word| word.to_str().ok())
}

/// A JSON object as it came, with one member more when somebody waited for it.
fn with_projected(text: &str, answer: &Answer) -> String {
    match projected(answer) {
        Some(word) => format!("{{\"projection\":\"{word}\",{}", text.trim_start_matches('{')),
        None => text.to_owned(),
    }
}

/// The failure that an answer of another shape comes to.
fn unreadable(error: &serde_json::Error) -> Failure {
    Failure::new(Exit::Fault, format_args!("the answer cannot be read: {error}"))
        .advise("use the same version of runledger for the server and the command")
}

/// What the API cannot say, since it knows no command line.
fn advise(failure: Failure) -> Failure {
    match failure.code() {
        Some("source_missing") => failure
            .rephrase("the command does not say who asks")
            .advise("name the program or step that asks with --source NAME or RUNLEDGER_SOURCE"),
        Some("source_invalid") => {
            failure.advise("name the program or step that asks with --source NAME or RUNLEDGER_SOURCE")
        }
        Some("source_not_authorised") => {
            failure.advise("`runledger config show` lists who may create, under creation.creators")
        }
        Some("conflict") => failure.advise(
            "to repeat a creation safely, send it with the same --attempt; to change the record, use update, note, \
             stage or complete",
        ),
        Some("idempotency_key_reused") => failure.advise(
            "a repeated creation sends what the first one sent; for another creation give another --attempt, or none",
        ),
        Some("token_missing" | "token_invalid" | "token_ended") => {
            failure.advise("give a token of that ledger in RUNLEDGER_TOKEN")
        }
        Some("scope_missing" | "source_not_granted" | "client_not_granted") => {
            failure.advise("`runledger token list` shows what each token allows")
        }
        Some("job_missing") => failure.advise("create the job first: runledger job create RUN"),
        _ => failure,
    }
}
