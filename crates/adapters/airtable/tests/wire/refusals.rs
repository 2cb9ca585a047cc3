//! What Airtable really refuses, and that the token is nowhere to be read.

use crate::hand::{Hand, connect};
use runledger_airtable::{
    Airtable, Connection, ListQuery, NotSent, Outcome, Pace, PaceSettings, ReadError, Refusal, RefusalKind, SetUpError,
    TableRef, TokioTime,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

async fn refused(hand: &Hand, fields: Value) -> Refusal {
    let id = hand.record("k");
    match hand.change(&id, "k", fields).await {
        Outcome::NotDone {
            why: NotSent::Refused(refusal),
            ..
        } => refusal,
        other => panic!("it is refused: {other:?}"),
    }
}

#[tokio::test]
async fn each_refusal_is_known_by_its_word_and_says_what_to_do() {
    let hand = Hand::new().await;
    for (fields, kind, named) in [
        (json!({ "run id": "x" }), RefusalKind::UnknownField, "run id"),
        (json!({ "Twice": 1 }), RefusalKind::InvalidValue, "Twice"),
        (json!({ "N": "one" }), RefusalKind::InvalidValue, "\"N\""),
        (json!({ "Status": "Success" }), RefusalKind::UnknownOption, "Success"),
    ] {
        let refusal = refused(&hand, fields).await;
        assert_eq!(refusal.kind, kind);
        let text = refusal.to_string();
        assert!(text.contains(named) && text.contains(kind.advice()), "{text}");
        assert!(!refusal.is_retryable() && !refusal.is_at_the_door());
    }
    let gone = "recAAAAAAAAAAAAAA".parse().unwrap();
    let Outcome::NotDone {
        why: NotSent::Refused(refusal),
        ..
    } = hand.change(&gone, "k", json!({ "N": 1 })).await
    else {
        panic!("it is refused");
    };
    assert_eq!(refusal.kind, RefusalKind::RowMissing);
}

#[tokio::test]
async fn a_table_that_is_not_there_is_forbidden() {
    let hand = Hand::new().await;
    let nowhere: TableRef = "Nowhere".parse().unwrap();
    let error = hand
        .airtable
        .list(&hand.base, &nowhere, &ListQuery::default())
        .await
        .unwrap_err();
    assert!(matches!(&error, ReadError::Refused(refusal) if refusal.kind == RefusalKind::Forbidden));
}

#[tokio::test]
async fn the_token_is_in_no_error_and_in_no_debug_text() {
    let hand = Hand::new().await;
    let mut texts = vec![format!("{:?}", hand.airtable)];
    let connection = Connection {
        endpoint: "http://user:patWIRE@host".into(),
        pat: "patWIRE".parse().unwrap(),
        request_time: Duration::from_secs(1),
    };
    texts.push(format!("{connection:?}").replace(&connection.endpoint, ""));
    let pace = Pace::new(PaceSettings::default(), Arc::new(TokioTime::default()));
    let error = Airtable::new(&connection, pace).unwrap_err();
    assert!(matches!(error, SetUpError::Url(_)));
    texts.push(format!("{error} {error:?}"));
    for url in ["http://127.0.0.1:1", "https://127.0.0.1:1", "http://nobody.invalid"] {
        let airtable = connect(url, Duration::from_secs(5), PaceSettings::default());
        let error = airtable.whoami().await.unwrap_err();
        texts.push(format!("{error} {error:?} {airtable:?}"));
    }
    for fault in [json!({ "cut": "connection" }), json!({ "refuse": { "status": 401 } })] {
        let mut once = fault;
        once["times"] = json!(1);
        hand.add_fault(once);
        let outcome = hand.create(&["a"]).await;
        texts.push(format!("{outcome:?}"));
    }
    for text in texts {
        assert!(!text.contains("patWIRE"), "{text}");
    }
}

#[tokio::test]
async fn addresses_that_are_none_are_refused() {
    let pace = Pace::new(PaceSettings::default(), Arc::new(TokioTime::default()));
    for endpoint in ["", "airtable", "ftp://x", "http://", "http://x/?a=b", "http://x/#a"] {
        let connection = Connection {
            endpoint: endpoint.into(),
            pat: "patWIRE".parse().unwrap(),
            request_time: Duration::from_secs(1),
        };
        assert!(Airtable::new(&connection, pace.clone()).is_err(), "{endpoint}");
    }
}
