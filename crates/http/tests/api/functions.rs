//! Functions beside the API: who asks, how often, with what body, and the line of a refusal are as everywhere else. What
//! functions do is their implementation's; the one here takes down what it is handed.

use std::sync::Arc;

use async_trait::async_trait;
use runledger_app::{Claimed, FunctionAnswer, FunctionCall, FunctionError, FunctionKind, Functions, Ledger};
use runledger_domain::{Action, CreationPolicy, Subject};
use runledger_http::{Options, RateLimit};
use serde_json::{Value, json};

use crate::identity::{admin, bearing, token};
use crate::support::{Answer, World};

/// `read` reads, `write` writes; both answer with what they were handed. `write` of the run `bad` is refused.
#[derive(Debug)]
struct TakenDown;

#[async_trait]
impl Functions for TakenDown {
    fn kind(&self, function: &str) -> Option<FunctionKind> {
        match function {
            "read" => Some(FunctionKind::Reads),
            "write" => Some(FunctionKind::Writes(Action::Update)),
            _ => None,
        }
    }

    fn claimed(&self, _: &str, arguments: &[u8]) -> Claimed {
        let said: Value = serde_json::from_slice(arguments).unwrap_or_default();
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        Claimed {
            source: text("source"),
            subject: Subject::claimed(&text("run"), &text("client")),
        }
    }

    fn unnamed(&self) -> &'static str {
        "somebody"
    }

    async fn call(&self, _: &Ledger, call: FunctionCall<'_>) -> Result<FunctionAnswer, FunctionError> {
        let said: Value = serde_json::from_slice(call.arguments).unwrap_or_default();
        if said["run"] == "bad" {
            return Err(FunctionError {
                code: "not_found",
                detail: "Run record not found for bad".into(),
                field: Some("run".into()),
                subject: Subject::claimed("bad", ""),
                existing: None,
            });
        }
        let handed = json!({
            "function": call.function,
            "source": call.source.as_ref().map(ToString::to_string),
            "key": call.idempotency_key,
            "arguments": said,
        });
        Ok(FunctionAnswer {
            json: handed.to_string(),
            created: said["run"] == "new",
            replayed: said["run"] == "old",
        })
    }
}

/// A world with these functions.
pub(crate) fn world(options: Options) -> World {
    let options = Options {
        functions: Some(Arc::new(TakenDown)),
        ..options
    };
    World::with(options, CreationPolicy::default())
}

async fn call(world: &World, function: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    world
        .send("POST", &format!("/compat/v2/{function}"), headers, body.to_owned())
        .await
}

#[tokio::test]
async fn a_call_reaches_its_function_with_who_asks_and_is_answered_as_it_says() {
    let world = world(Options::default());
    let headers = [("runledger-source", "orchestrator"), ("idempotency-key", "k1")];
    let answer = call(&world, "write", &headers, r#"{"run":"r1"}"#).await.check(200, "");
    assert_eq!(
        answer.json,
        json!({"function":"write","source":"orchestrator","key":"k1","arguments":{"run":"r1"}})
    );
    assert_eq!(answer.header("idempotency-replayed"), "");
    call(&world, "write", &[], r#"{"run":"new"}"#).await.check(201, "");
    let replayed = call(&world, "write", &[], r#"{"run":"old"}"#).await.check(200, "");
    assert_eq!(replayed.header("idempotency-replayed"), "true");
    let refused = call(&world, "write", &[], r#"{"run":"bad"}"#).await;
    refused
        .check(404, "not_found")
        .has("/detail", "Run record not found for bad")
        .has("/field", "run")
        .has("/run_id", "bad");
}

#[tokio::test]
async fn a_function_that_is_not_there_is_no_path_and_leaves_no_line() {
    for world in [World::new(), world(Options::default())] {
        call(&world, "Write", &[], r#"{"run":"r1"}"#)
            .await
            .check(404, "route_not_found");
        world
            .send("GET", "/compat/v2/read", &[], "")
            .await
            .check(405, "method_not_allowed");
        call(&world, "wr%ffite", &[], r#"{"run":"r1"}"#)
            .await
            .check(400, "path_invalid");
        assert!(world.lines().await.is_empty());
    }
}

#[tokio::test]
async fn what_never_reached_a_function_that_writes_leaves_a_line_of_who_and_what() {
    let world = world(Options {
        body_bytes_max: 60,
        ..Options::default()
    });
    let body = r#"{"run":"r1","client":"acme","source":"post_scoring"}"#;
    for (status, code, header) in [
        (422, "source_invalid", ("runledger-source", "system")),
        (403, "origin_not_allowed", ("origin", "http://evil.example")),
        (415, "content_type_unsupported", ("content-type", "text/html")),
    ] {
        let path = "/compat/v2/write";
        world.refused(status, code, "POST", path, &[header], body).await;
        let lines = world.lines().await;
        let line = lines.last().unwrap();
        assert_eq!((&line["run_id"], &line["client_id"]), (&json!("r1"), &json!("acme")));
        let source = if code == "source_invalid" {
            "system"
        } else {
            "post_scoring"
        };
        assert_eq!(line["source"], source, "{code}");
    }
    // Whoever names nobody and nothing that is understood leaves a line too.
    let large = format!(r#"{{"run":"{}"}}"#, "x".repeat(100));
    for (status, code, body) in [(413, "body_too_large", &*large), (415, "content_type_unsupported", "{")] {
        let header = [(
            "content-type",
            if status == 415 { "text/html" } else { "application/json" },
        )];
        world
            .refused(status, code, "POST", "/compat/v2/write", &header, body.to_owned())
            .await;
        assert_eq!(world.lines().await.last().unwrap()["source"], "somebody", "{code}");
    }
    let lines = world.lines().await.len();
    call(&world, "read", &[("content-type", "text/html")], body)
        .await
        .check(415, "content_type_unsupported");
    call(&world, "read", &[], &large).await.check(413, "body_too_large");
    assert_eq!(world.lines().await.len(), lines, "a read left a line");
}

#[tokio::test]
async fn a_client_that_is_named_too_often_is_held_up_and_nobody_else() {
    let limit = RateLimit {
        per_second: 1,
        burst: 1,
    };
    let world = world(Options {
        client_rate: Some(limit),
        ..Options::default()
    });
    let acme = r#"{"run":"r1","client":"acme","source":"post_scoring"}"#;
    call(&world, "write", &[], acme).await.check(200, "");
    world
        .refused(429, "client_rate_limited", "POST", "/compat/v2/write", &[], acme)
        .await;
    call(&world, "read", &[], acme).await.check(429, "client_rate_limited");
    // The client may stand behind the run as well.
    call(&world, "read", &[], r#"{"run":"250925-231841-acme"}"#)
        .await
        .check(429, "client_rate_limited");
    call(&world, "write", &[], r#"{"run":"r1","client":"zen"}"#)
        .await
        .check(200, "");
}

#[tokio::test]
async fn on_a_ledger_with_tokens_nobody_is_let_in_without_one() {
    let world = world(Options::default());
    let admin = admin(&world).await;
    call(&world, "read", &[], "").await.check(401, "token_missing");
    let (_, reader) = token(&world, Some(&admin), r#"{"name":"r","scopes":["read"]}"#).await;
    call(&world, "read", &bearing(&reader, None), "").await.check(200, "");
}
