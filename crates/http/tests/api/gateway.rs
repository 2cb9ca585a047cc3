//! A gateway beside the API: who asks, how often, with what body, and the line of a refusal are as everywhere else; what is
//! said is the gateway's shape. The one here takes down what it is handed.

use std::sync::Arc;

use async_trait::async_trait;
use runledger_app::{Gateway, GatewayAnswer, GatewayKind, GatewayRequest, Ledger, TurnedAway};
use runledger_domain::{Action, ClientId, CreationPolicy};
use runledger_http::{Options, RateLimit};
use serde_json::{Value, json};

use crate::identity::{admin, bearing, token};
use crate::support::{Answer, World};

/// `/write` writes, `/other` is handed on, `/lost` as well and never comes back, everything else reads.
#[derive(Debug)]
struct TakenDown;

fn answer(status: u16, came_to: &'static str, said: &Value) -> GatewayAnswer {
    GatewayAnswer {
        status,
        content_type: "application/x-taken-down+json".into(),
        body: said.to_string().into_bytes(),
        retry_after: (status == 429).then_some(7),
        came_to,
    }
}

#[async_trait]
impl Gateway for TakenDown {
    fn kind(&self, method: &str, path: &str) -> GatewayKind {
        match (method, path) {
            ("POST", "/write") => GatewayKind::Writes(Action::Create),
            (_, "/other" | "/lost") => GatewayKind::HandsOn,
            _ => GatewayKind::Reads,
        }
    }

    fn clients(&self, request: &GatewayRequest<'_>) -> Vec<ClientId> {
        let said: Value = serde_json::from_slice(request.body).unwrap_or_default();
        said["client"]
            .as_str()
            .and_then(|client| client.parse().ok())
            .into_iter()
            .collect()
    }

    fn turned_away(&self, why: TurnedAway<'_>) -> GatewayAnswer {
        let said = json!({"away": why.code, "detail": why.detail});
        GatewayAnswer {
            retry_after: why.retry_after,
            ..answer(why.status, why.code, &said)
        }
    }

    async fn answer(&self, _: &Ledger, request: GatewayRequest<'_>) -> GatewayAnswer {
        let said = json!({
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "type": request.content_type,
            "body": String::from_utf8_lossy(request.body),
            "source": request.access.source(None).ok().map(|source| source.to_string()),
        });
        let (status, came_to) = match request.path {
            "/write" => (200, "created"),
            "/other" => (404, "handed_on"),
            "/lost" => (502, "upstream_lost"),
            "/wait" => (429, "busy"),
            _ => (200, "read"),
        };
        answer(status, came_to, &said)
    }
}

fn world(options: Options) -> World {
    let options = Options {
        gateway: Some(Arc::new(TakenDown)),
        ..options
    };
    World::with(options, CreationPolicy::default())
}

fn check(answer: Answer, status: u16, pointer: &str, expected: &str) -> Answer {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/x-taken-down+json");
    answer.has(pointer, expected)
}

#[tokio::test]
async fn a_request_of_any_method_reaches_the_gateway_as_it_came() {
    let world = world(Options::default());
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let path = "/airtable/v0/app/Run%20Records/?fields%5B%5D=A+B&";
        let answer = world
            .send(method, path, &[("content-type", "text/odd")], "{ \"a\" :1}")
            .await;
        check(answer, 200, "/path", "/v0/app/Run%20Records/")
            .has("/method", method)
            .has("/query", "fields%5B%5D=A+B&")
            .has("/type", "text/odd")
            .has("/body", "{ \"a\" :1}");
    }
    assert_eq!(
        world.send("GET", "/airtable/wait", &[], "").await.header("retry-after"),
        "7"
    );
    World::new()
        .get("/airtable/v0/app/x")
        .await
        .check(404, "route_not_found");
}

#[tokio::test]
async fn a_slash_too_many_means_nothing_and_head_is_answered_as_get() {
    let world = world(Options::default());
    for path in ["/airtable//v0/app/x", "/airtable///v0/app/x"] {
        check(world.get(path).await, 200, "/path", "/v0/app/x");
    }
    // The gateway here says the method, so what would have been said of another one has another length.
    let whole = world.get("/airtable/v0/app/x").await;
    let head = world.send("HEAD", "/airtable/v0/app/x", &[], "").await;
    assert_eq!(
        (head.status, head.text.as_str(), head.header("content-length")),
        (200, "", whole.text.len().to_string().as_str())
    );
}

