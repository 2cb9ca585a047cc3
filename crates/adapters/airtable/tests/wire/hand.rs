//! A fake, and the wire layer that asks it.

use runledger_airtable::{
    Airtable, BATCH_ROWS, BaseId, Batch, ChangedRow, Connection, Fields, NewRow, Outcome, Pace, PaceSettings, RecordId,
    RowKey, TableRef, TokioTime,
};
use runledger_airtable_fake::{Fake, FakeOptions, Settings};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const BASE: &str = "appWireTests00001";
pub(crate) const TABLE: &str = "tblRunRecords0001";

pub(crate) struct Hand {
    pub(crate) fake: Fake,
    pub(crate) airtable: Airtable,
    pub(crate) base: BaseId,
    pub(crate) table: TableRef,
}

impl Hand {
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default().without_rate_limits(), Duration::from_secs(20)).await
    }

    pub(crate) async fn with(settings: Settings, request_time: Duration) -> Self {
        let base = json!({
            "id": BASE, "name": "Wire", "tables": [{ "id": TABLE, "name": "Run Records", "fields": [
                { "name": "Run ID", "type": "singleLineText" },
                { "name": "Client ID", "type": "singleLineText" },
                { "name": "N", "type": "number" },
                { "name": "Status", "type": "singleSelect", "options": { "choices": [{ "name": "Running" }] } },
                { "name": "Twice", "type": "formula", "options": { "formula": "{N} * 2" } }
            ] }]
        });
        let fake = Fake::start(FakeOptions {
            bases: vec![serde_json::from_value(base).unwrap()],
            settings,
            seed: Some(1),
            ..FakeOptions::default()
        })
        .await
        .unwrap();
        let fast = PaceSettings {
            base_per_second: 10_000.0,
            token_per_second: 10_000.0,
        };
        let airtable = connect(&fake.url(), request_time, fast);
        Self {
            fake,
            airtable,
            base: BASE.parse().unwrap(),
            table: TABLE.parse().unwrap(),
        }
    }

    pub(crate) async fn create(&self, keys: &[&str]) -> Outcome<NewRow> {
        let rows = Batch::new(keys.iter().map(|key| new_row(key)).collect(), BATCH_ROWS).unwrap();
        self.airtable.create(&self.base, &self.table, rows, false).await
    }

    pub(crate) async fn change(&self, id: &RecordId, key: &str, fields: Value) -> Outcome<ChangedRow> {
        let row = ChangedRow {
            id: id.clone(),
            key: row_key(key),
            fields: fields.as_object().unwrap().clone(),
        };
        let rows = Batch::new(vec![row], BATCH_ROWS).unwrap();
        self.airtable.change(&self.base, &self.table, rows, false).await
    }

    /// A record that is there, and its id.
    pub(crate) fn record(&self, key: &str) -> RecordId {
        let cells = new_row(key).fields;
        self.fake.add_records(BASE, TABLE, vec![cells]).unwrap();
        let records = self.fake.records(BASE, TABLE).unwrap();
        records.last().unwrap()["id"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) fn count(&self) -> usize {
        self.fake.records(BASE, TABLE).unwrap().len()
    }

    pub(crate) fn add_fault(&self, fault: Value) {
        self.fake.add_fault(serde_json::from_value(fault).unwrap());
    }

    /// How many writes reached the fake.
    pub(crate) fn writes(&self) -> usize {
        let lines = self.fake.requests();
        lines.iter().filter(|line| line.method != "GET").count()
    }
}

pub(crate) fn connect(url: &str, request_time: Duration, pace: PaceSettings) -> Airtable {
    let connection = Connection {
        endpoint: url.to_owned(),
        pat: "patWIRE".parse().unwrap(),
        request_time,
    };
    Airtable::new(&connection, Pace::new(pace, Arc::new(TokioTime::default()))).unwrap()
}

pub(crate) fn row_key(key: &str) -> RowKey {
    RowKey::new(&[("Run ID", "Run ID", key), ("Client ID", "Client ID", "Mary-O'Brien")]).unwrap()
}

pub(crate) fn new_row(key: &str) -> NewRow {
    NewRow {
        key: row_key(key),
        fields: Fields::from_iter([
            ("Run ID".into(), key.into()),
            ("Client ID".into(), "Mary-O'Brien".into()),
        ]),
    }
}
