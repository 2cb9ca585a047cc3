//! Duties and the outbox over connections that are lost, servers that were paused, and a head that somebody holds.

use std::sync::Arc;
use std::time::Duration;

use runledger_domain::{RecordKind, Timestamp};
use runledger_ports::{
    ChangeError, ChangeRequest, Duty, Fence, FencedError, LeaseStore as _, Mark, OutboxStore as _, PageSize,
    RemovedRow, RowState, RunChanger as _, StepKind, Taken,
};
use runledger_postgres::{PostgresOptions, PostgresStore};
use tokio::task::JoinHandle;

use crate::bed::{Database, connect, options};
use crate::doubt::through;
use crate::proxy::Mode;
use crate::several::{JOB, add, chain, create, hold_the_head, key, open, until_waiting};

const HOUR: Duration = Duration::from_hours(1);
const SOON: Duration = Duration::from_millis(20);

/// A store that waits longer for locks than a test holds them, on a connection that is there.
async fn patient(database: &Database) -> Arc<PostgresStore> {
    let options = PostgresOptions {
        write_time: Duration::from_mins(1),
        ..options(&database.url())
    };
    let store = Arc::new(PostgresStore::open(options).await.unwrap());
    let _connects = take(&store, &Duty::Deliver("other".parse().unwrap()), "other", SOON).await;
    store
}

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

/// Something that is written with a fence, on its way for as long as somebody holds the rows that it is about.
fn writing(store: &Arc<PostgresStore>, fence: &Fence) -> JoinHandle<Result<(), FencedError>> {
    let (store, fence) = (Arc::clone(store), fence.clone());
    tokio::spawn(async move {
        if fence.duty == Duty::Project {
            let row = RowState {
                shown: 1,
                ..RowState::default()
            };
            return store.keep_rows(&fence, vec![(key(JOB), Timestamp::EPOCH, row)]).await;
        }
        let request = ChangeRequest {
            fence: Some(fence),
            ..add(JOB, None)
        };
        match store.change(request).await {
            Ok(_) => Ok(()),
            Err(ChangeError::Fenced { duty }) => Err(FencedError::Lost { duty }),
            Err(other) => panic!("{other:?}"),
        }
    })
}

/// Two servers, of which the first has both duties, and a record with an entry.
async fn with_both_duties(database: &Database) -> ([Arc<PostgresStore>; 2], [Fence; 2]) {
    let [one, other] = [patient(database).await, patient(database).await];
    let _created = create(&one, JOB, "attempt-1").await.unwrap();
    let fences = [take(&one, &Duty::Sweep, "one", HOUR).await.unwrap(), begun(&one).await];
    let mark = Mark {
        key: key(JOB),
        line: 1,
        due: Timestamp::EPOCH,
    };
    one.mark_outbox(&fences[1], 1, vec![mark]).await.unwrap();
    ([one, other], fences)
}

/// A taking waits for what has looked at the fence before it and is not committed, and comes after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_taking_waits_for_what_is_under_way() {
    let database = Database::fresh().await;
    let ([one, other], fences) = with_both_duties(&database).await;
    for fence in fences {
        let rows = connect(&database.url()).await;
        rows.batch_execute("BEGIN; SELECT FROM run FOR UPDATE; SELECT FROM outbox_entry FOR UPDATE")
            .await
            .unwrap();
        let written = writing(&one, &fence);
        until_waiting(&rows, 1).await;
        let ending = tokio::spawn({
            let (other, fence) = (Arc::clone(&other), fence.clone());
            async move { other.end_lease(&fence).await }
        });
        until_waiting(&rows, 2).await;
        rows.batch_execute("COMMIT").await.unwrap();
        assert_eq!(written.await.unwrap(), Ok(()), "{fence:?}");
        ending.await.unwrap().unwrap();
        assert_eq!(writing(&one, &fence).await.unwrap(), lost(&fence));
    }
}

/// What was decided while the duty was held, and comes to be written when it no longer is, is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_duty_that_is_lost_before_the_write_is_noticed_by_it() {
    for taken_again in [false, true] {
        let database = Database::fresh().await;
        let ([one, other], [fence, _]) = with_both_duties(&database).await;
        let head = hold_the_head(&database).await;
        let written = writing(&one, &fence);
        until_waiting(&head, 1).await;
        other.end_lease(&fence).await.unwrap();
        if taken_again {
            take(&other, &fence.duty, "other", HOUR).await.unwrap();
        }
        head.batch_execute("COMMIT").await.unwrap();
        assert_eq!(written.await.unwrap(), lost(&fence), "{taken_again}");
        assert_eq!(chain(&one).await, 2, "the creation and the refusal");
    }
}

fn lost(fence: &Fence) -> Result<(), FencedError> {
    Err(FencedError::Lost {
        duty: fence.duty.clone(),
    })
}

/// Servers that want a duty at the same moment: one gets it, and the others are told which.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_servers_that_want_a_duty_one_gets_it() {
    let database = Database::fresh().await;
    let first = open(&database.url()).await;
    let fence = take(&first, &Duty::Sweep, "first", HOUR).await.unwrap();
    first.end_lease(&fence).await.unwrap();
    let mut stores = Vec::new();
    for _ in 0..4 {
        stores.push(patient(&database).await);
    }
    let row = connect(&database.url()).await;
    row.batch_execute("BEGIN; SELECT FROM lease FOR UPDATE").await.unwrap();
    let mut takings = Vec::new();
    for (number, store) in stores.into_iter().enumerate() {
        let holder = format!("server_{number}");
        takings.push(tokio::spawn(
            async move { take(&store, &Duty::Sweep, &holder, HOUR).await },
        ));
    }
    until_waiting(&row, 4).await;
    row.batch_execute("COMMIT").await.unwrap();
    let mut epochs = Vec::new();
    for taking in takings {
        epochs.extend(taking.await.unwrap().map(|fence| fence.epoch.get()));
    }
    assert_eq!(epochs, [2]);
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
                "SELECT 0::smallint, count(*), min(due), max(due) FROM outbox_entry WHERE step = 0 AND wanted > shown
                 UNION ALL SELECT step, count(*), NULL, NULL FROM outbox_entry WHERE step <> 0 GROUP BY step",
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
