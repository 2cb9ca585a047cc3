//! The metadata.

use crate::hand::{BASE, Hand, TABLE};
use runledger_airtable_fake::Settings;
use serde_json::{Value, json};

#[tokio::test]
async fn bases_and_tables_are_described() {
    let hand = Hand::new().await;
    let bases = hand.send("GET", "/v0/meta/bases", &Value::Null).await;
    assert_eq!(
        bases.body,
        json!({ "bases": [{ "id": BASE, "name": "Tests", "permissionLevel": "create" }] })
    );
    let tables = hand
        .send("GET", &format!("/v0/meta/bases/{BASE}/tables"), &Value::Null)
        .await;
    let table = &tables.body["tables"][0];
    assert_eq!(table["id"], TABLE);
    assert_eq!(table["primaryFieldId"], "fldKey00000000001");
    assert_eq!(
        table["fields"][0],
        json!({ "id": "fldKey00000000001", "name": "Run Key", "type": "singleLineText" })
    );
    assert_eq!(table["fields"][1]["options"], json!({ "precision": 2 }));
    assert_eq!(table["views"][0]["name"], "Grid view");
    let who = hand.send("GET", "/v0/meta/whoami", &Value::Null).await;
    assert!(who.body["id"].as_str().unwrap().starts_with("usr"));
}

#[tokio::test]
async fn tables_fields_and_bases_are_made_and_renamed() {
    let hand = Hand::new().await;
    let tables = format!("/v0/meta/bases/{BASE}/tables");
    let spec = json!({ "name": "New", "fields": [{ "name": "Name", "type": "singleLineText" }] });
    let made = hand.send("POST", &tables, &spec).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let id = made.body["id"].as_str().unwrap();
    assert!(id.starts_with("tbl"));
    assert_eq!(hand.send("POST", &tables, &spec).await.status, 422);
    let field = json!({ "name": "Run Key", "type": "singleLineText" });
    let fields = format!("{tables}/{id}/fields");
    let added = hand.send("POST", &fields, &field).await;
    let field_id = added.body["id"].as_str().unwrap();
    assert!(field_id.starts_with("fld"));
    assert_eq!(hand.send("POST", &fields, &field).await.status, 422);
    for (kind, most) in [("number", 8), ("percent", 8), ("currency", 7)] {
        for (precision, status) in [(most, 200), (most + 1, 422)] {
            let field = json!({ "name": kind, "type": kind, "options": { "precision": precision } });
            assert_eq!(hand.send("POST", &fields, &field).await.status, status, "{field}");
        }
    }
    let renamed = hand
        .send("PATCH", &format!("{fields}/{field_id}"), &json!({ "name": "Key" }))
        .await;
    assert_eq!(renamed.body["name"], "Key");
    let renamed = hand
        .send("PATCH", &format!("{tables}/{id}"), &json!({ "name": "Runs" }))
        .await;
    assert_eq!(renamed.body["name"], "Runs");
    let record = hand
        .send(
            "POST",
            &format!("/v0/{BASE}/Runs"),
            &json!({ "fields": { "Key": "k" } }),
        )
        .await;
    assert_eq!(record.status, 200);
    let base = hand
        .send("POST", "/v0/meta/bases", &json!({ "name": "B", "tables": [spec] }))
        .await;
    assert!(base.body["id"].as_str().unwrap().starts_with("app"));
}

#[tokio::test]
async fn names_and_ids_are_there_once_and_not_empty() {
    let hand = Hand::new().await;
    let tables = format!("/v0/meta/bases/{BASE}/tables");
    let text = |name: &str| json!({ "name": name, "type": "singleLineText" });
    for name in ["", " ", "t/x"] {
        let spec = json!({ "name": name, "fields": [text("Name")] });
        let refused = hand.send("POST", &tables, &spec).await;
        refused.refuses(422, "DUPLICATE_TABLE_NAME");
        let refused = hand
            .send("PATCH", &format!("{tables}/{TABLE}"), &json!({ "name": name }))
            .await;
        refused.refuses(422, "DUPLICATE_TABLE_NAME");
    }
    for name in ["", "N"] {
        let fields = format!("{tables}/{TABLE}/fields");
        let refused = hand.send("POST", &fields, &text(name)).await;
        refused.refuses(422, "DUPLICATE_OR_EMPTY_FIELD_NAME");
        let key = format!("{fields}/fldKey00000000001");
        let refused = hand.send("PATCH", &key, &json!({ "name": name })).await;
        refused.refuses(422, "DUPLICATE_OR_EMPTY_FIELD_NAME");
        assert_eq!(
            hand.send("PATCH", &key, &json!({ "name": "Run Key" })).await.status,
            200,
            "its own"
        );
    }
    let twice = json!([{ "name": "T", "fields": [text("A"), text("A")] }]);
    let same_id = json!([{ "id": TABLE, "name": "T", "fields": [text("A")] },
                         { "id": TABLE, "name": "U", "fields": [text("A")] }]);
    for base in [
        json!({ "id": "ab", "name": "B" }),
        json!({ "name": "B", "tables": twice }),
        json!({ "name": "B", "tables": same_id }),
    ] {
        assert!(hand.fake.control("POST", "bases", &base).is_err(), "{base}");
    }
    let base = json!({ "id": BASE, "name": "B" });
    let two = json!({ "bases": [base, base] });
    assert!(hand.fake.control("POST", "reset", &two).is_err(), "{two}");
    let bases = hand.send("GET", "/v0/meta/bases", &Value::Null).await;
    assert_eq!(bases.body["bases"].as_array().unwrap().len(), 1, "{}", bases.text);
}

#[tokio::test]
async fn the_schema_is_changed_by_creators_with_the_scope() {
    let tokens = json!([
        { "token": "patEditor", "role": "edit" },
        { "token": "patRecords", "scopes": ["data.records:read", "data.records:write"] },
    ]);
    let mut hand = Hand::with(Settings::default(), serde_json::from_value(tokens).unwrap()).await;
    let tables = format!("/v0/meta/bases/{BASE}/tables");
    let spec = json!({ "name": "New", "fields": [{ "name": "Name", "type": "singleLineText" }] });
    hand.token = "patEditor".into();
    assert_eq!(hand.send("GET", &tables, &Value::Null).await.status, 200);
    assert_eq!(hand.send("POST", &tables, &spec).await.status, 403);
    hand.token = "patRecords".into();
    assert_eq!(hand.send("GET", &tables, &Value::Null).await.status, 403);
}
