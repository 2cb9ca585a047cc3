//! Who asks: tokens, the sources that they speak for, the scopes that they have.

use runledger_domain::CreationPolicy;
use runledger_http::{Options, RateLimit};
use serde_json::Value;

use crate::support::{Answer, ORCHESTRATOR, World};

const DESK: [(&str, &str); 2] = [("runledger-source", "token_desk"), ("content-type", "application/json")];

/// Headers that show a token, and name a source if one is to be named.
pub(crate) fn bearing<'a>(bearer: &'a str, source: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let mut headers = vec![("authorization", bearer), ("content-type", "application/json")];
    headers.extend(source.map(|source| ("runledger-source", source)));
    headers
}

/// Makes a token by way of `admin`, or openly; answers its id and what to send.
pub(crate) async fn token(world: &World, admin: Option<&str>, body: &str) -> (String, String) {
    let headers = match admin {
        Some(bearer) => bearing(bearer, None),
        None => DESK.to_vec(),
    };
    let made = world.send("POST", "/v1/tokens", &headers, body.to_owned()).await;
    let made = made.check(201, "");
    assert_eq!(made.header("cache-control"), "no-store");
    let text = |pointer: &str| made.json.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    (text("/token/id"), format!("Bearer {}", text("/secret")))
}

/// Closes an open world by its first token, an admin's; answers what to send.
pub(crate) async fn admin(world: &World) -> String {
    let admin = r#"{"name":"desk","sources":["token_desk"],"scopes":["admin","read"]}"#;
    token(world, None, admin).await.1
}

/// A world with an admin's token, and that token.
pub(crate) async fn closed_world() -> (World, String) {
    let world = World::new();
    world.run("r1", &["acme", "globex"]).await;
    let bearer = admin(&world).await;
    (world, bearer)
}

#[tokio::test]
async fn with_the_first_token_the_ledger_is_closed_to_whoever_has_none() {
    let (world, admin) = closed_world().await;
    for (method, path) in [
        ("GET", "/v1/runs/r1"),
        ("GET", "/v1/records"),
        ("GET", "/v1/activity"),
        ("GET", "/v1/stats"),
        ("GET", "/v1/tokens"),
        ("POST", "/v1/runs"),
        ("PATCH", "/v1/runs/r1"),
        ("POST", "/v1/tokens"),
    ] {
        let refused = world
            .send(method, path, &ORCHESTRATOR, "")
            .await
            .check(401, "token_missing");
        assert_eq!(refused.header("www-authenticate"), "Bearer realm=\"runledger\"");
    }
    for path in ["/livez", "/readyz", "/openapi.json", "/problems/conflict"] {
        assert_eq!(world.get(path).await.status, 200, "{path}");
    }
    let read = world.send("GET", "/v1/runs/r1", &bearing(&admin, None), "").await;
    read.check(200, "");
    let lines = world
        .send("GET", "/v1/activity?limit=1000", &bearing(&admin, None), "")
        .await;
    let last = lines.json["activity"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["action"], "create_token", "whoever is not known leaves no line");
}

#[tokio::test]
async fn what_is_no_token_of_this_ledger_lets_nobody_in() {
    let (world, admin) = closed_world().await;
    let (other, foreign) = closed_world().await;
    other.get("/livez").await.check(200, "");
    let cut = &admin[..admin.len() - 1];
    for wrong in [
        foreign.as_str(),
        cut,
        "Bearer",
        "Bearer ",
        "Basic abc",
        "rlt_x",
        "Bearer rlt_x",
    ] {
        world
            .send("GET", "/v1/records", &bearing(wrong, None), "")
            .await
            .check(401, "token_invalid");
    }
    let twice = [("authorization", admin.as_str()), ("authorization", admin.as_str())];
    world
        .send("GET", "/v1/records", &twice, "")
        .await
        .check(401, "token_invalid");
    // The scheme is read in any case, as HTTP has it.
    let lower = admin.replacen("Bearer", "bearer", 1);
    world
        .send("GET", "/v1/records", &bearing(&lower, None), "")
        .await
        .check(200, "");
    // A token that is shown to an open ledger is none of it: its bearer expects limits.
    let open = World::new();
    open.send("GET", "/v1/records", &bearing(&admin, None), "")
        .await
        .check(401, "token_invalid");
}

