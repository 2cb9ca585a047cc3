//! The way of a command to its ledger: through the server that holds the data directory, or by opening it here.

use std::path::Path;
use std::time::Duration;

use runledger_embedded::{DATABASE_FILE, OpenError};
use runledger_http::Callers;

use crate::failure::{Exit, Failure, Outcome};
use crate::ledger::{Held, OpenLedger, Problem, Use, api_options, is_shared};
use crate::reconciling;
use crate::server_file::{self, Secret};
use crate::settings::Settings;
use crate::transport::Transport;

/// How often a data directory that is held is tried again.
const TRIES: u32 = 250;
/// How long between two tries: five seconds in all.
const PAUSE: Duration = Duration::from_millis(20);

/// Whether a command may find no ledger at all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Need {
    /// The command begins a ledger where there is none.
    MayBegin,
    /// The command is about a ledger that exists: reading and changing make none.
    Exists,
    /// The same, and it is about the tables where records are shown.
    Tables,
}

/// A way to a ledger, for as long as a command takes.
pub(crate) struct Connection {
    /// The way.
    pub(crate) transport: Transport,
    held: Option<Held>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A database is held by nobody, and all that the command asked for was answered.
        if let Some(Held::Embedded(store)) = &self.held {
            store.close();
        }
    }
}

/// What the caller says about the server to go to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Remote<'a> {
    /// Its address; without one, the data directory leads to the ledger.
    pub(crate) url: Option<&'a str>,
    /// The token to show there; never printed.
    pub(crate) token: Option<&'a Secret>,
    /// The certificates to believe, when its address says `https`; without them, those of the platform.
    pub(crate) ca_file: Option<&'a Path>,
}

/// Finds the ledger: at the server that is named, or in the data directory.
///
/// # Errors
/// There is none, it does not open, or it stays held by another command for five seconds.
pub(crate) async fn connect(settings: &Settings, remote: Remote<'_>, need: Need) -> Outcome<Connection> {
    if remote.url.is_none() && need != Need::MayBegin {
        expect_ledger(settings)?;
    }
    let policy = settings.policy()?;
    if is_shared(settings) {
        if let Some(transport) = server(settings, remote)? {
            return Ok(Connection { transport, held: None });
        }
        return in_process(
            settings,
            need,
            OpenLedger::open_shared(settings, Use::Command, policy).await?,
        );
    }
    for _ in 0..TRIES {
        if let Some(transport) = server(settings, remote)? {
            return Ok(Connection { transport, held: None });
        }
        match OpenLedger::open(settings, Use::Command, policy.clone()) {
            Ok(open) => return in_process(settings, need, open),
            Err(Problem::Store(OpenError::InUse { .. })) => tokio::time::sleep(PAUSE).await,
            Err(problem) => return Err(problem.into()),
        }
    }
    Err(held_by_another(&settings.data))
}

/// The way to a ledger that was opened here.
///
/// # Errors
/// A setting of the tables does not fit.
fn in_process(settings: &Settings, need: Need, open: OpenLedger) -> Outcome<Connection> {
    let mut options = api_options(settings, Callers::Operator);
    if need == Need::Tables {
        options.reconciler = reconciling::of_command(settings, &open)?;
    }
    Ok(Connection {
        transport: Transport::InProcess(runledger_http::router(open.ledger, options)),
        held: Some(open.store),
    })
}

/// The way to the server that is named, or that holds the data directory; `None` when none does.
///
/// # Errors
/// The URL, the token or the certificates cannot be used.
pub(crate) fn server(settings: &Settings, remote: Remote<'_>) -> Outcome<Option<Transport>> {
    if let Some(url) = remote.url {
        return Transport::remote(url, remote.token, remote.ca_file).map(Some);
    }
    let Some(server) = server_file::find(&settings.data) else {
        return Ok(None);
    };
    let token = remote.token.unwrap_or(&server.operator_key);
    Transport::remote(&server.url, Some(token), None).map(Some)
}

/// Opens the ledger: for this process alone in the data directory, beside others in a database.
///
/// # Errors
/// As [`hold`]; the database is not reached, or holds no ledger that this program can use.
pub(crate) async fn open(
    settings: &Settings,
    usage: Use,
    policy: runledger_domain::CreationPolicy,
) -> Outcome<OpenLedger> {
    if is_shared(settings) {
        OpenLedger::open_shared(settings, usage, policy).await
    } else {
        hold(settings, usage, &policy)
    }
}

/// Opens the ledger for this process alone, waiting for other commands to end.
///
/// # Errors
/// A server holds it, another command holds it for five seconds, or it does not open.
pub(crate) fn hold(settings: &Settings, usage: Use, policy: &runledger_domain::CreationPolicy) -> Outcome<OpenLedger> {
    for _ in 0..TRIES {
        if let Some(server) = server_file::find(&settings.data) {
            return Err(Failure::unavailable(format_args!(
                "a server holds {}: process {}, at {}",
                settings.data.display(),
                server.pid,
                server.url
            ))
            .advise("commands go through it by themselves; to put another in its place, stop it first"));
        }
        match OpenLedger::open(settings, usage, policy.clone()) {
            Ok(open) => return Ok(open),
            Err(Problem::Store(OpenError::InUse { .. })) => std::thread::sleep(PAUSE),
            Err(problem) => return Err(problem.into()),
        }
    }
    Err(held_by_another(&settings.data))
}

/// There must be a ledger in the data directory. Whether one is in the database is said when it is opened.
///
/// # Errors
/// Not found, with the ways to get one.
pub(crate) fn expect_ledger(settings: &Settings) -> Outcome {
    let directory = &settings.data;
    if is_shared(settings) || directory.join(DATABASE_FILE).exists() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::NotFound,
        format_args!("there is no ledger in {}, and none was made", directory.display()),
    )
    .advise("`runledger job create` and `runledger serve` begin one; or name another directory with --data"))
}

fn held_by_another(directory: &Path) -> Failure {
    Failure::unavailable(format_args!(
        "another process has held the ledger in {} for 5 seconds; nothing was done",
        directory.display()
    ))
    .advise("wait for the other command to end and try again, or run `runledger serve` and let commands share it")
}
