//! Upserts: 0 matches create, 1 updates, more fail.

use crate::hand::Hand;
use serde_json::{Value, json};

fn upsert(merge: &Value, records: &Value) -> Value {
    json!({ "performUpsert": { "fieldsToMergeOn": merge }, "records": records })
}

#[tokio::test]
async fn none_is_created_one_is_updated_and_two_fail() {
    let hand = Hand::new().await;
    let once = upsert(&json!(["Run Key"]), &json!([{ "fields": { "Run Key": "k", "N": 1 } }]));
    let first = hand.table("PATCH", "/?", &once).await;
    assert_eq!(
        first.body["createdRecords"],
        json!([first.body["records"][0]["id"]]),
        "{}",
        first.text
    );
    assert_eq!(first.body["updatedRecords"], json!([]));
    let second = hand.table("PATCH", "", &once).await;
    assert_eq!(second.body["updatedRecords"], first.body["createdRecords"]);
    assert_eq!(second.body["createdRecords"], json!([]));
    assert_eq!(hand.count(), 1);
    hand.add(&[json!({ "Run Key": "k" })]);
    let both = upsert(
        &json!(["Run Key"]),
        &json!([{ "fields": { "Run Key": "new" } }, { "fields": { "Run Key": "k" } }]),
    );
    assert_eq!(hand.table("PATCH", "", &both).await.status, 422);
    assert_eq!(hand.count(), 2, "the whole request fails");
}

#[tokio::test]
async fn put_empties_what_an_upsert_does_not_name() {
    let hand = Hand::new().await;
    hand.add(&[json!({ "Run Key": "k", "N": 1 })]);
    let body = upsert(
        &json!(["fldKey00000000001"]),
        &json!([{ "fields": { "Run Key": "k", "Notes": "n" } }]),
    );
    let replaced = hand.table("PUT", "", &body).await;
    assert_eq!(replaced.body["records"][0]["fields"].get("N"), None);
    assert_eq!(replaced.body["records"][0]["fields"]["Notes"], "n");
}

#[tokio::test]
async fn one_to_three_fields_that_are_not_computed_can_be_merged_on() {
    let hand = Hand::new().await;
    let (few, other) = ("one to three", "cannot be used");
    for (merge, why) in [
        (json!([]), few),
        (json!(["Run Key", "N", "Notes", "Status"]), few),
        (json!(["Seq"]), other),
        (json!(["Double"]), other),
        (json!(["Done"]), other),
        (json!(["Start"]), other),
        (json!(["Spent"]), other),
        (json!(["Mail"]), other),
        (json!(["Price"]), other),
    ] {
        let refused = hand
            .table("PATCH", "", &upsert(&merge, &json!([{ "fields": {} }])))
            .await;
        assert_eq!(refused.status, 422, "{merge}");
        assert!(refused.text.contains(why), "{merge}: {}", refused.text);
    }
    let unknown = upsert(&json!(["Nope"]), &json!([{ "fields": {} }]));
    hand.table("PATCH", "", &unknown)
        .await
        .refuses(422, "UNKNOWN_FIELD_NAME");
    let fields = json!({ "Run Key": "k", "N": 1, "Day": "2026-01-02" });
    let three = upsert(&json!(["Run Key", "N", "Day"]), &json!([{ "fields": fields }]));
    for updated in [0, 1] {
        let done = hand.table("PATCH", "", &three).await;
        assert_eq!(done.body["updatedRecords"].as_array().unwrap().len(), updated);
    }
}

#[tokio::test]
async fn a_missing_key_is_refused_and_an_empty_one_creates_each_time() {
    let hand = Hand::new().await;
    let missing = upsert(&json!(["Run Key"]), &json!([{ "fields": { "N": 1 } }]));
    assert_eq!(hand.table("PATCH", "", &missing).await.status, 422);
    let empty = upsert(&json!(["Run Key"]), &json!([{ "fields": { "Run Key": null } }]));
    for count in [1, 2] {
        assert_eq!(hand.table("PATCH", "", &empty).await.status, 200);
        assert_eq!(hand.count(), count);
    }
}

#[tokio::test]
async fn a_record_with_an_id_is_taken_by_it_and_never_created() {
    let hand = Hand::new().await;
    let made = hand.create(json!({ "Run Key": "a" })).await;
    let by_id = upsert(
        &json!(["Run Key"]),
        &json!([{ "id": made["id"], "fields": { "Run Key": "b" } }]),
    );
    let done = hand.table("PATCH", "", &by_id).await;
    assert_eq!(done.body["updatedRecords"], json!([made["id"]]));
    let unknown = json!([{ "id": "recAAAAAAAAAAAAAA", "fields": { "Run Key": "c" } }]);
    hand.table("PATCH", "", &upsert(&json!(["Run Key"]), &unknown))
        .await
        .refuses(422, "ROW_DOES_NOT_EXIST");
    assert_eq!(hand.count(), 1);
}

#[tokio::test]
async fn two_interleaved_upserts_create_twice() {
    let hand = Hand::new().await;
    hand.add_fault(json!({ "match": { "operation": "upsert" }, "interleave": 2, "times": 2 }));
    let body = upsert(&json!(["Run Key"]), &json!([{ "fields": { "Run Key": "k" } }]));
    let (left, right) = tokio::join!(hand.table("PATCH", "", &body), hand.table("PATCH", "", &body));
    assert_eq!((left.status, right.status), (200, 200));
    assert_eq!(hand.count(), 2);
    // Without it, each sees the one before.
    hand.fake.clear_faults();
    let body = upsert(&json!(["Run Key"]), &json!([{ "fields": { "Run Key": "l" } }]));
    tokio::join!(hand.table("PATCH", "", &body), hand.table("PATCH", "", &body));
    assert_eq!(hand.count(), 3);
}