#[tokio::test]
async fn requests_are_counted_by_what_they_do_what_came_of_them_and_why() {
    let world = world(Options::default());
    for (method, path) in [
        ("POST", "/airtable/write"),
        ("POST", "/airtable/write"),
        ("GET", "/airtable/read"),
        ("GET", "/airtable/other"),
        ("PATCH", "/airtable/lost"),
    ] {
        world.send(method, path, &[], "").await;
    }
    world
        .send("GET", "/airtable/other", &[("host", "evil.example")], "")
        .await;
    let page = world.get("/metrics").await.text;
    for (kind, outcome, reason, count) in [
        ("write", "created", "", 2),
        ("write", "replayed", "", 0),
        ("read", "read", "", 1),
        ("hand_on", "handed_on", "", 0),
        ("hand_on", "handed_on", "client_error", 1),
        ("hand_on", "upstream_failed", "upstream_lost", 1),
        ("hand_on", "refused", "host_not_allowed", 1),
    ] {
        let labels = format!("kind=\"{kind}\",outcome=\"{outcome}\",reason=\"{reason}\"");
        let line = format!("runledger_gateway_requests_total{{{labels}}} {count}\n");
        assert!(page.contains(&line), "{line}{page}");
    }
    for (kind, count) in [("read", 1), ("write", 2), ("hand_on", 3)] {
        let line = format!("runledger_gateway_request_duration_seconds_count{{kind=\"{kind}\"}} {count}\n");
        assert!(page.contains(&line), "{line}{page}");
    }
}

#[tokio::test]
async fn who_asks_is_who_the_token_says_and_nobody_is_let_in_without_one() {
    let world = world(Options::default());
    let admin = admin(&world).await;
    check(world.get("/airtable/read").await, 401, "/away", "token_missing");
    let foreign = [("authorization", "Bearer patSECRET.1")];
    let answer = check(
        world.send("GET", "/airtable/read", &foreign, "").await,
        401,
        "/away",
        "token_invalid",
    );
    assert!(!answer.text.contains("SECRET"), "{}", answer.text);
    let made = r#"{"name":"n","sources":["night"],"scopes":["create"]}"#;
    let (_, night) = token(&world, Some(&admin), made).await;
    let answer = world
        .send("POST", "/airtable/write", &bearing(&night, None), "{}")
        .await;
    check(answer, 200, "/source", "night");
}

#[tokio::test]
async fn what_never_reached_the_gateway_leaves_a_line_if_it_writes() {
    let limit = RateLimit {
        per_second: 1,
        burst: 1,
    };
    let world = world(Options {
        body_bytes_max: 200,
        client_rate: Some(limit),
        ..Options::default()
    });
    let admin = admin(&world).await;
    let made = r#"{"name":"n","sources":["night"],"scopes":["create","read"]}"#;
    let (_, night) = token(&world, Some(&admin), made).await;
    let headers = bearing(&night, None);
    let lines = async || world.send("GET", "/v1/activity", &bearing(&admin, None), "").await.json["activity"].clone();
    let before = lines().await.as_array().unwrap().len();
    let large = "x".repeat(300);
    let acme = r#"{"client":"acme"}"#;
    check(
        world.send("POST", "/airtable/write", &headers, acme).await,
        200,
        "/source",
        "night",
    );
    for (body, status, code) in [(&*large, 413, "body_too_large"), (acme, 429, "client_rate_limited")] {
        for path in ["/airtable/read", "/airtable/other"] {
            let answer = world.send("POST", path, &headers, body.to_owned()).await;
            check(answer, status, "/away", code);
        }
        let answer = world.send("POST", "/airtable/write", &headers, body.to_owned()).await;
        let answer = check(answer, status, "/away", code);
        assert_eq!(answer.header("retry-after"), if status == 429 { "1" } else { "" });
        let lines = lines().await;
        let line = lines.as_array().unwrap().last().unwrap();
        assert_eq!(
            (&line["source"], &line["reason"]),
            (&json!("night"), &json!(code)),
            "{line}"
        );
    }
    assert_eq!(lines().await.as_array().unwrap().len(), before + 2);
}

#[tokio::test]
async fn a_page_of_others_reaches_no_gateway_of_an_open_ledger() {
    let world = world(Options::default());
    for header in [("origin", "http://evil.example"), ("host", "evil.example")] {
        let answer = world.send("GET", "/airtable/read", &[header], "").await;
        let code = if header.0 == "host" {
            "host_not_allowed"
        } else {
            "origin_not_allowed"
        };
        check(answer, 403, "/away", code);
    }
}
