//! What showing records at Airtable costs, in a time that passes by itself: the projector as it is, the store in memory, and
//! a place that answers after 400 ms and takes four requests a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use runledger_app::system::{RandomIds, SystemClock};
use runledger_app::{HeldLease, Ledger, Ports, Projection, ProjectionOptions, Registry, StartClient, StartJob};
use runledger_domain::creation::CreationContent;
use runledger_domain::{
    Command, Completion, CreationPolicy, JobSummary, Outcome, RecordKind, RunKey, RunRecord, Source, Update,
};
use runledger_memory::MemoryStore;
use runledger_ports::{
    Cells, Duty, FoundRow, LeaseStore as _, NotDone, OutboxStore as _, Prepared, ProjectionTarget, RowId, Taken,
    TargetFigures, Unshowable, WriteOutcome,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// Between two requests: the setting of 4 requests a second.
const APART: Duration = Duration::from_millis(250);
/// How long a request takes.
const TAKES: Duration = Duration::from_millis(400);
/// Rows in a request.
const ROWS: u32 = 10;
/// Changes of a client run record between its creation and its end.
const CHANGES: u32 = 5;
/// Clients that one call creates.
const CLIENTS_AT_ONCE: u32 = 500;
/// Rows after an outage.
const OUTAGE_ROWS: u32 = 50_000;

/// What the older system needed for the same life of one client's record, measured: from its leanest service to its last.
const OLDER_CALLS: &str = "6 to 17";

#[derive(Default)]
struct Asked {
    requests: u64,
    rows: HashMap<RunKey, u64>,
    free: Option<Instant>,
    nearest: Option<Duration>,
    last: Option<Instant>,
}

#[derive(Default)]
struct Place(Mutex<Asked>);

impl Place {
    fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn request(&self) {
        let at = {
            let mut asked = self.asked();
            let at = asked.free.unwrap_or_else(Instant::now).max(Instant::now());
            asked.free = Some(at + APART);
            asked.requests += 1;
            if let Some(last) = asked.last.replace(at) {
                let apart = at - last;
                asked.nearest = Some(asked.nearest.map_or(apart, |nearest| nearest.min(apart)));
            }
            at
        };
        sleep_until(at).await;
        sleep(TAKES).await;
    }

    async fn write(&self, keys: Vec<(RunKey, Option<RowId>)>) -> WriteOutcome {
        self.request().await;
        let mut asked = self.asked();
        let mut written = Vec::new();
        for (key, id) in keys {
            let made = asked.rows.entry(key.clone()).or_default();
            *made += u64::from(id.is_none());
            let Ok(new) = format!("row-{key}").parse() else {
                continue;
            };
            written.push((key, id.unwrap_or(new)));
        }
        WriteOutcome::Done(written)
    }
}

#[async_trait]
impl ProjectionTarget for Place {
    fn groups(&self) -> Vec<Vec<RecordKind>> {
        vec![vec![RecordKind::Job, RecordKind::Client]]
    }

    fn rows_max(&self) -> usize {
        ROWS as usize
    }

    async fn prepare(&self) -> Result<Prepared, NotDone> {
        Ok(Prepared {
            target: "two tables".into(),
            is_changed: false,
            notes: Vec::new(),
        })
    }

    fn shows_totals(&self) -> bool {
        true
    }

    fn render(&self, record: &RunRecord, summary: Option<&JobSummary>) -> Result<Cells, Unshowable> {
        let totals = summary.map_or((0, 0), |summary| (summary.clients, summary.open));
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&record.version().to_be_bytes());
        digest[8..16].copy_from_slice(&totals.0.to_be_bytes());
        digest[16..24].copy_from_slice(&totals.1.to_be_bytes());
        Ok(Cells {
            text: String::new(),
            digest,
        })
    }

    async fn ready(&self, _: RecordKind) {
        let free = self.asked().free;
        if let Some(free) = free {
            sleep_until(free).await;
        }
    }

    async fn has_rows(&self, _: RecordKind) -> Result<bool, NotDone> {
        Ok(false)
    }

    async fn look_up(&self, _: RecordKind, _: &[Arc<RunRecord>]) -> Result<Vec<(RunKey, FoundRow)>, NotDone> {
        self.request().await;
        Ok(Vec::new())
    }

    async fn make_rows(&self, _: RecordKind, rows: Vec<(RunKey, Cells)>) -> WriteOutcome {
        self.write(rows.into_iter().map(|(key, _)| (key, None)).collect()).await
    }

    async fn change_rows(&self, _: RecordKind, rows: Vec<(RunKey, RowId, Cells)>) -> WriteOutcome {
        self.write(rows.into_iter().map(|(key, id, _)| (key, Some(id))).collect())
            .await
    }

    fn figures(&self) -> TargetFigures {
        TargetFigures::default()
    }
}

