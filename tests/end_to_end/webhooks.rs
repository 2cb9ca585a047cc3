//! Webhooks: every line arrives at least once and in order, signed, under the same id, whatever the receiver does and
//! however often the server is killed.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::http::Connection;
use crate::program::{Place, Server, until, write};

const KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// How many times the server is killed.
const ROUNDS: usize = 3;
const ATTEMPTS: usize = 16;
/// One request in so many goes wrong.
const WRONG_EVERY: usize = 7;

/// What a receiver does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Take,
    Fail,
    Hang,
    Cut,
    Redirect,
    Gone,
}

/// A request as it came.
#[derive(Clone, Debug)]
struct Delivery {
    id: String,
    target: String,
    content_type: String,
    body: Value,
    is_taken: bool,
}

/// A receiver of webhooks, in threads of the test.
struct Receiver {
    port: u16,
    came: Arc<Mutex<Vec<Delivery>>>,
}

impl Receiver {
    fn start(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let came = Arc::new(Mutex::new(Vec::new()));
        let (noted, count) = (Arc::clone(&came), AtomicUsize::new(0));
        thread::spawn(move || {
            let answer = Arc::new(answer);
            for stream in listener.incoming().flatten() {
                let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                let number = count.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || receive(stream, answer(number), &noted));
            }
        });
        Self { port, came }
    }

    fn came(&self) -> Vec<Delivery> {
        self.came.lock().unwrap().clone()
    }

    /// The deliveries that were taken, each id at its first time.
    fn taken(&self) -> Vec<Delivery> {
        let mut ids = std::collections::BTreeSet::new();
        let came = self.came().into_iter();
        came.filter(|delivery| delivery.is_taken && ids.insert(delivery.id.clone()))
            .collect()
    }
}

/// Reads a request, checks its signature, notes it, answers it. A request that is cut off by a kill is none.
fn receive(stream: TcpStream, answer: Answer, noted: &Mutex<Vec<Delivery>>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    let Ok(1..) = reader.read_line(&mut line) else { return };
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        let Ok(1..) = reader.read_line(&mut line) else { return };
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers["content-length"].parse().unwrap();
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let (id, timestamp) = (&headers["webhook-id"], &headers["webhook-timestamp"]);
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(KEY).unwrap()).unwrap();
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(&body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(headers["webhook-signature"], expected);
    let delivery = Delivery {
        id: id.clone(),
        target,
        content_type: headers["content-type"].clone(),
        body: serde_json::from_slice(&body).unwrap(),
        is_taken: answer == Answer::Take,
    };
    // Before the answer: what comes next may be at another thread by then.
    noted.lock().unwrap().push(delivery);
    let (status, more) = match answer {
        Answer::Take => ("204 No Content", ""),
        Answer::Fail => ("503 Service Unavailable", "Retry-After: 1\r\n"),
        Answer::Redirect => ("302 Found", "Location: /elsewhere\r\n"),
        Answer::Gone => ("410 Gone", ""),
        Answer::Cut => return,
        // Longer than anybody waits.
        Answer::Hang => return thread::sleep(Duration::from_mins(1)),
    };
    let text = format!("HTTP/1.1 {status}\r\n{more}Content-Length: 0\r\n\r\n");
    // Who asked may have been killed.
    let _ = reader.get_mut().write_all(text.as_bytes());
}

fn settings(webhooks: &[(&str, u16, &str)]) -> String {
    let webhooks = webhooks.iter().map(|(name, port, more)| {
        format!(
            "[[webhooks]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:{port}/hook?key=s3cret\"\n\
             secret = \"whsec_{KEY}\"\ntimeout = \"1s\"\n{more}\n"
        )
    });
    webhooks.collect()
}

fn configure(place: &Place, webhooks: &[(&str, u16, &str)]) {
    write(&place.data().join("runledger.toml"), &settings(webhooks));
}

