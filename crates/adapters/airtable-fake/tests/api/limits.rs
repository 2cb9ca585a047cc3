//! Limits over HTTP. The clock stands, so that the speed of the machine does not matter.

use crate::hand::{Answer, BASE, Hand, TABLE};
use runledger_airtable_fake::{Plan, Settings, Shape};
use serde_json::{Value, json};
use std::time::Duration;

async fn standing() -> Hand {
    let settings = Settings {
        clock_stands: true,
        ..Settings::default()
    };
    Hand::with(settings, Vec::new()).await
}

async fn list(hand: &Hand) -> Answer {
    hand.table("GET", "", &Value::Null).await
}

#[tokio::test]
async fn the_sixth_request_in_a_second_is_refused_and_so_is_all_for_30_seconds() {
    let hand = standing().await;
    for _ in 0..5 {
        assert_eq!(list(&hand).await.status, 200);
    }
    let refused = hand.table("POST", "", &json!({ "fields": {} })).await;
    assert_eq!(refused.status, 429);
    assert_eq!(
        refused.body,
        json!({ "errors": [{ "error": "RATE_LIMIT_REACHED",
                             "message": "Rate limit exceeded. Please try again later" }] })
    );
    assert_eq!(refused.headers.get("retry-after"), None);
    hand.fake.advance(Duration::from_millis(29_999));
    assert_eq!(list(&hand).await.status, 429);
    hand.fake.advance(Duration::from_millis(1));
    assert_eq!(list(&hand).await.status, 200);
    assert_eq!(hand.count(), 0, "refused at the door");
}

#[tokio::test]
async fn five_requests_each_second_go_on_for_ever_and_metadata_counts() {
    let hand = standing().await;
    for _ in 0..20 {
        for _ in 0..4 {
            assert_eq!(list(&hand).await.status, 200);
        }
        let meta = hand
            .send("GET", &format!("/v0/meta/bases/{BASE}/tables"), &Value::Null)
            .await;
        assert_eq!(meta.status, 200);
        hand.fake.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn the_shape_and_the_header_of_the_refusal_are_settings() {
    let hand = standing().await;
    hand.fake.set(|settings| {
        settings.base_requests = 0;
        settings.rate_limit_shape = Shape::Object;
        settings.rate_limit_retry_after = Some(30);
    });
    let refused = list(&hand).await;
    refused.refuses(429, "RATE_LIMIT_REACHED");
    assert_eq!(refused.headers["retry-after"], "30");
}

#[tokio::test]
async fn the_calls_of_a_month_are_counted_and_metadata_goes_on() {
    let hand = standing().await;
    hand.fake.set(|settings| {
        settings.set_plan(Plan::Free);
        settings.monthly_calls = Some(2);
    });
    list(&hand).await;
    list(&hand).await;
    let spent = list(&hand).await;
    assert_eq!(spent.status, 429);
    assert_eq!(spent.body["errors"][0]["error"], "PUBLIC_API_BILLING_LIMIT_EXCEEDED");
    for path in ["/v0/meta/whoami".to_owned(), format!("/v0/meta/bases/{BASE}/tables")] {
        let metadata = hand.send("GET", &path, &Value::Null).await;
        assert_eq!(metadata.status, 200, "{path}");
    }
    hand.fake.advance(Duration::from_hours(31 * 24));
    assert_eq!(list(&hand).await.status, 200);
}

#[tokio::test]
async fn refused_requests_are_in_the_list_of_requests() {
    let hand = standing().await;
    hand.fake.set(|settings| settings.base_requests = 1);
    list(&hand).await;
    list(&hand).await;
    let statuses: Vec<_> = hand.fake.requests().iter().map(|line| line.status).collect();
    assert_eq!(statuses, [Some(200), Some(429)]);
    assert_eq!(hand.fake.requests()[0].table.as_deref(), Some(TABLE));
}

#[tokio::test]
async fn bodies_are_in_the_list_of_requests_where_that_is_set() {
    let hand = Hand::new().await;
    let record = json!({ "fields": { "N": 1 } });
    hand.create(record["fields"].clone()).await;
    hand.fake.set(|settings| settings.bodies_listed = 2);
    for _ in 0..3 {
        hand.create(record["fields"].clone()).await;
    }
    hand.table("GET", "", &Value::Null).await;
    // Those of the latest two; a list has none.
    let bodies: Vec<_> = hand.fake.requests().into_iter().map(|line| line.body).collect();
    assert_eq!(bodies, [None, None, None, Some(record), None]);
}
