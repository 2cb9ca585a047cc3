//! Faults on demand: what the client sees, and what became of the records.

use crate::hand::{Answer, BASE, Hand, TABLE, filter};
use serde_json::{Value, json};
use std::time::Duration;

fn record() -> Value {
    json!({ "fields": { "Run Key": "k" } })
}

async fn post(hand: &Hand) -> Result<Answer, reqwest::Error> {
    let request = hand.request("POST", &format!("/v0/{BASE}/{TABLE}"), &record());
    Answer::read(request.send().await?).await
}

/// Waits for a number of records that comes about elsewhere; it comes, or the test ends here.
async fn count_becomes(hand: &Hand, count: usize) {
    let comes = async {
        while hand.count() != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), comes).await.unwrap();
}

#[tokio::test]
async fn a_refusal_comes_before_the_effect_or_after_it() {
    let hand = Hand::new().await;
    for (status, shape, body) in [
        (
            500,
            "object",
            json!({ "error": { "type": "SERVER_ERROR",
            "message": "Try again. If the problem persists, contact support." } }),
        ),
        (503, "type_only", json!({ "error": { "type": "RETRIABLE_ERROR" } })),
        (404, "text", json!({ "error": "INVALID_REQUEST_UNKNOWN" })),
        (502, "html", Value::Null),
        (504, "empty", Value::Null),
        (200, "empty", Value::Null),
    ] {
        for (after_effect, count) in [(false, 0), (true, 1)] {
            hand.fake.control("POST", "reset", &Value::Null).unwrap();
            hand.add_fault(
                json!({ "refuse": { "status": status, "shape": shape, "retry_after": 3 },
                "after_effect": after_effect, "times": 1 }),
            );
            let refused = post(&hand).await.unwrap();
            assert_eq!((refused.status, &refused.body), (status, &body), "{}", refused.text);
            assert_eq!(refused.headers["retry-after"], "3");
            assert_eq!(hand.count(), count);
            assert_eq!(post(&hand).await.unwrap().status, 200, "once");
        }
    }
}

#[tokio::test]
async fn a_connection_is_cut_before_the_effect_or_after_it() {
    let hand = Hand::new().await;
    for (cut, after_effect, count) in [("connection", false, 0), ("connection", true, 1), ("body", false, 1)] {
        hand.fake.control("POST", "reset", &Value::Null).unwrap();
        hand.add_fault(json!({ "cut": cut, "after_effect": after_effect, "times": 1 }));
        assert!(post(&hand).await.is_err(), "{cut}");
        assert_eq!(hand.count(), count, "{cut} {after_effect}");
    }
}

#[tokio::test]
async fn what_is_cut_in_its_body_has_the_status_of_the_whole() {
    let hand = Hand::new().await;
    let bad = json!({ "fields": { "Nope": 1 } });
    for (fault, status) in [
        (json!({ "cut": "body" }), 422),
        (json!({ "cut": "stall" }), 422),
        (json!({ "cut": "body", "refuse": { "status": 503 } }), 503),
        (
            json!({ "cut": "body", "refuse": { "status": 500, "shape": "empty" } }),
            500,
        ),
        (json!({ "cut": "body", "late_effect_ms": 1 }), 200),
    ] {
        hand.fake.clear_faults();
        hand.add_fault(fault.clone());
        let path = format!("/v0/{BASE}/{TABLE}");
        let mut response = hand.request("POST", &path, &bad).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{fault}");
        let length = response.content_length().unwrap();
        let half = response.chunk().await.unwrap().unwrap();
        assert_eq!(u64::try_from(half.len()).unwrap(), length / 2, "{fault}");
        let rest = tokio::time::timeout(Duration::from_millis(300), response.chunk()).await;
        assert_eq!(rest.is_err(), fault["cut"] == "stall", "{fault}");
        assert!(rest.is_err() || rest.is_ok_and(|rest| rest.is_err()), "{fault}");
    }
}

