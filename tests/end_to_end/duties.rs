//! What one server does for all: by one at a time, taken over from one that is lost or does not answer, and handed over by
//! one that ends. Each server is a process of its own, over one PostgreSQL database.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use runledger_postgres_bed::Server as Database;
use serde_json::{Value, json};

use crate::fail_over::link::{Fault, Link};
use crate::http::Connection;
use crate::postgres::{database, on, program};
use crate::program::{Place, Server, until, write};
use crate::receiver::{Answer, Receiver};
use crate::webhooks::{attempt, settings};

const STEADY: &str = "deliver:steady";

/// A server that sweeps each second, and takes over after this time.
fn serving(place: &Place, database: &Database, time: &str) -> Command {
    let mut program = program(place, database);
    program
        .env("RUNLEDGER_DUTIES__TIME", time)
        .env("RUNLEDGER_SWEEPER__INTERVAL", "1s")
        .env("RUNLEDGER_DEADLINE__GRACE", "0s");
    program
}

fn with_webhook(receiver: &Receiver) -> Place {
    let place = Place::new();
    let steady = ("steady", receiver.port, "allow_private = true\nrefused = \"with\"");
    // A server that is paused for a while has its answer in time all the same, and could go on with what comes next.
    let settings = settings(&[steady]).replace("timeout = \"1s\"", "timeout = \"50s\"");
    write(&place.data().join("runledger.toml"), &settings);
    place
}

/// All duties by their names, as this server knows them.
fn duties(server: &Server) -> BTreeMap<String, Value> {
    let asked = Connection::open(&server.address).and_then(|mut open| open.ask("GET", "/v1/duties", None, &json!({})));
    let body = asked.unwrap().body;
    let duties = body["duties"].as_array().unwrap().iter();
    duties
        .map(|duty| (duty["duty"].as_str().unwrap().to_owned(), duty.clone()))
        .collect()
}

/// Whether this server has all duties.
fn does_all(server: &Server) -> bool {
    let duties = duties(server);
    ["sweep", STEADY]
        .iter()
        .all(|duty| duties.get(*duty).is_some_and(|duty| duty["here"] == true))
}

/// A sample of `/metrics`.
fn metric(server: &Server, sample: &str) -> u64 {
    let (_, text) = Connection::open(&server.address)
        .and_then(|mut open| open.send("GET", "/metrics", &[], ""))
        .unwrap();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

fn readyz(server: &Server) -> u16 {
    let asked = Connection::open(&server.address).and_then(|mut open| open.send("GET", "/readyz", &[], ""));
    asked.map_or(0, |(status, _)| status)
}

/// How often each line came.
fn times(receiver: &Receiver) -> BTreeMap<u64, usize> {
    let mut times = BTreeMap::new();
    for delivery in receiver.came() {
        *times.entry(delivery.body["data"]["seq"].as_u64().unwrap()).or_default() += 1;
    }
    times
}

/// A column of the only row.
fn asked(database: &Database, sql: &str) -> String {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let url = database.url("postgres", "postgres");
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.query_one(sql, &[]).await.unwrap().get(0)
    })
}

/// Which request of a receiver is held, which one has come there, and up to which one they are released.
#[derive(Default)]
struct Held {
    /// One more than its number, 0 for none; so are the others.
    next: AtomicUsize,
    reached: AtomicUsize,
    released: AtomicUsize,
}

impl Held {
    fn from(&self, number: usize) {
        self.next.store(number + 1, Ordering::SeqCst);
    }

    fn release(&self, number: usize) {
        self.released.store(number + 1, Ordering::SeqCst);
    }

    fn until_reached(&self, number: usize) {
        until("the request that is held", || {
            self.reached.load(Ordering::SeqCst) == number + 1
        });
    }

    /// Waits here, if it is this one.
    fn wait(&self, number: usize) {
        if self.next.load(Ordering::SeqCst) == number + 1 {
            self.reached.store(number + 1, Ordering::SeqCst);
            until("the request to be released", || {
                self.released.load(Ordering::SeqCst) > number
            });
        }
    }
}

