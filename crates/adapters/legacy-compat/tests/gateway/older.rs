//! The requests of the older services, as they send them: with columns that no table had, and cells in forms of their own.

use runledger_domain::access::Scope;
use serde_json::{Value, json};

use crate::{CLIENTS, JOBS, World, filter, token};

const NOW: &str = "2025-09-25T23:18:41.000Z";
const JOB: &str = "{Run ID} = '250925-231841'";
const CLIENT: &str = "AND({Run ID} = '250925-231841-acme', {Client ID} = 'acme')";

/// Looks first, then creates: as `createJobRecord` and `createClientRunRecord` do.
async fn created(world: &World, table: &str, formula: &str, fields: Value) -> String {
    let found = world
        .get(&format!("{}&maxRecords=1", filter(table, formula)))
        .await
        .ok();
    assert_eq!(found["records"], json!([]));
    let body = json!({"records": [{ "fields": fields }]}).to_string();
    let rows = world.post(&format!("{table}/?"), &body).await.ok();
    rows["records"][0]["id"].as_str().unwrap().to_owned()
}

async fn updated(world: &World, table: &str, id: &str, fields: Value) -> Value {
    let body = json!({"records": [{"id": id, "fields": fields}]}).to_string();
    let rows = world.patch(&format!("{table}/?"), &body).await.ok();
    rows["records"][0]["fields"].clone()
}

