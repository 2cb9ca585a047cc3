//! The registry saves reads, and never answers anything older than what was acknowledged (I8).

use std::sync::Arc;

use async_trait::async_trait;
use runledger_app::{Ledger, Registry, StartClient, StartJob};
use runledger_domain::{
    AttemptId, Command, Completion, CreationContent, CreationPolicy, JobSummary, Outcome, RunId, RunKey, RunRecord,
    Source, Status, Timestamp,
};
use runledger_memory::MemoryStore;
use runledger_ports::{
    ActivityFilter, ActivityPage, ChangeError, ChangeRequest, Changed, Counts, Cursor, ListFilter, PageSize,
    RecordPage, RunChanger, RunReader, StalledFilter, Unavailable,
};

use crate::{Stopped, ledger, ports, source};

const NIGHT: &str = "2025-09-25T23:18:41Z";

async fn start(ledger: &Ledger, clients: &[&str]) -> RunKey {
    let start = StartJob {
        run: Some("250925-231841".parse().unwrap()),
        ..StartJob::default()
    };
    let job = ledger.creation.start_job(&source("orchestrator"), start).await.unwrap();
    let clients = clients
        .iter()
        .map(|client| StartClient {
            client: client.parse().unwrap(),
            content: CreationContent::default(),
        })
        .collect::<Vec<_>>();
    if !clients.is_empty() {
        ledger
            .creation
            .start_clients(&source("orchestrator"), job.record.key().run(), None, clients)
            .await
            .unwrap();
    }
    job.record.key().clone()
}

#[tokio::test]
async fn a_record_is_read_from_the_store_once_and_every_change_is_seen_at_once() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at(NIGHT));
    let ledger = ledger(&store, &clock);
    let key = start(&ledger, &[]).await;
    for version in 1..6 {
        assert_eq!(ledger.runs.get(&key).await.unwrap().version(), version);
        ledger
            .runs
            .change(&source("post_scoring"), key.clone(), None, Command::Heartbeat)
            .await
            .unwrap();
    }
    let stats = ledger.runs.registry_stats();
    assert_eq!((stats.hits, stats.misses), (5, 0));
}

#[tokio::test]
async fn a_job_that_closes_its_clients_leaves_no_open_one_behind() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at(NIGHT));
    let ledger = ledger(&store, &clock);
    let job = start(&ledger, &["acme", "globex"]).await;
    let acme: RunKey = "250925-231841-acme".parse().unwrap();
    assert!(ledger.runs.get(&acme).await.unwrap().status().is_open());
    let done = Command::Complete(Completion {
        outcome: Outcome::Succeeded,
        note: None,
        close_open: true,
    });
    ledger
        .runs
        .change(&source("orchestrator"), job, None, done)
        .await
        .unwrap();
    assert_eq!(
        ledger.runs.get(&acme).await.unwrap().status(),
        Status::Ended(Outcome::Cancelled)
    );
}

#[tokio::test]
async fn without_the_single_writer_only_ended_records_are_remembered() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at(NIGHT));
    let ledger = Ledger::new(
        ports(&store, &clock),
        CreationPolicy::default(),
        Registry::new(1_000, false),
    );
    let key = start(&ledger, &[]).await;
    for _ in 0..3 {
        ledger.runs.get(&key).await.unwrap();
    }
    assert_eq!(ledger.runs.registry_stats().hits, 0);
    let done = Command::Complete(Completion {
        outcome: Outcome::Succeeded,
        note: None,
        close_open: false,
    });
    ledger
        .runs
        .change(&source("orchestrator"), key.clone(), None, done)
        .await
        .unwrap();
    for _ in 0..3 {
        ledger.runs.get(&key).await.unwrap();
    }
    assert_eq!(ledger.runs.registry_stats().hits, 3);
}

/// A store that fails over may lose what it showed, but nothing that it acknowledged.
#[tokio::test]
async fn without_the_single_writer_nothing_that_was_merely_read_is_remembered() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at(NIGHT));
    let of_another = ledger(&store, &clock);
    let key = start(&of_another, &[]).await;
    let done = Command::Complete(Completion {
        outcome: Outcome::Succeeded,
        note: None,
        close_open: false,
    });
    let orchestrator = source("orchestrator");
    let end = of_another.runs.change(&orchestrator, key.clone(), None, done.clone());
    end.await.unwrap();
    let ports = ports(&store, &clock);
    let ledger = Ledger::new(ports, CreationPolicy::default(), Registry::new(1_000, false));
    for _ in 0..3 {
        ledger.runs.get(&key).await.unwrap();
    }
    assert_eq!(ledger.runs.registry_stats().records, 0);
    // The store acknowledges the same end again, and with it all that it stands on.
    ledger
        .runs
        .change(&orchestrator, key.clone(), None, done)
        .await
        .unwrap();
    ledger.runs.get(&key).await.unwrap();
    assert_eq!(ledger.runs.registry_stats().hits, 1);
}

