//! Several servers over one database: two stores that know nothing of each other.

use std::sync::Arc;

use runledger_domain::{
    ChainHead, ChangeContext, Command, Completion, CreationIntent, CreationPermit, CreationPolicy, MetricChange,
    Outcome, RunKey, RunRecord, Timestamp, Update,
};
use runledger_ports::{
    ActivityFilter, ActivityWatch as _, ChangeError, ChangeRequest, Changed, CreateError, CreateOutcome, Cursor,
    PageSize, RunChanger as _, RunCreator as _, RunReader as _,
};
use runledger_postgres::{PostgresOptions, PostgresStore};

use crate::bed::{Database, connect, options};

pub(crate) const JOB: &str = "250925-231841";

pub(crate) fn key(text: &str) -> RunKey {
    text.parse().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the test plays the creation point")]
pub(crate) fn permit(of: &str, attempt: &str) -> CreationPermit {
    let source = "orchestrator".parse().unwrap();
    let intent = CreationIntent::new(key(of), source, attempt.parse().unwrap(), Timestamp::EPOCH);
    CreationPolicy::default().authorise(intent).unwrap()
}

pub(crate) async fn create(store: &PostgresStore, of: &str, attempt: &str) -> Result<CreateOutcome, CreateError> {
    store
        .create(vec![permit(of, attempt)])
        .await
        .map(|mut outcomes| outcomes.remove(0))
}

pub(crate) fn add(of: &str, update_id: Option<&str>) -> ChangeRequest {
    ChangeRequest::new(
        key(of),
        ChangeContext::new("batch_process".parse().unwrap(), Timestamp::EPOCH),
        Command::Update(Update {
            metrics: MetricChange {
                add: [("items".parse().unwrap(), "1".parse().unwrap())].into(),
                ..MetricChange::default()
            },
            update_id: update_id.map(|id| id.parse().unwrap()),
            ..Update::default()
        }),
    )
}

pub(crate) async fn open(url: &str) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::open(options(url)).await.unwrap())
}

/// A store without notices.
async fn silent(url: &str) -> Arc<PostgresStore> {
    let options = PostgresOptions {
        notices: false,
        ..options(url)
    };
    Arc::new(PostgresStore::open(options).await.unwrap())
}

/// Reads the whole log and checks its chain; answers the number of lines.
pub(crate) async fn chain(store: &PostgresStore) -> u64 {
    let (mut head, mut after) = (ChainHead::EMPTY, None::<Cursor>);
    loop {
        let size = PageSize::new(1_000).unwrap();
        let page = store.activity(&ActivityFilter::default(), after, size).await.unwrap();
        for line in &page.lines {
            assert!(
                head.accepts(line),
                "line {} does not follow line {}",
                line.seq,
                head.seq
            );
        }
        after = page.next;
        if after.is_none() {
            return head.seq;
        }
    }
}

