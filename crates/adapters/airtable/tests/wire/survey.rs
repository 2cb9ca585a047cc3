//! The tables looked through: every row once, each with the key that it says, what it lacks, and what became of a deletion.

use crate::projection::{Shown, client};
use runledger_airtable_fake::{Role, TokenSpec, example};
use runledger_domain::RecordKind;
use runledger_ports::{ListRowsError, ListedRow, NotDone, RemoveOutcome, RowId, Severity, SurveyTarget};
use serde_json::{Value, json};

const CLIENT: RecordKind = RecordKind::Client;

impl Shown {
    fn add(&self, table: &str, rows: &Value) {
        let path = format!("bases/{}/tables/{table}/records", example::BASE);
        self.fake.control("POST", &path, rows).unwrap();
    }

    async fn listed(&self) -> Vec<ListedRow> {
        let (mut rows, mut place) = (Vec::new(), None);
        loop {
            let page = self.target.list_rows(CLIENT, place.as_ref()).await.unwrap();
            rows.extend(page.rows);
            match page.next {
                Some(next) => place = Some(next),
                None => return rows,
            }
        }
    }

    async fn codes(&self) -> Vec<(Severity, &'static str)> {
        let found = self.target.check().await;
        for finding in &found {
            assert!(
                !finding.what.is_empty() && !finding.what.contains("patWIRE"),
                "{finding:?}"
            );
            let needs_remedy = finding.severity == Severity::Forbids;
            assert!(!needs_remedy || !finding.remedy.is_empty(), "{finding:?}");
        }
        found.iter().map(|finding| (finding.severity, finding.code)).collect()
    }
}

fn ids(rows: &[ListedRow]) -> Vec<RowId> {
    rows.iter().map(|row| row.id.clone()).collect()
}

