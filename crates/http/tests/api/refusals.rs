//! Every refusal that this crate makes itself has a line that says what was tried, by whom, on what (I6).

use serde_json::{Value, json};

use crate::support::World;

#[tokio::test]
async fn i6_the_line_names_what_was_tried() {
    let world = World::new();
    world.run("r1", &["a"]).await;
    for (method, path, action) in [
        ("POST", "/v1/runs/r1/clients", "create"),
        ("PATCH", "/v1/runs/r1", "update"),
        ("PATCH", "/v1/runs/r1/clients/a", "update"),
        ("POST", "/v1/runs/r1/stages/s/start", "start_stage"),
        ("POST", "/v1/runs/r1/clients/a/stages/s/start", "start_stage"),
        ("POST", "/v1/runs/r1/stages/s/finish", "finish_stage"),
        ("POST", "/v1/runs/r1/clients/a/stages/s/finish", "finish_stage"),
        ("POST", "/v1/runs/r1/complete", "complete"),
        ("POST", "/v1/runs/r1/clients/a/complete", "complete"),
        ("POST", "/v1/runs/r1/heartbeat", "heartbeat"),
        ("POST", "/v1/runs/r1/clients/a/heartbeat", "heartbeat"),
    ] {
        let answer = world
            .refused(
                400,
                "body_not_json",
                method,
                path,
                &[("runledger-source", "mailer")],
                "{",
            )
            .await;
        let line = world.lines().await.pop().unwrap();
        let client = if path.contains("/clients/a") {
            json!("a")
        } else {
            Value::Null
        };
        assert_eq!(
            [
                &line["action"],
                &line["source"],
                &line["run_id"],
                &line["client_id"],
                &line["version"]
            ],
            [&json!(action), &json!("mailer"), &json!("r1"), &client, &Value::Null],
            "{method} {path}"
        );
        assert_eq!(line["detail"], answer.json["detail"]);
    }
}

#[tokio::test]
async fn i6_the_line_names_the_webhook_that_cannot_be_one() {
    let world = World::new();
    for (path, named) in [
        ("/v1/webhooks/a%2Fb/enable", r#""a/b" is none"#),
        ("/v1/webhooks/%00/test", r#""\0" is none"#),
    ] {
        let headers = [("runledger-source", "mailer")];
        let answer = world
            .refused(404, "webhook_not_found", "POST", path, &headers, "")
            .await;
        answer.has("/field", "webhook");
        let line = world.lines().await.pop().unwrap();
        let detail = line["detail"].as_str().unwrap();
        assert!(detail.ends_with(named), "{detail}");
    }
}

#[tokio::test]
async fn i6_a_line_is_safe_whatever_was_sent() {
    let world = World::new();
    let long = "x".repeat(5_000);
    let path = format!("/v1/runs/{long}/clients/%1B%5B31m%0A{long}");
    for (code, source) in [("source_invalid", long.as_str()), ("client_id_invalid", "mailer")] {
        world
            .refused(422, code, "PATCH", &path, &[("runledger-source", source)], "{}")
            .await;
        let line = world.lines().await.pop().unwrap();
        for field in ["source", "run_id", "client_id", "detail"] {
            let text = line[field].as_str().unwrap_or_default();
            assert!(
                text.chars().count() <= 401 && !text.contains(char::is_control),
                "{field}: {text}"
            );
        }
    }
    let body = format!(r#"{{"run_id":"{}"}}"#, "\\u0007".repeat(9_000));
    world
        .refused(
            422,
            "run_id_invalid",
            "POST",
            "/v1/runs",
            &[("runledger-source", "mailer")],
            body,
        )
        .await;
    let line = world.lines().await.pop().unwrap();
    assert!(line["run_id"].as_str().unwrap().starts_with("???"), "{line}");
}

#[tokio::test]
async fn i6_a_body_that_is_not_understood_still_names_its_record() {
    let world = World::new();
    for (path, body, run, client) in [
        ("/v1/runs", r#"{"run_id":"r1","x":1}"#, "r1", None),
        ("/v1/runs", r#"{"run_id":17}"#, "17", None),
        ("/v1/runs/r1/clients", r#"{"client_id":"a","note":[]}"#, "r1", Some("a")),
        ("/v1/runs/r1/clients", r#"{"client_id":"a b"}"#, "r1", Some("a b")),
        (
            "/v1/runs/r1/clients",
            r#"{"clients":[{"client_id":"b","x":1}]}"#,
            "r1",
            None,
        ),
        (
            "/v1/runs/r1/clients",
            r#"{"clients":[{"client_id":"b","status":"x"}]}"#,
            "r1",
            Some("b"),
        ),
    ] {
        for headers in [&[][..], &[("runledger-source", "mailer")][..]] {
            let before = world.lines().await.len();
            let answer = world.send("POST", path, headers, body).await;
            assert_eq!((answer.status, world.records().await.len()), (422, 0));
            let lines = world.lines().await;
            assert_eq!(lines.len(), before + 1);
            // Without a source that is what is wrong first; the client in a list is then not looked at.
            let client = client.filter(|_| !headers.is_empty() || !body.contains("clients"));
            let line = lines.last().unwrap();
            assert_eq!(
                (&line["run_id"], &line["client_id"]),
                (&json!(run), &json!(client)),
                "{path} {body}"
            );
        }
    }
}
