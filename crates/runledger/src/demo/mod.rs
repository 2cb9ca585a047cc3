//! `demo`: a night's batch of twelve clients, played against a throw-away ledger: the real store, the real API, and a
//! clock that the demo moves, so that hours pass without anybody waiting.

mod clock;
mod script;
mod stage;

use std::sync::Arc;

use runledger_app::Registry;
use runledger_domain::CreationPolicy;
use runledger_embedded::{EmbeddedOptions, EmbeddedStore};

use crate::failure::{Exit, Failure, Outcome};
use crate::ledger::{failure_of, put_together};
use crate::output::Output;
use crate::transport::Transport;

/// How many records the demo's registry remembers.
const RECORDS: usize = 64;

/// Plays the demo.
///
/// # Errors
/// The throw-away ledger cannot be made, or something did not go as the script says.
pub(crate) async fn run(output: &Output) -> Outcome {
    if output.is_json() {
        return Err(Failure::usage("the demo is a story for people; it has no --json")
            .advise("every step of it is a command or a request of the API that has"));
    }
    let directory = tempfile::Builder::new()
        .prefix("runledger-demo-")
        .tempdir()
        .map_err(|error| {
            Failure::new(
                Exit::Fault,
                format_args!("cannot make a directory for the demo: {error}"),
            )
        })?;
    let store =
        EmbeddedStore::open(directory.path(), EmbeddedOptions::default()).map_err(|error| failure_of(&error))?;
    let store = Arc::new(store);
    let clock = Arc::new(clock::DemoClock::new());
    let ledger = put_together(
        &store,
        CreationPolicy::default(),
        Registry::new(RECORDS, true),
        clock.clone(),
    )?;
    let router = runledger_http::router(Arc::clone(&ledger), runledger_http::Options::default());
    let stage = stage::Stage {
        transport: Transport::InProcess(router),
        ledger,
        clock,
        output,
    };
    let played = script::play(&stage, &store).await;
    store.close();
    played
}
