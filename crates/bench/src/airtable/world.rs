//! A ledger whose records are shown: the projector as it is, over the store in memory.

use std::sync::Arc;
use std::time::Duration;

use runledger_app::system::{RandomIds, SystemClock};
use runledger_app::{HeldLease, Ledger, Ports, Projection, ProjectionOptions, Registry, StartClient, StartJob};
use runledger_domain::creation::CreationContent;
use runledger_domain::{Command, Completion, CreationPolicy, Outcome, RunKey, Source, Update};
use runledger_memory::MemoryStore;
use runledger_ports::{Changed, Duty, LeaseStore as _, OutboxStore as _, Taken};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::place::{Lags, Place};

/// Clients that one call creates.
const CLIENTS_AT_ONCE: usize = 500;

pub(super) struct World {
    ledger: Ledger,
    store: Arc<MemoryStore>,
    place: Arc<Place>,
    projection: Arc<Projection>,
    by: Source,
}

impl World {
    pub(super) fn new(options: &ProjectionOptions) -> anyhow::Result<Self> {
        let store = Arc::new(MemoryStore::new());
        let ports = Ports::of(&store, Arc::new(SystemClock), Arc::new(RandomIds::new()?));
        let ledger = Ledger::new(ports, CreationPolicy::default(), Registry::new(1_000, true));
        let place = Arc::new(Place::default());
        let (outbox, target) = (store.clone(), place.clone());
        let projection = Projection::new(&ledger, outbox, target, options.clone());
        Ok(Self {
            ledger,
            store,
            place,
            projection: Arc::new(projection),
            by: "orchestrator".parse()?,
        })
    }

    /// Begins to show records; ends with what this gives.
    pub(super) async fn begin(&self) -> anyhow::Result<watch::Sender<bool>> {
        let month = Duration::from_hours(24 * 30);
        let taken = self.store.take_lease(&Duty::Project, &self.by, month).await?;
        let Taken::Held(fence) = taken else {
            anyhow::bail!("somebody else has the duty");
        };
        let (stop, stopped) = watch::channel(false);
        let projection = Arc::clone(&self.projection);
        let lease = HeldLease { fence, stop: stopped };
        tokio::spawn(async move { projection.work(lease).await });
        Ok(stop)
    }

    pub(super) async fn start(&self, clients: std::ops::Range<u32>, job: &RunKey) -> anyhow::Result<Vec<RunKey>> {
        let mut keys = Vec::new();
        let all: Vec<u32> = clients.collect();
        for some in all.chunks(CLIENTS_AT_ONCE) {
            let start = |number: &u32| {
                Ok(StartClient {
                    client: format!("client-{number}").parse()?,
                    content: CreationContent::default(),
                })
            };
            let start = some.iter().map(start).collect::<anyhow::Result<Vec<_>>>()?;
            let started = self.ledger.creation.start_clients(&self.by, job.run(), None, start);
            for one in started.await? {
                self.place.note(&one.record, true);
                keys.push(one.record.key().clone());
            }
        }
        Ok(keys)
    }

    pub(super) async fn job(&self) -> anyhow::Result<RunKey> {
        let started = self.ledger.creation.start_job(&self.by, StartJob::default()).await?;
        self.place.note(&started.record, true);
        Ok(started.record.key().clone())
    }

    pub(super) async fn note(&self, key: &RunKey) -> anyhow::Result<()> {
        let update = Update {
            note: Some("half done".parse()?),
            ..Update::default()
        };
        self.change(key, Command::Update(update), false).await
    }

    pub(super) async fn complete(&self, key: &RunKey) -> anyhow::Result<()> {
        let completion = Completion {
            outcome: Outcome::Succeeded,
            note: None,
            close_open: false,
        };
        self.change(key, Command::Complete(completion), true).await
    }

    async fn change(&self, key: &RunKey, change: Command, is_state: bool) -> anyhow::Result<()> {
        let changed = self.ledger.runs.change(&self.by, key.clone(), None, change).await?;
        if let Changed::Applied { record, .. } = changed {
            self.place.note(&record, is_state);
        }
        Ok(())
    }

    /// Waits until every row shows its record; answers how long that took.
    pub(super) async fn rest(&self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        loop {
            sleep(Duration::from_secs(1)).await;
            let status = self.projection.status().await?;
            let counts = self.store.outbox_counts().await?;
            if status.lag_lines() == 0 && counts.waiting + counts.sending + counts.unknown == 0 {
                return Ok(begun.elapsed());
            }
        }
    }

    /// What was asked, and how long changes were on their way, once everything is shown.
    pub(super) fn figures(&self) -> anyhow::Result<(u64, Lags)> {
        self.place.figures()
    }
}