/// A ledger whose records are shown.
struct World {
    ledger: Ledger,
    store: Arc<MemoryStore>,
    place: Arc<Place>,
    projection: Arc<Projection>,
    by: Source,
}

impl World {
    fn new() -> anyhow::Result<Self> {
        let store = Arc::new(MemoryStore::new());
        let ports = Ports::of(&store, Arc::new(SystemClock), Arc::new(RandomIds::new()?));
        let ledger = Ledger::new(ports, CreationPolicy::default(), Registry::new(1_000, true));
        let place = Arc::new(Place::default());
        let (outbox, target) = (store.clone(), place.clone());
        let projection = Projection::new(&ledger, outbox, target, ProjectionOptions::default());
        Ok(Self {
            ledger,
            store,
            place,
            projection: Arc::new(projection),
            by: "orchestrator".parse()?,
        })
    }

    /// Begins to show records; ends with what this gives.
    async fn begin(&self) -> anyhow::Result<watch::Sender<bool>> {
        let day = Duration::from_hours(24 * 30);
        let taken = self.store.take_lease(&Duty::Project, &self.by, day).await?;
        let Taken::Held(fence) = taken else {
            anyhow::bail!("somebody else has the duty");
        };
        let (stop, stopped) = watch::channel(false);
        let projection = Arc::clone(&self.projection);
        let lease = HeldLease { fence, stop: stopped };
        tokio::spawn(async move { projection.work(lease).await });
        Ok(stop)
    }

    async fn start(&self, clients: std::ops::Range<u32>, job: &RunKey) -> anyhow::Result<Vec<RunKey>> {
        let mut keys = Vec::new();
        let all: Vec<u32> = clients.collect();
        for some in all.chunks(CLIENTS_AT_ONCE as usize) {
            let start = |number: &u32| {
                Ok(StartClient {
                    client: format!("client-{number}").parse()?,
                    content: CreationContent::default(),
                })
            };
            let start = some.iter().map(start).collect::<anyhow::Result<Vec<_>>>()?;
            let started = self.ledger.creation.start_clients(&self.by, job.run(), None, start);
            keys.extend(started.await?.iter().map(|one| one.record.key().clone()));
        }
        Ok(keys)
    }

    async fn job(&self) -> anyhow::Result<RunKey> {
        let started = self.ledger.creation.start_job(&self.by, StartJob::default()).await?;
        Ok(started.record.key().clone())
    }

    async fn note(&self, key: &RunKey) -> anyhow::Result<()> {
        let update = Update {
            note: Some("half done".parse()?),
            ..Update::default()
        };
        let change = Command::Update(update);
        self.ledger.runs.change(&self.by, key.clone(), None, change).await?;
        Ok(())
    }

    async fn complete(&self, key: &RunKey) -> anyhow::Result<()> {
        let change = Command::Complete(Completion {
            outcome: Outcome::Succeeded,
            note: None,
            close_open: false,
        });
        self.ledger.runs.change(&self.by, key.clone(), None, change).await?;
        Ok(())
    }

