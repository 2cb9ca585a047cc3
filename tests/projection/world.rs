//! A ledger, the fake, and the server that keeps its tables in step: told to end, killed, and started again.

use std::collections::BTreeSet;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;
use std::time::Duration;

use runledger_airtable::{Airtable, AirtableTarget, Connection, Pace, PaceSettings, Places};
use runledger_airtable_fake::{Fake, FakeOptions, Order, Settings, example};
use runledger_app::system::RandomIds;
use runledger_app::{
    Discrepancy, Duties, HeldLease, Ledger, PlanLimits, Ports, Projection, ProjectionOptions, ProjectionStatus,
    ReconcilePorts, Reconciler, Registry, StartClient, StartJob,
};
use runledger_domain::{
    Command, Completion, CreationContent, CreationPolicy, MetricChange, Outcome, RecordKind, RunKey, Source, Timestamp,
    Update,
};
use runledger_memory::MemoryStore;
use runledger_ports::{Clock, Duty, LeaseStore as _, Taken};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::wire::{PaceTime, Watched, Wire};

/// How long the client waits for an answer; well below the quiet period.
const REQUEST_TIME: Duration = Duration::from_secs(20);
/// How long progress is gathered, and how long requests wait to be full: less than is usual, so that much is sent.
const GATHER_PROGRESS: Duration = Duration::from_secs(5);
const FILL: Duration = Duration::from_secs(1);
/// How long it takes a server to be back.
const DOWN_TIME: Duration = Duration::from_secs(1);
/// For how long a server that is to be killed is waited for to do what it is to be killed at.
const KILL_TIME: Duration = Duration::from_mins(1);
/// How long a request takes, in milliseconds; its effect is in the middle of it.
const TAKES_MS: u64 = 400;
/// How many rows go into one request: few, so that there are many requests.
const ROWS_MAX: usize = 3;
/// No limit of looks.
const NEVER: i64 = i64::MAX;
/// Who keeps the tables in step.
const SERVER: &str = "server_1";
/// What clients count.
pub(crate) const METRIC: &str = "posts_successfully_scored";

/// The clock of the ledger and of its servers, which somebody sets.
pub(crate) struct LedgerClock {
    base: Timestamp,
    begun: Instant,
    /// By how many seconds it was set forward.
    ahead: AtomicI64,
}

impl Clock for LedgerClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.begun.elapsed().as_micros()).unwrap();
        let ahead = self.ahead.load(Ordering::Relaxed) * 1_000_000;
        Timestamp::from_micros(self.base.as_micros() + passed + ahead).unwrap()
    }
}

/// A server that works.
struct Server {
    target: Arc<AirtableTarget>,
    projection: Arc<Projection>,
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
    /// How often it is still looked at before it is killed.
    looks: Arc<AtomicI64>,
}

pub(crate) struct World {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) wire: Arc<Wire>,
    ledger: Arc<Ledger>,
    clock: Arc<LedgerClock>,
    server: Option<Server>,
    /// When servers were started, by the fake's clock.
    pub(crate) starts: Vec<i64>,
    notes: u64,
    /// The keys of rows that people deleted or wrote into.
    pub(crate) touched: BTreeSet<String>,
    /// The fault that is none: requests take their time.
    latency: Option<Value>,
}

/// When a server is killed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    AtOnce,
    /// After it was looked at so often.
    AfterLooks(i64),
    /// While it waits for an answer.
    UnderWay,
}

impl World {
    /// Time passes from here on, as a task of the runtime.
    pub(crate) async fn new() -> Self {
        let settings = Settings {
            clock_stands: true,
            list_order: Order::Arbitrary,
            answer_order: Order::Arbitrary,
            bodies_listed: 100_000,
            ..Settings::default()
        };
        let options = FakeOptions {
            settings,
            seed: Some(1),
            ..FakeOptions::default()
        };
        let wire = Wire::new(Fake::start(options).await.unwrap());
        let passing = Arc::clone(&wire);
        tokio::spawn(async move { passing.pass().await });
        let store = Arc::new(MemoryStore::new());
        let clock = Arc::new(LedgerClock {
            base: "2025-09-25T23:18:41Z".parse().unwrap(),
            begun: Instant::now(),
            ahead: AtomicI64::new(0),
        });
        let ids = Arc::new(RandomIds::new().unwrap());
        let ports = Ports::of(&store, clock.clone(), ids);
        let ledger = Ledger::new(ports, CreationPolicy::default(), Registry::new(1_000, true));
        let mut world = Self {
            store,
            wire,
            ledger: Arc::new(ledger),
            clock,
            server: None,
            starts: Vec::new(),
            notes: 0,
            touched: BTreeSet::new(),
            latency: None,
        };
        // Two upserts at once would make two rows. Nobody asks for one.
        world.add_fault(&json!({ "match": { "operation": "upsert" }, "interleave": 2 }));
        world.start_server().await;
        world
    }

