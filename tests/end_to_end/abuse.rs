//! What goes wrong around a server: a disk that fills up, a directory that cannot be written, thousands of connections
//! that say nothing. It answers or refuses clearly, and what it acknowledged is there afterwards.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::http::Connection;
use crate::program::{Place, Server, ran};

/// The size of the disk that fills up, in KiB.
const DISK_KIB: u32 = 3_072;
/// More creations than the small disk can hold.
const CREATIONS_MAX: u32 = 20_000;
/// How many connections say nothing, if this process may open so many.
const IDLE: u64 = 1_000;
/// How many they are in the long verification; there they must all be.
const IDLE_LONG: u64 = 10_000;
/// What this process and the server open besides.
const FILES_BESIDES: u64 = 300;

#[test]
fn a_full_disk_is_said_and_nothing_acknowledged_is_lost() {
    let place = Place::new();
    fs::create_dir_all(place.data()).unwrap();
    // A disk of its own for the data directory, in name spaces of its own: this needs no rights that a user has not.
    let program = place.program();
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg(format!(
            "mount -t tmpfs -o size={DISK_KIB}k none \"$RUNLEDGER_DATA\" && exec \"$0\" \"$@\""
        ))
        .arg(program.get_program())
        .env_clear()
        .envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null());
    let server = Server::start_logging(&mut command, Stdio::null());
    let mut connection = Connection::open(&server.address).unwrap();
    let mut acknowledged = Vec::new();
    let mut refused = None;
    let note = "x".repeat(2_000);
    for number in 0..CREATIONS_MAX {
        let run = format!("night_{number:05}");
        let body = json!({ "run_id": run, "note": note });
        let answer = connection.ask("POST", "/v1/runs", Some(&run), &body).unwrap();
        match answer.status {
            201 => acknowledged.push(run),
            status => {
                refused = Some((status, answer.body));
                break;
            }
        }
    }
    let (status, body) = refused.expect("the disk is full at some time");
    assert_eq!(status, 503, "{body}");
    assert!(!acknowledged.is_empty());
    for run in &acknowledged {
        let answer = connection
            .ask("GET", &format!("/v1/runs/{run}"), None, &json!(null))
            .unwrap();
        assert_eq!(answer.status, 200, "{run} was acknowledged");
    }
    // The disk is gone with the server, so its files are taken while it stands still.
    let pid = server.pid().to_string();
    assert!(Command::new("kill").args(["-STOP", &pid]).status().unwrap().success());
    let copy = Place::new();
    fs::create_dir_all(copy.data()).unwrap();
    let inside = format!("/proc/{pid}/root{}", place.data().display());
    for entry in fs::read_dir(inside).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("ledger.sqlite") && !name.ends_with("-shm") {
            fs::copy(&path, copy.data().join(name)).unwrap();
        }
    }
    server.kill();
    copy.verify();
    let kept: Vec<_> = copy
        .records()
        .iter()
        .map(|record| record["run_id"].as_str().unwrap().to_owned())
        .collect();
    assert!(acknowledged.iter().all(|run| kept.contains(run)));
}

#[test]
fn a_directory_that_cannot_be_written_is_refused_with_its_name() {
    let place = Place::new();
    place.run_as("orchestrator", &["job", "create", "nightly"]).expect(0);
    let read_only = fs::Permissions::from_mode(0o555);
    fs::set_permissions(place.data(), read_only).unwrap();
    // As a user without any rights beyond the permissions: the super-user would write all the same.
    let program = place.program();
    let mut command = Command::new("setpriv");
    command
        .args(["--bounding-set=-all", "--inh-caps=-all"])
        .arg(program.get_program())
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env_clear()
        .envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let refused = ran(command.stdin(Stdio::null()));
    fs::set_permissions(place.data(), fs::Permissions::from_mode(0o755)).unwrap();
    refused.expect(6).says(&[place.data().to_str().unwrap()]);
    place.verify();
}

#[test]
fn connections_that_say_nothing_hold_up_nobody() {
    let place = Place::new();
    let server = place.serve();
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let open_files: u64 = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .and_then(|line| line.split_whitespace().nth(3)?.parse().ok())
        .unwrap_or(1_024);
    let room = open_files.saturating_sub(FILES_BESIDES);
    #[expect(clippy::disallowed_methods, reason = "the long verification says so by a variable")]
    let is_long = std::env::var_os("RUNLEDGER_VERIFY").is_some_and(|how| how == "long");
    let count = if is_long { IDLE_LONG } else { IDLE.min(room) };
    assert!(
        count <= room,
        "{count} connections need more open files than {open_files}: run `ulimit -n {}` first",
        count + FILES_BESIDES
    );
    let mut idle = Vec::new();
    for number in 0..count {
        let connection = TcpStream::connect(&server.address).unwrap();
        if number % 2 == 0 {
            use std::io::Write as _;
            (&connection)
                .write_all(b"POST /v1/runs HTTP/1.1\r\nHost: local")
                .unwrap();
        }
        idle.push(connection);
    }
    let mut connection = Connection::open(&server.address).unwrap();
    for number in 0..20 {
        let run = format!("night_{number:05}");
        let answer = connection
            .ask("POST", "/v1/runs", Some(&run), &json!({ "run_id": run }))
            .unwrap();
        assert_eq!(answer.status, 201);
    }
    drop(idle);
    drop(connection);
    assert_eq!(server.stop(), Some(0));
    place.verify();
}
