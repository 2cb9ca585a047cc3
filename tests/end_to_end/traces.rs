//! Spans for a collector: that they arrive in the trace of whoever asked, and that no request needs the collector.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use crate::collector::{Collector, Manner, attribute, hex};
use crate::http::Connection;
use crate::program::{Place, Server, ran, until, write};
use crate::tls::{CERTIFICATE, OTHER};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
fn collecting(place: &Place, endpoint: &str) -> Command {
    let mut program = place.program();
    program.env("RUNLEDGER_TRACES__ENDPOINT", endpoint);
    program
}

fn ask(server: &Server, method: &str, path: &str, trace: Option<&str>, body: &str) -> u16 {
    let mut connection = Connection::open(&server.address).unwrap();
    let mut headers = vec![("Runledger-Source", "orchestrator")];
    headers.extend(trace.map(|trace| ("traceparent", trace)));
    headers.push(("tracestate", "vendor=42"));
    connection.send(method, path, &headers, body).unwrap().0
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found = spans.iter().find(|span| span.name == name);
    found.unwrap_or_else(|| panic!("there is no span {name:?} in {spans:#?}"))
}

fn check(span: &Span, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(attribute(span, name).as_deref(), Some(*value), "{name} of {span:#?}");
    }
}

#[test]
fn a_span_of_each_request_arrives_below_the_span_of_whoever_asked() {
    let place = Place::new();
    let collector = Collector::start(Manner::Takes);
    let mut program = collecting(&place, &collector.endpoint);
    program.env("RUNLEDGER_TRACES__HEADERS", "{ x-collector-key = 'marzipan' }");
    let server = Server::start(&mut program);
    let trace = format!("00-{TRACE}-{PARENT}-01");
    assert_eq!(
        ask(&server, "POST", "/v1/runs", Some(&trace), r#"{"run_id":"nightly"}"#),
        201
    );
    assert_eq!(ask(&server, "GET", "/v1/runs/nightly", Some(&trace), ""), 200);
    assert_eq!(
        ask(
            &server,
            "PATCH",
            "/v1/runs/unheard",
            Some(&trace),
            r#"{"status":"running"}"#
        ),
        404
    );
    assert_eq!(ask(&server, "POST", "/v1/runs/nightly/heartbeat", None, ""), 200);
    assert_eq!(ask(&server, "GET", "/no/such/path", None, ""), 404);
    assert_eq!(ask(&server, "MARZIPAN", "/v1/runs", None, ""), 405);
    // Whoever asks says that their trace is not recorded.
    let unrecorded = format!("00-{TRACE}-{PARENT}-00");
    assert_eq!(ask(&server, "GET", "/v1/records", Some(&unrecorded), ""), 200);
    assert_eq!(server.stop(), Some(0));

    let spans = collector.spans();
    let create = named(&spans, "POST /v1/runs");
    assert_eq!(
        (hex(&create.trace_id), hex(&create.parent_span_id)),
        (TRACE.into(), PARENT.into())
    );
    assert_eq!(
        (create.kind(), create.trace_state.as_str()),
        (SpanKind::Server, "vendor=42")
    );
    assert!(create.start_time_unix_nano < create.end_time_unix_nano);
    check(
        create,
        &[
            ("operation", "createJob"),
            ("run.key", "nightly"),
            ("source", "orchestrator"),
            ("outcome", "created"),
            ("http.response.status_code", "201"),
            ("http.route", "/v1/runs"),
        ],
    );
    assert_eq!(attribute(create, "code"), None);
    let write = spans.iter().find(|span| span.parent_span_id == create.span_id).unwrap();
    assert_eq!((write.name.as_str(), hex(&write.trace_id)), ("write", TRACE.into()));
    assert!(create.start_time_unix_nano <= write.start_time_unix_nano);
    assert!(write.end_time_unix_nano <= create.end_time_unix_nano);

    let read = named(&spans, "GET /v1/runs/{run}");
    assert_eq!(
        (hex(&read.trace_id), hex(&read.parent_span_id)),
        (TRACE.into(), PARENT.into())
    );
    check(
        read,
        &[("operation", "getJob"), ("run.key", "nightly"), ("outcome", "read")],
    );
    let refused = named(&spans, "PATCH /v1/runs/{run}");
    check(
        refused,
        &[
            ("operation", "updateJob"),
            ("run.key", "unheard"),
            ("outcome", "not_found"),
            ("code", "not_found"),
        ],
    );
    // Without a trace one begins here; without a path there is no operation, and what was sent is not told.
    let alone = named(&spans, "POST /v1/runs/{run}/heartbeat");
    assert_ne!(hex(&alone.trace_id), TRACE);
    assert!(alone.parent_span_id.is_empty());
    assert_eq!(attribute(named(&spans, "GET"), "operation"), None);
    check(named(&spans, "_OTHER /v1/runs"), &[("http.request.method", "_OTHER")]);
    assert!(spans.iter().all(|span| span.name != "GET /v1/records"), "{spans:#?}");

    for sent in collector.came() {
        let head = sent.head.to_ascii_lowercase();
        assert!(
            head.starts_with("post /v1/traces ") && head.contains("x-collector-key: marzipan"),
            "{head}"
        );
        assert!(sent.body.windows(9).any(|bytes| bytes == b"runledger"));
    }
    let shown = place
        .program()
        .env("RUNLEDGER_TRACES__HEADERS", "{ x-collector-key = 'marzipan' }")
        .args(["config", "show"])
        .output();
    let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
    assert!(
        shown.contains("x-collector-key") && !shown.contains("marzipan"),
        "{shown}"
    );
}

#[test]
fn a_share_of_nothing_records_the_traces_of_callers_alone() {
    let place = Place::new();
    let collector = Collector::start(Manner::Takes);
    let server = Server::start(collecting(&place, &collector.endpoint).env("RUNLEDGER_TRACES__SAMPLE", "0"));
    assert_eq!(ask(&server, "GET", "/livez", None, ""), 200);
    let trace = format!("00-{TRACE}-{PARENT}-01");
    assert_eq!(ask(&server, "GET", "/readyz", Some(&trace), ""), 200);
    assert_eq!(server.stop(), Some(0));
    let names: Vec<_> = collector.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["GET /readyz"]);
}