    /// The time by the fake's clock, in milliseconds.
    pub(crate) fn fake_time(&self) -> i64 {
        self.wire.now();
        let clock = self.wire.fake.control("GET", "clock", &Value::Null).unwrap();
        clock["now_ms"].as_i64().unwrap()
    }

    /// A server begins: it knows nothing of the one before but what is in the store.
    async fn start_server(&mut self) {
        sleep(DOWN_TIME).await;
        self.starts.push(self.fake_time());
        let connection = Connection {
            endpoint: self.wire.fake.url(),
            pat: "patChance".parse().unwrap(),
            request_time: REQUEST_TIME,
        };
        let pace = Pace::new(PaceSettings::default(), Arc::new(PaceTime(Arc::clone(&self.wire))));
        let airtable = Airtable::new(&connection, pace).unwrap();
        let places = Places {
            rows_max: ROWS_MAX,
            ..Places::older(&example::BASE.parse().unwrap())
        };
        let target = Arc::new(AirtableTarget::new(airtable, places, self.clock.clone()));
        let watched = Watched::new(&target, &self.wire);
        let options = ProjectionOptions {
            gather_progress: GATHER_PROGRESS,
            fill: FILL,
            ..ProjectionOptions::default()
        };
        let projection = Arc::new(Projection::new(&self.ledger, self.store.clone(), watched, options));
        for lease in self.store.leases().await.unwrap() {
            self.store.end_lease(&lease.fence).await.unwrap();
        }
        let year = Duration::from_hours(24 * 365);
        let fence = match self.store.take_lease(&Duty::Project, &source(SERVER), year).await {
            Ok(Taken::Held(fence)) => fence,
            taken => panic!("{taken:?}"),
        };
        let (stop, stopped) = watch::channel(false);
        let looks = Arc::new(AtomicI64::new(NEVER));
        let (working, left, wire) = (Arc::clone(&projection), Arc::clone(&looks), Arc::clone(&self.wire));
        let task = tokio::spawn(async move {
            let mut work = pin!(working.work(HeldLease { fence, stop: stopped }));
            poll_fn(|context| {
                wire.moved();
                if left.fetch_sub(1, Ordering::Relaxed) <= 0 {
                    return Poll::Ready(());
                }
                work.as_mut().poll(context)
            })
            .await;
        });
        self.server = Some(Server {
            target,
            projection,
            task,
            stop,
            looks,
        });
    }

    fn projection(&self) -> &Arc<Projection> {
        &self.server.as_ref().unwrap().projection
    }

    /// The server is killed; another one begins.
    pub(crate) async fn kill(&mut self, when: When) {
        let mut server = self.server.take().unwrap();
        match when {
            When::AtOnce => {}
            When::AfterLooks(looks) => {
                server.looks.store(looks, Ordering::Relaxed);
                let _ended_or_not = timeout(KILL_TIME, &mut server.task).await;
            }
            When::UnderWay => {
                let _called_or_not = timeout(KILL_TIME, self.wire.called()).await;
            }
        }
        server.task.abort();
        self.start_server().await;
    }