#[test]
fn a_server_that_was_paused_beyond_its_lease_is_followed_by_another_and_wakes_as_nobodys_holder() {
    let database = database();
    // A request that comes so often is not answered before it is released.
    let held = Arc::new(Held::default());
    let holding = Arc::clone(&held);
    let receiver = Receiver::start(move |came| {
        holding.wait(came);
        Answer::Take
    });
    let places = [with_webhook(&receiver), with_webhook(&receiver)];
    let link = Link::to(&[database.port()]);
    let behind_it = format!("postgres://postgres@127.0.0.1:{}/postgres", link.ports[0]);
    let mut first = serving(&places[0], &database, "2s");
    first
        .env("RUNLEDGER_POSTGRES__URL", behind_it)
        .env("RUNLEDGER_POSTGRES__READ_TIME", "1s");
    let one = Server::start(&mut first);
    until("the first server to have all duties", || does_all(&one));
    let other = Server::start(&mut serving(&places[1], &database, "2s"));
    attempt(&one.address, 0, 16);
    attempt(&other.address, 16, 16);
    until("all lines", || receiver.taken().len() >= 32);
    let expected: BTreeMap<u64, usize> = (1..=32).map(|line| (line, 1)).collect();
    assert_eq!(times(&receiver), expected, "each line once, while nothing happens");
    assert!(does_all(&one) && !does_all(&other));
    until("the place to be noted", || {
        asked(&database, "SELECT position::text FROM delivery") == "32"
    });

    // It is at line 34 when it is paused, and has read the eight that come behind: it would send them without asking anybody.
    held.from(32);
    attempt(&other.address, 32, 1);
    held.until_reached(32);
    attempt(&other.address, 33, 9);
    held.from(33);
    held.release(32);
    held.until_reached(33);
    one.signal("STOP");
    until("the other server to have all duties", || does_all(&other));
    held.release(33);
    attempt(&other.address, 42, 6);
    until("the lines after the take-over", || receiver.taken().len() >= 48);
    let deadline = json!({"run_id": "silent", "deadline_after_seconds": 1});
    let mut asking = Connection::open(&other.address).unwrap();
    assert_eq!(
        asking
            .ask("POST", "/v1/runs", Some("silent"), &deadline)
            .unwrap()
            .status,
        201
    );
    let status = |server: &Server, run: &str| {
        let mut open = Connection::open(&server.address).unwrap();
        let found = open.ask("GET", &format!("/v1/runs/{run}"), None, &json!({})).unwrap();
        found.body["status"].as_str().unwrap().to_owned()
    };
    until("the sweep of the other server", || status(&other, "silent") == "lost");
    // The line of the job, and that of its end.
    until("all lines", || receiver.taken().len() >= 50);
    until("the place to be noted", || {
        asked(&database, "SELECT position::text FROM delivery") == "50"
    });
    let state = "SELECT d.version || ' ' || string_agg(l.duty || l.epoch || l.holder, ' ' ORDER BY l.duty)
        FROM delivery d, lease l GROUP BY d.version";
    let before = asked(&database, state);

    // It wakes while the database says nothing: only its own clock tells it that its time is over.
    link.set(Fault::Stall);
    one.signal("CONT");
    for duty in ["sweep", STEADY] {
        let lost = format!("runledger_duty_lost_total{{duty=\"{duty}\"}}");
        until("the first server to see that it lost its duty", || {
            metric(&one, &lost) == 1
        });
    }
    link.set(Fault::None);
    until("the first server to reach the database", || readyz(&one) == 200);
    assert_eq!(asked(&database, state), before, "it has written nothing as the holder");
    attempt(&one.address, 48, 16);
    until("the lines after it woke", || receiver.taken().len() >= 66);
    let times = times(&receiver);
    let twice: Vec<_> = times
        .iter()
        .filter(|(_, times)| **times > 1)
        .map(|(line, _)| *line)
        .collect();
    assert!(
        twice.iter().all(|line| *line == 34),
        "only what was under way at the take-over: {times:?}"
    );
    assert_eq!(times.len(), 66, "and every line came");
    assert!(does_all(&other) && !does_all(&one));
    on(&places[0], &database, &["verify", "--json"])
        .expect(0)
        .says(&["\"clean\":true"]);
    assert_eq!((one.stop(), other.stop()), (Some(0), Some(0)));
}

