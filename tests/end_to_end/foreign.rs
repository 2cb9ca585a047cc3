//! A program that is not ours: an HTTP client that others wrote meets what the API promises to everybody.

use serde_json::{Value, json};

use crate::program::{Place, Server};

#[tokio::test]
async fn a_foreign_client_creates_once_is_replayed_and_changes_nothing_that_is_not_there() {
    let place = Place::new();
    let server = Server::start(&mut place.program());
    // It never uses TLS here, and wants to know what it would do it with; only the first answer counts.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let base = format!("http://{}/v1/runs", server.address);
    let create = || {
        client
            .post(&base)
            .header("Runledger-Source", "orchestrator")
            .header("Idempotency-Key", "night-1")
            .json(&json!({"run_id": "251124-200000"}))
            .send()
    };

    let first = create().await.unwrap();
    assert_eq!(first.status(), 201);
    assert_eq!(first.headers()["location"], "/v1/runs/251124-200000");
    let first: Value = first.json().await.unwrap();
    let again = create().await.unwrap();
    assert_eq!(again.status(), 200);
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(again.json::<Value>().await.unwrap(), first);

    let unknown = format!("{base}/251124-200000/clients/Nobody");
    let change = client
        .patch(&unknown)
        .header("Runledger-Source", "orchestrator")
        .json(&json!({"note": "x"}));
    let refused = change.send().await.unwrap();
    assert_eq!(refused.status(), 404);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "not_found");
    assert_eq!(client.get(&unknown).send().await.unwrap().status(), 404);

    let events = client.get(format!(
        "http://{}/v1/events?after=0&follow=false&refused=true",
        server.address
    ));
    let events = events.send().await.unwrap().text().await.unwrap();
    let named: Vec<_> = events.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(named, ["create", "create", "update"]);
}