    /// The server is told to end, and another one begins.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.start_server().await;
    }

    async fn stop(&mut self) {
        let server = self.server.take().unwrap();
        server.stop.send(true).unwrap();
        server.task.await.unwrap();
    }

    /// Nothing goes wrong any more, and time passes until there is nothing left to do.
    pub(crate) async fn come_to_rest(&self) {
        self.wire.fake.clear_faults();
        self.wire.fake.set(|settings| settings.list_lag_ms = 0);
        sleep(Duration::from_mins(10)).await;
        // What was stopped, or set aside for what is no more, is let go on by somebody.
        self.resume().await;
        self.retry().await;
        sleep(Duration::from_mins(30)).await;
    }

    /// The tables are compared with the ledger, and what people did to them is put right; then the server ends. Answers how it
    /// goes, and what a second comparison finds.
    pub(crate) async fn mend(&mut self) -> (ProjectionStatus, Vec<Discrepancy>) {
        self.compare(true).await;
        sleep(Duration::from_mins(10)).await;
        let found = self.compare(false).await;
        let status = self.projection().status().await.unwrap();
        self.stop().await;
        (status, found)
    }

    /// Compares both sides, through the server and within its limits, and has what differs put right where that is asked for.
    async fn compare(&self, applies: bool) -> Vec<Discrepancy> {
        let ports = ReconcilePorts {
            outbox: self.store.clone(),
            leases: self.store.clone(),
            duties: Arc::new(Duties::new(self.store.clone())),
            holder: source(SERVER),
            target: self.server.as_ref().unwrap().target.clone(),
        };
        let reconciler = Reconciler::new(&self.ledger, ports, PlanLimits::default());
        let _call = self.wire.call();
        let sweep = reconciler.begin(applies.then(|| source("operator"))).await.unwrap();
        let mut found = Vec::new();
        for number in 1.. {
            let page = reconciler.page(&sweep, number).await.unwrap();
            found.extend(page.found);
            if page.is_last {
                break;
            }
        }
        found
    }

    pub(crate) async fn resume(&self) {
        self.projection().resume(&source("operator")).await.unwrap();
    }

    pub(crate) async fn retry(&self) {
        self.projection().retry(&source("operator"), None).await.unwrap();
    }

    /// Somebody waits for the row of a record, for a minute.
    pub(crate) fn wait_for(&self, key: &RunKey) {
        let (projection, key) = (Arc::clone(self.projection()), key.clone());
        let by = source("orchestrator");
        tokio::spawn(async move { projection.wait_until_shown(&by, &[key], Duration::from_mins(1)).await });
    }

    /// The clock of the ledger and its servers is set forward, or back.
    pub(crate) fn set_clock(&self, hours: i64) {
        self.clock.ahead.fetch_add(hours * 3_600, Ordering::Relaxed);
    }

    /// Adds a fault; answers its number. A request meets the oldest that fits, and only where none does, the time that each
    /// takes.
    pub(crate) fn add_fault(&mut self, fault: &Value) -> Value {
        if let Some(latency) = self.latency.take() {
            self.end_fault(&latency);
        }
        let id = self.post_fault(fault);
        self.latency =
            Some(self.post_fault(&json!({ "delay_before_ms": TAKES_MS / 2, "delay_after_ms": TAKES_MS / 2 })));
        id
    }

    fn post_fault(&self, fault: &Value) -> Value {
        self.wire.fake.control("POST", "faults", fault).unwrap()["id"].clone()
    }

    pub(crate) fn end_fault(&self, id: &Value) {
        let path = format!("faults/{id}");
        self.wire.fake.control("DELETE", &path, &Value::Null).unwrap();
    }

    pub(crate) fn set_lag(&self, seconds: u64) {
        self.wire.fake.set(|settings| settings.list_lag_ms = seconds * 1_000);
    }

    /// A person deletes the rows of a client, or writes into them.
    pub(crate) fn change_by_hand(&mut self, key: &RunKey, deletes: bool) {
        self.touched.insert(key.to_string());
        let key = json!(key.to_string());
        for row in self
            .rows(RecordKind::Client)
            .iter()
            .filter(|row| row["fields"]["Run ID"] == key)
        {
            let id = row["id"].as_str().unwrap();
            let path = format!("bases/{}/tables/{}/records/{id}", example::BASE, example::CLIENT_RUNS);
            let (method, cells) = if deletes {
                ("DELETE", Value::Null)
            } else {
                ("PATCH", json!({ "System Notes": "by hand" }))
            };
            self.wire.fake.control(method, &path, &cells).unwrap();
        }
    }

    /// The rows of a table as they are, whatever lists say.
    pub(crate) fn rows(&self, kind: RecordKind) -> Vec<Value> {
        self.wire.fake.records(example::BASE, table(kind)).unwrap()
    }

    pub(crate) async fn start_job(&self) -> RunKey {
        let by = source("orchestrator");
        let started = self.ledger.creation.start_job(&by, StartJob::default());
        started.await.unwrap().record.key().clone()
    }

    /// None of them when the job has ended.
    pub(crate) async fn start_clients(&self, job: &RunKey, clients: impl Iterator<Item = usize>) -> Vec<RunKey> {
        let start = clients.map(|number| StartClient {
            client: format!("c{number}").parse().unwrap(),
            content: CreationContent::default(),
        });
        let by = source("orchestrator");
        let started = self
            .ledger
            .creation
            .start_clients(&by, job.run(), None, start.collect());
        let started = started.await.unwrap_or_default();
        started.into_iter().map(|one| one.record.key().clone()).collect()
    }

    /// A note that no other one is like, and one more of what is counted. It may have ended.
    pub(crate) async fn note(&mut self, key: &RunKey) {
        self.notes += 1;
        let update = Update {
            note: Some(format!("note {}", self.notes).parse().unwrap()),
            metrics: MetricChange {
                add: [(METRIC.parse().unwrap(), "1".parse().unwrap())].into(),
                ..MetricChange::default()
            },
            ..Update::default()
        };
        self.change("lead_scoring", key, Command::Update(update)).await;
    }

    pub(crate) async fn complete(&self, key: &RunKey, outcome: Outcome) {
        let completion = Completion {
            outcome,
            close_open: true,
            note: None,
        };
        self.change("orchestrator", key, Command::Complete(completion)).await;
    }

    async fn change(&self, by: &str, key: &RunKey, command: Command) {
        let by = source(by);
        let changed = self.ledger.runs.change(&by, key.clone(), None, command);
        drop(changed.await);
    }
}

pub(crate) fn table(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Job => example::JOBS,
        RecordKind::Client => example::CLIENT_RUNS,
    }
}

fn source(text: &str) -> Source {
    text.parse().unwrap()
}
