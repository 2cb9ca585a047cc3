//! Reading never creates, and says what is there.

use std::collections::BTreeSet;

use serde_json::json;

use super::World;

#[tokio::test]
async fn a_read_of_what_is_not_there_is_null_or_false_and_creates_nothing() {
    let world = World::begun().await;
    for (function, arguments, expected) in [
        ("getRunRecord", r#"["250925-231841","globex"]"#, json!(null)),
        ("getRunRecordId", r#"["250925-231841","globex"]"#, json!(null)),
        (
            "getRunRecordId",
            r#"["250925-231841","acme"]"#,
            json!("rec250925-231841-acme"),
        ),
        (
            "checkRunRecordExists",
            r#"{"runId":"250925-231841","clientId":"acme"}"#,
            json!(true),
        ),
        ("checkRunRecordExists", r#"["250925-231841"]"#, json!(true)),
        ("checkRunRecordExists", r#"["250925-231841-Cacme"]"#, json!(true)),
        ("checkRunRecordExists", r#"["250925-235959"]"#, json!(false)),
        ("checkRunRecordExists", r#"["250925-231841-globex"]"#, json!(false)),
        // Another run of the same day is another run.
        ("checkRunRecordExists", r#"["250925-235959","acme"]"#, json!(false)),
        (
            "normalizeRunId",
            r#"["250925-231841-Cacme","acme"]"#,
            json!("250925-231841-acme"),
        ),
        ("normalizeRunId", r#"["250925-231841"]"#, json!(null)),
        ("clearCache", "[]", json!(null)),
    ] {
        assert_eq!(
            world.done(function, arguments).await,
            expected,
            "{function} {arguments}"
        );
    }
    assert_eq!((world.records().await, world.lines().await.len()), (2, 2));
    world
        .refused(
            "getRunRecord",
            r#"["250925-231841-globex","acme"]"#,
            "run_id_invalid",
            "run id",
        )
        .await;
    world
        .refused(
            "normalizeRunId",
            r#"["8MSTBAfqMzuXPvgB3","acme"]"#,
            "run_id_invalid",
            "run id",
        )
        .await;
    world
        .refused(
            "normalizeRunId",
            r#"["250925-231841","acme",true]"#,
            "value_invalid",
            "never replaced",
        )
        .await;
    world
        .refused("getrunrecord", "[]", "route_not_found", "no function")
        .await;
}

#[tokio::test]
async fn ids_given_out_in_one_second_differ() {
    let world = World::new();
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        let id = world.done("generateRunId", r#"["acme"]"#).await;
        assert!(id.as_str().unwrap().ends_with("-acme"));
        assert!(seen.insert(id.to_string()));
    }
    assert_eq!(world.done("generateRunId", "[]").await, json!(null));
}

#[tokio::test]
async fn the_log_is_newest_first_in_the_older_words_and_the_stats_count_the_ledger() {
    let world = World::begun().await;
    world
        .done(
            "completeRunRecord",
            r#"["250925-231841","acme","Error",null,{"source":"post_scoring"}]"#,
        )
        .await;
    let _ = world
        .call("completeRunRecord", r#"["250925-231841","globex","Success"]"#, None)
        .await;
    let log = world.done("getActivityLog", "[3]").await;
    let actions: Vec<_> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["complete", "complete", "create_client"]);
    assert!(log[0]["result"].as_str().unwrap().starts_with("ERROR: not_found"));
    assert_eq!(log[1]["result"], "SUCCESS: changed, version 2");
    assert_eq!(log[1]["source"], "post_scoring");
    let stats = world.done("getStats", "").await;
    assert_eq!(stats["registrySize"], 2);
    assert_eq!(
        stats["recordTypes"],
        json!({"running":1,"completed":0,"error":1,"other":0})
    );
}

#[tokio::test]
async fn a_count_of_entries_that_is_none_is_told_what_to_send() {
    let world = World::begun().await;
    for limit in ["-1", r#""5""#, "1.5"] {
        let words = "send a whole number from 0";
        world
            .refused("getActivityLog", &format!("[{limit}]"), "value_invalid", words)
            .await;
    }
}
