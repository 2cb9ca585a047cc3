//! A whole ledger moves between a file and a database, as it is: killed in the middle, told apart, refused when it is not
//! what it was (I1, I2, I6, I7).

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use runledger_postgres_bed::Server as Database;
use serde_json::{Value, json};

use crate::http::Connection;
use crate::import::export;
use crate::postgres::{database, on, program, serve};
use crate::program::{Place, Ran, ran};

/// A delta that counts once.
const COUNT: [&str; 7] = [
    "update",
    "nightly",
    "acme",
    "--add",
    "leads=12",
    "--update-id",
    "chunk-1",
];

/// The start of the run, in this attempt.
fn start(attempt: &str) -> [&str; 7] {
    [
        "job",
        "create",
        "nightly",
        "--attempt",
        attempt,
        "--external-id",
        "apify:abc",
    ]
}

/// A ledger with records of the older tables, some of its own, a token, and lines of every kind.
fn ledger() -> Place {
    let place = Place::new();
    let (jobs, clients) = (export("job_tracking.csv"), export("client_run_results.csv"));
    let tables = ["import", "airtable-csv", "--jobs", &jobs, "--clients", &clients];
    place.run(&tables).expect(0);
    let by = |arguments: &[&str]| place.run_as("orchestrator", arguments);
    by(&start("start-1")).expect(0);
    let client = [
        "client",
        "create",
        "nightly",
        "acme",
        "--attempt",
        "acme-1",
        "--note",
        "first",
    ];
    by(&client).expect(0);
    by(&COUNT).expect(0);
    by(&["job", "create", "nightly", "--attempt", "start-2"]).expect(5);
    by(&start("start-1")).expect(0);
    let token = ["token", "create", "billing", "--scope", "read", "--for", "billing"];
    by(&token).expect(0);
    place
}

/// Exports the whole ledger; answers the file.
fn exported(place: &Place, name: &str, more: &[&str]) -> String {
    let file = place.beside(name).display().to_string();
    let arguments = [&["export", "--format", "ledger", "--out", &file], more].concat();
    place.run(&arguments).expect(0);
    file
}

fn compared(ran: Ran, code: i32) -> Value {
    ran.expect(code).json().remove(0)
}

fn same(place: &Place, database: &Database) {
    place.verify();
    let report = compared(on(place, database, &["verify", "--json"]), 0);
    assert_eq!(report["clean"], true, "{report}");
    let directory = place.data().display().to_string();
    let report = compared(on(place, database, &["verify", "--against", &directory, "--json"]), 0);
    assert_eq!(report["equal"], true, "{report:#}");
    assert_eq!(report["records"]["here"], report["records"]["there"]);
    assert!(report["records"]["here"].as_u64() > Some(0), "{report:#}");
}

#[test]
fn a_ledger_moves_into_a_database_and_back_with_all_that_it_remembers() {
    let (place, database) = (ledger(), database());
    let file = exported(&place, "ledger.jsonl", &[]);
    on(&place, &database, &["import", "ledger", &file])
        .expect(0)
        .says(&["lines of the log taken over"]);
    same(&place, &database);
    on(&place, &database, &["import", "ledger", &file])
        .expect(0)
        .says(&["holds all of it already"]);
    // What was made before the move is known after it: a retry is a replay, another attempt a conflict (I7).
    on(&place, &database, &start("start-1")).expect(0);
    on(&place, &database, &start("start-2")).expect(5);
    let update = [&COUNT[..], &["--json"]].concat();
    let record = on(&place, &database, &update).expect(0).json().remove(0);
    assert_eq!(record["metrics"]["leads"], json!(12), "{record:#}");
    on(&place, &database, &["list", "--external-id", "apify:abc"])
        .expect(0)
        .says(&["nightly"]);
    on(&place, &database, &["token", "list"]).expect(0).says(&["billing"]);
    // The rest comes behind, into the ledger that was left.
    on(&place, &database, &["note", "nightly", "acme", "from the database"]).expect(0);
    on(&place, &database, &["job", "create", "weekly", "--attempt", "weekly-1"]).expect(0);
    let last = place
        .run(&["activity", "--last", "1", "--json"])
        .expect(0)
        .json()
        .remove(0);
    let after = last["seq"].to_string();
    let rest = place.beside("rest.jsonl").display().to_string();
    let only = ["export", "--format", "ledger", "--after", &after, "--out", &rest];
    on(&place, &database, &only).expect(0);
    let taken = compared(place.run(&["import", "ledger", &rest, "--json"]), 0);
    assert_eq!(
        (&taken["from"], &taken["records"]),
        (&last["seq"], &json!(1)),
        "{taken}"
    );
    same(&place, &database);
}