fn webhook(place: &Place, name: &str) -> Value {
    let webhooks = place.run(&["webhook", "list", "--json"]).expect(0).json();
    let found = webhooks.into_iter().find(|webhook| webhook["name"] == name);
    found.unwrap_or_default()
}

/// Writes lines of all kinds, some of them refused.
fn attempt(address: &str, from: usize, count: usize) {
    let mut connection = Connection::open(address).unwrap();
    for number in from..from + count {
        let run = format!("run-{}", number / 4);
        let asked = match number % 4 {
            0 => connection.ask("POST", "/v1/runs", Some("attempt"), &json!({ "run_id": run })),
            1 => connection.ask("PATCH", &format!("/v1/runs/{run}"), None, &json!({"note": "ä \"x\""})),
            2 => connection.ask("POST", "/v1/runs/nowhere/heartbeat", None, &json!({})),
            _ => connection.ask("POST", &format!("/v1/runs/{run}/heartbeat"), None, &json!({})),
        };
        assert!(asked.unwrap().status < 500);
    }
}

#[test]
fn every_line_arrives_in_order_however_the_receiver_and_the_server_fail() {
    let place = Place::new();
    let receiver = Receiver::start(|number| match (number % WRONG_EVERY, number / WRONG_EVERY % 4) {
        (3, 0) => Answer::Fail,
        (3, 1) => Answer::Cut,
        (3, 2) => Answer::Hang,
        (3, _) => Answer::Redirect,
        _ => Answer::Take,
    });
    let hanging = Receiver::start(|_| Answer::Hang);
    configure(
        &place,
        &[
            ("steady", receiver.port, "allow_private = true\nrefused = \"with\""),
            ("hanging", hanging.port, "allow_private = true"),
        ],
    );
    for round in 0..ROUNDS {
        let server = place.serve();
        until("the webhook", || !webhook(&place, "steady").is_null());
        attempt(&server.address, round * ATTEMPTS, ATTEMPTS);
        until("a delivery of this round", || {
            receiver.taken().len() > round * ATTEMPTS + 3
        });
        server.kill();
    }
    let server = place.serve();
    let log = place.run(&["activity", "--all", "--json"]).expect(0).json();
    assert_eq!(log.len(), ROUNDS * ATTEMPTS);
    until("all lines", || receiver.taken().len() >= log.len());
    let taken = receiver.taken();
    let numbers: Vec<_> = taken
        .iter()
        .map(|delivery| delivery.body["data"]["seq"].clone())
        .collect();
    assert_eq!(json!(numbers), json!((1..=log.len()).collect::<Vec<_>>()), "in order");
    let lines: Vec<_> = taken.iter().map(|delivery| delivery.body["data"].clone()).collect();
    assert_eq!(lines, log, "as the log has them");
    let mut bodies = BTreeMap::new();
    for delivery in receiver.came() {
        assert_eq!(delivery.target, "/hook?key=s3cret", "no redirect is followed");
        assert_eq!(delivery.content_type, "application/cloudevents+json");
        let event = &delivery.body;
        assert_eq!(
            (&event["specversion"], &event["id"]),
            (&json!("1.0"), &json!(delivery.id))
        );
        let first = bodies.entry(delivery.id.clone()).or_insert_with(|| event.clone());
        assert_eq!(first, event, "one id, one event");
    }
    assert_eq!(bodies.len(), log.len());
    assert!(!hanging.came().is_empty());
    // A webhook that hangs holds nobody up, not even the end of the server.
    assert_eq!(server.stop(), Some(0));
    place.verify();
}

