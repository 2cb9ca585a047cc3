//! A server whose clock is set forward and back by a day while it works. It needs libfaketime.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::http::Connection;
use crate::program::{Place, Server, until};

/// Where Debian and its kin put it, and a place of one's own.
const LIBRARIES: &str = "/usr/lib";
const LIBRARY: &str = "faketime/libfaketime.so.1";
const RUNS: u32 = 20;

fn variable(name: &str) -> Option<std::ffi::OsString> {
    #[expect(clippy::disallowed_methods, reason = "who runs the tests says it by a variable")]
    std::env::var_os(name)
}

fn library() -> Option<PathBuf> {
    let named = variable("RUNLEDGER_TEST_FAKETIME").map(PathBuf::from);
    let entries = || fs::read_dir(LIBRARIES).into_iter().flatten().filter_map(Result::ok);
    named.or_else(|| {
        let mut places = entries().map(|entry| entry.path().join(LIBRARY));
        places.find(|path| path.exists())
    })
}

fn passes(connection: &mut Connection) -> u64 {
    let (_, page) = connection.send("GET", "/metrics", &[], "").unwrap();
    let mut lines = page.lines();
    let count = lines.find_map(|line| line.strip_prefix("runledger_sweeper_passes_total{outcome=\"ended\"} "));
    count.unwrap().parse().unwrap()
}

/// The sweeper has begun after now, and come to its end.
fn swept(connection: &mut Connection) {
    let before = passes(connection);
    until("two sweeps", || passes(connection) >= before + 2);
}

#[test]
fn a_clock_that_jumps_a_day_forward_and_back_loses_nothing_and_closes_nothing() {
    let Some(library) = library() else {
        let is_long = variable("RUNLEDGER_VERIFY").is_some_and(|how| how == "long");
        assert!(!is_long, "install libfaketime, or name it in RUNLEDGER_TEST_FAKETIME");
        eprintln!("not run: there is no libfaketime here");
        return;
    };
    let place = Place::new();
    let offset = place.beside("offset");
    let set = |text: &str| {
        // In one step: the server reads it at any time.
        fs::write(place.beside("offset.new"), text).unwrap();
        fs::rename(place.beside("offset.new"), &offset).unwrap();
    };
    set("+0");
    let mut program = place.program();
    program
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", &offset)
        .env("FAKETIME_NO_CACHE", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
        .env("RUNLEDGER_SWEEPER__INTERVAL", "1s")
        .env("RUNLEDGER_DEADLINE__GRACE", "1m");
    let server = Server::start_logging(&mut program, Stdio::null());
    let mut connection = Connection::open(&server.address).unwrap();
    let mut acknowledged = Vec::new();
    let mut begin = |connection: &mut Connection, when: &str| {
        for number in 0..RUNS {
            let run = format!("{when}-{number:03}");
            let answer = connection
                .ask("POST", "/v1/runs", Some(&run), &json!({"run_id": run}))
                .unwrap();
            assert_eq!(answer.status, 201, "{}", answer.body);
            acknowledged.push(run);
        }
        acknowledged.clone()
    };
    let note = |connection: &mut Connection, runs: &[String]| {
        for run in runs {
            let answer = connection.ask("PATCH", &format!("/v1/runs/{run}"), None, &json!({"note": "at work"}));
            assert_eq!(answer.unwrap().status, 200);
        }
    };
    let runs = begin(&mut connection, "before");
    swept(&mut connection);
    set("+1d");
    swept(&mut connection);
    note(&mut connection, &runs);
    let runs = begin(&mut connection, "ahead");
    set("-1d");
    swept(&mut connection);
    note(&mut connection, &runs);
    let runs = begin(&mut connection, "behind");
    // The same attempts, by yet another clock.
    for run in &runs {
        let answer = connection
            .ask("POST", "/v1/runs", Some(run), &json!({"run_id": run}))
            .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    swept(&mut connection);
    drop(connection);
    assert_eq!(server.stop(), Some(0));

    place.verify();
    let records = place.records();
    assert_eq!(records.len(), runs.len());
    let version = |run: &str| match run.split_once('-').unwrap().0 {
        "before" => 3,
        "ahead" => 2,
        _ => 1,
    };
    for run in &runs {
        let record = records.iter().find(|record| record["run_id"] == **run).unwrap();
        assert_eq!(record["version"], version(run), "{record}");
        assert_eq!(record["ended_at"], Value::Null, "{record}");
    }
}
