//! Lists: filters, pages, cursors.

use serde_json::Value;

use crate::support::{ORCHESTRATOR, World};

async fn world() -> World {
    let world = World::new();
    let body = r#"{"run_id":"250925-112233","batch":"stream 1/a","external_ids":["apify:8MSTBAfqMzuXPvgB3"]}"#;
    world.post("/v1/runs", body).await.check(201, "");
    for client in ["a", "b", "c"] {
        let body = format!(r#"{{"client_id":"{client}"}}"#);
        world.post("/v1/runs/250925-112233/clients", &body).await.check(201, "");
    }
    world.run("r2", &["a"]).await;
    world
        .post("/v1/runs/250925-112233/clients/b/complete", r#"{"status":"failed"}"#)
        .await
        .check(200, "");
    world
}

async fn keys(world: &World, query: &str) -> Vec<String> {
    let page = world.get(&format!("/v1/records{query}")).await.check(200, "");
    let key = |record: &Value| record["key"].as_str().unwrap().to_owned();
    page.json["records"].as_array().unwrap().iter().map(key).collect()
}

#[tokio::test]
async fn filters_are_joined() {
    let world = world().await;
    let (job, a, b, c) = ("250925-112233", "250925-112233-a", "250925-112233-b", "250925-112233-c");
    for (query, expected) in [
        ("", vec![job, a, b, c, "r2", "r2/a"]),
        ("?", vec![job, a, b, c, "r2", "r2/a"]),
        ("?run_id=250925-112233", vec![job, a, b, c]),
        ("?run_id=250925-112233-b&client_id=b", vec![b]),
        ("?client_id=a", vec![a, "r2/a"]),
        ("?kind=job", vec![job, "r2"]),
        ("?kind=client&run_id=r2", vec!["r2/a"]),
        ("?status=failed", vec![b]),
        ("?open=true&run_id=250925-112233", vec![job, a, c]),
        ("?open=false&run_id=250925-112233", vec![job, a, b, c]),
        ("?batch=stream+1%2Fa", vec![job]),
        ("?external_id=apify:8MSTBAfqMzuXPvgB3", vec![job]),
        ("?run_id=nobody", vec![]),
        ("?status=lost", vec![]),
    ] {
        assert_eq!(keys(&world, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn values_that_cannot_be_are_refused_by_name() {
    let world = World::new();
    for (query, code, field) in [
        ("?run_id=250932-112233", "run_id_invalid", "run_id"),
        ("?run_id=250925-112233-b", "run_id_invalid", "run_id"),
        ("?run_id=", "run_id_invalid", "run_id"),
        ("?client_id=undefined", "client_id_invalid", "client_id"),
        ("?kind=Job", "value_invalid", "kind"),
        ("?status=done", "value_invalid", "status"),
        ("?open=1", "value_invalid", "open"),
        ("?open", "value_invalid", "open"),
        ("?batch=", "value_invalid", "batch"),
        ("?external_id=x", "value_invalid", "external_id"),
        ("?limit=0", "value_invalid", "limit"),
        ("?limit=1001", "value_invalid", "limit"),
        ("?limit=-1", "value_invalid", "limit"),
        ("?limit=%2B1", "value_invalid", "limit"),
        ("?limit=1e2", "value_invalid", "limit"),
        ("?limit=99999999999999999999", "value_invalid", "limit"),
        ("?status=failed&status=failed", "value_invalid", "status"),
        ("?cursor=", "cursor_invalid", "cursor"),
        ("?cursor=0", "cursor_invalid", "cursor"),
        ("?cursor=0-x", "cursor_invalid", "cursor"),
        ("?cursor=0-01", "cursor_invalid", "cursor"),
        ("?cursor=0-A", "cursor_invalid", "cursor"),
        ("?cursor=%2B0-1", "cursor_invalid", "cursor"),
        ("?cursor=0-11111111111111111", "cursor_invalid", "cursor"),
        ("?cursor=%FF", "cursor_invalid", "cursor"),
    ] {
        world
            .get(&format!("/v1/records{query}"))
            .await
            .check(422, code)
            .has("/field", field);
    }
    world
        .get("/v1/activity?source=system")
        .await
        .check(422, "value_invalid")
        .has("/field", "source");
    world
        .get("/v1/activity?refused=yes")
        .await
        .check(422, "value_invalid")
        .has("/field", "refused");
    world.get("/v1/activity?cursor=x").await.check(422, "cursor_invalid");
    world
        .get("/v1/stalled?limit=x")
        .await
        .check(422, "value_invalid")
        .has("/field", "limit");
    assert_eq!(world.lines().await.len(), 0);
}

/// Reads a listing page by page, while records are created in between.
async fn walk(world: &World, path: &str, list: &str, limit: usize) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    for page in 0.. {
        let join = if path.contains('?') { '&' } else { '?' };
        let answer = world
            .get(&format!("{path}{join}limit={limit}{cursor}"))
            .await
            .check(200, "");
        let entries = answer.json[list].as_array().unwrap();
        assert!(entries.len() <= limit);
        all.extend(entries.iter().cloned());
        let Some(next) = answer.json["next"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
        assert!(page < 100, "the pages never end");
    }
    all
}

#[tokio::test]
async fn pages_hold_everything_once() {
    let world = world().await;
    for limit in 1..=7 {
        let all = walk(&world, "/v1/records", "records", limit).await;
        assert_eq!(all.len(), 6, "limit {limit}");
        let some = walk(&world, "/v1/records?client_id=a", "records", limit).await;
        assert_eq!(some.len(), 2, "limit {limit}");
    }
    let lines = walk(&world, "/v1/activity", "activity", 2).await;
    let seqs: Vec<_> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=7).collect::<Vec<_>>());
}

#[tokio::test]
async fn stalled_records_are_listed_by_their_deadline() {
    let world = World::new();
    for (run, seconds) in [("r1", 300), ("r2", 100), ("r3", 200), ("r4", 86_400)] {
        let body = format!(r#"{{"run_id":"{run}","deadline_after_seconds":{seconds}}}"#);
        world.post("/v1/runs", &body).await.check(201, "");
    }
    assert!(walk(&world, "/v1/stalled", "records", 10).await.is_empty());
    world.clock.forward(301);
    for limit in [1, 2, 10] {
        let stalled = walk(&world, "/v1/stalled", "records", limit).await;
        let runs: Vec<_> = stalled
            .iter()
            .map(|record| record["run_id"].as_str().unwrap())
            .collect();
        assert_eq!(runs, ["r2", "r3", "r1"], "limit {limit}");
        assert!(
            stalled
                .iter()
                .all(|record| record["stalled"] == true && record["status"] == "running")
        );
    }
    world.post("/v1/runs/r3/heartbeat", "").await.check(200, "");
    assert_eq!(walk(&world, "/v1/stalled", "records", 10).await.len(), 2);
}

#[tokio::test]
async fn the_activity_is_filtered() {
    let world = world().await;
    world
        .send(
            "POST",
            "/v1/runs",
            &[("runledger-source", "mailer")],
            r#"{"run_id":"r9"}"#,
        )
        .await;
    world
        .refused(
            422,
            "unknown_field",
            "PATCH",
            "/v1/runs/r2/clients/a",
            &ORCHESTRATOR,
            r#"{"x":1}"#,
        )
        .await;
    for (query, expected) in [
        ("?refused=true", 2),
        ("?refused=false", 9),
        ("?source=mailer", 1),
        ("?run_id=r2", 3),
        ("?run_id=r2&client_id=a", 2),
        ("?client_id=a&refused=true", 1),
        ("?source=mailer&run_id=r2", 0),
    ] {
        let page = world.get(&format!("/v1/activity{query}")).await.check(200, "");
        assert_eq!(
            page.json["activity"].as_array().map(Vec::len),
            Some(expected),
            "{query}: {}",
            page.text
        );
    }
}
