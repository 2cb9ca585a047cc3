//! Creating, changing, replacing, deleting; what fields accept.

use crate::hand::{BASE, Hand, OTHER, TABLE};
use runledger_airtable_fake::Order;
use serde_json::{Value, json};

#[tokio::test]
async fn one_record_is_answered_bare_and_a_batch_in_the_order_of_the_request() {
    let hand = Hand::new().await;
    let one = hand
        .table("POST", "/?", &json!({ "fields": { "Run Key": "k1", "N": 1 } }))
        .await;
    assert_eq!(one.status, 200);
    assert_eq!(one.body["fields"]["Run Key"], "k1");
    assert!(one.body["createdTime"].as_str().unwrap().ends_with('Z'));
    let records: Vec<_> = (0..10).map(|n| json!({ "fields": { "N": n } })).collect();
    let many = hand.table("POST", "/?", &json!({ "records": records })).await;
    let numbers: Vec<_> = many.body["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["fields"]["N"].clone())
        .collect();
    assert_eq!(json!(numbers), json!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    assert_eq!(hand.count(), 11);
}

#[tokio::test]
async fn a_batch_is_answered_in_another_order_where_that_is_set() {
    let hand = Hand::new().await;
    hand.fake.set(|settings| settings.answer_order = Order::Arbitrary);
    let records: Vec<_> = (0..10).map(|n| json!({ "fields": { "N": n } })).collect();
    let many = hand.table("POST", "", &json!({ "records": records })).await;
    let answered = many.body["records"].as_array().unwrap();
    let numbers: Vec<_> = answered
        .iter()
        .map(|one| one["fields"]["N"].as_u64().unwrap())
        .collect();
    assert!(!numbers.is_sorted(), "{numbers:?}");
    // Each is what it says that it is.
    for record in answered {
        let id = record["id"].as_str().unwrap();
        let found = hand.table("GET", &format!("/{id}"), &Value::Null).await;
        assert_eq!(found.body["fields"]["N"], record["fields"]["N"]);
    }
}

#[tokio::test]
async fn eleven_records_are_refused_with_airtables_words() {
    let hand = Hand::new().await;
    let records: Vec<_> = (0..11).map(|n| json!({ "fields": { "N": n } })).collect();
    let refused = hand.table("POST", "/?", &json!({ "records": records })).await;
    refused.refuses(422, "INVALID_RECORDS");
    assert_eq!(
        refused.body["error"]["message"],
        "A maximum of 10 records can be created per request but you have provided 11."
    );
    assert_eq!(hand.count(), 0);
    hand.fake.set(|settings| settings.batch_records = 11);
    assert_eq!(
        hand.table("POST", "/?", &json!({ "records": records })).await.status,
        200
    );
}

#[tokio::test]
async fn a_batch_with_one_bad_record_has_no_effect_unless_that_is_set() {
    let hand = Hand::new().await;
    let batch = json!({ "records": [
        { "fields": { "Run Key": "a" } }, { "fields": { "N": "x" } }, { "fields": { "Run Key": "c" } },
    ] });
    hand.table("POST", "", &batch)
        .await
        .refuses(422, "INVALID_VALUE_FOR_COLUMN");
    assert_eq!(hand.count(), 0);
    hand.fake.set(|settings| settings.batch_atomic = false);
    hand.table("POST", "", &batch)
        .await
        .refuses(422, "INVALID_VALUE_FOR_COLUMN");
    assert_eq!(hand.count(), 1);
}

#[tokio::test]
async fn patch_keeps_unnamed_fields_and_put_empties_them() {
    let hand = Hand::new().await;
    let made = hand.create(json!({ "Run Key": "k", "N": 1, "Notes": "n" })).await;
    let id = made["id"].as_str().unwrap();
    let changed = hand
        .table(
            "PATCH",
            &format!("/{id}?"),
            &json!({ "fields": { "N": 2, "Notes": null } }),
        )
        .await;
    assert_eq!(changed.body["fields"]["Run Key"], "k");
    assert_eq!(changed.body["fields"]["N"], 2);
    assert_eq!(changed.body["fields"].get("Notes"), None);
    let replaced = hand
        .table("PUT", &format!("/{id}?"), &json!({ "fields": { "Notes": "only" } }))
        .await;
    assert_eq!(replaced.body["fields"].get("Run Key"), None);
    assert_eq!(replaced.body["fields"]["Notes"], "only");
    assert_eq!(replaced.body["fields"]["Seq"], 1, "what is computed stays");
    let batch = json!({ "records": [{ "id": id, "fields": { "Run Key": "again" } }] });
    let changed = hand.table("PATCH", "/?", &batch).await;
    assert_eq!(changed.body["records"][0]["fields"]["Notes"], "only");
    let replaced = hand.table("PUT", "/?", &batch).await;
    assert_eq!(replaced.body["records"][0]["fields"].get("Notes"), None);
}

#[tokio::test]
async fn a_missing_record_is_404_alone_and_422_in_a_batch() {
    let hand = Hand::new().await;
    let id = "recAAAAAAAAAAAAAA";
    let body = json!({ "fields": { "N": 1 } });
    for (method, body) in [
        ("GET", &Value::Null),
        ("DELETE", &Value::Null),
        ("PATCH", &body),
        ("PUT", &body),
    ] {
        let missing = hand.table(method, &format!("/{id}"), body).await;
        assert_eq!(
            (missing.status, missing.body),
            (404, json!({ "error": "NOT_FOUND" })),
            "{method}"
        );
    }
    let batch = json!({ "records": [{ "id": id, "fields": { "N": 1 } }] });
    let missing = hand.table("PATCH", "", &batch).await;
    missing.refuses(422, "ROW_DOES_NOT_EXIST");
    assert_eq!(
        missing.body["error"]["message"],
        "Record ID recAAAAAAAAAAAAAA does not exist in this table"
    );
}

#[tokio::test]
async fn a_record_that_is_named_twice_in_a_batch_refuses_it() {
    let hand = Hand::new().await;
    let id = hand.create(json!({ "N": 1 })).await["id"].clone();
    let record = json!({ "id": id, "fields": { "N": 2 } });
    for body in [
        json!({ "records": [record, record] }),
        json!({ "records": [record, record], "performUpsert": { "fieldsToMergeOn": ["Run Key"] } }),
    ] {
        hand.table("PATCH", "", &body).await.refuses(422, "INVALID_RECORDS");
    }
    assert_eq!(hand.fake.records(BASE, TABLE).unwrap()[0]["fields"]["N"], 1);
    let id = id.as_str().unwrap();
    let twice = format!("?records[]={id}&records[]={id}");
    hand.table("DELETE", &twice, &Value::Null)
        .await
        .refuses(422, "INVALID_RECORDS");
    assert_eq!(hand.count(), 1);
}

#[tokio::test]
async fn records_are_deleted_alone_and_by_tens() {
    let hand = Hand::new().await;
    let records: Vec<_> = (0..12).map(|n| json!({ "N": n })).collect();
    hand.add(&records);
    let ids: Vec<String> = hand
        .fake
        .records(BASE, TABLE)
        .unwrap()
        .iter()
        .map(|record| record["id"].as_str().unwrap().to_owned())
        .collect();
    let gone = hand.table("DELETE", &format!("/{}?", ids[0]), &Value::Null).await;
    assert_eq!(gone.body, json!({ "id": ids[0], "deleted": true }));
    let query = |ids: &[String]| {
        let parts: Vec<_> = ids.iter().map(|id| format!("records%5B%5D={id}")).collect();
        format!("?{}", parts.join("&"))
    };
    hand.table("DELETE", &query(&ids[1..12]), &Value::Null)
        .await
        .refuses(422, "INVALID_RECORDS");
    let gone = hand.table("DELETE", &query(&ids[1..11]), &Value::Null).await;
    assert_eq!(gone.body["records"][9], json!({ "id": ids[10], "deleted": true }));
    assert_eq!(hand.count(), 1);
    // One that does not exist: none is deleted.
    hand.table("DELETE", &query(&ids[10..12]), &Value::Null)
        .await
        .refuses(422, "ROW_DOES_NOT_EXIST");
    assert_eq!(hand.count(), 1);
}

#[tokio::test]
async fn fields_are_named_exactly() {
    let hand = Hand::new().await;
    for name in ["run key", "status", "undefined", "Source", " N"] {
        let refused = hand.table("POST", "", &json!({ "fields": { name: 1 } })).await;
        refused.refuses(422, "UNKNOWN_FIELD_NAME");
        assert_eq!(
            refused.body["error"]["message"],
            format!("Unknown field name: \"{name}\"")
        );
    }
    let by_id = json!({ "fields": { "fldKey00000000001": "k" }, "returnFieldsByFieldId": true });
    let made = hand.table("POST", "", &by_id).await;
    assert_eq!(made.body["fields"]["fldKey00000000001"], "k");
}

#[tokio::test]
async fn computed_fields_are_never_written() {
    let hand = Hand::new().await;
    for name in ["Double", "Seq", "Made", "Changed", "Count"] {
        let refused = hand.table("POST", "", &json!({ "fields": { name: null } })).await;
        refused.refuses(422, "INVALID_VALUE_FOR_COLUMN");
        assert_eq!(
            refused.body["error"]["message"],
            format!("Field \"{name}\" cannot accept a value because the field is computed")
        );
    }
}

#[tokio::test]
async fn values_have_the_type_of_their_field() {
    let hand = Hand::new().await;
    for (field, value) in [
        ("Run Key", json!(1)),
        ("Run Key", json!(["a"])),
        ("N", json!("1")),
        ("N", json!(true)),
        ("Done", json!("true")),
        ("Day", json!("yesterday")),
        ("Day", json!(1)),
        ("Start", json!("2026-13-01")),
        ("Spent", json!("1:00")),
        ("Stars", json!(6)),
        ("Status", json!(["Running"])),
        ("Tags", json!("Running")),
        ("Notes", json!("x".repeat(100_001))),
    ] {
        let refused = hand.table("POST", "", &json!({ "fields": { field: value } })).await;
        refused.refuses(422, "INVALID_VALUE_FOR_COLUMN");
    }
    let fields = json!({
        "Run Key": "k", "N": 1.25, "Done": true, "Day": "2026-01-02", "Start": "2026-01-02T03:04:05Z",
        "Spent": 90.5, "Stars": 5, "Status": "Running", "Tags": ["Running", "Completed"],
        "Notes": "ü".repeat(100_000),
    });
    let made = hand.create(fields.clone()).await;
    for (name, value) in fields.as_object().unwrap() {
        let expected = if name == "Start" {
            json!("2026-01-02T03:04:05.000Z")
        } else {
            value.clone()
        };
        assert_eq!(made["fields"][name], expected, "{name}");
    }
}

#[tokio::test]
async fn moments_are_answered_in_utc_and_read_in_the_zone_of_the_field() {
    let hand = Hand::new().await;
    for (field, given, stored) in [
        ("Start", "2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z"),
        ("Start", "2026-01-02T13:04:05+10:00", "2026-01-02T03:04:05.000Z"),
        ("Start", "2026-01-02T03:04:05", "2026-01-02T03:04:05.000Z"),
        ("Local", "2026-01-02T13:04:05", "2026-01-02T03:04:05.000Z"),
        ("Local", "2026-01-02T13:04:05Z", "2026-01-02T13:04:05.000Z"),
    ] {
        let made = hand.create(json!({ field: given })).await;
        assert_eq!(made["fields"][field], stored, "{field} {given}");
    }
}

#[tokio::test]
async fn a_number_beyond_2_to_53_is_not_kept_exactly() {
    let hand = Hand::new().await;
    let made = hand.create(json!({ "N": 9_007_199_254_740_993_u64 })).await;
    assert_eq!(made["fields"]["N"], 9_007_199_254_740_992_u64);
}

#[tokio::test]
async fn formulas_show_their_values_and_their_failures() {
    let hand = Hand::new().await;
    let made = hand.create(json!({ "N": 2.5, "Run Key": "k" })).await;
    assert_eq!(made["fields"]["Double"], 5);
    assert_eq!(made["fields"]["Broken"], json!({ "error": "#ERROR!" }));
    let made = hand.create(json!({ "N": 0 })).await;
    assert_eq!(made["fields"]["Ratio"], json!({ "specialValue": "NaN" }));
}

#[tokio::test]
async fn an_unknown_option_is_refused_and_typecast_adds_it() {
    let hand = Hand::new().await;
    let refused = hand
        .table("POST", "", &json!({ "fields": { "Status": "Success" } }))
        .await;
    refused.refuses(422, "INVALID_MULTIPLE_CHOICE_OPTIONS");
    assert_eq!(
        refused.body["error"]["message"],
        "Insufficient permissions to create new select option \"\"Success\"\""
    );
    let added =
        json!({ "fields": { "Status": "Success", "N": "7", "Run Key": 5, "Tags": "Running, New" }, "typecast": true });
    let made = hand.table("POST", "", &added).await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert_eq!(made.body["fields"]["N"], 7);
    assert_eq!(made.body["fields"]["Run Key"], "5");
    assert_eq!(made.body["fields"]["Tags"], json!(["Running", "New"]));
    hand.create(json!({ "Status": "Success" })).await;
    let schema = hand
        .send("GET", &format!("/v0/meta/bases/{BASE}/tables"), &Value::Null)
        .await;
    let choices = &schema.body["tables"][0]["fields"][2]["options"]["choices"];
    let names: Vec<_> = choices
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| choice["name"].clone())
        .collect();
    assert_eq!(json!(names), json!(["Running", "Completed", "Success"]));
}

#[tokio::test]
async fn a_refused_request_adds_no_option() {
    let hand = Hand::new().await;
    let batch =
        json!({ "records": [{ "fields": { "Status": "New" } }, { "fields": { "Nope": 1 } }], "typecast": true });
    hand.table("POST", "", &batch).await.refuses(422, "UNKNOWN_FIELD_NAME");
    hand.table("POST", "", &json!({ "fields": { "Status": "New" } }))
        .await
        .refuses(422, "INVALID_MULTIPLE_CHOICE_OPTIONS");
}

#[tokio::test]
async fn bodies_that_are_no_writes_are_refused() {
    let hand = Hand::new().await;
    let broken = hand
        .request("POST", &format!("/v0/{BASE}/{TABLE}"), &Value::Null)
        .body("{")
        .send();
    assert_eq!(broken.await.unwrap().status(), 400);
    assert_eq!(hand.table("POST", "", &json!([])).await.status, 400);
    hand.table("POST", "", &json!({}))
        .await
        .refuses(422, "INVALID_REQUEST_MISSING_FIELDS");
    hand.table("POST", "", &json!({ "records": [] }))
        .await
        .refuses(422, "INVALID_RECORDS");
    hand.table("POST", "", &json!({ "records": [{}] }))
        .await
        .refuses(422, "INVALID_REQUEST_MISSING_FIELDS");
    hand.table("PATCH", "", &json!({ "records": [{ "fields": {} }] }))
        .await
        .refuses(422, "INVALID_RECORDS");
    assert_eq!(hand.count(), 0);
}

#[tokio::test]
async fn a_base_holds_so_many_records_over_all_its_tables() {
    let hand = Hand::new().await;
    hand.fake.set(|settings| settings.base_records = Some(2));
    hand.create(json!({ "N": 1 })).await;
    let other = format!("/v0/{BASE}/{OTHER}");
    let made = hand.send("POST", &other, &json!({ "fields": { "Name": "x" } })).await;
    assert_eq!(made.status, 200);
    let full = hand.table("POST", "", &json!({ "fields": { "N": 2 } })).await;
    assert_eq!(full.status, 422);
    assert_eq!(hand.count(), 1);
}
