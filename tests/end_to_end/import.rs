//! The import of a real export, through the command: classes that add up, a second run that changes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::program::Place;

/// A table of an older system, as it was exported.
pub(crate) fn export(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path: PathBuf = root
        .join("crates/adapters/legacy-compat/tests/import/fixtures/export-a")
        .join(file);
    path.to_str().unwrap().to_owned()
}

fn check_sums(report: &Value) {
    for table in ["jobs", "clients"] {
        let count = |name: &str| report[table][name].as_u64().unwrap();
        let classes = ["created", "normalised", "duplicate", "refused"].map(count);
        assert_eq!(classes.iter().sum::<u64>(), count("rows"), "{report:#}");
    }
}

#[test]
fn an_export_is_imported_once_and_never_twice() {
    let place = Place::new();
    let (jobs, clients) = (export("job_tracking.csv"), export("client_run_results.csv"));
    let report = place.beside("report");
    let import = [
        "import",
        "airtable-csv",
        "--jobs",
        &jobs,
        "--clients",
        &clients,
        "--json",
    ];
    let with = |more: &[&'static str]| [&import[..], more].concat();

    let dry = place.run(&with(&["--dry-run"])).expect(0).json().remove(0);
    check_sums(&dry);
    assert!(!place.data().exists(), "a dry run needs no ledger");

    let mut arguments = import.to_vec();
    let directory = report.to_str().unwrap().to_owned();
    arguments.extend(["--report", &directory]);
    let first = place.run(&arguments).expect(0).json().remove(0);
    check_sums(&first);
    assert_eq!(first["created_now"], dry["would_create"]);
    let rows = first["jobs"]["rows"].as_u64().unwrap() + first["clients"]["rows"].as_u64().unwrap();
    let lines = fs::read_to_string(report.join("import.csv")).unwrap();
    assert!(
        lines.lines().count() as u64 > rows,
        "one line a row, and the names of the columns"
    );

    let before = place.records();
    assert_eq!(Some(before.len() as u64), first["created_now"].as_u64());
    let second = place.run(&import).expect(0).json().remove(0);
    assert_eq!(second["created_now"], 0);
    assert_eq!(second["already_there"], first["created_now"]);
    assert_eq!(place.records(), before);
    place.verify();

    let exported = place.beside("out.jsonl");
    place.run(&["export", "--out", exported.to_str().unwrap()]).expect(0);
    let lines = fs::read_to_string(&exported).unwrap();
    let exported: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(exported, before);
    let csv = place.run(&["export", "--format", "csv"]).expect(0).out;
    assert!(csv.starts_with("run_id,client_id,kind,"));
}

#[test]
fn json_lines_are_imported_for_people_too() {
    let place = Place::new();
    let clients = export("client_run_results.jsonl");
    place
        .run(&["import", "airtable-jsonl", "--clients", &clients])
        .expect(0)
        .says(&["clients", "records created"]);
    place
        .run(&["import", "airtable-jsonl", "--clients", &clients])
        .expect(0)
        .says(&["Nothing changed"]);
    place.verify();
}

#[test]
fn an_import_needs_the_ledger_for_itself_and_a_file_that_is_there() {
    let place = Place::new();
    let server = place.serve();
    let clients = export("client_run_results.csv");
    place
        .run(&["import", "airtable-csv", "--clients", &clients])
        .expect(6)
        .says(&["stop the server", &server.address]);
    place
        .run(&["import", "airtable-csv", "--clients", &clients, "--dry-run"])
        .expect(0);
    assert_eq!(server.stop(), Some(0));
    assert!(place.records().is_empty());
    place.run(&["import", "airtable-csv"]).expect(2).says(&["--clients"]);
    place
        .run(&["import", "airtable-csv", "--clients", "/no/such"])
        .expect(2)
        .says(&["/no/such"]);
    // Nobody may import through the API, not even under the name of the command.
    place.run_as("import", &["job", "create", "nightly"]).expect(3);
}

#[test]
fn a_dry_run_compares_with_the_ledger_that_is_there() {
    let place = Place::new();
    let (jobs, clients) = (export("job_tracking.csv"), export("client_run_results.csv"));
    let import = ["import", "airtable-csv", "--jobs", &jobs, "--clients", &clients];
    let dry = [&import[..], &["--dry-run"]].concat();
    place
        .run(&dry)
        .expect(0)
        .says(&["There is no ledger yet to compare with"]);
    place.run(&import).expect(0);
    let before = place.records();
    let second = place.run(&[&dry[..], &["--json"]].concat()).expect(0).json().remove(0);
    assert_eq!(
        (&second["would_create"], &second["compared"]),
        (&0.into(), &true.into())
    );
    assert_eq!(second["already_there"], before.len());
    assert_eq!(place.records(), before);
    // Also beside a server, which holds the ledger (and sweeps what is stalled).
    let server = place.serve();
    place.run(&dry).expect(0).says(&["0 records would be created"]);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn an_import_that_fails_leaves_the_earlier_report_alone() {
    let place = Place::new();
    let clients = export("client_run_results.csv");
    let report = place.beside("report");
    let directory = report.to_str().unwrap().to_owned();
    place
        .run(&["import", "airtable-csv", "--clients", &clients, "--report", &directory])
        .expect(0);
    let before = fs::read_to_string(report.join("import.csv")).unwrap();
    place
        .run(&[
            "import",
            "airtable-csv",
            "--clients",
            "/no/such",
            "--report",
            &directory,
        ])
        .expect(2);
    let server = place.serve();
    place
        .run(&["import", "airtable-csv", "--clients", &clients, "--report", &directory])
        .expect(6);
    assert_eq!(server.stop(), Some(0));
    assert_eq!(fs::read_to_string(report.join("import.csv")).unwrap(), before);
}

#[test]
fn a_table_of_the_other_format_is_an_error_that_says_so() {
    let place = Place::new();
    let csv = place.beside("clients.txt");
    fs::copy(export("client_run_results.csv"), &csv).unwrap();
    place
        .run(&["import", "airtable-jsonl", "--clients", csv.to_str().unwrap()])
        .expect(2)
        .says(&["it looks like CSV", "import airtable-csv"]);
    let json = export("client_run_results.jsonl");
    place
        .run(&["import", "airtable-csv", "--clients", &json])
        .expect(2)
        .says(&["has no column \"Run ID\""]);
    assert!(place.records().is_empty());
}

#[test]
fn the_usage_text_asks_for_the_tables_and_for_nothing_else() {
    let place = Place::new();
    let help = place.run(&["import", "airtable-csv", "--help"]).expect(0).out;
    let usage = help.lines().find(|line| line.starts_with("Usage:")).unwrap();
    assert!(usage.ends_with("[OPTIONS] <--jobs <FILE>|--clients <FILE>>"), "{usage}");
    place.run(&["import", "airtable-csv", "--dry-run"]).expect(2);
}
