//! Lists, look-ups and the schema.

use crate::hand::{BASE, Hand, TABLE, connect, new_row, row_key};
use runledger_airtable::{Direction, FieldName, Formula, ListQuery, PaceSettings, ReadError, RefusalKind};
use runledger_airtable_fake::Settings;
use serde_json::json;
use std::time::Duration;

fn fill(hand: &Hand, count: usize) {
    let records = (0..count).map(|n| new_row(&format!("k{n:04}")).fields).collect();
    hand.fake.add_records(BASE, TABLE, records).unwrap();
}

#[tokio::test]
async fn a_table_is_swept_in_key_order_page_by_page() {
    let hand = Hand::new().await;
    hand.fake
        .set(|settings| settings.list_order = runledger_airtable_fake::Order::Arbitrary);
    fill(&hand, 230);
    let mut query = ListQuery {
        fields: vec!["Run ID".into()],
        sort: vec![("Run ID".into(), Direction::Descending)],
        page_size: Some(100),
        ..ListQuery::default()
    };
    let mut keys: Vec<String> = Vec::new();
    loop {
        let page = hand.airtable.list(&hand.base, &hand.table, &query).await.unwrap();
        keys.extend(
            page.records
                .iter()
                .map(|record| record.fields["Run ID"].as_str().unwrap().to_owned()),
        );
        query.offset = page.offset;
        if query.offset.is_none() {
            break;
        }
    }
    assert_eq!(keys.len(), 230);
    assert!(keys.is_sorted_by(|left, right| left > right));
}

#[tokio::test]
async fn an_expired_cursor_says_begin_again() {
    let hand = Hand::new().await;
    fill(&hand, 3);
    let mut query = ListQuery {
        page_size: Some(1),
        ..ListQuery::default()
    };
    let page = hand.airtable.list(&hand.base, &hand.table, &query).await.unwrap();
    hand.fake.expire_cursors();
    query.offset = page.offset;
    let error = hand.airtable.list(&hand.base, &hand.table, &query).await.unwrap_err();
    assert!(matches!(error, ReadError::Refused(refusal) if refusal.kind == RefusalKind::CursorExpired));
}

#[tokio::test]
async fn keys_are_looked_up_by_the_hundred_and_duplicates_are_all_found() {
    let hand = Hand::new().await;
    fill(&hand, 300);
    hand.record("k0007");
    let keys: Vec<_> = (0..250).map(|n| row_key(&format!("k{:04}", n * 2))).collect();
    let found = hand
        .airtable
        .look_up(&hand.base, &hand.table, &keys, false)
        .await
        .unwrap();
    assert_eq!(found.len(), 150);
    let twice = hand
        .airtable
        .look_up(&hand.base, &hand.table, &[row_key("k0007")], false)
        .await
        .unwrap();
    assert_eq!(twice.len(), 2);
    let none = [row_key("K0007"), row_key("'; {Run ID}='k0001")];
    let none = hand
        .airtable
        .look_up(&hand.base, &hand.table, &none, false)
        .await
        .unwrap();
    assert_eq!(none, []);
    // 100 keys of two fields are too long for a URL.
    let long: Vec<_> = (0..100)
        .map(|n| row_key(&format!("{}{n:04}", "k".repeat(100))))
        .collect();
    hand.airtable
        .look_up(&hand.base, &hand.table, &long, false)
        .await
        .unwrap();
    let requests = hand.fake.requests();
    assert!(requests.iter().any(|line| line.target.contains("listRecords")));
    assert!(
        requests
            .iter()
            .all(|line| line.target.len() <= 15_000 && line.status == Some(200))
    );
}

#[tokio::test]
async fn one_record_is_found_or_not() {
    let hand = Hand::new().await;
    let id = hand.record("k");
    let found = hand
        .airtable
        .find(&hand.base, &hand.table, &id, false)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.id, id);
    let none = "recAAAAAAAAAAAAAA".parse().unwrap();
    assert_eq!(
        hand.airtable.find(&hand.base, &hand.table, &none, false).await,
        Ok(None)
    );
    // A 404 that is not Airtable's word about the record: it is there, and must not be taken for deleted.
    for refuse in [
        json!({ "status": 404, "shape": "html" }),
        json!({ "status": 404, "shape": "empty" }),
        json!({ "status": 404, "type": "TABLE_NOT_FOUND" }),
    ] {
        hand.add_fault(json!({ "refuse": refuse, "times": 1 }));
        let found = hand.airtable.find(&hand.base, &hand.table, &id, false).await;
        assert!(
            matches!(found, Err(ReadError::Refused(_))),
            "{refuse} is no word about the record: {found:?}"
        );
    }
}

#[tokio::test]
async fn fields_are_named_by_their_ids() {
    let hand = Hand::new().await;
    let tables = hand.airtable.tables(&hand.base).await.unwrap();
    let field = tables[0].field("Run ID").unwrap();
    hand.record("k");
    let query = ListQuery {
        by_field_id: true,
        filter: Some(Formula::equals(&FieldName::new("Run ID").unwrap(), "k").unwrap()),
        ..ListQuery::default()
    };
    let page = hand.airtable.list(&hand.base, &hand.table, &query).await.unwrap();
    assert_eq!(page.records[0].fields[&field.id], "k");
    assert_eq!(tables[0].field("Status").unwrap().select_options().len(), 1);
    assert!(hand.airtable.whoami().await.unwrap().id.starts_with("usr"));
}

#[tokio::test]
async fn reads_without_an_answer_may_be_asked_again_and_refusals_not() {
    let hand = Hand::with(Settings::default().without_rate_limits(), Duration::from_millis(300)).await;
    for (fault, retryable) in [
        (json!({ "refuse": { "status": 503 } }), true),
        (json!({ "cut": "connection" }), true),
        (json!({ "cut": "body" }), true),
        (json!({ "cut": "stall" }), true),
        (json!({ "refuse": { "status": 200, "shape": "html" } }), true),
        (json!({ "refuse": { "status": 403 } }), false),
        (json!({ "refuse": { "status": 422 } }), false),
    ] {
        let mut once = fault.clone();
        once["times"] = json!(1);
        hand.add_fault(once);
        let error = hand
            .airtable
            .list(&hand.base, &hand.table, &ListQuery::default())
            .await
            .unwrap_err();
        assert_eq!(error.is_retryable(), retryable, "{fault}: {error}");
    }
}

#[tokio::test]
async fn four_requests_a_second_are_never_too_many_for_airtable() {
    let hand = Hand::with(Settings::default(), Duration::from_secs(20)).await;
    let airtable = connect(&hand.fake.url(), Duration::from_secs(20), PaceSettings::default());
    let query = ListQuery::default();
    let one = || airtable.list(&hand.base, &hand.table, &query);
    let listed = tokio::join!(one(), one(), one(), one(), one(), one(), one(), one(), one(), one());
    assert!(listed.0.is_ok() && listed.9.is_ok());
    let lines = hand.fake.requests();
    assert_eq!(lines.len(), 10);
    assert!(lines.iter().all(|line| line.status == Some(200)));
}
