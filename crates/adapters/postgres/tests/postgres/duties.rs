//! Duties and the outbox over connections that are lost, servers that were paused, and a head that somebody holds.

use std::sync::Arc;
use std::time::Duration;

use runledger_domain::{RecordKind, Timestamp};
use runledger_ports::{
    ChangeError, ChangeRequest, Duty, Fence, FencedError, LeaseStore as _, Mark, OutboxStore as _, PageSize,
    RemovedRow, RunChanger as _, StepKind, Taken,
};
use runledger_postgres::PostgresStore;

use crate::bed::{Database, connect};
use crate::doubt::through;
use crate::proxy::Mode;
use crate::several::{JOB, add, chain, create, hold_the_head, key, open};

const HOUR: Duration = Duration::from_hours(1);
const SOON: Duration = Duration::from_millis(20);

async fn take(store: &PostgresStore, duty: &Duty, holder: &str, time: Duration) -> Option<Fence> {
    match store.take_lease(duty, &holder.parse().unwrap(), time).await.unwrap() {
        Taken::Held(fence) => Some(fence),
        Taken::Elsewhere { .. } => None,
    }
}

/// Takes a duty once the time of its holder is over.
async fn take_over(store: &PostgresStore, duty: &Duty) -> Fence {
    for _ in 0..1_000 {
        if let Some(fence) = take(store, duty, "next_server", HOUR).await {
            return fence;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the duty never ends");
}

async fn begun(store: &PostgresStore) -> Fence {
    let fence = take(store, &Duty::Project, "first_server", HOUR).await.unwrap();
    store.begin_outbox(&fence, "a place", 0).await.unwrap();
    fence
}

/// Of all writes the one that shows it when it is done twice.
async fn remove(store: &PostgresStore, fence: &Fence) -> Result<(), FencedError> {
    let row = RemovedRow {
        key: key(JOB),
        id: "rec1".parse().unwrap(),
        at: Timestamp::EPOCH,
        by: "operator".into(),
        cells: "{}".into(),
    };
    store.keep_removed(fence, vec![row]).await
}

async fn removed(store: &PostgresStore) -> usize {
    store.removed_rows(0, PageSize::default()).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_of_the_outbox_whose_connection_is_lost_is_done_once() {
    let database = Database::fresh().await;
    let (proxy, store) = through(&database).await;
    let fence = begun(&store).await;
    let mut done = 0;
    for mode in [Mode::LoseAnswer, Mode::LoseRequest, Mode::KeepRequest] {
        proxy.set(mode);
        remove(&store, &fence).await.unwrap();
        done += 1;
        assert_eq!(removed(&store).await, done, "{mode:?}");
        if mode == Mode::KeepRequest {
            // What was held up on its way arrives after it was settled, and after it was sent again.
            let said = proxy.deliver().await;
            assert!(said.contains("RL001"), "{said}");
            assert_eq!(removed(&store).await, done);
        }
        remove(&store, &fence).await.unwrap();
        done += 1;
        assert_eq!(removed(&store).await, done, "{mode:?}");
    }
}

/// What was settled as not done stays so, however often it is asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_of_the_outbox_that_was_settled_as_not_done_is_never_done() {
    let database = Database::fresh().await;
    let store = open(&database.url()).await;
    let fence = begun(&store).await;
    remove(&store, &fence).await.unwrap();
    let admin = connect(&database.url()).await;
    let settled = async |call: i64| {
        let row = admin.query_one("SELECT ledger_settle_outbox_v1(1, $1)", &[&call]).await;
        row.unwrap().get::<_, i32>(0)
    };
    let (done, not_done, nobody_knows) = (0, 1, 2);
    assert_eq!([settled(2).await, settled(2).await], [done, done]);
    assert_eq!([settled(3).await, settled(3).await], [not_done, not_done]);
    let late = admin
        .query_one("SELECT ledger_begin_outbox_v1(1, 3, 'another', 0)", &[])
        .await;
    assert_eq!(late.unwrap_err().code().unwrap().code(), "RL001");
    assert_eq!(settled(3).await, not_done);
    // The store finds out by itself where the numbers are.
    remove(&store, &fence).await.unwrap();
    assert_eq!(removed(&store).await, 2);
    store.end_lease(&fence).await.unwrap();
    take(&store, &Duty::Project, "next_server", HOUR).await.unwrap();
    assert_eq!(settled(3).await, nobody_knows);
}

/// While nobody knows what a write did, it is not answered as done, and nothing of the outbox is read.
#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_in_doubt_is_not_read_until_it_is_known() {
    let database = Database::fresh().await;
    let (proxy, store) = through(&database).await;
    let fence = begun(&store).await;
    proxy.set(Mode::LoseAnswerThenAway);
    let answer = remove(&store, &fence).await;
    assert!(matches!(answer, Err(FencedError::Unavailable(_))), "{answer:?}");
    assert!(store.outbox().await.is_err());
    proxy.set(Mode::Through);
    assert_eq!(removed(&store).await, 1, "the database had done it");
    remove(&store, &fence).await.unwrap();
    assert_eq!(removed(&store).await, 2);
}

/// A caller who goes away leaves a write that is done, or that is not; the next one knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_of_the_outbox_outlives_its_caller() {
    let database = Database::fresh().await;
    let store = open(&database.url()).await;
    let fence = begun(&store).await;
    let holder = connect(&database.url()).await;
    holder
        .batch_execute("BEGIN; SELECT FROM lease FOR UPDATE")
        .await
        .unwrap();
    let left = tokio::time::timeout(Duration::from_millis(100), remove(&store, &fence)).await;
    assert!(left.is_err(), "{left:?}");
    holder.batch_execute("COMMIT").await.unwrap();
    remove(&store, &fence).await.unwrap();
    assert_eq!(removed(&store).await, 2);
}

