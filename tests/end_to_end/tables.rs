//! Tables at Airtable, by the commands that go over all of them: rows that were there before are taken over, and what people do
//! to rows is found and put right, whatever expires or is killed meanwhile.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::gateway::Airtable;
use crate::http::Connection;
use crate::program::{Place, Server, ran, until_in};

const BASE: &str = "bases/appRunLedgerDemo1/tables";
pub(crate) const JOBS: &str = "tblJobTracking001";
pub(crate) const CLIENT_RUNS: &str = "tblClientRunRes01";
pub(crate) const RUN: &str = "250925-231841";
/// How long rows may take on a machine that is busy.
pub(crate) const SHOWN_TIME: Duration = Duration::from_mins(2);
/// What Airtable says when a place in a list is not known any more.
const EXPIRED: &str = "LIST_RECORDS_ITERATOR_NOT_AVAILABLE";

pub(crate) fn configure(place: &Place, airtable: &Airtable) {
    let more = r#"
        base_rate = 500.0
        token_rate = 500.0
        gather = "0s"
        gather_progress = "1s"
        fill = "0s"
        quiet = "1s"
        request_time = "5s"
        "#;
    airtable.is_shown_by(place, more);
}

pub(crate) fn start(place: &Place) -> Airtable {
    let airtable = Airtable::start_with(place, &[]);
    airtable.control(
        "PATCH",
        "settings",
        &json!({ "base_requests": 100_000, "token_requests": 100_000 }),
    );
    configure(place, &airtable);
    airtable
}

pub(crate) fn rows(airtable: &Airtable, table: &str) -> Vec<Value> {
    let shown = airtable.control("GET", &format!("{BASE}/{table}/records"), &Value::Null);
    shown["records"].as_array().unwrap().clone()
}

pub(crate) fn row_of(airtable: &Airtable, client: &str) -> Value {
    let rows = rows(airtable, CLIENT_RUNS);
    rows.into_iter()
        .find(|row| row["fields"]["Client ID"] == client)
        .unwrap()
}

pub(crate) fn add(airtable: &Airtable, table: &str, rows: &Value) {
    airtable.control("POST", &format!("{BASE}/{table}/records"), rows);
}

pub(crate) fn row(method: &str, airtable: &Airtable, id: &Value, body: &Value) {
    let path = format!("{BASE}/{CLIENT_RUNS}/records/{}", id.as_str().unwrap());
    airtable.control(method, &path, body);
}

/// The list that comes after so many others begins again.
fn expire(airtable: &Airtable, after: usize) {
    let fault = json!({ "match": { "operation": "list" }, "skip": after, "times": 1,
        "refuse": { "status": 422, "type": EXPIRED } });
    airtable.control("POST", "faults", &fault);
}

pub(crate) fn shown_clients(airtable: &Airtable) -> usize {
    rows(airtable, CLIENT_RUNS).len()
}

