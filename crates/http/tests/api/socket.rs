//! The server on a real socket: answers in one piece, an end that finishes what was accepted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use runledger_domain::CreationPolicy;
use runledger_http::{Bounds, Options, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::World;
use crate::support::broken::Broken;

struct Server {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    serving: JoinHandle<std::io::Result<()>>,
}

async fn start(world: &World, drain: Duration) -> Server {
    let bounds = Bounds {
        drain,
        ..Bounds::default()
    };
    start_within(world, bounds).await
}

async fn start_within(world: &World, bounds: Bounds) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ended) = oneshot::channel::<()>();
    let shutdown = async move {
        let _ = ended.await;
    };
    let serving = tokio::spawn(serve(listener, world.router.clone(), bounds, shutdown));
    Server {
        address,
        end: Some(end),
        serving,
    }
}

const CREATE: &str = "POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nRunledger-Source: orchestrator\r\n\
    Content-Length: 15\r\n\r\n{\"run_id\":\"r1\"}";

/// Reads until the other side closes, or one whole answer is there.
async fn read_answer(connection: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = connection.read(&mut buffer).await.unwrap();
        read.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&read);
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            length.is_none_or(|length: usize| body.len() >= length)
        });
        if count == 0 || whole {
            return text.into_owned();
        }
    }
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let world = World::new();
    let server = start(&world, Duration::from_secs(5)).await;
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(CREATE.as_bytes()).await.unwrap();
    let created = read_answer(&mut connection).await;
    assert!(created.starts_with("HTTP/1.1 201 Created\r\n"), "{created}");
    connection
        .write_all(b"GET /v1/runs/r1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let shown = read_answer(&mut connection).await;
    assert!(
        shown.starts_with("HTTP/1.1 200 OK\r\n") && shown.contains("\"run_id\":\"r1\""),
        "{shown}"
    );
    connection
        .write_all(b"GET /v1/runs/r1 HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        .await
        .unwrap();
    assert!(read_answer(&mut connection).await.starts_with("HTTP/1.1 403 "));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_answered() {
    let world = World::new();
    let server = start(&world, Duration::from_secs(5)).await;
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nRunledger-Source: orchestrator\r\nContent-Length: 3000000\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(&vec![b' '; 3_000_000]).await.unwrap();
    let answer = read_answer(&mut connection).await;
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.contains("body_too_large"),
        "{answer}"
    );
}

#[tokio::test]
async fn the_end_finishes_what_was_accepted() {
    let store = Broken::gated();
    let world = World::over(Arc::clone(&store), Options::default(), CreationPolicy::default());
    let mut server = start(&world, Duration::from_secs(30)).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(CREATE.as_bytes()).await.unwrap();
    store.waiting.acquire().await.unwrap().forget();

    server.end.take().unwrap().send(()).unwrap();
    // An idle connection is closed at once; that also shows that the end has begun.
    assert_eq!(idle.read(&mut [0; 8]).await.unwrap(), 0);
    assert!(!server.serving.is_finished());
    store.gate.add_permits(1);
    let answer = read_answer(&mut connection).await;
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    server.serving.await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
    assert_eq!(world.records().await, ["r1 v1"]);
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let store = Broken::gated();
    let world = World::over(Arc::clone(&store), Options::default(), CreationPolicy::default());
    let mut server = start(&world, Duration::from_millis(50)).await;
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(CREATE.as_bytes()).await.unwrap();
    store.waiting.acquire().await.unwrap().forget();
    server.end.take().unwrap().send(()).unwrap();
    let late = server.serving.await.unwrap().unwrap_err();
    assert_eq!(late.kind(), std::io::ErrorKind::TimedOut);
}

/// When a connection must have been given up: a hundred times what the tests set, and less than what the HTTP library does
/// when nobody sets anything (30 s).
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_head_that_does_not_arrive_is_given_up() {
    let bounds = Bounds {
        head_time: Duration::from_millis(100),
        ..Bounds::default()
    };
    let server = start_within(&World::new(), bounds).await;
    for sent in [
        "",
        "GET /livez HTTP/1.1\r\nHost: loc",
        "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        connection.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(GIVEN_UP_WITHIN, connection.read_to_end(&mut answer)).await;
        ended.expect("it is given up").unwrap();
        let is_answered = answer.starts_with(b"HTTP/1.1 200");
        assert_eq!(is_answered, sent.ends_with("\r\n\r\n"), "{sent}");
    }
}

#[tokio::test]
async fn a_head_that_drips_in_is_given_up_as_well() {
    let bounds = Bounds {
        head_time: Duration::from_millis(200),
        ..Bounds::default()
    };
    let server = start_within(&World::new(), bounds).await;
    let connection = TcpStream::connect(server.address).await.unwrap();
    let (mut reading, mut writing) = connection.into_split();
    // Each byte is in time; the head as a whole is not.
    let dripping = tokio::spawn(async move {
        writing.write_all(b"GET /livez HTTP/1.1\r\nX: ").await.unwrap();
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut answer = Vec::new();
    // The server may close with bytes unread, which is an error here.
    let ended = tokio::time::timeout(GIVEN_UP_WITHIN, reading.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "it is given up");
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    dripping.await.unwrap();
}

#[tokio::test]
async fn a_caller_who_closes_their_half_or_vanishes_leaves_whole_records() {
    let world = World::new();
    let server = start(&world, Duration::from_secs(5)).await;
    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(CREATE.as_bytes()).await.unwrap();
    half.shutdown().await.unwrap();
    // Whether it is answered or hung up on: not for ever.
    let _ = half.read_to_end(&mut Vec::new()).await;
    let mut cut_off = TcpStream::connect(server.address).await.unwrap();
    let (begun, _) = CREATE.split_once("r1").unwrap();
    cut_off.write_all(begun.as_bytes()).await.unwrap();
    drop(cut_off);
    let mut other = TcpStream::connect(server.address).await.unwrap();
    other.write_all(CREATE.replace("r1", "r2").as_bytes()).await.unwrap();
    let answer = read_answer(&mut other).await;
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    let records = world.records().await;
    assert!(records.contains(&"r2 v1".to_owned()), "{records:?}");
    assert!(records.iter().all(|record| record.ends_with(" v1")), "{records:?}");
}

#[tokio::test]
async fn beyond_the_bound_connections_wait_for_a_place() {
    let bounds = Bounds {
        connections: 1,
        ..Bounds::default()
    };
    let server = start_within(&World::new(), bounds).await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    first.write_all(CREATE.as_bytes()).await.unwrap();
    assert!(read_answer(&mut first).await.starts_with("HTTP/1.1 201"));
    let mut second = TcpStream::connect(server.address).await.unwrap();
    second
        .write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(50), second.readable()).await;
    assert!(waiting.is_err(), "there is one place, and it is taken");
    drop(first);
    assert!(read_answer(&mut second).await.starts_with("HTTP/1.1 200"));
}
