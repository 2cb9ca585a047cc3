//! The import of a real export, through the command: classes that add up, a second run that changes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::program::Place;

fn export(file: &str) -> String {
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
