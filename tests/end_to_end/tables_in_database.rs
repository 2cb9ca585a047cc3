//! Tables at Airtable of a ledger in a database, by the commands that go over all of them: with no server, with one, and with
//! two, of which one shows.

use std::fs;

use runledger_postgres_bed::Server as Database;
use serde_json::{Value, json};

use crate::gateway::Airtable;
use crate::http::Connection;
use crate::postgres::{database, on, serve};
use crate::program::{Place, Server, until_in};
use crate::tables::{
    CLIENT_RUNS, JOBS, RUN, SHOWN_TIME, add, configure, counts, harm, row, row_of, rows, shown_clients, start, told,
};

/// What an `airtable` command says, one object a line.
fn asked(place: &Place, database: &Database, arguments: &[&str], code: i32) -> Vec<Value> {
    let words = [&["airtable"], arguments, &["--json"]].concat();
    on(place, database, &words).expect(code).json()
}

/// Waits until a comparison finds this and no more, with so many records in step.
fn until_found(place: &Place, database: &Database, expected: &[&str], in_step: u64) {
    until_in(SHOWN_TIME, "a comparison", || {
        let lines = on(place, database, &["airtable", "reconcile", "--json"]).json();
        told(&lines) == expected && counts(&lines)["in_step"] == in_step
    });
}

fn note(server: &Server, client: &str) {
    let path = format!("/v1/runs/{RUN}/clients/{client}");
    let mut connection = Connection::open(&server.address).unwrap();
    let noted = connection.ask("PATCH", &path, None, &json!({ "note": "half done" }));
    assert_eq!(noted.unwrap().status, 200);
}

/// Rows of the older system: a job, 120 clients, and one client with two rows.
fn older_rows(airtable: &Airtable) {
    add(airtable, JOBS, &json!([{ "Run ID": RUN, "Status": "Running" }]));
    let client = |id: String| json!({ "Run ID": format!("{RUN}-{id}"), "Client ID": id, "Status": "Running", "Progress Log": "by hand" });
    let mut clients: Vec<_> = (0..120).map(|n| client(format!("c{n}"))).collect();
    clients.extend([client("Ann".into()), client("Ann".into())]);
    add(airtable, CLIENT_RUNS, &json!(clients));
}

#[test]
fn rows_that_were_there_are_taken_over_into_a_database_and_none_is_made_a_second_time() {
    let (database, place, other) = (database(), Place::new(), Place::new());
    let airtable = start(&place);
    configure(&other, &airtable);
    older_rows(&airtable);
    asked(&place, &database, &["check"], 0);
    let report = place.beside("report");
    let import = ["import", "--report", report.to_str().unwrap()];
    let dry = asked(&place, &database, &[&import[..], &["--dry-run"]].concat(), 0).remove(0);
    assert_eq!(
        (&dry["would_create"], &dry["clients"]["duplicate"]),
        (&json!(122), &json!(1))
    );
    // A server over the database shows nothing until the rows are known, and they are not learnt behind its back.
    let server = serve(&other, &database);
    until_in(SHOWN_TIME, "a reason", || {
        let status = asked(&other, &database, &["status"], 0);
        status[0].to_string().contains("runledger airtable import")
    });
    on(&place, &database, &["airtable", "import"]).expect(3).says(&[
        "shows the records of this ledger",
        "stop the servers over this database",
    ]);
    assert_eq!(
        on(&place, &database, &["list", "--all", "--json"]).expect(0).json(),
        Vec::<Value>::new()
    );
    assert_eq!(server.stop(), Some(0));
    for time in 0..2 {
        let done = asked(&place, &database, &import, 0).remove(0);
        let names = ["created_now", "rows_adopted", "rows_known", "records_with_several_rows"];
        let numbers = names.map(|name| done[name].as_u64().unwrap());
        assert_eq!(numbers, if time == 0 { [122, 121, 0, 1] } else { [0, 0, 121, 1] });
    }
    let lines = fs::read_to_string(report.join("airtable.csv")).unwrap();
    assert_eq!(lines.lines().count(), 1 + 1 + 122);
    let before = rows(&airtable, CLIENT_RUNS);
    let server = serve(&other, &database);
    note(&server, "c7");
    until_in(SHOWN_TIME, "the row", || {
        row_of(&airtable, "c7")["fields"]["System Notes"].is_string()
    });
    let id = |client: &str| before.iter().find(|row| row["fields"]["Client ID"] == client).unwrap()["id"].clone();
    assert_eq!(row_of(&airtable, "c7")["id"], id("c7"));
    // All others are as people left them.
    assert_eq!(row_of(&airtable, "c8")["fields"]["Progress Log"], "by hand");
    assert_eq!(shown_clients(&airtable), before.len());
    on(
        &other,
        &database,
        &["airtable", "repair", "--duplicates", "--keep", "earliest"],
    )
    .expect(0)
    .says(&["Ann", "deleted"]);
    assert_eq!(server.stop(), Some(0));
    assert_eq!(asked(&place, &database, &["removed"], 0).len(), 1);
    on(&place, &database, &["verify"]).expect(0).says(&["nothing is wrong"]);
}