#[test]
fn rows_that_were_there_are_taken_over_and_none_is_made_a_second_time() {
    let place = Place::new();
    let airtable = start(&place);
    add(
        &airtable,
        JOBS,
        &json!([
            { "Run ID": RUN, "Status": "Running", "Start Time": "2025-09-25T23:18:41.000Z", "Stream": 3 },
            { "Run ID": "undefined", "Status": "Running" },
        ]),
    );
    let client = |id: &str, run: String| json!({ "Run ID": run, "Client ID": id, "Status": "Running", "Progress Log": "by hand" });
    let mut clients: Vec<_> = (0..130)
        .map(|n| client(&format!("c{n}"), format!("{RUN}-c{n}")))
        .collect();
    clients.push(client("Dean", format!("{RUN}-CDean.0")));
    clients.push(client("Ann", format!("{RUN}-Ann")));
    clients.push(client("Ann", format!("{RUN}-Ann")));
    add(&airtable, CLIENT_RUNS, &json!(clients));
    let report = place.beside("report");
    let mut import = vec!["airtable", "import", "--json", "--report", report.to_str().unwrap()];
    let dry = place
        .run(&[&import[..], &["--dry-run"]].concat())
        .expect(0)
        .json()
        .remove(0);
    assert_eq!(
        (&dry["would_create"], &dry["clients"]["duplicate"]),
        (&json!(133), &json!(1))
    );
    assert!(!place.data().join("ledger.sqlite").exists());
    // Without the import nothing is shown, and the reason says what to do.
    let server = place.serve();
    until_in(SHOWN_TIME, "a reason", || {
        let status = place.run(&["airtable", "status", "--json"]).expect(0).json();
        status[0].to_string().contains("runledger airtable import")
    });
    place.run(&import).expect(6).says(&["holds this ledger", "stop"]);
    assert_eq!(server.stop(), Some(0));
    // The list of the jobs, and each page of that of the clients, expires once.
    for page in 0..4 {
        expire(&airtable, page);
        let done = place.run(&import).expect(0).json().remove(0);
        assert_eq!(done["created_now"], if page == 0 { 133 } else { 0 });
        let rows = [
            "rows_adopted",
            "rows_known",
            "records_with_several_rows",
            "rows_of_no_record",
        ]
        .map(|name| done[name].as_u64().unwrap());
        assert_eq!(rows, if page == 0 { [132, 0, 1, 0] } else { [0, 132, 1, 0] });
        airtable.control("DELETE", "faults", &Value::Null);
    }
    import.pop();
    // The command had the duty for a moment, under a name as servers have them.
    let duties = place.run(&["duties", "--json"]).expect(0).json();
    let holders: Vec<_> = duties.iter().filter(|duty| duty["duty"] == "project").collect();
    let is_named = |duty: &&Value| duty["holder"].as_str().is_some_and(|holder| holder.starts_with("at:"));
    assert!(holders.len() == 1 && holders.iter().all(is_named), "{duties:?}");
    let lines = fs::read_to_string(report.join("airtable.csv")).unwrap();
    let of = |what: &str| lines.lines().find(|line| line.contains(what)).unwrap().to_owned();
    let undefined = &rows(&airtable, JOBS)[1]["id"];
    assert!(
        of("refused").ends_with(undefined.as_str().unwrap()),
        "{}",
        of("refused")
    );
    assert!(of("CDean.0").contains("normalised"), "{}", of("CDean.0"));
    let before = rows(&airtable, CLIENT_RUNS);
    let server = place.serve();
    let mut connection = Connection::open(&server.address).unwrap();
    for client in ["c7", "Dean"] {
        let path = format!("/v1/runs/{RUN}/clients/{client}");
        let noted = connection
            .ask("PATCH", &path, None, &json!({ "note": "half done" }))
            .unwrap();
        assert_eq!(noted.status, 200);
    }
    let id = |client: &str| before.iter().find(|row| row["fields"]["Client ID"] == client).unwrap()["id"].clone();
    until_in(SHOWN_TIME, "the two rows", || {
        ["c7", "Dean"]
            .iter()
            .all(|client| row_of(&airtable, client)["fields"]["System Notes"].is_string())
    });
    assert_eq!(
        [
            row_of(&airtable, "c7")["id"].clone(),
            row_of(&airtable, "Dean")["id"].clone()
        ],
        [id("c7"), id("Dean")]
    );
    assert_eq!(row_of(&airtable, "Dean")["fields"]["Run ID"], format!("{RUN}-Dean"));
    // All others are as people left them.
    assert_eq!(row_of(&airtable, "c8")["fields"]["Progress Log"], "by hand");
    assert_eq!(shown_clients(&airtable), before.len());
    // Of two rows one is chosen when somebody asks for that.
    place
        .run(&["airtable", "repair", "--duplicates", "--keep", "earliest"])
        .expect(0)
        .says(&["Ann", "deleted"]);
    assert_eq!(server.stop(), Some(0));
    place.verify();
}

/// What an `airtable` command says, one object a line.
fn asked(place: &Place, arguments: &[&str], code: i32) -> Vec<Value> {
    let words = [&["airtable"], arguments, &["--json"]].concat();
    place.run(&words).expect(code).json()
}

/// What a comparison came to.
pub(crate) fn counts(lines: &[Value]) -> Value {
    lines.last().unwrap()["counts"].clone()
}

/// What a comparison found.
pub(crate) fn told(lines: &[Value]) -> Vec<String> {
    let found = lines.iter().filter(|line| line["what"].is_string());
    let mut told: Vec<_> = found
        .map(|line| {
            let client = line["client_id"].as_str().unwrap_or("nobody");
            format!("{} {client}", line["what"].as_str().unwrap())
        })
        .collect();
    told.sort();
    told
}

/// Waits until a comparison finds this and no more, with so many records in step.
fn until_found(place: &Place, expected: &[&str], in_step: u64) {
    until_in(SHOWN_TIME, "a comparison", || {
        let lines = place.run(&["airtable", "reconcile", "--json"]).json();
        told(&lines) == expected && counts(&lines)["in_step"] == in_step
    });
}

/// A job of 250 clients, all of them shown.
fn shown(place: &Place, airtable: &Airtable) -> Server {
    let server = place.serve();
    let mut connection = Connection::open(&server.address).unwrap();
    let clients: Vec<_> = (0..250).map(|n| json!({ "client_id": format!("c{n:03}") })).collect();
    for (path, body) in [
        ("/v1/runs".to_owned(), json!({ "run_id": RUN })),
        (format!("/v1/runs/{RUN}/clients"), json!({ "clients": clients })),
    ] {
        assert_eq!(connection.ask("POST", &path, None, &body).unwrap().status, 201);
    }
    until_in(SHOWN_TIME, "all rows", || shown_clients(airtable) == 250);
    until_found(place, &[], 251);
    server
}

