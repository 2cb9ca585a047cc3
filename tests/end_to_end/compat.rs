//! The functions of the older services over HTTP, on the real server: both call forms, the texts that callers match on, what
//! each attempt leaves behind, tokens, and a repetition after the server was killed.

use serde_json::{Value, json};

use crate::http::Connection;
use crate::program::{Place, Server};

/// The answer of a function.
pub(crate) struct Said {
    status: u16,
    pub(crate) json: Value,
}

impl Said {
    pub(crate) fn expect(self, status: u16, words: &str) -> Self {
        let detail = self.json["detail"].as_str().unwrap_or_default();
        assert!(
            self.status == status && detail.contains(words),
            "{} {}",
            self.status,
            self.json
        );
        self
    }
}

pub(crate) fn call(server: &Server, function: &str, headers: &[(&str, &str)], arguments: &Value) -> Said {
    let mut connection = Connection::open(&server.address).unwrap();
    let path = format!("/compat/v2/{function}");
    let (status, text) = connection.send("POST", &path, headers, &arguments.to_string()).unwrap();
    Said {
        status,
        json: serde_json::from_str(&text).unwrap(),
    }
}

fn begin(server: &Server) {
    let job = json!(["250925-231841", 1, {"source": "orchestrator"}]);
    call(server, "createJobRecord", &[], &job).expect(201, "");
    let client = json!({"runId": "250925-231841", "clientId": "Guy-Wilson", "clientName": "Guy Wilson",
        "options": {"source": "smart_resume_workflow"}});
    call(server, "createClientRunRecord", &[], &client).expect(201, "");
}

#[test]
fn a_life_in_both_forms_is_in_the_ledger_and_in_its_log() {
    let place = Place::new();
    let server = place.serve();
    begin(&server);
    let metrics = json!({"args": ["250925-231841-CGuy-Wilson", "Guy-Wilson", {"Profile Scoring Tokens": 5000},
        {"source": "batchScorer_process"}]});
    let row = call(&server, "updateClientMetrics", &[], &metrics).expect(200, "").json;
    assert_eq!(row["id"], "rec250925-231841-Guy-Wilson");
    assert_eq!(row["fields"]["Profile Scoring Tokens"], 5000);
    let done =
        json!(["250925-231841", "Guy-Wilson", "Partial", "2 of 3", {"source": "smart_resume_workflow_complete"}]);
    let row = call(&server, "completeRunRecord", &[], &done).expect(200, "").json;
    assert_eq!(row["fields"]["Status"], "Completed with Errors");
    let job = json!(["250925-231841", true, "done", {"source": "orchestrator"}]);
    let job = call(&server, "completeJobRecord", &[], &job).expect(200, "").json;
    assert_eq!(job["fields"]["Profile Scoring Tokens"], 5000);
    let read = json!(["250925-231841", "Guy-Wilson"]);
    assert_eq!(call(&server, "getRunRecord", &[], &read).expect(200, "").json, row);
    assert_eq!(
        call(&server, "getRunRecord", &[], &json!(["250925-231841", "acme"]))
            .expect(200, "")
            .json,
        Value::Null
    );
    let lines = place.run(&["activity", "--json"]).expect(0).json();
    let sources: Vec<_> = lines.iter().map(|line| line["source"].as_str().unwrap()).collect();
    let expected = [
        "orchestrator",
        "smart_resume_workflow",
        "batch_process",
        "smart_resume_workflow_complete",
        "orchestrator",
    ];
    assert_eq!(sources, expected);
    place.verify();
}

