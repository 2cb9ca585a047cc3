//! Several servers over one PostgreSQL database: each is a process of its own, and any may go.

use std::process::{Command, Stdio};
use std::thread;

use runledger_postgres_bed::{Options, Server as Database};
use serde_json::json;

use crate::compat::call;
use crate::http::Connection;
use crate::program::{Place, Ran, Server, ran, until};
use crate::receiver::{Answer, Receiver};
use crate::webhooks::{attempt, configure};

/// A database server, with a ledger in it.
pub(crate) fn database() -> Database {
    let database = empty_database();
    on(&Place::new(), &database, &["db", "migrate"])
        .expect(0)
        .says(&["was made"]);
    database
}

fn empty_database() -> Database {
    let options = Options {
        fsync: true,
        settings: Vec::new(),
    };
    Database::start(&options).unwrap_or_else(|error| panic!("{error}"))
}

/// The program, with its ledger in the database.
pub(crate) fn program(place: &Place, database: &Database) -> Command {
    program_at(place, &database.url("postgres", "postgres:hidden-word"))
}

/// The program, with its ledger in the database of this address.
pub(crate) fn program_at(place: &Place, url: &str) -> Command {
    let mut program = place.program();
    program
        .env("RUNLEDGER_STORE__KIND", "postgres")
        .env("RUNLEDGER_POSTGRES__URL", url)
        .env("RUNLEDGER_POSTGRES__WRITE_TIME", "4s")
        .env("RUNLEDGER_POSTGRES__READ_TIME", "4s")
        .env("RUNLEDGER_DUTIES__TIME", "2s")
        .env("RUNLEDGER_SOURCE", "orchestrator");
    program
}

pub(crate) fn on(place: &Place, database: &Database, arguments: &[&str]) -> Ran {
    ran(program(place, database).args(arguments))
}

pub(crate) fn serve(place: &Place, database: &Database) -> Server {
    Server::start(&mut program(place, database))
}

fn status(server: &Server, method: &str, path: &str) -> u16 {
    let asked = Connection::open(&server.address).and_then(|mut open| open.ask(method, path, None, &json!({})));
    asked.map_or(0, |answer| answer.status)
}

#[test]
fn of_many_creators_at_two_servers_one_creates() {
    let (database, places) = (database(), [Place::new(), Place::new()]);
    let servers = places.each_ref().map(|place| serve(place, &database));
    for round in 0..8 {
        let callers: Vec<_> = (0..32)
            .map(|caller| {
                let address = servers[caller % 2].address.clone();
                thread::spawn(move || {
                    let mut open = Connection::open(&address).unwrap();
                    let run = json!({"run_id": format!("race-{round}")});
                    open.ask("POST", "/v1/runs", Some(&format!("attempt-{caller}")), &run)
                        .unwrap()
                        .status
                })
            })
            .collect();
        let mut answers: Vec<u16> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        answers.sort_unstable();
        assert_eq!(
            answers.iter().filter(|status| **status == 201).count(),
            1,
            "{answers:?}"
        );
        assert_eq!(
            answers.iter().filter(|status| **status == 409).count(),
            31,
            "{answers:?}"
        );
    }
    // One server goes without a word, and the other knows all that was answered.
    let [one, other] = servers;
    one.kill();
    for round in 0..8 {
        assert_eq!(status(&other, "GET", &format!("/v1/runs/race-{round}")), 200);
    }
    assert_eq!(other.stop(), Some(0));
    on(&places[0], &database, &["verify"])
        .expect(0)
        .says(&["8 records", "nothing is wrong"]);
}

#[test]
fn a_database_that_is_away_is_said_to_be_and_comes_back_by_itself() {
    let (mut database, place) = (database(), Place::new());
    let server = serve(&place, &database);
    on(&place, &database, &["job", "create", "nightly"]).expect(0);
    assert_eq!(status(&server, "GET", "/readyz"), 200);
    database.kill().unwrap();
    assert_eq!(status(&server, "GET", "/readyz"), 503);
    assert_eq!(status(&server, "GET", "/v1/runs/nightly"), 503);
    assert_eq!(status(&server, "GET", "/v1/runs/absent"), 503, "doubt is never absence");
    assert_eq!(status(&server, "POST", "/v1/runs/nightly/heartbeat"), 503);
    assert_eq!(status(&server, "GET", "/livez"), 200);
    database.run().unwrap();
    until("the server to be ready again", || {
        status(&server, "GET", "/readyz") == 200
    });
    until("the server to write again", || {
        status(&server, "POST", "/v1/runs/nightly/heartbeat") == 200
    });
    assert_eq!(server.stop(), Some(0));
}

