//! What one client may hold and ask for at once: refused with a line, and nobody else is held up (I6, I7, I11, I12).

use std::num::NonZeroU32;

use runledger_domain::{CreationPolicy, Quotas};
use runledger_http::{Options, RateLimit};
use serde_json::Value;

use crate::identity::{admin, bearing, token};
use crate::support::World;

/// A ledger with these quotas and this rate for each client; 0 for none.
pub(crate) fn bounded(open_records: u32, notes: u32, client_rate: u32) -> World {
    let quotas = Quotas {
        open_records: NonZeroU32::new(open_records),
        notes: NonZeroU32::new(notes),
    };
    let options = Options {
        client_rate: (client_rate > 0).then_some(RateLimit {
            per_second: client_rate,
            burst: client_rate,
        }),
        ..Options::default()
    };
    World::with(options, CreationPolicy::default().limit_clients(quotas))
}

/// The reasons of the refusals in the log.
async fn reasons(world: &World) -> Vec<Value> {
    let refused = world.get("/v1/activity?refused=true&limit=1000").await.check(200, "");
    let lines = refused.json["activity"].as_array().unwrap();
    lines.iter().map(|line| line["reason"].clone()).collect()
}

#[tokio::test]
async fn a_client_at_its_quota_is_told_what_to_do_and_goes_on_after_an_end() {
    let world = bounded(1, 0, 0);
    world.run("r1", &["acme"]).await;
    world.run("r2", &["zen"]).await;
    let acme = r#"{"client_id":"acme"}"#;
    let refused = world.post("/v1/runs/r2/clients", acme).await;
    let refused = refused.check(409, "open_records_quota").has("/client_id", "acme");
    let detail = refused.json["detail"].as_str().unwrap();
    assert!(
        detail.contains("acme has 1 open records") && detail.contains("end one"),
        "{detail}"
    );
    world.get("/v1/runs/r2/clients/acme").await.check(404, "not_found");
    // All of a batch, or nothing.
    let batch = r#"{"clients":[{"client_id":"globex"},{"client_id":"acme"}]}"#;
    world
        .post("/v1/runs/r2/clients", batch)
        .await
        .check(409, "open_records_quota");
    world.get("/v1/runs/r2/clients/globex").await.check(404, "not_found");
    assert_eq!(
        reasons(&world).await,
        ["open_records_quota", "withheld", "open_records_quota"]
    );
    let done = r#"{"status":"failed"}"#;
    world
        .post("/v1/runs/r1/clients/acme/complete", done)
        .await
        .check(200, "");
    world.post("/v1/runs/r2/clients", batch).await.check(201, "");
}

#[tokio::test]
async fn i7_a_retry_is_replayed_at_the_quota() {
    let world = bounded(1, 0, 0);
    world.run("r1", &[]).await;
    let acme = r#"{"client_id":"acme"}"#;
    let attempt = async || world.attempt("a-7", "/v1/runs/r1/clients", acme).await;
    attempt().await.check(201, "");
    for _ in 0..2 {
        let replayed = attempt().await.check(200, "");
        assert_eq!(replayed.header("idempotency-replayed"), "true");
    }
}

#[tokio::test]
async fn a_client_at_its_quota_of_notes_is_refused_and_others_are_not() {
    let world = bounded(0, 2, 0);
    world.run("r1", &["acme", "zen"]).await;
    world.run("r2", &["acme"]).await;
    let note = r#"{"note":"n","metrics":{"add":{"items":1}}}"#;
    world.patch("/v1/runs/r1/clients/acme", note).await.check(200, "");
    world.patch("/v1/runs/r2/clients/acme", note).await.check(200, "");
    let refused = world.patch("/v1/runs/r2/clients/acme", note).await;
    refused.check(409, "notes_quota").has("/existing/version", 2);
    let untouched = world.get("/v1/runs/r2/clients/acme").await;
    untouched.has("/version", 2).has("/metrics/items", 1);
    world.patch("/v1/runs/r1/clients/zen", note).await.check(200, "");
    world.run("r3", &[]).await;
    let noted = r#"{"client_id":"acme","note":"begun"}"#;
    world.post("/v1/runs/r3/clients", noted).await.check(409, "notes_quota");
    assert_eq!(reasons(&world).await, ["notes_quota", "notes_quota"]);
    let done = r#"{"status":"succeeded"}"#;
    world
        .post("/v1/runs/r1/clients/acme/complete", done)
        .await
        .check(200, "");
    world.post("/v1/runs/r3/clients", noted).await.check(201, "");
}

#[tokio::test]
async fn requests_that_name_a_client_are_bound_and_those_of_others_are_not() {
    let world = bounded(0, 0, 3);
    world.run("r1", &["acme", "zen"]).await;
    world.clock.forward(10);
    let note = r#"{"note":"n"}"#;
    for _ in 0..2 {
        world.patch("/v1/runs/r1/clients/acme", note).await.check(200, "");
    }
    world.get("/v1/runs/r1/clients/acme").await.check(200, "");
    let refused = world.patch("/v1/runs/r1/clients/acme", note).await;
    refused.check(429, "client_rate_limited").has("/client_id", "acme");
    world
        .get("/v1/runs/r1/clients/acme")
        .await
        .check(429, "client_rate_limited");
    // A batch with it takes nothing from the others in it.
    let batch = r#"{"clients":[{"client_id":"zen"},{"client_id":"acme"}]}"#;
    for _ in 0..5 {
        world
            .post("/v1/runs/r1/clients", batch)
            .await
            .check(429, "client_rate_limited");
    }
    for _ in 0..3 {
        world.patch("/v1/runs/r1/clients/zen", note).await.check(200, "");
    }
    world.get("/v1/runs/r1").await.check(200, "");
    assert_eq!(
        reasons(&world).await,
        ["client_rate_limited"; 6],
        "a read leaves no line"
    );
    world.clock.forward(1);
    let after = world.get("/v1/runs/r1/clients/acme").await.check(200, "");
    after.has("/version", 3);
}

#[tokio::test]
async fn i12_whoever_may_not_know_of_a_client_learns_nothing_by_its_rate_and_takes_none_of_it() {
    let world = bounded(0, 0, 2);
    world.run("r1", &["acme", "globex"]).await;
    let admin = admin(&world).await;
    let limited =
        r#"{"name":"acme","sources":["batch_process"],"scopes":["create","change","read"],"clients":["acme"]}"#;
    let (_, acme) = token(&world, Some(&admin), limited).await;
    world.clock.forward(10);
    let send = async |bearer: &str, method: &str, path: &str, body: &str| {
        world.send(method, path, &bearing(bearer, None), body.to_owned()).await
    };
    for _ in 0..5 {
        for client in ["globex", "hooli"] {
            let path = format!("/v1/runs/r1/clients/{client}");
            send(&acme, "GET", &path, "").await.check(404, "not_found");
            send(&acme, "PATCH", &path, r#"{"note":"n"}"#)
                .await
                .check(404, "not_found");
            let body = format!(r#"{{"client_id":"{client}"}}"#);
            let created = send(&acme, "POST", "/v1/runs/r1/clients", &body).await;
            created.check(403, "client_not_granted");
        }
    }
    for status in [200, 200, 429] {
        let read = send(&admin, "GET", "/v1/runs/r1/clients/globex", "").await;
        assert_eq!(read.status, status);
    }
    send(&acme, "GET", "/v1/runs/r1/clients/globex", "")
        .await
        .check(404, "not_found");
}