#[test]
fn refusals_keep_the_older_texts_leave_a_line_and_create_nothing() {
    let place = Place::new();
    let server = place.serve();
    begin(&server);
    for (function, arguments, status, words) in [
        (
            "createJobRecord",
            json!(["250925-231841", 1, {"source": "orchestrator"}]),
            409,
            "Job tracking record already exists for 250925-231841",
        ),
        (
            "createClientRunRecord",
            json!(["250925-231841", "acme", "Acme", {"source": "batchScorer"}]),
            403,
            "Unauthorized source \"batchScorer\" attempted to create client run record",
        ),
        (
            "updateRunRecord",
            json!(["250925-231841", "acme", {"Status": "Running"}, {"source": "post_scoring"}]),
            404,
            "Cannot update: Run record not found for 250925-231841, client acme",
        ),
        (
            "completeJobRecord",
            json!(["250926-000000", true, "", {"source": "orchestrator"}]),
            404,
            "Job tracking record not found for 250926-000000",
        ),
        (
            "createClientRunRecord",
            json!(["8MSTBAfqMzuXPvgB3", "acme", "Acme", {"source": "orchestrator"}]),
            422,
            "an Apify run id (B12)",
        ),
    ] {
        call(&server, function, &[], &arguments).expect(status, words);
    }
    call(&server, "createRecord", &[], &json!([])).expect(404, "no function");
    assert_eq!(place.records().len(), 2);
    let refused = place.run(&["activity", "--refused", "--json"]).expect(0).json();
    assert_eq!(refused.len(), 5);
}

#[test]
fn i2_a_token_speaks_for_its_sources_and_i12_for_its_clients_alone() {
    let place = Place::new();
    let make = |name: &str, more: &[&str]| {
        let mut arguments = vec!["token", "create", name, "--json"];
        arguments.extend(more);
        let made = place.run(&arguments).expect(0).json();
        format!("Bearer {}", made[0]["secret"].as_str().unwrap())
    };
    let all = make(
        "night",
        &[
            "--for",
            "orchestrator",
            "--for",
            "smart_resume_workflow",
            "--scope",
            "create",
        ],
    );
    let few = [
        "--for",
        "post_scoring",
        "--scope",
        "change",
        "--scope",
        "read",
        "--client",
        "acme",
    ];
    let acme = make("acme", &few);
    let server = place.serve();
    let (all, acme) = ([("Authorization", &*all)], [("Authorization", &*acme)]);
    let job = json!(["250925-231841", 1, {"source": "orchestrator"}]);
    call(&server, "createJobRecord", &[], &job).expect(401, "");
    call(&server, "createJobRecord", &acme, &job).expect(403, "post_scoring");
    call(&server, "createJobRecord", &all, &job).expect(201, "");
    for client in ["acme", "globex"] {
        let arguments = json!(["250925-231841", client, client, {"source": "smart_resume_workflow"}]);
        call(&server, "createRunRecord", &all, &arguments).expect(201, "");
        let read = call(&server, "getRunRecord", &acme, &json!(["250925-231841", client])).expect(200, "");
        assert_eq!(read.json.is_null(), client == "globex");
        let update = json!(["250925-231841", client, {"Post Scoring Tokens": 1}, {"source": "post_scoring"}]);
        call(&server, "updateClientMetrics", &acme, &update).expect(if client == "acme" { 200 } else { 404 }, "");
    }
}

#[test]
fn i7_a_call_that_is_sent_again_after_a_crash_is_the_same_call() {
    let place = Place::new();
    let server = place.serve();
    let job = json!(["250925-231841", 1, {"source": "orchestrator"}]);
    let key = [("Idempotency-Key", "job-1")];
    let first = call(&server, "createJobRecord", &key, &job).expect(201, "").json;
    let client = json!(["250925-231841", "acme", "Acme", {"source": "orchestrator"}]);
    call(&server, "createRunRecord", &[("Idempotency-Key", "c1")], &client).expect(201, "");
    let note = json!(["250925-231841", "acme", {"System Notes": "seen once"}, {"source": "post_scoring"}]);
    call(&server, "updateRunRecord", &[("Idempotency-Key", "u1")], &note).expect(200, "");
    server.kill();
    let server = place.serve();
    let again = call(&server, "createJobRecord", &key, &job).expect(200, "").json;
    assert_eq!(
        (&again["id"], &again["fields"]["Start Time"]),
        (&first["id"], &first["fields"]["Start Time"])
    );
    call(&server, "createRunRecord", &[("Idempotency-Key", "c1")], &client).expect(200, "");
    let row = call(&server, "updateRunRecord", &[("Idempotency-Key", "u1")], &note).expect(200, "");
    let notes = row.json["fields"]["System Notes"].as_str().unwrap();
    assert_eq!(notes.matches("seen once").count(), 1, "{notes}");
    assert_eq!(place.records().len(), 2);
}