#[tokio::test]
async fn i7_an_attempt_belongs_to_its_source_whatever_token_it_comes_with() {
    let (world, admin) = closed_world().await;
    let bearer = |name: &str, sources: &str| {
        let body = format!(r#"{{"name":"{name}","sources":{sources},"scopes":["create","read"]}}"#);
        let (world, admin) = (&world, &admin);
        async move { token(world, Some(admin), &body).await.1 }
    };
    let (first, rotated) = (
        bearer("first", r#"["orchestrator"]"#).await,
        bearer("rotated", r#"["orchestrator","master_process"]"#).await,
    );
    let create = |bearer: String, source: &'static str, path: &'static str, body: &'static str| {
        let world = &world;
        async move {
            let mut headers = bearing(&bearer, Some(source));
            headers.push(("idempotency-key", "a-1"));
            world.send("POST", path, &headers, body).await
        }
    };
    for (path, body) in [("/v1/runs", r#"{"run_id":"r2"}"#), ("/v1/runs", "")] {
        let made = create(first.clone(), "orchestrator", path, body).await.check(201, "");
        let again = create(rotated.clone(), "orchestrator", path, body).await.check(200, "");
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(again.json["key"], made.json["key"]);
    }
    let other = create(rotated.clone(), "master_process", "/v1/runs", r#"{"run_id":"r2"}"#).await;
    let other = other.check(409, "conflict");
    assert_eq!(other.json["differs_in"], serde_json::json!(["source"]));
    // Where the ledger chooses the run id, another source starts a run of its own.
    let own = create(rotated, "master_process", "/v1/runs", "").await.check(201, "");
    assert_eq!(own.json["created_by"], "master_process");
}

#[tokio::test]
async fn the_source_is_the_tokens_and_no_request_claims_another() {
    let (world, admin) = closed_world().await;
    let body = r#"{"name":"worker","sources":["lead_scoring"],"scopes":["change","read"]}"#;
    let (_, worker) = token(&world, Some(&admin), body).await;
    let send = async |bearer: &str, source: Option<&str>, path: &str, body: &str| -> Answer {
        world
            .send("POST", path, &bearing(bearer, source), body.to_owned())
            .await
    };
    let beat = "/v1/runs/r1/clients/acme/heartbeat";
    send(&worker, None, beat, "")
        .await
        .check(200, "")
        .has("/updated_by", "lead_scoring");
    send(&worker, Some("lead_scoring"), beat, "").await.check(200, "");
    send(&worker, Some("orchestrator"), beat, "")
        .await
        .check(403, "source_not_granted")
        .has("/field", "Runledger-Source");
    send(&worker, None, "/v1/runs", "{}").await.check(403, "scope_missing");
    send(&worker, None, "/v1/runs", r#"{"source":"orchestrator"}"#)
        .await
        .check(403, "scope_missing");
    let both = r#"{"name":"two","sources":["orchestrator","batch_process"],"scopes":["create"]}"#;
    let (_, both) = token(&world, Some(&admin), both).await;
    send(&both, None, "/v1/runs", "{}").await.check(422, "source_missing");
    send(&both, Some("batch_process"), "/v1/runs", "{}")
        .await
        .check(201, "")
        .has("/created_by", "batch_process");
    send(&both, Some("orchestrator"), beat, "")
        .await
        .check(403, "scope_missing");
    // A scope allows nothing that the policy does not.
    let body = r#"{"name":"hopeful","sources":["post_scoring"],"scopes":["create"]}"#;
    let (_, hopeful) = token(&world, Some(&admin), body).await;
    send(&hopeful, None, "/v1/runs", "{}")
        .await
        .check(403, "source_not_authorised");
    let lines = world
        .send(
            "GET",
            "/v1/activity?refused=true&limit=1000",
            &bearing(&admin, None),
            "",
        )
        .await;
    let told: Vec<_> = lines.json["activity"].as_array().unwrap().iter().map(reason).collect();
    assert_eq!(
        told,
        [
            ("orchestrator", "source_not_granted"),
            ("lead_scoring", "scope_missing"),
            ("lead_scoring", "scope_missing"),
            ("orchestrator", "scope_missing"),
            ("post_scoring", "source_not_authorised"),
        ]
    );
}

fn reason(line: &Value) -> (&str, &str) {
    let text = |name: &str| line[name].as_str().unwrap_or_default();
    (text("source"), text("reason"))
}

#[tokio::test]
async fn only_an_admin_makes_lists_and_ends_tokens_and_no_answer_but_the_first_has_the_secret() {
    let (world, admin) = closed_world().await;
    let body = r#"{"name":"reader","scopes":["read"]}"#;
    let (id, reader) = token(&world, Some(&admin), body).await;
    let path = format!("/v1/tokens/{id}/revoke");
    for (method, path) in [("GET", "/v1/tokens"), ("POST", "/v1/tokens"), ("POST", path.as_str())] {
        let refused = world
            .send(method, path, &bearing(&reader, Some("token_desk")), "")
            .await;
        assert_eq!(refused.status, 403, "{method} {path}");
    }
    let listed = world
        .send("GET", "/v1/tokens", &bearing(&admin, None), "")
        .await
        .check(200, "");
    assert_eq!(listed.json["tokens"].as_array().unwrap().len(), 2);
    for secret in [&admin, &reader] {
        let secret = secret.strip_prefix("Bearer ").unwrap();
        assert!(!listed.text.contains(&secret[17..]) && !listed.text.contains("hash"));
    }
    let revoked = world.send("POST", &path, &bearing(&admin, None), "").await;
    revoked.check(200, "").has("/status", "revoked");
    world
        .send("GET", "/v1/records", &bearing(&reader, None), "")
        .await
        .check(401, "token_ended");
    world
        .send("POST", &path, &bearing(&admin, None), "")
        .await
        .check(200, "");
    for path in [
        "/v1/tokens/0123456789ab/revoke",
        "/v1/tokens/nothing/revoke",
        "/v1/tokens/0123456789ab/rotate",
    ] {
        world
            .send("POST", path, &bearing(&admin, None), "")
            .await
            .check(404, "token_not_found");
    }
    world
        .send("POST", &format!("/v1/tokens/{id}/rotate"), &bearing(&admin, None), "")
        .await
        .check(409, "token_has_ended");
}

#[tokio::test]
async fn a_rotated_token_counts_for_the_overlap_and_an_expired_one_no_more() {
    let (world, admin) = closed_world().await;
    let body = r#"{"name":"reader","scopes":["read"],"clients":["acme"],"expires_in_seconds":100}"#;
    let (id, old) = token(&world, Some(&admin), body).await;
    let rotated = world
        .send(
            "POST",
            &format!("/v1/tokens/{id}/rotate"),
            &bearing(&admin, None),
            r#"{"overlap_seconds":10}"#,
        )
        .await
        .check(201, "")
        .has("/token/clients/0", "acme");
    let new = format!("Bearer {}", rotated.json["secret"].as_str().unwrap());
    world.clock.forward(9);
    let read = async |bearer: &str| world.send("GET", "/v1/records", &bearing(bearer, None), "").await;
    read(&old).await.check(200, "");
    world.clock.forward(1);
    read(&old).await.check(401, "token_ended");
    read(&new).await.check(200, "");
    world.clock.forward(90);
    read(&new).await.check(401, "token_ended");
}

#[tokio::test]
async fn a_token_that_makes_no_sense_is_not_made_and_leaves_a_line() {
    let world = World::new();
    for (body, code) in [
        (r#"{"scopes":["read"]}"#, "value_invalid"),
        (r#"{"name":"undefined","scopes":["read"]}"#, "value_invalid"),
        (r#"{"name":"x"}"#, "grant_invalid"),
        (r#"{"name":"x","scopes":["write"]}"#, "value_invalid"),
        (r#"{"name":"x","scopes":["create"]}"#, "grant_invalid"),
        (
            r#"{"name":"x","scopes":["create"],"sources":["system"]}"#,
            "value_invalid",
        ),
        (r#"{"name":"x","scopes":["read"],"clients":[]}"#, "grant_invalid"),
        (r#"{"name":"x","scopes":["read"],"clients":["a b"]}"#, "value_invalid"),
        (
            r#"{"name":"x","scopes":["admin"],"sources":["token_desk"],"clients":["a"]}"#,
            "grant_invalid",
        ),
        (
            r#"{"name":"x","scopes":["read"],"expires_in_seconds":0}"#,
            "value_invalid",
        ),
        (r#"{"name":"x","scopes":["read"],"secret":"rlt_x"}"#, "unknown_field"),
    ] {
        world.refused(422, code, "POST", "/v1/tokens", &DESK, body).await;
    }
    world.get("/v1/records").await.check(200, "");
}

#[tokio::test]
async fn a_token_may_come_from_any_page_and_any_host_because_no_page_has_it() {
    let (world, admin) = closed_world().await;
    let mut headers = bearing(&admin, None);
    headers.push(("host", "ledger.example:7420"));
    headers.push(("origin", "https://dashboard.example"));
    world.send("GET", "/v1/records", &headers, "").await.check(200, "");
    let made = world
        .send("POST", "/v1/tokens", &headers, r#"{"name":"x","scopes":["read"]}"#)
        .await;
    made.check(201, "");
}

#[tokio::test]
async fn a_token_that_sends_too_much_waits_and_the_others_do_not() {
    let limit = RateLimit {
        per_second: 2,
        burst: 3,
    };
    let options = Options {
        token_rate: Some(limit),
        ..Options::default()
    };
    let world = World::with(options, CreationPolicy::default());
    let body = r#"{"name":"reader","scopes":["read"]}"#;
    let (_, one) = token(
        &world,
        None,
        r#"{"name":"desk","sources":["token_desk"],"scopes":["admin","read"]}"#,
    )
    .await;
    let (_, other) = token(&world, Some(&one), body).await;
    world.clock.forward(10);
    let read = async |bearer: &str| world.send("GET", "/v1/records", &bearing(bearer, None), "").await;
    for _ in 0..3 {
        read(&one).await.check(200, "");
    }
    let refused = read(&one).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    read(&other).await.check(200, "");
    world.clock.forward(1);
    for status in [200, 200, 429] {
        assert_eq!(read(&one).await.status, status);
    }
}
