//! Events: the log as a stream, resumed without a gap and without a duplicate, bounded, and ended when it must be.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use futures_util::StreamExt as _;
use proptest::prelude::*;
use runledger_domain::CreationPolicy;
use runledger_http::{Closing, Options};
use serde_json::Value;
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::identity::{bearing, closed_world, token};
use crate::support::World;
use crate::support::broken::{Broken, Mode};

/// How long a test waits for an event that must come: so that one which does not is a failure, and no standstill.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// One reader of events: what a client of the format keeps.
pub(crate) struct Reader {
    body: BodyDataStream,
    unread: String,
    came: VecDeque<Event>,
    /// The last id that came, with an event or without.
    pub(crate) last_id: Option<String>,
}

/// One event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) data: Value,
}

impl Reader {
    pub(crate) async fn open(world: &World, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = world.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            body: response.into_body().into_data_stream(),
            unread: String::new(),
            came: VecDeque::new(),
            last_id: None,
        }
    }

    /// Takes one more piece, up to so many bytes of it as if the connection was cut there. `None` at the end.
    pub(crate) async fn piece(&mut self, bytes: usize) -> Option<String> {
        let piece = self.body.next().await?.unwrap();
        let text = String::from_utf8_lossy(&piece[..bytes.min(piece.len())]).into_owned();
        self.unread.push_str(&text);
        while let Some(end) = self.unread.find("\n\n") {
            let block: String = self.unread.drain(..end + 2).collect();
            let field = |name: &str| {
                let prefix = format!("{name}: ");
                block
                    .lines()
                    .find_map(|line| Some(line.strip_prefix(&prefix)?.to_owned()))
            };
            if let Some(id) = field("id") {
                self.last_id = Some(id.clone());
                if let Some(data) = field("data") {
                    let (name, data) = (field("event").unwrap(), serde_json::from_str(&data).unwrap());
                    self.came.push_back(Event { id, name, data });
                }
            }
        }
        Some(text)
    }

    /// The next event; `None` at the end.
    pub(crate) async fn event(&mut self) -> Option<Event> {
        let came = async {
            while self.came.is_empty() {
                self.piece(usize::MAX).await?;
            }
            self.came.pop_front()
        };
        timeout(WAIT_MAX, came).await.expect("no event came, and no end")
    }

    /// All that come until the stream ends.
    pub(crate) async fn all(mut self) -> Vec<Event> {
        let mut all = Vec::new();
        while let Some(event) = self.event().await {
            all.push(event);
        }
        all
    }

    fn take(&mut self) -> Vec<Event> {
        self.came.drain(..).collect()
    }
}

/// The numbers of the lines in a stream that ends.
async fn numbers(world: &World, path: &str, headers: &[(&str, &str)]) -> Vec<u64> {
    let events = Reader::open(world, path, headers).await.all().await;
    events.iter().map(|event| event.id.parse().unwrap()).collect()
}

