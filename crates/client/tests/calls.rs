//! What each kind of answer comes to, by a server that answers from a script: what is tried again, under which name, how
//! long is waited, and what is called unknown. The real server is met in `tests/end_to_end`.

#![cfg(test)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use runledger_client::domain::{MetricChange, RunKey, Update};
use runledger_client::{Client, Error, Retry};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A record as the server shows it, with a field that this client does not know.
const RECORD: &str = r#"{"run_id":"nightly","client_id":null,"key":"nightly","kind":"job","client_name":null,
    "batch":null,"status":"running","stalled":false,"created_at":"2025-09-25T23:18:41.000Z","created_by":"orchestrator",
    "attempt":"a","reconstructed":false,"started_at":"2025-09-25T23:18:41.000Z","ended_at":null,"ended_by":null,
    "end_note":null,"duration_ms":null,"deadline":"2025-09-26T05:18:41.000Z","deadline_after_seconds":21600,
    "updated_at":"2025-09-25T23:18:41.000Z","updated_by":"orchestrator","version":1,
    "metrics":{"cost":12345678901234567.000000001},"stages":[],"notes":[],"external_ids":[],"later":{}}"#;

/// Long enough for the longest script, and quickly over.
const SHORT: Duration = Duration::from_millis(700);
const LONGER: Duration = Duration::from_secs(5);

/// One answer of the script.
#[derive(Clone, Copy)]
enum Step {
    /// This status, with the code of a problem, and perhaps seconds to wait.
    Problem(u16, &'static str, Option<u32>),
    /// The record.
    Done,
    /// A success that no ledger would send.
    Nonsense,
    /// The connection is cut once the request is there.
    Cut,
    /// Nothing, for longer than any time-out here.
    Silence,
}

/// The heads of the requests that came.
type Heads = Arc<Mutex<Vec<String>>>;

/// Answers by the script, its last step for ever; a connection for each request.
async fn serve(script: &'static [Step]) -> (String, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heads = Heads::default();
    let noted = Arc::clone(&heads);
    tokio::spawn(async move {
        let mut steps = script.iter();
        let mut step = Step::Cut;
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            step = steps.next().copied().unwrap_or(step);
            tokio::spawn(answer(connection, step, Arc::clone(&noted)));
        }
    });
    (url, heads)
}

