//! Who may what, and what is not there.

use crate::hand::{BASE, Hand, TABLE};
use runledger_airtable_fake::Settings;
use serde_json::{Value, json};

fn tokens() -> Vec<runledger_airtable_fake::TokenSpec> {
    let tokens = json!([
        { "token": "patAll" },
        { "token": "patRead", "scopes": ["data.records:read"] },
        { "token": "patOther", "bases": ["appOtherBase00001"] },
        { "token": "patReader", "role": "read" },
        { "token": "patEditor", "role": "edit" },
    ]);
    serde_json::from_value(tokens).unwrap()
}

#[tokio::test]
async fn a_token_is_needed_and_must_be_known() {
    let mut hand = Hand::with(Settings::default(), tokens()).await;
    for token in ["", "patNobody"] {
        hand.token = token.into();
        let refused = hand.table("GET", "", &Value::Null).await;
        refused.refuses(401, "AUTHENTICATION_REQUIRED");
        assert_eq!(refused.body["error"]["message"], "Authentication required");
    }
    hand.token = "patAll".into();
    assert_eq!(hand.table("GET", "", &Value::Null).await.status, 200);
}

#[tokio::test]
async fn scopes_bases_and_roles_are_kept() {
    let mut hand = Hand::with(Settings::default().without_rate_limits(), tokens()).await;
    let write = json!({ "fields": { "Run Key": "k" } });
    let option = json!({ "fields": { "Status": "New" }, "typecast": true });
    let missing = "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND";
    for (token, method, body, status, kind) in [
        ("patRead", "GET", &Value::Null, 200, ""),
        ("patRead", "POST", &write, 403, missing),
        ("patOther", "GET", &Value::Null, 403, missing),
        ("patReader", "GET", &Value::Null, 200, ""),
        ("patReader", "POST", &write, 403, "INVALID_PERMISSIONS"),
        ("patEditor", "POST", &write, 200, ""),
        ("patEditor", "POST", &option, 422, "INVALID_MULTIPLE_CHOICE_OPTIONS"),
        ("patAll", "POST", &option, 200, ""),
    ] {
        hand.token = token.into();
        let answer = hand.table(method, "", body).await;
        if status == 200 {
            assert_eq!(answer.status, 200, "{token} {method} {}", answer.text);
        } else {
            answer.refuses(status, kind);
        }
    }
}

#[tokio::test]
async fn an_unknown_table_looks_like_one_that_one_may_not_see() {
    let hand = Hand::new().await;
    for path in [format!("/v0/{BASE}/Nope"), format!("/v0/appAAAAAAAAAAAAAA/{TABLE}")] {
        let refused = hand.send("GET", &path, &Value::Null).await;
        refused.refuses(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND");
    }
    let odd = hand.send("GET", "/v0/nobase/Nope", &Value::Null).await;
    assert_eq!((odd.status, odd.body), (404, json!({ "error": "NOT_FOUND" })));
    for path in ["/v1/appAAAAAAAAAAAAAA/x", "/", "/v0/meta/nothing"] {
        let nowhere = hand.send("GET", path, &Value::Null).await;
        assert_eq!(
            (nowhere.status, nowhere.body),
            (404, json!({ "error": { "type": "NOT_FOUND" } }))
        );
    }
}

#[tokio::test]
async fn answers_are_whole_json_with_their_length_for_any_origin() {
    let hand = Hand::new().await;
    let listed = hand.table("GET", "", &Value::Null).await;
    assert_eq!(listed.headers["content-type"], "application/json; charset=utf-8");
    assert_eq!(listed.headers["content-length"], listed.text.len().to_string().as_str());
    assert_eq!(listed.headers["access-control-allow-origin"], "*");
    let options = hand.send("OPTIONS", &format!("/v0/{BASE}/{TABLE}"), &Value::Null).await;
    assert_eq!(options.status, 200);
    let missing = hand.table("GET", "/recAAAAAAAAAAAAAA", &Value::Null).await;
    assert_eq!(missing.headers["content-length"], "21");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413() {
    let hand = Hand::new().await;
    hand.fake.set(|settings| settings.body_bytes = 1_000);
    let body = json!({ "fields": { "Notes": "x".repeat(1_000) } });
    let refused = hand.table("POST", "", &body).await;
    assert_eq!(refused.status, 413);
    assert_eq!(hand.count(), 0);
}

#[tokio::test]
async fn tokens_are_not_in_the_list_of_requests_nor_in_debug_texts() {
    // Tokens are counted where requests are limited.
    let tokens = serde_json::from_value(json!([{ "token": "patTEST" }])).unwrap();
    let hand = Hand::with(Settings::default(), tokens).await;
    hand.table("GET", "", &Value::Null).await;
    let requests = hand.fake.control("GET", "requests", &Value::Null).unwrap();
    assert_eq!(requests["requests"].as_array().unwrap().len(), 1);
    assert!(!requests.to_string().contains("patTEST"));
    let debug = format!("{:?}", hand.fake);
    assert!(debug.contains("Token("), "it is counted");
    assert!(!debug.contains("patTEST"), "{debug}");
}
