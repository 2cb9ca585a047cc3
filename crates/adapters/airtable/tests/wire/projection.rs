//! Airtable as the place of a projection, against the fake: rows are made, changed and found again, and what goes wrong is
//! said in the port's words.

use crate::hand::connect;
use runledger_airtable::mapping::Mapping;
use runledger_airtable::{AirtableTarget, PaceSettings, Places};
use runledger_airtable_fake::{Fake, FakeOptions, Settings, TokenSpec, example};
use runledger_domain::{JobSummary, RecordKind, RunRecord, Timestamp};
use runledger_ports::{Cells, Clock, NotDone, ProjectionTarget, RefusedFor, RowId, WriteOutcome};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        "2025-09-25T12:00:00Z".parse().unwrap()
    }
}

pub(crate) struct Shown {
    pub(crate) fake: Fake,
    pub(crate) target: AirtableTarget,
}

impl Shown {
    pub(crate) async fn with(tokens: Vec<TokenSpec>) -> Self {
        let fake = Fake::start(FakeOptions {
            settings: Settings::default().without_rate_limits(),
            tokens,
            ..FakeOptions::default()
        })
        .await
        .unwrap();
        let fast = PaceSettings {
            base_per_second: 10_000.0,
            token_per_second: 10_000.0,
        };
        let airtable = connect(&fake.url(), Duration::from_secs(20), fast);
        let places = Places::older(&example::BASE.parse().unwrap());
        let target = AirtableTarget::new(airtable, places, Arc::new(Noon));
        Self { fake, target }
    }

    pub(crate) async fn new() -> Self {
        let shown = Self::with(Vec::new()).await;
        shown.target.prepare().await.unwrap();
        shown
    }

    pub(crate) fn cells(&self, record: &RunRecord) -> Cells {
        self.target.render(record, None).unwrap()
    }

    pub(crate) async fn make(&self, records: &[Arc<RunRecord>]) -> WriteOutcome {
        let rows = records.iter().map(|record| (record.key().clone(), self.cells(record)));
        self.target.make_rows(RecordKind::Client, rows.collect()).await
    }

    async fn make_one(&self, record: &Arc<RunRecord>) -> RowId {
        match self.make(std::slice::from_ref(record)).await {
            WriteOutcome::Done(rows) => rows[0].1.clone(),
            outcome => panic!("{outcome:?}"),
        }
    }

    pub(crate) fn fault(&self, fault: Value) {
        self.fake.add_fault(serde_json::from_value(fault).unwrap());
    }

    /// The id of a field of the clients' table.
    fn field_id(&self, name: &str) -> String {
        let (_, table) = self.target.table(RecordKind::Client).unwrap();
        let fields = table.fields();
        fields.iter().find(|field| field.name == name).unwrap().id.clone()
    }

    /// Where the control plane has a field of the clients' table.
    fn field_path(&self, name: &str) -> String {
        let id = self.field_id(name);
        format!("bases/{}/tables/{}/fields/{id}", example::BASE, example::CLIENT_RUNS)
    }

    pub(crate) fn rows(&self) -> usize {
        self.fake.records(example::BASE, example::CLIENT_RUNS).unwrap().len()
    }
}

pub(crate) fn client(client: &str, more: &Value) -> Arc<RunRecord> {
    let mut record = json!({
        "key": format!("250925-231841-{client}"),
        "creation": { "at": "2025-09-25T23:18:41.000Z", "source": "orchestrator", "attempt": "a-1", "content": {} },
        "state": { "running": { "started_at": "2025-09-25T23:18:41.123456Z" } },
        "deadline_after": 3600, "deadline": "2025-09-26T00:18:41.000Z",
        "updated_at": "2025-09-25T23:18:41.000Z", "updated_by": "orchestrator", "version": 1,
    });
    let members = record.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    Arc::new(serde_json::from_value(record).unwrap())
}