/// Where a webhook is in the log is known to whoever takes over.
#[test]
fn a_webhook_goes_on_at_another_server_where_the_lost_one_was() {
    let (database, places) = (database(), [Place::new(), Place::new()]);
    let receiver = Receiver::start(|number| if number == 2 { Answer::Fail } else { Answer::Take });
    for (place, from) in places.iter().zip([0, 16]) {
        configure(
            place,
            &[("steady", receiver.port, "allow_private = true\nrefused = \"with\"")],
        );
        let server = serve(place, &database);
        until("the webhook", || {
            on(place, &database, &["webhook", "list"]).out.contains("steady")
        });
        attempt(&server.address, from, 16);
        until("a delivery of this round", || receiver.taken().len() > from + 3);
        server.kill();
    }
    let server = serve(&places[0], &database);
    until("all lines", || receiver.taken().len() >= 32);
    let numbers: Vec<_> = receiver
        .taken()
        .iter()
        .map(|delivery| delivery.body["data"]["seq"].clone())
        .collect();
    assert_eq!(json!(numbers), json!((1..=32).collect::<Vec<_>>()), "in order");
    on(&places[0], &database, &["webhook", "enable", "steady"]).expect(0);
    on(&places[0], &database, &["verify", "--json"])
        .expect(0)
        .says(&["\"clean\":true"]);
    assert_eq!(server.stop(), Some(0));
}

/// The functions of the older services, over a database: the server that was called is lost, and another one knows.
#[test]
fn the_older_functions_go_on_at_another_server() {
    let (database, places) = (database(), [Place::new(), Place::new()]);
    let servers = places.each_ref().map(|place| serve(place, &database));
    let key = |key| [("Idempotency-Key", key)];
    let job = json!(["250925-231841", 1, {"source": "orchestrator"}]);
    let first = call(&servers[0], "createJobRecord", &key("job-1"), &job).expect(201, "");
    let client = json!(["250925-231841", "acme", "Acme", {"source": "orchestrator"}]);
    call(&servers[1], "createClientRunRecord", &key("client-1"), &client).expect(201, "");
    let note = json!(["250925-231841", "acme", {"System Notes": "seen once"}, {"source": "post_scoring"}]);
    call(&servers[0], "updateRunRecord", &key("update-1"), &note).expect(200, "");
    let [one, other] = servers;
    one.kill();
    let again = call(&other, "createJobRecord", &key("job-1"), &job).expect(200, "");
    assert_eq!(again.json["id"], first.json["id"]);
    call(&other, "createJobRecord", &key("job-2"), &job).expect(409, "already exists for 250925-231841");
    let row = call(&other, "updateRunRecord", &key("update-1"), &note).expect(200, "");
    let notes = row.json["fields"]["System Notes"].as_str().unwrap();
    assert_eq!(notes.matches("seen once").count(), 1, "{notes}");
    let done = json!(["250925-231841", "acme", "Completed", "", {"source": "orchestrator"}]);
    call(&other, "completeRunRecord", &key("end-1"), &done).expect(200, "");
    let unknown = json!(["250925-231841", "globex", {"Status": "Running"}, {"source": "post_scoring"}]);
    call(&other, "updateRunRecord", &key("update-2"), &unknown).expect(404, "Cannot update");
    let refused = on(&places[1], &database, &["activity", "--refused", "--json"])
        .expect(0)
        .json();
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert_eq!(other.stop(), Some(0));
    on(&places[0], &database, &["verify"])
        .expect(0)
        .says(&["2 records", "nothing is wrong"]);
}

