//! Doubt is said, never guessed: what a store that cannot say leads to (I10, I11).

use std::sync::Arc;

use async_trait::async_trait;
use mockall::mock;
use runledger_app::{CreationError, Ledger, Registry, StartJob};
use runledger_domain::{Command, CreationPermit, CreationPolicy, NewActivity};
use runledger_memory::MemoryStore;
use runledger_ports::{
    ActivityLog, ChangeError, ChangeRequest, Changed, CreateError, CreateOutcome, RunChanger, RunCreator, Unavailable,
};

use crate::{Stopped, ports, source};

mock! {
    Creator {}
    #[async_trait]
    impl RunCreator for Creator {
        async fn create(&self, permits: Vec<CreationPermit>) -> Result<Vec<CreateOutcome>, CreateError>;
    }
}

mock! {
    Changer {}
    #[async_trait]
    impl RunChanger for Changer {
        async fn change(&self, request: ChangeRequest) -> Result<Changed, ChangeError>;
    }
}

mock! {
    Log {}
    #[async_trait]
    impl ActivityLog for Log {
        async fn record(&self, line: NewActivity) -> Result<(), Unavailable>;
    }
}

fn start(run: &str) -> StartJob {
    StartJob {
        run: Some(run.parse().unwrap()),
        ..StartJob::default()
    }
}

#[tokio::test]
async fn i10_a_create_in_doubt_is_answered_as_doubt() {
    let store = Arc::new(MemoryStore::new());
    let mut creator = MockCreator::new();
    creator.expect_create().times(1).returning(|permits| {
        let intents = permits.into_iter().map(CreationPermit::into_intent).collect();
        Err(CreateError::Indeterminate {
            intents,
            reason: "the line was cut".into(),
        })
    });
    let mut ports = ports(&store, &Stopped::at("2025-09-25T23:18:41Z"));
    ports.creator = Arc::new(creator);
    let ledger = Ledger::new(ports, CreationPolicy::default(), Registry::new(10, true));
    let doubt = ledger
        .creation
        .start_job(&source("orchestrator"), start("night"))
        .await
        .unwrap_err();
    assert!(matches!(doubt, CreationError::Indeterminate { .. }), "{doubt}");
    assert_eq!(ledger.runs.stats().in_doubt, 1);
}

#[tokio::test]
async fn i6_a_refusal_that_cannot_be_recorded_is_not_answered_as_one() {
    let store = Arc::new(MemoryStore::new());
    let mut log = MockLog::new();
    log.expect_record().returning(|_| Err(Unavailable::Busy));
    let mut creator = MockCreator::new();
    creator.expect_create().never();
    let mut ports = ports(&store, &Stopped::at("2025-09-25T23:18:41Z"));
    (ports.log, ports.creator) = (Arc::new(log), Arc::new(creator));
    let ledger = Ledger::new(ports, CreationPolicy::default(), Registry::new(10, true));
    let answer = ledger
        .creation
        .start_job(&source("post_scoring"), start("night"))
        .await
        .unwrap_err();
    assert_eq!(answer, CreationError::Unavailable(Unavailable::Busy));
}

#[tokio::test]
async fn i8_a_change_in_doubt_leaves_nothing_old_in_the_registry() {
    let store = Arc::new(MemoryStore::new());
    let clock = Stopped::at("2025-09-25T23:18:41Z");
    let mut changer = MockChanger::new();
    let behind = Arc::clone(&store);
    // The change takes place, and its answer is lost.
    changer.expect_change().times(1).returning(move |request| {
        let behind = Arc::clone(&behind);
        let done = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(behind.change(request)).is_ok()
        });
        assert!(done.join().unwrap());
        Err(ChangeError::Indeterminate {
            reason: "the line was cut".into(),
        })
    });
    let mut ports = ports(&store, &clock);
    ports.changer = Arc::new(changer);
    let ledger = Ledger::new(ports, CreationPolicy::default(), Registry::new(10, true));
    let started = ledger
        .creation
        .start_job(&source("orchestrator"), start("night"))
        .await
        .unwrap();
    let key = started.record.key().clone();
    assert_eq!(ledger.runs.get(&key).await.unwrap().version(), 1);
    let doubt = ledger
        .runs
        .change(&source("post_scoring"), key.clone(), None, Command::Heartbeat)
        .await
        .unwrap_err();
    assert!(matches!(doubt, ChangeError::Indeterminate { .. }));
    assert_eq!(ledger.runs.get(&key).await.unwrap().version(), 2);
}