#[tokio::test]
async fn every_row_is_listed_once_in_the_order_of_the_keys_and_an_expired_place_is_said() {
    let shown = Shown::new().await;
    let rows: Vec<_> = (0..250)
        .map(|n| json!({ "Run ID": format!("250925-231841-c{:03}", 249 - n), "Client ID": format!("c{:03}", 249 - n) }))
        .collect();
    shown.add(example::CLIENT_RUNS, &json!(rows));
    let listed = shown.listed().await;
    let keys: Vec<_> = listed.iter().map(|row| row.key.clone().unwrap().to_string()).collect();
    let expected: Vec<_> = (0..250).map(|n| format!("250925-231841-c{n:03}")).collect();
    assert_eq!(keys, expected);
    assert!(listed.iter().all(|row| row.made_at.is_some()));
    let first = shown.target.list_rows(CLIENT, None).await.unwrap();
    assert_eq!(first.rows.len(), 100);
    shown.fake.control("POST", "cursors/expire", &Value::Null).unwrap();
    let second = shown.target.list_rows(CLIENT, first.next.as_ref()).await;
    assert_eq!(second, Err(ListRowsError::PlaceLost));
    shown.fault(json!({ "refuse": { "status": 503 }, "times": 1 }));
    let failed = shown.target.list_rows(CLIENT, None).await;
    assert!(
        matches!(failed, Err(ListRowsError::NotDone(NotDone::Later { .. }))),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_row_has_a_key_only_in_the_ledgers_own_spelling() {
    let shown = Shown::new().await;
    for (run, client, expected) in [
        ("250925-231841-Guy", "Guy", Ok("250925-231841-Guy")),
        ("nightly/Guy", "Guy", Ok("nightly/Guy")),
        ("250925-231841", "Guy", Err("names a job")),
        ("250925-231841-Guy", "Dean", Err("contradicts itself")),
        ("250925-231841-guy", "Guy", Err("contradicts itself")),
        ("250925-231841-CGuy.0", "Guy", Err("contradicts itself")),
        (" 250925-231841-Guy", "Guy", Err("cannot be read")),
        ("", "Guy", Err("\"Run ID\" is empty")),
        ("250925-231841-Guy", "", Err("\"Client ID\" is empty")),
        ("undefined", "Guy", Err("cannot be read")),
    ] {
        shown.fake.control("POST", "reset", &Value::Null).unwrap();
        shown.add(example::CLIENT_RUNS, &json!([{ "Run ID": run, "Client ID": client }]));
        let row = shown.listed().await.remove(0);
        match (&row.key, expected) {
            (Ok(key), Ok(expected)) => assert_eq!(key.to_string(), expected),
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{run:?} {client:?}: {why}"),
            (found, expected) => panic!("{run:?} {client:?}: {found:?} {expected:?}"),
        }
        assert_eq!(row.known_by, format!("{run} {client}"));
    }
}

#[tokio::test]
async fn differences_say_what_the_ledger_says_and_what_the_row_says() {
    let shown = Shown::new().await;
    let record = client("Guy", &json!({ "metrics": { "profiles_examined_for_scoring": "40" } }));
    let _ = shown.make(std::slice::from_ref(&record)).await;
    let row = shown.listed().await.remove(0);
    let cells = shown.cells(&record);
    assert_eq!(row.cells.digest, cells.digest);
    assert_eq!(shown.target.differences(CLIENT, &cells, &row.cells), []);
    let long = "x".repeat(300);
    let path = format!(
        "bases/{}/tables/{}/records/{}",
        example::BASE,
        example::CLIENT_RUNS,
        row.id
    );
    let edited = json!({ "Status": "Failed", "Profiles Examined for Scoring": null, "System Notes": long, "Error Details": "x" });
    shown.fake.control("PATCH", &path, &edited).unwrap();
    let row = shown.target.rows_of(CLIENT, &[record]).await.unwrap().remove(0);
    assert_ne!(row.cells.digest, cells.digest);
    let found: Vec<_> = shown
        .target
        .differences(CLIENT, &cells, &row.cells)
        .into_iter()
        .map(|cell| (cell.field, cell.ledger, cell.row))
        .collect();
    let cut = format!("{}...", "x".repeat(200));
    let expected = [
        ("Status", "Running", "Failed"),
        ("System Notes", "", cut.as_str()),
        ("Profiles Examined for Scoring", "40", ""),
    ];
    // Error Details is nobody's but of those who write it.
    assert_eq!(
        found,
        expected.map(|(field, ledger, row)| (field.to_owned(), ledger.to_owned(), row.to_owned()))
    );
    // A copy holds all cells, also those.
    let copy: Value = serde_json::from_str(&row.cells.text).unwrap();
    let cells: Vec<_> = copy.as_object().unwrap().values().collect();
    assert!(
        [&json!("Failed"), &json!(long), &json!("x")]
            .iter()
            .all(|cell| cells.contains(cell)),
        "{copy}"
    );
}

#[tokio::test]
async fn every_outcome_of_a_deletion_has_its_word() {
    for (fault, expected, rows) in [
        (json!(null), "Done", 1),
        (json!({ "cut": "connection", "after_effect": true }), "Unknown", 1),
        (json!({ "cut": "connection" }), "Unknown", 3),
        (json!({ "cut": "body" }), "Unknown", 1),
        (json!({ "refuse": { "status": 503 } }), "Unknown", 3),
        (json!({ "refuse": { "status": 429 } }), "NotDone(Later", 3),
        (json!({ "refuse": { "status": 403 } }), "NotDone(Stopped", 3),
        (
            json!({ "refuse": { "status": 422, "type": "ROW_DOES_NOT_EXIST" } }),
            "Refused",
            3,
        ),
    ] {
        let shown = Shown::new().await;
        let _ = shown.make(&["a", "b", "c"].map(|id| client(id, &json!({})))).await;
        let rows_there = ids(&shown.listed().await);
        if !fault.is_null() {
            let mut fault = fault.clone();
            fault["times"] = json!(1);
            fault["match"] = json!({ "operation": "delete" });
            shown.fault(fault);
        }
        let outcome = shown.target.remove_rows(CLIENT, &rows_there[1..]).await;
        assert!(format!("{outcome:?}").starts_with(expected), "{fault}: {outcome:?}");
        assert_eq!(shown.rows(), rows, "{fault}");
        if !matches!(outcome, RemoveOutcome::NotDone(NotDone::Later { .. })) {
            let there = shown.target.rows_there(CLIENT, &rows_there).await.unwrap();
            assert_eq!(there, rows_there[..rows], "{fault}");
        }
    }
    let shown = Shown::new().await;
    let outcome = shown.target.remove_rows(CLIENT, &["row-1".parse().unwrap()]).await;
    assert!(matches!(outcome, RemoveOutcome::Refused { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_check_finds_what_stands_in_the_way_and_writes_nothing() {
    use Severity::{Forbids, Informs};
    let shown = Shown::new().await;
    assert_eq!(shown.codes().await, [(Informs, "write_not_tried")]);
    let table = format!("bases/{}/tables/{}", example::BASE, example::CLIENT_RUNS);
    let (_, resolved) = shown.target.table(CLIENT).unwrap();
    let field = |name: &str| {
        let field = resolved.fields().iter().find(|field| field.name == name).unwrap();
        format!("{table}/fields/{}", field.id)
    };
    shown
        .fake
        .control("DELETE", &field("Apify API Costs"), &Value::Null)
        .unwrap();
    shown.fake.control("DELETE", &field("Client ID"), &Value::Null).unwrap();
    assert_eq!(
        shown.codes().await,
        [
            (Forbids, "field_missing"),
            (Informs, "write_not_tried"),
            (Informs, "optional_field_missing")
        ]
    );
    shown
        .fake
        .control("PATCH", &table, &json!({ "name": "Renamed" }))
        .unwrap();
    assert_eq!(
        shown.codes().await,
        [(Forbids, "table_missing"), (Informs, "write_not_tried")]
    );
    shown.fault(json!({ "match": { "operation": "list" }, "refuse": { "status": 403 } }));
    assert_eq!(
        shown.codes().await,
        [
            (Forbids, "rows_unreadable"),
            (Forbids, "table_missing"),
            (Informs, "write_not_tried")
        ]
    );
    let lines = shown.fake.requests();
    assert!(lines.iter().all(|line| line.method == "GET"), "{lines:?}");
}

#[tokio::test]
async fn a_check_says_what_the_token_may_not() {
    use Severity::{Forbids, Informs};
    let token = |scopes: &[&str], bases: Option<Vec<String>>| TokenSpec {
        token: "patWIRE".into(),
        scopes: Some(scopes.iter().map(|scope| (*scope).to_owned()).collect()),
        bases,
        role: Role::Edit,
    };
    let all = ["data.records:read", "data.records:write", "schema.bases:read"];
    let codes = |token| async move { Shown::with(vec![token]).await.codes().await };
    let (lacks, not_tried) = ((Forbids, "scope_missing"), (Informs, "write_not_tried"));
    assert_eq!(codes(token(&all, None)).await, [not_tried]);
    assert_eq!(codes(token(&[all[0], all[2]], None)).await, [lacks]);
    let (unread, closed) = ((Forbids, "rows_unreadable"), (Forbids, "base_unreadable"));
    assert_eq!(codes(token(&all[1..], None)).await, [lacks, unread, unread, not_tried]);
    assert_eq!(codes(token(&all[..2], None)).await, [lacks, closed, not_tried]);
    assert_eq!(codes(token(&all, Some(Vec::new()))).await, [closed, not_tried]);
    let stranger = TokenSpec {
        token: "patOTHER".into(),
        ..token(&all, None)
    };
    assert_eq!(codes(stranger).await[0], (Forbids, "token_refused"));
}
