//! Rows under the older names, whatever a table calls its fields.

use crate::hand::connect;
use crate::projection::Noon;
use runledger_airtable::mapping::{FieldMap, Mapping};
use runledger_airtable::{AirtableTarget, OlderRow, PaceSettings, Places, TablePlace};
use runledger_airtable_fake::{Fake, FakeOptions, Settings, example};
use runledger_domain::RecordKind;
use runledger_ports::{ListRowsError, NotDone, ProjectionTarget as _};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const CLIENT: RecordKind = RecordKind::Client;

async fn target(places: Places) -> (Fake, AirtableTarget) {
    let fake = Fake::start(FakeOptions {
        settings: Settings::default().without_rate_limits(),
        ..FakeOptions::default()
    })
    .await
    .unwrap();
    let fast = PaceSettings {
        base_per_second: 10_000.0,
        token_per_second: 10_000.0,
    };
    let airtable = connect(&fake.url(), Duration::from_secs(20), fast);
    (fake, AirtableTarget::new(airtable, places, Arc::new(Noon)))
}

fn add(fake: &Fake, table: &str, rows: &Value) {
    let path = format!("bases/{}/tables/{table}/records", example::BASE);
    fake.control("POST", &path, rows).unwrap();
}

fn older() -> Places {
    Places::older(&example::BASE.parse().unwrap())
}

async fn read(target: &AirtableTarget) -> Result<Vec<OlderRow>, ListRowsError> {
    let table = target.older_table(CLIENT).await?;
    let (mut rows, mut place) = (Vec::new(), None);
    loop {
        let page = table.page(place.as_ref()).await?;
        rows.extend(page.rows);
        match page.next {
            Some(next) => place = Some(next),
            None => return Ok(rows),
        }
    }
}

#[tokio::test]
async fn an_older_table_is_read_as_it_stands() {
    let (fake, target) = target(older()).await;
    let rows: Vec<_> = (0..120)
        .map(|n| json!({ "Run ID": format!("250925-231841-c{n}"), "Client ID": format!("c{n}"), "Status": "Completed with Errors" }))
        .collect();
    add(&fake, example::CLIENT_RUNS, &json!(rows));
    let not_looked = target.older_table(CLIENT).await.unwrap().page(None).await;
    assert!(matches!(not_looked, Err(ListRowsError::NotDone(NotDone::Later { .. }))));
    target.prepare().await.unwrap();
    let rows = read(&target).await.unwrap();
    assert_eq!(rows.len(), 120);
    let row: Value = serde_json::from_str(&rows[7].line()).unwrap();
    assert_eq!(row["id"], rows[7].id.as_str());
    assert!(row["createdTime"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        (
            &row["fields"]["Run ID"],
            &row["fields"]["Client ID"],
            &row["fields"]["Status"]
        ),
        (
            &json!("250925-231841-c7"),
            &json!("c7"),
            &json!("succeeded_with_errors")
        )
    );
    // What the ledger has no place for keeps its name, so that a report can say so.
    assert!(row["fields"]["Seq"].is_number());
    let table = target.older_table(CLIENT).await.unwrap();
    let first = table.page(None).await.unwrap();
    fake.expire_cursors();
    assert_eq!(table.page(first.next.as_ref()).await, Err(ListRowsError::PlaceLost));
}

#[tokio::test]
async fn a_table_of_ones_own_is_read_under_the_older_names_and_nothing_else_passes_for_one() {
    let field = |from: &str, to: &str, key| FieldMap {
        from: from.parse().unwrap(),
        to: to.into(),
        key,
        optional: false,
    };
    // The run is in the field of the notes, and the field that is called like the run's is nobody's.
    let mapping = Mapping {
        table: example::CLIENT_RUNS.into(),
        fields: vec![
            field("run_id", "Error Details", true),
            field("client_id", "Client Name", true),
            field("status", "Progress Log", false),
            field("metric:apify_api_costs", "Post Scoring Tokens", false),
        ],
        statuses: serde_json::from_value(json!({ "lost": "Timed out", "queued": "Waits" })).unwrap(),
    };
    let clients = TablePlace {
        base: example::BASE.parse().unwrap(),
        mapping,
    };
    let (fake, target) = target(Places { clients, ..older() }).await;
    target.prepare().await.unwrap();
    for (word, expected) in [
        ("Timed out", "lost"),
        ("Waits", "queued"),
        ("Running", "running"),
        ("Failed", "Failed"),
        ("Gone", "Gone"),
    ] {
        add(
            &fake,
            example::CLIENT_RUNS,
            &json!([{ "Error Details": "250925-231841", "Client Name": "Guy", "Progress Log": word,
                "Run ID": "not a run", "Status": "Completed", "Post Scoring Tokens": 12 }]),
        );
        let row = read(&target).await.unwrap().pop().unwrap();
        let cell = |name: &str| row.fields.get(name).cloned().unwrap_or_default();
        assert_eq!(
            [
                cell("Run ID"),
                cell("Client ID"),
                cell("Status"),
                cell("Apify API Costs")
            ],
            [json!("250925-231841"), json!("Guy"), json!(expected), json!(12)]
        );
        assert_eq!(
            [cell("other: Run ID"), cell("other: Status")],
            [json!("not a run"), json!("Completed")]
        );
    }
}