#[test]
fn a_receiver_that_is_gone_is_left_alone_until_it_is_enabled() {
    let place = Place::new();
    let is_gone = Arc::new(AtomicUsize::new(1));
    let gone = Arc::clone(&is_gone);
    let receiver = Receiver::start(move |_| match gone.load(Ordering::Relaxed) {
        1 => Answer::Gone,
        _ => Answer::Take,
    });
    configure(
        &place,
        &[
            (
                "gone",
                receiver.port,
                "allow_private = true\nformat = \"openlineage\"\nnamespace = \"test\"",
            ),
            ("inside", receiver.port, ""),
        ],
    );
    let server = place.serve();
    until("the webhooks", || {
        !webhook(&place, "gone").is_null() && !webhook(&place, "inside").is_null()
    });
    attempt(&server.address, 0, 4);
    until("the end of it", || webhook(&place, "gone")["status"] == "disabled");
    until("a refusal", || webhook(&place, "inside")["status"] == "failing");
    let error = webhook(&place, "inside")["last_error"].to_string();
    assert!(
        error.contains("no address of the Internet") && !error.contains("s3cret"),
        "{error}"
    );
    assert_eq!(
        receiver.came().len(),
        1,
        "nothing went to the private address, and no second try"
    );
    let metrics = Connection::open(&server.address).unwrap();
    let (_, metrics) = { metrics }.send("GET", "/metrics", &[], "").unwrap();
    assert!(
        metrics.contains("runledger_webhook_disabled{webhook=\"gone\"} 1"),
        "{metrics}"
    );
    server.kill();

    // It stays so after a restart.
    let server = place.serve();
    until("the webhook", || webhook(&place, "gone")["status"] == "disabled");
    attempt(&server.address, 4, 1);
    is_gone.store(0, Ordering::Relaxed);
    assert_eq!(receiver.taken().len(), 0);
    place
        .run(&["webhook", "enable", "nowhere"])
        .expect(4)
        .says(&["no webhook"]);
    place
        .run(&["webhook", "enable", "gone"])
        .expect(0)
        .says(&["goes on after line 0"]);
    let log = place.run(&["activity", "--all", "--json"]).expect(0).json();
    let traces = log.iter().filter(|line| line["action"] == "enable_webhook");
    let traces: Vec<_> = traces
        .map(|line| (&line["source"], &line["outcome"], &line["detail"]))
        .collect();
    assert_eq!(
        json!(traces),
        json!([
            ["operator", "refused", "there is no webhook nowhere"],
            ["operator", "changed", "webhook gone: goes on after line 0"],
        ]),
        "who enabled it is in the log"
    );
    until("the lines that waited", || receiver.taken().len() == 4);
    let events: Vec<_> = receiver.taken().into_iter().map(|delivery| delivery.body).collect();
    let types: Vec<_> = events
        .iter()
        .map(|event| event["eventType"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        ["START", "RUNNING", "RUNNING", "START"],
        "refused attempts are no run events"
    );
    assert_eq!(events[0]["job"]["namespace"], "test");
    assert_eq!(events[0]["run"], events[2]["run"]);
    assert_eq!(server.stop(), Some(0));
    // The configuration is shown without what is secret.
    let shown = place.run(&["config", "show"]).expect(0);
    assert!(
        !shown.out.contains(KEY) && !shown.out.contains("s3cret"),
        "{}",
        shown.out
    );
    let shown = shown.says(&["(hidden)", "openlineage"]);
    drop(shown);
}

#[test]
fn what_makes_no_sense_is_said_without_the_secret() {
    let place = Place::new();
    for (more, words) in [
        ("colour = 1", ["webhooks", "colour"]),
        ("format = \"xml\"", ["webhooks[0].format", "docs/configuration.md"]),
        ("action = \"delete\"", ["action", "create"]),
    ] {
        configure(&place, &[("one", 1, more)]);
        let ran = place.run(&["config", "show"]).expect(2).says(&words);
        assert!(!ran.err.contains(KEY) && !ran.err.contains("s3cret"), "{}", ran.err);
    }
    configure(&place, &[("one", 1, ""), ("one", 2, "")]);
    place
        .run(&["config", "show"])
        .expect(2)
        .says(&["two webhooks called one"]);
    // No webhook is named yet, and the list says so.
    configure(&place, &[]);
    let server: Server = place.serve();
    place.run(&["webhook", "list"]).expect(0).says(&["there is no webhook"]);
    assert_eq!(server.stop(), Some(0));
}
