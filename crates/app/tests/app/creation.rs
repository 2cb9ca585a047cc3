//! The creation point: ids that it chooses, all or nothing, refusals in the log.

use std::sync::Arc;

use runledger_app::{CreationError, StartClient, StartJob};
use runledger_domain::CreationContent;
use runledger_memory::MemoryStore;
use runledger_ports::{ActivityFilter, PageSize, RunReader};

use crate::{Stopped, ledger, source};

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
