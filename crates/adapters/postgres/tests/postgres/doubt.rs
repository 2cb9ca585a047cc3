//! Connections that are lost in the middle of a write, servers that are killed, commits that wait for a standby: what was
//! answered is so, and what is not known is said (I4, I10).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use runledger_ports::{CreateError, CreateOutcome, RunReader as _};
use runledger_postgres::{PostgresOptions, PostgresStore, schema};
use runledger_postgres_bed::{Options, Server};
use tokio::sync::{Notify, watch};

use crate::bed::{Database, connect, options, server};
use crate::proxy::{Mode, Proxy};
use crate::several::{JOB, add, chain, create, hold_the_head, key, open};

/// A store whose way to the server can be cut.
pub(crate) async fn through(database: &Database) -> (Proxy, Arc<PostgresStore>) {
    let proxy = Proxy::start(server().port()).await;
    let store = open(&proxy.url(&database.url())).await;
    (proxy, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_is_asked_for_again_and_nothing_is_done_twice() {
    let database = Database::fresh().await;
    let (proxy, store) = through(&database).await;
    for number in 1..=5 {
        proxy.set(Mode::LoseAnswer);
        let job = format!("25092{number}-231841");
        let created = create(&store, &job, "attempt-1").await;
        assert!(matches!(created, Ok(CreateOutcome::Created(_))), "{created:?}");
        proxy.set(Mode::LoseAnswer);
        let changed = runledger_ports::RunChanger::change(&*store, add(&job, None))
            .await
            .unwrap();
        assert_eq!(changed.record().version(), 2);
    }
    assert_eq!(chain(&store).await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_lost_on_its_way_is_sent_again() {
    let database = Database::fresh().await;
    let (proxy, store) = through(&database).await;
    for number in 1..=5 {
        proxy.set(Mode::LoseRequest);
        let job = format!("25092{number}-231841");
        let created = create(&store, &job, "attempt-1").await;
        assert!(matches!(created, Ok(CreateOutcome::Created(_))), "{created:?}");
    }
    assert_eq!(chain(&store).await, 5);
}

/// The network may deliver a write after its sender has given it up, asked, and been told that it was not done.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_arrives_after_it_was_settled_is_refused() {
    let database = Database::fresh().await;
    let (proxy, store) = through(&database).await;
    let _created = create(&store, JOB, "attempt-1").await.unwrap();
    proxy.set(Mode::KeepRequest);
    let created = create(&store, "250926-231841", "attempt-1").await;
    assert!(matches!(created, Ok(CreateOutcome::Created(_))), "{created:?}");
    assert!(proxy.has_kept());
    let said = proxy.deliver().await;
    assert!(said.contains("RL001"), "{said}");
    assert_eq!(chain(&store).await, 2);
}

/// What a server was told is not done can no longer be done, whether it calls again or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_settled_as_not_done_is_never_done() {
    let database = Database::fresh().await;
    let admin = connect(&database.url()).await;
    let server: i64 = admin
        .query_one("INSERT INTO opening DEFAULT VALUES RETURNING id", &[])
        .await
        .unwrap()
        .get(0);
    let settle = "SELECT known, done FROM ledger_settle_v1($1, 1)";
    let settled = admin.query_one(settle, &[&server]).await.unwrap();
    assert_eq!((settled.get(0), settled.get(1)), (true, false));
    let nothing = "'{}', ".repeat(37);
    let line = "'{0}', '{1}', '{create}', '{a}', '{b}', '{\"\"}', '{refused}', '{c}', '{NULL}', '{d}', '{00}'";
    let late = format!("SELECT ledger_write_v1({server}, 1, {nothing}{line})");
    let late = admin.batch_execute(&late).await.unwrap_err();
    assert_eq!(late.code().unwrap().code(), "RL001", "{late:?}");
}

/// Reads get through, and what became of the write cannot be asked yet.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_found_while_a_write_is_in_doubt_may_be_there() {
    let database = Database::fresh().await;
    let (proxy, store) = through(&database).await;
    let _created = create(&store, JOB, "attempt-1").await.unwrap();
    let absent = key("250926-231841");
    let admin = hold_the_head(&database).await;
    proxy.set(Mode::LoseRequest);
    let creating = tokio::spawn({
        let store = Arc::clone(&store);
        async move { create(&store, "250926-231841", "attempt-1").await }
    });
    let mut was_in_doubt = 0;
    while !creating.is_finished() {
        was_in_doubt += u32::from(store.get(&absent).await.is_err());
        assert!(store.get(&key(JOB)).await.unwrap().is_some());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(was_in_doubt > 10, "{was_in_doubt}");
    let created = creating.await.unwrap();
    assert!(matches!(created, Err(CreateError::Indeterminate { .. })), "{created:?}");
    assert!(store.get(&absent).await.is_err());
    admin.batch_execute("COMMIT").await.unwrap();
    let again = create(&store, "250926-231841", "attempt-1").await.unwrap();
    assert!(matches!(again, CreateOutcome::Created(_)), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_about_what_may_be_there_until_it_is_known() {
    let database = Database::fresh().await;
    let (proxy, store) = through(&database).await;
    proxy.set(Mode::LoseAnswerThenAway);
    let created = create(&store, JOB, "attempt-1").await;
    assert!(matches!(created, Err(CreateError::Indeterminate { .. })), "{created:?}");
    assert!(store.get(&key(JOB)).await.is_err());
    proxy.set(Mode::Through);
    // Nobody writes, and it is settled all the same.
    let absent = key("250926-231841");
    for _ in 0..100 {
        if store.get(&absent).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(store.get(&absent).await, Ok(None));
    assert!(store.get(&key(JOB)).await.unwrap().is_some());
    let replayed = create(&store, JOB, "attempt-1").await.unwrap();
    assert!(matches!(replayed, CreateOutcome::Replayed(_)), "{replayed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_creates_nothing_and_comes_back_by_itself() {
    let database = Database::fresh().await;
    let (proxy, store) = through(&database).await;
    proxy.set(Mode::Away);
    let created = create(&store, JOB, "attempt-1").await;
    assert!(matches!(created, Err(CreateError::Unavailable(_))), "{created:?}");
    assert!(store.get(&key(JOB)).await.is_err());
    assert!(store.ping().await.is_err());
    proxy.set(Mode::Through);
    assert_eq!(store.get(&key(JOB)).await, Ok(None));
    let created = create(&store, JOB, "attempt-2").await;
    assert!(matches!(created, Ok(CreateOutcome::Created(_))), "{created:?}");
    assert!(store.ping().await.is_ok());
}

/// Callers who create, until they are told to stop.
#[derive(Default)]
struct Load {
    stop: Notify,
    created: watch::Sender<usize>,
}

impl Load {
    /// Waits until so many more were created.
    async fn more(&self, count: usize) {
        let goal = *self.created.borrow() + count;
        let mut created = self.created.subscribe();
        let reached = created.wait_for(|created| *created >= goal);
        tokio::time::timeout(Duration::from_mins(1), reached)
            .await
            .unwrap()
            .unwrap();
    }
}

/// Creates on two stores until told to stop; answers what was answered for each key.
async fn load(stores: &[Arc<PostgresStore>], load: &Arc<Load>) -> BTreeMap<String, bool> {
    let mut callers = Vec::new();
    for caller in 0..8 {
        let (store, load) = (Arc::clone(&stores[caller % stores.len()]), Arc::clone(load));
        callers.push(tokio::spawn(async move {
            let mut answered = BTreeMap::new();
            let stopped = load.stop.notified();
            tokio::pin!(stopped);
            for number in 0.. {
                let job = format!("load-{caller}-{number}");
                tokio::select! {
                    biased;
                    () = &mut stopped => break,
                    created = create(&store, &job, "attempt-1") => {
                        let created = matches!(created, Ok(CreateOutcome::Created(_)));
                        answered.insert(job, created);
                        load.created.send_modify(|count| *count += usize::from(created));
                        if !created {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    }
                }
            }
            answered
        }));
    }
    let mut answered = BTreeMap::new();
    for caller in callers {
        answered.append(&mut caller.await.unwrap());
    }
    answered
}

/// Every creation that was answered is there, none twice, and the log tells of each.
async fn nothing_is_lost(store: &PostgresStore, answered: &BTreeMap<String, bool>) {
    for (job, created) in answered {
        if *created {
            assert!(
                store.get(&key(job)).await.unwrap().is_some(),
                "{job} was acknowledged and is lost"
            );
        }
    }
    let counts = store.counts(runledger_domain::Timestamp::EPOCH).await.unwrap();
    let records: u64 = counts.records.values().sum();
    assert_eq!(chain(store).await, records, "one line for each record");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_that_are_ended_under_load_lose_nothing() {
    let database = Database::fresh().await;
    let stores = [open(&database.url()).await, open(&database.url()).await];
    let loading = Arc::new(Load::default());
    let ending = async {
        let admin = connect(&database.url()).await;
        for _ in 0..10 {
            loading.more(12).await;
            admin
                .execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'runledger'",
                    &[],
                )
                .await
                .unwrap();
        }
        loading.stop.notify_waiters();
    };
    let (answered, ()) = tokio::join!(load(&stores, &loading), ending);
    let refused = answered.values().filter(|created| !**created).count();
    assert_eq!(refused, 0, "all of {} creations are done in the end", answered.len());
    nothing_is_lost(&stores[0], &answered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_killed_under_load_loses_nothing() {
    let mut server = Server::start(&Options {
        fsync: true,
        settings: Vec::new(),
    })
    .unwrap();
    let url = server.url("postgres", "postgres");
    schema::migrate(&options(&url), 0).await.unwrap();
    let stores = [open(&url).await, open(&url).await];
    let loading = Arc::new(Load::default());
    let killing = async {
        for _ in 0..3 {
            loading.more(40).await;
            server = tokio::task::spawn_blocking(move || {
                server.kill().unwrap();
                server.run().unwrap();
                server
            })
            .await
            .unwrap();
        }
        loading.more(40).await;
        loading.stop.notify_waiters();
        server
    };
    let (answered, server) = tokio::join!(load(&stores, &loading), killing);
    nothing_is_lost(&stores[0], &answered).await;
    drop(server);
}

/// A primary with a synchronous standby is lost, and the standby takes its place: all that was answered is there, and the
/// stores find it by themselves (I4).
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_primary_that_is_lost_under_load_takes_nothing_along_that_its_standby_had() {
    let mut primary = Server::start(&Options::default()).unwrap();
    let url = primary.url("postgres", "postgres");
    schema::migrate(&options(&url), 0).await.unwrap();
    let standby = primary.standby("").unwrap();
    primary.configure("synchronous_standby_names = 'standby'").unwrap();
    primary.reload().unwrap();
    let admin = connect(&url).await;
    let waited_for = "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'";
    while admin.query(waited_for, &[]).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let either = format!(
        "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres?target_session_attrs=read-write",
        primary.port(),
        standby.port()
    );
    let stores = [open(&either).await, open(&either).await];
    let loading = Arc::new(Load::default());
    let failing_over = async {
        loading.more(60).await;
        let servers = tokio::task::spawn_blocking(move || {
            primary.kill().unwrap();
            standby.promote().unwrap();
            (primary, standby)
        });
        let servers = servers.await.unwrap();
        loading.more(60).await;
        loading.stop.notify_waiters();
        servers
    };
    let (answered, (_primary, standby)) = tokio::join!(load(&stores, &loading), failing_over);
    let new_primary = open(&standby.url("postgres", "postgres")).await;
    nothing_is_lost(&new_primary, &answered).await;
    for (store, job) in stores.iter().zip(["250926-231841", "250927-231841"]) {
        let created = create(store, job, "attempt-1").await;
        assert!(matches!(created, Ok(CreateOutcome::Created(_))), "{created:?}");
        assert!(new_primary.get(&key(job)).await.unwrap().is_some());
    }
}

/// A primary that hangs still takes connections, by its kernel, and says nothing. The one that took its place is found all
/// the same, by whoever opens the store, writes or reads.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_says_nothing_keeps_nobody_from_the_next() {
    let database = Database::fresh().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = listener.local_addr().unwrap().port();
    for hosts in [
        format!("127.0.0.1:{silent},127.0.0.1:{}", server().port()),
        format!("127.0.0.1:{},127.0.0.1:{silent}", server().port()),
    ] {
        let url = format!(
            "postgres://postgres@{hosts}/{}?target_session_attrs=read-write",
            database.name
        );
        let store = open(&url).await;
        let created = create(&store, JOB, "attempt-1").await.unwrap();
        assert!(
            matches!(created, CreateOutcome::Created(_) | CreateOutcome::Replayed(_)),
            "{created:?}"
        );
        assert!(store.get(&key(JOB)).await.unwrap().is_some());
    }
}

/// A commit waits for a standby that is down; somebody cancels the wait. The database then answers as if all were well,
/// with a warning (V1).
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_wait_for_the_standby_is_cancelled_is_in_doubt() {
    let server = Server::start(&Options::default()).unwrap();
    let url = server.url("postgres", "postgres");
    schema::migrate(&options(&url), 0).await.unwrap();
    let patient = PostgresOptions {
        write_time: Duration::from_secs(6),
        ..options(&url)
    };
    let store = Arc::new(PostgresStore::open(patient).await.unwrap());
    let _created = create(&store, JOB, "attempt-1").await.unwrap();
    server.configure("synchronous_standby_names = 'standby'").unwrap();
    server.reload().unwrap();
    let admin = connect(&url).await;
    admin.batch_execute("SET synchronous_commit = local").await.unwrap();
    let set = "SELECT current_setting('synchronous_standby_names')";
    while admin.query_one(set, &[]).await.unwrap().get::<_, &str>(0) != "standby" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let creating = tokio::spawn({
        let store = Arc::clone(&store);
        async move { create(&store, "250926-231841", "attempt-1").await }
    });
    let cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let mut cancelled = 0;
    while !creating.is_finished() {
        cancelled += admin.execute(cancel, &[]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(cancelled > 0, "nothing waited for the standby");
    let created = creating.await.unwrap();
    assert!(matches!(created, Err(CreateError::Indeterminate { .. })), "{created:?}");
    // The row is there, on this server alone; that is no reason to call it done.
    let rows = admin.query("SELECT FROM run", &[]).await.unwrap();
    assert_eq!(rows.len(), 2);
    server.configure("synchronous_standby_names = ''").unwrap();
    server.reload().unwrap();
    // Waits that have begun end when they are told that there is no standby to wait for.
    let mut again = create(&store, "250926-231841", "attempt-1").await;
    for _ in 0..10 {
        if again.is_ok() {
            break;
        }
        again = create(&store, "250926-231841", "attempt-1").await;
    }
    assert!(matches!(again, Ok(CreateOutcome::Replayed(_))), "{again:?}");
}
