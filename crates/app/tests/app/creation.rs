//! The creation point: ids that it chooses, all or nothing, refusals in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use runledger_app::{CreationError, Ledger, Registry, StartClient, StartJob};
use runledger_domain::{CreationContent, CreationPermit, CreationPolicy, Imported, Initial, Metrics, Status};
use runledger_memory::MemoryStore;
use runledger_ports::{ActivityFilter, CreateError, CreateOutcome, PageSize, RunCreator, RunReader};

use crate::{Stopped, ledger, ports, source};

const NIGHT: &str = "2025-09-25T23:18:41Z";

fn attempt(text: &str) -> StartJob {
    StartJob {
        attempt: Some(text.parse().unwrap()),
        ..StartJob::default()
    }
}

#[tokio::test]
async fn two_starts_in_one_second_get_two_ids() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at(NIGHT));
    let ledger = ledger(&store, &clock);
    let mut runs = Vec::new();
    for _ in 0..3 {
        let started = ledger
            .creation
            .start_job(&source("orchestrator"), StartJob::default())
            .await
            .unwrap();
        assert!(!started.replayed);
        runs.push(started.record.key().to_string());
    }
    assert_eq!(runs, ["250925-231841", "250925-231842", "250925-231843"]);
}

#[tokio::test]
async fn a_full_minute_advises_another_form_of_id() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at(NIGHT));
    let ledger = ledger(&store, &clock);
    for _ in 0..=60 {
        ledger
            .creation
            .start_job(&source("orchestrator"), StartJob::default())
            .await
            .unwrap();
    }
    let refused = ledger
        .creation
        .start_job(&source("orchestrator"), StartJob::default())
        .await
        .unwrap_err();
    assert_eq!(refused, CreationError::NoFreeSecond);
    assert!(refused.to_string().contains("ULID"));
}

#[tokio::test]
async fn two_sources_that_name_their_attempts_alike_start_two_runs() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at(NIGHT));
    let ledger = ledger(&store, &clock);
    let mut runs = Vec::new();
    for name in ["orchestrator", "batch_process"] {
        let started = ledger
            .creation
            .start_job(&source(name), attempt("nightly"))
            .await
            .unwrap();
        runs.push((started.record.key().to_string(), started.replayed));
    }
    assert_eq!(runs, [("250925-231841".into(), false), ("250925-231842".into(), false)]);
}

#[tokio::test]
async fn i7_a_repeated_start_is_answered_even_when_the_minute_is_full() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at(NIGHT));
    let ledger = ledger(&store, &clock);
    let orchestrator = source("orchestrator");
    let first = ledger
        .creation
        .start_job(&orchestrator, attempt("night"))
        .await
        .unwrap();
    clock.go_on(3_600);
    for _ in 0..=60 {
        ledger
            .creation
            .start_job(&orchestrator, StartJob::default())
            .await
            .unwrap();
    }
    let again = ledger
        .creation
        .start_job(&orchestrator, attempt("night"))
        .await
        .unwrap();
    assert!(again.replayed);
    assert_eq!(again.record.key(), first.record.key());
}

#[tokio::test]
async fn i7_a_repeated_start_gets_the_run_that_it_started_at_any_later_time() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at(NIGHT));
    let ledger = ledger(&store, &clock);
    let first = ledger
        .creation
        .start_job(&source("orchestrator"), attempt("night-1"))
        .await
        .unwrap();
    clock.go_on(86_400);
    let again = ledger
        .creation
        .start_job(&source("orchestrator"), attempt("night-1"))
        .await
        .unwrap();
    assert!(again.replayed);
    assert_eq!(again.record.key(), first.record.key());
    let other = ledger
        .creation
        .start_job(&source("orchestrator"), attempt("night-2"))
        .await
        .unwrap();
    assert_eq!(other.record.key().to_string(), "250926-231841");
}

/// A memory store that counts how often it was asked to create.
struct Asked {
    store: Arc<MemoryStore>,
    times: AtomicU64,
}

#[async_trait]
impl RunCreator for Asked {
    async fn create(&self, permits: Vec<CreationPermit>) -> Result<Vec<CreateOutcome>, CreateError> {
        self.times.fetch_add(1, Ordering::Relaxed);
        self.store.create(permits).await
    }
}

