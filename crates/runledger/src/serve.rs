//! `serve`: holds the data directory, answers the API, sweeps, and ends in order: it stops accepting,
//! finishes what it accepted, and closes the store.

use std::fmt::Write as _;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use runledger_app::Gateway;
use runledger_http::{Bounds, Callers, OperatorKey, Tls};
use runledger_ports::SecretSource as _;
use runledger_postgres::PostgresStore;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::connect::hold;
use crate::duties;
use crate::failure::{Exit, Failure, Outcome};
use crate::ledger::{Held, OpenLedger, Use, api_options, failure_of_database, is_shared, random_ids};
use crate::logging;
use crate::output::Output;
use crate::projecting::Projecting;
use crate::server_file::{self, Secret, ServerFile, ServerInfo};
use crate::settings::Settings;
use crate::spans::Collecting;
use crate::sweeping::Sweeping;
use crate::webhooks::Deliveries;

/// The exit status of a server that is told twice to end: that of a program ended by SIGINT.
const ENDED_AT_ONCE: i32 = 130;

/// How long a server that starts waits for its database, and how long between two tries.
const DATABASE_AWAY_MAX: Duration = Duration::from_mins(1);
const DATABASE_PAUSE: Duration = Duration::from_secs(1);

/// How many random bytes the operator's key has.
const OPERATOR_KEY_BYTES: usize = 32;

/// Runs the server until a signal ends it.
///
/// # Errors
/// An address that is not loopback on a ledger without tokens, a data directory or an address that is taken, a ledger that does not open, requests
/// that were still unanswered when the server had to end.
pub(crate) fn serve(settings: &Settings, output: &Output) -> Outcome {
    let _logging = logging::for_server(&settings.log)?;
    let held = if is_shared(settings) {
        None
    } else {
        Some(hold(settings, Use::Server, &settings.policy()?)?)
    };
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Fault, format_args!("cannot start the runtime: {error}")))?;
    let open = match held {
        Some(open) => open,
        None => runtime.block_on(reach(settings))?,
    };
    let ended = runtime.block_on(run(settings, output, &open));
    match &open.store {
        // What is left in the runtime ends before the store does.
        Held::Embedded(store) => {
            drop(runtime);
            store.close();
        }
        Held::Postgres(store) => runtime.block_on(store.close()),
    }
    tracing::info!("the ledger is closed");
    ended
}

/// Opens the ledger in the database, waiting for a database that is away.
///
/// # Errors
/// It does not come back in time, or holds no ledger that this program can use.
async fn reach(settings: &Settings) -> Outcome<OpenLedger> {
    if let Some(server) = server_file::find(&settings.data) {
        return Err(Failure::unavailable(format_args!(
            "another server uses {}: process {}, at {}",
            settings.data.display(),
            server.pid,
            server.url
        ))
        .advise("give each server of this machine a data directory of its own, with --data"));
    }
    std::fs::create_dir_all(&settings.data)
        .map_err(|error| Failure::usage(format_args!("cannot make {}: {error}", settings.data.display())))?;
    let until = Instant::now() + DATABASE_AWAY_MAX;
    let store = loop {
        match PostgresStore::open(settings.postgres.options()?).await {
            Err(error) if error.may_pass() && Instant::now() < until => {
                tracing::warn!(%error, "the database cannot be used yet; trying again");
                tokio::time::sleep(DATABASE_PAUSE).await;
            }
            opened => break opened.map_err(|error| failure_of_database(&error))?,
        }
    };
    OpenLedger::over_shared(store, settings, Use::Server, settings.policy()?).await
}

