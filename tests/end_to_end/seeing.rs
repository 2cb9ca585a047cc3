//! What a server tells about itself: metrics under documented names, and a log that holds no secrets.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::collector::{Collector, Manner, attribute};
use crate::http::Connection;
use crate::message::Message;
use crate::program::{Place, Server};

const OPERATIONS: &str = include_str!("../../docs/operations.md");
const DASHBOARD: &str = include_str!("../../docs/grafana/runledger.json");
const ALERTS: &str = include_str!("../../docs/prometheus/alerts.yml");

/// Every name of a metric in a text. The samples of a histogram are those of their metric.
fn named_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let is_name = |word: &&str| word.starts_with("runledger_") || (word.starts_with("process_") && word.len() > 8);
    words.filter(is_name).map(metric_of).collect()
}

fn metric_of(sample: &str) -> String {
    let of_histogram = ["_bucket", "_sum", "_count"]
        .into_iter()
        .find_map(|suffix| sample.strip_suffix(suffix));
    of_histogram.unwrap_or(sample).to_owned()
}

/// The names in the first column of the table of metrics, each with its kind.
fn documented() -> BTreeSet<(String, String)> {
    let rows = OPERATIONS.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows = rows.filter_map(|row| {
        let (name, rest) = row.split_once("` | ")?;
        let kind = rest.split(' ').next()?;
        ["counter", "gauge", "histogram"]
            .contains(&kind)
            .then(|| (name.to_owned(), kind.to_owned()))
    });
    rows.collect()
}

fn served(page: &str) -> BTreeSet<(String, String)> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .filter_map(|line| line.split_once(' '))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}

#[test]
fn every_metric_is_documented_and_every_name_in_documents_dashboard_and_alerts_is_served() {
    let place = Place::new();
    // To take up the duty of sweeping is a commit as well.
    let server = Server::start(place.program().env("RUNLEDGER_SWEEPER__INTERVAL", "0s"));
    let mut connection = Connection::open(&server.address).unwrap();
    let created = connection.ask("POST", "/v1/runs", Some("k1"), &json!({"run_id": "nightly"}));
    assert_eq!(created.unwrap().status, 201);
    let (status, page) = connection.send("GET", "/metrics", &[], "").unwrap();
    assert_eq!(status, 200);
    assert_eq!(documented(), served(&page));
    let names: BTreeSet<_> = served(&page).into_iter().map(|(name, _)| name).collect();
    for (what, text) in [("the dashboard", DASHBOARD), ("the alerts", ALERTS)] {
        let unknown: Vec<_> = named_in(text).difference(&names).cloned().collect();
        assert!(
            unknown.is_empty(),
            "{what} names metrics that are not there: {unknown:?}"
        );
    }
    // A dashboard on which something is missing misleads.
    let unseen: Vec<_> = names.difference(&named_in(DASHBOARD)).cloned().collect();
    assert!(unseen.is_empty(), "the dashboard shows nothing of {unseen:?}");
    assert!(
        page.contains("runledger_store_commit_duration_seconds_count 1\n"),
        "{page}"
    );
    for alert in ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(
            OPERATIONS.contains(&format!("\n### {alert}\n")),
            "{alert} is not explained"
        );
    }
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert!(
        panels.len() > 20 && ids.len() == panels.len(),
        "each panel has an id of its own: {ids:?}"
    );
}

#[test]
fn neither_log_nor_spans_hold_a_secret_or_what_records_hold_however_much_is_told() {
    let place = Place::new();
    let collector = Collector::start(Manner::Takes);
    let words = [
        "token", "create", "writer", "--scope", "create", "--scope", "change", "--scope", "read",
    ];
    let made = place
        .run(&[&words[..], &["--for", "orchestrator", "--json"]].concat())
        .expect(0);
    let token = made.json()[0]["secret"].as_str().unwrap().to_owned();
    let log = place.beside("log");
    let mut program = place.program();
    program
        .env("RUST_LOG", "trace")
        .env("RUNLEDGER_TRACES__ENDPOINT", &collector.endpoint)
        .env(
            "RUNLEDGER_TRACES__HEADERS",
            "{ authorization = 'Bearer kept-by-the-collector' }",
        );
    let server = Server::start_logging(&mut program, fs::File::create(&log).unwrap());
    let mut connection = Connection::open(&server.address).unwrap();
    let bearer = format!("Bearer {token}");
    let known = [
        ("Authorization", bearer.as_str()),
        ("Idempotency-Key", "attempt-kept-secret"),
    ];
    let mut send = |method: &str, path: &str, headers: &[(&str, &str)], body: Value| {
        let (status, _) = connection.send(method, path, headers, &body.to_string()).unwrap();
        status
    };
    assert_eq!(send("POST", "/v1/runs", &known, json!({"run_id": "nightly"})), 201);
    let client = json!({"client_id": "acme", "client_name": "Wholly Confidential Ltd"});
    assert_eq!(send("POST", "/v1/runs/nightly/clients", &known, client), 201);
    let path = "/v1/runs/nightly/clients/acme";
    let change = json!({
        "note": "the cell says marzipan",
        "metrics": {"add": {"leads_found": 48_151_623}},
        "external_ids": ["apify:quodlibet"],
    });
    assert_eq!(send("PATCH", path, &known, change), 200);
    assert_eq!(send("GET", path, &known, json!({})), 200);
    // What is refused is quoted to whoever sent it, and to nobody else.
    assert_eq!(send("PATCH", path, &known, json!({"note": "x", "marzipan": 1})), 422);
    let end = json!({"status": "failed", "note": "it was the marzipan"});
    assert_eq!(send("POST", &format!("{path}/complete"), &known, end), 200);
    // A token at the wrong place, and tokens that are none.
    let misplaced = [("Authorization", bearer.as_str()), ("Runledger-Source", token.as_str())];
    assert_eq!(send("POST", "/v1/runs", &misplaced, json!({})), 422);
    let other = if token.ends_with('0') { '1' } else { '0' };
    let mistyped = format!("Bearer {}{other}", &token[..token.len() - 1]);
    assert_eq!(
        send("GET", path, &[("Authorization", mistyped.as_str())], json!({})),
        401
    );
    drop(connection);
    assert_eq!(server.stop(), Some(0));

    let log = fs::read_to_string(&log).unwrap();
    assert!(
        log.contains("update nightly/acme") && log.contains("update nightly refused"),
        "{log}"
    );
    let told: Vec<_> = collector
        .spans()
        .into_iter()
        .map(|span| attribute(&span, "run.key"))
        .collect();
    assert!(told.contains(&Some("nightly/acme".into())), "{told:?}");
    let secret = &token[17..];
    let key = fs::read_to_string(place.data().join("server.json")).unwrap_or_default();
    assert_eq!(key, "", "the operator's key goes with the server");
    for hidden in [
        secret,
        &secret[..20],
        "rlo_",
        "Wholly Confidential",
        "marzipan",
        "48151623",
        "quodlibet",
        "attempt-kept-secret",
        "kept-by-the-collector",
    ] {
        // Texts stand in a span as they are.
        let in_spans = |sent: &Message| sent.body.windows(hidden.len()).any(|bytes| bytes == hidden.as_bytes());
        assert!(!collector.came().iter().any(in_spans), "{hidden:?} is in a span");
        let lines: Vec<_> = log.lines().filter(|line| line.contains(hidden)).collect();
        assert!(lines.is_empty(), "{hidden:?} is in the log: {lines:#?}");
    }
    // Nor does the ledger keep it.
    let activity = place.run(&["activity", "--all", "--json"]).expect(0);
    assert!(!activity.out.contains(secret), "{}", activity.out);
}

