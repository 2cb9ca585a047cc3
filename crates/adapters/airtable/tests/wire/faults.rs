//! Each fault of the control plane: is a write done, not done, or unknown, and was it sent once?

use crate::hand::{Hand, connect, new_row};
use runledger_airtable::{BATCH_ROWS, Batch, Doubt, NotSent, Outcome, PaceSettings, RefusalKind};
use runledger_airtable_fake::Settings;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// What a write is said to be.
#[derive(Debug, PartialEq)]
enum Said {
    Done,
    NotDone(RefusalKind),
    Unknown(&'static str),
}

fn said<S>(outcome: &Outcome<S>) -> Said {
    match outcome {
        Outcome::Done(_) => Said::Done,
        Outcome::NotDone {
            why: NotSent::Refused(refusal),
            ..
        } => Said::NotDone(refusal.kind),
        Outcome::NotDone { .. } => Said::Unknown("a refusal was expected"),
        Outcome::Unknown { why, .. } => Said::Unknown(match why {
            Doubt::TimedOut(_) => "timed out",
            Doubt::Cut(_) => "cut",
            Doubt::Status(_) => "status",
            Doubt::Unreadable(_) => "unreadable",
            Doubt::RowsMissing => "rows missing",
            _ => "new",
        }),
    }
}

/// A fault on each kind of write: what it is said to be, and whether it took place.
async fn check(fault: Value, expected: Said, takes_place: bool) {
    let hand = Hand::with(Settings::default().without_rate_limits(), Duration::from_millis(400)).await;
    // A connection that was used before is where a client might be tempted to send again.
    let old = hand.record("old");
    assert!(matches!(
        hand.change(&old, "old", json!({ "N": 1 })).await,
        Outcome::Done(_)
    ));
    let before = hand.writes();
    let mut once = fault.clone();
    once["times"] = json!(1);

    hand.add_fault(once.clone());
    let created = hand.create(&["a", "b"]).await;
    assert_eq!(said(&created), expected, "create with {fault}");
    if let Outcome::Unknown { sent, written, .. } = &created {
        assert_eq!(*sent, [new_row("a"), new_row("b")], "all that was sent comes back");
        assert_eq!(written, &[]);
    }
    assert_eq!(hand.writes(), before + 1, "sent once: {fault}");
    assert_eq!(hand.count(), if takes_place { 3 } else { 1 }, "{fault}");

    hand.add_fault(once.clone());
    let changed = hand.change(&old, "old", json!({ "N": 2 })).await;
    assert_eq!(said(&changed), expected, "change with {fault}");
    let n = hand.fake.records(crate::hand::BASE, crate::hand::TABLE).unwrap()[0]["fields"]["N"].clone();
    assert_eq!(n, if takes_place { 2 } else { 1 }, "{fault}");

    hand.add_fault(once);
    let deleted = hand.airtable.delete(&hand.base, &hand.table, &[old]).await;
    match expected {
        Said::Unknown(_) => assert!(matches!(deleted, Ok((ref gone, Some(_))) if gone.is_empty()), "{fault}"),
        Said::NotDone(_) => assert!(deleted.is_err(), "{fault}"),
        Said::Done => assert!(matches!(deleted, Ok((_, None))), "{fault}"),
    }
    assert_eq!(hand.writes(), before + 3, "sent once: {fault}");
}

#[tokio::test]
async fn a_slow_answer_is_done() {
    check(json!({ "delay_before_ms": 20, "delay_after_ms": 20 }), Said::Done, true).await;
}

#[tokio::test]
async fn too_many_requests_is_not_done() {
    let refuse = json!({ "status": 429, "shape": "errors" });
    let hand = Hand::new().await;
    hand.add_fault(json!({ "refuse": refuse, "lock": true, "times": 1 }));
    let refused = hand.create(&["a"]).await;
    assert_eq!(said(&refused), Said::NotDone(RefusalKind::RateLimited));
    assert_eq!(hand.count(), 0);
    let held = hand.airtable.pace().locked_for(&hand.base).unwrap();
    assert!(held > Duration::from_secs(29), "{held:?}");
}

#[tokio::test]
async fn a_month_that_is_spent_is_not_done_and_not_retryable() {
    let refuse = json!({ "status": 429, "type": "PUBLIC_API_BILLING_LIMIT_EXCEEDED", "shape": "errors" });
    let hand = Hand::new().await;
    hand.add_fault(json!({ "refuse": refuse, "times": 1 }));
    let Outcome::NotDone {
        why: NotSent::Refused(refusal),
        sent,
    } = hand.create(&["a"]).await
    else {
        panic!("it is refused");
    };
    assert_eq!(refusal.kind, RefusalKind::QuotaSpent);
    assert!(!refusal.is_retryable());
    assert_eq!(sent, [new_row("a")]);
}

#[tokio::test]
async fn a_failing_server_is_unknown_whether_it_did_it_or_not() {
    for status in [500, 502, 503, 504] {
        for shape in ["object", "text", "type_only", "errors", "html", "empty"] {
            let refuse = json!({ "status": status, "shape": shape });
            if shape == "object" {
                check(json!({ "refuse": refuse }), Said::Unknown("status"), false).await;
            }
            check(
                json!({ "refuse": refuse, "after_effect": true }),
                Said::Unknown("status"),
                true,
            )
            .await;
        }
    }
}

#[tokio::test]
async fn what_something_in_between_says_is_unknown() {
    for status in [408, 409, 425, 307, 302] {
        let refuse = json!({ "status": status });
        check(
            json!({ "refuse": refuse, "after_effect": true }),
            Said::Unknown("status"),
            true,
        )
        .await;
    }
}

#[tokio::test]
async fn a_cut_connection_is_unknown_whether_it_was_done_or_not() {
    check(json!({ "cut": "connection" }), Said::Unknown("cut"), false).await;
    check(
        json!({ "cut": "connection", "after_effect": true }),
        Said::Unknown("cut"),
        true,
    )
    .await;
}

#[tokio::test]
async fn a_cut_body_is_unknown() {
    check(json!({ "cut": "body" }), Said::Unknown("cut"), true).await;
}

#[tokio::test]
async fn a_body_that_stalls_is_unknown() {
    check(json!({ "cut": "stall" }), Said::Unknown("timed out"), true).await;
}

#[tokio::test]
async fn silence_is_unknown() {
    check(json!({ "cut": "silence" }), Said::Unknown("timed out"), false).await;
    check(json!({ "delay_after_ms": 1_000 }), Said::Unknown("timed out"), true).await;
}

#[tokio::test]
async fn an_effect_after_the_time_out_is_unknown_and_comes() {
    for fault in [
        json!({ "delay_before_ms": 600, "times": 1 }),
        json!({ "cut": "silence", "late_effect_ms": 600, "times": 1 }),
    ] {
        let hand = Hand::with(Settings::default().without_rate_limits(), Duration::from_millis(200)).await;
        hand.add_fault(fault);
        let created = hand.create(&["a"]).await;
        assert_eq!(said(&created), Said::Unknown("timed out"));
        assert_eq!(hand.count(), 0);
        let comes = async {
            while hand.count() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), comes).await.unwrap();
        assert_eq!(hand.count(), 1);
    }
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_unknown() {
    for shape in ["html", "empty", "object", "errors"] {
        let refuse = json!({ "status": 200, "shape": shape });
        check(
            json!({ "refuse": refuse, "after_effect": true }),
            Said::Unknown("unreadable"),
            true,
        )
        .await;
    }
}

#[tokio::test]
async fn refusals_in_every_shape_are_not_done() {
    for shape in ["object", "text", "type_only", "errors", "html", "empty"] {
        for (status, kind) in [
            (400, RefusalKind::Invalid),
            (401, RefusalKind::Unauthenticated),
            (402, RefusalKind::PaymentRequired),
            (403, RefusalKind::Forbidden),
            (404, RefusalKind::NotFound),
            (413, RefusalKind::TooLarge),
            (422, RefusalKind::Invalid),
        ] {
            let hand = Hand::new().await;
            hand.add_fault(json!({ "refuse": { "status": status, "shape": shape }, "times": 1 }));
            assert_eq!(
                said(&hand.create(&["a"]).await),
                Said::NotDone(kind),
                "{status} {shape}"
            );
            assert_eq!(hand.count(), 0);
        }
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let hand = Hand::new().await;
    for url in [format!("http://{address}"), "http://nobody.invalid".to_owned()] {
        let airtable = connect(&url, Duration::from_secs(20), PaceSettings::default());
        let rows = Batch::new(vec![new_row("a")], BATCH_ROWS).unwrap();
        let outcome = airtable.create(&hand.base, &hand.table, rows, false).await;
        assert!(
            matches!(
                outcome,
                Outcome::NotDone {
                    why: NotSent::NotReached(_),
                    ..
                }
            ),
            "{url}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_was_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let seen = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = vec![0; 4_096];
        let length = stream.read(&mut seen).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        seen.truncate(length);
        seen
    });
    let hand = Hand::new().await;
    let airtable = connect(&url, Duration::from_secs(20), PaceSettings::default());
    let rows = Batch::new(vec![new_row("a")], BATCH_ROWS).unwrap();
    let outcome = airtable.create(&hand.base, &hand.table, rows, false).await;
    assert!(
        matches!(
            outcome,
            Outcome::NotDone {
                why: NotSent::NotReached(_),
                ..
            }
        ),
        "{outcome:?}"
    );
    let seen = seen.await.unwrap();
    assert!(!String::from_utf8_lossy(&seen).contains("patWIRE"));
}