#[tokio::test]
async fn a_row_that_was_made_is_found_again_with_the_same_digest_until_somebody_changes_it() {
    let shown = Shown::new().await;
    assert_eq!(shown.target.groups(), [[RecordKind::Job, RecordKind::Client]]);
    assert!(shown.target.shows_totals());
    assert_eq!(shown.target.has_rows(RecordKind::Client).await, Ok(false));
    let metrics = json!({ "metrics": { "apify_api_costs": "1.50", "profiles_examined_for_scoring": "40" },
        "notes": [{ "at": "2025-09-25T23:19:00.000Z", "source": "lead_scoring", "text": "half done" }] });
    let records = [client("Mary-O.Brien", &metrics), client("Guy", &json!({}))];
    let outcome = shown.make(&records).await;
    let WriteOutcome::Done(rows) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(shown.target.has_rows(RecordKind::Client).await, Ok(true));
    let found = shown.target.look_up(RecordKind::Client, &records).await.unwrap();
    for ((key, id), record) in rows.iter().zip(&records) {
        let (_, row) = found.iter().find(|(found, _)| found == key).unwrap();
        assert_eq!((&row.id, row.digest), (id, shown.cells(record).digest));
    }
    // What is not shown does not change the digest, what is shown does.
    let unmapped = client("Guy", &json!({ "metrics": { "unmapped": "1" }, "version": 7 }));
    assert_eq!(shown.cells(&unmapped).digest, shown.cells(&records[1]).digest);
    let ended = client(
        "Guy",
        &json!({ "state": { "ended": { "outcome": "succeeded", "started_at": "2025-09-25T23:18:41.000Z",
            "ended_at": "2025-09-25T23:20:41.000Z", "source": "orchestrator" } }, "version": 2 }),
    );
    assert_ne!(shown.cells(&ended).digest, shown.cells(&records[1]).digest);
    let change = vec![(ended.key().clone(), rows[1].1.clone(), shown.cells(&ended))];
    let outcome = shown.target.change_rows(RecordKind::Client, change).await;
    assert_eq!(outcome, WriteOutcome::Done(vec![rows[1].clone()]));
    let found = shown.target.look_up(RecordKind::Client, &records[1..]).await.unwrap();
    assert_eq!(found[0].1.digest, shown.cells(&ended).digest);
    assert_eq!(shown.rows(), 2);
    // Looked at, looked for twice, made, changed.
    assert_eq!(
        (shown.target.figures().requests, shown.target.figures().too_many),
        (8, 0)
    );
}

#[tokio::test]
async fn a_job_shows_totals_where_there_is_a_summary() {
    let shown = Shown::new().await;
    let job = client("x", &json!({ "key": "250925-231841" }));
    let mut summary = JobSummary::new(job.key().run().clone());
    summary.add(&client("Guy", &json!({})));
    let (without, with) = (
        shown.target.render(&job, None),
        shown.target.render(&job, Some(&summary)),
    );
    assert_ne!(without.unwrap().digest, with.unwrap().digest);
}

/// What each answer is called, and how many rows there are afterwards.
#[tokio::test]
async fn every_outcome_of_a_write_has_its_word() {
    let later = |outcome: &WriteOutcome| matches!(outcome, WriteOutcome::NotDone(NotDone::Later { .. }));
    let stopped = |outcome: &WriteOutcome| match outcome {
        WriteOutcome::NotDone(NotDone::Stopped { until, .. }) => Some(until.map(|until| until.to_string())),
        _ => None,
    };
    let unknown = |outcome: &WriteOutcome| matches!(outcome, WriteOutcome::Unknown { .. });
    let refused = |outcome: &WriteOutcome| match outcome {
        WriteOutcome::Refused { of, .. } => Some(*of),
        _ => None,
    };
    let quota = "PUBLIC_API_BILLING_LIMIT_EXCEEDED";
    for (fault, check, rows) in [
        (
            json!({ "refuse": { "status": 503 } }),
            &unknown as &dyn Fn(&WriteOutcome) -> bool,
            0,
        ),
        (
            json!({ "refuse": { "status": 503 }, "after_effect": true }),
            &unknown,
            1,
        ),
        (json!({ "cut": "connection", "after_effect": true }), &unknown, 1),
        (json!({ "cut": "body" }), &unknown, 1),
        (
            json!({ "refuse": { "status": 401 } }),
            &|o: &WriteOutcome| stopped(o) == Some(None),
            0,
        ),
        (
            json!({ "refuse": { "status": 403 } }),
            &|o: &WriteOutcome| stopped(o) == Some(None),
            0,
        ),
        (
            json!({ "refuse": { "status": 404 } }),
            &|o: &WriteOutcome| stopped(o) == Some(None),
            0,
        ),
        (
            json!({ "refuse": { "status": 429, "type": quota } }),
            &|o: &WriteOutcome| stopped(o) == Some(Some("2025-10-01T00:00:00.000Z".into())),
            0,
        ),
        (
            json!({ "refuse": { "status": 413 } }),
            &|o: &WriteOutcome| refused(o) == Some(RefusedFor::TooLarge),
            0,
        ),
        (
            json!({ "refuse": { "status": 422, "type": "ROW_DOES_NOT_EXIST" } }),
            &|o: &WriteOutcome| refused(o) == Some(RefusedFor::RowGone),
            0,
        ),
        (
            json!({ "refuse": { "status": 422, "type": "INVALID_VALUE_FOR_COLUMN" } }),
            &|o: &WriteOutcome| refused(o) == Some(RefusedFor::Unfit),
            0,
        ),
        (json!({ "refuse": { "status": 429 } }), &later, 0),
    ] {
        let shown = Shown::new().await;
        let mut spec = fault.clone();
        spec["times"] = json!(1);
        spec["match"] = json!({ "writes": true });
        shown.fault(spec);
        let outcome = shown.make(&[client("Guy", &json!({}))]).await;
        assert!(check(&outcome), "{fault}: {outcome:?}");
        assert_eq!(shown.rows(), rows, "{fault}");
    }
}

