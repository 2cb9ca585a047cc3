//! Lists and single reads.

use crate::hand::{BASE, Hand, TABLE, filter, keys};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

async fn with_records(count: usize) -> Hand {
    let hand = Hand::new().await;
    let records: Vec<_> = (0..count)
        .map(|n| json!({ "Run Key": format!("k{n:03}"), "N": n }))
        .collect();
    hand.add(&records);
    hand
}

/// Follows the offsets to the end; the keys of each page.
async fn pages(hand: &Hand, query: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut offset = String::new();
    loop {
        let page = hand.table("GET", &format!("{query}{offset}"), &Value::Null).await;
        assert_eq!(page.status, 200, "{}", page.text);
        found.push(keys(&page.body));
        match page.body["offset"].as_str() {
            None => return found,
            Some(next) => {
                assert!(next.starts_with("itr") && next.contains("/rec"), "{next}");
                offset = format!("&offset={}", next.replace('/', "%2F"));
            }
        }
    }
}

fn sizes(pages: &[Vec<String>]) -> Vec<usize> {
    pages.iter().map(Vec::len).collect()
}

#[tokio::test]
async fn a_page_has_a_hundred_records_at_most_and_the_last_one_no_offset() {
    let hand = with_records(230).await;
    assert_eq!(sizes(&pages(&hand, "?x=").await), [100, 100, 30]);
    assert_eq!(sizes(&pages(&hand, "?pageSize=100").await), [100, 100, 30]);
    assert_eq!(sizes(&pages(&hand, "?pageSize=90&maxRecords=100").await), [90, 10]);
    let seen: BTreeSet<_> = pages(&hand, "?pageSize=7").await.concat().into_iter().collect();
    assert_eq!(seen.len(), 230);
    for wrong in ["?pageSize=101", "?pageSize=0", "?pageSize=x"] {
        hand.table("GET", wrong, &Value::Null)
            .await
            .refuses(422, "INVALID_PAGE_SIZE_ARGUMENT");
    }
}

