//! The sweeper closes what is lost and nothing else, and one record's trouble does not stop it (I12).

use std::sync::Arc;
use std::time::Duration;

use runledger_app::{StartClient, StartJob, Sweeper};
use runledger_domain::{Command, Completion, CreationContent, Outcome, RunKey, Status};
use runledger_memory::MemoryStore;
use runledger_ports::{Duty, FencedError, LeaseStore as _, Taken};

use crate::{Stopped, ledger, source};

const HOUR: i64 = 3_600;

#[tokio::test]
async fn silent_clients_are_lost_and_a_job_waits_for_the_ones_at_work() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at("2025-09-25T23:18:41Z"));
    let ledger = ledger(&store, &clock);
    let start = StartJob {
        run: Some("250925-231841".parse().unwrap()),
        ..StartJob::default()
    };
    let job = ledger
        .creation
        .start_job(&source("orchestrator"), start)
        .await
        .unwrap()
        .record
        .key()
        .clone();
    let clients = ["silent", "busy"].map(|client| StartClient {
        client: client.parse().unwrap(),
        content: CreationContent::default(),
    });
    ledger
        .creation
        .start_clients(&source("orchestrator"), job.run(), None, clients.to_vec())
        .await
        .unwrap();
    let key = |client: &str| format!("250925-231841-{client}").parse::<RunKey>().unwrap();
    let sweeper = Sweeper::new(source("runledger_sweeper"), Duration::from_hours(1));

    clock.go_on(6 * HOUR + 60);
    ledger
        .runs
        .change(&source("post_scoring"), key("busy"), None, Command::Heartbeat)
        .await
        .unwrap();
    assert_eq!(
        sweeper.sweep(&ledger.runs).await.unwrap().lost,
        [],
        "the grace period is not over"
    );

    clock.go_on(HOUR);
    let report = sweeper.sweep(&ledger.runs).await.unwrap();
    assert_eq!(report.lost, [key("silent")]);
    assert_eq!(report.waiting, std::slice::from_ref(&job));
    assert_eq!(
        ledger.runs.get(&key("silent")).await.unwrap().status(),
        Status::Ended(Outcome::Lost)
    );
    assert_eq!(ledger.runs.get(&key("busy")).await.unwrap().status(), Status::Running);

    clock.go_on(7 * HOUR);
    let report = sweeper.sweep(&ledger.runs).await.unwrap();
    assert_eq!(report.lost, [key("busy"), job]);
    assert_eq!(
        sweeper.sweep(&ledger.runs).await.unwrap(),
        runledger_app::SweepReport::default()
    );
}

#[tokio::test]
async fn a_job_between_two_of_its_clients_is_not_lost() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at("2025-09-25T23:18:41Z"));
    let ledger = ledger(&store, &clock);
    let orchestrator = source("orchestrator");
    let start = StartJob {
        run: Some("250925-231841".parse().unwrap()),
        ..StartJob::default()
    };
    let job = ledger.creation.start_job(&orchestrator, start).await.unwrap();
    let job = job.record.key().clone();
    let sweeper = Sweeper::new(source("runledger_sweeper"), Duration::from_hours(1));
    clock.go_on(7 * HOUR);
    let client = StartClient {
        client: "first".parse().unwrap(),
        content: CreationContent::default(),
    };
    ledger
        .creation
        .start_clients(&orchestrator, job.run(), None, vec![client])
        .await
        .unwrap();
    clock.go_on(HOUR);
    let done = Command::Complete(Completion {
        outcome: Outcome::Succeeded,
        note: None,
        close_open: false,
    });
    ledger
        .runs
        .change(&orchestrator, "250925-231841-first".parse().unwrap(), None, done)
        .await
        .unwrap();
    clock.go_on(6 * HOUR);
    let report = sweeper.sweep(&ledger.runs).await.unwrap();
    assert_eq!((report.lost, report.waiting), (vec![], vec![job.clone()]));
    clock.go_on(HOUR + 1);
    assert_eq!(sweeper.sweep(&ledger.runs).await.unwrap().lost, [job]);
}

#[tokio::test]
async fn after_a_clock_that_jumped_nobody_is_lost_before_their_time_has_passed() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at("2025-09-25T23:18:41Z"));
    let ledger = ledger(&store, &clock);
    let start = StartJob {
        run: Some("250925-231841".parse().unwrap()),
        ..StartJob::default()
    };
    let started = ledger.creation.start_job(&source("orchestrator"), start).await.unwrap();
    let sweeper = Sweeper::new(source("runledger_sweeper"), Duration::from_hours(1));
    clock.go_on(24 * HOUR);
    for since in [Duration::ZERO, Duration::from_hours(7)] {
        let report = sweeper
            .sweep_at(&ledger.runs, ledger.runs.now(), Some(since))
            .await
            .unwrap();
        assert_eq!(report.lost, [], "{since:?} after the jump");
    }
    // Six hours for a sign of life and one of grace, then it is lost by any clock.
    let since = Some(Duration::from_secs(7 * 3_600 + 1));
    let report = sweeper.sweep_at(&ledger.runs, ledger.runs.now(), since).await.unwrap();
    assert_eq!(report.lost, [started.record.key().clone()]);
}

#[tokio::test]
async fn a_sweeper_whose_duty_was_taken_closes_nothing() {
    let (store, clock) = (Arc::new(MemoryStore::new()), Stopped::at("2025-09-25T23:18:41Z"));
    let ledger = ledger(&store, &clock);
    let start = StartJob::default();
    let started = ledger.creation.start_job(&source("orchestrator"), start).await.unwrap();
    let job = started.record.key().clone();
    clock.go_on(24 * HOUR);
    let take = async |holder: &str| {
        let hour = Duration::from_hours(1);
        match store.take_lease(&Duty::Sweep, &source(holder), hour).await.unwrap() {
            Taken::Held(fence) => fence,
            elsewhere @ Taken::Elsewhere { .. } => panic!("{elsewhere:?}"),
        }
    };
    let sweep = async |fence| {
        let sweeper = Sweeper::new(source("runledger_sweeper"), Duration::from_hours(1)).with_duty(fence);
        sweeper.sweep_at(&ledger.runs, ledger.runs.now(), None).await
    };
    let lost = take("this_server").await;
    store.end_lease(&lost).await.unwrap();
    let held = take("other_server").await;
    let duty = Duty::Sweep;
    assert_eq!(sweep(lost).await, Err(FencedError::Lost { duty }));
    assert_eq!(ledger.runs.get(&job).await.unwrap().version(), 1);
    assert_eq!(sweep(held).await.unwrap().lost, [job]);
}