#[tokio::test]
async fn a_row_that_somebody_deleted_is_said_to_be_gone_and_a_restored_spelling_is_not_found() {
    let shown = Shown::new().await;
    let record = client("Guy", &json!({}));
    let id = shown.make_one(&record).await;
    let path = format!("bases/{}/tables/{}/records/{id}", example::BASE, example::CLIENT_RUNS);
    let edited = json!({ "Client ID": "guy" });
    shown.fake.control("PATCH", &path, &edited).unwrap();
    let found = shown
        .target
        .look_up(RecordKind::Client, std::slice::from_ref(&record))
        .await;
    assert_eq!(found, Ok(Vec::new()));
    shown.fake.control("DELETE", &path, &Value::Null).unwrap();
    let change = vec![(record.key().clone(), id, shown.cells(&record))];
    let outcome = shown.target.change_rows(RecordKind::Client, change).await;
    assert!(
        matches!(
            &outcome,
            WriteOutcome::Refused {
                of: RefusedFor::RowGone,
                ..
            }
        ),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_table_that_changed_is_noticed_and_one_that_does_not_fit_stops_with_the_remedy() {
    let shown = Shown::new().await;
    let seen = shown.target.prepare().await.unwrap();
    assert!(!seen.is_changed);
    assert_eq!(
        seen.target,
        format!(
            "airtable {0}/{1} {0}/{2}",
            example::BASE,
            example::JOBS,
            example::CLIENT_RUNS
        )
    );
    shown
        .fake
        .control("DELETE", &shown.field_path("Apify API Costs"), &Value::Null)
        .unwrap();
    let seen = shown.target.prepare().await.unwrap();
    assert!(
        seen.is_changed && seen.notes.len() == 1 && seen.notes[0].contains("Apify API Costs"),
        "{seen:?}"
    );
    let gone = shown.field_path("Client ID");
    shown.fake.control("DELETE", &gone, &Value::Null).unwrap();
    let error = shown.target.prepare().await.unwrap_err();
    let NotDone::Stopped { why, until: None } = error else {
        panic!("{error:?}");
    };
    assert!(why.contains("has no field \"Client ID\": add it"), "{why}");
}

#[tokio::test]
async fn rows_are_found_although_somebody_renamed_a_field_of_their_key() {
    let shown = Shown::new().await;
    let mut clients = Mapping::older(RecordKind::Client);
    for field in &mut clients.fields {
        if field.to == "Client ID" {
            field.to = shown.field_id("Client ID");
        }
    }
    let mut places = Places::older(&example::BASE.parse().unwrap());
    places.clients.mapping = clients;
    let field = shown.field_path("Client ID");
    let airtable = connect(&shown.fake.url(), Duration::from_secs(20), PaceSettings::default());
    let target = AirtableTarget::new(airtable, places, Arc::new(Noon));
    target.prepare().await.unwrap();
    let record = client("Guy", &json!({}));
    let made = shown.make_one(&record).await;
    shown
        .fake
        .control("PATCH", &field, &json!({ "name": "Customer" }))
        .unwrap();
    let records = std::slice::from_ref(&record);
    let found = target.look_up(RecordKind::Client, records).await.unwrap();
    assert_eq!(found[0].1.id, made);
    // Where the field is known by its name, it is said to be missing.
    let error = shown.target.look_up(RecordKind::Client, records).await.unwrap_err();
    let NotDone::Stopped { why, until: None } = error else {
        panic!("{error:?}");
    };
    assert!(why.contains("has no field \"Client ID\""), "{why}");
    // What is refused for another reason is not asked for ever.
    shown.fault(
        json!({ "match": { "operation": "list" }, "refuse": { "status": 422, "type": "INVALID_FILTER_BY_FORMULA" } }),
    );
    let before = shown.fake.requests().len();
    let error = target.look_up(RecordKind::Client, records).await.unwrap_err();
    assert!(matches!(&error, NotDone::Later { .. }), "{error:?}");
    // Refused, and both tables looked at.
    assert_eq!(shown.fake.requests().len() - before, 3);
}

#[tokio::test]
async fn a_token_that_is_not_known_stops_and_is_not_shown() {
    let known = TokenSpec {
        token: "patOTHER".into(),
        scopes: None,
        bases: None,
        role: runledger_airtable_fake::Role::Create,
    };
    let shown = Shown::with(vec![known]).await;
    let error = shown.target.prepare().await.unwrap_err();
    assert!(matches!(&error, NotDone::Stopped { until: None, .. }), "{error:?}");
    assert!(error.to_string().contains("give a token that is valid"), "{error}");
    assert!(!format!("{:?} {error}", shown.target).contains("patWIRE"));
}