/// Nine lines, three of them refused.
async fn nine_lines() -> World {
    let world = World::new();
    world.run("r1", &["acme", "zen"]).await;
    world.run("r2", &["acme"]).await;
    world.patch("/v1/runs/r1/clients/acme", r#"{"note":"x"}"#).await;
    world.patch("/v1/runs/r1/clients/nobody", r#"{"note":"x"}"#).await;
    world.patch("/v1/runs/r3", r#"{"note":"x"}"#).await;
    world
        .post(
            "/v1/runs/r1/clients/acme/stages/never/finish",
            r#"{"outcome":"succeeded"}"#,
        )
        .await;
    assert_eq!(world.lines().await.len(), 9);
    world
}

#[tokio::test]
async fn an_event_is_a_line_of_the_log() {
    let world = nine_lines().await;
    let events = Reader::open(&world, "/v1/events?after=0&follow=false&refused=true", &[])
        .await
        .all()
        .await;
    let lines = world.lines().await;
    let data: Vec<_> = events.iter().map(|event| event.data.clone()).collect();
    assert_eq!(data, lines);
    for (event, line) in events.iter().zip(&lines) {
        assert_eq!(event.id, line["seq"].to_string());
        assert_eq!(event.name, line["action"]);
    }
}

#[tokio::test]
async fn each_filter_streams_its_lines() {
    let world = nine_lines().await;
    for (filter, expected) in [
        ("", vec![1, 2, 3, 4, 5, 6]),
        ("&refused=false", vec![1, 2, 3, 4, 5, 6]),
        ("&refused=true", vec![1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("&refused=only", vec![7, 8, 9]),
        ("&kind=update", vec![6]),
        ("&kind=update&refused=true", vec![6, 7, 8]),
        ("&kind=update&refused=only", vec![7, 8]),
        ("&run_id=r1", vec![1, 2, 3, 6]),
        ("&run_id=r1&client_id=acme&refused=true", vec![2, 6, 9]),
        ("&client_id=acme", vec![2, 5, 6]),
        ("&kind=import", vec![]),
    ] {
        let path = format!("/v1/events?after=0&follow=false{filter}");
        assert_eq!(numbers(&world, &path, &[]).await, expected, "{filter}");
    }
}

#[tokio::test]
async fn a_reader_goes_on_behind_the_last_event_that_came() {
    let world = nine_lines().await;
    let last = [("last-event-id", "4")];
    assert_eq!(numbers(&world, "/v1/events?follow=false", &last).await, [5, 6]);
    assert_eq!(numbers(&world, "/v1/events?after=0&follow=false", &last).await, [5, 6]);
    assert_eq!(numbers(&world, "/v1/events?after=5&follow=false", &[]).await, [6]);
    assert_eq!(numbers(&world, "/v1/events?after=9&follow=false", &[]).await, [0; 0]);
    // Without a place, a reader is told where the log is now, and gets what comes.
    let mut reader = Reader::open(&world, "/v1/events", &[]).await;
    let hello = reader.piece(usize::MAX).await.unwrap();
    assert_eq!(
        (hello.as_str(), reader.last_id.as_deref()),
        ("retry: 1000\nid: 9\n\n", Some("9"))
    );
    world.run("r4", &[]).await;
    assert_eq!(reader.event().await.unwrap().id, "10");
}

#[tokio::test]
async fn a_reader_who_waits_gets_every_line_as_it_comes() {
    let world = World::new();
    let mut readers = Vec::new();
    for _ in 0..3 {
        readers.push(Reader::open(&world, "/v1/events?after=0", &[]).await);
    }
    for number in 0..5_u32 {
        world.run(&format!("r{number}"), &[]).await;
        for reader in &mut readers {
            let event = reader.event().await.unwrap();
            assert_eq!(event.data["run_id"], format!("r{number}"));
        }
    }
}

#[tokio::test]
async fn a_filtered_reader_comes_back_to_where_the_log_was_looked_at() {
    let options = Options {
        keep_alive: Duration::from_millis(5),
        ..Options::default()
    };
    let world = World::with(options, CreationPolicy::default());
    let mut reader = Reader::open(&world, "/v1/events?after=0&kind=complete&follow=true", &[]).await;
    reader.piece(usize::MAX).await;
    for number in 0..250 {
        world.run(&format!("r{number}"), &[]).await;
    }
    // No event, but news of how far the log holds none.
    while reader.last_id.as_deref() == Some("0") {
        reader.piece(usize::MAX).await.unwrap();
    }
    assert!(reader.take().is_empty());
    let id = reader.last_id.unwrap();
    assert!(
        numbers(
            &world,
            "/v1/events?kind=complete&follow=false",
            &[("last-event-id", &id)]
        )
        .await
        .is_empty()
    );
}

#[tokio::test]
async fn a_slow_reader_holds_one_page_and_delays_nobody() {
    let world = World::new();
    let mut slow = Reader::open(&world, "/v1/events?after=0", &[]).await;
    for number in 0..350 {
        world.run(&format!("r{number}"), &[]).await;
    }
    // What was not asked for was not read: the pieces stay small whatever has piled up.
    slow.piece(usize::MAX).await.unwrap();
    for expected in [100, 100, 100, 50] {
        slow.piece(usize::MAX).await.unwrap();
        assert_eq!(slow.take().len(), expected);
    }
}

#[tokio::test]
async fn silence_is_broken_by_a_comment_with_the_position() {
    let options = Options {
        keep_alive: Duration::from_millis(5),
        ..Options::default()
    };
    let world = World::with(options, CreationPolicy::default());
    world.run("r1", &[]).await;
    let mut reader = Reader::open(&world, "/v1/events", &[]).await;
    reader.piece(usize::MAX).await;
    for _ in 0..3 {
        assert_eq!(reader.piece(usize::MAX).await.unwrap(), ": nothing new\nid: 1\n\n");
    }
}

#[tokio::test]
async fn silence_is_broken_while_others_are_busy() {
    let options = Options {
        keep_alive: Duration::from_millis(5),
        ..Options::default()
    };
    let world = World::with(options, CreationPolicy::default());
    let mut reader = Reader::open(&world, "/v1/events?kind=complete", &[]).await;
    reader.piece(usize::MAX).await;
    let busy = async {
        for number in 0..2_000 {
            world.run(&format!("r{number}"), &[]).await;
            // Fewer lines between two looks than are looked at at once.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        () = busy => panic!("not a word in all the time"),
        said = reader.piece(usize::MAX) => assert!(said.unwrap().starts_with(": nothing new\nid: ")),
    }
}

#[tokio::test]
async fn more_streams_than_there_may_be_are_refused() {
    let options = Options {
        streams_max: 2,
        ..Options::default()
    };
    let world = World::with(options, CreationPolicy::default());
    let first = Reader::open(&world, "/v1/events", &[]).await;
    let _second = Reader::open(&world, "/v1/events", &[]).await;
    world.get("/v1/events").await.check(503, "too_many_streams");
    // Nobody else is the worse for it, and the place of one who leaves is free.
    world.run("r1", &[]).await;
    drop(first);
    Reader::open(&world, "/v1/events", &[]).await;
}

#[tokio::test]
async fn what_is_no_place_in_this_log_is_refused() {
    let world = nine_lines().await;
    for id in ["10", "18446744073709551615"] {
        let headers = [("last-event-id", id)];
        let answer = world.send("GET", "/v1/events", &headers, "").await;
        answer.check(409, "event_id_unknown").has("/field", "Last-Event-ID");
    }
    for id in ["x", "-1", "+1", "", "1.0", "18446744073709551616"] {
        let headers = [("last-event-id", id)];
        let answer = world.send("GET", "/v1/events", &headers, "").await;
        answer.check(422, "value_invalid").has("/field", "Last-Event-ID");
    }
    world.get("/v1/events?after=10").await.check(409, "event_id_unknown");
    world.get("/v1/events?refused=maybe").await.check(422, "value_invalid");
    world.get("/v1/events?follow=maybe").await.check(422, "value_invalid");
    world.get("/v1/events?kind=destroy").await.check(422, "value_invalid");
    world.get("/v1/events?limit=1").await.check(422, "unknown_parameter");
}

#[tokio::test]
async fn the_end_of_the_server_ends_every_stream() {
    let closing = Closing::new();
    let options = Options {
        closing: closing.clone(),
        ..Options::default()
    };
    let world = World::with(options, CreationPolicy::default());
    world.run("r1", &[]).await;
    let mut waiting = Reader::open(&world, "/v1/events?after=0", &[]).await;
    assert!(waiting.event().await.is_some());
    let not_begun = Reader::open(&world, "/v1/events?after=0", &[]).await;
    closing.begin();
    assert_eq!(waiting.event().await, None);
    assert_eq!(not_begun.all().await, []);
}

#[tokio::test]
async fn a_store_that_fails_ends_the_stream_and_refuses_the_next() {
    let store = Broken::new();
    let world = World::over(Arc::clone(&store), Options::default(), CreationPolicy::default());
    world.run("r1", &[]).await;
    let mut reader = Reader::open(&world, "/v1/events?after=0", &[]).await;
    assert_eq!(reader.event().await.unwrap().id, "1");
    store.set(Mode::Failed);
    assert_eq!(reader.event().await, None);
    assert_eq!(reader.last_id.as_deref(), Some("1"));
    world.get("/v1/events").await.check(503, "store_failed");
}

#[tokio::test]
async fn i12_a_limited_reader_gets_its_own_clients_alone_and_only_as_long_as_its_token_counts() {
    let (world, admin) = closed_world().await;
    let acme = r#"{"name":"acme","sources":["batch_process"],"scopes":["read"],"clients":["acme"]}"#;
    let (id, acme) = token(&world, Some(&admin), acme).await;
    let other = r#"{"name":"writer","sources":["batch_process"],"scopes":["change"]}"#;
    let (_, writer) = token(&world, Some(&admin), other).await;
    let events = Reader::open(
        &world,
        "/v1/events?after=0&follow=false&refused=true",
        &bearing(&acme, None),
    )
    .await;
    let clients: Vec<_> = events
        .all()
        .await
        .iter()
        .map(|event| event.data["client_id"].clone())
        .collect();
    assert!(!clients.is_empty());
    assert!(clients.iter().all(|client| client == "acme"), "{clients:?}");
    assert!(
        numbers(
            &world,
            "/v1/events?after=0&follow=false&client_id=globex",
            &bearing(&acme, None)
        )
        .await
        .is_empty()
    );
    world
        .send("GET", "/v1/events", &bearing(&writer, None), "")
        .await
        .check(403, "scope_missing");
    world.get("/v1/events").await.check(401, "token_missing");

    let mut open = Reader::open(&world, "/v1/events", &bearing(&acme, None)).await;
    open.piece(usize::MAX).await;
    let revoked = world
        .send(
            "POST",
            &format!("/v1/tokens/{id}/revoke"),
            &bearing(&admin, Some("token_desk")),
            "",
        )
        .await;
    revoked.check(200, "");
    assert_eq!(open.event().await, None);
}

/// What happens to the log, and to its reader.
#[derive(Clone, Debug)]
enum Happens {
    Create(u8),
    Change(u8),
    Read,
    /// The connection is cut after so many bytes of the next piece.
    Cut(usize),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (0..40_u8).prop_map(Happens::Create),
        4 => (0..40_u8).prop_map(Happens::Change),
        3 => Just(Happens::Read),
        2 => (0..600_usize).prop_map(Happens::Cut),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whoever_is_cut_off_at_random_ends_with_exactly_the_log(steps in prop::collection::vec(happens(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let options = Options { keep_alive: Duration::from_millis(1), ..Options::default() };
            let world = World::with(options, CreationPolicy::default());
            let path = "/v1/events?after=0&refused=true";
            let mut reader = Reader::open(&world, path, &[]).await;
            let mut got = Vec::new();
            for step in steps {
                match step {
                    Happens::Create(run) => {
                        world.post("/v1/runs", &format!(r#"{{"run_id":"r{run}"}}"#)).await;
                    }
                    Happens::Change(run) => {
                        world.patch(&format!("/v1/runs/r{run}"), r#"{"note":"x"}"#).await;
                    }
                    Happens::Read => {
                        reader.piece(usize::MAX).await.unwrap();
                    }
                    Happens::Cut(bytes) => {
                        reader.piece(bytes).await.unwrap();
                        got.extend(reader.take());
                        let last = reader.last_id.take();
                        let header = last.as_deref().map(|id| ("last-event-id", id));
                        reader = Reader::open(&world, path, header.as_slice()).await;
                        reader.last_id = last;
                    }
                }
                got.extend(reader.take());
            }
            let lines = world.lines().await;
            // More pieces than there are lines: enough for each to come, and an end where one never does.
            for _ in 0..2 * lines.len() + 8 {
                if got.len() >= lines.len() {
                    break;
                }
                reader.piece(usize::MAX).await.unwrap();
                got.extend(reader.take());
            }
            let got: Vec<Value> = got.into_iter().map(|event| event.data).collect();
            assert_eq!(got, lines);
        });
    }
}
