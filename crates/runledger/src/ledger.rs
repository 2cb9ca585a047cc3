//! Puts a ledger together: the store, the policy of the configuration, the registry, the clock.

use std::sync::Arc;

use runledger_app::system::{RandomIds, SystemClock};
use runledger_app::{Ledger, Ports, Registry};
use runledger_domain::CreationPolicy;
use runledger_embedded::{EmbeddedOptions, EmbeddedStore, OpenError};
use runledger_http::{Callers, Options, RateLimit};
use runledger_legacy::LegacyService;
use runledger_ports::{
    ActivityLog, ActivityWatch, Clock, DeliveryStore, LeaseStore, LedgerRestorer as _, RunChanger, RunCreator,
    RunReader, StoreMeter, TokenStore, Unavailable,
};
use runledger_postgres::PostgresStore;

use crate::failure::{Exit, Failure, Outcome};
use crate::settings::{Settings, StoreKind};

/// How many records a command remembers: it asks for few.
const RECORDS_OF_A_COMMAND: usize = 64;
/// The memory of the writer's page cache for a command, in KiB.
const CACHE_OF_A_COMMAND_KIB: u32 = 2_048;

/// What the ledger is opened for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Use {
    /// One command.
    Command,
    /// A server.
    Server,
    /// To take another ledger over: for that alone one that is not whole yet is opened.
    Move,
}

/// A ledger that this process holds.
pub(crate) struct OpenLedger {
    /// The app.
    pub(crate) ledger: Arc<Ledger>,
    /// Its store; closing it gives the data directory up.
    pub(crate) store: Held,
}

/// A store that this process has opened.
pub(crate) enum Held {
    /// Alone, in the data directory.
    Embedded(Arc<EmbeddedStore>),
    /// Beside others, in a database.
    Postgres(Arc<PostgresStore>),
}

impl Held {
    /// Finishes what was accepted, and gives the store up.
    pub(crate) async fn close(&self) {
        match self {
            Self::Embedded(store) => store.close(),
            Self::Postgres(store) => store.close().await,
        }
    }
}

impl OpenLedger {
    /// Opens the ledger in the database. Nobody holds it alone: open records are not remembered.
    ///
    /// # Errors
    /// The database is not reached, or holds no ledger that this program can use.
    pub(crate) async fn open_shared(settings: &Settings, usage: Use, policy: CreationPolicy) -> Outcome<Self> {
        let mut options = settings.postgres.options()?;
        // A command is over before a connection for notices would have paid.
        options.notices &= usage == Use::Server;
        let store = PostgresStore::open(options).await;
        let store = store.map_err(|error| failure_of_database(&error))?;
        Self::over_shared(store, settings, usage, policy).await
    }

    /// The same, once the store is open.
    ///
    /// # Errors
    /// The ledger is not whole; the system has no randomness for attempt ids.
    pub(crate) async fn over_shared(
        store: PostgresStore,
        settings: &Settings,
        usage: Use,
        policy: CreationPolicy,
    ) -> Outcome<Self> {
        let records = match usage {
            Use::Server => settings.registry.records,
            Use::Command | Use::Move => RECORDS_OF_A_COMMAND,
        };
        if usage != Use::Move {
            expect_whole(store.unfinished().await)?;
        }
        let store = Arc::new(store);
        let registry = Registry::new(records, false);
        Ok(Self {
            ledger: put_together(&store, policy, registry, Arc::new(SystemClock))?,
            store: Held::Postgres(store),
        })
    }

    /// Opens the store of the data directory and puts the ledger on it.
    ///
    /// # Errors
    /// [`Problem`].
    pub(crate) fn open(settings: &Settings, usage: Use, policy: CreationPolicy) -> Result<Self, Problem> {
        let (options, records) = match usage {
            Use::Server => (EmbeddedOptions::default(), settings.registry.records),
            Use::Command | Use::Move => (
                EmbeddedOptions {
                    cache_kib: CACHE_OF_A_COMMAND_KIB,
                    ..EmbeddedOptions::default()
                },
                RECORDS_OF_A_COMMAND,
            ),
        };
        let store = EmbeddedStore::open(&settings.data, options).map_err(|error| match error {
            OpenError::Sqlite { .. } => Problem::Other(failure_of(&error).advise(format_args!(
                "the data directory is {}; look at its permissions and at the space on its disk",
                settings.data.display()
            ))),
            error => Problem::Store(error),
        })?;
        if usage != Use::Move {
            expect_whole(store.unfinished_up_to())?;
        }
        let store = Arc::new(store);
        store.time_commits_by(Arc::new(SystemClock));
        let registry = Registry::new(records, true);
        Ok(Self {
            ledger: put_together(&store, policy, registry, Arc::new(SystemClock))?,
            store: Held::Embedded(store),
        })
    }
}