#[tokio::test]
async fn an_idle_cursor_expires_and_one_that_never_was_is_invalid() {
    let hand = with_records(3).await;
    let first = hand.table("GET", "?pageSize=1", &Value::Null).await;
    let offset = first.body["offset"].as_str().unwrap().to_owned();
    let next = format!("?pageSize=1&offset={offset}");
    // The same page may be asked for again.
    assert_eq!(hand.keys(&next).await, hand.keys(&next).await);
    hand.fake.advance(Duration::from_mins(4));
    hand.keys(&next).await;
    hand.fake.advance(Duration::from_mins(4));
    hand.keys(&next).await;
    hand.fake.advance(Duration::from_mins(6));
    let gone = hand.table("GET", &next, &Value::Null).await;
    gone.refuses(422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE");
    assert_eq!(gone.body["error"].as_object().unwrap().len(), 1, "a type alone");
    hand.table("GET", "?offset=nonsense", &Value::Null)
        .await
        .refuses(422, "INVALID_OFFSET_VALUE");
}

#[tokio::test]
async fn cursors_end_on_demand() {
    let hand = with_records(3).await;
    let first = hand.table("GET", "?pageSize=1", &Value::Null).await;
    hand.fake.expire_cursors();
    let next = format!("?offset={}", first.body["offset"].as_str().unwrap());
    hand.table("GET", &next, &Value::Null)
        .await
        .refuses(422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE");
}

#[tokio::test]
async fn order_stands_with_the_first_page_and_values_are_read_anew() {
    let hand = with_records(4).await;
    let query = "?pageSize=2&sort[0][field]=Run%20Key";
    let first = hand.table("GET", query, &Value::Null).await;
    let records = hand.fake.records(BASE, TABLE).unwrap();
    let id = |place: usize| records[place]["id"].as_str().unwrap().to_owned();
    // The third becomes the first by its key, the fourth is deleted, a fifth comes.
    let changed = hand
        .table(
            "PATCH",
            &format!("/{}", id(2)),
            &json!({ "fields": { "Run Key": "a" } }),
        )
        .await;
    assert_eq!(changed.status, 200);
    assert_eq!(
        hand.table("DELETE", &format!("/{}", id(3)), &Value::Null).await.status,
        200
    );
    hand.add(&[json!({ "Run Key": "k9" })]);
    let offset = first.body["offset"].as_str().unwrap();
    let second = hand
        .table("GET", &format!("{query}&offset={offset}"), &Value::Null)
        .await;
    assert_eq!(keys(&second.body), ["a"]);
}

#[tokio::test]
async fn empty_cells_are_left_out() {
    let hand = Hand::new().await;
    let made = hand
        .create(json!({ "Run Key": "", "N": null, "Done": false, "Tags": [], "Notes": "x" }))
        .await;
    let fields: BTreeSet<_> = made["fields"].as_object().unwrap().keys().cloned().collect();
    // What is computed has a value of its own.
    let expected = ["Broken", "Changed", "Double", "Made", "Notes", "Ratio", "Seq"];
    assert_eq!(fields, expected.map(str::to_owned).into());
}

#[tokio::test]
async fn fields_are_chosen_and_named_by_name_or_id() {
    let hand = with_records(1).await;
    let only = hand.table("GET", "?fields%5B%5D=Run+Key", &Value::Null).await;
    assert_eq!(only.body["records"][0]["fields"], json!({ "Run Key": "k000" }));
    let by_id = "?fields[]=fldKey00000000001&returnFieldsByFieldId=true";
    let only = hand.table("GET", by_id, &Value::Null).await;
    assert_eq!(
        only.body["records"][0]["fields"],
        json!({ "fldKey00000000001": "k000" })
    );
    hand.table("GET", "?fields[]=run+key", &Value::Null)
        .await
        .refuses(422, "UNKNOWN_FIELD_NAME");
}

#[tokio::test]
async fn filters_are_evaluated_and_refused() {
    let hand = with_records(20).await;
    assert_eq!(hand.keys(&filter("{Run Key} = 'k007'")).await, ["k007"]);
    assert_eq!(
        hand.keys(&filter("OR({Run Key}='k001',{Run Key}='k003')")).await,
        ["k001", "k003"]
    );
    assert_eq!(hand.keys(&filter("{Run Key} = 'K007'")).await, [""; 0]);
    assert_eq!(hand.keys(&filter("{Double} >= 38")).await, ["k019"]);
    assert_eq!(hand.keys(&filter("{fldKey00000000001} = 'k001'")).await, ["k001"]);
    assert_eq!(hand.keys(&filter("")).await.len(), 20);
    let broken = hand.table("GET", &filter("{Run Key} = 'O'Brien'"), &Value::Null).await;
    broken.refuses(422, "INVALID_FILTER_BY_FORMULA");
    let unknown = hand
        .table("GET", &filter("AND({Client} = 'a', {Other})"), &Value::Null)
        .await;
    unknown.refuses(422, "INVALID_FILTER_BY_FORMULA");
    assert_eq!(
        unknown.body["error"]["message"],
        "The formula for filtering records is invalid: Unknown field names: client, other"
    );
    hand.fake.set(|settings| settings.formula_field_ids = false);
    hand.table("GET", &filter("{fldKey00000000001} = 'k001'"), &Value::Null)
        .await
        .refuses(422, "INVALID_FILTER_BY_FORMULA");
}

#[tokio::test]
async fn lists_are_sorted_by_several_fields_with_blanks_first() {
    let hand = Hand::new().await;
    hand.add(&[
        json!({ "Run Key": "b", "N": 1, "Status": "Completed" }),
        json!({ "Run Key": "a", "N": 2, "Status": "Running" }),
        json!({ "Run Key": "c", "N": 10, "Status": "Running" }),
        json!({ "Run Key": "d" }),
    ]);
    assert_eq!(hand.keys("?sort[0][field]=N").await, ["d", "b", "a", "c"]);
    assert_eq!(
        hand.keys("?sort[0][field]=N&sort[0][direction]=desc").await,
        ["c", "a", "b", "d"]
    );
    // Options stand in the order of the field.
    assert_eq!(
        hand.keys("?sort[0][field]=Status&sort[1][field]=N&sort[1][direction]=desc")
            .await,
        ["d", "c", "a", "b"]
    );
    // The number counts, not the place in the query.
    assert_eq!(
        hand.keys("?sort[10][field]=Run%20Key&sort[2][direction]=desc&sort[2][field]=Status")
            .await,
        ["b", "a", "c", "d"]
    );
    assert_eq!(hand.table("GET", "?sort[x][field]=N", &Value::Null).await.status, 422);
    hand.table("GET", "?sort[0][field]=Nope", &Value::Null)
        .await
        .refuses(422, "UNKNOWN_FIELD_NAME");
}

#[tokio::test]
async fn an_order_that_nobody_asked_for_may_be_any() {
    let hand = with_records(30).await;
    let created = hand.keys("?").await;
    hand.fake
        .set(|settings| settings.list_order = runledger_airtable_fake::Order::Arbitrary);
    let arbitrary = hand.keys("?").await;
    assert_ne!(created, arbitrary);
    assert_eq!(arbitrary.len(), 30);
}

#[tokio::test]
async fn lists_are_posted_as_well() {
    let hand = with_records(3).await;
    let body = json!({
        "filterByFormula": "{N} > 0", "method": "post", "timeZone": "UTC", "userLocale": "en", "pageSize": 1,
        "sort": [{ "field": "N", "direction": "desc" }], "fields": ["Run Key"],
    });
    let first = hand
        .table("POST", "/listRecords?timeZone=UTC&userLocale=en", &body)
        .await;
    assert_eq!(keys(&first.body), ["k002"], "{}", first.text);
    let mut next = body.clone();
    next["offset"] = first.body["offset"].clone();
    let second = hand.table("POST", "/listRecords?", &next).await;
    assert_eq!(keys(&second.body), ["k001"]);
    assert_eq!(second.body.get("offset"), None);
}

#[tokio::test]
async fn a_url_has_16000_characters_at_most_and_a_body_may_have_more() {
    let hand = with_records(1).await;
    let long = format!("{{Run Key}}='{}'", "x".repeat(16_000));
    assert_eq!(hand.table("GET", &filter(&long), &Value::Null).await.status, 414);
    let posted = hand
        .table("POST", "/listRecords", &json!({ "filterByFormula": long }))
        .await;
    assert_eq!(posted.status, 200);
}

#[tokio::test]
async fn cells_as_texts_need_zone_and_locale() {
    let hand = with_records(2).await;
    assert_eq!(hand.table("GET", "?cellFormat=string", &Value::Null).await.status, 422);
    let texts = hand
        .table("GET", "?cellFormat=string&timeZone=UTC&userLocale=en", &Value::Null)
        .await;
    assert_eq!(texts.body["records"][1]["fields"]["N"], "1");
    let one = format!(
        "/{}?cellFormat=string",
        texts.body["records"][1]["id"].as_str().unwrap()
    );
    assert_eq!(hand.table("GET", &one, &Value::Null).await.status, 422);
    let text = hand
        .table("GET", &format!("{one}&timeZone=UTC&userLocale=en"), &Value::Null)
        .await;
    assert_eq!(text.body, texts.body["records"][1]);
}

#[tokio::test]
async fn views_that_do_not_exist_are_refused() {
    let hand = with_records(2).await;
    assert_eq!(hand.keys("?view=Grid%20view").await.len(), 2);
    hand.table("GET", "?view=Nope", &Value::Null)
        .await
        .refuses(422, "VIEW_NAME_NOT_FOUND");
}

#[tokio::test]
async fn a_record_is_found_by_its_id_in_every_table_of_the_base() {
    let hand = Hand::new().await;
    let made = hand.create(json!({ "Run Key": "k" })).await;
    let id = made["id"].as_str().unwrap();
    assert_eq!(id.len(), 17);
    assert!(id.starts_with("rec"));
    let found = hand.table("GET", &format!("/{id}?"), &Value::Null).await;
    assert_eq!(found.body, made);
    // By the name of the table, percent-encoded, and through another table.
    for table in ["Run%20Records", "t%2Fx"] {
        let found = hand
            .send("GET", &format!("/v0/{BASE}/{table}/{id}"), &Value::Null)
            .await;
        assert_eq!(found.body["fields"]["Run Key"], "k", "{table}");
    }
    let missing = hand.table("GET", "/recAAAAAAAAAAAAAA", &Value::Null).await;
    assert_eq!((missing.status, missing.body), (404, json!({ "error": "NOT_FOUND" })));
}

#[tokio::test]
async fn lists_lag_where_that_is_set_and_reads_by_id_do_not() {
    let hand = Hand::new().await;
    hand.fake.set(|settings| {
        settings.list_lag_ms = 2_000;
        settings.clock_stands = true;
    });
    let made = hand.create(json!({ "Run Key": "k" })).await;
    let id = made["id"].as_str().unwrap();
    assert_eq!(hand.keys(&filter("{Run Key} = 'k'")).await, [""; 0]);
    assert_eq!(hand.table("GET", &format!("/{id}"), &Value::Null).await.status, 200);
    hand.fake.advance(Duration::from_secs(2));
    assert_eq!(hand.keys("?").await, ["k"]);
    let changed = json!({ "fields": { "Run Key": "l" } });
    hand.table("PATCH", &format!("/{id}"), &changed).await;
    assert_eq!(hand.keys("?").await, ["k"]);
    hand.fake.advance(Duration::from_secs(2));
    assert_eq!(hand.keys("?").await, ["l"]);
    hand.table("DELETE", &format!("/{id}"), &Value::Null).await;
    assert_eq!(hand.keys("?").await, ["l"]);
    hand.fake.advance(Duration::from_secs(2));
    assert_eq!(hand.keys("?").await, [""; 0]);
}

#[tokio::test]
async fn comment_counts_are_shown_on_demand() {
    let hand = with_records(1).await;
    let listed = hand.table("GET", "?recordMetadata[]=commentCount", &Value::Null).await;
    assert_eq!(listed.body["records"][0]["commentCount"], 0);
}