/// A comparison whose server is killed in the middle of it, and started again.
fn compared_over_a_kill(place: &Place, airtable: &Airtable, server: Server) -> (Vec<Value>, Server) {
    let slow = json!({ "match": { "operation": "list" }, "delay_before_ms": 1_000, "times": 4 });
    airtable.control("POST", "faults", &slow);
    let mut command = place.program();
    command.args(["airtable", "reconcile", "--json"]);
    let done = thread::scope(|scope| {
        let running = scope.spawn(|| ran(&mut command).expect(1).json());
        until_in(SHOWN_TIME, "the second page", || {
            let faults = airtable.control("GET", "faults", &Value::Null);
            faults["faults"][0]["met"].as_u64().is_none_or(|met| met >= 2)
        });
        server.kill();
        let server = place.serve();
        (running.join().unwrap(), server)
    });
    airtable.control("DELETE", "faults", &Value::Null);
    done
}

/// Rows that are deleted, edited, copied and made up.
pub(crate) fn harm(airtable: &Airtable, copied: &Value) {
    row("DELETE", airtable, &row_of(airtable, "c001")["id"], &Value::Null);
    row(
        "PATCH",
        airtable,
        &row_of(airtable, "c002")["id"],
        &json!({ "Status": "Failed" }),
    );
    let copy = json!({ "Run ID": copied["fields"]["Run ID"], "Client ID": "c003", "Status": "Running" });
    add(airtable, CLIENT_RUNS, &json!([copy, { "Run ID": "who knows" }]));
}

#[test]
fn what_people_do_to_rows_is_found_and_put_right_whatever_expires_or_is_killed() {
    let place = Place::new();
    let airtable = start(&place);
    let server = shown(&place, &airtable);
    asked(&place, &["check"], 0);
    let copied = row_of(&airtable, "c003");
    harm(&airtable, &copied);
    let expected = ["drifted c002", "duplicated c003", "extra nobody", "missing c001"];
    // What expires may be a page, which has the list begin again, or a look-up, which is asked for once more.
    let mut restarts = 0;
    for page in 0..4 {
        expire(&airtable, page);
        let lines = asked(&place, &["reconcile"], 1);
        assert_eq!(told(&lines), expected, "at page {page}");
        restarts += counts(&lines)["restarts"].as_u64().unwrap();
        airtable.control("DELETE", "faults", &Value::Null);
    }
    assert!(restarts >= 2, "{restarts}");
    let csv = place.run(&["airtable", "reconcile", "--format", "csv"]).expect(1).out;
    let drift = csv.lines().find(|line| line.starts_with("drifted")).unwrap();
    assert!(drift.ends_with(",Status,Running,Failed,"), "{drift}");
    assert_eq!(csv.lines().count(), 6);
    let words = ["c001", "missing", "4 differences are left", "repair"];
    place.run(&["airtable", "reconcile"]).expect(1).says(&words);
    // The command begins anew, and tells nothing twice.
    let (lines, server) = compared_over_a_kill(&place, &airtable, server);
    assert_eq!(told(&lines), expected);
    assert_eq!(told(&asked(&place, &["reconcile", "--apply"], 1)), expected);
    // In doubt until the quiet period is over, then looked up and written.
    until_found(&place, &["duplicated c003", "extra nobody"], 250);
    assert_eq!(row_of(&airtable, "c002")["fields"]["Status"], "Running");
    let repair = ["repair", "--duplicates", "--keep", "earliest"];
    let tried = asked(&place, &[&repair[..], &["--dry-run"]].concat(), 0);
    assert_eq!(
        (&tried[0]["state"], shown_clients(&airtable)),
        (&json!("would_remove"), 252)
    );
    assert_eq!(asked(&place, &repair, 0)[0]["state"], "removed");
    assert_eq!(row_of(&airtable, "c003")["id"], copied["id"]);
    let removed = asked(&place, &["removed"], 0);
    let said = (removed.len(), &removed[0]["client_id"], &removed[0]["by"]);
    assert_eq!(said, (1, &json!("c003"), &json!("operator")));
    let all = rows(&airtable, CLIENT_RUNS);
    let stranger = all.iter().find(|row| row["fields"]["Run ID"] == "who knows").unwrap();
    row("DELETE", &airtable, &stranger["id"], &Value::Null);
    until_found(&place, &[], 251);
    asked(&place, &["reconcile"], 0);
    let lines = place.run(&["activity", "--json", "--all"]).expect(0).json();
    let of = |action: &str| lines.iter().filter(|line| line["action"] == action).count();
    assert_eq!((of("repair_row"), of("remove_rows")), (2, 1));
    let requests = airtable.control("GET", "requests", &Value::Null);
    let mut requests = requests["requests"].as_array().unwrap().iter();
    assert!(requests.all(|line| line["status"] != 429));
    assert_eq!(server.stop(), Some(0));
    place.verify();
}
