//! Webhooks: every line arrives at least once and in order, signed, under the same id, whatever the receiver does and
//! however often the server is killed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::http::Connection;
use crate::program::{Place, Server, until, write};
use crate::receiver::{Answer, KEY, Receiver};

/// How many times the server is killed.
const ROUNDS: usize = 3;
const ATTEMPTS: usize = 16;
/// One request in so many goes wrong.
const WRONG_EVERY: usize = 7;

pub(crate) fn settings(webhooks: &[(&str, u16, &str)]) -> String {
    let webhooks = webhooks.iter().map(|(name, port, more)| {
        format!(
            "[[webhooks]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:{port}/hook?key=s3cret\"\n\
             secret = \"whsec_{KEY}\"\ntimeout = \"1s\"\n{more}\n"
        )
    });
    webhooks.collect()
}

pub(crate) fn configure(place: &Place, webhooks: &[(&str, u16, &str)]) {
    write(&place.data().join("runledger.toml"), &settings(webhooks));
}

pub(crate) fn webhook(place: &Place, name: &str) -> Value {
    let webhooks = place.run(&["webhook", "list", "--json"]).expect(0).json();
    let found = webhooks.into_iter().find(|webhook| webhook["name"] == name);
    found.unwrap_or_default()
}

/// Writes lines of all kinds, some of them refused.
pub(crate) fn attempt(address: &str, from: usize, count: usize) {
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
fn a_webhook_is_tried_with_an_event_that_is_no_line() {
    let place = Place::new();
    let receiver = Receiver::start(|number| match number {
        1 => Answer::Fail,
        _ => Answer::Take,
    });
    // It wants no line at all of what follows, so that only the tests arrive.
    let more = "allow_private = true\naction = \"import\"";
    let lineage = format!("{more}\nformat = \"openlineage\"\nnamespace = \"test\"");
    configure(
        &place,
        &[("events", receiver.port, more), ("lineage", receiver.port, &lineage)],
    );
    place.run_as("orchestrator", &["job", "create", "r1"]).expect(0);
    // No server: nobody could send it.
    place
        .run(&["webhook", "test", "events"])
        .expect(4)
        .says(&["nothing is delivered to a webhook events here"]);
    let server = place.serve();
    until("the webhooks", || !webhook(&place, "lineage").is_null());
    let before = webhook(&place, "events");
    place
        .run(&["webhook", "test", "events"])
        .expect(0)
        .says(&["events took the event: it answered 204"]);
    let refused = place.run(&["webhook", "test", "events"]).expect(1);
    let refused = refused.says(&["did not take the event: answered 503"]);
    assert!(!refused.err.contains("s3cret"), "{refused:?}");
    let tried = place.run(&["webhook", "test", "lineage", "--json"]).expect(0).json();
    assert_eq!(
        tried,
        [json!({"name": "lineage", "taken": true, "answer": "answered 204"})]
    );
    place.run(&["webhook", "test", "nowhere"]).expect(4);
    let came = receiver.came();
    assert_eq!(came.len(), 3);
    assert!(came.iter().all(|event| event.id.starts_with("test-")), "{came:?}");
    assert!(came[0].id != came[1].id, "each test is looked at");
    assert_eq!(came[0].body["type"], "runledger.test");
    assert_eq!(
        (&came[2].body["eventType"], &came[2].body["job"]["name"]),
        (&json!("OTHER"), &json!("webhook.test"))
    );
    let after = webhook(&place, "events");
    assert_eq!(
        (&before["failures"], &before["status"]),
        (&after["failures"], &after["status"]),
        "its state stays"
    );
    let log = place.run(&["activity", "--all", "--json"]).expect(0).json();
    let traces = log.iter().filter(|line| line["action"] == "test_webhook");
    let traces: Vec<_> = traces.map(|line| (&line["outcome"], &line["detail"])).collect();
    assert_eq!(traces.len(), 5);
    assert_eq!(json!(traces[2]), json!(["unchanged", "webhook events: answered 503"]));
    assert_eq!(server.stop(), Some(0));
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
