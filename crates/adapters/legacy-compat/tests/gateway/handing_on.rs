//! Everything that is not about a run table.

use std::time::Duration;

use runledger_app::{Gateway as _, GatewayKind};
use runledger_domain::access::Scope;
use runledger_ports::{UpstreamAnswer, UpstreamError};

use crate::{Said, World, limited, token};

const OTHER: &str = "/v0/appGateway0000001/Leads";

fn answered(status: u16, body: &str) -> UpstreamAnswer {
    UpstreamAnswer {
        status,
        content_type: Some("application/json".into()),
        body: body.into(),
        retry_after: None,
    }
}

async fn hand_on(world: &World, answer: Result<UpstreamAnswer, UpstreamError>) -> Said {
    *world.upstream.answer.lock().unwrap() = Some(answer);
    world.post(OTHER, r#"{"fields":{"Name":"x"}}"#).await
}

#[tokio::test]
async fn a_request_goes_on_as_it_came_and_its_answer_comes_back_as_it_was() {
    let mut world = World::new();
    world.access = token(
        "orchestrator",
        &[Scope::Change, Scope::Read, Scope::Admin, Scope::Create],
    );
    *world.upstream.answer.lock().unwrap() = Some(Ok(answered(200, r#"{ "records" : [ ] }"#)));
    for (method, target) in [
        ("POST", "/v0/appGateway0000001/Lead%20s/?"),
        (
            "GET",
            "/v0/appGateway0000001/tblOther000000001?fields%5B%5D=A+B&filterByFormula=%7BN%7D%3D1",
        ),
        ("GET", "/v0/appOther000000001/tblJobs0000000001"),
        ("DELETE", "/v0/appGateway0000001/t%2Fx/recAAAAAAAAAAAAAA"),
        ("GET", "/v0/meta/bases/appGateway0000001/tables"),
        ("GET", "/v0/meta/whoami"),
        ("POST", "/v0/bases/appGateway0000001/webhooks"),
    ] {
        assert_eq!(world.gateway.kind(method, target), GatewayKind::HandsOn, "{target}");
        let said = world.ask(method, target, "{ \"a\":1}").await;
        assert_eq!((said.0.status, &*said.0.body), (200, &br#"{ "records" : [ ] }"#[..]));
        let base = match target {
            "/v0/meta/whoami" => "None".into(),
            _ => format!(
                "Some(\"{}\")",
                if target.contains("appOther") {
                    "appOther000000001"
                } else {
                    "appGateway0000001"
                }
            ),
        };
        let line = world.upstream.asked.lock().unwrap().pop().unwrap();
        assert_eq!(
            line,
            format!("{method} {target} {base} Some(\"application/json\") {{ \"a\":1}}")
        );
    }
    let error = r#"{"error":"NOT_FOUND"}"#;
    let said = hand_on(&world, Ok(answered(404, error))).await;
    assert_eq!((said.0.status, &*said.0.body), (404, error.as_bytes()));
    assert!(world.lines().await.is_empty());
}

#[tokio::test]
async fn no_spelling_of_a_run_table_is_handed_on() {
    let world = World::new();
    for target in [
        "/v0/appGateway0000001/tblJobs0000000001/recAAAAAAAAAAAAAA/comments",
        "/v0/appGateway0000001/Job%20Tracking%20/",
        "/v0/appGateway0000001//JOB%20TRACKING",
        "/v0/appGateway0000001/tblJobs0000000001/sync/x",
        "/v0/appGateway0000001/Leads/../tblJobs0000000001",
        "/v0/appGateway0000001/%2e%2e/appGateway0000001/tblJobs0000000001",
        "/v0/appGateway0000001/.%2E/appGateway0000001/tblJobs0000000001",
        "/v0/appGateway0000001\\tblJobs0000000001",
        "/v0/appGateway0000001%2FtblJobs0000000001",
        "/v1/appGateway0000001/tblJobs0000000001",
        "/v0/appGateway0000001",
        "/v0//",
        "/",
    ] {
        assert_ne!(world.gateway.kind("POST", target), GatewayKind::HandsOn, "{target}");
        let said = world.post(target, r#"{"fields":{"Run ID":"x y"}}"#).await;
        assert!(said.0.status >= 400, "{target}: {said:?}");
    }
    assert!(world.upstream.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn i12_whoever_is_limited_to_clients_or_lacks_the_scope_is_handed_nothing() {
    let mut world = World::new();
    *world.upstream.answer.lock().unwrap() = Some(Ok(answered(200, "{}")));
    let (read, change) = (token("a1", &[Scope::Read]), token("a1", &[Scope::Change]));
    let clients = limited("a1", &[Scope::Read, Scope::Change], "acme");
    for (access, method, target, may) in [
        (&read, "GET", OTHER, true),
        (&read, "POST", "/v0/appGateway0000001/Leads/listRecords", true),
        (&read, "POST", OTHER, false),
        (&change, "POST", OTHER, true),
        (&change, "GET", OTHER, false),
        (&change, "POST", "/v0/meta/bases", false),
        (&clients, "GET", OTHER, false),
        (&clients, "POST", OTHER, false),
    ] {
        world.access = access.clone();
        let said = world.ask(method, target, "{}").await;
        let expected = if may { 200 } else { 403 };
        assert_eq!(said.0.status, expected, "{method} {target} as {access:?}");
    }
    assert_eq!(world.upstream.asked.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn no_answer_goes_through_that_would_break_or_mislead_a_client() {
    let world = World::new();
    for (status, body) in [
        (200, ""),
        (204, ""),
        (200, "<html>"),
        (200, r#"{"records":["#),
        (307, ""),
        (101, ""),
    ] {
        let message = hand_on(&world, Ok(answered(status, body)))
            .await
            .refused(502, "UPSTREAM_ANSWER_UNUSABLE");
        assert!(message.contains(&status.to_string()), "{message}");
    }
    for body in [
        r#"{"errors":[{"error":"PUBLIC_API_BILLING_LIMIT_EXCEEDED","message":"m"}]}"#,
        r#"{"error":{"type":"PUBLIC_API_BILLING_LIMIT_EXCEEDED"}}"#,
        r#"{"error":"PUBLIC_API_BILLING_LIMIT_EXCEEDED"}"#,
    ] {
        let said = hand_on(&world, Ok(answered(429, body))).await;
        assert_eq!(said.0.retry_after, None);
        said.refused(402, "PUBLIC_API_BILLING_LIMIT_EXCEEDED");
    }
    let said = hand_on(
        &world,
        Ok(answered(429, r#"{"errors":[{"error":"RATE_LIMIT_REACHED"}]}"#)),
    )
    .await;
    assert_eq!(said.0.retry_after, Some(30));
    said.refused(429, "RATE_LIMIT_REACHED");
    let reason = || "told to".to_owned();
    let retry_after = Duration::from_secs(7);
    let said = hand_on(&world, Err(UpstreamError::Crowded { retry_after })).await;
    assert_eq!(said.0.retry_after, Some(7));
    said.refused(429, "RATE_LIMIT_REACHED");
    let not_reached = hand_on(&world, Err(UpstreamError::NotReached { reason: reason() })).await;
    assert!(
        not_reached
            .refused(502, "UPSTREAM_NOT_REACHED")
            .contains("nothing was sent")
    );
    let lost = hand_on(&world, Err(UpstreamError::Lost { reason: reason() })).await;
    assert!(lost.refused(502, "UPSTREAM_ANSWER_LOST").contains("may have been done"));
}

#[tokio::test]
async fn without_a_token_for_airtable_every_other_table_is_refused() {
    let world = World {
        gateway: runledger_legacy::AirtableGateway::new(Vec::new(), None).unwrap(),
        ..World::new()
    };
    let message = world
        .post(OTHER, "{}")
        .await
        .refused(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND");
    assert!(message.contains("gateway.pat"), "{message}");
}