/// A ledger that is being taken over may hold records that are ahead of its log, and a line of its own would make another
/// ledger of it.
///
/// # Errors
/// It is not whole, or the store cannot say.
fn expect_whole(unfinished: Result<Option<u64>, Unavailable>) -> Outcome {
    match unfinished.map_err(Failure::unavailable)? {
        None => Ok(()),
        Some(until) => Err(Failure::unavailable(format_args!(
            "this ledger is not whole: it is being taken over, up to line {until} of its log, and the import was interrupted"
        ))
        .advise("run the same `runledger import ledger` again: it goes on where it was; docs/moving.md")),
    }
}

/// Whether the ledger is kept in a database.
pub(crate) fn is_shared(settings: &Settings) -> bool {
    settings.store.kind == StoreKind::Postgres
}

/// Why the ledger in the database cannot be used.
pub(crate) fn failure_of_database(error: &runledger_postgres::OpenError) -> Failure {
    use runledger_postgres::OpenError as Why;
    match error {
        Why::Absent => Failure::new(Exit::NotFound, error),
        Why::Url | Why::Certificates { .. } | Why::Encoding { .. } => Failure::usage(error),
        Why::Database { .. } => Failure::unavailable(error).advise(
            "look whether the database runs, and whether postgres.url names it, with a user who may do this; docs/postgres.md \
             says who may do what",
        ),
        _ => Failure::unavailable(error),
    }
}

/// Why a ledger is not opened.
pub(crate) enum Problem {
    /// The store does not open.
    Store(OpenError),
    /// Anything else.
    Other(Failure),
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Store(error) => failure_of(&error),
            Problem::Other(failure) => failure,
        }
    }
}

/// The app over a store, with this clock.
///
/// # Errors
/// When the system has no randomness for attempt ids.
pub(crate) fn put_together<S>(
    store: &Arc<S>,
    policy: CreationPolicy,
    registry: Registry,
    clock: Arc<dyn Clock>,
) -> Outcome<Arc<Ledger>>
where
    S: RunReader
        + RunChanger
        + RunCreator
        + ActivityLog
        + ActivityWatch
        + TokenStore
        + DeliveryStore
        + LeaseStore
        + StoreMeter
        + 'static,
{
    let ports = Ports::of(store, clock, Arc::new(random_ids()?));
    Ok(Arc::new(Ledger::measured(ports, policy, registry, Some(store.clone()))))
}

/// The source of attempt ids.
///
/// # Errors
/// When the system has no randomness.
pub(crate) fn random_ids() -> Outcome<RandomIds> {
    RandomIds::new().map_err(|error| Failure::new(Exit::Fault, error))
}

/// What the API is to be bound by, and how it tells who asks.
pub(crate) fn api_options(settings: &Settings, callers: Callers) -> Options {
    let limit = |per_second: u32| {
        (per_second > 0).then_some(RateLimit {
            per_second,
            burst: per_second,
        })
    };
    Options {
        callers,
        token_rate: limit(settings.limits.token_rate),
        client_rate: limit(settings.limits.client_rate),
        streams_max: settings.events.streams,
        keep_alive: settings.events.keep_alive.duration(),
        body_bytes_max: settings.limits.body_bytes,
        body_time_max: settings.limits.body_time.duration(),
        functions: Some(Arc::new(
            LegacyService::new().with_triggers(settings.legacy.triggers.iter().cloned()),
        )),
        ..Options::default()
    }
}

/// Why the store did not open, with everything that the system said.
pub(crate) fn failure_of(error: &OpenError) -> Failure {
    let mut what = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if !what.contains(&text) {
            what = format!("{what}: {text}");
        }
        cause = error.source();
    }
    match error {
        OpenError::Absent { .. } => Failure::new(Exit::NotFound, what)
            .advise("`runledger serve` and `runledger job create` make one; or name another directory with --data"),
        _ => Failure::unavailable(what),
    }
}