#[test]
fn a_line_of_the_log_says_which_trace_it_belongs_to_also_when_callers_meet() {
    let place = Place::new();
    let log = place.beside("log");
    let server = Server::start_logging(&mut place.program(), fs::File::create(&log).unwrap());
    // At the same time, so that writes wait for each other and go on in tasks of their own.
    std::thread::scope(|scope| {
        for caller in 0..8 {
            let address = &server.address;
            scope.spawn(move || {
                let mut connection = Connection::open(address).unwrap();
                for number in 0..20 {
                    let trace = format!("00-{:032x}-{:016x}-01", caller * 100 + number + 1, caller + 1);
                    let headers = [("Runledger-Source", "orchestrator"), ("traceparent", trace.as_str())];
                    let body = format!(r#"{{"run_id":"run-{caller}-{number}"}}"#);
                    let (status, text) = connection.send("POST", "/v1/runs", &headers, &body).unwrap();
                    assert_eq!(status, 201, "{text}");
                }
            });
        }
    });
    let mut connection = Connection::open(&server.address).unwrap();
    let headers = [
        ("Runledger-Source", "orchestrator"),
        ("traceparent", "00-nonsense-\"x-01"),
    ];
    let (status, _) = connection
        .send("POST", "/v1/runs", &headers, r#"{"run_id":"untraced"}"#)
        .unwrap();
    assert_eq!(status, 201, "a trace that cannot be read is none");
    drop(connection);
    assert_eq!(server.stop(), Some(0));
    let log = fs::read_to_string(&log).unwrap();
    let mut traced = 0;
    for line in log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let Some(run) = line["run.key"].as_str() else { continue };
        let Some((caller, number)) = run.strip_prefix("run-").and_then(|rest| rest.split_once('-')) else {
            assert_eq!((run, &line["span"]), ("untraced", &Value::Null));
            continue;
        };
        let (caller, number): (u64, u64) = (caller.parse().unwrap(), number.parse().unwrap());
        assert_eq!(
            line["span"]["trace_id"],
            format!("{:032x}", caller * 100 + number + 1),
            "{line}"
        );
        assert_eq!(line["span"]["parent_id"], format!("{:016x}", caller + 1), "{line}");
        traced += 1;
    }
    assert_eq!(traced, 160);
}

#[test]
fn a_line_of_the_log_says_which_record_it_is_about_in_message_and_field() {
    let place = Place::new();
    let log = place.beside("log");
    let server = Server::start_logging(&mut place.program(), fs::File::create(&log).unwrap());
    let mut connection = Connection::open(&server.address).unwrap();
    let mut ask = |method: &str, path: &str, body: Value| connection.ask(method, path, None, &body).unwrap().status;
    assert_eq!(ask("POST", "/v1/runs", json!({"run_id": "nightly"})), 201);
    assert_eq!(ask("POST", "/v1/runs/unheard/heartbeat", json!({})), 404);
    assert_eq!(ask("POST", "/v1/runs/nightly/heartbeat", json!({"x": 1})), 422);
    assert_eq!(server.stop(), Some(0));
    let log = fs::read_to_string(&log).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = |message: &str| {
        let found = lines.iter().find(|line| line["message"] == message);
        found.unwrap_or_else(|| panic!("{message:?} is not in the log: {log}"))
    };
    assert_eq!(line("create nightly")["run.key"], "nightly");
    assert_eq!(line("create nightly")["outcome"], "created");
    assert_eq!(line("heartbeat unheard")["outcome"], "not_found");
    assert_eq!(line("heartbeat nightly refused")["run.id"], "nightly");
    assert_eq!(line("heartbeat nightly refused")["outcome"], "unknown_field");
    for of in ["create nightly", "heartbeat unheard", "heartbeat nightly refused"] {
        assert_eq!(line(of)["source"], "orchestrator", "{of}");
    }
}
