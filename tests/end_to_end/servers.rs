//! Who holds the data directory: one server, or one command at a time; and what is left of one that is gone.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::thread;

use serde_json::{Value, json};

use crate::http::Connection;
use crate::program::{Place, Server, until};

#[test]
fn a_second_server_is_refused_and_the_first_one_named() {
    let place = Place::new();
    let server = place.serve();
    place
        .run(&["serve", "--listen", "127.0.0.1:0"])
        .expect(6)
        .says(&[&format!("process {}", server.pid()), &server.address]);
    // The first one is none the worse.
    place.run_as("orchestrator", &["job", "create", "nightly"]).expect(0);
}

#[test]
fn an_address_that_is_taken_or_open_to_others_is_refused() {
    let place = Place::new();
    let other = Place::new();
    let server = other.serve();
    place
        .run(&["serve", "--listen", &server.address])
        .expect(6)
        .says(&["cannot listen", "--listen"]);
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:7420"] {
        place.run(&["serve", "--listen", address]).expect(2).says(&["loopback"]);
    }
    place.run(&["serve", "--listen", "localhost"]).expect(2);
}

#[test]
fn the_server_says_where_it_is_and_cleans_up() {
    let place = Place::new();
    let server = place.serve();
    let path = place.data().join("server.json");
    let info: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(info["pid"], server.pid());
    assert_eq!(info["url"], format!("http://{}", server.address));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(server.stop(), Some(0));
    assert!(!path.exists());
    // Closed in order: the log file of SQLite is folded in and gone.
    assert!(!place.data().join("ledger.sqlite-wal").exists());
}

#[test]
fn what_a_killed_server_leaves_behind_stops_nobody() {
    let place = Place::new();
    let server = place.serve();
    place.run_as("orchestrator", &["job", "create", "nightly"]).expect(0);
    server.kill();
    assert!(place.data().join("server.json").exists());
    // A command opens the ledger itself.
    place.run(&["get", "nightly"]).expect(0);
    place.run_as("orchestrator", &["heartbeat", "nightly"]).expect(0);
    // A new server takes over.
    let server = place.serve();
    let info: Value = serde_json::from_slice(&fs::read(place.data().join("server.json")).unwrap()).unwrap();
    assert_eq!(info["pid"], server.pid());
    place
        .run_as("orchestrator", &["heartbeat", "nightly"])
        .expect(0)
        .says(&["version 3"]);
    place.verify();
}