/// Its time is far from over: the other one need not wait for that.
#[test]
fn a_server_that_ends_hands_its_duties_over() {
    let (database, receiver) = (database(), Receiver::start(|_| Answer::Take));
    let places = [with_webhook(&receiver), with_webhook(&receiver)];
    let one = Server::start(&mut serving(&places[0], &database, "40s"));
    until("the first server to have all duties", || does_all(&one));
    let other = Server::start(&mut serving(&places[1], &database, "40s"));
    let held = duties(&one)[STEADY]["holder"].clone();
    assert!(held.as_str().unwrap().ends_with(&format!(":{}", one.pid())), "{held}");
    on(&places[1], &database, &["duties"])
        .expect(0)
        .says(&["sweep", STEADY, held.as_str().unwrap()]);
    assert_eq!(one.stop(), Some(0));
    until("the other server to have all duties", || does_all(&other));
    assert_eq!(other.stop(), Some(0));
    let listed = on(&places[1], &database, &["duties", "--json"]).expect(0).json();
    assert!(
        listed
            .iter()
            .all(|duty| duty["left_seconds"] == 0 && duty["epoch"] == 2),
        "{listed:?}"
    );
}

/// Nobody can have had it: it is there at once, however long others would have to wait for it.
#[test]
fn a_server_over_a_file_has_all_duties_from_its_start() {
    let receiver = Receiver::start(|_| Answer::Take);
    let place = with_webhook(&receiver);
    for epoch in 1..=2 {
        let server = Server::start(place.program().env("RUNLEDGER_DUTIES__TIME", "1h"));
        until("all duties", || does_all(&server));
        assert_eq!(duties(&server)["sweep"]["epoch"], epoch);
        // It goes without a word, and holds nothing up.
        server.kill();
    }
}

/// With notices and without: what one server has answered, the other never takes back.
#[test]
fn what_one_server_has_answered_the_other_one_knows() {
    let (database, places) = (database(), [Place::new(), Place::new()]);
    let servers = [
        Server::start(&mut program(&places[0], &database)),
        Server::start(program(&places[1], &database).env("RUNLEDGER_POSTGRES__NOTICES", "false")),
    ];
    let mut open = servers
        .each_ref()
        .map(|server| Connection::open(&server.address).unwrap());
    for round in 0..20 {
        let run = format!("run-{round}");
        let path = format!("/v1/runs/{run}");
        let (here, there) = (round % 2, (round + 1) % 2);
        let none = json!({});
        // Nobody remembers that there was nothing.
        for server in &mut open {
            assert_eq!(server.ask("GET", &path, None, &none).unwrap().status, 404);
        }
        let new = json!({ "run_id": run });
        assert_eq!(
            open[here].ask("POST", "/v1/runs", Some("one"), &new).unwrap().status,
            201
        );
        assert_eq!(open[there].ask("GET", &path, None, &none).unwrap().status, 200);
        let again = open[there].ask("POST", "/v1/runs", Some("one"), &new).unwrap();
        assert_eq!((again.status, again.replayed), (200, true));
        assert_eq!(
            open[there].ask("POST", "/v1/runs", Some("two"), &new).unwrap().status,
            409
        );
        for version in 2..10 {
            let (one, other) = (version % 2, (version + 1) % 2);
            let add = json!({"metrics": {"add": {"items": 1}}});
            assert_eq!(open[one].ask("PATCH", &path, None, &add).unwrap().status, 200);
            for _ in 0..2 {
                let found = open[other].ask("GET", &path, None, &none).unwrap();
                assert_eq!(found.body["version"], version, "{}", found.body);
            }
        }
        let end = json!({"status": "succeeded"});
        let ended = open[here].ask("POST", &format!("{path}/complete"), None, &end).unwrap();
        assert_eq!(ended.status, 200);
        for server in [there, here, there] {
            let found = open[server].ask("GET", &path, None, &none).unwrap();
            assert_eq!(
                (&found.body["status"], &found.body["version"]),
                (&json!("succeeded"), &json!(10))
            );
        }
    }
}
