//! The mapping of the older tables, against the fake's own copy of them.

use crate::hand::connect;
use runledger_airtable::mapping::{Mapping, Problem, RowProblem, Values};
use runledger_airtable::{Airtable, BATCH_ROWS, BaseId, Batch, Outcome, PaceSettings, TableSchema};
use runledger_airtable_fake::{Fake, FakeOptions, Settings, example};
use runledger_domain::{JobSummary, RecordKind, RunRecord};
use serde_json::{Value, json};
use std::time::Duration;

struct Older {
    fake: Fake,
    airtable: Airtable,
    base: BaseId,
}

impl Older {
    async fn new() -> Self {
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
        Self {
            fake,
            airtable,
            base: example::BASE.parse().unwrap(),
        }
    }

    async fn schema(&self, table: &str) -> TableSchema {
        let tables = self.airtable.tables(&self.base).await.unwrap();
        tables.into_iter().find(|found| found.id == table).unwrap()
    }
}

fn record(key: &str, more: &Value) -> RunRecord {
    let mut record = json!({
        "key": key,
        "creation": { "at": "2025-09-25T23:18:41.000Z", "source": "orchestrator", "attempt": "a-1",
            "content": { "client_name": "Guy Wilson", "batch": "2" } },
        "state": { "running": { "started_at": "2025-09-25T23:18:41.123456Z" } },
        "deadline_after": 3600, "deadline": "2025-09-26T00:18:41.000Z",
        "updated_at": "2025-09-25T23:18:41.000Z", "updated_by": "orchestrator", "version": 1,
    });
    record
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    serde_json::from_value(record).unwrap()
}

fn client() -> RunRecord {
    record(
        "250925-231841-Guy-Wilson",
        &json!({
            "metrics": { "profiles_examined_for_scoring": "40", "apify_api_costs": "1.25", "unmapped": "1" },
            "external_ids": ["apify:8MSTBAfqMzuXPvgB3"],
            "notes": [{ "at": "2025-09-25T23:19:00.000Z", "source": "lead_scoring", "text": "half done" }],
            "stages": [{ "name": "lead_scoring", "started_at": "2025-09-25T23:18:50.000Z" }],
        }),
    )
}

#[tokio::test]
async fn a_client_run_is_shown_in_the_older_table() {
    let older = Older::new().await;
    let schema = older.schema(example::CLIENT_RUNS).await;
    let resolution = Mapping::older(RecordKind::Client).resolve(&schema).unwrap();
    assert_eq!(resolution.findings, []);
    let table = resolution.table.unwrap();
    let values = Values::of(&client(), None);
    let rows = Batch::new(vec![table.new_row(&values).unwrap()], BATCH_ROWS).unwrap();
    let outcome = older.airtable.create(&older.base, table.table(), rows, true).await;
    let Outcome::Done(written) = outcome else {
        panic!("{outcome:?}");
    };
    let stored = older.fake.records(example::BASE, example::CLIENT_RUNS).unwrap();
    let fields = &stored[0]["fields"];
    for (name, expected) in [
        ("Run ID", json!("250925-231841-Guy-Wilson")),
        ("Client ID", json!("Guy-Wilson")),
        ("Client Name", json!("Guy Wilson")),
        ("Status", json!("Running")),
        ("Start Time", json!("2025-09-25T23:18:41.123Z")),
        ("Profiles Examined for Scoring", json!(40)),
        ("Apify API Costs", json!(1.25)),
        ("Apify Run ID", json!("8MSTBAfqMzuXPvgB3")),
        (
            "System Notes",
            json!("2025-09-25T23:19:00.000Z lead_scoring: half done"),
        ),
        (
            "Progress Log",
            json!("2025-09-25T23:18:50.000Z lead_scoring started\n2025-09-25T23:19:00.000Z lead_scoring: half done"),
        ),
        ("End Time", Value::Null),
    ] {
        assert_eq!(fields.get(name).cloned().unwrap_or_default(), expected, "{name}");
    }
    // Looked up by its key, and changed.
    let key = table.key(&values).unwrap();
    let found = older
        .airtable
        .look_up(&older.base, table.table(), std::slice::from_ref(&key), true)
        .await
        .unwrap();
    assert_eq!(found, [(key, written[0].record.clone())]);
    let ended = record(
        "250925-231841-Guy-Wilson",
        &json!({ "state": { "ended": { "outcome": "succeeded", "started_at": "2025-09-25T23:18:41.000Z",
            "ended_at": "2025-09-25T23:20:41.000Z", "source": "orchestrator" } }, "version": 2 }),
    );
    let row = table
        .changed_row(written[0].record.id.clone(), &Values::of(&ended, None))
        .unwrap();
    let rows = Batch::new(vec![row], BATCH_ROWS).unwrap();
    let outcome = older.airtable.change(&older.base, table.table(), rows, true).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    let stored = older.fake.records(example::BASE, example::CLIENT_RUNS).unwrap();
    assert_eq!(stored[0]["fields"]["Status"], "Completed");
    assert_eq!(stored[0]["fields"]["Duration"], 2);
    assert_eq!(
        stored[0]["fields"].get("System Notes"),
        None,
        "what the record has not is emptied"
    );
}

