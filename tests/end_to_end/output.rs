//! What is printed: for programs exactly, for people safely.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::program::Place;

#[test]
fn a_list_for_programs_is_one_object_a_line() {
    let place = Place::new();
    place
        .run_as("orchestrator", &["job", "create", "250925-112233"])
        .expect(0);
    place
        .run_as("orchestrator", &["client", "create", "250925-112233", "acme", "globex"])
        .expect(0);
    let records = place.records();
    assert_eq!(records.len(), 3);
    for (record, client) in records.iter().zip([None, Some("acme"), Some("globex")]) {
        assert_eq!(record["run_id"], "250925-112233");
        assert_eq!(record["client_id"].as_str(), client);
        assert_eq!(record["status"], "running");
    }
}

#[test]
fn more_than_one_page_is_walked() {
    let place = Place::new();
    let _server = place.serve();
    let orchestrator = |arguments: &[&str]| place.run_as("orchestrator", arguments).expect(0);
    orchestrator(&["job", "create", "nightly"]);
    for hundreds in 0..3 {
        let clients: Vec<_> = (0..400).map(|index| format!("c{hundreds}-{index}")).collect();
        let mut arguments = vec!["client", "create", "nightly"];
        arguments.extend(clients.iter().map(String::as_str));
        orchestrator(&arguments);
    }
    assert_eq!(place.records().len(), 1_201);
    let some = place.run(&["list", "--limit", "1100", "--json"]).expect(0).json();
    assert_eq!(some.len(), 1_100);
    assert_eq!(some[1_099], place.records()[1_099]);
}

#[test]
fn what_came_from_data_cannot_move_the_cursor() {
    let place = Place::new();
    let orchestrator = |arguments: &[&str]| place.run_as("orchestrator", arguments);
    orchestrator(&["job", "create", "nightly"]).expect(0);
    let evil = "\u{202e}evil\u{200b}";
    orchestrator(&["note", "nightly", evil]).expect(0);
    let shown = place.run(&["get", "nightly"]).expect(0);
    assert!(!shown.out.contains('\u{202e}'), "{shown:?}");
    assert!(shown.out.contains("\\u{202e}evil\\u{200b}"), "{shown:?}");
    // What was sent stands in the error; it is escaped there as well.
    let refused = orchestrator(&["get", "\u{1b}[2Jnightly"]).expect(2);
    assert!(!refused.err.contains('\u{1b}'), "{refused:?}");
    let refused = orchestrator(&["update", "nightly", "--add", "\u{1b}[2J"]).expect(2);
    assert!(!refused.err.contains('\u{1b}'), "{refused:?}");
    // JSON keeps it, escaped or not, as JSON does.
    let raw = place.run(&["get", "nightly", "--json"]).expect(0).json();
    assert_eq!(raw[0]["notes"][0]["text"], evil);
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let place = Place::new();
    let mut child = place
        .program()
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::with_capacity(16, child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

#[test]
fn help_version_completions_and_pages_are_there() {
    let place = Place::new();
    place
        .run(&["--help"])
        .expect(0)
        .says(&["Exit codes:", "RUNLEDGER_DATA", "demo"]);
    place.run(&["--version"]).expect(0).says(&["runledger 0."]);
    place.run(&[]).expect(2).says(&["Usage: runledger"]);
    for command in [
        "serve",
        "job",
        "client",
        "get",
        "list",
        "update",
        "stage",
        "note",
        "heartbeat",
        "complete",
        "summary",
        "stalled",
        "sweep",
        "activity",
        "import",
        "export",
        "demo",
        "config",
        "verify",
        "completions",
        "man",
    ] {
        place.run(&[command, "--help"]).expect(0).says(&["Usage: runledger"]);
    }
    for shell in ["bash", "zsh", "fish"] {
        place
            .run(&["completions", shell])
            .expect(0)
            .says(&["runledger", "heartbeat"]);
    }
    place.run(&["man"]).expect(0).says(&[".TH", "runledger"]);
    let pages = place.beside("man1");
    place.run(&["man", pages.to_str().unwrap()]).expect(0);
    assert!(pages.join("runledger-client-create.1").exists());
    let openapi = place.run(&["openapi"]).expect(0).out;
    let openapi: serde_json::Value = serde_json::from_str(&openapi).unwrap();
    assert!(openapi["paths"]["/v1/runs"].is_object());
    assert!(!place.data().exists());
}
