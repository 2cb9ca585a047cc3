//! What the commands do. Those about records make requests of the API and print the answers; they never decide a rule.

pub mod change;
pub mod create;
pub mod export;
pub mod import;
mod listing;
mod pages;
pub mod read;
pub mod setup;
pub mod sweep;
mod target;

pub use listing::{activity, list, stalled};

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
pub struct Context<'a> {
    /// The configuration.
    pub settings: &'a Settings,
    /// Who asks, if the caller said so.
    pub source: Option<&'a str>,
    /// The terminal.
    pub output: &'a Output,
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
        Some("source_missing" | "source_invalid") => {
            failure.advise("name the program or step that asks with --source NAME or RUNLEDGER_SOURCE")
        }
        Some("source_not_authorised") => {
            failure.advise("`runledger config show` lists who may create, under creation.creators")
        }
        Some("conflict") => failure.advise(
            "to repeat a creation safely, send it with the same --attempt; to change the record, use update, note, \
             stage or complete",
        ),
        Some("version_mismatch") => failure.advise("read the record again and decide anew"),
        Some("job_missing") => failure.advise("create the job first: runledger job create RUN"),
        _ => failure,
    }
}
