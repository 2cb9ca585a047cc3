//! Records shown at Airtable by a real server, on a fake Airtable as a process: one row each, whatever is lost or killed.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::gateway::Airtable;
use crate::http::Connection;
use crate::postgres::{database, on, serve};
use crate::program::{Place, Server, until_in};

const JOBS: &str = "tblJobTracking001";
const CLIENT_RUNS: &str = "tblClientRunRes01";
const RUN: &str = "250925-231841";
/// How long rows may take on a machine that is busy.
const SHOWN_TIME: Duration = Duration::from_mins(2);

fn configure(place: &Place, airtable: &Airtable) {
    let more = r#"
        gather = "1s"
        gather_progress = "2s"
        fill = "1s"
        quiet = "3s"
        request_time = "2s"
        "#;
    airtable.is_shown_by(place, more);
}

/// How many rows there are of each key, and their statuses.
fn rows(airtable: &Airtable, table: &str) -> BTreeMap<String, Vec<String>> {
    let path = format!("bases/appRunLedgerDemo1/tables/{table}/records");
    let shown = airtable.control("GET", &path, &Value::Null);
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in shown["records"].as_array().unwrap() {
        let text = |name: &str| row["fields"][name].as_str().unwrap_or_default().to_owned();
        rows.entry(text("Run ID")).or_default().push(text("Status"));
    }
    rows
}

fn request(connection: &mut Connection, method: &str, path: &str, body: &Value) -> u16 {
    connection.ask(method, path, None, body).unwrap().status
}

/// A night's batch: a job and its clients, each noted and ended.
fn play_a_night(server: &Server, clients: usize) {
    let mut connection = Connection::open(&server.address).unwrap();
    assert_eq!(
        request(&mut connection, "POST", "/v1/runs", &json!({ "run_id": RUN })),
        201
    );
    let names: Vec<_> = (1..=clients)
        .map(|number| json!({ "client_id": format!("client-{number}") }))
        .collect();
    let path = format!("/v1/runs/{RUN}/clients");
    assert_eq!(
        request(&mut connection, "POST", &path, &json!({ "clients": names })),
        201
    );
    for number in 1..=clients {
        let path = format!("/v1/runs/{RUN}/clients/client-{number}");
        for _ in 0..3 {
            assert_eq!(
                request(&mut connection, "PATCH", &path, &json!({ "note": "half done" })),
                200
            );
        }
    }
}

fn end_the_night(server: &Server, clients: usize) {
    let mut connection = Connection::open(&server.address).unwrap();
    let ended = json!({ "status": "succeeded" });
    for number in 1..=clients {
        let path = format!("/v1/runs/{RUN}/clients/client-{number}/complete");
        assert_eq!(request(&mut connection, "POST", &path, &ended), 200);
    }
    assert_eq!(
        request(&mut connection, "POST", &format!("/v1/runs/{RUN}/complete"), &ended),
        200
    );
}

/// Every record has one row, and it says that the work is done.
fn is_shown(airtable: &Airtable, clients: usize) -> bool {
    let (jobs, of_clients) = (rows(airtable, JOBS), rows(airtable, CLIENT_RUNS));
    let all: Vec<_> = jobs.values().chain(of_clients.values()).collect();
    all.len() == clients + 1 && all.iter().all(|rows| rows.iter().all(|status| status == "Completed"))
}

fn assert_one_row_each(airtable: &Airtable) {
    for table in [JOBS, CLIENT_RUNS] {
        let several: Vec<_> = rows(airtable, table)
            .into_iter()
            .filter(|(_, rows)| rows.len() != 1)
            .collect();
        assert_eq!(several, []);
    }
    let requests = airtable.control("GET", "requests", &Value::Null);
    let refused = requests["requests"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["status"] == 429);
    assert_eq!(refused.count(), 0, "nothing was asked too often");
}

/// Every write of the night is done, and its answer lost; the server is killed in the middle of it.
#[test]
fn lost_answers_and_a_killed_server_leave_one_row_for_each_record() {
    let place = Place::new();
    let airtable = Airtable::start_with(&place, &[]);
    configure(&place, &airtable);
    let lost = json!({ "match": { "writes": true }, "cut": "connection", "after_effect": true });
    airtable.control("POST", "faults", &lost);
    let clients = 24;
    let server = place.serve();
    play_a_night(&server, clients);
    until_in(SHOWN_TIME, "the first rows", || {
        !rows(&airtable, CLIENT_RUNS).is_empty()
    });
    server.kill();
    let server = place.serve();
    end_the_night(&server, clients);
    until_in(SHOWN_TIME, "all rows", || is_shown(&airtable, clients));
    assert_one_row_each(&airtable);
    // Each was seen to be right, and nothing is left to do.
    until_in(SHOWN_TIME, "an end of all doubts", || {
        let status = &place.run(&["airtable", "status", "--json"]).expect(0).json()[0];
        status["in_doubt"] == 0 && status["waiting"] == 0 && status["sending"] == 0
    });
    assert_one_row_each(&airtable);
    assert_eq!(server.stop(), Some(0));
    place.verify();
}