fn holder(outcome: &CreateOutcome) -> &RunRecord {
    match outcome {
        CreateOutcome::Created(record) | CreateOutcome::Replayed(record) => record,
        CreateOutcome::Conflict { existing, .. } => existing,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_creators_of_one_key_on_two_servers_one_creates() {
    let database = Database::fresh().await;
    let stores = [open(&database.url()).await, open(&database.url()).await];
    for round in 0..20 {
        let run = format!("2509{:02}-231841", round + 1);
        let mut callers = Vec::new();
        for caller in 0..32 {
            let (store, run) = (Arc::clone(&stores[caller % 2]), run.clone());
            callers.push(tokio::spawn(async move {
                create(&store, &run, &format!("attempt-{caller}")).await.unwrap()
            }));
        }
        let mut outcomes = Vec::new();
        for caller in callers {
            outcomes.push(caller.await.unwrap());
        }
        let created = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, CreateOutcome::Created(_)));
        assert_eq!(created.count(), 1, "{run}");
        let found = stores[0].get(&key(&run)).await.unwrap().unwrap();
        assert!(outcomes.iter().all(|outcome| holder(outcome) == &*found));
    }
    assert_eq!(chain(&stores[1]).await, 20 * 32);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deltas_of_two_servers_on_one_record_add_up() {
    let database = Database::fresh().await;
    let stores = [open(&database.url()).await, open(&database.url()).await];
    let _created = create(&stores[0], JOB, "attempt-1").await.unwrap();
    let callers: Vec<_> = (0..64)
        .map(|caller| {
            let store = Arc::clone(&stores[caller % 2]);
            tokio::spawn(async move {
                for number in 0..4 {
                    let id = format!("update-{caller}-{number}");
                    let changed = store.change(add(JOB, Some(&id))).await.unwrap();
                    assert!(matches!(changed, Changed::Applied { .. }), "{changed:?}");
                    let again = store.change(add(JOB, Some(&id))).await.unwrap();
                    assert!(matches!(again, Changed::Unchanged(_)), "{again:?}");
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let record = stores[1].get(&key(JOB)).await.unwrap().unwrap();
    assert_eq!(record.version(), 1 + 256);
    assert_eq!(chain(&stores[0]).await, 1 + 512);
}

#[tokio::test]
async fn what_one_server_has_seen_is_never_answered_when_another_has_changed_it() {
    let database = Database::fresh().await;
    let (one, other) = (open(&database.url()).await, open(&database.url()).await);
    let _created = create(&one, JOB, "attempt-1").await.unwrap();
    // The one remembers version 1; the other makes version 2.
    other.change(add(JOB, Some("update-1"))).await.unwrap();
    // By what the one saw last this would be refused.
    let mut expecting = add(JOB, None);
    expecting.context.expected = Some(2);
    let applied = one.change(expecting).await.unwrap();
    assert_eq!(applied.record().version(), 3);
    let replayed = create(&one, JOB, "attempt-1").await.unwrap();
    assert!(
        matches!(&replayed, CreateOutcome::Replayed(record) if record.version() == 3),
        "{replayed:?}"
    );
    let mut outdated = add(JOB, None);
    outdated.context.expected = Some(1);
    other.change(add(JOB, Some("update-2"))).await.unwrap();
    // By what the one saw last this would be refused for another reason than it is.
    let refused = one.change(outdated).await.unwrap_err();
    assert!(refused.to_string().contains('4'), "{refused}");
    let unchanged = one.change(add(JOB, Some("update-2"))).await.unwrap();
    assert!(
        matches!(&unchanged, Changed::Unchanged(record) if record.version() == 4),
        "{unchanged:?}"
    );
    let applied = one.change(add(JOB, Some("update-3"))).await.unwrap();
    assert_eq!(applied.record().version(), 5);
}

/// Holds the one row that every write waits for, until it is dropped.
pub(crate) async fn hold_the_head(database: &Database) -> tokio_postgres::Client {
    let admin = connect(&database.url()).await;
    admin.batch_execute("BEGIN; SELECT FROM head FOR UPDATE").await.unwrap();
    admin
}

/// Waits until so many sessions wait for a lock.
pub(crate) async fn until_waiting(admin: &tokio_postgres::Client, sessions: i64) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..2_000 {
        if admin.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) >= sessions {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("nobody waits");
}

/// Both decide while neither is written: the one that comes second is decided again.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_never_ends_beside_a_client_that_another_server_creates() {
    for ends_first in [false, true] {
        let database = Database::fresh().await;
        let (one, other) = (open(&database.url()).await, open(&database.url()).await);
        let client = format!("{JOB}-acme");
        for store in [&one, &other] {
            let _created = create(store, JOB, "attempt-1").await.unwrap();
        }
        let admin = hold_the_head(&database).await;
        let create_client = || {
            let (other, client) = (Arc::clone(&other), client.clone());
            tokio::spawn(async move { create(&other, &client, "attempt-1").await.unwrap() })
        };
        let end_job = || {
            let one = Arc::clone(&one);
            let end = ChangeRequest {
                command: Command::Complete(Completion {
                    outcome: Outcome::Succeeded,
                    note: None,
                    close_open: false,
                }),
                ..add(JOB, None)
            };
            tokio::spawn(async move { one.change(end).await })
        };
        let (created, ended) = if ends_first {
            let ended = end_job();
            until_waiting(&admin, 1).await;
            (create_client(), ended)
        } else {
            let created = create_client();
            until_waiting(&admin, 1).await;
            (created, end_job())
        };
        until_waiting(&admin, 2).await;
        admin.batch_execute("COMMIT").await.unwrap();
        let (created, ended) = (created.await.unwrap(), ended.await.unwrap());
        if ends_first {
            assert!(ended.is_ok(), "{ended:?}");
            assert!(matches!(created, CreateOutcome::Refused(_)), "{created:?}");
        } else {
            assert!(matches!(created, CreateOutcome::Created(_)), "{created:?}");
            assert!(matches!(ended, Err(ChangeError::Refused { .. })), "{ended:?}");
        }
    }
}

#[tokio::test]
async fn whoever_follows_on_one_server_is_told_of_lines_of_another() {
    let database = Database::fresh().await;
    let (one, other) = (silent(&database.url()).await, silent(&database.url()).await);
    let waiting = tokio::spawn({
        let one = Arc::clone(&one);
        async move { one.grown(0).await }
    });
    let _created = create(&other, JOB, "attempt-1").await.unwrap();
    assert_eq!(waiting.await.unwrap(), Ok(1));
}