/// A server that was paused beyond its time goes on as if nothing had been: whatever it writes is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_paused_writes_nothing_as_the_holder() {
    let database = Database::fresh().await;
    let [paused, other] = [open(&database.url()).await, open(&database.url()).await];
    let _created = create(&paused, JOB, "attempt-1").await.unwrap();
    let held = take(&paused, &Duty::Sweep, "paused", HOUR).await.unwrap();
    assert_eq!(take(&other, &Duty::Sweep, "other", HOUR).await, None);
    let with = |fence: &Fence| ChangeRequest {
        fence: Some(fence.clone()),
        ..add(JOB, None)
    };
    paused.change(with(&held)).await.unwrap();
    paused.keep_lease(&held, SOON).await.unwrap();
    let taken = take_over(&other, &Duty::Sweep).await;
    let late = paused.change(with(&held)).await;
    assert_eq!(late, Err(ChangeError::Fenced { duty: Duty::Sweep }));
    other.change(with(&taken)).await.unwrap();
    assert_eq!(chain(&other).await, 4, "a line for each, the refused one as well");

    let fence = begun(&paused).await;
    remove(&paused, &fence).await.unwrap();
    paused.keep_lease(&fence, SOON).await.unwrap();
    take_over(&other, &Duty::Project).await;
    let late = remove(&paused, &fence).await;
    assert_eq!(late, Err(FencedError::Lost { duty: Duty::Project }));
    assert_eq!(removed(&paused).await, 1);
}

