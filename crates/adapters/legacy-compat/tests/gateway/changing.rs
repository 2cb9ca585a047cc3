//! PATCH, PUT and DELETE.

use runledger_domain::access::Scope;
use runledger_legacy::Deletes;
use serde_json::{Value, json};

use crate::{CLIENTS, JOBS, World, deleting, filter, limited, token};

async fn row_of(world: &World, table: &str) -> Value {
    world.get(table).await.ok()["records"][0].clone()
}

fn at(table: &str, row: &Value) -> String {
    format!("{table}/{}", row["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_row_is_changed_by_its_id_and_ends_once() {
    let world = World::begun().await;
    let client = at(CLIENTS, &row_of(&world, CLIENTS).await);
    let row = world
        .patch(
            &client,
            r#"{"fields":{"Profile Scoring Tokens":"5000","Apify API Costs":0.1,"Status":"Running"},"typecast":true}"#,
        )
        .await
        .ok();
    assert_eq!(
        (
            &row["fields"]["Profile Scoring Tokens"],
            &row["fields"]["Apify API Costs"]
        ),
        (&json!(5000), &json!(0.1))
    );
    let end = r#"{"fields":{"Status":"Completed","End Time":"2026-01-01T00:00:00Z","System Notes":"done","Profile Scoring Tokens":6000}}"#;
    let row = world.patch(&client, end).await.ok();
    assert_eq!(
        (&row["fields"]["Status"], &row["fields"]["System Notes"]),
        (&json!("Completed"), &json!("done"))
    );
    assert_eq!(row["fields"]["Profile Scoring Tokens"], 6000);
    // The same request again, as a client sends it whose answer was lost.
    assert_eq!(world.patch(&client, end).await.ok(), row);
    for late in [
        r#"{"fields":{"Profile Scoring Tokens":7000}}"#,
        r#"{"fields":{"Status":"Failed"}}"#,
        r#"{"fields":{"Status":"Running"}}"#,
        r#"{"fields":{"System Notes":"late"}}"#,
    ] {
        world.refused("PATCH", &client, late, 422, "ALREADY_ENDED").await;
    }
    let job = at(JOBS, &row_of(&world, JOBS).await);
    let row = world.ask("PUT", &job, r#"{"fields":{"Status":"Success"}}"#).await.ok();
    assert_eq!(
        (&row["fields"]["Status"], &row["fields"]["Profile Scoring Tokens"]),
        (&json!("Completed"), &json!(6000))
    );
}

#[tokio::test]
async fn a_row_that_is_sent_back_as_it_was_read_changes_nothing() {
    let world = World::begun().await;
    let client = at(CLIENTS, &row_of(&world, CLIENTS).await);
    world
        .patch(
            &client,
            r#"{"fields":{"System Notes":"one","Apify Run ID":"8MSTBAfqMzuXPvgB3","Total Posts Harvested":3}}"#,
        )
        .await
        .ok();
    for end in ["", r#"{"fields":{"Status":"Failed","System Notes":"two"}}"#] {
        if !end.is_empty() {
            world.patch(&client, end).await.ok();
        }
        let row = world.get(&client).await.ok();
        let whole = json!({ "fields": row["fields"] }).to_string();
        assert_eq!(world.ask("PUT", &client, &whole).await.ok(), row);
    }
    // An empty or a missing cell empties nothing.
    let row = world.get(&client).await.ok();
    let empty = r#"{"fields":{"System Notes":"","Total Posts Harvested":null}}"#;
    assert_eq!(world.ask("PUT", &client, empty).await.ok(), row);
    for (fields, words) in [
        (r#"{"Run ID":"260101-000000"}"#, "never changes"),
        (r#"{"Client ID":"globex"}"#, "never changes"),
        (r#"{"Client Name":"Other"}"#, "fixed when"),
        (r#"{"Start Time":"2020-01-01T00:00:00Z"}"#, "fixed when"),
    ] {
        let body = format!(r#"{{"fields":{fields}}}"#);
        let message = world
            .refused("PATCH", &client, &body, 422, "INVALID_VALUE_FOR_COLUMN")
            .await;
        assert!(message.contains(words), "{fields}: {message}");
    }
    world
        .refused(
            "PATCH",
            &client,
            r#"{"fields":{"Recovery Note":"x"}}"#,
            422,
            "UNKNOWN_FIELD_NAME",
        )
        .await;
}

#[tokio::test]
async fn lines_of_two_writers_who_read_the_same_notes_are_both_kept() {
    let world = World::begun().await;
    let client = at(CLIENTS, &row_of(&world, CLIENTS).await);
    let write = async |text: &str| {
        let body = json!({"fields": {"System Notes": text}}).to_string();
        let row = world.patch(&client, &body).await.ok();
        row["fields"]["System Notes"].as_str().unwrap().to_owned()
    };
    let read = write("begun").await;
    assert_eq!(write(&format!("{read}\nby one")).await, "begun\nby one");
    assert_eq!(
        write(&format!("{read}\nby the other")).await,
        "begun\nby one\nby the other"
    );
    // Sent again after a lost answer.
    assert_eq!(
        write(&format!("{read}\nby the other")).await,
        "begun\nby one\nby the other"
    );
    assert_eq!(write("alone").await, "begun\nby one\nby the other\nalone");
}

#[tokio::test]
async fn nothing_but_a_create_creates() {
    let world = World::begun().await;
    let none = "recAAAAAAAAAAAAAA";
    let fields = r#"{"fields":{"Status":"Running"}}"#;
    for method in ["PATCH", "PUT"] {
        world
            .refused(method, &format!("{CLIENTS}/{none}"), fields, 404, "NOT_FOUND")
            .await;
        let batch = format!(r#"{{"records":[{{"id":"{none}","fields":{{}}}}]}}"#);
        world.refused(method, CLIENTS, &batch, 422, "ROW_DOES_NOT_EXIST").await;
        let upsert = |on: &str, client: &str| {
            format!(
                r#"{{"records":[{{"fields":{{"Run ID":"250925-231841","Client ID":"{client}","Total Posts Harvested":4}}}}],
                    "performUpsert":{{"fieldsToMergeOn":{on}}}}}"#
            )
        };
        let key = r#"["Run ID","Client ID"]"#;
        let message = world
            .refused(method, CLIENTS, &upsert(key, "globex"), 422, "ROW_DOES_NOT_EXIST")
            .await;
        assert!(message.contains("never creates"), "{message}");
        world
            .refused(
                method,
                CLIENTS,
                &upsert(r#"["Client ID"]"#, "acme"),
                422,
                "INVALID_REQUEST_UNKNOWN",
            )
            .await;
        world
            .refused(
                method,
                CLIENTS,
                &upsert(r#"["Nothing"]"#, "acme"),
                422,
                "UNKNOWN_FIELD_NAME",
            )
            .await;
        let found = world.ask(method, CLIENTS, &upsert(key, "acme")).await.ok();
        let row = &found["records"][0];
        assert_eq!(
            (&found["createdRecords"], &found["updatedRecords"]),
            (&json!([]), &json!([row["id"]]))
        );
        assert_eq!(row["fields"]["Total Posts Harvested"], 4);
    }
    let no_id = r#"{"records":[{"fields":{"Run ID":"250925-231841","Client ID":"acme"}}]}"#;
    world.refused("PATCH", CLIENTS, no_id, 422, "INVALID_RECORDS").await;
    world
        .refused("PATCH", CLIENTS, r#"{"fields":{}}"#, 422, "INVALID_REQUEST_UNKNOWN")
        .await;
    world
        .refused(
            "PATCH",
            &format!("{CLIENTS}/{none}"),
            no_id,
            422,
            "INVALID_REQUEST_UNKNOWN",
        )
        .await;
    // The id of a job is none of a client, and the other way round.
    let job = row_of(&world, JOBS).await;
    world
        .refused("PATCH", &at(CLIENTS, &job), fields, 404, "NOT_FOUND")
        .await;
}

#[tokio::test]
async fn a_batch_of_changes_is_decided_before_any_of_it_is_written() {
    let world = World::begun().await;
    let globex = r#"{"fields":{"Run ID":"250925-231841","Client ID":"globex"}}"#;
    let globex = world.post(CLIENTS, globex).await.ok();
    let acme = row_of(&world, CLIENTS).await;
    world
        .patch(&at(CLIENTS, &globex), r#"{"fields":{"Status":"Failed"}}"#)
        .await
        .ok();
    let record = |row: &Value, fields: Value| json!({"id": row["id"], "fields": fields});
    let batch = |records: &[Value]| json!({ "records": records }).to_string();
    let work = json!({"Total Posts Harvested": 9});
    let late = batch(&[record(&acme, work.clone()), record(&globex, work.clone())]);
    world.refused("PATCH", CLIENTS, &late, 422, "ALREADY_ENDED").await;
    assert_eq!(world.get(&at(CLIENTS, &acme)).await.ok(), acme);
    let twice = batch(&[record(&acme, work.clone()), record(&acme, work.clone())]);
    world.refused("PATCH", CLIENTS, &twice, 422, "INVALID_RECORDS").await;
    // A job with an open client does not end, and so its note is not written either.
    let job = row_of(&world, JOBS).await;
    let end = r#"{"fields":{"Status":"Completed","Apify Run ID":"8MSTBAfqMzuXPvgB3"}}"#;
    world.refused("PATCH", &at(JOBS, &job), end, 422, "OPEN_CLIENTS").await;
    assert_eq!(world.get(&at(JOBS, &job)).await.ok(), job);
    let rows = world
        .patch(
            CLIENTS,
            &batch(&[record(&acme, work), record(&globex, json!({"Status": "Failed"}))]),
        )
        .await
        .ok();
    assert_eq!(rows["records"][0]["fields"]["Total Posts Harvested"], 9);
    assert_eq!(rows.get("createdRecords"), None);
}

#[tokio::test]
async fn i12_whoever_is_limited_to_clients_changes_no_others_and_learns_of_none() {
    let mut world = World::begun().await;
    let acme = at(CLIENTS, &row_of(&world, CLIENTS).await);
    let fields = r#"{"fields":{"Total Posts Harvested":1}}"#;
    world.access = limited("post_scoring", &[Scope::Change, Scope::Read], "globex");
    let unseen = world.refused("PATCH", &acme, fields, 404, "NOT_FOUND").await;
    assert_eq!(
        world.lines().await.last().unwrap(),
        "update post_scoring 250925-231841/acme client_not_granted"
    );
    let none = format!("{CLIENTS}/recAAAAAAAAAAAAAA");
    let missing = world.refused("PATCH", &none, fields, 404, "NOT_FOUND").await;
    let id = |target: &str| target.rsplit('/').next().unwrap().to_owned();
    assert_eq!(unseen.replace(&id(&acme), "x"), missing.replace(&id(&none), "x"));
    world.access = token("post_scoring", &[Scope::Read]);
    world.refused("PATCH", &acme, fields, 403, "INVALID_PERMISSIONS").await;
}

#[tokio::test]
async fn nothing_is_deleted_and_where_the_settings_say_so_it_ends_as_cancelled() {
    let world = World::begun().await;
    let row = row_of(&world, CLIENTS).await;
    let message = world
        .refused("DELETE", &at(CLIENTS, &row), "", 422, "DELETE_REFUSED")
        .await;
    assert!(message.contains("never deleted"), "{message}");
    world
        .refused(
            "DELETE",
            &format!("{CLIENTS}?records[]=recAAAAAAAAAAAAAA"),
            "",
            422,
            "ROW_DOES_NOT_EXIST",
        )
        .await;
    world.refused("DELETE", CLIENTS, "", 422, "INVALID_RECORDS").await;
    let world = World::with(deleting(Deletes::Cancel));
    world.post(JOBS, r#"{"fields":{"Run ID":"250925-231841"}}"#).await.ok();
    let row = world
        .post(CLIENTS, r#"{"fields":{"Run ID":"250925-231841","Client ID":"acme"}}"#)
        .await
        .ok();
    let id = row["id"].as_str().unwrap();
    for _ in 0..2 {
        let deleted = world
            .ask("DELETE", &format!("{CLIENTS}?records%5B%5D={id}"), "")
            .await
            .ok();
        assert_eq!(deleted, json!({"records": [{"id": id, "deleted": true}]}));
    }
    assert_eq!(
        world.ask("DELETE", &at(CLIENTS, &row), "").await.ok(),
        json!({"id": id, "deleted": true})
    );
    assert_eq!(world.get(&at(CLIENTS, &row)).await.ok()["fields"]["Status"], "Failed");
    assert_eq!(world.records().await, 2);
}

#[tokio::test]
async fn two_clients_with_one_row_id_are_never_mixed_up() {
    let mut world = World::begun().await;
    // Their hashes are the same in the 42 bits that an id has room for.
    let (one, other) = ("client-2996260", "client-4086732");
    let create = |client: &str| format!(r#"{{"fields":{{"Run ID":"250925-231841","Client ID":"{client}"}}}}"#);
    let fields = r#"{"fields":{"Total Posts Harvested":1}}"#;
    let row = world.post(CLIENTS, &create(one)).await.ok();
    world.patch(&at(CLIENTS, &row), fields).await.ok();
    assert_eq!(world.post(CLIENTS, &create(other)).await.ok()["id"], row["id"]);
    world
        .refused("PATCH", &at(CLIENTS, &row), fields, 422, "ROW_AMBIGUOUS")
        .await;
    world.get(&at(CLIENTS, &row)).await.refused(422, "ROW_AMBIGUOUS");
    for client in [one, other] {
        let formula = filter(CLIENTS, &format!("{{Client ID}} = '{client}'"));
        assert_eq!(world.listed(&formula, "Client ID").await, [client]);
    }
    // Whoever sees one of them alone has no doubt.
    world.access = limited("post_scoring", &[Scope::Change, Scope::Read], other);
    let changed = world.patch(&at(CLIENTS, &row), fields).await.ok();
    assert_eq!(changed["fields"]["Client ID"], other);
}
