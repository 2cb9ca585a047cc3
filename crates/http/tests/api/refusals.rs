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
async fn i6_a_line_is_safe_whatever_was_sent() {
    let world = World::new();
    let long = "x".repeat(5_000);
    let path = format!("/v1/runs/{long}/clients/%1B%5B31m%0A{long}");
    world
        .refused(
            422,
            "client_id_invalid",
            "PATCH",
            &path,
            &[("runledger-source", &long)],
            "{}",
        )
        .await;
    let line = world.lines().await.pop().unwrap();
    for field in ["source", "run_id", "client_id", "detail"] {
        let text = line[field].as_str().unwrap_or_default();
        assert!(
            text.chars().count() <= 401 && !text.contains(char::is_control),
            "{field}: {text}"
        );
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
