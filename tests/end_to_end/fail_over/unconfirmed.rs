//! A commit waits for a standby that is down, somebody cancels the wait, and the primary calls it done, with a warning. Then
//! the primary is lost, and the standby takes its place without the row. Whoever asked must not have heard that it is done
//! (I4, I10).

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::Cluster as _;
use super::pair::{Pair, connect, sql};
use super::{address, make_ledger};
use crate::http::{Answer, Connection};
use crate::postgres::program_at;
use crate::program::{Place, Server, ran, until};

fn ask(server: &Server, method: &str, path: &str, key: Option<&str>, body: &Value) -> Answer {
    let mut connection = Connection::open(&server.address).unwrap();
    connection.ask(method, path, key, body).unwrap()
}

/// Two servers, which wait for nobody longer than a few seconds.
fn serve(pair: &Pair) -> [(Place, Server); 2] {
    let url = address(pair.ports());
    [(); 2].map(|()| {
        let place = Place::new();
        let server = Server::start(&mut program_at(&place, &url));
        (place, server)
    })
}

/// Cancels whatever waits for the standby, until this is over; answers how often.
fn cancel_until(url: &str, is_over: impl Fn() -> bool) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let admin = connect(url).await;
        let cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        let mut cancelled = 0;
        while !is_over() {
            cancelled += admin.execute(cancel, &[]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cancelled
    })
}

#[test]
fn what_the_lost_primary_had_alone_was_answered_as_unknown() {
    let mut pair = Pair::start(make_ledger);
    let [one, other] = serve(&pair);
    let (one, other) = (&one.1, &other.1);
    let steady = json!({"run_id": "steady"});
    assert_eq!(ask(one, "POST", "/v1/runs", Some("attempt-1"), &steady).status, 201);
    pair.standby.kill().unwrap();

    let fresh = json!({"run_id": "fresh"});
    let delta = json!({"metrics": {"add": {"count": 1}}});
    let create = |server| ask(server, "POST", "/v1/runs", Some("attempt-2"), &fresh);
    let change = |server| ask(server, "PATCH", "/v1/runs/steady", Some("update-1"), &delta);
    let url = pair.primary.url("postgres", "postgres");
    let answers = thread::scope(|scope| {
        let asked = [scope.spawn(|| create(one)), scope.spawn(|| change(other))];
        let cancelled = cancel_until(&url, || asked.iter().all(thread::ScopedJoinHandle::is_finished));
        assert!(cancelled >= 2, "{cancelled} commits waited for the standby");
        asked.map(|asked| asked.join().unwrap())
    });
    for answer in answers {
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (503, &json!("in_doubt")),
            "{answer:?}"
        );
    }
    // The primary has both, and it alone.
    let both = "SELECT FROM run WHERE run_id = 'fresh' OR version = 2";
    assert_eq!(sql(&pair.primary, both), 2);

    pair.primary.kill().unwrap();
    pair.standby.run().unwrap();
    pair.take_over();
    assert_eq!(sql(&pair.primary, both), 0);
    pair.repair();

    // Asked again under the same names, each is done, once.
    until("the servers to find the new primary", || {
        [one, other]
            .iter()
            .all(|server| ask(server, "GET", "/v1/runs/fresh", None, &Value::Null).status == 404)
    });
    for server in [one, other] {
        let created = create(server);
        assert!([200, 201].contains(&created.status), "{created:?}");
        assert_eq!(created.replayed, created.status == 200);
        let changed = change(server);
        assert_eq!(
            (changed.status, &changed.body["metrics"]["count"]),
            (200, &json!(1)),
            "{changed:?}"
        );
    }
    assert_eq!(sql(&pair.primary, both), 2);
    let place = Place::new();
    ran(program_at(&place, &address(pair.ports())).arg("verify"))
        .expect(0)
        .says(&["2 records", "nothing is wrong"]);
}

/// The primary shows an end that is not confirmed to whoever reads. A server that saw it must not go on telling of it when
/// the standby, which never heard of it, has taken over.
#[test]
fn an_end_that_the_lost_primary_had_alone_is_not_remembered() {
    let mut pair = Pair::start(make_ledger);
    let [(_place, server), _other] = serve(&pair);
    let run = json!({"run_id": "steady"});
    assert_eq!(ask(&server, "POST", "/v1/runs", Some("attempt-1"), &run).status, 201);
    pair.standby.kill().unwrap();
    let complete = || {
        ask(
            &server,
            "POST",
            "/v1/runs/steady/complete",
            None,
            &json!({"status": "succeeded"}),
        )
    };
    let show = || ask(&server, "GET", "/v1/runs/steady", None, &Value::Null);
    let url = pair.primary.url("postgres", "postgres");
    let answer = thread::scope(|scope| {
        let asked = scope.spawn(complete);
        cancel_until(&url, || asked.is_finished());
        asked.join().unwrap()
    });
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (503, &json!("in_doubt")),
        "{answer:?}"
    );
    until("the primary to show the end", || show().body["status"] == "succeeded");

    pair.primary.kill().unwrap();
    pair.standby.run().unwrap();
    pair.take_over();
    pair.repair();
    until("the server to show what there is", || {
        show().body["status"] == "running"
    });
    let answer = complete();
    assert_eq!((answer.status, answer.replayed), (200, false), "{answer:?}");
    assert_eq!(show().body["status"], "succeeded");
}
