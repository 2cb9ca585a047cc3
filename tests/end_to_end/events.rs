//! Events: whoever follows the log ends with exactly the log, whatever is cut, killed and started again in between.

use std::fs::{self, File};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::Connection;
use crate::program::{Place, Server, until};

/// How many times the server is killed or told to end.
const ROUNDS: u64 = 4;
const WRITERS: u64 = 3;
/// How many attempts are made in each round.
const ATTEMPTS: u64 = 150;
/// The whole log.
const ALL: &str = "after=0&refused=true";
/// How long the other side may say nothing: longer than the keep-alive of a server.
const SILENCE: Duration = Duration::from_secs(40);

/// A reader that is cut off now and then, and keeps nothing but the last id.
#[derive(Default)]
struct Reader {
    last_id: Option<String>,
    events: Vec<Value>,
    cuts: u64,
}

impl Reader {
    /// Reads until so many bytes came, `enough` says so, or the server is gone.
    fn read(&mut self, address: &str, parameters: &str, bytes: usize, enough: impl Fn() -> bool) {
        let Ok(mut stream) = TcpStream::connect(address) else {
            return;
        };
        stream.set_read_timeout(Some(SILENCE)).unwrap();
        let last = self.last_id.as_ref();
        let last = last.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        // In the older version of the protocol an answer ends with its connection, and is not in chunks.
        let request = format!("GET /v1/events?{parameters} HTTP/1.0\r\nHost: localhost\r\n{last}\r\n");
        if stream.write_all(request.as_bytes()).is_err() {
            return;
        }
        let mut unread = Vec::new();
        let mut left = bytes;
        let mut in_head = true;
        while left > 0 && !enough() {
            let mut buffer = [0; 512];
            let room = left.min(buffer.len());
            let Ok(count @ 1..) = stream.read(&mut buffer[..room]) else {
                return;
            };
            left -= count;
            unread.extend_from_slice(&buffer[..count]);
            if in_head {
                let Some(end) = unread.windows(4).position(|window| window == b"\r\n\r\n") else {
                    continue;
                };
                assert!(
                    unread.starts_with(b"HTTP/1.0 200 "),
                    "{:?}",
                    String::from_utf8_lossy(&unread)
                );
                unread.drain(..end + 4);
                in_head = false;
            }
            while let Some(end) = unread.windows(2).position(|window| window == b"\n\n") {
                let block: Vec<u8> = unread.drain(..end + 2).collect();
                self.take(std::str::from_utf8(&block).unwrap());
            }
        }
        self.cuts += 1;
    }

    fn take(&mut self, block: &str) {
        let field = |name: &str| {
            block
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        if let Some(data) = field("data") {
            self.events.push(serde_json::from_str(data).unwrap());
        }
        if let Some(id) = field("id") {
            self.last_id = Some(id.to_owned());
        }
    }
}

/// Creates and changes at random until so many attempts were made, or the server is gone.
fn write(address: &str, chance: &RandomState, writer: u64, attempts: &AtomicU64, goal: u64) {
    let Ok(mut connection) = Connection::open(address) else {
        return;
    };
    while attempts.load(Ordering::Relaxed) < goal {
        let number = attempts.fetch_add(1, Ordering::Relaxed);
        let draw = chance.hash_one((writer, number));
        let run = format!("run-{}", draw % 40);
        let asked = match draw / 40 % 5 {
            0 => connection.ask("POST", "/v1/runs", None, &json!({"run_id": run})),
            // Replays, whose lines are written late.
            1 => connection.ask("POST", "/v1/runs", Some("again"), &json!({"run_id": "again"})),
            2 => connection.ask("POST", &format!("/v1/runs/{run}/heartbeat"), None, &json!({})),
            3 => connection.ask("PATCH", "/v1/runs/nowhere", None, &json!({"note": "x"})),
            _ => connection.ask("PATCH", &format!("/v1/runs/{run}"), None, &json!({"note": "x"})),
        };
        if asked.is_err() {
            return;
        }
    }
}

fn the_log(place: &Place) -> Vec<Value> {
    place.run(&["activity", "--all", "--json"]).expect(0).json()
}

#[test]
fn a_reader_ends_with_exactly_the_log() {
    let place = Place::new();
    let chance = RandomState::new();
    let attempts = AtomicU64::new(0);
    let mut reader = Reader::default();
    for round in 0..ROUNDS {
        let server = place.serve();
        let address = server.address.clone();
        let goal = (round + 1) * ATTEMPTS;
        let gone = AtomicBool::new(false);
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (address, chance, attempts) = (&address, &chance, &attempts);
                scope.spawn(move || write(address, chance, writer, attempts, goal));
            }
            let (reader, gone, chance, address) = (&mut reader, &gone, &chance, &address);
            scope.spawn(move || {
                while !gone.load(Ordering::Relaxed) {
                    let bytes = chance.hash_one(reader.cuts) % 6_000;
                    let bytes = usize::try_from(bytes).unwrap();
                    reader.read(address, ALL, bytes, || gone.load(Ordering::Relaxed));
                }
            });
            // In the middle of it: half of the attempts of this round are made.
            until("half of the attempts", || {
                attempts.load(Ordering::Relaxed) + ATTEMPTS / 2 >= goal
            });
            if round % 2 == 0 {
                server.kill();
            } else {
                assert_eq!(server.stop(), Some(0), "streams end with the server");
            }
            gone.store(true, Ordering::Relaxed);
        });
    }
    let server = place.serve();
    let log = the_log(&place);
    // The rest, to its end.
    reader.read(&server.address, &format!("{ALL}&follow=false"), usize::MAX, || false);
    assert!(reader.cuts > ROUNDS, "{}", reader.cuts);
    let numbers: Vec<_> = reader
        .events
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=log.len() as u64).collect::<Vec<_>>());
    assert_eq!(reader.events, log);
    assert_eq!(server.stop(), Some(0));
    place.verify();
}

#[test]
fn the_command_follows_across_servers() {
    let place = Place::new();
    place
        .run(&["events", "--follow"])
        .expect(6)
        .says(&["no server", "runledger serve"]);
    let server = place.serve();
    let path = place.beside("events.jsonl");
    let mut following = place
        .program()
        .args(["events", "--follow", "--after", "0", "--refused", "--json"])
        .stdout(File::create(&path).unwrap())
        .spawn()
        .unwrap();
    let followed = || -> Vec<Value> {
        let text = fs::read_to_string(&path).unwrap();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    };
    let job = |name: &str| place.run_as("orchestrator", &["job", "create", name]).expect(0);
    job("one");
    until("the first event", || followed().len() == 1);
    Server::kill(server);
    // While no server is there, a command writes by itself.
    job("two");
    place.run_as("orchestrator", &["heartbeat", "nowhere"]).expect(4);
    let server = place.serve();
    job("three");
    let log = the_log(&place);
    until("all events", || followed().len() >= log.len());
    following.kill().unwrap();
    following.wait().unwrap();
    assert_eq!(followed(), log);
    assert_eq!(server.stop(), Some(0));
    // Without a server, what there is.
    assert_eq!(place.run(&["events", "--refused", "--json"]).expect(0).json(), log);
    place
        .run(&["events", "--only-refused"])
        .expect(0)
        .says(&["nowhere", "refused: not_found"]);
    assert_eq!(
        place.run(&["events", "--after", "3", "--json"]).expect(0).json(),
        log[3..]
    );
}
