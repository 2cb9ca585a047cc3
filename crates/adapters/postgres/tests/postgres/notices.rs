//! Notices between servers: heard at once, and never needed.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use runledger_ports::{ActivityWatch as _, CreateOutcome};
use runledger_postgres::{PostgresOptions, PostgresStore};
use tokio::task::JoinHandle;

use crate::bed::{Database, connect, options};
use crate::several::{create, open};

/// How often something is looked at that must become true, and how long in between: half a minute in all.
const LOOKS: u32 = 600;
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// A server that never looks by itself, once it has looked.
async fn only_hearing(url: &str) -> Arc<PostgresStore> {
    let options = PostgresOptions {
        look_every: Duration::from_hours(1),
        ..options(url)
    };
    Arc::new(PostgresStore::open(options).await.unwrap())
}

fn follow(store: &Arc<PostgresStore>, after: u64) -> JoinHandle<u64> {
    let store = Arc::clone(store);
    tokio::spawn(async move { store.grown(after).await.unwrap() })
}

async fn heard(waiting: JoinHandle<u64>) -> u64 {
    tokio::time::timeout(LOOK_PAUSE * LOOKS, waiting)
        .await
        .expect("a notice comes")
        .unwrap()
}

/// The sessions for notices of this database.
async fn sessions(admin: &tokio_postgres::Client) -> Vec<i32> {
    let sql = "SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'runledger notices' ORDER BY pid";
    admin
        .query(sql, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

/// Waits until so many sessions listen, others than these.
async fn until_listening(admin: &tokio_postgres::Client, count: usize, others: &[i32]) -> Vec<i32> {
    for _ in 0..LOOKS {
        let found = sessions(admin).await;
        if found.len() == count && !found.iter().any(|pid| others.contains(pid)) {
            return found;
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    panic!("nobody listens");
}

fn signal(signal: &str, pids: &[i32]) {
    for pid in pids {
        let sent = Command::new("/bin/sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "kill", signal, &pid.to_string()])
            .status();
        assert!(sent.unwrap().success());
    }
}

async fn created(store: &PostgresStore, run: u32) {
    let outcome = create(store, &format!("2509{run:02}-231841"), "attempt-1").await;
    assert!(matches!(outcome, Ok(CreateOutcome::Created(_))), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_wakes_whoever_follows_at_another_server() {
    let database = Database::fresh().await;
    let admin = connect(&database.url()).await;
    let (one, other) = (only_hearing(&database.url()).await, open(&database.url()).await);
    let listening = until_listening(&admin, 2, &[]).await;
    for run in 1..=3 {
        let waiting = follow(&one, u64::from(run) - 1);
        created(&other, run).await;
        assert_eq!(heard(waiting).await, u64::from(run));
    }
    // Connections that are lost are replaced, and what was said meanwhile is looked for.
    let waiting = follow(&one, 3);
    let end = "SELECT pg_terminate_backend(pid) FROM unnest($1::integer[]) AS pid";
    admin.query(end, &[&listening]).await.unwrap();
    created(&other, 4).await;
    assert_eq!(heard(waiting).await, 4);
    until_listening(&admin, 2, &listening).await;
    let waiting = follow(&one, 4);
    created(&other, 5).await;
    assert_eq!(heard(waiting).await, 5);
}

/// The sessions that carry the notices stand still: nobody waits for them, and whoever follows looks by himself.
#[tokio::test(flavor = "multi_thread")]
async fn writes_and_followers_go_on_while_notices_are_held_up() {
    let database = Database::fresh().await;
    let admin = connect(&database.url()).await;
    let (one, other) = (open(&database.url()).await, open(&database.url()).await);
    let listening = until_listening(&admin, 2, &[]).await;
    signal("STOP", &listening);
    for run in 1..=5 {
        let waiting = follow(&one, u64::from(run) - 1);
        created(&other, run).await;
        assert_eq!(heard(waiting).await, u64::from(run));
    }
    signal("CONT", &listening);
    let hearing = only_hearing(&database.url()).await;
    until_listening(&admin, 3, &[]).await;
    let waiting = follow(&hearing, 5);
    created(&other, 6).await;
    assert_eq!(heard(waiting).await, 6);
}

/// Whoever may use the database can send notices: what they say is looked up, not believed.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_notice_says_is_not_believed() {
    let database = Database::fresh().await;
    let admin = connect(&database.url()).await;
    let (one, other) = (only_hearing(&database.url()).await, open(&database.url()).await);
    until_listening(&admin, 2, &[]).await;
    let waiting = follow(&one, 0);
    admin
        .batch_execute("NOTIFY runledger_lines, '999999'; NOTIFY runledger_lines, 'nonsense'; NOTIFY runledger_lines")
        .await
        .unwrap();
    created(&other, 1).await;
    assert_eq!(heard(waiting).await, 1);
    assert_eq!(one.last_line().await, Ok(1));
}
