//! A store that cannot say is 503 with advice, never success, refusal or absence (I10).

use std::sync::Arc;

use runledger_domain::CreationPolicy;
use runledger_http::Options;

use crate::support::broken::{Broken, Mode};
use crate::support::{ORCHESTRATOR, World};

fn world() -> (Arc<Broken>, World) {
    let store = Broken::new();
    let world = World::over(Arc::clone(&store), Options::default(), CreationPolicy::default());
    (store, world)
}

const WRITES: [(&str, &str, &str); 5] = [
    ("POST", "/v1/runs", r#"{"run_id":"r2"}"#),
    ("POST", "/v1/runs/r1/clients", r#"{"client_id":"b"}"#),
    ("PATCH", "/v1/runs/r1", r#"{"note":"x"}"#),
    ("POST", "/v1/runs/r1/heartbeat", ""),
    (
        "POST",
        "/v1/runs/r1/complete",
        r#"{"status":"failed","close_open":true}"#,
    ),
];

#[tokio::test]
async fn i10_a_store_that_cannot_say_is_503() {
    let (store, world) = world();
    world.run("r1", &["a"]).await;
    for (mode, code) in [
        (Mode::Busy, "busy"),
        (Mode::Stopped, "stopped"),
        (Mode::Failed, "store_failed"),
    ] {
        store.set(mode);
        for path in [
            "/v1/runs/r9",
            "/v1/records",
            "/v1/stalled",
            "/v1/activity",
            "/v1/runs/r1/summary",
            "/readyz",
        ] {
            world.get(path).await.check(503, code);
        }
        for (method, path, body) in WRITES {
            world.send(method, path, &ORCHESTRATOR, body).await.check(503, code);
        }
        world.post("/v1/runs", "").await.check(503, code);
        world.get("/livez").await.check(200, "");
        store.set(Mode::Works);
        assert_eq!(world.records().await, ["r1 v1", "r1/a v1"]);
        world.get("/readyz").await.check(200, "").has("/status", "ready");
    }
}

#[tokio::test]
async fn i10_doubt_is_neither_success_nor_refusal() {
    let (store, world) = world();
    world.run("r1", &["a"]).await;
    store.set(Mode::Doubts);
    for (method, path, body) in WRITES {
        let answer = world
            .send(method, path, &ORCHESTRATOR, body)
            .await
            .check(503, "in_doubt");
        assert!(
            answer.json["detail"].as_str().unwrap().contains("not known"),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn i6_a_refusal_whose_line_cannot_be_kept_is_not_answered_as_one() {
    let (store, world) = world();
    store.set(Mode::Failed);
    for (method, path, body) in [
        ("POST", "/v1/runs", "{"),
        ("PATCH", "/v1/runs/undefined", "{}"),
        ("POST", "/v1/runs/r1/clients", r#"{"clients":[]}"#),
        ("POST", "/v1/runs/r1/heartbeat", r#"{"x":1}"#),
    ] {
        world
            .send(method, path, &ORCHESTRATOR, body)
            .await
            .check(503, "store_failed");
        world
            .send(method, path, &[("runledger-source", "system")], body)
            .await
            .check(503, "store_failed");
    }
    let headers = [("runledger-source", "mailer")];
    world
        .send("POST", "/v1/runs", &headers, "{}")
        .await
        .check(503, "store_failed");
}

#[tokio::test]
async fn a_failure_of_the_server_is_a_problem_too() {
    let (store, world) = world();
    world.run("r1", &[]).await;
    store.set(Mode::Panics);
    for (method, path, body) in WRITES {
        world
            .send(method, path, &ORCHESTRATOR, body)
            .await
            .check(500, "internal");
    }
    store.set(Mode::Works);
    world.get("/v1/runs/r1").await.check(200, "").has("/version", 1);
    world.patch("/v1/runs/r1", r#"{"note":"x"}"#).await.check(200, "");
}