#[tokio::test]
async fn a_job_shows_its_derived_totals() {
    let older = Older::new().await;
    let schema = older.schema(example::JOBS).await;
    let resolution = Mapping::older(RecordKind::Job).resolve(&schema).unwrap();
    assert_eq!(resolution.findings, []);
    let table = resolution.table.unwrap();
    let job = record("250925-231841", &json!({}));
    let mut summary = JobSummary::new(job.key().run().clone());
    summary.add(&client());
    let row = table.new_row(&Values::of(&job, Some(&summary))).unwrap();
    let rows = Batch::new(vec![row], BATCH_ROWS).unwrap();
    let outcome = older.airtable.create(&older.base, table.table(), rows, true).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    let stored = older.fake.records(example::BASE, example::JOBS).unwrap();
    assert_eq!(stored[0]["fields"]["Clients Processed"], 1);
    assert_eq!(stored[0]["fields"]["Total Profiles Examined"], 40);
    assert_eq!(stored[0]["fields"]["Stream"], 2);
}

fn schema(fields: &Value) -> TableSchema {
    serde_json::from_value(json!({ "id": "tblAAAAAAAAAAAAAA", "name": "Runs", "fields": fields })).unwrap()
}

fn field(name: &str, kind: &str) -> Value {
    json!({ "id": format!("fld{name}"), "name": name, "type": kind })
}

fn mapping(fields: &Value) -> Mapping {
    serde_json::from_value(json!({ "table": "Runs", "fields": fields })).unwrap()
}

#[test]
fn f97_f99_f109_what_a_table_lacks_is_found_before_the_first_write() {
    let older = Mapping::older(RecordKind::Client);
    let bare = schema(&json!([
        field("Run ID", "singleLineText"),
        field("Client ID", "singleLineText")
    ]));
    let resolution = older.resolve(&bare).unwrap();
    assert!(resolution.table.is_some(), "all others are optional");
    assert_eq!(resolution.findings.len(), 16);
    assert!(
        resolution
            .findings
            .iter()
            .all(|finding| finding.problem == Problem::OptionalMissing)
    );
    // Optional fields that are missing are left out of every row.
    let row = resolution.table.unwrap().new_row(&Values::of(&client(), None)).unwrap();
    assert_eq!(row.fields.len(), 2);
    // F98: case counts.
    let lower = schema(&json!([
        field("run id", "singleLineText"),
        field("Client ID", "singleLineText")
    ]));
    let resolution = older.resolve(&lower).unwrap();
    assert!(resolution.table.is_none());
    assert_eq!(resolution.findings[0].problem, Problem::Missing);
    assert!(resolution.findings[0].to_string().contains("\"Run ID\""));
}

#[test]
fn f101_computed_fields_are_never_written() {
    let keyed = mapping(&json!([{ "from": "key", "to": "Run ID", "key": true }, { "from": "batch", "to": "B" }]));
    for kind in [
        "formula",
        "rollup",
        "count",
        "multipleLookupValues",
        "autoNumber",
        "createdTime",
        "lastModifiedTime",
        "createdBy",
        "lastModifiedBy",
        "button",
    ] {
        let resolution = keyed
            .resolve(&schema(&json!([field("Run ID", "singleLineText"), field("B", kind)])))
            .unwrap();
        assert_eq!(resolution.findings[0].problem, Problem::Computed, "{kind}");
        let row = resolution.table.unwrap().new_row(&Values::of(&client(), None)).unwrap();
        assert!(!row.fields.contains_key("fldB"), "{kind}");
        let resolution = keyed
            .resolve(&schema(&json!([field("Run ID", kind), field("B", "number")])))
            .unwrap();
        assert_eq!(resolution.findings[0].problem, Problem::KeyComputed, "{kind}");
        assert!(resolution.table.is_none());
    }
}