    /// Waits until every row shows its record; answers how long that took.
    async fn rest(&self) -> anyhow::Result<Duration> {
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

    /// Requests so far; each row must have been made once, no two requests nearer than they may be.
    fn requests(&self) -> anyhow::Result<u64> {
        let asked = self.place.asked();
        anyhow::ensure!(asked.rows.values().all(|made| *made == 1), "a row was made twice");
        let nearest = asked.nearest.unwrap_or(APART);
        anyhow::ensure!(nearest >= APART, "two requests were {nearest:?} apart");
        Ok(asked.requests)
    }
}

/// Measures and prints.
pub(crate) fn run() -> anyhow::Result<()> {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
    };
    println!("calls for the life of one client's record (create, {CHANGES} changes, completion), job rows included;");
    println!("the older system, measured: {OLDER_CALLS}, without its job");
    for clients in [1_u32, 10, 500] {
        let together = runtime()?.block_on(together(clients))?;
        let spread = runtime()?.block_on(spread(clients))?;
        let calls = |requests: u64| share(requests, u64::from(clients));
        println!(
            "{clients:>4} clients: in step, a minute between steps {:>6.2}; one every 7.2 s, 10 s between steps {:>6.2}",
            calls(together),
            calls(spread)
        );
    }
    runtime()?.block_on(outage())
}

/// All clients take each step at the same moment.
async fn together(clients: u32) -> anyhow::Result<u64> {
    let world = World::new()?;
    let _stop = world.begin().await?;
    let job = world.job().await?;
    let keys = world.start(1..clients + 1, &job).await?;
    for _ in 0..CHANGES {
        sleep(Duration::from_mins(1)).await;
        for key in &keys {
            world.note(key).await?;
        }
    }
    sleep(Duration::from_mins(1)).await;
    for key in &keys {
        world.complete(key).await?;
    }
    world.complete(&job).await?;
    world.rest().await?;
    world.requests()
}

/// One client after the other, each with its steps.
async fn spread(clients: u32) -> anyhow::Result<u64> {
    let world = Arc::new(World::new()?);
    let _stop = world.begin().await?;
    let job = world.job().await?;
    let mut lives = tokio::task::JoinSet::new();
    for number in 1..=clients {
        let (world, job) = (Arc::clone(&world), job.clone());
        lives.spawn(async move {
            sleep(Duration::from_millis(7_200) * number).await;
            let keys = world.start(number..number + 1, &job).await?;
            for key in &keys {
                for _ in 0..CHANGES {
                    sleep(Duration::from_secs(10)).await;
                    world.note(key).await?;
                }
                sleep(Duration::from_secs(10)).await;
                world.complete(key).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = lives.join_next().await {
        ended??;
    }
    world.complete(&job).await?;
    world.rest().await?;
    world.requests()
}

/// Everything happened while nothing could be sent.
async fn outage() -> anyhow::Result<()> {
    let world = World::new()?;
    let job = world.job().await?;
    let keys = world.start(1..OUTAGE_ROWS, &job).await?;
    for key in &keys {
        world.note(key).await?;
    }
    let _stop = world.begin().await?;
    let took = world.rest().await?;
    let requests = world.requests()?;
    let rate = f64::from(OUTAGE_ROWS) / took.as_secs_f64();
    let allowed = f64::from(ROWS) / APART.as_secs_f64();
    println!(
        "after an outage, {OUTAGE_ROWS} rows: {requests} requests in {:.0} s, {rate:.1} rows/s of {allowed:.0} that 4 \
         requests/s allow: {:.1} % (at least 95)",
        took.as_secs_f64(),
        100.0 * rate / allowed
    );
    for key in &keys {
        world.complete(key).await?;
    }
    world.rest().await?;
    let calls = share(world.requests()?, u64::from(OUTAGE_ROWS));
    println!("a life that is shown at its beginning and its end, under load: {calls:.3} calls (at most 0.2)");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
