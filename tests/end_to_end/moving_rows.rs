//! A ledger that moves, and its rows at Airtable: wherever it is kept, each record has one row, also when somebody forgets to
//! say that there are rows already, and when the ledger comes back to where it was (I14).

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use runledger_postgres_bed::Server as Database;
use serde_json::{Value, json};

use crate::gateway::Airtable;
use crate::postgres::{database, program};
use crate::program::{Place, Ran, Server, ran, until_in};

const CLIENT_RUNS: &str = "tblClientRunRes01";
const RUN: &str = "250925-231841";
const LOOK_UP: (&str, &str) = ("RUNLEDGER_AIRTABLE__EXISTING_ROWS", "look_up");
/// How long rows may take on a machine that is busy.
const SHOWN_TIME: Duration = Duration::from_mins(2);

/// Where the ledger is kept.
struct Home<'a> {
    place: Place,
    database: Option<&'a Database>,
}

impl<'a> Home<'a> {
    /// A home that shows its records there, from the first one that changes.
    fn before(airtable: &Airtable, database: Option<&'a Database>) -> Self {
        let place = Place::new();
        let more = r#"
            from = "now"
            base_rate = 500.0
            token_rate = 500.0
            gather = "0s"
            gather_progress = "0s"
            fill = "0s"
            quiet = "1s"
            "#;
        airtable.is_shown_by(&place, more);
        Self { place, database }
    }

    fn program(&self) -> Command {
        self.database
            .map_or_else(|| self.place.program(), |database| program(&self.place, database))
    }

    fn run(&self, words: &[&str]) -> Ran {
        ran(self.program().env("RUNLEDGER_SOURCE", "orchestrator").args(words))
    }

    /// A server that has begun to show records.
    fn serve(&self, settings: &[(&str, &str)]) -> Server {
        let server = Server::start(self.program().envs(settings.iter().copied()));
        until_in(SHOWN_TIME, "the beginning", || self.status()["status"] == "working");
        server
    }

    fn status(&self) -> Value {
        self.run(&["airtable", "status", "--json"]).expect(0).json().remove(0)
    }

    /// Takes over what there is since this line, from a file; answers the line where it ends.
    fn take_over(&self, from: &Home<'_>, after: u64) -> u64 {
        let file = self.place.beside(&format!("from-{after}.jsonl")).display().to_string();
        let after = after.to_string();
        from.run(&["export", "--format", "ledger", "--after", &after, "--out", &file])
            .expect(0);
        let taken = self.run(&["import", "ledger", &file, "--json"]).expect(0).json();
        taken[0]["to"].as_u64().unwrap()
    }

    /// The server shows nothing, and says what to do.
    fn shows_nothing(&self) {
        let server = Server::start(&mut self.program());
        until_in(SHOWN_TIME, "a reason", || {
            self.status()["reason"]
                .as_str()
                .is_some_and(|why| why.contains("look_up"))
        });
        assert_eq!(server.stop(), Some(0));
    }

    /// Changes or creates the record of a client, and waits for its row.
    fn shown(&self, words: &[&str]) {
        self.run(&[words, &["--wait", "airtable=50"]].concat())
            .expect(0)
            .says(&["Airtable shows it"]);
    }
}

/// The rows of each client: their ids.
fn rows(airtable: &Airtable) -> BTreeMap<String, Vec<String>> {
    let path = format!("bases/appRunLedgerDemo1/tables/{CLIENT_RUNS}/records");
    let shown = airtable.control("GET", &path, &Value::Null);
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in shown["records"].as_array().unwrap() {
        let client = row["fields"]["Client ID"].as_str().unwrap().to_owned();
        rows.entry(client)
            .or_default()
            .push(row["id"].as_str().unwrap().to_owned());
    }
    rows
}

/// Each of these clients has one row, the one that it had before if it had any.
fn one_row_each(airtable: &Airtable, before: &BTreeMap<String, Vec<String>>, clients: &[&str]) {
    let now = rows(airtable);
    assert_eq!(now.keys().collect::<Vec<_>>(), clients);
    for (client, ids) in &now {
        assert_eq!(ids.len(), 1, "{client} has {ids:?}");
        assert!(
            before.get(client).is_none_or(|before| before == ids),
            "{client}: {before:?} {now:?}"
        );
    }
}

#[test]
fn a_ledger_that_moves_and_comes_back_has_one_row_for_each_record() {
    let fake = Place::new();
    let airtable = Airtable::start_with(&fake, &[]);
    let much = json!({ "base_requests": 100_000, "token_requests": 100_000 });
    airtable.control("PATCH", "settings", &much);
    let database = database();
    let (first, second) = (Home::before(&airtable, None), Home::before(&airtable, Some(&database)));

    let server = first.serve(&[]);
    first.shown(&["job", "create", RUN]);
    for client in ["ann", "ben", "cai"] {
        first.shown(&["client", "create", RUN, client]);
    }
    assert_eq!(server.stop(), Some(0));
    let before = rows(&airtable);
    one_row_each(&airtable, &before, &["ann", "ben", "cai"]);

    // In the database nothing is known of rows. Whoever forgets to say that there are some makes none.
    let moved = second.take_over(&first, 0);
    second.shows_nothing();
    one_row_each(&airtable, &before, &["ann", "ben", "cai"]);
    let server = second.serve(&[LOOK_UP]);
    second.shown(&["note", RUN, "ann", "in the database"]);
    second.shown(&["client", "create", RUN, "dan"]);
    assert_eq!(server.stop(), Some(0));
    // It was said once: rows that are met later are looked for as well.
    let server = second.serve(&[]);
    second.shown(&["note", RUN, "ben", "in the database"]);
    assert_eq!(server.stop(), Some(0));
    one_row_each(&airtable, &before, &["ann", "ben", "cai", "dan"]);

    // The first home knows rows, but not all: it asks again, too.
    let before = rows(&airtable);
    first.take_over(&second, moved);
    first.shows_nothing();
    let server = first.serve(&[LOOK_UP]);
    for client in ["ann", "ben", "cai", "dan"] {
        first.shown(&["note", RUN, client, "back again"]);
    }
    first.shown(&["client", "create", RUN, "eva"]);
    assert_eq!(server.stop(), Some(0));
    one_row_each(&airtable, &before, &["ann", "ben", "cai", "dan", "eva"]);
    first.place.verify();
}