#[tokio::test]
async fn a_batch_is_written_in_part_whatever_is_answered() {
    let hand = Hand::new().await;
    let batch = json!({ "records": [{ "fields": { "N": 1 } }, { "fields": { "N": 2 } }, { "fields": { "N": 3 } }] });
    let refusal = json!({ "status": 422, "type": "INVALID_VALUE_FOR_COLUMN" });
    for (refuse, after_effect, written) in [
        (json!({ "status": 503 }), true, 2),
        (refusal, true, 2),
        (json!({ "status": 503 }), false, 0),
        (Value::Null, false, 2),
    ] {
        hand.fake.control("POST", "reset", &Value::Null).unwrap();
        hand.add_fault(json!({ "refuse": refuse, "after_effect": after_effect, "records_left_out": 1 }));
        let answer = hand.table("POST", "", &batch).await;
        assert_eq!(json!(answer.status), *refuse.get("status").unwrap_or(&json!(200)));
        assert_eq!(hand.count(), written, "{refuse}");
    }
    // One alone is not written.
    hand.fake.clear_faults();
    hand.add_fault(json!({ "records_left_out": 1 }));
    assert!(post(&hand).await.is_ok());
    assert_eq!(hand.count(), 2);
}

#[tokio::test]
async fn nobody_answers_when_the_fake_has_ended() {
    let Hand { fake, .. } = Hand::new().await;
    let url = format!("{}/_fake/clock", fake.url());
    let client = reqwest::Client::new();
    // The connection stays open for the next request.
    client.get(&url).send().await.unwrap().bytes().await.unwrap();
    drop(fake);
    let answered = tokio::time::timeout(Duration::from_secs(20), client.get(&url).send()).await;
    assert!(answered.unwrap().is_err());
}

#[tokio::test]
async fn an_answer_stalls_in_its_body_or_does_not_begin() {
    let hand = Hand::new().await;
    for (cut, count) in [("stall", 1), ("silence", 0)] {
        hand.fake.control("POST", "reset", &Value::Null).unwrap();
        hand.add_fault(json!({ "cut": cut }));
        let waited = tokio::time::timeout(Duration::from_millis(300), post(&hand)).await;
        assert!(waited.is_err(), "{cut}");
        assert_eq!(hand.count(), count, "{cut}");
    }
}

#[tokio::test]
async fn an_effect_takes_place_after_the_client_has_left() {
    let hand = Hand::new().await;
    hand.add_fault(json!({ "delay_before_ms": 300, "times": 1 }));
    let left = tokio::time::timeout(Duration::from_millis(50), post(&hand)).await;
    assert!(left.is_err());
    assert_eq!(hand.count(), 0);
    count_becomes(&hand, 1).await;
}

#[tokio::test]
async fn an_effect_comes_late_behind_a_refusal_or_a_cut() {
    for hidden in [json!({ "refuse": { "status": 503 } }), json!({ "cut": "connection" })] {
        let hand = Hand::new().await;
        let mut fault = hidden;
        fault["late_effect_ms"] = json!(200);
        fault["times"] = json!(1);
        hand.add_fault(fault);
        let hidden = post(&hand).await;
        assert!(hidden.is_err() || hidden.is_ok_and(|answer| answer.status == 503));
        assert_eq!(hand.count(), 0);
        count_becomes(&hand, 1).await;
        assert!(hand.fake.requests()[0].changed);
    }
}

#[tokio::test]
async fn answers_are_late_after_the_effect() {
    let hand = Hand::new().await;
    hand.add_fault(json!({ "delay_after_ms": 400 }));
    let left = tokio::time::timeout(Duration::from_millis(200), post(&hand)).await;
    assert!(left.is_err());
    assert_eq!(hand.count(), 1);
}

#[tokio::test]
async fn a_fault_meets_what_it_is_for_after_so_many_and_so_often() {
    let hand = Hand::new().await;
    hand.add_fault(json!({
        "name": "second write", "match": { "writes": true, "table": TABLE, "containing": "k" },
        "skip": 1, "times": 1, "refuse": { "status": 500 },
    }));
    let list = filter("{Run Key}='k'");
    for status in [200, 500, 200] {
        assert_eq!(post(&hand).await.unwrap().status, status);
        assert_eq!(hand.table("GET", &list, &Value::Null).await.status, 200);
    }
    let other = hand
        .table("POST", "", &json!({ "fields": { "Run Key": "other" } }))
        .await;
    assert_eq!(other.status, 200);
    let faults = hand.fake.control("GET", "faults", &Value::Null).unwrap();
    assert_eq!(faults[0]["met"], 1);
    let met: Vec<_> = hand.fake.requests().into_iter().filter_map(|line| line.fault).collect();
    assert_eq!(met, ["second write"]);
}