#[test]
fn a_server_finishes_what_it_accepted() {
    let place = Place::new();
    let server = place.serve();
    let mut connection = Connection::open(&server.address).unwrap();
    let created = connection
        .ask("POST", "/v1/runs", Some("k1"), &json!({"run_id": "nightly"}))
        .unwrap();
    assert_eq!(created.status, 201);
    let address = server.address.clone();
    // Whatever is answered while the server ends was done; whatever is cut off can be asked about again.
    let writer = thread::spawn(move || {
        let mut acknowledged = 0_u32;
        let mut connection = Connection::open(&address).unwrap();
        for _ in 0..100_000 {
            let beat = connection.ask("POST", "/v1/runs/nightly/heartbeat", None, &json!({}));
            match beat {
                Ok(answer) if answer.status == 200 => acknowledged += 1,
                Ok(answer) => panic!("{answer:?}"),
                Err(_) => return acknowledged,
            }
        }
        acknowledged
    });
    until("some heartbeats", || {
        let answer = connection.ask("GET", "/v1/runs/nightly", None, &json!({}));
        answer.is_ok_and(|answer| answer.body["version"].as_u64().unwrap() > 20)
    });
    drop(connection);
    assert_eq!(server.stop(), Some(0));
    let acknowledged = u64::from(writer.join().unwrap());
    let version = place.run(&["get", "nightly", "--json"]).expect(0).json()[0]["version"]
        .as_u64()
        .unwrap();
    assert!(
        version == acknowledged + 1 || version == acknowledged + 2,
        "{version} {acknowledged}"
    );
    place.verify();
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let place = Place::new();
    let server = place.serve();
    place.run_as("orchestrator", &["job", "create", "nightly"]).expect(0);
    // A request whose body never comes to its end keeps the server waiting.
    let mut unfinished = TcpStream::connect(&server.address).unwrap();
    let head = "POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nRunledger-Source: orchestrator\r\n\
                Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    unfinished.write_all(head.as_bytes()).unwrap();
    // Answered after it, so the server has the unfinished one too.
    Connection::open(&server.address)
        .unwrap()
        .ask("GET", "/v1/runs/nightly", None, &json!({}))
        .unwrap();
    server.tell_to_end();
    until("the server to accept nothing more", || {
        TcpStream::connect(&server.address).is_err()
    });
    // A command that comes now waits for the ledger instead of failing at the closed door.
    let mut waiting = place
        .program()
        .args(["get", "nightly"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    server.tell_to_end();
    assert_eq!(server.ended(), Some(130));
    assert!(waiting.wait().unwrap().success());
    place.verify();
}

#[test]
fn the_log_has_one_json_line_for_each_operation() {
    let place = Place::new();
    let path = place.beside("log");
    let server = Server::start_logging(&mut place.program(), fs::File::create(&path).unwrap());
    place.run_as("orchestrator", &["job", "create", "nightly"]).expect(0);
    place.run_as("lead_scoring", &["heartbeat", "nowhere"]).expect(4);
    assert_eq!(server.stop(), Some(0));
    let log = fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |key: &str| lines.iter().filter(|line| line["run.key"] == key).collect::<Vec<_>>();
    let [created] = of("nightly")[..] else { panic!("{log}") };
    assert_eq!(created["source"], "orchestrator");
    assert_eq!(created["outcome"], "created");
    assert!(created["duration_us"].is_u64());
    assert_eq!(of("nowhere")[0]["outcome"], "not_found");
    // RUST_LOG is stronger than the configuration.
    let server = Server::start_logging(
        place.program().env("RUST_LOG", "warn"),
        fs::File::create(&path).unwrap(),
    );
    place.run_as("orchestrator", &["heartbeat", "nightly"]).expect(0);
    assert_eq!(server.stop(), Some(0));
    let log = fs::read_to_string(&path).unwrap();
    assert!(
        log.lines()
            .all(|line| line.contains("\"WARN\"") && !line.contains("nightly")),
        "{log}"
    );
}

#[test]
fn commands_at_the_same_time_wait_for_each_other() {
    let place = Place::new();
    place.run_as("orchestrator", &["job", "create", "nightly"]).expect(0);
    let children: Vec<_> = (0..5)
        .map(|index| {
            let client = format!("client-{index}");
            place
                .program()
                .args(["client", "create", "nightly", &client, "--source", "batch_process"])
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(place.records().len(), 6);
    place.verify();
}

#[test]
fn a_race_of_commands_has_one_winner() {
    let place = Place::new();
    let children: Vec<_> = (0..4)
        .map(|_| {
            let mut program = place.program();
            program.args(["job", "create", "nightly", "--source", "orchestrator"]);
            program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    let codes = children
        .into_iter()
        .map(|mut child| child.wait().unwrap().code().unwrap());
    let mut codes: Vec<_> = codes.collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 5, 5, 5]);
    place.verify();
}

#[test]
fn the_server_sweeps_by_itself() {
    let place = Place::new();
    let mut program = place.program();
    program
        .env("RUNLEDGER_SWEEPER__INTERVAL", "1s")
        .env("RUNLEDGER_DEADLINE__GRACE", "0s");
    let _server = Server::start(&mut program);
    place
        .run_as("orchestrator", &["job", "create", "nightly", "--deadline-after", "1s"])
        .expect(0);
    until("the sweep", || {
        place.run(&["get", "nightly", "--json"]).expect(0).json()[0]["status"] == "lost"
    });
}

#[test]
fn a_ledger_that_is_none_is_left_alone() {
    let place = Place::new();
    let path = place.data().join("ledger.sqlite");
    crate::program::write(&path, "this is no database, however long one looks at it");
    let before = fs::read(&path).unwrap();
    place.run_as("orchestrator", &["job", "create", "nightly"]).expect(6);
    place.run(&["serve", "--listen", "127.0.0.1:0"]).expect(6);
    place.run(&["verify"]).expect(6);
    assert_eq!(fs::read(&path).unwrap(), before);
}
