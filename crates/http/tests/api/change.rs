//! Changing what exists: every route, for jobs and for clients.

use serde_json::json;

use crate::support::{ORCHESTRATOR, World};

const BOTH: [&str; 2] = ["/v1/runs/r1", "/v1/runs/r1/clients/a"];

async fn world() -> World {
    let world = World::new();
    world.run("r1", &["a"]).await;
    world.clock.forward(10);
    world
}

#[tokio::test]
async fn contents_are_merged_noted_and_referenced() {
    let world = world().await;
    for path in BOTH {
        let body =
            r#"{"metrics":{"add":{"n":2},"max":{"m":7},"set":{"s":1}},"note":"half ✓","external_ids":["x:2","x:1"]}"#;
        let answer = world.patch(path, body).await.check(200, "");
        assert_eq!(answer.header("etag"), "\"2\"");
        let answer = answer
            .has("/metrics", json!({"m": 7, "n": 2, "s": 1}))
            .has("/external_ids", json!(["x:1", "x:2"]))
            .has("/notes/0/text", "half ✓")
            .has("/version", 2)
            .has("/updated_at", "2025-09-25T23:18:51.000Z");
        assert_eq!(world.get(path).await.json, answer.json);
        let body = r#"{"metrics":{"add":{"n":2},"max":{"m":3},"set":{"s":0}}}"#;
        world
            .patch(path, body)
            .await
            .check(200, "")
            .has("/metrics", json!({"m": 7, "n": 4, "s": 0}));
    }
}