/// How many spans the server says that it sent, dropped and lost.
fn counted(server: &Server) -> [u64; 3] {
    let mut connection = Connection::open(&server.address).unwrap();
    let (status, page) = connection.send("GET", "/metrics", &[], "").unwrap();
    assert_eq!(status, 200);
    ["sent", "dropped", "lost"].map(|outcome| {
        let sample = format!("runledger_spans_total{{outcome=\"{outcome}\"}} ");
        let found = page.lines().find_map(|line| line.strip_prefix(&sample));
        found
            .unwrap_or_else(|| panic!("{sample}is missing in {page}"))
            .parse()
            .unwrap()
    })
}

fn read_often(server: &Server, reads: u32) {
    let mut connection = Connection::open(&server.address).unwrap();
    for _ in 0..reads {
        let (status, _) = connection.send("GET", "/livez", &[], "").unwrap();
        assert_eq!(status, 200);
    }
}

fn create(server: &Server, run: &str) {
    let body = format!(r#"{{"run_id":"{run}"}}"#);
    assert_eq!(ask(server, "POST", "/v1/runs", None, &body), 201);
}

/// A server whose spans go there, and its log.
fn start(place: &Place, endpoint: &str) -> (Server, PathBuf) {
    let log = place.beside("log");
    let server = Server::start_logging(&mut collecting(place, endpoint), fs::File::create(&log).unwrap());
    (server, log)
}

/// Ends it, and answers its log.
fn end(server: Server, log: &Path) -> String {
    assert_eq!(server.stop(), Some(0));
    fs::read_to_string(log).unwrap()
}

#[test]
fn a_collector_that_is_away_holds_up_nobody_and_what_it_misses_is_counted() {
    let place = Place::new();
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (server, log) = start(&place, &format!("http://{free}/v1/traces"));
    read_often(&server, 400);
    create(&server, "nightly");
    until("spans to be given up", || counted(&server)[2] > 0);
    create(&server, "weekly");
    let log = end(server, &log);
    assert!(log.contains("spans did not reach the collector"), "{log}");
    assert!(log.contains("not all spans reached the collector"), "{log}");
    place.verify();
}

#[test]
fn a_collector_that_never_answers_holds_up_nobody_and_what_is_dropped_is_counted() {
    let place = Place::new();
    let collector = Collector::start(Manner::Hangs);
    let (server, log) = start(&place, &collector.endpoint);
    // Had one of them waited for the collector, none behind it would have been answered before it was given up: the
    // spans of all of them would have had room.
    read_often(&server, 8_000);
    create(&server, "nightly");
    let [sent, dropped, _] = counted(&server);
    assert_eq!(sent, 0);
    assert!(dropped > 0, "nothing was dropped");
    let log = end(server, &log);
    assert!(
        log.contains("spans are dropped") && log.contains("\"dropped\":"),
        "{log}"
    );
    place.verify();
}

#[test]
fn a_collector_that_is_late_gets_everything_and_nobody_waits_for_it() {
    let place = Place::new();
    let collector = Collector::start(Manner::TakesLate);
    let (server, log) = start(&place, &collector.endpoint);
    read_often(&server, 2_000);
    until("the spans to arrive", || counted(&server)[0] >= 2_000);
    let [_, dropped, lost] = counted(&server);
    assert_eq!((dropped, lost), (0, 0));
    let log = end(server, &log);
    assert!(!log.contains("not all spans"), "{log}");
}

#[test]
fn what_a_collector_refuses_for_now_is_tried_again_and_what_it_refuses_is_lost_and_counted() {
    let check = |manner, is_kept: bool, lost: u64, tries: usize| {
        let place = Place::new();
        let collector = Collector::start(manner);
        let (server, log) = start(&place, &collector.endpoint);
        create(&server, "nightly");
        until("an outcome of the spans", || counted(&server) != [0, 0, 0]);
        let counts = counted(&server);
        assert!(
            counts[2] >= lost && (counts[0] > 0) == is_kept,
            "{manner:?}: {counts:?}"
        );
        assert!(collector.asked() >= tries, "{manner:?}");
        assert_eq!(collector.spans().iter().any(|span| span.name == "write"), is_kept);
        end(server, &log)
    };
    let log = check(Manner::AnswersAtFirst(503), true, 0, 2);
    assert!(!log.contains("did not reach"), "{log}");
    let log = check(Manner::Answers(503), false, 2, 2);
    assert!(log.contains("the collector answered 503"), "{log}");
    let log = check(Manner::Answers(500), false, 2, 1);
    assert!(log.contains("the collector answered 500"), "{log}");
    // Nor does it send anybody elsewhere.
    let log = check(Manner::Answers(307), false, 2, 1);
    assert!(log.contains("the collector answered 307"), "{log}");
    let log = check(Manner::TakesAllButOne, true, 1, 1);
    assert!(log.contains("the collector refused spans"), "{log}");
}

#[test]
fn a_collector_over_tls_is_believed_by_the_certificates_of_a_file_and_by_no_others() {
    let place = Place::new();
    let collector = Collector::start_tls(Manner::Takes);
    write(&place.beside("authority.pem"), CERTIFICATE);
    write(&place.beside("other.pem"), OTHER);
    let check = |authority: Option<&str>, run: &str| {
        let log = place.beside("log");
        let mut program = collecting(&place, &collector.endpoint);
        program.env("RUNLEDGER_TRACES__HEADERS", "{ authorization = 'Bearer marzipan' }");
        if let Some(authority) = authority {
            program.env("RUNLEDGER_TRACES__CA_FILE", place.beside(authority));
        }
        let server = Server::start_logging(&mut program, fs::File::create(&log).unwrap());
        create(&server, run);
        until("an outcome of the spans", || counted(&server) != [0, 0, 0]);
        let counts = counted(&server);
        (counts, end(server, &log))
    };
    // Unknown to the machine, and to whoever believes another one: nothing is shown to it, and requests go on.
    for (authority, run) in [(None, "first"), (Some("other.pem"), "second")] {
        let (counts, log) = check(authority, run);
        assert!(counts[0] == 0 && counts[2] > 0, "{counts:?}");
        assert!(log.contains("certificate") && !log.contains("marzipan"), "{log}");
        assert_eq!(collector.asked(), 0);
    }
    let (counts, log) = check(Some("authority.pem"), "third");
    assert!(counts[0] > 0, "{counts:?}");
    assert!(!log.contains("marzipan"), "{log}");
    assert!(collector.came()[0].head.contains("Bearer marzipan"));
    assert!(collector.spans().iter().any(|span| span.name == "write"));

    let mut program = collecting(&place, &collector.endpoint);
    program.env("RUNLEDGER_TRACES__CA_FILE", place.beside("missing.pem"));
    ran(program.args(["serve", "--listen", "127.0.0.1:0"]))
        .expect(2)
        .says(&["traces.ca_file", "missing.pem"]);
}

#[test]
fn an_endpoint_that_cannot_be_is_refused_before_anything_is_served() {
    let place = Place::new();
    let mut program = collecting(&place, "https://user:marzipan@collector/");
    let refused = program
        .args(["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{text}");
    assert!(
        text.contains("traces.endpoint") && text.contains("traces.headers") && !text.contains("marzipan"),
        "{text}"
    );
}
