//! Retries: the same attempt has no second effect and says so (I7); another one is a conflict that shows the holder.

use crate::support::{ORCHESTRATOR, World};

#[tokio::test]
async fn i7_a_retried_creation_is_replayed() {
    let world = World::new();
    let body = r#"{"run_id":"r1","note":"n"}"#;
    let first = world.attempt("a-1", "/v1/runs", body).await.check(201, "");
    world.clock.forward(86_400);
    let again = world.attempt("a-1", "/v1/runs", body).await.check(200, "");
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(
        (again.header("location"), again.header("etag")),
        ("/v1/runs/r1", "\"1\"")
    );
    assert_eq!(again.json["created_at"], first.json["created_at"]);
    assert_eq!(world.records().await, ["r1 v1"]);
    // Even after it ended, with the record as it stands.
    world
        .post("/v1/runs/r1/complete", r#"{"status":"failed"}"#)
        .await
        .check(200, "");
    let ended = world.attempt("a-1", "/v1/runs", body).await.check(200, "");
    assert_eq!(
        (ended.json["status"].as_str(), ended.header("etag")),
        (Some("failed"), "\"2\"")
    );
}

#[tokio::test]
async fn i7_a_retried_start_without_an_id_finds_its_run() {
    let world = World::new();
    let first = world.attempt("a-1", "/v1/runs", "").await.check(201, "");
    world.clock.forward(3_600);
    let again = world.attempt("a-1", "/v1/runs", "{}").await.check(200, "");
    assert_eq!(again.json["run_id"], first.json["run_id"]);
    assert_eq!(world.records().await.len(), 1);
}

#[tokio::test]
async fn i9_another_creation_is_a_conflict_that_shows_the_holder() {
    let world = World::new();
    world
        .attempt("a-1", "/v1/runs", r#"{"run_id":"r1"}"#)
        .await
        .check(201, "");
    let headers = [ORCHESTRATOR[0], ("idempotency-key", "a-2")];
    let body = r#"{"run_id":"r1","batch":"b","deadline_after_seconds":5}"#;
    let other = world.refused(409, "conflict", "POST", "/v1/runs", &headers, body).await;
    assert_eq!(
        other.json["differs_in"],
        serde_json::json!(["attempt", "batch", "deadline_after"])
    );
    other
        .has("/existing/attempt", "a-1")
        .has("/existing/created_by", "orchestrator")
        .has("/existing/version", 1)
        .has("/run_id", "r1");
    // The same attempt with other content is no retry.
    let headers = [ORCHESTRATOR[0], ("idempotency-key", "a-1")];
    let body = r#"{"run_id":"r1","note":"x"}"#;
    let changed = world
        .refused(422, "idempotency_key_reused", "POST", "/v1/runs", &headers, body)
        .await;
    assert_eq!(changed.json["differs_in"], serde_json::json!(["note"]));
    changed.has("/existing/attempt", "a-1").has("/field", "Idempotency-Key");
    // Without a key every call is an attempt of its own.
    let twice = world
        .refused(409, "conflict", "POST", "/v1/runs", &ORCHESTRATOR, r#"{"run_id":"r1"}"#)
        .await;
    assert_eq!(twice.json["differs_in"], serde_json::json!(["attempt"]));
}

#[tokio::test]
async fn i7_a_repeated_delta_counts_once() {
    let world = World::new();
    world.run("r1", &["a"]).await;
    let path = "/v1/runs/r1/clients/a";
    let body = r#"{"metrics":{"add":{"leads":5}},"update_id":"u-1"}"#;
    world.patch(path, body).await.check(200, "").has("/version", 2);
    let again = world
        .patch(path, body)
        .await
        .check(200, "")
        .has("/version", 2)
        .has("/metrics/leads", 5);
    assert_eq!(again.header("idempotency-replayed"), "true");
    // The header says the same as the field.
    let headers = [ORCHESTRATOR[0], ("idempotency-key", "u-1")];
    let bare = r#"{"metrics":{"add":{"leads":5}}}"#;
    let by_header = world
        .send("PATCH", path, &headers, bare)
        .await
        .check(200, "")
        .has("/metrics/leads", 5);
    assert_eq!(by_header.header("idempotency-replayed"), "true");
    world
        .send("PATCH", path, &headers, body)
        .await
        .check(200, "")
        .has("/metrics/leads", 5);
    // Both, and different, is a contradiction; the same id for something else is a mistake.
    let headers = [ORCHESTRATOR[0], ("idempotency-key", "u-2")];
    world
        .refused(422, "contradiction", "PATCH", path, &headers, body)
        .await
        .has("/field", "update_id");
    let other = r#"{"metrics":{"add":{"leads":6}},"update_id":"u-1"}"#;
    world
        .refused(422, "update_id_reused", "PATCH", path, &ORCHESTRATOR, other)
        .await
        .has("/existing/metrics/leads", 5);
}

#[tokio::test]
async fn i7_repeated_ends_change_nothing() {
    let world = World::new();
    world.run("r1", &["a"]).await;
    for (path, body) in [
        ("/v1/runs/r1/clients/a/stages/scoring/start", ""),
        (
            "/v1/runs/r1/clients/a/stages/scoring/finish",
            r#"{"status":"succeeded","metrics":{"add":{"n":1}}}"#,
        ),
        (
            "/v1/runs/r1/clients/a/complete",
            r#"{"status":"succeeded","note":"done"}"#,
        ),
    ] {
        let first = world.post(path, body).await.check(200, "");
        assert_eq!(first.header("idempotency-replayed"), "", "{path}");
        let again = world.post(path, body).await.check(200, "");
        assert_eq!(again.header("idempotency-replayed"), "true", "{path}");
        assert_eq!(again.json, first.json, "{path}");
    }
}

#[tokio::test]
async fn i7_what_its_content_tells_apart_needs_no_key_and_looks_at_none() {
    let world = World::new();
    world.run("r1", &["a"]).await;
    let record = "/v1/runs/r1/clients/a";
    let too_long = "x".repeat(129);
    for (step, body, replayed) in [
        ("stages/s/start", "", "true"),
        ("stages/s/finish", r#"{"status":"succeeded"}"#, "true"),
        ("heartbeat", "", ""),
        ("complete", r#"{"status":"succeeded"}"#, "true"),
    ] {
        let path = format!("{record}/{step}");
        world.attempt("k-1", &path, body).await.check(200, "");
        // Neither the same name, nor another one, nor what is none makes a difference.
        for key in ["k-1", "k-2", too_long.as_str()] {
            let again = world.attempt(key, &path, body).await.check(200, "");
            assert_eq!(again.header("idempotency-replayed"), replayed, "{step} {key}");
        }
    }
}