#[test]
fn a_ledger_is_handed_on_without_a_file() {
    let (place, other) = (ledger(), Place::new());
    let mut reader = place.program();
    reader.args(["export", "--format", "ledger"]).stdout(Stdio::piped());
    let mut reader = reader.spawn().unwrap();
    let mut writer = other.program();
    writer
        .args(["import", "ledger", "-"])
        .stdin(reader.stdout.take().unwrap());
    ran(&mut writer).expect(0).says(&["taken over"]);
    assert!(reader.wait().unwrap().success());
    other.verify();
    let directory = other.data().display().to_string();
    place
        .run(&["verify", "--against", &directory])
        .expect(0)
        .says(&["nothing differs"]);
}

/// Takes over a file that breaks off: the ledger is not whole, says so to whoever wants to use it, and is not used.
fn half_moved(program: impl Fn() -> Command, file: &str, cut: &str) {
    let with = |arguments: &[&str]| ran(program().env("RUNLEDGER_SOURCE", "orchestrator").args(arguments));
    with(&["import", "ledger", cut]).expect(2).says(&["is not whole"]);
    for arguments in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["job", "create", "weekly"],
        &["get", "nightly"],
        &["sweep"],
        &["import", "airtable-csv", "--jobs", &export("job_tracking.csv")],
    ] {
        let refused = with(arguments).expect(6);
        assert!(refused.err.contains("being taken over"), "{refused:#?}");
        refused.says(&["runledger import ledger"]);
    }
    with(&["import", "ledger", file]).expect(0);
    with(&["get", "nightly"]).expect(0);
    with(&["job", "create", "weekly"]).expect(0);
}

/// It may hold records that are ahead of its log, and a line of its own would make another ledger of it.
#[test]
fn a_ledger_that_is_half_moved_is_not_used_before_it_is_whole() {
    let (place, database) = (ledger(), database());
    let file = exported(&place, "ledger.jsonl", &[]);
    let length = fs::read_to_string(&file).unwrap().lines().count();
    let cut = tampered(&file, "cut.jsonl", |number, text| {
        (number < length).then(|| text.to_owned())
    });
    let other = Place::new();
    half_moved(|| other.program(), &file, &cut);
    other.verify();
    half_moved(|| program(&place, &database), &file, &cut);
    on(&place, &database, &["verify"]).expect(0).says(&["nothing is wrong"]);
}

/// A server may have been there when the move began: it writes nothing before the ledger is whole, and goes on then.
#[test]
fn a_server_at_work_writes_nothing_to_a_ledger_that_is_half_moved() {
    let (place, elsewhere, database) = (ledger(), Place::new(), database());
    let file = exported(&place, "ledger.jsonl", &[]);
    let length = fs::read_to_string(&file).unwrap().lines().count();
    let cut = tampered(&file, "cut.jsonl", |number, text| {
        (number < length).then(|| text.to_owned())
    });
    let server = serve(&elsewhere, &database);
    on(&place, &database, &["import", "ledger", &cut]).expect(2);
    let mut open = Connection::open(&server.address).unwrap();
    let mut create = || {
        open.ask("POST", "/v1/runs", Some("weekly-1"), &json!({"run_id": "weekly"}))
            .unwrap()
    };
    let refused = create();
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.to_string().contains("being taken over"), "{refused:?}");
    on(&place, &database, &["import", "ledger", &file]).expect(0);
    assert_eq!(create().status, 201);
    assert_eq!(server.stop(), Some(0));
    on(&place, &database, &["verify"]).expect(0).says(&["nothing is wrong"]);
}

/// A ledger of some thousand lines, made by a server.
fn large() -> Place {
    let place = Place::new();
    let server = place.serve();
    let mut open = Connection::open(&server.address).unwrap();
    for run in 0..40 {
        let name = format!("run-{run}");
        let created = open
            .ask("POST", "/v1/runs", Some(&name), &json!({"run_id": name}))
            .unwrap();
        assert_eq!(created.status, 201);
        let clients: Vec<_> = (0..100)
            .map(|client| json!({"client_id": format!("client-{client}")}))
            .collect();
        let path = format!("/v1/runs/{name}/clients");
        let created = open
            .ask("POST", &path, Some(&name), &json!({"clients": clients}))
            .unwrap();
        assert_eq!(created.status, 201);
    }
    assert_eq!(server.stop(), Some(0));
    place
}