async fn run(settings: &Settings, output: &Output, open: &OpenLedger) -> Outcome {
    check_openness(settings, open).await?;
    let cannot_listen = |error: io::Error| {
        Failure::unavailable(format_args!("cannot listen on {}: {error}", settings.listen))
            .advise("another server may use it; choose another address with --listen, or port 0 for a free one")
    };
    let listener = TcpListener::bind(settings.listen).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    let tls = load_certificate(settings)?;
    // Commands of this machine go on in clear, over loopback: the certificate names the outside.
    let local = match &tls {
        None => None,
        Some(_) => Some(
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .await
                .map_err(cannot_listen)?,
        ),
    };
    let local_address = match &local {
        None => address,
        Some(local) => local.local_addr().map_err(cannot_listen)?,
    };
    let mut signals = Signals::listen()?;
    let info = ServerInfo {
        url: format!("http://{local_address}"),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").into(),
        operator_key: operator_key()?,
    };
    let file = ServerFile::write(&settings.data, &info).map_err(|error| {
        Failure::new(
            Exit::Fault,
            format_args!("cannot write server.json in {}: {error}", settings.data.display()),
        )
    })?;
    let outside = match &tls {
        None => info.url.clone(),
        Some(_) => format!("https://{address}"),
    };
    greet(settings, output, &info, &outside)?;
    let terms = duties::terms(settings)?;
    let deliveries = Deliveries::begin(settings, &open.ledger, &terms)?;
    let projecting = Projecting::begin(settings, open, &terms)?;
    let callers = Callers::BearersAndOperator(OperatorKey::new(info.operator_key.0.clone()));
    let sweeping = Sweeping::begin(settings, &open.ledger, terms)?;
    let collecting = Collecting::start(&settings.traces)?;
    let mut options = api_options(settings, callers);
    let gateway = settings.gateway.gateway(&settings.legacy.triggers)?;
    options.gateway = gateway.map(|gateway| gateway as Arc<dyn Gateway>);
    options.spans = collecting.as_ref().map(Collecting::spans);
    options.projection = projecting.as_ref().map(Projecting::projection);
    options.reconciler = projecting.as_ref().map(Projecting::reconciler);
    let closing = options.closing.clone();
    let router = runledger_http::router(Arc::clone(&open.ledger), options);
    let drain = settings.limits.drain_time.duration();
    let bounds = Bounds {
        connections: settings.limits.connections,
        head_time: settings.limits.head_time.duration(),
        drain,
    };
    let (ending, ended) = watch::channel(false);
    let told_to_end = async move {
        signals.next().await;
        // From here on commands wait for the ledger to be free, and then open it themselves.
        drop(file);
        tracing::info!("told to end: finishing what was accepted; a second signal ends at once");
        tokio::spawn(async move {
            signals.next().await;
            end_at_once();
        });
        // Streams of events have no end of their own.
        closing.begin();
        // The listeners may have ended with an error before.
        let _ = ending.send(true);
    };
    let end = |mut ended: watch::Receiver<bool>| async move {
        let _ = ended.wait_for(|ended| *ended).await;
    };
    tokio::spawn(told_to_end);
    let served = match (tls, local) {
        (Some(tls), Some(local)) => {
            let outside = runledger_http::serve_tls(listener, tls, router.clone(), bounds, end(ended.clone()));
            let inside = runledger_http::serve(local, router, bounds, end(ended));
            tokio::try_join!(outside, inside).map(|_| ())
        }
        _ => runledger_http::serve(listener, router, bounds, end(ended)).await,
    };
    deliveries.end().await;
    if let Some(projecting) = projecting {
        projecting.end().await;
    }
    sweeping.end(drain).await;
    if let Some(collecting) = collecting {
        collecting.end().await;
    }
    served.map_err(|error| {
        tracing::error!(%error, "the server ended with an error");
        Failure::unavailable(format_args!("the server ended with an error: {error}"))
    })
}

/// The certificate, if there is to be one; SIGHUP has it read again.
fn load_certificate(settings: &Settings) -> Outcome<Option<Tls>> {
    if !settings.tls.are_given() {
        return Ok(None);
    }
    let tls = Tls::load(&settings.tls.certificate, &settings.tls.key)
        .map_err(|error| Failure::usage(error).advise("mend tls.certificate and tls.key"))?;
    let mut hangup = signal(SignalKind::hangup())
        .map_err(|error| Failure::new(Exit::Fault, format_args!("cannot listen for signals: {error}")))?;
    let reloaded = tls.clone();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            match reloaded.reload() {
                Ok(()) => tracing::info!("the certificate was read again"),
                Err(error) => tracing::error!(%error, "the certificate is not usable; the one before stays"),
            }
        }
    });
    Ok(Some(tls))
}

/// A ledger without tokens trusts whoever reaches it: it listens on loopback alone, and says so.
async fn check_openness(settings: &Settings, open: &OpenLedger) -> Outcome {
    let is_open = open.ledger.tokens.is_open().await;
    let is_open = is_open.map_err(|error| Failure::unavailable(format_args!("the tokens cannot be read: {error}")))?;
    if !is_open {
        return Ok(());
    }
    if !settings.listen.ip().is_loopback() {
        return Err(Failure::usage(format_args!(
            "{} is not a loopback address, and this ledger has no token: whoever reached it could write as anybody",
            settings.listen
        ))
        .advise("make a token with `runledger token create`, or listen on 127.0.0.1 or [::1]"));
    }
    tracing::warn!("this ledger has no token: every program of this machine may do everything");
    Ok(())
}

/// A key for whoever can read the data directory, new for each start.
fn operator_key() -> Outcome<Secret> {
    let seed = random_ids()?
        .token_seed()
        .map_err(|error| Failure::new(Exit::Fault, error))?;
    let mut key = String::from("rlo_");
    for byte in seed.iter().take(OPERATOR_KEY_BYTES) {
        // Writing to a String cannot fail.
        let _ = write!(key, "{byte:02x}");
    }
    Ok(Secret(key))
}

fn greet(settings: &Settings, output: &Output, info: &ServerInfo, url: &str) -> Outcome {
    let ServerInfo { pid, version, .. } = info;
    if output.is_json() {
        output.value(&json!({"url": url, "pid": pid, "version": version}))?;
    } else {
        output.line(&format!(
            "runledger {version} serves {} at {url} (process {pid}; Ctrl-C ends it)",
            settings.data.display()
        ))?;
    }
    tracing::info!(url, pid, version, data = %settings.data.display(), "serving");
    output.flush()
}

#[expect(
    clippy::disallowed_methods,
    reason = "asked for twice; every acknowledged write is durable, and the locks end with the process"
)]
fn end_at_once() {
    tracing::warn!("told to end twice: ending at once");
    std::process::exit(ENDED_AT_ONCE);
}

/// The signals that end a server.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(crate) fn listen() -> Outcome<Self> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::new(Exit::Fault, format_args!("cannot listen for signals: {error}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