#[test]
fn a_ledger_is_made_by_a_command_and_used_by_all_without_a_server() {
    let (database, place) = (empty_database(), Place::new());
    on(&place, &database, &["db", "check"])
        .expect(4)
        .says(&["runledger db migrate"]);
    on(&place, &database, &["serve", "--listen", "127.0.0.1:0"])
        .expect(4)
        .says(&["runledger db migrate"]);
    on(&place, &database, &["db", "migrate", "--months", "2"])
        .expect(0)
        .says(&["was made", "partition"]);
    on(&place, &database, &["db", "migrate"]).expect(0).says(&["newest"]);
    on(&place, &database, &["db", "check"]).expect(0).says(&["can be used"]);
    on(&place, &database, &["db", "roles"])
        .expect(0)
        .says(&["runledger_changer"]);
    on(&place, &database, &["job", "create", "nightly"]).expect(0);
    let elsewhere = Place::new();
    on(&elsewhere, &database, &["get", "nightly"]).expect(0);
    on(&elsewhere, &database, &["job", "create", "nightly"]).expect(5);
    on(&elsewhere, &database, &["sweep"]).expect(0);
    on(&elsewhere, &database, &["token", "create", "night", "--scope", "read"]).expect(0);
    on(&place, &database, &["verify", "--json"])
        .expect(0)
        .says(&["\"clean\":true"]);
    assert!(!place.data().join("ledger.sqlite").exists());
}

/// A schema that does not fit stays so until somebody does something: nothing waits for it.
#[test]
fn a_server_refuses_a_schema_that_does_not_fit_at_once() {
    let (database, place) = (database(), Place::new());
    for (schema, advice) in [(1, "runledger db migrate"), (99, "newer program")] {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let url = database.url("postgres", "postgres");
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            let set = format!("UPDATE schema_version SET version = {schema}, serves_from = {schema}");
            client.batch_execute(&set).await.unwrap();
        });
        let refused = on(&place, &database, &["serve", "--listen", "127.0.0.1:0"])
            .expect(6)
            .says(&[advice]);
        assert!(!refused.err.contains("trying again"), "{refused:#?}");
    }
}

/// So does a database that never lets this user in, or that is not there.
#[test]
fn a_server_that_is_refused_for_good_ends_at_once() {
    let (database, place) = (database(), Place::new());
    for (url, advice) in [
        (database.url("postgres", "nobody_known"), "user and password"),
        (database.url("nowhere", "postgres"), "CREATE DATABASE"),
    ] {
        let refused = ran(program_at(&place, &url).args(["serve", "--listen", "127.0.0.1:0"]));
        assert!(!refused.err.contains("trying again"), "{refused:#?}");
        refused.expect(6).says(&[advice]);
    }
}

/// A database that is not reached yet is waited for.
#[test]
fn a_server_that_starts_before_its_database_waits_for_it() {
    let (mut database, place) = (database(), Place::new());
    database.kill().unwrap();
    let log = place.beside("log");
    let mut waiting = program(&place, &database);
    let said = std::fs::File::create(&log).unwrap();
    let serving = thread::spawn(move || Server::start_logging(&mut waiting, said));
    until("the server to try again", || {
        std::fs::read_to_string(&log).unwrap().contains("trying again")
    });
    database.run().unwrap();
    let server = serving.join().unwrap();
    assert_eq!(status(&server, "GET", "/readyz"), 200);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn nobody_is_shown_the_address_of_the_database() {
    let (database, place) = (empty_database(), Place::new());
    for arguments in [&["config", "show"][..], &["config", "show", "--json"], &["db", "check"]] {
        let shown = on(&place, &database, arguments);
        assert!(!format!("{shown:?}").contains("hidden-word"), "{shown:#?}");
    }
    let wrong = ran(place
        .program()
        .env("RUNLEDGER_STORE__KIND", "postgres")
        .env("RUNLEDGER_POSTGRES__URL", "postgres://u:hidden-word@db:hidden-word/x")
        .arg("list"));
    assert!(!format!("{wrong:?}").contains("hidden-word"), "{wrong:#?}");
    wrong.expect(2).says(&["postgres.url"]);
    let away = ran(program(&place, &database)
        .env("RUNLEDGER_POSTGRES__URL", "postgres://u:hidden-word@127.0.0.1:1/x")
        .arg("list"));
    assert!(!format!("{away:?}").contains("hidden-word"), "{away:#?}");
    away.expect(6).says(&["postgres.url names it"]);
    let missing = ran(place.program().env("RUNLEDGER_STORE__KIND", "postgres").arg("list"));
    missing.expect(2).says(&["RUNLEDGER_POSTGRES__URL"]);
    let mut logging = program(&place, &database);
    let served = logging
        .env("RUNLEDGER_LOG__LEVEL", "trace")
        .args(["serve", "--listen", "127.0.0.1:0"])
        .stderr(Stdio::piped());
    let said = ran(served);
    assert!(!format!("{said:?}").contains("hidden-word"));
}