async fn answer(connection: TcpStream, step: Step, noted: Heads) {
    let mut connection = BufReader::new(connection);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        connection.read_line(&mut head).await.unwrap();
        let line = head[start..].to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.unwrap();
    noted.lock().unwrap().push(head.to_lowercase());
    let (status, wait, body) = match step {
        Step::Problem(status, code, wait) => {
            let wait = wait
                .map(|seconds| format!("retry-after: {seconds}\r\n"))
                .unwrap_or_default();
            (status, wait, format!(r#"{{"code":"{code}","detail":"it is so"}}"#))
        }
        Step::Done => (200, String::new(), RECORD.to_owned()),
        Step::Nonsense => (200, String::new(), "<html>welcome</html>".to_owned()),
        Step::Cut => return,
        Step::Silence => return tokio::time::sleep(Duration::from_mins(1)).await,
    };
    let length = body.len();
    let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n{wait}connection: close\r\n\r\n{body}");
    connection.get_mut().write_all(answer.as_bytes()).await.unwrap();
}

fn client(url: &str, deadline: Duration) -> Client {
    let retry = Retry {
        deadline,
        first_delay: Duration::from_millis(10),
        longest_delay: Duration::from_millis(20),
    };
    Client::builder(url)
        .source("orchestrator".parse().unwrap())
        .timeout(Duration::from_millis(200))
        .retry(Some(retry))
        .build()
        .unwrap()
}

fn key() -> RunKey {
    "nightly".parse().unwrap()
}

/// A delta, under a name that the client chooses.
async fn add(script: &'static [Step]) -> (Result<(), Error>, Vec<String>) {
    add_within(script, SHORT).await
}

async fn add_within(script: &'static [Step], deadline: Duration) -> (Result<(), Error>, Vec<String>) {
    let (url, heads) = serve(script).await;
    let leads = [("leads".parse().unwrap(), "1".parse().unwrap())].into();
    let metrics = MetricChange {
        add: leads,
        ..MetricChange::default()
    };
    let ended = client(&url, deadline).report(&key(), metrics).await.map(drop);
    let heads = heads.lock().unwrap().clone();
    (ended, heads)
}

fn name(head: &str) -> &str {
    let line = head.lines().find(|line| line.starts_with("idempotency-key:"));
    line.unwrap_or_else(|| panic!("no name in {head}"))
}

#[tokio::test]
async fn every_try_of_a_call_carries_the_same_name_and_every_call_another_one() {
    let script = &[
        Step::Cut,
        Step::Silence,
        Step::Problem(503, "busy", None),
        Step::Problem(429, "rate_limited", Some(0)),
        Step::Problem(409, "conflict", Some(0)),
        Step::Problem(408, "body_too_slow", None),
        Step::Problem(502, "x", None),
        Step::Problem(504, "x", None),
        Step::Done,
    ];
    let (ended, heads) = add(script).await;
    ended.unwrap();
    assert_eq!(heads.len(), script.len());
    assert!(heads.iter().all(|head| name(head) == name(&heads[0])));
    let (_, others) = add(script).await;
    assert_ne!(name(&others[0]), name(&heads[0]));
}

#[tokio::test]
async fn what_the_server_asks_to_wait_is_waited() {
    #[expect(clippy::disallowed_methods, reason = "the time that really passes is what is tested")]
    let began = Instant::now();
    let (ended, heads) = add_within(&[Step::Problem(503, "busy", Some(1)), Step::Done], LONGER).await;
    ended.unwrap();
    assert_eq!(heads.len(), 2);
    assert!(began.elapsed() >= Duration::from_secs(1));
    // What is asked for is beyond the deadline: it is not waited for at all.
    let (ended, heads) = add(&[Step::Problem(503, "busy", Some(3_600))]).await;
    assert!(matches!(ended, Err(Error::Unavailable(_))), "{ended:?}");
    assert_eq!(heads.len(), 1);
}

#[tokio::test]
async fn a_refusal_is_not_tried_again() {
    for (status, code) in [
        (400, "body_not_json"),
        (401, "token_invalid"),
        (403, "scope_missing"),
        (404, "not_found"),
        (409, "already_ended"),
        (412, "version_mismatch"),
        (422, "value_invalid"),
    ] {
        let script: &'static [Step] = Box::leak(Box::new([Step::Problem(status, code, None)]));
        let (ended, heads) = add(script).await;
        let error = ended.unwrap_err();
        assert_eq!(error.code(), Some(code));
        assert_eq!((heads.len(), error.intent()), (1, None), "{error:?}");
    }
}

#[tokio::test]
async fn what_may_have_taken_effect_is_unknown_at_the_deadline_and_nothing_else_is() {
    for (script, is_unknown) in [
        (&[Step::Cut] as &[Step], true),
        (&[Step::Silence], true),
        (&[Step::Problem(503, "in_doubt", None)], true),
        (&[Step::Problem(500, "internal", None)], true),
        (&[Step::Nonsense], true),
        (&[Step::Problem(503, "busy", None)], false),
        (&[Step::Problem(429, "rate_limited", None)], false),
        // Later certainty about other tries takes nothing away from the doubt about the first one.
        (&[Step::Cut, Step::Problem(503, "stopped", None)], true),
        (&[Step::Cut, Step::Problem(401, "token_ended", None)], true),
        // The ledger looks for the repetition before it refuses: the first try did nothing.
        (&[Step::Cut, Step::Problem(409, "already_ended", None)], false),
        (&[Step::Cut, Step::Problem(412, "version_mismatch", None)], false),
        (&[Step::Cut, Step::Problem(422, "update_id_reused", None)], false),
        // What stands against it may pass, and the first try be on its way until then. That there is no such record
        // settles nothing either, where one was seen.
        (&[Step::Cut, Step::Problem(404, "not_found", None)], true),
        (&[Step::Cut, Step::Problem(409, "metric_overflow", None)], true),
        (&[Step::Cut, Step::Problem(409, "newer_than_this_client", None)], true),
    ] {
        let (ended, heads) = add(script).await;
        let error = ended.unwrap_err();
        assert_eq!(error.intent().is_some(), is_unknown, "{error:?}");
        if let Some(intent) = error.intent() {
            assert_eq!(
                format!("idempotency-key: {}", intent.idempotency_key().unwrap()),
                name(&heads[0])
            );
        }
    }
}

#[tokio::test]
async fn a_change_without_a_name_is_in_doubt_where_a_repetition_could_not_be_told() {
    let (url, _) = serve(&[Step::Cut, Step::Problem(409, "already_ended", None)]).await;
    let error = client(&url, SHORT).heartbeat(&key()).await.unwrap_err();
    assert!(matches!(error, Error::Unknown(_)), "{error:?}");
    let (url, heads) = serve(&[Step::Done]).await;
    let start = Update {
        start: true,
        ..Update::default()
    };
    client(&url, SHORT).change(&key(), &start).await.unwrap();
    assert!(!heads.lock().unwrap()[0].contains("idempotency-key"));
}

#[tokio::test]
async fn reading_is_exact_and_what_is_no_ledger_is_called_so() {
    let (url, _) = serve(&[Step::Cut, Step::Done]).await;
    let record = client(&url, SHORT).get(&key()).await.unwrap();
    assert_eq!(
        record.metrics.get("cost"),
        Some("12345678901234567.000000001".parse().unwrap())
    );
    let (url, heads) = serve(&[Step::Nonsense]).await;
    let error = client(&url, SHORT).get(&key()).await.unwrap_err();
    assert!(matches!(error, Error::UnexpectedAnswer(_)), "{error:?}");
    assert_eq!(heads.lock().unwrap().len(), 1);
}
