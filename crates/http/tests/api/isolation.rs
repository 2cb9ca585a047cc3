//! Whoever is limited to clients can neither see, count, change nor create others, nor tell whether they are there (I12).
//!
//! The proof of the last: two ledgers that differ in the records of other clients alone answer a limited caller the
//! same, whatever is asked in whatever order.

use proptest::prelude::*;
use serde_json::Value;

use crate::identity::{bearing, closed_world, token};
use crate::quotas::bounded;
use crate::support::World;

const ACME: &str =
    r#"{"name":"acme","sources":["batch_process"],"scopes":["create","change","read"],"clients":["acme","zen"]}"#;

#[tokio::test]
async fn a_limited_token_sees_its_own_records_alone() {
    let (world, admin) = closed_world().await;
    let (_, acme) = token(&world, Some(&admin), ACME).await;
    let get = async |path: &str| world.send("GET", path, &bearing(&acme, None), "").await;
    get("/v1/runs/r1/clients/acme").await.check(200, "");
    for hidden in ["/v1/runs/r1", "/v1/runs/r1/summary", "/v1/runs/r1/clients/globex"] {
        get(hidden).await.check(404, "not_found");
    }
    get("/v1/stats").await.check(403, "client_not_granted");
    get("/v1/tokens").await.check(403, "scope_missing");
    let keys = async |path: &str, list: &str| -> Vec<String> {
        let page = get(path).await.check(200, "");
        let entries = page.json[list].as_array().unwrap().clone();
        entries
            .iter()
            .map(|entry| entry["client_id"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(keys("/v1/records", "records").await, ["acme"]);
    assert_eq!(keys("/v1/records?kind=job", "records").await, [""; 0]);
    assert_eq!(keys("/v1/records?client_id=globex", "records").await, [""; 0]);
    assert_eq!(keys("/v1/activity", "activity").await, ["acme"]);
    assert_eq!(keys("/v1/activity?client_id=globex", "activity").await, [""; 0]);
    world.clock.forward(100_000);
    assert_eq!(keys("/v1/stalled", "records").await, ["acme"]);
}

#[tokio::test]
async fn what_a_limited_token_tries_with_others_is_told_to_the_operator_and_not_to_the_caller() {
    let (world, admin) = closed_world().await;
    let (_, acme) = token(&world, Some(&admin), ACME).await;
    let send = async |method: &str, path: &str, body: &str| {
        world.send(method, path, &bearing(&acme, None), body.to_owned()).await
    };
    let note = r#"{"note":"mine"}"#;
    let there = send("PATCH", "/v1/runs/r1/clients/globex", note)
        .await
        .check(404, "not_found");
    let not_there = send("PATCH", "/v1/runs/r1/clients/hooli", note)
        .await
        .check(404, "not_found");
    assert_eq!(there.text.replace("globex", "hooli"), not_there.text);
    send("POST", "/v1/runs/r1/complete", "").await.check(404, "not_found");
    send("POST", "/v1/runs", r#"{"run_id":"r2"}"#)
        .await
        .check(403, "client_not_granted");
    for client in ["globex", "hooli"] {
        let body = format!(r#"{{"clients":[{{"client_id":"acme"}},{{"client_id":"{client}"}}]}}"#);
        send("POST", "/v1/runs/r1/clients", &body)
            .await
            .check(403, "client_not_granted");
    }
    let refused = world
        .send("GET", "/v1/activity?refused=true", &bearing(&admin, None), "")
        .await;
    let reasons: Vec<_> = refused.json["activity"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| &l["reason"])
        .collect();
    assert_eq!(reasons, ["client_not_granted"; 6]);
}

/// What a limited caller asks for.
#[derive(Clone, Debug)]
struct Asked {
    method: &'static str,
    path: String,
    body: String,
}

fn asked() -> impl Strategy<Value = Asked> {
    let ask = |method, path: String, body: &str| Asked {
        method,
        path,
        body: body.to_owned(),
    };
    let client = prop::sample::select(vec!["acme", "zen", "globex", "hooli"]);
    let run = prop::sample::select(vec!["r1", "r2", "r3", "r4"]);
    prop_oneof![
        (run.clone(), client.clone()).prop_map(move |(r, c)| ask("GET", format!("/v1/runs/{r}/clients/{c}"), "")),
        run.clone().prop_map(move |r| ask("GET", format!("/v1/runs/{r}"), "")),
        run.clone()
            .prop_map(move |r| ask("GET", format!("/v1/runs/{r}/summary"), "")),
        client
            .clone()
            .prop_map(move |c| ask("GET", format!("/v1/records?client_id={c}"), "")),
        run.clone()
            .prop_map(move |r| ask("GET", format!("/v1/records?run_id={r}&limit=2"), "")),
        Just(ask("GET", "/v1/records?external_id=apify:shared".into(), "")),
        Just(ask("GET", "/v1/records?open=true&limit=1".into(), "")),
        Just(ask("GET", "/v1/records?batch=stream-1".into(), "")),
        Just(ask("GET", "/v1/stalled?limit=1".into(), "")),
        Just(ask("GET", "/v1/activity?limit=3".into(), "")),
        Just(ask("GET", "/v1/activity?refused=true".into(), "")),
        client
            .clone()
            .prop_map(move |c| ask("GET", format!("/v1/activity?client_id={c}"), "")),
        (run.clone(), client.clone()).prop_map(move |(r, c)| ask(
            "PATCH",
            format!("/v1/runs/{r}/clients/{c}"),
            r#"{"metrics":{"add":{"n":1}},"note":"n","external_ids":["apify:shared"]}"#
        )),
        (run.clone(), client.clone()).prop_map(move |(r, c)| ask(
            "POST",
            format!("/v1/runs/{r}/clients/{c}/complete"),
            r#"{"status":"failed"}"#
        )),
        (run.clone(), client.clone()).prop_map(move |(r, c)| ask(
            "POST",
            format!("/v1/runs/{r}/clients/{c}/stages/s/start"),
            ""
        )),
        (run.clone(), client).prop_map(move |(r, c)| ask(
            "POST",
            format!("/v1/runs/{r}/clients"),
            &format!(r#"{{"client_id":"{c}","batch":"stream-1","external_ids":["apify:shared"]}}"#)
        )),
        run.prop_map(move |r| ask("POST", format!("/v1/runs/{r}/heartbeat"), "")),
    ]
}

/// A ledger with four runs, under quotas that its clients are near to; with records of other clients in three of them,
/// or without.
async fn ledger(with_others: bool) -> (World, String) {
    let world = bounded(3, 2, 6);
    let clients: &[&str] = if with_others {
        &["acme", "globex", "initech"]
    } else {
        &["acme"]
    };
    for run in ["r1", "r2", "r3"] {
        let job = format!(r#"{{"run_id":"{run}"}}"#);
        assert_eq!(world.attempt("set-up", "/v1/runs", &job).await.status, 201);
        for client in clients {
            let path = format!("/v1/runs/{run}/clients");
            let body = format!(
                r#"{{"client_id":"{client}","batch":"stream-1","external_ids":["apify:shared"],"deadline_after_seconds":60}}"#
            );
            assert_eq!(world.attempt("set-up", &path, &body).await.status, 201);
        }
    }
    let job = r#"{"run_id":"r4"}"#;
    assert_eq!(world.attempt("set-up", "/v1/runs", job).await.status, 201);
    world.clock.forward(50_000);
    let (_, acme) = token(&world, None, ACME).await;
    (world, acme)
}

/// What the answer says, without the numbers that count the ledger as a whole.
fn told(json: &Value) -> Value {
    let mut json = json.clone();
    if let Some(fields) = json.as_object_mut() {
        if let Some(next) = fields.get_mut("next")
            && !next.is_null()
        {
            *next = "more".into();
        }
        for name in ["seq", "hash"] {
            fields.remove(name);
        }
        for value in fields.values_mut() {
            *value = told(value);
        }
    } else if let Some(entries) = json.as_array_mut() {
        for entry in entries {
            *entry = told(entry);
        }
    }
    json
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn i12_a_limited_caller_cannot_tell_whether_others_are_there(steps in prop::collection::vec(asked(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ((alone, one), (crowded, other)) = (ledger(false).await, ledger(true).await);
            for Asked { method, path, body } in steps {
                let (mut mine, mut theirs) = (bearing(&one, None), bearing(&other, None));
                if path.ends_with("/clients") {
                    mine.push(("idempotency-key", "attempt-1"));
                    theirs.push(("idempotency-key", "attempt-1"));
                }
                let here = alone.send(method, &path, &mine, body.clone()).await;
                let there = crowded.send(method, &path, &theirs, body).await;
                assert_eq!(
                    (here.status, told(&here.json)),
                    (there.status, told(&there.json)),
                    "{method} {path}"
                );
            }
        });
    }
}
