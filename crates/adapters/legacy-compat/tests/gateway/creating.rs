//! POST.

use runledger_domain::access::{Access, Grant, Scope};
use serde_json::json;

use crate::{CLIENTS, JOBS, World, limited, token};

#[tokio::test]
async fn a_create_is_answered_with_its_row_and_again_with_the_same() {
    let world = World::begun().await;
    let body = r#"{"fields":{"Run ID":"250925-231841","Client ID":"globex","Client Name":"Globex","Status":"Running",
        "Start Time":"2025-09-25T23:18:41.000Z","Profile Scoring Tokens":0,"System Notes":"begun"}}"#;
    let row = world.post(&format!("{CLIENTS}/?"), body).await.ok();
    assert!(row["id"].as_str().unwrap().len() == 17, "{row}");
    assert!(row["createdTime"].as_str().unwrap().ends_with('Z'), "{row}");
    let fields = &row["fields"];
    assert_eq!(
        (
            &fields["Run ID"],
            &fields["Client ID"],
            &fields["Status"],
            &fields["System Notes"]
        ),
        (
            &json!("250925-231841-globex"),
            &json!("globex"),
            &json!("Running"),
            &json!("begun")
        )
    );
    // The same again: by the name of the table, by another spelling of the run id, with another start time.
    for (table, run, start) in [
        (CLIENTS, "250925-231841", "2025-09-25T23:18:41.000Z"),
        (
            "/v0/appGateway0000001/Client%20Run%20Results",
            "250925-231841-globex",
            "2026-01-01T00:00:00Z",
        ),
        (
            "/v0/appGateway0000001/client%20run%20results/",
            "250925-231841-Cglobex",
            "2026-01-01",
        ),
    ] {
        let body = body
            .replace("250925-231841\"", &format!("{run}\""))
            .replace("2025-09-25T23:18:41.000Z", start);
        assert_eq!(world.post(table, &body).await.ok(), row, "{table}");
    }
    assert_eq!(world.records().await, 3);
    let lines = world.lines().await;
    assert_eq!(lines[2], "create orchestrator 250925-231841/globex created");
    assert!(
        lines[3..].iter().all(|line| line.ends_with("/globex replayed")) && lines.len() == 6,
        "{lines:?}"
    );
}

#[tokio::test]
async fn other_content_and_another_source_meet_a_duplicate_key() {
    let mut world = World::begun().await;
    let renamed = r#"{"fields":{"Run ID":"250925-231841","Client ID":"acme","Client Name":"Acme Inc"}}"#;
    let message = world.refused("POST", CLIENTS, renamed, 409, "DUPLICATE_KEY").await;
    assert!(
        message.contains("250925-231841-acme exists already: created by orchestrator")
            && message.contains("differs in Client Name"),
        "{message}"
    );
    world.access = token("smart_resume_workflow", &[Scope::Create]);
    let same = r#"{"fields":{"Run ID":"250925-231841","Client ID":"acme","Client Name":"Acme Ltd"}}"#;
    let message = world.refused("POST", CLIENTS, same, 409, "DUPLICATE_KEY").await;
    assert!(message.contains("differs in who asks"), "{message}");
}

#[tokio::test]
async fn who_may_not_create_creates_nothing_and_sees_nothing() {
    let mut world = World::begun().await;
    let taken = r#"{"fields":{"Run ID":"250925-231841","Client ID":"acme","Client Name":"Acme Ltd"}}"#;
    let several = Grant::new(
        ["orchestrator", "batch_process"].map(|source| source.parse().unwrap()),
        [Scope::Create],
    );
    for (access, words) in [
        (
            token("post_scoring", &[Scope::Create]),
            "Unauthorized source \"post_scoring\"",
        ),
        (token("orchestrator", &[Scope::Change, Scope::Read]), "scope create"),
        (
            limited("orchestrator", &[Scope::Create], "globex"),
            "limited to some clients",
        ),
        (Access::Granted(several.unwrap()), "a token of its own"),
        (Access::Unlimited, "a token for one source"),
    ] {
        world.access = access;
        let message = world.refused("POST", CLIENTS, taken, 403, "INVALID_PERMISSIONS").await;
        assert!(message.contains(words) && !message.contains("exists"), "{message}");
    }
    world.access = limited("orchestrator", &[Scope::Create], "acme");
    let job = r#"{"fields":{"Run ID":"260101-000000"}}"#;
    world.refused("POST", JOBS, job, 403, "INVALID_PERMISSIONS").await;
}

