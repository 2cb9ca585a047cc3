//! Changing and ending what exists; nothing here ever creates.

use runledger_legacy::LegacyService;
use serde_json::json;

use super::World;

#[tokio::test]
async fn a_change_of_what_is_not_there_is_not_found_and_creates_nothing() {
    let world = World::begun().await;
    let client = "Run record not found for 250925-231841, client globex";
    for (function, rest, words) in [
        (
            "updateRunRecord",
            r#"{"Status":"Running"}"#,
            format!("Cannot update: {client}"),
        ),
        ("updateRunRecord", "{}", format!("Cannot update: {client}")),
        (
            "updateClientMetrics",
            r#"{"Post Scoring Tokens":1}"#,
            format!("Cannot update metrics: {client}"),
        ),
        (
            "completeRunRecord",
            r#""Success",null"#,
            format!("Cannot complete: {client}"),
        ),
    ] {
        let arguments = format!(r#"["250925-231841","globex",{rest},{{"source":"post_scoring"}}]"#);
        world.refused(function, &arguments, "not_found", &words).await;
    }
    let words = "Job tracking record not found for 250926-000000 (base: 250926-000000)";
    world
        .refused(
            "updateJobRecord",
            r#"["250926-000000",{"System Notes":"x"}]"#,
            "not_found",
            words,
        )
        .await;
    world
        .refused("completeJobRecord", r#"["250926-000000",true]"#, "not_found", words)
        .await;
}

#[tokio::test]
async fn an_update_whose_end_is_refused_leaves_nothing_of_the_rest() {
    let world = World::begun().await;
    let job =
        r#"["250925-231841",{"Apify Run ID":"8MSTBAfqMzuXPvgB3","Status":"Completed"},{"source":"post_scoring"}]"#;
    world
        .refused("updateJobRecord", job, "open_clients", "250925-231841")
        .await;
    let stage = runledger_domain::Command::StartStage {
        name: "scoring".parse().unwrap(),
    };
    let key: runledger_domain::RunKey = "250925-231841-acme".parse().unwrap();
    let by = "post_scoring".parse().unwrap();
    world.ledger.runs.change(&by, key, None, stage).await.unwrap();
    let client = r#"["250925-231841","acme",{"Post Scoring Tokens":5,"Status":"Completed"},{"source":"post_scoring"}]"#;
    world.refused("updateRunRecord", client, "open_stages", "scoring").await;
    let client = world.done("getRunRecord", r#"["250925-231841","acme"]"#).await;
    assert_eq!(client["fields"]["Post Scoring Tokens"], 0);
    let job = world.ledger.runs.get(&"250925-231841".parse().unwrap()).await.unwrap();
    assert_eq!(job.external_ids().len(), 0);
}

#[tokio::test]
async fn metrics_are_raised_and_never_lowered_and_stay_exact() {
    let world = World::begun().await;
    let metrics = |more: &str| format!(r#"["250925-231841","acme",{{{more}}},{{"source":"post_scoring"}}]"#);
    let first = r#""Posts Examined for Scoring":12,"Apify API Costs":0.58,"Profiles Submitted for Post Harvesting":9"#;
    world.done("updateClientMetrics", &metrics(first)).await;
    let second = r#""Posts Examined for Scoring":"7","Apify API Costs":0.1,"Profiles Submitted for Post Harvesting":4,
        "Apify Run ID":"8MSTBAfqMzuXPvgB3","Post Scoring Tokens":null"#;
    let record = world.done("updateClientMetrics", &metrics(second)).await;
    let fields = &record["fields"];
    assert_eq!(fields["Posts Examined for Scoring"], 12);
    assert_eq!(fields["Apify API Costs"].to_string(), "0.58");
    assert_eq!(fields["Profiles Submitted for Post Harvesting"], 4);
    assert_eq!(fields["Apify Run ID"], "8MSTBAfqMzuXPvgB3");
    let float = r#""Apify API Costs":0.6000000000000001"#;
    let record = world.done("updateClientMetrics", &metrics(float)).await;
    assert_eq!(record["fields"]["Apify API Costs"].to_string(), "0.6");
    let set = world
        .done("updateRunRecord", &metrics(r#""Posts Examined for Scoring":7"#))
        .await;
    assert_eq!(set["fields"]["Posts Examined for Scoring"], 7);
}

#[tokio::test]
async fn keys_and_what_was_fixed_at_creation_never_change() {
    let world = World::begun().await;
    let update = |more: &str| format!(r#"["250925-231841","acme",{{{more}}}]"#);
    for more in [
        r#""Run ID":"250926-000000""#,
        r#""Client ID":"globex""#,
        r#""Client Name":"Other""#,
        r#""Start Time":"2025-09-25T23:18:41Z""#,
        r#""End Time":"2025-09-25T23:18:41Z""#,
        r#""Status":"Done!""#,
        r#""Post Scoring Tokens":-1"#,
    ] {
        world
            .refused("updateRunRecord", &update(more), "value_invalid", "")
            .await;
    }
    world
        .refused(
            "updateRunRecord",
            &update(r#""Last Updated":"x""#),
            "unknown_field",
            "Unknown field name: \"Last Updated\"",
        )
        .await;
    let same = update(r#""Run ID":"250925-231841-acme","Client ID":"acme","System Notes":"seen""#);
    let record = world.done("updateRunRecord", &same).await;
    assert!(record["fields"]["System Notes"].as_str().unwrap().ends_with("\nseen"));
}

#[tokio::test]
async fn an_end_is_final_and_said_again_changes_nothing() {
    let world = World::begun().await;
    let done = r#"["250925-231841","acme","Success","all done",{"source":"batchScorer_complete"}]"#;
    let record = world.done("completeRunRecord", done).await;
    assert_eq!(record["fields"]["Status"], "Completed");
    assert!(record["fields"]["End Time"].is_string());
    assert!(
        record["fields"]["System Notes"]
            .as_str()
            .unwrap()
            .ends_with("\nall done")
    );
    assert_eq!(world.done("completeRunRecord", done).await, record);
    for (function, rest) in [
        ("completeRunRecord", r#""Error""#),
        ("updateRunRecord", r#"{"Status":"Running"}"#),
        ("updateClientMetrics", r#"{"Post Scoring Tokens":1}"#),
    ] {
        let arguments = format!(r#"["250925-231841","acme",{rest}]"#);
        world
            .refused(function, &arguments, "already_ended", "never changes")
            .await;
    }
    world
        .refused(
            "completeRunRecord",
            r#"["250925-231841","acme","Done!"]"#,
            "value_invalid",
            "not a status",
        )
        .await;
    world
        .refused(
            "completeRunRecord",
            r#"["250925-231841","acme","Running"]"#,
            "value_invalid",
            "does not end",
        )
        .await;
}

#[tokio::test]
async fn a_job_ends_after_its_clients_and_its_totals_are_derived() {
    let world = World::begun().await;
    world
        .refused(
            "completeJobRecord",
            r#"["250925-231841",true]"#,
            "open_clients",
            "open client records",
        )
        .await;
    let end =
        r#"["250925-231841","acme",{"Status":"Failed","End Time":"x","Post Scoring Tokens":5,"System Notes":"why"}]"#;
    assert_eq!(world.done("updateRunRecord", end).await["fields"]["Status"], "Failed");
    let totals =
        r#"["250925-231841",{"Post Scoring Tokens":99,"Clients Processed":7},{"source":"batchScorer_complete"}]"#;
    let job = world.done("updateJobRecord", totals).await;
    assert_eq!(job["fields"]["Post Scoring Tokens"], 5);
    assert_eq!(job["fields"]["Clients With Errors"], 1);
    world
        .refused(
            "completeJobRecord",
            r#"["250925-231841-acme",true]"#,
            "run_id_invalid",
            "client",
        )
        .await;
    world
        .refused(
            "completeJobRecord",
            r#"["250925-231841"]"#,
            "body_invalid",
            "say true or false",
        )
        .await;
    let job = world
        .done("completeJobRecord", r#"["250925-231841",false,"one failed"]"#)
        .await;
    assert_eq!(job["fields"]["Status"], "Failed");
}

#[tokio::test]
async fn an_apify_id_is_filed_as_a_reference_and_found_again() {
    let world = World::begun().await;
    let without = r#"["8MSTBAfqMzuXPvgB3","acme"]"#;
    world
        .refused("registerApifyRunId", without, "not_found", "send the runId")
        .await;
    let with = r#"["8MSTBAfqMzuXPvgB3","acme","250925-231841"]"#;
    assert_eq!(
        world.done("registerApifyRunId", with).await,
        json!("250925-231841-acme")
    );
    assert_eq!(
        world.done("registerApifyRunId", without).await,
        json!("250925-231841-acme")
    );
    assert_eq!(world.records().await, 2);
    // It stands in two runs of the client: which is meant is not guessed.
    let source = r#"{"source":"orchestrator"}"#;
    world
        .done("createJobRecord", &format!(r#"["250926-000000",1,{source}]"#))
        .await;
    world
        .done(
            "createClientRunRecord",
            &format!(r#"["250926-000000","acme",null,{source}]"#),
        )
        .await;
    let other = r#"["8MSTBAfqMzuXPvgB3","acme","250926-000000"]"#;
    assert_eq!(
        world.done("registerApifyRunId", other).await,
        json!("250926-000000-acme")
    );
    world
        .refused("registerApifyRunId", without, "not_found", "send the runId")
        .await;
}

#[tokio::test]
async fn partial_is_an_end_with_errors() {
    let world = World::begun().await;
    let partial =
        r#"["250925-231841","acme","Partial","Jobs started: 2/3",{"source":"smart_resume_workflow_complete"}]"#;
    let record = world.done("completeRunRecord", partial).await;
    assert_eq!(record["fields"]["Status"], "Completed with Errors");
    assert_eq!(world.done("completeRunRecord", partial).await, record);
}

#[tokio::test]
async fn a_completion_by_a_trigger_is_a_note_and_the_operation_ends_the_record() {
    let mut world = World::begun().await;
    world.service = LegacyService::new().with_triggers(["smart_resume_workflow_complete".parse().unwrap()]);
    let started =
        r#"["250925-231841","acme","Success","Jobs started: 3/3",{"source":"smart_resume_workflow_complete"}]"#;
    for _ in 0..2 {
        let record = world.call("completeRunRecord", started, Some("t1")).await.unwrap();
        assert_eq!(record["fields"]["Status"], "Running");
        let notes = record["fields"]["System Notes"].as_str().unwrap();
        assert_eq!(
            notes
                .matches("has started the work: succeeded\nJobs started: 3/3")
                .count(),
            1,
            "{notes}"
        );
    }
    let scored = r#"["250925-231841","acme",{"Profiles Examined for Scoring":12},{"source":"batchScorer_process"}]"#;
    world.done("updateClientMetrics", scored).await;
    let done = r#"["250925-231841","acme","Success","12 leads",{"source":"batchScorer_complete"}]"#;
    let record = world.done("completeRunRecord", done).await;
    assert_eq!(record["fields"]["Status"], "Completed");
    assert_eq!(record["fields"]["Profiles Examined for Scoring"], 12);
}

#[tokio::test]
async fn what_operations_wrote_into_long_texts_is_appended_to_the_notes() {
    let world = World::begun().await;
    let update = |columns: &str| format!(r#"["250925-231841","acme",{{{columns}}},{{"source":"post_scoring"}}]"#);
    for columns in [
        r#""Progress Log":"[09:18:41] Lead scoring started""#,
        r#""Error Details":"2 profiles had no text","System Notes":"done""#,
    ] {
        world.done("updateRunRecord", &update(columns)).await;
    }
    let record = world.done("getRunRecord", r#"["250925-231841","acme"]"#).await;
    let notes = record["fields"]["System Notes"].as_str().unwrap();
    for line in [
        "[09:18:41] Lead scoring started",
        "Error Details: 2 profiles had no text",
        "done",
    ] {
        assert!(notes.lines().any(|own| own == line), "{line} is not in {notes}");
    }
}

#[tokio::test]
async fn an_update_of_metrics_never_ends_a_record() {
    let world = World::begun().await;
    let metrics =
        r#"["250925-231841","acme",{"Status":"Completed","End Time":"2025-09-25T23:20:00Z","Post Scoring Tokens":3}]"#;
    let record = world.done("updateClientMetrics", metrics).await;
    assert_eq!(record["fields"]["Status"], "Running");
    assert_eq!(record["fields"]["Post Scoring Tokens"], 3);
    assert_eq!(record["fields"].get("End Time"), None);
}

#[tokio::test]
async fn a_late_apify_id_is_refused_and_a_repeated_one_is_not() {
    let world = World::begun().await;
    let filed = r#"["8MSTBAfqMzuXPvgB3","acme","250925-231841"]"#;
    let first = world.call("registerApifyRunId", filed, Some("a1")).await.unwrap();
    world
        .done("completeRunRecord", r#"["250925-231841","acme","Success"]"#)
        .await;
    assert_eq!(
        world.call("registerApifyRunId", filed, Some("a1")).await.unwrap(),
        first
    );
    let late = r#"["AeljThOnfXhim2T31","acme","250925-231841"]"#;
    world
        .refused("registerApifyRunId", late, "already_ended", "never changes")
        .await;
}

#[tokio::test]
async fn an_update_that_also_ends_is_repeated_without_a_second_effect() {
    let world = World::begun().await;
    let update = r#"["250925-231841","acme",{"Status":"Failed","Post Scoring Tokens":5,"System Notes":"why"}]"#;
    let first = world.call("updateRunRecord", update, Some("u1")).await.unwrap();
    assert_eq!(world.call("updateRunRecord", update, Some("u1")).await.unwrap(), first);
}

#[tokio::test]
async fn a_run_with_a_name_goes_the_same_way() {
    let world = World::new();
    let run = "test-run-1758806321000";
    world
        .done(
            "createJobRecord",
            &format!(r#"["{run}",1,{{"source":"orchestrator"}}]"#),
        )
        .await;
    let client = format!(r#"["{run}","TEST_CLIENT_ID","Test Client",{{"source":"orchestrator"}}]"#);
    let created = world.done("createClientRunRecord", &client).await;
    let read = world
        .done("getRunRecord", &format!(r#"["{run}","TEST_CLIENT_ID"]"#))
        .await;
    assert_eq!(read, created);
    assert_eq!(read["fields"]["Run ID"], format!("{run}/TEST_CLIENT_ID"));
    let id = format!(r#"["{run}/TEST_CLIENT_ID","TEST_CLIENT_ID"]"#);
    assert_eq!(world.done("getRunRecord", &id).await, created);
    world
        .done(
            "completeRunRecord",
            &format!(r#"["{run}","TEST_CLIENT_ID","Success","ok"]"#),
        )
        .await;
    let job = world
        .done("completeJobRecord", &format!(r#"["{run}",true,"ok"]"#))
        .await;
    assert_eq!(job["fields"]["Status"], "Completed");
}

#[tokio::test]
async fn a_column_that_stands_twice_is_refused_even_when_it_is_empty() {
    let world = World::begun().await;
    for columns in [
        r#"{"Post Scoring Tokens":1,"Post Scoring Tokens":2}"#,
        r#"{"Status":"","Status":"Running"}"#,
    ] {
        let arguments = format!(r#"["250925-231841","acme",{columns},{{"source":"post_scoring"}}]"#);
        world
            .refused(
                "updateRunRecord",
                &arguments,
                "body_invalid",
                "stands twice; send it once",
            )
            .await;
    }
}
