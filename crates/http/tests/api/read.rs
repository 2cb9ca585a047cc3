//! Reading: single records, summary, stats, health. Reads create nothing and leave no line (I3).

use serde_json::json;

use crate::support::{ORCHESTRATOR, World};

#[tokio::test]
async fn i3_reads_create_nothing_and_leave_no_line() {
    let world = World::new();
    for path in ["/v1/runs/r1", "/v1/runs/r1/clients/a", "/v1/runs/r1/summary"] {
        let answer = world.get(path).await.check(404, "not_found").has("/run_id", "r1");
        assert!(
            answer.json["detail"].as_str().unwrap().contains("check the run id"),
            "{}",
            answer.text
        );
    }
    for path in [
        "/v1/records",
        "/v1/stalled",
        "/v1/activity",
        "/v1/stats",
        "/livez",
        "/readyz",
        "/openapi.json",
    ] {
        world.get(path).await.check(200, "");
    }
    assert_eq!((world.records().await.len(), world.lines().await.len()), (0, 0));
}

#[tokio::test]
async fn a_version_that_is_known_is_not_sent_again() {
    let world = World::new();
    world.run("r1", &[]).await;
    let path = "/v1/runs/r1";
    let known = |tag: &'static str| [("if-none-match", tag)];
    for tag in ["\"1\"", "W/\"1\"", "\"0\", \"1\"", "*"] {
        let answer = world.send("GET", path, &known(tag), "").await;
        assert_eq!(
            (answer.status, answer.header("etag"), answer.text.as_str()),
            (304, "\"1\"", ""),
            "{tag}"
        );
    }
    for tag in ["\"2\"", "1", "", "\"x\""] {
        world
            .send("GET", path, &known(tag), "")
            .await
            .check(200, "")
            .has("/version", 1);
    }
    // It becomes stalled without a new version: that is not to be missed.
    world.clock.forward(7 * 3_600);
    world
        .send("GET", path, &known("\"1\""), "")
        .await
        .check(200, "")
        .has("/stalled", true);
    world
        .patch(path, r#"{"note":"x"}"#)
        .await
        .check(200, "")
        .has("/stalled", false);
    world
        .send("GET", path, &known("\"1\""), "")
        .await
        .check(200, "")
        .has("/version", 2);
}

#[tokio::test]
async fn i19_a_summary_is_derived() {
    let world = World::new();
    world.run("r1", &["a", "b", "c"]).await;
    world
        .patch("/v1/runs/r1/clients/a", r#"{"metrics":{"add":{"cost":0.1,"leads":3}}}"#)
        .await
        .check(200, "");
    world
        .patch("/v1/runs/r1/clients/b", r#"{"metrics":{"add":{"cost":0.2}}}"#)
        .await
        .check(200, "");
    world.clock.forward(5);
    world
        .post("/v1/runs/r1/clients/a/complete", r#"{"status":"failed"}"#)
        .await
        .check(200, "");
    let answer = world.get("/v1/runs/r1/summary").await.check(200, "");
    assert!(
        answer.text.contains(r#""totals":{"cost":0.3,"leads":3}"#),
        "{}",
        answer.text
    );
    let answer = answer
        .has("/run_id", "r1")
        .has("/job", "running")
        .has("/clients", 3)
        .has("/open", 2)
        .has("/with_errors", 1)
        .has("/by_status", json!({"running": 2, "failed": 1}))
        .has("/first_start", crate::support::START);
    assert!(answer.json["last_end"].is_null() && answer.json.as_object().unwrap().contains_key("last_end"));
    world.get("/v1/runs/r1-x-y/summary").await.check(404, "not_found");
    world
        .get("/v1/runs/250925-112233-a/summary")
        .await
        .check(422, "run_id_invalid");
}

#[tokio::test]
async fn what_was_done_is_counted() {
    let world = World::new();
    world.run("r1", &[]).await;
    world.get("/v1/runs/r1").await.check(200, "");
    world.get("/v1/runs/r2").await.check(404, "not_found");
    world
        .patch("/v1/runs/r2", r#"{"note":"x"}"#)
        .await
        .check(404, "not_found");
    let stats = world.get("/v1/stats").await.check(200, "");
    let stats = stats
        .has("/operations/created", 1)
        .has("/operations/not_found", 1)
        .has("/records_by_status/running", 1)
        .has("/records_by_status/lost", 0)
        .has(
            "/record_types",
            json!({"running": 1, "completed": 0, "error": 0, "other": 0}),
        )
        .has("/stalled", 0)
        .has("/activity_log_size", 2)
        .has("/operations/reads", 2)
        .has("/registry/hits", 1)
        .has("/registry/misses", 1)
        .has("/registry/records", 1);
    stats.has(
        "/recent_reads",
        json!([
            {"at": crate::support::START, "key": "r1", "found": true},
            {"at": crate::support::START, "key": "r2", "found": false},
        ]),
    );
}

#[tokio::test]
async fn i6_the_activity_says_who_did_what() {
    let world = World::new();
    world.run("r1", &[]).await;
    world
        .patch("/v1/runs/r1", r#"{"metrics":{"add":{"n":1}}}"#)
        .await
        .check(200, "");
    world
        .send(
            "POST",
            "/v1/runs",
            &[("runledger-source", "mailer")],
            r#"{"run_id":"r2"}"#,
        )
        .await;
    world
        .refused(
            422,
            "client_id_invalid",
            "PATCH",
            "/v1/runs/r1/clients/a%1B%20b",
            &ORCHESTRATOR,
            "{}",
        )
        .await;
    let lines = world.lines().await;
    assert_eq!(lines[0]["seq"], 1);
    assert_eq!(lines[0]["hash"].as_str().map(str::len), Some(64));
    let mut first = lines[0].clone();
    first.as_object_mut().unwrap().remove("hash");
    assert_eq!(
        first,
        json!({"seq": 1, "at": crate::support::START, "action": "create", "source": "orchestrator", "run_id": "r1",
            "client_id": null, "outcome": "created", "reason": null, "version": 1, "detail": null})
    );
    assert_eq!(
        (&lines[1]["action"], &lines[1]["outcome"], &lines[1]["version"]),
        (&"update".into(), &"changed".into(), &2.into())
    );
    assert_eq!(
        (&lines[2]["source"], &lines[2]["reason"]),
        (&"mailer".into(), &"source_not_authorised".into())
    );
    assert_eq!(
        (&lines[3]["client_id"], &lines[3]["outcome"]),
        (&"a? b".into(), &"refused".into())
    );
}