/// Imports, and is killed again and again, ever later, until it comes to its end. Answers what the last one said.
fn killed(command: impl Fn() -> Command, file: &str) -> Value {
    let mut wait = Duration::from_millis(30);
    for _ in 0..40 {
        let mut import = command();
        import.args(["import", "ledger", file, "--json"]).stdout(Stdio::piped());
        let mut import = import.spawn().unwrap();
        sleep(wait);
        wait = wait * 5 / 4;
        if import.try_wait().unwrap().is_some() {
            let output = import.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
            return serde_json::from_slice(&output.stdout).unwrap();
        }
        import.kill().unwrap();
        import.wait().unwrap();
    }
    panic!("the import never comes to its end");
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_was() {
    let (place, database) = (large(), database());
    let file = exported(&place, "ledger.jsonl", &[]);
    let other = Place::new();
    let in_file = killed(|| other.program(), &file);
    let in_database = killed(|| program(&place, &database), &file);
    for last in [&in_file, &in_database] {
        let (from, to) = (last["from"].as_u64().unwrap(), last["to"].as_u64().unwrap());
        assert_eq!(to, 4_040, "{last}");
        assert!(from > 0, "one was killed in the middle: {last}");
    }
    same(&place, &database);
    same(&other, &database);
}

#[test]
fn of_several_imports_at_once_one_comes_to_its_end_and_the_others_say_that_they_are_not_alone() {
    let (place, database) = (large(), database());
    let file = exported(&place, "ledger.jsonl", &[]);
    let imports: Vec<_> = (0..3)
        .map(|_| {
            let mut import = program(&place, &database);
            import.args(["import", "ledger", &file]).stderr(Stdio::piped());
            import.spawn().unwrap()
        })
        .collect();
    let mut done = 0;
    for import in imports {
        let output = import.wait_with_output().unwrap();
        match output.status.code() {
            Some(0) => done += 1,
            Some(6) => assert!(
                String::from_utf8_lossy(&output.stderr).contains("somebody else writes"),
                "{output:?}"
            ),
            _ => panic!("{output:?}"),
        }
    }
    assert!(done > 0, "somebody is the last one");
    same(&place, &database);
}

/// Writes the file anew, each line through this, and nothing where that says so.
fn tampered(file: &str, name: &str, edit: impl Fn(usize, &str) -> Option<String>) -> String {
    let text = fs::read_to_string(file).unwrap();
    let lines: Vec<_> = text
        .lines()
        .enumerate()
        .filter_map(|(at, line)| edit(at + 1, line))
        .collect();
    let path = Path::new(file).with_file_name(name);
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    path.display().to_string()
}

#[test]
fn what_is_not_what_it_was_is_refused_with_its_line() {
    let place = ledger();
    let file = exported(&place, "ledger.jsonl", &[]);
    let text = fs::read_to_string(&file).unwrap();
    let at = |what: &str| {
        1 + text
            .lines()
            .position(|line| line.contains(what))
            .unwrap_or_else(|| panic!("{what}"))
    };
    let (record, line) = (at("{\"record\":{\"key\":\"nightly\""), at("\"action\":\"update\""));
    let as_is = |line: &str| Some(line.to_owned());
    let other = Place::new();
    let refused = |file: &str, code, words: &[&str]| {
        other.run(&["import", "ledger", file]).expect(code).says(words);
    };
    let changed = tampered(&file, "changed.jsonl", |number, text| {
        as_is(&if number == line {
            text.replace("\"detail\":\"", "\"detail\":\"x")
        } else {
            text.to_owned()
        })
    });
    refused(&changed, 2, &["does not follow", "line 2 of"]);
    let removed = tampered(&file, "removed.jsonl", |number, text| {
        (number != record).then(|| text.to_owned())
    });
    refused(&removed, 2, &["line "]);
    let garbled = tampered(&file, "garbled.jsonl", |number, text| {
        as_is(&if number == line {
            text[..20].to_owned()
        } else {
            text.to_owned()
        })
    });
    refused(&garbled, 2, &[&format!("line {line} of"), "ends too early"]);
    let whose = tampered(&file, "whose.jsonl", |number, text| {
        let creator = "\"source\":\"orchestrator\",\"attempt\":\"start-1\"";
        as_is(&if number == record {
            text.replace(creator, &creator.replace("orchestrator", "batch_process"))
        } else {
            text.to_owned()
        })
    });
    refused(&whose, 2, &["by another source"]);
    let length = text.lines().count();
    let cut = tampered(&file, "cut.jsonl", |number, text| {
        (number < length).then(|| text.to_owned())
    });
    refused(&cut, 2, &["is not whole"]);
    let none = tampered(&file, "none.jsonl", |number, text| {
        (number > 1).then(|| text.to_owned())
    });
    refused(&none, 2, &["is no ledger that was exported"]);
    refused(&format!("{file}.nowhere"), 2, &["cannot read"]);
    // Nothing that was refused is there; what came before the cut is, and goes on.
    refused(&file, 0, &["up to line"]);
    other.verify();
    let directory = other.data().display().to_string();
    place
        .run(&["verify", "--against", &directory])
        .expect(0)
        .says(&["nothing differs"]);
}

#[test]
fn a_ledger_is_taken_over_by_an_empty_one_or_by_itself_alone() {
    let (place, other) = (ledger(), Place::new());
    let file = exported(&place, "ledger.jsonl", &[]);
    other.run_as("orchestrator", &["job", "create", "its-own"]).expect(0);
    other.run(&["import", "ledger", &file]).expect(5).says(&["another one"]);
    assert_eq!(other.records().len(), 1);
    let later = exported(&place, "later.jsonl", &["--after", "9"]);
    Place::new()
        .run(&["import", "ledger", &later])
        .expect(2)
        .says(&["begins behind line 9", "--after 0"]);
    place
        .run(&["export", "--format", "ledger", "--after", "1000000", "--out", &later])
        .expect(2)
        .says(&["no line 1000000"]);
    let server = place.serve();
    place
        .run(&["import", "ledger", &file])
        .expect(6)
        .says(&["holds this ledger"]);
    // Whoever reads goes on.
    exported(&place, "beside.jsonl", &[]);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn two_ledgers_that_differ_are_told_apart() {
    let (place, other) = (ledger(), Place::new());
    let file = exported(&place, "ledger.jsonl", &[]);
    other.run(&["import", "ledger", &file]).expect(0);
    let by = |place: &Place, arguments: &[&str]| place.run_as("orchestrator", arguments).expect(0);
    by(&place, &["note", "nightly", "acme", "here"]);
    by(&place, &["job", "create", "only-here"]);
    by(&other, &["note", "nightly", "acme", "there"]);
    by(&other, &["job", "create", "only-there"]);
    by(
        &other,
        &["token", "create", "other", "--scope", "read", "--for", "other"],
    );
    let directory = other.data().display().to_string();
    let report = compared(place.run(&["verify", "--against", &directory, "--json"]), 1);
    assert_eq!(report["equal"], false);
    for (what, count) in [
        ("missing", 1),
        ("extra", 1),
        ("differing", 1),
        ("tokens_and_webhooks", 1),
    ] {
        assert_eq!(report[what], json!(count), "{what}: {report:#}");
    }
    let last = report["lines"]["equal_up_to"].as_u64().unwrap();
    assert_eq!(report["lines"]["here"], json!(last + 2), "{report:#}");
    let findings = report["findings"].to_string();
    for word in ["only-here", "only-there", "nightly/acme", "notes", "token "] {
        assert!(findings.contains(word), "{word}: {report:#}");
    }
    place.run(&["verify", "--against", &directory]).expect(1).says(&[
        "only-here: is not there",
        "nightly/acme: differs in",
        "the two ledgers differ",
    ]);
    let nowhere = place.beside("nowhere").display().to_string();
    place.run(&["verify", "--against", &nowhere]).expect(4);
    // A comparison with itself, or with what cannot be read, is no comparison.
    let itself = place.data().join("..").join("data").display().to_string();
    place
        .run(&["verify", "--against", &itself])
        .expect(2)
        .says(&["this ledger itself"]);
    place
        .run(&["verify", "--against", "http://127.0.0.1:7420"])
        .expect(2)
        .says(&["a server is not asked"]);
}
