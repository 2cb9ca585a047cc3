//! Creating: what is answered, and what a record looks like.

use runledger_domain::{CreationPolicy, RunIdScheme};
use runledger_http::Options;
use serde_json::{Value, json};

use crate::support::{ORCHESTRATOR, START, World};

#[tokio::test]
async fn a_job_is_created_under_the_id_that_is_sent() {
    let world = World::new();
    let body = r#"{"run_id":"250925-112233","batch":"stream-1","external_ids":["apify:8MSTBAfqMzuXPvgB3"],
        "note":"nightly","deadline_after_seconds":60,"status":"queued"}"#;
    let answer = world.attempt("a-1", "/v1/runs", body).await.check(201, "");
    assert_eq!(answer.header("location"), "/v1/runs/250925-112233");
    assert_eq!(answer.header("etag"), "\"1\"");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("idempotency-replayed"), "");
    let expected = json!({
        "run_id": "250925-112233", "client_id": null, "key": "250925-112233", "kind": "job", "client_name": null,
        "batch": "stream-1", "status": "queued", "stalled": false, "created_at": START, "created_by": "orchestrator",
        "attempt": "a-1", "reconstructed": false, "started_at": null, "ended_at": null, "ended_by": null,
        "end_note": null, "duration_ms": null, "deadline": "2025-09-25T23:19:41.000Z", "deadline_after_seconds": 60,
        "updated_at": START, "updated_by": "orchestrator", "version": 1, "metrics": {}, "stages": [],
        "notes": [{"at": START, "source": "orchestrator", "text": "nightly"}],
        "external_ids": ["apify:8MSTBAfqMzuXPvgB3"],
    });
    assert_eq!(answer.json, expected);
    assert_eq!(world.get("/v1/runs/250925-112233").await.json, expected);
}

