//! What the creation point and the run service share, and how they are put together.

use std::sync::Arc;
use std::time::Duration;

use runledger_domain::{CreationPolicy, RunKey};
use runledger_ports::{
    ActivityLog, ActivityWatch, Clock, DeliveryStore, IdSource, LeaseStore, RunChanger, RunCreator, RunReader,
    SecretSource, StoreMeter, TokenStore,
};

use crate::creation_point::CreationPoint;
use crate::duties::Duties;
use crate::events::Events;
use crate::recent::Recent;
use crate::registry::Registry;
use crate::run_service::RunService;
use crate::stats::Stats;
use crate::tokens::Tokens;
use crate::turns::Turns;
use crate::webhooks::Webhooks;

/// The ports that an app is put together from.
pub struct Ports {
    /// Reads.
    pub reader: Arc<dyn RunReader>,
    /// Changes what exists.
    pub changer: Arc<dyn RunChanger>,
    /// Creates; goes to the creation point and nowhere else.
    pub creator: Arc<dyn RunCreator>,
    /// Keeps refusals.
    pub log: Arc<dyn ActivityLog>,
    /// Says that the activity log has grown.
    pub watch: Arc<dyn ActivityWatch>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes attempt ids.
    pub ids: Arc<dyn IdSource>,
    /// Keeps tokens.
    pub tokens: Arc<dyn TokenStore>,
    /// Remembers how far the log was delivered.
    pub deliveries: Arc<dyn DeliveryStore>,
    /// Gives each duty to one server at a time.
    pub leases: Arc<dyn LeaseStore>,
    /// Draws the secrets of new tokens.
    pub secrets: Arc<dyn SecretSource>,
}

impl Ports {
    /// Those of one store that keeps everything, with a clock, and with ids and secrets from one source.
    pub fn of<S, I>(store: &Arc<S>, clock: Arc<dyn Clock>, ids: Arc<I>) -> Self
    where
        S: RunReader
            + RunChanger
            + RunCreator
            + ActivityLog
            + ActivityWatch
            + TokenStore
            + DeliveryStore
            + LeaseStore
            + 'static,
        I: IdSource + SecretSource + 'static,
    {
        Self {
            reader: store.clone(),
            changer: store.clone(),
            creator: store.clone(),
            log: store.clone(),
            watch: store.clone(),
            clock,
            ids: ids.clone(),
            tokens: store.clone(),
            deliveries: store.clone(),
            leases: store.clone(),
            secrets: ids,
        }
    }
}

/// A whole app: the one place that creates, the service for all the rest, and who may use them.
///
/// ```
/// use std::sync::Arc;
/// use runledger_app::system::{RandomIds, SystemClock};
/// use runledger_app::{Ledger, Ports, Registry, StartJob};
/// use runledger_domain::CreationPolicy;
/// use runledger_memory::MemoryStore;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = Arc::new(MemoryStore::new());
/// let ports = Ports::of(&store, Arc::new(SystemClock), Arc::new(RandomIds::new()?));
/// let ledger = Ledger::new(ports, CreationPolicy::default(), Registry::new(1_000, true));
/// let started = ledger.creation.start_job(&"orchestrator".parse()?, StartJob::default()).await?;
/// assert_eq!(ledger.runs.get(started.record.key()).await?.version(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Ledger {
    /// Creates.
    pub creation: CreationPoint,
    /// Reads and changes.
    pub runs: RunService,
    /// Says who asks, by their token.
    pub tokens: Tokens,
    /// Follows the activity log.
    pub events: Arc<Events>,
    /// Sends it to receivers.
    pub webhooks: Webhooks,
    /// Has one server at a time do what is done for all of them.
    pub duties: Arc<Duties>,
    shared: Arc<Shared>,
}

impl Ledger {
    /// Puts an app together.
    pub fn new(ports: Ports, policy: CreationPolicy, registry: Registry) -> Self {
        Self::measured(ports, policy, registry, None)
    }

    /// Puts an app together over a store that says how its own work goes.
    pub fn measured(
        ports: Ports,
        policy: CreationPolicy,
        registry: Registry,
        meter: Option<Arc<dyn StoreMeter>>,
    ) -> Self {
        let Ports {
            reader,
            changer,
            creator,
            log,
            watch,
            clock,
            ids,
            tokens,
            deliveries,
            leases,
            secrets,
        } = ports;
        let started = clock.now();
        let shared = Arc::new(Shared {
            reader,
            log,
            clock,
            registry,
            stats: Stats::new(&policy, started),
            recent: Recent::default(),
            meter,
            turns: Turns::default(),
        });
        let events = Arc::new(Events::new(Arc::clone(&shared), watch));
        Self {
            runs: RunService::new(Arc::clone(&shared), changer, policy.quotas()),
            creation: CreationPoint::new(Arc::clone(&shared), creator, policy, ids),
            webhooks: Webhooks::new(Arc::clone(&shared), Arc::clone(&events), deliveries),
            events,
            duties: Arc::new(Duties::new(leases)),
            tokens: Tokens::new(Arc::clone(&shared), tokens, secrets),
            shared,
        }
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

pub(crate) struct Shared {
    pub(crate) reader: Arc<dyn RunReader>,
    pub(crate) log: Arc<dyn ActivityLog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) registry: Registry,
    pub(crate) stats: Stats,
    pub(crate) recent: Recent,
    pub(crate) meter: Option<Arc<dyn StoreMeter>>,
    pub(crate) turns: Turns,
}

impl Shared {
    /// One line for each operation: key, source, outcome, duration.
    pub(crate) fn trace(
        &self,
        action: &str,
        key: &RunKey,
        source: &str,
        outcome: &str,
        began: runledger_domain::Timestamp,
    ) {
        let took: Duration = self.clock.now().saturating_since(began);
        let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        tracing::info!(run.key = %key, source, outcome, duration_us, "{action} {key}");
    }
}