#[tokio::test]
async fn a_life_goes_through_with_the_columns_that_no_table_had() {
    let world = World::new();
    let job = json!({
        "Run ID": "250925-231841", "Start Time": NOW, "Status": "Running", "Stream": 1, "Clients Processed": 0,
        "Clients With Errors": 0, "Total Profiles Examined": 0, "Successful Profiles": 0, "Total Posts Harvested": 0,
        "Posts Examined for Scoring": 0, "Posts Successfully Scored": 0, "Profile Scoring Tokens": 0,
        "Post Scoring Tokens": 0, "Creation Source": "orchestrator", "Created At": NOW,
        "System Notes": format!("Run initiated at {NOW} from orchestrator"),
    });
    let job = created(&world, JOBS, JOB, job).await;
    let client = json!({
        "Run ID": "250925-231841-acme", "Client ID": "acme", "Client Name": "Acme Ltd", "Start Time": NOW,
        "Status": "Running", "Profiles Examined for Scoring": 0, "Profiles Successfully Scored": 0,
        "Total Posts Harvested": 0, "Profile Scoring Tokens": 0, "Post Scoring Tokens": 0,
        "Creation Source": "smart_resume_workflow", "System Notes": format!("Processing started at {NOW} from orchestrator"),
    });
    let client = created(&world, CLIENTS, CLIENT, client).await;
    let metrics = json!({
        "Profile Scoring Tokens": 5000, "Metrics Updated": NOW, "Metrics Update Source": "data_processor",
        "Last Updated": NOW, "Update Source": "metrics_update_from_data_processor",
    });
    assert_eq!(
        updated(&world, CLIENTS, &client, metrics).await["Profile Scoring Tokens"],
        5000
    );
    let end = json!({
        "Status": "Success", "End Time": NOW, "Completion Notes": "12 leads", "Completion Source": "batchScorer_complete",
        "Duration (seconds)": 83.2, "Last Updated": NOW, "Update Source": "completion_from_batchScorer_complete",
    });
    // The second time as by a caller who never got the answer.
    for _ in 0..2 {
        let row = updated(&world, CLIENTS, &client, end.clone()).await;
        assert_eq!(row["Status"], "Completed");
        assert_eq!(
            row["System Notes"],
            format!("Processing started at {NOW} from orchestrator\n12 leads")
        );
        assert_eq!(row.get("Duration (seconds)"), None);
    }
    // Totals of the day are written into the job, and its end with a text that begins with nothing that stands there.
    let totals =
        json!({"Clients Processed": 7, "Profile Scoring Tokens": 1, "Last Updated": NOW, "Update Source": "x"});
    assert_eq!(
        updated(&world, JOBS, &job, totals).await["Profile Scoring Tokens"],
        5000
    );
    let end = json!({"Status": "Completed", "End Time": NOW, "System Notes": "\nRun completed at x"});
    assert_eq!(updated(&world, JOBS, &job, end).await["Status"], "Completed");
    // What is told of a source in a row is no claim: the lines are those of the token.
    let lines = world.lines().await;
    assert!(
        lines.iter().all(|line| line.split(' ').nth(1) == Some("orchestrator")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn what_a_row_shows_may_be_said_again_in_every_form_also_after_its_end() {
    let world = World::begun().await;
    let row = world.get(CLIENTS).await.ok()["records"][0].clone();
    let id = row["id"].as_str().unwrap();
    let first = json!({"Apify Run ID": "8MSTBAfqMzuXPvgB3"});
    updated(&world, CLIENTS, id, first.clone()).await;
    let cells = json!({
        "Profile Scoring Tokens": "5000", "Apify API Costs": 0.1 + 0.2, "Apify Run ID": "AeljThOnfXhim2T31", "Status": "Failed",
    });
    let row = updated(&world, CLIENTS, id, cells.clone()).await;
    assert_eq!(row["Apify API Costs"], 0.3);
    let (records, lines) = (world.records().await, world.lines().await.len());
    assert_eq!(updated(&world, CLIENTS, id, cells).await, row);
    assert_eq!(updated(&world, CLIENTS, id, first).await, row);
    assert_eq!((world.records().await, world.lines().await.len()), (records, lines + 2));
    // A name that reads as the same number is another name.
    let named = r#"{"fields":{"Run ID":"250925-231841","Client ID":"b","Client Name":"7"}}"#;
    let row = world.post(CLIENTS, named).await.ok();
    let at = format!("{CLIENTS}/{}", row["id"].as_str().unwrap());
    let other = r#"{"fields":{"Client Name":"7.0"}}"#;
    world
        .refused("PATCH", &at, other, 422, "INVALID_VALUE_FOR_COLUMN")
        .await;
    // The number of a stream as a text.
    let job = world.get(JOBS).await.ok()["records"][0].clone();
    let shown = updated(&world, JOBS, job["id"].as_str().unwrap(), json!({"Stream": "1"})).await;
    assert_eq!(shown["Stream"], 1);
}

#[tokio::test]
async fn what_says_nothing_says_nothing_in_every_form() {
    let world = World::begun().await;
    let fields = json!({
        "Run ID": "250925-231841", "Client ID": "b", "Profile Scoring Tokens": "0", "Apify API Costs": 0.0,
        "Total Posts Harvested": "", "Post Scoring Tokens": null, "Apify Run ID": "", "Completion Notes": "", "System Notes": " \n",
    });
    let row = world.post(CLIENTS, &json!({ "fields": fields }).to_string()).await.ok();
    assert_eq!(row["fields"]["Profile Scoring Tokens"], 0);
    // A text of blanks says nothing either.
    let id = row["id"].as_str().unwrap();
    let shown = updated(&world, CLIENTS, id, json!({"System Notes": "\n ", "Progress Log": " "})).await;
    assert_eq!(shown.get("System Notes"), None);
}

#[tokio::test]
async fn the_end_of_a_clients_row_by_a_trigger_is_a_note_and_the_row_stays_open() {
    let mut world = World::begun().await;
    world.gateway = world.gateway.with_triggers(["smart_resume_workflow".parse().unwrap()]);
    let scopes = [Scope::Create, Scope::Change, Scope::Read];
    let id = world.get(CLIENTS).await.ok()["records"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    world.access = token("smart_resume_workflow", &scopes);
    let end =
        json!({"Status": "Success", "End Time": NOW, "Completion Notes": "3 operations", "Profile Scoring Tokens": 1});
    // Sent again, it says nothing new.
    for _ in 0..2 {
        let row = updated(&world, CLIENTS, &id, end.clone()).await;
        assert_eq!((&row["Status"], row.get("End Time")), (&json!("Running"), None));
        assert_eq!(
            row["System Notes"],
            "smart_resume_workflow has started the work: succeeded\n3 operations"
        );
        assert_eq!(row["Profile Scoring Tokens"], 1);
    }
    world.access = token("batch_process", &scopes);
    let ended = updated(&world, CLIENTS, &id, json!({"Status": "Success"})).await;
    assert_eq!(ended["Status"], "Completed");
    // A job is ended by whoever ends it.
    world.access = token("smart_resume_workflow", &scopes);
    let job = world.get(JOBS).await.ok()["records"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let ended = updated(&world, JOBS, &job, json!({"Status": "Completed", "End Time": NOW})).await;
    assert_eq!(ended["Status"], "Completed");
}

#[tokio::test]
async fn lines_that_are_put_behind_the_progress_log_are_all_kept_once() {
    let world = World::begun().await;
    let id = world.get(CLIENTS).await.ok()["records"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    updated(&world, CLIENTS, &id, json!({"System Notes": "begun"})).await;
    let read = async || {
        let row = world.get(&format!("{CLIENTS}/{id}")).await.ok();
        let log = row["fields"]["Progress Log"].as_str();
        log.map_or_else(|| "=== RUN ===\n\n".to_owned(), str::to_owned)
    };
    let write = async |text: String| updated(&world, CLIENTS, &id, json!({ "Progress Log": text })).await;
    // Two read the same, and one of them sends again what was written already.
    let (one, other) = (read().await, read().await);
    write(format!("{one}[10:00] scoring\n")).await;
    for _ in 0..2 {
        write(format!("{other}[10:01] harvesting\n")).await;
    }
    let third = read().await;
    let row = write(format!("{third}[10:02] done\n")).await;
    assert_eq!(
        row["System Notes"],
        "begun\n[10:00] scoring\n[10:01] harvesting\n[10:02] done"
    );
    // The whole row sent back says nothing new, also after its end.
    updated(&world, CLIENTS, &id, json!({"Status": "Completed"})).await;
    let row = world.get(&format!("{CLIENTS}/{id}")).await.ok();
    let whole = json!({ "fields": row["fields"] }).to_string();
    assert_eq!(world.ask("PUT", &format!("{CLIENTS}/{id}"), &whole).await.ok(), row);
    // A record without a note shows none, so that a program begins with its own heading.
    let bare = r#"{"fields":{"Run ID":"250925-231841","Client ID":"bare"}}"#;
    let row = world.post(CLIENTS, bare).await.ok();
    assert_eq!(row["fields"].get("Progress Log"), None);
}