/// A taking waits for what is being written with the fence before it, and comes after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_taking_waits_for_what_is_under_way() {
    let database = Database::fresh().await;
    let [one, other] = [open(&database.url()).await, open(&database.url()).await];
    let _created = create(&one, JOB, "attempt-1").await.unwrap();
    let fence = take(&one, &Duty::Sweep, "one", HOUR).await.unwrap();
    one.keep_lease(&fence, SOON).await.unwrap();
    // A change that has looked at its fence and is not committed.
    let writer = connect(&database.url()).await;
    writer
        .batch_execute("BEGIN; SELECT FROM lease WHERE duty = 'sweep' FOR SHARE")
        .await
        .unwrap();
    let taking = tokio::spawn({
        let other = Arc::clone(&other);
        async move { take_over(&other, &Duty::Sweep).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!taking.is_finished(), "it was taken in the middle of a write");
    writer.batch_execute("COMMIT").await.unwrap();
    assert_eq!(taking.await.unwrap().epoch.get(), 2);
}

/// Neither leases nor the outbox wait for whoever writes the ledger, nor does that wait for them.
#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_and_the_ledger_do_not_wait_for_each_other() {
    let database = Database::fresh().await;
    let store = open(&database.url()).await;
    let _created = create(&store, JOB, "attempt-1").await.unwrap();
    let admin = hold_the_head(&database).await;
    let fence = begun(&store).await;
    let mark = Mark {
        key: key(JOB),
        line: 1,
        due: Timestamp::EPOCH,
    };
    store.mark_outbox(&fence, 1, vec![mark]).await.unwrap();
    store.keep_lease(&fence, HOUR).await.unwrap();
    admin.batch_execute("COMMIT").await.unwrap();
    admin
        .batch_execute("BEGIN; SELECT FROM lease FOR UPDATE; SELECT FROM outbox_entry FOR UPDATE")
        .await
        .unwrap();
    let _created = create(&store, "250926-231841", "attempt-1").await.unwrap();
    store.change(add(JOB, None)).await.unwrap();
    admin.batch_execute("COMMIT").await.unwrap();
}

/// However many entries lack nothing, none of them is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn idle_entries_cost_nothing() {
    const IDLE: i64 = 20_000;
    let database = Database::fresh().await;
    let store = open(&database.url()).await;
    begun(&store).await;
    let admin = connect(&database.url()).await;
    let fill = "INSERT INTO run(id, run_id, client_id, status, version, deadline, body)
            SELECT n, 'r' || n, '', 2, 1, 0, '{}' FROM generate_series(1, $1::bigint) AS n";
    admin.execute(fill, &[&IDLE]).await.unwrap();
    admin
        .batch_execute(
            "INSERT INTO outbox_entry(run, is_client, wanted, shown, due) SELECT id, false, 7, 7, 0 FROM run;
             UPDATE outbox_entry SET wanted = 8 WHERE run IN (5, 6, 7);
             UPDATE outbox_entry SET step = 3, step_at = 0, step_line = 7, step_why = '' WHERE run IN (8, 9);
             SET enable_seqscan = off; SET jit = off;",
        )
        .await
        .unwrap();
    // Before anybody has counted what there is, and after.
    for counted in [false, true] {
        if counted {
            admin.batch_execute("ANALYZE").await.unwrap();
        }
        for (sql, index) in [
            (
                "SELECT e.wanted FROM outbox_entry e JOIN run r ON r.id = e.run WHERE e.step = 0 AND e.wanted > e.shown
                   AND e.is_client = false AND e.due <= 9 ORDER BY e.due, e.run LIMIT 100",
                &["outbox_due"][..],
            ),
            (
                "SELECT e.wanted FROM outbox_entry e JOIN run r ON r.id = e.run WHERE e.step <> 0 AND e.step = 3
                   AND e.run > 0 ORDER BY e.run LIMIT 100",
                &["outbox_step"],
            ),
            (
                "SELECT 0::smallint, count(*), min(due) FROM outbox_entry WHERE step = 0 AND wanted > shown
                 UNION ALL SELECT step, count(*), NULL FROM outbox_entry WHERE step <> 0 GROUP BY step",
                &["outbox_due", "outbox_step"],
            ),
        ] {
            let explain = format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {sql}");
            let plan = admin.query(&explain, &[]).await.unwrap();
            let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
            let plan = plan.join("\n");
            assert!(index.iter().all(|index| plan.contains(index)), "{sql}\n{plan}");
            for looked_at in ["Seq Scan", "Rows Removed by Filter", "outbox_entry_pkey", "rows=20000"] {
                assert!(!plan.contains(looked_at), "{looked_at}\n{sql}\n{plan}");
            }
        }
    }
    let counts = store.outbox_counts().await.unwrap();
    assert_eq!((counts.waiting, counts.unknown), (3, 2));
    let due = store
        .due_entries(RecordKind::Job, Timestamp::EPOCH, PageSize::default())
        .await;
    assert_eq!(due.unwrap().len(), 3);
    let in_doubt = store.entries_in(StepKind::Unknown, None, PageSize::default()).await;
    assert_eq!(in_doubt.unwrap().len(), 2);
}