#[tokio::test]
async fn a_batch_creates_all_or_none_and_mixes_new_and_old() {
    let world = World::begun().await;
    let record = |client: &str, name: &str| json!({"fields": {"Run ID": "250925-231841", "Client ID": client, "Client Name": name}});
    let batch = |records: &[serde_json::Value]| json!({ "records": records }).to_string();
    let clash = batch(&[record("a", "A"), record("acme", "Other"), record("b", "B")]);
    let records = world.records().await;
    world.post(CLIENTS, &clash).await.refused(409, "DUPLICATE_KEY");
    assert_eq!(world.records().await, records);
    // Each of them has its line: what was withheld too.
    let lines = world.lines().await;
    let verdicts: Vec<_> = lines[2..].iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(verdicts, ["withheld", "idempotency_key_reused", "withheld"]);
    let mixed = batch(&[record("a", "A"), record("acme", "Acme Ltd"), record("b", "B")]);
    for _ in 0..2 {
        let rows = world.post(CLIENTS, &mixed).await.ok();
        let clients: Vec<_> = rows["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| &row["fields"]["Client ID"])
            .collect();
        assert_eq!(clients, ["a", "acme", "b"]);
    }
    let twice = batch(&[record("c", "C"), record("c", "C")]);
    world.refused("POST", CLIENTS, &twice, 422, "INVALID_RECORDS").await;
    let many: Vec<_> = (0..11).map(|n| record(&format!("m{n}"), "M")).collect();
    let message = world
        .refused("POST", CLIENTS, &batch(&many), 422, "INVALID_RECORDS")
        .await;
    assert_eq!(
        message,
        "A maximum of 10 records can be created per request but you have provided 11."
    );
    world
        .refused("POST", CLIENTS, &batch(&[]), 422, "INVALID_RECORDS")
        .await;
    // Jobs of several runs, all of them or none.
    let jobs = r#"{"records":[{"fields":{"Run ID":"260101-000000"}},{"fields":{"Run ID":"260102-000000"}}]}"#;
    assert_eq!(
        world.post(JOBS, jobs).await.ok()["records"].as_array().unwrap().len(),
        2
    );
}

/// Tables, fields, Airtable's word for why not, and words of ours.
const REFUSED: [(&str, &str, &str, &str); 18] = [
    (JOBS, "{}", "INVALID_VALUE_FOR_COLUMN", "Run ID is empty or missing"),
    (
        JOBS,
        r#"{"Run ID":""}"#,
        "INVALID_VALUE_FOR_COLUMN",
        "Run ID is empty or missing",
    ),
    (
        JOBS,
        r#"{"Run ID":null}"#,
        "INVALID_VALUE_FOR_COLUMN",
        "Run ID is empty or missing",
    ),
    (
        JOBS,
        r#"{"Run ID":"8MSTBAfqMzuXPvgB3"}"#,
        "INVALID_VALUE_FOR_COLUMN",
        "Apify",
    ),
    (
        JOBS,
        r#"{"Run ID":"250925-231841-acme"}"#,
        "INVALID_VALUE_FOR_COLUMN",
        "",
    ),
    (
        CLIENTS,
        r#"{"Run ID":"250925-231841"}"#,
        "INVALID_VALUE_FOR_COLUMN",
        "Client ID is empty",
    ),
    (
        CLIENTS,
        r#"{"Run ID":"250925-231841","Client ID":"Mary-O'Brien"}"#,
        "INVALID_VALUE_FOR_COLUMN",
        "'",
    ),
    (
        CLIENTS,
        r#"{"Run ID":"250925-231841-acme","Client ID":"globex"}"#,
        "INVALID_VALUE_FOR_COLUMN",
        "",
    ),
    (
        JOBS,
        r#"{"Run ID":"260101-000000","Recovery Note":"x"}"#,
        "UNKNOWN_FIELD_NAME",
        "Recovery Note",
    ),
    (
        JOBS,
        r#"{"Run ID":"260101-000000","Duration":3}"#,
        "UNKNOWN_FIELD_NAME",
        "Duration",
    ),
    (
        JOBS,
        r#"{"Run ID":"260101-000000","run id":"x"}"#,
        "UNKNOWN_FIELD_NAME",
        "run id",
    ),
    (
        JOBS,
        r#"{"Run ID":"260101-000000","Run ID":"260102-000000"}"#,
        "INVALID_REQUEST_UNKNOWN",
        "twice",
    ),
    (
        JOBS,
        r#"{"Run ID":"260101-000000","Status":"Completed"}"#,
        "INVALID_VALUE_FOR_COLUMN",
        "begin with its end",
    ),
    (
        JOBS,
        r#"{"Run ID":"260101-000000","Status":"Partly"}"#,
        "INVALID_VALUE_FOR_COLUMN",
        "Partly",
    ),
    (
        JOBS,
        r#"{"Run ID":"260101-000000","End Time":"2026-01-01"}"#,
        "INVALID_VALUE_FOR_COLUMN",
        "End Time",
    ),
    (
        JOBS,
        r#"{"Run ID":"260101-000000","Start Time":"soon"}"#,
        "INVALID_VALUE_FOR_COLUMN",
        "Start Time",
    ),
    (
        CLIENTS,
        r#"{"Run ID":"250925-231841","Client ID":"x","Total Posts Harvested":5}"#,
        "INVALID_VALUE_FOR_COLUMN",
        "no work done",
    ),
    (
        CLIENTS,
        r#"{"Run ID":"260101-000000","Client ID":"x"}"#,
        "JOB_MISSING",
        "job",
    ),
];

#[tokio::test]
async fn what_cannot_be_a_record_is_refused_by_name_and_leaves_its_line() {
    let world = World::begun().await;
    for (table, fields, word, words) in REFUSED {
        let body = format!(r#"{{"fields":{fields}}}"#);
        let message = world.refused("POST", table, &body, 422, word).await;
        assert!(message.contains(words), "{fields}: {message}");
    }
    for (body, status, word) in [
        ("", 400, "INVALID_REQUEST_BODY"),
        ("{", 400, "INVALID_REQUEST_BODY"),
        ("[]", 422, "INVALID_REQUEST_UNKNOWN"),
        (r#"{"typecast":true}"#, 422, "INVALID_REQUEST_MISSING_FIELDS"),
        (r#"{"records":[{}]}"#, 422, "INVALID_REQUEST_MISSING_FIELDS"),
        (
            r#"{"fields":{"Run ID":"260101-000000"},"records":[]}"#,
            422,
            "INVALID_REQUEST_UNKNOWN",
        ),
        (r#"{"fields":{"Run ID":7}}"#, 422, "INVALID_VALUE_FOR_COLUMN"),
        (r#"{"fields":{"Run ID":{"a":1}}}"#, 422, "INVALID_REQUEST_UNKNOWN"),
    ] {
        world.refused("POST", JOBS, body, status, word).await;
    }
}

#[tokio::test]
async fn columns_have_the_names_and_ids_of_this_table() {
    let world = World::with(|spec| {
        spec.columns.insert("Client Name".into(), "Customer".into());
        spec.field_ids.insert("Client Name".into(), "fldCustomer000001".into());
        spec.run_id_with_client = false;
    });
    world.post(JOBS, r#"{"fields":{"Run ID":"250925-231841"}}"#).await.ok();
    let body = r#"{"fields":{"Run ID":"250925-231841","Client ID":"acme","fldCustomer000001":"Acme Ltd"}}"#;
    let row = world.post(CLIENTS, body).await.ok();
    assert_eq!(
        (&row["fields"]["Customer"], &row["fields"]["Run ID"]),
        (&json!("Acme Ltd"), &json!("250925-231841"))
    );
    let by_id = r#"{"fields":{"Run ID":"250925-231841","Client ID":"a"},"returnFieldsByFieldId":true}"#;
    let message = world
        .refused("POST", CLIENTS, by_id, 422, "INVALID_REQUEST_UNKNOWN")
        .await;
    assert!(message.contains("field_ids"), "{message}");
}
