//! Headers, paths and queries that cannot be understood.

use crate::support::{ORCHESTRATOR, World};

#[tokio::test]
async fn a_change_needs_a_source_that_is_somebody() {
    let world = World::new();
    world.run("r1", &["a"]).await;
    let calls = [
        ("POST", "/v1/runs/r1/clients", r#"{"client_id":"b"}"#),
        ("PATCH", "/v1/runs/r1", r#"{"note":"x"}"#),
        ("PATCH", "/v1/runs/r1/clients/a", r#"{"note":"x"}"#),
        ("POST", "/v1/runs/r1/stages/s/start", ""),
        ("POST", "/v1/runs/r1/stages/s/finish", r#"{"status":"failed"}"#),
        ("POST", "/v1/runs/r1/clients/a/complete", r#"{"status":"failed"}"#),
        ("POST", "/v1/runs/r1/heartbeat", ""),
    ];
    for (method, path, body) in calls {
        let missing = world.refused(422, "source_missing", method, path, &[], body).await;
        missing.has("/field", "Runledger-Source").has("/run_id", "r1");
        for source in ["system", "API", "unknown", "a", "a b", "", "9x", "x/y"] {
            let answer = world
                .refused(
                    422,
                    "source_invalid",
                    method,
                    path,
                    &[("runledger-source", source)],
                    body,
                )
                .await;
            answer.has("/field", "Runledger-Source");
        }
    }
    let lines = world.lines().await;
    let line = lines.last().unwrap();
    assert_eq!(
        (&line["source"], &line["run_id"], &line["action"]),
        (&"x/y".into(), &"r1".into(), &"heartbeat".into())
    );
    let twice = [
        ("runledger-source", "orchestrator"),
        ("runledger-source", "batch_process"),
    ];
    world
        .refused(422, "source_invalid", "POST", "/v1/runs/r1/heartbeat", &twice, "")
        .await;
}

#[tokio::test]
async fn i6_only_an_attempt_that_names_nothing_leaves_no_line() {
    let world = World::new();
    world
        .send("POST", "/v1/runs", &[], "")
        .await
        .check(422, "source_missing");
    world
        .send("POST", "/v1/runs", &[], "{")
        .await
        .check(422, "source_missing");
    assert_eq!(world.lines().await.len(), 0);
    world
        .refused(422, "source_missing", "POST", "/v1/runs", &[], r#"{"run_id":"r1"}"#)
        .await
        .has("/run_id", "r1");
    world
        .refused(400, "body_not_json", "POST", "/v1/runs", &ORCHESTRATOR, "{")
        .await;
    world
        .refused(
            422,
            "source_invalid",
            "POST",
            "/v1/runs",
            &[("runledger-source", "system")],
            "",
        )
        .await;
}

#[tokio::test]
async fn ids_in_the_path_are_understood_or_refused_by_name() {
    let world = World::new();
    world.run("r1", &["a"]).await;
    for (path, code, field) in [
        ("/v1/runs/250932-112233", "run_id_invalid", "run_id"),
        ("/v1/runs/undefined", "run_id_invalid", "run_id"),
        ("/v1/runs/null/clients/a", "run_id_invalid", "run_id"),
        ("/v1/runs/SR-250925-001", "run_id_invalid", "run_id"),
        ("/v1/runs/8MSTBAfqMzuXPvgB3", "run_id_invalid", "run_id"),
        ("/v1/runs/r1%20", "run_id_invalid", "run_id"),
        ("/v1/runs/r1%2Fclients", "run_id_invalid", "run_id"),
        ("/v1/runs/250925-112233-Guy-Wilson", "run_id_invalid", "run_id"),
        (
            "/v1/runs/250925-112233-Wilson/clients/Guy-Wilson",
            "run_id_invalid",
            "run_id",
        ),
        ("/v1/runs/r1/clients/undefined", "client_id_invalid", "client_id"),
        ("/v1/runs/r1/clients/Mary-O'Brien", "client_id_invalid", "client_id"),
        ("/v1/runs/r1/clients/M%C3%BCller", "client_id_invalid", "client_id"),
        ("/v1/runs/r1/clients/a%00", "client_id_invalid", "client_id"),
    ] {
        world
            .refused(422, code, "PATCH", path, &ORCHESTRATOR, r#"{"note":"x"}"#)
            .await
            .has("/field", field);
        world.get(path).await.check(422, code).has("/field", field);
    }
    let lines = world.lines().await;
    let line = lines.last().unwrap();
    assert_eq!((&line["run_id"], &line["client_id"]), (&"r1".into(), &"a?".into()));
}

#[tokio::test]
async fn paths_are_decoded_once() {
    let world = World::new();
    world.run("r1", &["Guy-Wilson"]).await;
    world
        .get("/v1/runs/%721/clients/Guy%2DWilson")
        .await
        .check(200, "")
        .has("/key", "r1/Guy-Wilson");
    world
        .get("/v1/runs/r1%2500")
        .await
        .check(422, "run_id_invalid")
        .has("/run_id", serde_json::Value::Null);
    world.get("/v1/runs/%FF").await.check(400, "path_invalid");
    world.get("/v1/runs/r1/clients/%C3%28").await.check(400, "path_invalid");
    let answer = world
        .refused(
            400,
            "path_invalid",
            "PATCH",
            "/v1/runs/%FF",
            &ORCHESTRATOR,
            r#"{"note":"x"}"#,
        )
        .await;
    answer.has("/run_id", "/v1/runs/%FF");
}

#[tokio::test]
async fn an_idempotency_key_is_plain_and_sent_once() {
    let world = World::new();
    world.run("r1", &[]).await;
    let long = "x".repeat(129);
    for key in ["", "a b", long.as_str()] {
        let headers = [ORCHESTRATOR[0], ("idempotency-key", key)];
        for (method, path, body) in [
            ("POST", "/v1/runs", r#"{"run_id":"r2"}"#),
            ("POST", "/v1/runs/r1/clients", r#"{"client_id":"a"}"#),
            ("PATCH", "/v1/runs/r1", r#"{"note":"x"}"#),
        ] {
            let answer = world
                .refused(422, "idempotency_key_invalid", method, path, &headers, body)
                .await;
            answer.has("/field", "Idempotency-Key");
        }
    }
    let twice = [ORCHESTRATOR[0], ("idempotency-key", "a"), ("idempotency-key", "a")];
    world
        .refused(422, "idempotency_key_invalid", "POST", "/v1/runs", &twice, "")
        .await;
    let field = r#"{"note":"x","update_id":"a b"}"#;
    world
        .refused(422, "value_invalid", "PATCH", "/v1/runs/r1", &ORCHESTRATOR, field)
        .await
        .has("/field", "update_id");
}

#[tokio::test]
async fn unknown_parameters_are_refused_everywhere() {
    let world = World::new();
    world.run("r1", &["a"]).await;
    for path in [
        "/v1/runs/r1?verbose=1",
        "/v1/runs/r1/clients/a?x",
        "/v1/runs/r1/summary?x=1",
        "/v1/stats?x=1",
        "/v1/records?runid=r1",
        "/v1/stalled?run_id=r1",
        "/v1/activity?status=running",
    ] {
        let answer = world.get(path).await.check(422, "unknown_parameter");
        assert!(answer.json["field"].is_string(), "{}", answer.text);
    }
    for (method, path) in [
        ("POST", "/v1/runs?run_id=r2"),
        ("PATCH", "/v1/runs/r1?source=x"),
        ("POST", "/v1/runs/r1/heartbeat?source=x"),
    ] {
        world
            .refused(422, "unknown_parameter", method, path, &ORCHESTRATOR, "")
            .await;
    }
    let known = world
        .get("/v1/records?run=r1")
        .await
        .check(422, "unknown_parameter")
        .has("/field", "run");
    assert!(
        known.json["detail"].as_str().unwrap().contains("external_id"),
        "{}",
        known.text
    );
    world.get("/v1/runs/r1?").await.check(200, "");
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_are_problems_too() {
    let world = World::new();
    world.run("r1", &[]).await;
    for path in [
        "/",
        "/v1",
        "/v2/runs",
        "/v1/runs/",
        "/v1/runs/r1/",
        "/v1/runs/r1/clients/",
        "/v1//r1",
        "/v1/runs/r1/stages/s",
    ] {
        world.get(path).await.check(404, "route_not_found");
        world
            .send("POST", path, &ORCHESTRATOR, "")
            .await
            .check(404, "route_not_found");
    }
    for (method, path, allow) in [
        ("GET", "/v1/runs", "POST"),
        ("DELETE", "/v1/runs/r1", "GET,HEAD,PATCH"),
        ("PUT", "/v1/runs/r1", "GET,HEAD,PATCH"),
        ("POST", "/v1/records", "GET,HEAD"),
        ("GET", "/v1/runs/r1/clients", "POST"),
        ("GET", "/v1/runs/r1/complete", "POST"),
        ("BREW", "/v1/stats", "GET,HEAD"),
    ] {
        let answer = world
            .send(method, path, &ORCHESTRATOR, "")
            .await
            .check(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
    let options = world.send("OPTIONS", "/v1/runs/r1", &[], "").await;
    assert_eq!(
        (options.status, options.header("allow"), options.text.as_str()),
        (204, "GET,HEAD,PATCH", "")
    );
    let head = world.send("HEAD", "/v1/runs/r1", &[], "").await;
    let get = world.get("/v1/runs/r1").await;
    assert_eq!(
        (head.status, head.text.as_str(), head.header("etag")),
        (200, "", "\"1\"")
    );
    assert_eq!(head.header("content-length"), get.text.len().to_string());
    assert_eq!(world.send("HEAD", "/v1/runs/r9", &[], "").await.status, 404);
}
