//! Where the ledger is kept makes no difference to those who use it: the same over a database as over a file.

use serde_json::{Value, json};

use crate::http::Connection;
use crate::import::export;
use crate::postgres::{database, on, serve};
use crate::program::{Place, Ran};

/// The JSON lines that a command printed, without what depends on the moment.
fn without(ran: Ran, of_the_moment: &[&str]) -> Vec<Value> {
    let mut lines = ran.expect(0).json();
    for line in &mut lines {
        forget(line, of_the_moment);
    }
    lines
}

/// Takes these fields out, however deep.
fn forget(value: &mut Value, fields: &[&str]) {
    match value {
        Value::Object(object) => {
            object.retain(|name, _| !fields.contains(&&**name));
            object.values_mut().for_each(|value| forget(value, fields));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| forget(value, fields)),
        _ => {}
    }
}

fn same([in_database, in_file]: [Vec<Value>; 2]) {
    for (in_database, in_file) in in_database.iter().zip(&in_file) {
        assert_eq!(in_database, in_file);
    }
    assert_eq!(in_database.len(), in_file.len());
}

#[test]
fn an_import_comes_to_the_same_and_is_exported_alike() {
    let (database, place, file) = (database(), Place::new(), Place::new());
    let (jobs, clients) = (export("job_tracking.csv"), export("client_run_results.csv"));
    let import = |more: &[&str]| {
        let tables = [
            "import",
            "airtable-csv",
            "--jobs",
            &jobs,
            "--clients",
            &clients,
            "--json",
        ];
        let arguments = [&tables[..], more].concat();
        let [in_database, in_file] = [on(&place, &database, &arguments), file.run(&arguments)];
        let [in_database, in_file] = [in_database, in_file].map(|ran| ran.expect(0).json().remove(0));
        for part in ["jobs", "clients", "would_create", "created_now", "already_there"] {
            assert_eq!(in_database[part], in_file[part], "{part}: {in_database:#}");
        }
        in_database
    };
    let (dry, first, second) = (import(&["--dry-run"]), import(&[]), import(&[]));
    let created = &first["created_now"];
    assert_eq!(created, &dry["would_create"]);
    assert_eq!((&second["created_now"], &second["already_there"]), (&json!(0), created));
    let exported = ["export", "--format", "jsonl"];
    let records = [on(&place, &database, &exported), file.run(&exported)];
    let records = records.map(|ran| without(ran, &["created_at", "updated_at", "at"]));
    assert_eq!(Some(records[0].len() as u64), created.as_u64());
    same(records);
    on(&place, &database, &["verify"]).expect(0).says(&["nothing is wrong"]);
}

/// What is asked of the server with each of the odd texts: method, path and body.
fn odd_requests() -> Vec<(&'static str, String, Value)> {
    let mut asked = Vec::new();
    let mut ask = |method, path: &str, body: Value| asked.push((method, path.to_owned(), body));
    let (clients, acme) = ("/v1/runs/nightly/clients", "/v1/runs/nightly/clients/acme");
    ask("POST", "/v1/runs", json!({"run_id": "nightly"}));
    ask("POST", clients, json!({"client_id": "acme"}));
    let huge = "x".repeat(10_000);
    let odd = ["a\0b", "\0", "\u{1a}0\u{1a}", "\u{7f}é\u{202e}", "", &huge];
    for (number, odd) in odd.into_iter().enumerate() {
        let sent: Vec<_> = odd.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let sent = sent.concat();
        ask("POST", "/v1/runs", json!({"run_id": odd}));
        ask("POST", "/v1/runs", json!({"run_id": "other", "batch": odd}));
        ask("POST", "/v1/runs", json!({"run_id": "other", odd: odd}));
        ask("POST", clients, json!({"client_id": odd, "client_name": odd}));
        let named = format!("globex-{number}");
        ask("POST", clients, json!({"client_id": named, "client_name": odd}));
        ask("PATCH", acme, json!({"note": odd}));
        ask("PATCH", acme, json!({"note": "seen", "update_id": odd}));
        ask("PATCH", acme, json!({"metrics": {"add": {odd: odd}}}));
        ask("PATCH", acme, json!({"external_ids": [format!("apify:{odd}")]}));
        ask("POST", &format!("{acme}/complete"), json!({"status": odd}));
        ask(
            "POST",
            &format!("{acme}/complete"),
            json!({"status": "succeeded", odd: odd}),
        );
        ask("POST", &format!("/v1/runs/{sent}/heartbeat"), json!({}));
        ask("POST", "/compat/v2/createJobRecord", json!([odd, 1, {"source": odd}]));
        ask("POST", "/compat/v2/createJobRecord", json!([odd, odd, {odd: odd}]));
        let update = json!([odd, odd, {odd: odd}, {"source": "post_scoring"}]);
        ask("POST", "/compat/v2/updateRunRecord", update.clone());
        ask("POST", &format!("/compat/v2/{sent}"), update);
        let notes = json!(["nightly", "acme", {"System Notes": odd}, {"source": "post_scoring"}]);
        ask("POST", "/compat/v2/updateRunRecord", notes);
        for path in [
            "runs/",
            "runs/nightly/clients/",
            "activity?run=",
            "activity?source=",
            "records?batch=",
        ] {
            ask("GET", &format!("/v1/{path}{sent}"), json!({}));
        }
    }
    for wrong in [json!(null), json!(7), json!([[]]), json!({"run_id": {"a": [1]}})] {
        ask("POST", "/v1/runs", wrong.clone());
        ask("PATCH", "/v1/runs/nightly", wrong);
    }
    asked
}

/// What cannot be read is refused, with its line, and never called an outage: NUL, which PostgreSQL takes in no text, other
/// odd characters, huge and empty texts, wrong types.
#[test]
fn bad_input_is_answered_and_logged_alike() {
    let (database, place, file) = (database(), Place::new(), Place::new());
    let servers = [serve(&place, &database), file.serve()];
    for (number, (method, path, body)) in odd_requests().iter().enumerate() {
        let attempt = format!("attempt-{number}");
        let headers = [("Idempotency-Key", &*attempt), ("Runledger-Source", "orchestrator")];
        // A function says by itself who calls it, and an update id is not said twice.
        let headers = match (path.starts_with("/compat"), body.get("update_id")) {
            (true, _) => &headers[..1],
            (false, Some(_)) => &headers[1..],
            (false, None) => &headers[..],
        };
        let answers = servers.each_ref().map(|server| {
            let mut open = Connection::open(&server.address).unwrap();
            let (status, text) = open.send(method, path, headers, &body.to_string()).unwrap();
            let body: Value = serde_json::from_str(&text).unwrap_or_default();
            (status, body["code"].clone(), body["detail"].clone())
        });
        assert_eq!(answers[0], answers[1], "{method} {path} {body}");
        assert!(answers[0].0 < 500, "{method} {path} {body}: {answers:?}");
    }
    let shown = ["activity", "--json"];
    let lines = [on(&place, &database, &shown), file.run(&shown)].map(|ran| without(ran, &["at", "hash"]));
    assert!(lines[0].len() > 80, "{} lines", lines[0].len());
    same(lines);
    on(&place, &database, &["verify"]).expect(0).says(&["nothing is wrong"]);
}