/// A job of 150 clients, all of them shown.
fn shown(place: &Place, database: &Database, airtable: &Airtable, server: &Server) {
    let mut connection = Connection::open(&server.address).unwrap();
    let clients: Vec<_> = (0..150).map(|n| json!({ "client_id": format!("c{n:03}") })).collect();
    for (path, body) in [
        ("/v1/runs".to_owned(), json!({ "run_id": RUN })),
        (format!("/v1/runs/{RUN}/clients"), json!({ "clients": clients })),
    ] {
        assert_eq!(connection.ask("POST", &path, None, &body).unwrap().status, 201);
    }
    until_in(SHOWN_TIME, "all rows", || shown_clients(airtable) == 150);
    until_found(place, database, &[], 151);
}

#[test]
fn what_people_do_to_rows_is_found_and_put_right_whichever_server_is_asked() {
    let (database, showing, beside) = (database(), Place::new(), Place::new());
    let airtable = start(&showing);
    configure(&beside, &airtable);
    let server = serve(&showing, &database);
    let duty = |place: &Place| {
        let duties = on(place, &database, &["duties", "--json"]).expect(0).json();
        duties.into_iter().find(|duty| duty["duty"] == "project")
    };
    until_in(SHOWN_TIME, "one that shows", || duty(&showing).is_some());
    let second = serve(&beside, &database);
    shown(&beside, &database, &airtable, &second);
    let copied = row_of(&airtable, "c003");
    harm(&airtable, &copied);
    let expected = ["drifted c002", "duplicated c003", "extra nobody", "missing c001"];
    for place in [&showing, &beside] {
        asked(place, &database, &["check"], 0);
        assert_eq!(told(&asked(place, &database, &["reconcile"], 1)), expected);
    }
    // To put right is a line of the log, which the server that shows follows.
    assert_eq!(told(&asked(&beside, &database, &["reconcile", "--apply"], 1)), expected);
    until_found(&beside, &database, &["duplicated c003", "extra nobody"], 150);
    let repair = ["airtable", "repair", "--duplicates", "--keep", "earliest"];
    on(&beside, &database, &repair)
        .expect(3)
        .says(&[&format!(":{} keeps the rows in step", server.pid())]);
    assert_eq!(shown_clients(&airtable), 152, "nothing was deleted");
    assert_eq!(server.stop(), Some(0));
    // The other one takes the duty over, and may delete.
    until_in(SHOWN_TIME, "the surplus row to go", || {
        on(&beside, &database, &repair).code == Some(0)
    });
    assert_eq!(row_of(&airtable, "c003")["id"], copied["id"]);
    until_found(&beside, &database, &["extra nobody"], 151);
    assert_eq!(second.stop(), Some(0));
    // And without any server.
    let all = rows(&airtable, CLIENT_RUNS);
    let stranger = all.iter().find(|row| row["fields"]["Run ID"] == "who knows").unwrap();
    row("DELETE", &airtable, &stranger["id"], &Value::Null);
    assert_eq!(
        told(&asked(&beside, &database, &["reconcile"], 0)),
        Vec::<String>::new()
    );
    let removed = asked(&showing, &database, &["removed"], 0);
    assert_eq!((removed.len(), &removed[0]["client_id"]), (1, &json!("c003")));
    on(&beside, &database, &["verify"])
        .expect(0)
        .says(&["nothing is wrong"]);
}