/// Eight programs begin the same run at once, half of them at each of two servers over one database.
#[test]
fn programs_that_begin_one_run_at_once_at_two_servers_have_one_row() {
    let (database, places) = (database(), [Place::new(), Place::new()]);
    let airtable = Airtable::start_with(&places[0], &[]);
    for place in &places {
        configure(place, &airtable);
    }
    let servers = places.each_ref().map(|place| serve(place, &database));
    let trials = 20;
    for trial in 0..trials {
        let run = format!("race-{trial}");
        let began = thread::scope(|scope| {
            let begin = |place| {
                let (run, database) = (&run, &database);
                scope.spawn(move || on(place, database, &["job", "create", run]).code)
            };
            let programs: Vec<_> = (0..8).map(|program| begin(&places[program % 2])).collect();
            let codes = programs.into_iter().filter_map(|program| program.join().unwrap());
            codes.collect::<Vec<_>>()
        });
        assert_eq!(began.iter().filter(|code| **code == 0).count(), 1, "{began:?}");
        assert!(began.iter().all(|code| [0, 5].contains(code)), "{began:?}");
    }
    until_in(SHOWN_TIME, "all rows", || rows(&airtable, JOBS).len() == trials);
    assert_one_row_each(&airtable);
    // The one that sends goes without a word, and the other one takes over.
    let [one, other] = servers;
    one.kill();
    let mut connection = Connection::open(&other.address).unwrap();
    let ended = json!({ "status": "succeeded" });
    for trial in 0..trials {
        let path = format!("/v1/runs/race-{trial}/complete");
        assert_eq!(request(&mut connection, "POST", &path, &ended), 200);
    }
    let is_ended = || {
        let rows = rows(&airtable, JOBS);
        rows.len() == trials && rows.values().all(|statuses| *statuses == ["Completed"])
    };
    until_in(SHOWN_TIME, "the end of all", is_ended);
    assert_one_row_each(&airtable);
    assert_eq!(other.stop(), Some(0));
}

#[test]
fn whoever_waits_is_told_and_what_holds_rows_up_is_shown_and_ended() {
    let place = Place::new();
    let airtable = Airtable::start_with(&place, &[]);
    configure(&place, &airtable);
    let _server = place.serve();
    let wait = "airtable=50";
    place
        .run_as("orchestrator", &["job", "create", RUN, "--wait", wait])
        .expect(0)
        .says(&["created job record", "Airtable shows it"]);
    assert_eq!(rows(&airtable, JOBS)[RUN], ["Running"]);
    place
        .run(&["airtable", "status"])
        .expect(0)
        .says(&["working: airtable appRunLedgerDemo1", "0 set aside"]);
    // The token is taken away.
    airtable.control("PUT", "tokens", &json!([{ "token": "patOther" }]));
    place
        .run_as("orchestrator", &["complete", RUN, "--wait", wait])
        .expect(0)
        .says(&["Airtable does not show it: nothing is sent there"]);
    place
        .run(&["airtable", "status"])
        .expect(0)
        .says(&["stopped", "give a token that is valid", "1 waiting"]);
    airtable.control("PUT", "tokens", &json!([]));
    place
        .run(&["airtable", "resume"])
        .expect(0)
        .says(&["records are shown again"]);
    until_in(SHOWN_TIME, "the end", || rows(&airtable, JOBS)[RUN] == ["Completed"]);
    place
        .run(&["airtable", "retry", "--all-set-aside"])
        .expect(0)
        .says(&["nothing was set aside"]);
    place.run(&["airtable", "retry", "nowhere"]).expect(4);
    place
        .run(&["activity", "--json"])
        .expect(0)
        .says(&["resume_projection", "retry_row"]);
    // Nobody shows anything without a server.
    let other = Place::new();
    other
        .run_as("orchestrator", &["job", "create", RUN, "--wait", "airtable"])
        .expect(0)
        .says(&["shows nothing"]);
    other.run(&["airtable", "status"]).expect(1).says(&["airtable.base"]);
    configure(&other, &airtable);
    let words = ["no server runs on this ledger", "runledger serve"];
    other.run(&["airtable", "status"]).expect(1).says(&words);
}

/// A table that has rows already is somebody's: nothing is doubled before that was said.
#[test]
fn rows_that_are_there_stop_it_until_they_are_looked_for() {
    let place = Place::new();
    let airtable = Airtable::start_with(&place, &[]);
    configure(&place, &airtable);
    let path = format!("bases/appRunLedgerDemo1/tables/{JOBS}/records");
    airtable.control("POST", &path, &json!([{ "Run ID": RUN, "Status": "Running" }]));
    let server = place.serve();
    place.run_as("orchestrator", &["job", "create", RUN]).expect(0);
    until_in(SHOWN_TIME, "the stop", || {
        let status = &place.run(&["airtable", "status", "--json"]).expect(0).json()[0];
        status["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("airtable import"))
    });
    assert_eq!(server.stop(), Some(0));
    let mut program = place.program();
    program.env("RUNLEDGER_AIRTABLE__EXISTING_ROWS", "look_up");
    let _server = Server::start(&mut program);
    place
        .run_as("orchestrator", &["complete", RUN, "--wait", "airtable=50"])
        .expect(0)
        .says(&["Airtable shows it"]);
    assert_eq!(rows(&airtable, JOBS)[RUN], ["Completed"]);
}
