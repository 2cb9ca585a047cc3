//! What the commands do. Those about records make requests of the API and print the answers; they never decide a rule.

pub(crate) mod change;
pub(crate) mod create;
pub(crate) mod export;
pub(crate) mod import;
mod listing;
mod pages;
pub(crate) mod read;
pub(crate) mod setup;
pub(crate) mod sweep;
mod target;

pub(crate) use listing::{activity, list, stalled};

use crate::connect::{Connection, Need, connect};
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::settings::Settings;
use crate::transport::{Answer, Request};

/// The header that says who asks.
const SOURCE: &str = "Runledger-Source";
/// The header that makes a retry safe.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// The header that says which version a change expects.
const IF_MATCH: &str = "If-Match";

/// What every command has at hand.
pub(crate) struct Context<'a> {
    /// The configuration.
    pub(crate) settings: &'a Settings,
    /// Who asks, if the caller said so.
    pub(crate) source: Option<&'a str>,
    /// The terminal.
    pub(crate) output: &'a Output,
}

impl Context<'_> {
    async fn connect(&self, need: Need) -> Outcome<Connection> {
        connect(self.settings, need).await
    }

    /// Adds who asks, and sends. Without a source the API refuses, and keeps a line of it.
    async fn ask(&self, connection: &Connection, request: Request) -> Outcome<Answer> {
        let request = request.header(SOURCE, self.source)?;
        connection.transport.request(&request).await.map_err(advise)
    }
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
        Some("job_missing") => failure.advise("create the job first: runledger job create RUN"),
        _ => failure,
    }
}