#[tokio::test]
async fn too_many_requests_can_be_pretended_with_the_lock_out() {
    let hand = Hand::new().await;
    hand.fake.set(|settings| settings.clock_stands = true);
    hand.add_fault(json!({ "refuse": { "status": 429, "shape": "errors" }, "lock": true, "times": 1 }));
    assert_eq!(post(&hand).await.unwrap().status, 429);
    assert_eq!(post(&hand).await.unwrap().status, 429);
    hand.fake.advance(Duration::from_secs(30));
    assert_eq!(post(&hand).await.unwrap().status, 200);
    assert_eq!(hand.count(), 1);
}

#[tokio::test]
async fn chances_are_drawn_by_the_seed() {
    let hand = Hand::new().await;
    hand.add_fault(json!({ "per_mille": 300, "refuse": { "status": 500 } }));
    let mut failed = 0;
    for _ in 0..100 {
        failed += u32::from(post(&hand).await.unwrap().status == 500);
    }
    assert!((10..60).contains(&failed), "{failed}");
}

#[tokio::test]
async fn the_control_plane_refuses_what_it_does_not_know() {
    let hand = Hand::new().await;
    let table = format!("bases/{BASE}/tables/{TABLE}");
    for (method, path, body) in [
        ("POST", "faults", json!({ "delay": 1 })),
        ("PATCH", "settings", json!({ "base_request": 1 })),
        ("GET", "nothing", Value::Null),
        ("GET", "bases/appAAAAAAAAAAAAAA/tables/x/records", Value::Null),
        ("DELETE", "faults/7", Value::Null),
        ("POST", "faults", json!({ "refuse": { "status": 100 } })),
        ("POST", "faults", json!({ "refuse": { "status": 600 } })),
        ("POST", "clock", json!({ "advance_ms": u64::MAX })),
        ("POST", "clock", json!({ "advance_ms": 300_000_000_000_000_u64 })),
        ("PUT", "tokens", json!(["patSECRET"])),
        ("DELETE", &format!("{table}/records/recAAAAAAAAAAAAAA"), Value::Null),
        ("DELETE", &format!("{table}/fields/Nope"), Value::Null),
        ("PATCH", &format!("{table}/fields/N"), json!({ "name": "Notes" })),
        ("PATCH", &table, json!({ "name": "t/x" })),
    ] {
        let refused = hand.fake.control(method, path, &body).unwrap_err().to_string();
        assert!(!refused.contains("SECRET"), "{refused}");
    }
    let team = hand
        .fake
        .control("PATCH", "settings", &json!({ "plan": "team" }))
        .unwrap();
    assert_eq!(team["base_records"], 50_000);
}

#[tokio::test]
async fn people_change_tables_behind_the_api() {
    let hand = Hand::new().await;
    let made = hand.create(json!({ "Run Key": "k", "N": 1 })).await;
    let table = format!("bases/{BASE}/tables/{TABLE}");
    let record = format!("{table}/records/{}", made["id"].as_str().unwrap());
    hand.fake.control("PATCH", &record, &json!({ "N": 2 })).unwrap();
    assert_eq!(hand.fake.records(BASE, TABLE).unwrap()[0]["fields"]["N"], 2);
    hand.fake
        .control("PATCH", &format!("{table}/fields/N"), &json!({ "name": "Number" }))
        .unwrap();
    hand.table("POST", "", &json!({ "fields": { "N": 1 } }))
        .await
        .refuses(422, "UNKNOWN_FIELD_NAME");
    hand.fake
        .control("DELETE", &format!("{table}/fields/Notes"), &Value::Null)
        .unwrap();
    hand.table("POST", "", &json!({ "fields": { "Notes": "n" } }))
        .await
        .refuses(422, "UNKNOWN_FIELD_NAME");
    hand.fake.control("DELETE", &record, &Value::Null).unwrap();
    assert_eq!(hand.count(), 0);
}

#[tokio::test]
async fn the_control_plane_has_a_port_of_its_own_where_one_is_given() {
    let hand = Hand::new().await;
    let fake = runledger_airtable_fake::Fake::start(runledger_airtable_fake::FakeOptions {
        control: Some(([127, 0, 0, 1], 0).into()),
        ..Default::default()
    })
    .await
    .unwrap();
    let status = async |url: String| reqwest::get(url).await.unwrap().status().as_u16();
    assert_eq!(status(format!("{}/requests", fake.control_url())).await, 200);
    assert_eq!(status(format!("{}/_fake/requests", fake.url())).await, 404);
    assert_eq!(status(format!("{}/_fake/requests", hand.fake.url())).await, 200);
}