#[test]
fn f102_types_are_checked_before_the_first_write() {
    let keyed = mapping(&json!([{ "from": "key", "to": "Run ID", "key": true }, { "from": "started_at", "to": "S" }]));
    for (kind, fits) in [
        ("dateTime", true),
        ("date", true),
        ("singleLineText", true),
        ("number", false),
        ("checkbox", false),
        ("singleSelect", false),
        ("multipleAttachments", false),
        ("somethingNew", false),
    ] {
        let resolution = keyed
            .resolve(&schema(&json!([field("Run ID", "singleLineText"), field("S", kind)])))
            .unwrap();
        assert_eq!(resolution.table.is_some(), fits, "{kind}");
    }
}

#[test]
fn f103_options_are_checked_for_every_status() {
    let keyed = mapping(&json!([{ "from": "key", "to": "Run ID", "key": true }, { "from": "status", "to": "Status" }]));
    let mut status = field("Status", "singleSelect");
    status["options"] = json!({ "choices": [{ "name": "Running" }, { "name": "Completed" }] });
    let resolution = keyed
        .resolve(&schema(&json!([field("Run ID", "singleLineText"), status])))
        .unwrap();
    assert!(resolution.table.is_none());
    assert_eq!(
        resolution.findings[0].problem,
        Problem::OptionsMissing(vec![
            "Completed with Errors".into(),
            "Failed".into(),
            "No Leads To Score".into()
        ])
    );
}

#[test]
fn f105_one_bad_value_names_its_field_and_its_record() {
    let keyed = mapping(&json!([{ "from": "key", "to": "Run ID", "key": true }, { "from": "batch", "to": "Stream" }]));
    let fields = json!([field("Run ID", "singleLineText"), field("Stream", "number")]);
    let table = keyed.resolve(&schema(&fields)).unwrap().table.unwrap();
    let nightly = record(
        "250925-231841",
        &json!({ "creation": { "at": "2025-09-25T23:18:41.000Z", "source": "orchestrator", "attempt": "a-1",
            "content": { "batch": "nightly" } } }),
    );
    let error = table.new_row(&Values::of(&nightly, None)).unwrap_err();
    assert!(matches!(error, RowProblem::Cell { .. }));
    let text = error.to_string();
    for part in ["Stream", "Runs", "batch", "250925-231841", "nightly", "text type"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn f103_a_row_is_given_no_option_that_its_select_does_not_have() {
    let keyed = mapping(&json!([{ "from": "key", "to": "Run ID", "key": true }, { "from": "batch", "to": "Stream" }]));
    let mut stream = field("Stream", "singleSelect");
    for (options, fits) in [
        (json!([{ "name": "1" }]), false),
        (json!([{ "name": "1" }, { "name": "2" }]), true),
    ] {
        stream["options"] = json!({ "choices": options });
        let fields = json!([field("Run ID", "singleLineText"), stream]);
        let table = keyed.resolve(&schema(&fields)).unwrap().table.unwrap();
        let row = table.new_row(&Values::of(&client(), None));
        assert_eq!(row.is_ok(), fits, "{row:?}");
    }
}

#[test]
fn a_mapping_without_a_key_or_with_one_field_twice_is_refused() {
    let text = json!([field("Run ID", "singleLineText")]);
    let none = mapping(&json!([{ "from": "key", "to": "Run ID" }]))
        .resolve(&schema(&text))
        .unwrap();
    assert_eq!(none.findings[0].problem, Problem::NoKey);
    let twice =
        mapping(&json!([{ "from": "key", "to": "Run ID", "key": true }, { "from": "run_id", "to": "fldRun ID" }]));
    let twice = twice.resolve(&schema(&text)).unwrap();
    assert_eq!(twice.findings[0].problem, Problem::MappedTwice);
    assert!(none.table.is_none() && twice.table.is_none());
    // A job has no client.
    let keyed = mapping(&json!([{ "from": "client_id", "to": "Run ID", "key": true }]));
    let table = keyed
        .resolve(&schema(&json!([field("Run ID", "singleLineText")])))
        .unwrap()
        .table
        .unwrap();
    let error = table
        .new_row(&Values::of(&record("250925-231841", &json!({})), None))
        .unwrap_err();
    assert!(matches!(error, RowProblem::KeyMissing { .. }), "{error}");
}