#[tokio::test]
async fn absence_is_never_remembered() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at(NIGHT));
    let ledger = ledger(&store, &clock);
    let key: RunKey = "250925-231841".parse().unwrap();
    assert!(ledger.runs.get(&key).await.is_err());
    start(&ledger, &[]).await;
    assert!(ledger.runs.get(&key).await.is_ok());
}

/// Reads at once and answers late, so that a write can come in between.
struct SlowReader(Arc<MemoryStore>);

#[async_trait]
impl RunReader for SlowReader {
    async fn get(&self, key: &RunKey) -> Result<Option<Arc<RunRecord>>, Unavailable> {
        let found = self.0.get(key).await;
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        found
    }

    async fn find_minted(&self, source: &Source, attempt: &AttemptId) -> Result<Option<Arc<RunRecord>>, Unavailable> {
        self.0.find_minted(source, attempt).await
    }

    async fn list(
        &self,
        filter: &ListFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<RecordPage, Unavailable> {
        self.0.list(filter, after, size).await
    }

    async fn stalled(
        &self,
        filter: &StalledFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<RecordPage, Unavailable> {
        self.0.stalled(filter, after, size).await
    }

    async fn summary(&self, run: &RunId) -> Result<Option<JobSummary>, Unavailable> {
        self.0.summary(run).await
    }

    async fn activity(
        &self,
        filter: &ActivityFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<ActivityPage, Unavailable> {
        self.0.activity(filter, after, size).await
    }

    async fn counts(&self, stalled_before: Timestamp) -> Result<Counts, Unavailable> {
        self.0.counts(stalled_before).await
    }
}

/// Changes at once and answers late, the odd versions later, so that answers overtake each other.
struct SlowChanger(Arc<MemoryStore>);

#[async_trait]
impl RunChanger for SlowChanger {
    async fn change(&self, request: ChangeRequest) -> Result<Changed, ChangeError> {
        let changed = self.0.change(request).await?;
        for _ in 0..(changed.record().version() % 2) * 8 {
            tokio::task::yield_now().await;
        }
        Ok(changed)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i8_readers_beside_writers_never_see_a_version_fall() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at(NIGHT));
    let mut ports = ports(&store, &clock);
    ports.reader = Arc::new(SlowReader(Arc::clone(&store)));
    ports.changer = Arc::new(SlowChanger(Arc::clone(&store)));
    // Room for a few records only, so that they are pushed out all the time.
    let registry = Registry::new(16, true);
    let ledger = Arc::new(Ledger::new(ports, CreationPolicy::default(), registry));
    start(&ledger, &["a", "b", "c", "d"]).await;
    let keys: Vec<RunKey> = ["a", "b", "c", "d"]
        .iter()
        .map(|c| format!("250925-231841-{c}").parse().unwrap())
        .collect();
    let writers = keys.iter().chain(&keys).cloned().map(|key| {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move {
            for _ in 0..300 {
                let changed = ledger
                    .runs
                    .change(&source("post_scoring"), key.clone(), None, Command::Heartbeat)
                    .await
                    .unwrap();
                let acknowledged = changed.record().version();
                assert!(
                    ledger.runs.get(&key).await.unwrap().version() >= acknowledged,
                    "older than acknowledged"
                );
            }
        })
    });
    let readers = keys.iter().cloned().map(|key| {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move {
            let mut seen = 0;
            for _ in 0..2_000 {
                let version = ledger.runs.get(&key).await.unwrap().version();
                assert!(version >= seen, "version {version} after {seen}");
                seen = version;
            }
        })
    });
    let tasks: Vec<_> = writers.chain(readers).collect();
    for task in tasks {
        task.await.unwrap();
    }
    for key in &keys {
        assert_eq!(ledger.runs.get(key).await.unwrap().version(), 601);
    }
}