#[tokio::test]
async fn i7_a_repetition_of_a_remembered_creation_asks_no_store_and_leaves_its_line() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at(NIGHT));
    let asked = Arc::new(Asked {
        store: store.clone(),
        times: AtomicU64::new(0),
    });
    let mut ports = ports(&store, &clock);
    ports.creator = asked.clone();
    let ledger = Ledger::new(ports, CreationPolicy::default(), Registry::new(10, true));
    let start = |attempt_id: &str| StartJob {
        run: Some("250925-231841".parse().unwrap()),
        ..attempt(attempt_id)
    };
    let orchestrator = source("orchestrator");
    let first = ledger.creation.start_job(&orchestrator, start("a1")).await.unwrap();
    let again = ledger.creation.start_job(&orchestrator, start("a1")).await.unwrap();
    assert!(!first.replayed && again.replayed);
    assert_eq!(again.record, first.record);
    assert_eq!(asked.times.load(Ordering::Relaxed), 1);
    // Whoever differs in the attempt or the source is not repeating: the store decides, and the policy before it.
    ledger.creation.start_job(&orchestrator, start("a2")).await.unwrap_err();
    ledger
        .creation
        .start_job(&source("batch_process"), start("a1"))
        .await
        .unwrap_err();
    assert_eq!(asked.times.load(Ordering::Relaxed), 3);
    ledger
        .creation
        .start_job(&source("post_scoring"), start("a1"))
        .await
        .unwrap_err();
    let log = store
        .activity(&ActivityFilter::default(), None, PageSize::default())
        .await
        .unwrap();
    let verdicts: Vec<_> = log.lines.iter().map(|line| line.line.verdict.as_str()).collect();
    assert_eq!(verdicts, ["created", "replayed", "refused", "refused", "refused"]);
    assert_eq!(log.lines[1].line.version, Some(1));
}

#[tokio::test]
async fn i2_an_unauthorised_batch_creates_nothing_and_every_client_has_its_line() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at(NIGHT));
    let ledger = ledger(&store, &clock);
    let run = "250925-231841".parse().unwrap();
    let clients = ["acme", "globex"].map(|client| StartClient {
        client: client.parse().unwrap(),
        content: CreationContent::default(),
    });
    let refused = ledger
        .creation
        .start_clients(&source("post_scoring"), &run, None, clients.to_vec())
        .await
        .unwrap_err();
    assert!(matches!(refused, CreationError::NotAuthorised { .. }));
    let log = store
        .activity(&ActivityFilter::default(), None, PageSize::default())
        .await
        .unwrap();
    let subjects: Vec<_> = log
        .lines
        .iter()
        .map(|line| (line.line.subject.client.as_str(), line.line.verdict.code()))
        .collect();
    assert_eq!(
        subjects,
        [("acme", "source_not_authorised"), ("globex", "source_not_authorised")]
    );
    assert!(store.summary(&run).await.unwrap().is_none());
}

#[tokio::test]
async fn a_batch_has_a_size() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at(NIGHT));
    let ledger = ledger(&store, &clock);
    let run = "250925-231841".parse().unwrap();
    let refused = ledger
        .creation
        .start_clients(&source("orchestrator"), &run, None, Vec::new())
        .await
        .unwrap_err();
    assert_eq!(refused, CreationError::BatchSize { count: 0 });
}

#[tokio::test]
async fn each_record_of_an_import_is_decided_by_itself_and_many_reach_the_store_at_once() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at(NIGHT));
    let asked = Arc::new(Asked {
        store: store.clone(),
        times: AtomicU64::new(0),
    });
    let mut ports = ports(&store, &clock);
    ports.creator = asked.clone();
    let import = source("import");
    let policy = CreationPolicy::default().allow_import(import.clone());
    let ledger = Ledger::new(ports, policy, Registry::new(10, true));
    let record = |run: &str, batch: &str| {
        let content = CreationContent {
            batch: Some(batch.parse().unwrap()),
            initial: Initial::Imported(Box::new(
                Imported::new(Status::Running, None, None, Metrics::default()).unwrap(),
            )),
            ..CreationContent::default()
        };
        (run.parse().unwrap(), content)
    };
    let attempt = "import".parse().unwrap();
    let send = async |records| {
        let answers = ledger.creation.import(&import, &attempt, records).await.unwrap();
        let words = answers.into_iter().map(|answer| match answer {
            Ok(started) if started.replayed => "replayed",
            Ok(_) => "created",
            Err(CreationError::Conflict { .. } | CreationError::AttemptReused { .. }) => "conflict",
            Err(error) => panic!("{error}"),
        });
        words.collect::<Vec<_>>()
    };
    assert_eq!(send(vec![]).await, [""; 0]);
    let first = vec![record("250925-231841", "one"), record("250925-231842", "one")];
    assert_eq!(send(first).await, ["created", "created"]);
    assert_eq!(asked.times.load(Ordering::Relaxed), 1);
    let second = vec![
        record("250925-231843", "one"),
        record("250925-231841", "two"),
        record("250925-231842", "one"),
        record("250925-231844", "one"),
    ];
    assert_eq!(send(second).await, ["created", "conflict", "replayed", "created"]);
    // Once with the one that stands against the batch, once without it.
    assert_eq!(asked.times.load(Ordering::Relaxed), 3);
    for run in ["250925-231843", "250925-231844"] {
        assert_eq!(ledger.runs.get(&run.parse().unwrap()).await.unwrap().version(), 1);
    }
}