#[tokio::test]
async fn numbers_are_exact() {
    let world = world().await;
    for number in ["0.1", "\"0.2\"", "1e-9", "999999999999999.7"] {
        let body = format!(r#"{{"metrics":{{"add":{{"cost":{number}}}}}}}"#);
        world.patch(BOTH[1], &body).await.check(200, "");
    }
    let shown = world.get(BOTH[1]).await.text;
    assert!(
        shown.contains(r#""metrics":{"cost":1000000000000000.000000001}"#),
        "{shown}"
    );
    let summary = world.get("/v1/runs/r1/summary").await.text;
    assert!(
        summary.contains(r#""totals":{"cost":1000000000000000.000000001}"#),
        "{summary}"
    );
    world
        .patch(BOTH[1], r#"{"metrics":{"set":{"cost":0.1}}}"#)
        .await
        .check(200, "");
    let sum = world.patch(BOTH[1], r#"{"metrics":{"add":{"cost":0.2}}}"#).await.text;
    assert!(sum.contains(r#""cost":0.3}"#), "{sum}");
    let most = r#"{"metrics":{"set":{"cost":"999999999999999999.999999999","whole":999999999999999999}}}"#;
    let most = world.patch(BOTH[1], most).await.text;
    assert!(
        most.contains(r#"{"cost":999999999999999999.999999999,"whole":999999999999999999}"#),
        "{most}"
    );
    let over = r#"{"metrics":{"add":{"whole":1}}}"#;
    world
        .refused(409, "metric_overflow", "PATCH", BOTH[1], &ORCHESTRATOR, over)
        .await;
}

#[tokio::test]
async fn numbers_that_cannot_be_are_refused_by_name() {
    let world = world().await;
    for number in [
        "-5",
        "1e999",
        "\"NaN\"",
        "\"-5\"",
        "\"Infinity\"",
        "\"\"",
        "\"1 000\"",
        "null",
        "true",
        "[1]",
        "{}",
        "0.1234567891",
        "1000000000000000000",
        "\"0x10\"",
    ] {
        let body = format!(r#"{{"metrics":{{"add":{{"leads":{number}}}}}}}"#);
        let answer = world
            .refused(422, "value_invalid", "PATCH", BOTH[0], &ORCHESTRATOR, body)
            .await;
        answer.has("/field", "metrics.add.leads").has("/run_id", "r1");
    }
    for number in ["NaN", "+1", "01", ".5", "1.", "Infinity"] {
        let body = format!(r#"{{"metrics":{{"add":{{"leads":{number}}}}}}}"#);
        world
            .refused(400, "body_not_json", "PATCH", BOTH[0], &ORCHESTRATOR, body)
            .await;
    }
    for (code, body) in [
        ("metric_named_twice", r#"{"metrics":{"add":{"n":1},"set":{"n":2}}}"#),
        ("metric_named_twice", r#"{"metrics":{"add":{"n":1,"n":2}}}"#),
        ("value_invalid", r#"{"metrics":{"add":{"n p":1}}}"#),
        ("unknown_field", r#"{"metrics":{"sub":{"n":1}}}"#),
        ("body_invalid", r#"{"metrics":{"add":5}}"#),
    ] {
        world.refused(422, code, "PATCH", BOTH[0], &ORCHESTRATOR, body).await;
    }
}

#[tokio::test]
async fn i3_i11_an_unknown_key_is_refused_recorded_and_not_created() {
    let world = world().await;
    for base in [
        "/v1/runs/r2",
        "/v1/runs/r1/clients/b",
        "/v1/runs/250925-112233/clients/a",
    ] {
        for (method, tail, body) in [
            ("PATCH", "", r#"{"note":"x"}"#),
            ("POST", "/stages/s/start", ""),
            ("POST", "/stages/s/finish", r#"{"status":"failed"}"#),
            ("POST", "/complete", r#"{"status":"failed"}"#),
            ("POST", "/heartbeat", ""),
        ] {
            let path = format!("{base}{tail}");
            let answer = world
                .refused(404, "not_found", method, &path, &ORCHESTRATOR, body)
                .await;
            assert!(answer.json["run_id"].is_string());
        }
    }
    assert_eq!(world.records().await, ["r1 v1", "r1/a v1"]);
}

#[tokio::test]
async fn an_update_starts_a_queued_record_and_ends_nothing() {
    let world = World::new();
    world
        .post("/v1/runs", r#"{"run_id":"r1","status":"queued"}"#)
        .await
        .check(201, "");
    let path = "/v1/runs/r1";
    world
        .refused(
            409,
            "not_started",
            "POST",
            "/v1/runs/r1/complete",
            &ORCHESTRATOR,
            r#"{"status":"succeeded"}"#,
        )
        .await;
    let done = world
        .refused(
            422,
            "status_not_settable",
            "PATCH",
            path,
            &ORCHESTRATOR,
            r#"{"status":"failed"}"#,
        )
        .await;
    assert!(
        done.json["detail"].as_str().unwrap().contains("complete"),
        "{}",
        done.text
    );
    world
        .refused(
            422,
            "status_not_settable",
            "PATCH",
            path,
            &ORCHESTRATOR,
            r#"{"status":"queued"}"#,
        )
        .await;
    world
        .refused(
            422,
            "value_invalid",
            "PATCH",
            path,
            &ORCHESTRATOR,
            r#"{"status":"done"}"#,
        )
        .await;
    let started = world.patch(path, r#"{"status":"running"}"#).await.check(200, "");
    started
        .has("/status", "running")
        .has("/started_at", crate::support::START);
    for body in [
        "",
        "{}",
        r#"{"metrics":{}}"#,
        r#"{"metrics":{"add":{}}}"#,
        r#"{"update_id":"u"}"#,
    ] {
        world
            .refused(422, "nothing_to_change", "PATCH", path, &ORCHESTRATOR, body)
            .await;
    }
}

#[tokio::test]
async fn stages_begin_and_end_once() {
    let world = world().await;
    for path in BOTH {
        let stage = format!("{path}/stages/lead_scoring");
        let finish = format!("{stage}/finish");
        let end = r#"{"status":"succeeded","metrics":{"add":{"leads":12},"max":{"peak":0.5}}}"#;
        world
            .refused(409, "stage_not_started", "POST", &finish, &ORCHESTRATOR, end)
            .await;
        let open = world.post(&format!("{stage}/start"), "").await.check(200, "");
        let open = open
            .has("/stages/0/status", "running")
            .has("/stages/0/name", "lead_scoring");
        assert!(open.json["stages"][0]["metrics"].is_null() && open.json["stages"][0]["ended_at"].is_null());
        world.clock.forward(2);
        let done = world
            .post(&finish, end)
            .await
            .check(200, "")
            .has("/stages/0/duration_ms", 2000);
        done.has("/stages/0/status", "succeeded")
            .has(
                "/stages/0/metrics",
                json!({"add": {"leads": 12}, "max": {"peak": 0.5}, "set": {}}),
            )
            .has("/metrics", json!({"leads": 12, "peak": 0.5}));
        world
            .refused(
                409,
                "stage_ended",
                "POST",
                &finish,
                &ORCHESTRATOR,
                r#"{"status":"failed"}"#,
            )
            .await;
        world
            .refused(422, "body_invalid", "POST", &finish, &ORCHESTRATOR, "")
            .await
            .has("/field", "status");
        world
            .refused(
                422,
                "value_invalid",
                "POST",
                &finish,
                &ORCHESTRATOR,
                r#"{"status":"ok"}"#,
            )
            .await;
        let bad = format!("{path}/stages/lead%20scoring/start");
        world
            .refused(422, "stage_name_invalid", "POST", &bad, &ORCHESTRATOR, "")
            .await
            .has("/field", "stage");
        let start = format!("{path}/stages/next/start");
        let extra = world
            .refused(422, "unknown_field", "POST", &start, &ORCHESTRATOR, r#"{"name":"x"}"#)
            .await;
        extra.has("/field", "name");
    }
}

#[tokio::test]
async fn i5_an_end_is_final() {
    let world = world().await;
    for path in [BOTH[1], BOTH[0]] {
        let complete = format!("{path}/complete");
        world
            .refused(422, "body_invalid", "POST", &complete, &ORCHESTRATOR, "{}")
            .await
            .has("/field", "status");
        world
            .refused(
                422,
                "value_invalid",
                "POST",
                &complete,
                &ORCHESTRATOR,
                r#"{"status":"running"}"#,
            )
            .await;
        let end = r#"{"status":"succeeded_with_errors","note":"2 of 14 failed"}"#;
        let done = world.post(&complete, end).await.check(200, "");
        done.has("/status", "succeeded_with_errors")
            .has("/ended_at", "2025-09-25T23:18:51.000Z")
            .has("/ended_by", "orchestrator")
            .has("/end_note", "2 of 14 failed")
            .has("/duration_ms", 10_000);
        for (method, tail, body) in [
            ("POST", "/complete", r#"{"status":"failed"}"#),
            ("PATCH", "", r#"{"note":"late"}"#),
            ("POST", "/heartbeat", ""),
            ("POST", "/stages/s/start", ""),
        ] {
            let late = world
                .refused(
                    409,
                    "already_ended",
                    method,
                    &format!("{path}{tail}"),
                    &ORCHESTRATOR,
                    body,
                )
                .await;
            late.has("/existing/status", "succeeded_with_errors")
                .has("/existing/version", 2);
        }
    }
}

#[tokio::test]
async fn every_outcome_is_a_completion() {
    let world = World::new();
    let outcomes = [
        "succeeded",
        "succeeded_with_errors",
        "failed",
        "skipped",
        "cancelled",
        "lost",
    ];
    for outcome in outcomes {
        world.run(&format!("r-{outcome}"), &[]).await;
        let body = format!(r#"{{"status":"{outcome}"}}"#);
        let path = format!("/v1/runs/r-{outcome}/complete");
        world.post(&path, &body).await.check(200, "").has("/status", outcome);
    }
}

#[tokio::test]
async fn open_work_stands_against_an_end_unless_it_is_to_be_closed() {
    let world = world().await;
    world
        .post("/v1/runs/r1/clients/a/stages/s/start", "")
        .await
        .check(200, "");
    let end = r#"{"status":"failed"}"#;
    world
        .refused(
            409,
            "open_stages",
            "POST",
            "/v1/runs/r1/clients/a/complete",
            &ORCHESTRATOR,
            end,
        )
        .await;
    world
        .refused(409, "open_clients", "POST", "/v1/runs/r1/complete", &ORCHESTRATOR, end)
        .await;
    let end = r#"{"status":"failed","close_open":true}"#;
    let closed = world.post("/v1/runs/r1/complete", end).await.check(200, "");
    assert_eq!(closed.header("runledger-closed"), "1");
    let client = world.get(BOTH[1]).await.has("/status", "cancelled").has("/version", 3);
    client.has("/stages/0/status", "cancelled");
}

#[tokio::test]
async fn a_heartbeat_moves_the_deadline() {
    let world = world().await;
    for path in BOTH {
        for body in ["", "{}"] {
            let before = world.get(path).await.json["deadline"].clone();
            world.clock.forward(60);
            let alive = world.post(&format!("{path}/heartbeat"), body).await.check(200, "");
            assert_ne!(alive.json["deadline"], before);
        }
        let path = format!("{path}/heartbeat");
        world
            .refused(422, "unknown_field", "POST", &path, &ORCHESTRATOR, r#"{"note":"x"}"#)
            .await;
    }
}

#[tokio::test]
async fn i8_a_change_may_name_the_version_that_it_expects() {
    let world = world().await;
    for path in BOTH {
        world
            .patch(path, r#"{"note":"2","version":1}"#)
            .await
            .check(200, "")
            .has("/version", 2);
        let stale = world
            .refused(
                412,
                "version_mismatch",
                "PATCH",
                path,
                &ORCHESTRATOR,
                r#"{"note":"3","version":1}"#,
            )
            .await;
        stale.has("/existing/version", 2);
        let tagged = |tag: &'static str| [ORCHESTRATOR[0], ("if-match", tag)];
        world
            .refused(
                412,
                "version_mismatch",
                "PATCH",
                path,
                &tagged("\"7\""),
                r#"{"note":"3"}"#,
            )
            .await;
        world
            .send("PATCH", path, &tagged("\"2\""), r#"{"note":"3"}"#)
            .await
            .check(200, "")
            .has("/version", 3);
        world
            .send("PATCH", path, &tagged("\"3\""), r#"{"note":"4","version":3}"#)
            .await
            .check(200, "");
        world
            .send("PATCH", path, &tagged("*"), r#"{"note":"5"}"#)
            .await
            .check(200, "")
            .has("/version", 5);
        let both = r#"{"note":"6","version":4}"#;
        world
            .refused(422, "contradiction", "PATCH", path, &tagged("\"5\""), both)
            .await
            .has("/field", "version");
        for tag in [
            "5",
            "W/\"5\"",
            "\"x\"",
            "\"5\", \"6\"",
            "\"\"",
            "\"-1\"",
            "\"99999999999999999999\"",
        ] {
            world
                .refused(422, "if_match_invalid", "PATCH", path, &tagged(tag), r#"{"note":"6"}"#)
                .await;
        }
        let beat = format!("{path}/heartbeat");
        world
            .refused(412, "version_mismatch", "POST", &beat, &tagged("\"1\""), "")
            .await;
        world
            .send("POST", &beat, &tagged("\"5\""), "")
            .await
            .check(200, "")
            .has("/version", 6);
    }
    let end = r#"{"status":"failed","version":1}"#;
    world
        .refused(
            412,
            "version_mismatch",
            "POST",
            "/v1/runs/r1/clients/a/complete",
            &ORCHESTRATOR,
            end,
        )
        .await;
}