#[tokio::test]
async fn a_job_without_a_body_gets_an_id_of_its_own() {
    let world = World::new();
    for (body, run) in [
        ("", "250925-231841"),
        ("{}", "250925-231842"),
        (" \n", "250925-231843"),
        (r#"{"run_id":null,"note":null}"#, "250925-231844"),
    ] {
        let answer = world.post("/v1/runs", body).await.check(201, "").has("/run_id", run);
        assert_eq!(answer.json["status"], "running");
        assert_eq!(answer.json["started_at"], answer.json["created_at"]);
    }
    let (line, first) = (world.lines().await.len(), world.lines().await);
    assert_eq!(line, 4, "seconds that are plainly taken leave no line: {first:?}");
}

#[tokio::test]
async fn one_client_is_answered_as_a_record() {
    let world = World::new();
    world.run("250925-112233", &[]).await;
    let body = r#"{"client_id":"Guy-Wilson","client_name":"Guy Wilson · 日本","run_id":"250925-112233-Guy-Wilson"}"#;
    let answer = world.post("/v1/runs/250925-112233/clients", body).await.check(201, "");
    assert_eq!(answer.header("location"), "/v1/runs/250925-112233/clients/Guy-Wilson");
    let answer = answer
        .has("/key", "250925-112233-Guy-Wilson")
        .has("/kind", "client")
        .has("/client_id", "Guy-Wilson")
        .has("/client_name", "Guy Wilson · 日本");
    let path = answer.header("location").to_owned();
    assert_eq!(world.get(&path).await.json, answer.json);
}

#[tokio::test]
async fn i15_the_run_may_carry_its_own_client_and_no_other() {
    let world = World::new();
    world.run("250925-112233", &[]).await;
    let path = "/v1/runs/250925-112233-Guy-Wilson/clients";
    let own = world.post(path, r#"{"client_id":"Guy-Wilson"}"#).await.check(201, "");
    assert_eq!(own.header("location"), "/v1/runs/250925-112233/clients/Guy-Wilson");
    let path = "/v1/runs/250925-112233-Wilson/clients";
    world
        .refused(
            422,
            "run_id_invalid",
            "POST",
            path,
            &ORCHESTRATOR,
            r#"{"client_id":"Guy-Wilson"}"#,
        )
        .await;
    let body = r#"{"client_id":"b","run_id":"250925-112244"}"#;
    let path = "/v1/runs/250925-112233/clients";
    let other = world
        .refused(422, "contradiction", "POST", path, &ORCHESTRATOR, body)
        .await;
    other
        .has("/field", "run_id")
        .has("/run_id", "250925-112233")
        .has("/client_id", "b");
}

#[tokio::test]
async fn several_clients_are_created_together() {
    let world = World::new();
    world.run("nightly-x", &[]).await;
    let body = r#"{"clients":[{"client_id":"b","note":"n"},{"client_id":"a"},{"client_id":"c","status":"queued"}]}"#;
    let answer = world
        .attempt("a-1", "/v1/runs/nightly-x/clients", body)
        .await
        .check(201, "");
    let keys: Vec<_> = answer.json["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["key"].clone())
        .collect();
    assert_eq!(keys, ["nightly-x/b", "nightly-x/a", "nightly-x/c"]);
    assert_eq!(answer.header("location"), "");
    let again = world
        .attempt("a-1", "/v1/runs/nightly-x/clients", body)
        .await
        .check(200, "");
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.json, answer.json);
    // With one more client in it the call is a mixture: the old ones are replayed, the new one is created.
    let body = body.replace(r#"{"client_id":"a"}"#, r#"{"client_id":"a"},{"client_id":"d"}"#);
    let more = world
        .attempt("a-1", "/v1/runs/nightly-x/clients", &body)
        .await
        .check(201, "");
    assert_eq!(
        (
            more.json["records"].as_array().unwrap().len(),
            more.header("idempotency-replayed")
        ),
        (4, "")
    );
    let one = world
        .post("/v1/runs/nightly-x/clients", r#"{"clients":[{"client_id":"e"}]}"#)
        .await
        .check(201, "");
    assert_eq!(one.json["records"][0]["client_id"], "e");
}

#[tokio::test]
async fn i1_a_batch_with_one_conflict_creates_nothing() {
    let world = World::new();
    world.run("r1", &["b"]).await;
    let before = world.records().await;
    let body = r#"{"clients":[{"client_id":"a"},{"client_id":"b","batch":"x"},{"client_id":"c"}]}"#;
    let answer = world.post("/v1/runs/r1/clients", body).await.check(409, "conflict");
    answer.has("/existing/key", "r1/b").has("/client_id", "b");
    assert_eq!(world.records().await, before);
    let lines = world.lines().await;
    let last: Vec<_> = lines[lines.len() - 3..]
        .iter()
        .map(|line| line["reason"].clone())
        .collect();
    assert_eq!(last, ["withheld", "conflict", "withheld"]);
}

#[tokio::test]
async fn a_batch_that_cannot_be_is_refused_whole() {
    let world = World::new();
    world.run("r1", &[]).await;
    let path = "/v1/runs/r1/clients";
    let refused = |code: &'static str, body: String| world.refused(422, code, "POST", path, &ORCHESTRATOR, body);
    refused("batch_size", r#"{"clients":[]}"#.into())
        .await
        .has("/field", "clients");
    let many: Vec<_> = (0..1001).map(|i| json!({"client_id": format!("c{i}")})).collect();
    refused("batch_size", json!({ "clients": many }).to_string()).await;
    refused(
        "client_named_twice",
        r#"{"clients":[{"client_id":"a"},{"client_id":"a"}]}"#.into(),
    )
    .await
    .has("/field", "clients[1].client_id")
    .has("/client_id", "a");
    refused(
        "client_id_invalid",
        r#"{"clients":[{"client_id":"a"},{"client_id":"a b"}]}"#.into(),
    )
    .await
    .has("/field", "clients[1].client_id")
    .has("/client_id", "a b");
    refused("body_invalid", r#"{"clients":[{"client_id":"a"},{}]}"#.into())
        .await
        .has("/field", "clients[1].client_id");
    refused("contradiction", r#"{"clients":[{"client_id":"a"}],"batch":"x"}"#.into())
        .await
        .has("/field", "batch");
    refused("body_invalid", "{}".into()).await.has("/field", "client_id");
    refused("body_invalid", String::new()).await.has("/field", "client_id");
    let most: Vec<_> = (0..1000).map(|i| json!({"client_id": format!("c{i}")})).collect();
    let answer = world
        .post(path, &json!({ "clients": most }).to_string())
        .await
        .check(201, "");
    assert_eq!(answer.json["records"].as_array().map(Vec::len), Some(1000));
}

#[tokio::test]
async fn i2_only_creators_create() {
    let world = World::new();
    world.run("r1", &[]).await;
    for (path, body) in [
        ("/v1/runs", ""),
        ("/v1/runs", r#"{"run_id":"r2"}"#),
        ("/v1/runs/r1/clients", r#"{"client_id":"a"}"#),
        ("/v1/runs/r1/clients", r#"{"clients":[{"client_id":"a"}]}"#),
    ] {
        let headers = [("runledger-source", "post_scoring")];
        world
            .refused(403, "source_not_authorised", "POST", path, &headers, body)
            .await;
    }
    // Nobody can claim to be another by the body.
    let headers = [("runledger-source", "post_scoring")];
    let body = r#"{"run_id":"r3","source":"orchestrator"}"#;
    world
        .refused(422, "unknown_field", "POST", "/v1/runs", &headers, body)
        .await
        .has("/field", "source")
        .has("/run_id", "r3");
}

#[tokio::test]
async fn state_that_stands_against_a_creation_is_a_conflict() {
    let world = World::new();
    let client = r#"{"client_id":"a"}"#;
    let path = "/v1/runs/r1/clients";
    let missing = world
        .refused(409, "job_missing", "POST", path, &ORCHESTRATOR, client)
        .await;
    missing.has("/run_id", "r1").has("/client_id", "a");
    world.run("r1", &[]).await;
    world
        .post("/v1/runs/r1/complete", r#"{"status":"succeeded"}"#)
        .await
        .check(200, "");
    world
        .refused(409, "job_ended", "POST", path, &ORCHESTRATOR, client)
        .await;
}

#[tokio::test]
async fn contents_that_cannot_be_are_refused_by_name() {
    let world = World::new();
    let many: Vec<_> = (0..65).map(|i| Value::from(format!("x:{i}"))).collect();
    for (code, field, body) in [
        ("value_invalid", "batch", json!({"batch": "a\u{7}b"})),
        ("value_invalid", "note", json!({"note": " "})),
        (
            "value_invalid",
            "external_ids[1]",
            json!({"external_ids": ["x:1", "8MSTBAfqMzuXPvgB3"]}),
        ),
        (
            "value_invalid",
            "deadline_after_seconds",
            json!({"deadline_after_seconds": 0}),
        ),
        (
            "value_invalid",
            "deadline_after_seconds",
            json!({"deadline_after_seconds": 31_622_401}),
        ),
        ("value_invalid", "status", json!({"status": "Running"})),
        ("value_invalid", "status", json!({"status": "succeeded"})),
        ("run_id_invalid", "run_id", json!({"run_id": "250932-112233"})),
        ("run_id_invalid", "run_id", json!({"run_id": "8MSTBAfqMzuXPvgB3"})),
        ("run_id_invalid", "run_id", json!({"run_id": ""})),
        ("unknown_field", "client_name", json!({"client_name": "a"})),
        ("too_many_external_ids", "", json!({"external_ids": many})),
    ] {
        let body = body.to_string();
        let answer = world.refused(422, code, "POST", "/v1/runs", &ORCHESTRATOR, body).await;
        assert_eq!(
            answer.json["field"].as_str().unwrap_or_default(),
            field,
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_ledger_may_accept_some_forms_of_run_ids_only() {
    let ulids = CreationPolicy::default().accept_schemes(vec![RunIdScheme::Ulid]);
    let world = World::with(Options::default(), ulids);
    world
        .refused(422, "cannot_mint", "POST", "/v1/runs", &ORCHESTRATOR, "")
        .await
        .has("/field", "run_id");
    let body = r#"{"run_id":"nightly"}"#;
    world
        .refused(422, "scheme_not_accepted", "POST", "/v1/runs", &ORCHESTRATOR, body)
        .await;
    world
        .post("/v1/runs", r#"{"run_id":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}"#)
        .await
        .check(201, "");
}

#[tokio::test]
async fn a_minute_full_of_runs_is_refused_with_advice() {
    let world = World::new();
    for _ in 0..=60 {
        world.post("/v1/runs", "").await.check(201, "");
    }
    let full = world
        .refused(409, "no_free_second", "POST", "/v1/runs", &ORCHESTRATOR, "")
        .await;
    assert!(full.json["detail"].as_str().unwrap().contains("ULID"), "{}", full.text);
    world.clock.forward(60);
    world.post("/v1/runs", "").await.check(201, "");
}
