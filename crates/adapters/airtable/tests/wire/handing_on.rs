//! What others ask of Airtable, handed on: as it came, once, in the pace of its base, and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use runledger_airtable::{Connection, HandOn, Pace, PaceSettings, TokioTime};
use runledger_airtable_fake::Settings;
use runledger_ports::{Upstream as _, UpstreamAnswer, UpstreamError, UpstreamRequest};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::hand::{BASE, Hand, TABLE};

const FAST: PaceSettings = PaceSettings {
    base_per_second: 10_000.0,
    token_per_second: 10_000.0,
};

fn hand_on(url: &str, pace: PaceSettings, wait_max: Duration) -> HandOn {
    let connection = Connection {
        endpoint: url.to_owned(),
        pat: "patWIRE".parse().unwrap(),
        request_time: Duration::from_millis(400),
    };
    HandOn::new(&connection, Pace::new(pace, Arc::new(TokioTime::default())), wait_max).unwrap()
}

async fn send(way: &HandOn, method: &str, target: &str, body: &str) -> Result<UpstreamAnswer, UpstreamError> {
    way.send(UpstreamRequest {
        method,
        target,
        base: Some(BASE),
        content_type: Some("application/json"),
        body: body.as_bytes(),
    })
    .await
}

fn records() -> String {
    format!("/v0/{BASE}/{TABLE}")
}

#[tokio::test]
async fn a_request_arrives_as_it_was_with_the_token_in_it_and_comes_back_as_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/prefix", listener.local_addr().unwrap());
    let body = "{ \"odd\" :  1 }";
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4_096];
        let length = stream.read(&mut request).await.unwrap();
        let answer = "HTTP/1.1 307 x\r\nLocation: http://127.0.0.1:9/\r\nContent-Type: text/odd\r\nContent-Length: 4\r\n\r\n {} ";
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request[..length].to_vec()).unwrap()
    });
    let target = "/v0/appWireTests00001/Run%20Records/?fields%5B%5D=A+B&";
    let way = hand_on(&url, FAST, Duration::from_secs(1));
    let answer = send(&way, "PATCH", target, body).await.unwrap();
    // A redirection is answered, and not followed.
    assert_eq!(
        (answer.status, answer.content_type.as_deref(), &*answer.body),
        (307, Some("text/odd"), &b" {} "[..])
    );
    let request = server.await.unwrap();
    assert!(
        request.starts_with(&format!("PATCH /prefix{target} HTTP/1.1\r\n")),
        "{request}"
    );
    assert!(
        request.contains("authorization: Bearer patWIRE\r\n") && request.ends_with(body),
        "{request}"
    );
    assert!(!format!("{way:?}").contains("patWIRE"));
}

#[tokio::test]
async fn a_path_that_would_be_another_on_its_way_is_not_sent() {
    let hand = Hand::new().await;
    let way = hand_on(&hand.fake.url(), FAST, Duration::from_secs(1));
    for target in [
        "/v0/appWireTests00001/x/../tblRunRecords0001",
        "/v0/appWireTests00001/%2e%2E/appWireTests00001/tblRunRecords0001",
        "/v0/appWireTests00001\\tblRunRecords0001",
        "/./v0/appWireTests00001/tblRunRecords0001",
    ] {
        let error = send(&way, "POST", target, r#"{"fields":{}}"#).await.unwrap_err();
        assert!(matches!(error, UpstreamError::NotReached { .. }), "{target}: {error}");
    }
    assert_eq!(hand.fake.requests().len(), 0);
}

#[tokio::test]
async fn a_lost_answer_is_said_to_be_lost_and_is_asked_for_once() {
    for fault in [
        json!({"cut": "connection", "after_effect": true}),
        json!({"cut": "body", "after_effect": true}),
        json!({"cut": "stall", "after_effect": true}),
        json!({"cut": "silence", "after_effect": true}),
    ] {
        let hand = Hand::new().await;
        let way = hand_on(&hand.fake.url(), FAST, Duration::from_secs(1));
        send(&way, "GET", &records(), "").await.unwrap();
        let mut once = fault.clone();
        once["times"] = json!(1);
        hand.add_fault(once);
        let error = send(&way, "POST", &records(), r#"{"fields":{}}"#).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Lost { .. }), "{fault}: {error}");
        assert_eq!((hand.writes(), hand.count()), (1, 1), "{fault}");
    }
    let error = send(
        &hand_on("http://127.0.0.1:9", FAST, Duration::from_secs(1)),
        "GET",
        &records(),
        "",
    )
    .await;
    assert!(matches!(error, Err(UpstreamError::NotReached { .. })), "{error:?}");
}

#[tokio::test]
async fn requests_have_their_turns_and_whoever_would_wait_too_long_is_told_when_to_come_back() {
    let hand = Hand::with(
        Settings {
            base_requests: 2,
            ..Settings::default()
        },
        Duration::from_secs(20),
    )
    .await;
    // Two a second: the third would wait longer than it may.
    let slow = PaceSettings {
        base_per_second: 2.0,
        ..FAST
    };
    let way = hand_on(&hand.fake.url(), slow, Duration::from_millis(700));
    let target = records();
    let all = tokio::join!(
        send(&way, "GET", &target, ""),
        send(&way, "GET", &target, ""),
        send(&way, "GET", &target, "")
    );
    let crowded = [&all.0, &all.1, &all.2].map(|one| matches!(one, Err(UpstreamError::Crowded { .. })));
    assert_eq!(crowded.iter().filter(|crowded| **crowded).count(), 1, "{all:?}");
    assert_eq!(hand.fake.requests().len(), 2);
    // One too many: the answer goes through, and the base is left alone meanwhile.
    let way = hand_on(&hand.fake.url(), FAST, Duration::from_millis(200));
    let mut status = 200;
    for _ in 0..3 {
        if status == 200 {
            status = send(&way, "GET", &target, "").await.unwrap().status;
        }
    }
    assert_eq!(status, 429);
    let asked = hand.fake.requests().len();
    let error = send(&way, "GET", &target, "").await.unwrap_err();
    let UpstreamError::Crowded { retry_after } = error else {
        panic!("{error}");
    };
    assert!(retry_after > Duration::from_secs(20), "{retry_after:?}");
    assert_eq!(hand.fake.requests().len(), asked);
    // What is not about a base has no such pace.
    let whoami = UpstreamRequest {
        method: "GET",
        target: "/v0/meta/whoami",
        base: None,
        content_type: None,
        body: b"",
    };
    assert_eq!(way.send(whoami).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_spent_month_holds_no_base_back() {
    let hand = Hand::new().await;
    let way = hand_on(&hand.fake.url(), FAST, Duration::from_millis(200));
    let refuse = json!({"status": 429, "type": "PUBLIC_API_BILLING_LIMIT_EXCEEDED", "shape": "errors"});
    hand.add_fault(json!({"refuse": refuse, "times": 1}));
    let answer = send(&way, "GET", &records(), "").await.unwrap();
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, &body["errors"][0]["error"]), (429, &refuse["type"]));
    assert_eq!(send(&way, "GET", &records(), "").await.unwrap().status, 200);
}
