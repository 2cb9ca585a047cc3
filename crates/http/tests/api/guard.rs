//! Pages of others are kept out: by the host that a request names, and by its origin.

use runledger_domain::CreationPolicy;
use runledger_http::Options;

use crate::support::{ORCHESTRATOR, World};

#[tokio::test]
async fn a_foreign_host_is_refused_everywhere() {
    let world = World::new();
    world.run("r1", &[]).await;
    let foreign = [("host", "evil.example:7070")];
    for path in [
        "/v1/runs/r1",
        "/v1/records",
        "/v1/activity",
        "/v1/stats",
        "/nowhere",
        "/openapi.json",
    ] {
        world
            .send("GET", path, &foreign, "")
            .await
            .check(403, "host_not_allowed");
    }
    let headers = [foreign[0], ORCHESTRATOR[0]];
    world
        .refused(403, "host_not_allowed", "POST", "/v1/runs/r1/heartbeat", &headers, "")
        .await
        .has("/field", "Host");
    world
        .send("DELETE", "/v1/runs/r1", &foreign, "")
        .await
        .check(403, "host_not_allowed");
    for host in ["localhost", "127.0.0.1:7070", "[::1]:7070"] {
        world
            .send("GET", "/v1/runs/r1", &[("host", host)], "")
            .await
            .check(200, "");
    }
    world
        .send(
            "GET",
            "/v1/runs/r1",
            &[("host", "localhost"), ("host", "evil.example")],
            "",
        )
        .await
        .check(403, "host_not_allowed");
    world.send("GET", "/livez", &foreign, "").await.check(200, "");
}

#[tokio::test]
async fn the_name_that_it_is_bound_to_is_its_own() {
    let options = Options {
        allowed_hosts: vec!["ledger.internal".into()],
        ..Options::default()
    };
    let world = World::with(options, CreationPolicy::default());
    let headers = [
        ORCHESTRATOR[0],
        ("host", "Ledger.internal:80"),
        ("origin", "https://ledger.internal"),
    ];
    world.send("POST", "/v1/runs", &headers, "").await.check(201, "");
}

#[tokio::test]
async fn a_foreign_page_changes_nothing() {
    let world = World::new();
    world.run("r1", &[]).await;
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
        "file://",
        "",
    ] {
        let headers = [ORCHESTRATOR[0], ("host", "localhost"), ("origin", origin)];
        let answer = world
            .refused(
                403,
                "origin_not_allowed",
                "POST",
                "/v1/runs",
                &headers,
                r#"{"run_id":"r2"}"#,
            )
            .await;
        answer.has("/field", "Origin");
        world
            .refused(
                403,
                "origin_not_allowed",
                "PATCH",
                "/v1/runs/r1",
                &headers,
                r#"{"note":"x"}"#,
            )
            .await;
        world.send("GET", "/v1/runs/r1", &headers, "").await.check(200, "");
    }
    let headers = [ORCHESTRATOR[0], ("origin", "http://localhost:7070")];
    world
        .send("PATCH", "/v1/runs/r1", &headers, r#"{"note":"x"}"#)
        .await
        .check(200, "");
}
