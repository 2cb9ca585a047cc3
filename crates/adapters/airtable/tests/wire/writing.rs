//! Writes that are carried out, and how their answers are matched.

use crate::hand::{BASE, Hand, TABLE, connect, new_row, row_key};
use runledger_airtable::{BATCH_ROWS, Batch, Doubt, NewRow, Outcome, PaceSettings, RowKey};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

#[tokio::test]
async fn rows_are_made_and_matched_by_their_keys() {
    let hand = Hand::new().await;
    let Outcome::Done(written) = hand.create(&["a", "b", "c"]).await else {
        panic!("it is done");
    };
    let keys: Vec<_> = written.iter().map(|row| row.key.clone()).collect();
    assert_eq!(keys, [row_key("a"), row_key("b"), row_key("c")]);
    for (row, record) in written.iter().zip(hand.fake.records(BASE, TABLE).unwrap()) {
        assert_eq!(record["id"], row.record.id.as_str());
    }
    let id = &written[0].record.id;
    let Outcome::Done(changed) = hand.change(id, "a", json!({ "N": 3, "Client ID": null })).await else {
        panic!("it is done");
    };
    assert_eq!(changed[0].record.fields["Twice"], 6);
    assert_eq!(
        hand.fake.records(BASE, TABLE).unwrap()[0]["fields"].get("Client ID"),
        None
    );
    let (gone, doubt) = hand
        .airtable
        .delete(&hand.base, &hand.table, std::slice::from_ref(id))
        .await
        .unwrap();
    assert_eq!((gone.as_slice(), doubt), (std::slice::from_ref(id), None));
    assert_eq!(hand.count(), 2);
}

/// A server that answers this to whoever comes.
async fn answers(body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut seen = vec![0; 65_536];
            let _ = stream.read(&mut seen).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    url
}

async fn create_at(url: &str, keys: &[&str]) -> Outcome<NewRow> {
    let airtable = connect(url, Duration::from_secs(20), PaceSettings::default());
    let rows = Batch::new(keys.iter().map(|key| new_row(key)).collect(), BATCH_ROWS).unwrap();
    airtable
        .create(&BASE.parse().unwrap(), &TABLE.parse().unwrap(), rows, false)
        .await
}

fn record(number: u8, key: &str) -> Value {
    json!({ "id": format!("recAAAAAAAAAAAAA{number}"), "fields": { "Run ID": key, "Client ID": "Mary-O'Brien" } })
}

#[tokio::test]
async fn an_answer_in_another_order_is_matched_by_key() {
    let url = answers(json!({ "records": [record(2, "b"), record(1, "a")] }).to_string()).await;
    let Outcome::Done(written) = create_at(&url, &["a", "b"]).await else {
        panic!("it is done");
    };
    let ids: Vec<_> = written.iter().map(|row| row.record.id.as_str()).collect();
    assert_eq!(ids, ["recAAAAAAAAAAAAA1", "recAAAAAAAAAAAAA2"]);
}

#[tokio::test]
async fn rows_that_an_answer_does_not_name_once_are_in_doubt_and_the_others_done() {
    for (records, done, in_doubt) in [
        (json!([record(1, "a")]), vec!["a"], vec!["b"]),
        (
            json!([record(1, "a"), record(2, "b"), record(3, "b")]),
            vec!["a"],
            vec!["b"],
        ),
        (json!([record(1, "x"), record(2, "y")]), vec![], vec!["a", "b"]),
        (json!([]), vec![], vec!["a", "b"]),
    ] {
        let url = answers(json!({ "records": records }).to_string()).await;
        let Outcome::Unknown { sent, written, why } = create_at(&url, &["a", "b"]).await else {
            panic!("some of it is unknown");
        };
        assert_eq!(why, Doubt::RowsMissing);
        let keys: Vec<RowKey> = written.into_iter().map(|row| row.key).collect();
        assert_eq!(keys, done.into_iter().map(row_key).collect::<Vec<_>>());
        assert_eq!(sent, in_doubt.into_iter().map(new_row).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_record_without_an_id_is_no_answer() {
    for body in [
        json!({ "records": [{ "fields": {} }] }),
        json!({ "records": [{ "id": "x", "fields": {} }] }),
        json!({ "error": { "type": "X" } }),
        json!([]),
    ] {
        let url = answers(body.to_string()).await;
        let outcome = create_at(&url, &["a"]).await;
        assert!(
            matches!(
                outcome,
                Outcome::Unknown {
                    why: Doubt::Unreadable(_),
                    ..
                }
            ),
            "{body}: {outcome:?}"
        );
    }
}
