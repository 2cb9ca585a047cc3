//! Bodies that cannot be understood: each is told by name what is wrong, leaves its line, and changes nothing.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use runledger_domain::CreationPolicy;
use runledger_http::Options;

use crate::support::{ORCHESTRATOR, World};

async fn world() -> World {
    let world = World::new();
    world.run("r1", &["a"]).await;
    world
}

/// Every call with a body.
const CALLS: [(&str, &str); 7] = [
    ("POST", "/v1/runs"),
    ("POST", "/v1/runs/r1/clients"),
    ("PATCH", "/v1/runs/r1"),
    ("PATCH", "/v1/runs/r1/clients/a"),
    ("POST", "/v1/runs/r1/stages/s/finish"),
    ("POST", "/v1/runs/r1/complete"),
    ("POST", "/v1/runs/r1/heartbeat"),
];

#[tokio::test]
async fn what_is_no_json_is_400() {
    let world = world().await;
    let bodies: [&[u8]; 7] = [
        b"{",
        b"nonsense",
        b"{\"note\":\"\xff\xfe\"}",
        b"\xc3\x28",
        b"\xef\xbb\xbf{}",
        b"{} {}",
        b"{\"note\":\"a\nb\"}",
    ];
    for (method, path) in CALLS {
        for body in bodies {
            let answer = world
                .refused(400, "body_not_json", method, path, &ORCHESTRATOR, body)
                .await;
            assert!(answer.text.len() < 1_000, "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn json_that_does_not_fit_is_422() {
    let world = world().await;
    for (method, path) in CALLS {
        for body in ["[]", "[[]]", "1", "\"x\"", "null", "true", r#"["r9"]"#, "1e999"] {
            world
                .refused(422, "body_invalid", method, path, &ORCHESTRATOR, body)
                .await;
        }
        let unknown = world
            .refused(422, "unknown_field", method, path, &ORCHESTRATOR, r#"{"Status":1}"#)
            .await;
        unknown.has("/field", "Status");
    }
    for (path, field, body) in [
        ("/v1/runs/r1", "note", r#"{"note":5}"#),
        ("/v1/runs/r1", "note", r#"{"note":"\ud800"}"#),
        ("/v1/runs/r1", "note", r#"{"note":"a","note":"b"}"#),
        ("/v1/runs/r1", "version", r#"{"note":"a","version":"1"}"#),
        ("/v1/runs/r1", "version", r#"{"note":"a","version":-1}"#),
        ("/v1/runs/r1", "version", r#"{"note":"a","version":1.5}"#),
        (
            "/v1/runs/r1",
            "version",
            r#"{"note":"a","version":18446744073709551616}"#,
        ),
        ("/v1/runs/r1", "external_ids", r#"{"external_ids":"x:1"}"#),
        ("/v1/runs/r1", "external_ids[0]", r#"{"external_ids":[null]}"#),
        ("/v1/runs/r1", "metrics", r#"{"metrics":[]}"#),
        ("/v1/runs/r1", "metrics", r#"{"note":"x","metrics":7}"#),
    ] {
        let answer = world
            .refused(422, "body_invalid", "PATCH", path, &ORCHESTRATOR, body)
            .await;
        answer.has("/field", field);
    }
}

#[tokio::test]
async fn unknown_fields_are_named_with_the_known_ones() {
    let world = world().await;
    let answer = world
        .refused(
            422,
            "unknown_field",
            "PATCH",
            "/v1/runs/r1",
            &ORCHESTRATOR,
            r#"{"notes":"x"}"#,
        )
        .await
        .has("/field", "notes");
    let detail = answer.json["detail"].as_str().unwrap();
    for known in ["metrics", "note", "status", "external_ids", "update_id", "version"] {
        assert!(detail.contains(known), "{detail}");
    }
    let long = format!(r#"{{"{}":1}}"#, "x".repeat(500_000));
    let answer = world
        .refused(422, "unknown_field", "PATCH", "/v1/runs/r1", &ORCHESTRATOR, long)
        .await;
    assert!(answer.text.len() < 2_000, "{} bytes", answer.text.len());
    let control = world
        .refused(
            422,
            "unknown_field",
            "POST",
            "/v1/runs",
            &ORCHESTRATOR,
            r#"{"a\u001b[31m\n":1}"#,
        )
        .await;
    assert!(
        !control.json["detail"].as_str().unwrap().contains(char::is_control),
        "{}",
        control.text
    );
}

#[tokio::test]
async fn deep_nesting_is_refused_and_harmless() {
    let world = world().await;
    let deep = |left: &str, right: &str| format!("{}{}", left.repeat(100_000), right.repeat(100_000));
    world
        .refused(
            422,
            "body_invalid",
            "PATCH",
            "/v1/runs/r1",
            &ORCHESTRATOR,
            deep("[", "]"),
        )
        .await;
    let objects = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    world
        .refused(422, "unknown_field", "PATCH", "/v1/runs/r1", &ORCHESTRATOR, objects)
        .await;
    let inside = format!(r#"{{"metrics":{{"add":{{"n":{}}}}}}}"#, deep("[", "]"));
    world
        .refused(422, "value_invalid", "PATCH", "/v1/runs/r1", &ORCHESTRATOR, inside)
        .await;
    let note = format!(r#"{{"note":{}}}"#, deep("[", "]"));
    world
        .refused(422, "body_invalid", "PATCH", "/v1/runs/r1", &ORCHESTRATOR, note)
        .await
        .has("/field", "note");
}

#[tokio::test]
async fn a_body_has_a_bound() {
    let options = Options {
        body_bytes_max: 1_000,
        ..Options::default()
    };
    let world = World::with(options, CreationPolicy::default());
    world.run("r1", &[]).await;
    let note = |bytes: usize| format!(r#"{{"note":"{}"}}"#, "x".repeat(bytes - 11));
    assert_eq!(note(1_000).len(), 1_000);
    world.patch("/v1/runs/r1", &note(1_000)).await.check(200, "");
    world
        .refused(
            413,
            "body_too_large",
            "PATCH",
            "/v1/runs/r1",
            &ORCHESTRATOR,
            note(1_001),
        )
        .await;
    world
        .refused(
            413,
            "body_too_large",
            "PATCH",
            "/v1/runs/r1",
            &ORCHESTRATOR,
            note(20 << 20),
        )
        .await;
    // In pieces, without a length.
    let piece = Bytes::from(vec![b' '; 300]);
    let pieces = |count: usize| in_pieces(vec![piece.clone(); count]);
    world
        .refused(413, "body_too_large", "PATCH", "/v1/runs/r1", &ORCHESTRATOR, pieces(4))
        .await;
    world
        .send("POST", "/v1/runs/r1/heartbeat", &ORCHESTRATOR, pieces(3))
        .await
        .check(200, "");
    world
        .refused(
            413,
            "body_too_large",
            "PATCH",
            "/v1/runs/r1",
            &ORCHESTRATOR,
            pieces(40_000),
        )
        .await;
}

#[tokio::test]
async fn a_body_in_pieces_is_put_together() {
    let world = world().await;
    let pieces = [r#"{"note""#, "", r#":"in "#, r#"pieces"}"#].map(Bytes::from).to_vec();
    let answer = world
        .send("PATCH", "/v1/runs/r1", &ORCHESTRATOR, in_pieces(pieces))
        .await;
    answer.check(200, "").has("/notes/0/text", "in pieces");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let options = Options {
        body_time_max: Duration::from_millis(20),
        ..Options::default()
    };
    let world = World::with(options, CreationPolicy::default());
    world.run("r1", &[]).await;
    let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
    world
        .refused(408, "body_too_slow", "PATCH", "/v1/runs/r1", &ORCHESTRATOR, never)
        .await;
}

#[tokio::test]
async fn a_body_is_sent_as_json() {
    let world = world().await;
    let typed = |kind: &'static str| [ORCHESTRATOR[0], ("content-type", kind)];
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "",
    ] {
        let answer = world
            .refused(
                415,
                "content_type_unsupported",
                "PATCH",
                "/v1/runs/r1",
                &typed(kind),
                r#"{"note":"x"}"#,
            )
            .await;
        answer.has("/field", "Content-Type");
    }
    for kind in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        " application/json ;x=y",
    ] {
        world
            .send("PATCH", "/v1/runs/r1", &typed(kind), r#"{"note":"x"}"#)
            .await
            .check(200, "");
    }
    world
        .send("PATCH", "/v1/runs/r1", &ORCHESTRATOR[..1], r#"{"note":"x"}"#)
        .await
        .check(200, "");
    // Without a body there is nothing to be typed.
    world
        .send("POST", "/v1/runs/r1/heartbeat", &typed("text/plain"), "")
        .await
        .check(200, "");
}

/// A body of pieces, whose length nobody knows beforehand.
fn in_pieces(pieces: Vec<Bytes>) -> Body {
    Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)))
}
