//! Creating: the older texts, both call forms, and who may.

use runledger_domain::access::Scope;
use serde_json::json;

use super::{World, granted};

#[tokio::test]
async fn a_job_is_created_in_either_form_and_answered_in_the_older_shape() {
    for arguments in [
        r#"["250925-231841",1,{"source":"orchestrator"}]"#,
        r#"{"runId":"250925-231841","stream":1,"options":{"source":"orchestrator"}}"#,
        r#"[{"runId":"250925-231841","stream":"1","options":{"source":"orchestrator"}}]"#,
    ] {
        let record = World::new().done("createJobRecord", arguments).await;
        let fields = &record["fields"];
        assert_eq!(record["id"], "rec250925-231841");
        assert_eq!(
            [
                &fields["Run ID"],
                &fields["Status"],
                &fields["Stream"],
                &fields["Clients Processed"]
            ],
            [&json!("250925-231841"), &json!("Running"), &json!(1), &json!(0)]
        );
        assert!(fields["System Notes"].as_str().unwrap().ends_with(" from orchestrator"));
    }
}

#[tokio::test]
async fn a_client_run_record_has_one_id_in_every_spelling_and_the_older_columns() {
    let world = World::begun().await;
    for spelling in [
        "250925-231841",
        "250925-231841-acme",
        "250925-231841-Cacme",
        "250925-231841-acme-acme",
    ] {
        let record = world.done("getRunRecord", &format!(r#"["{spelling}","acme"]"#)).await;
        assert_eq!(record["id"], "rec250925-231841-acme", "{spelling}");
        assert_eq!(record["fields"]["Client Name"], "Acme Ltd");
        assert_eq!(record["fields"]["Profile Scoring Tokens"], 0);
        assert_eq!(record["fields"].get("Posts Successfully Scored"), None);
    }
}

#[tokio::test]
async fn a_key_is_taken_once_and_the_older_texts_say_so() {
    let world = World::begun().await;
    let job = r#"["250925-231841",1,{"source":"orchestrator"}]"#;
    world
        .refused(
            "createJobRecord",
            job,
            "conflict",
            "Job tracking record already exists for 250925-231841",
        )
        .await;
    let client = r#"["250925-231841","acme","Acme Ltd",{"source":"orchestrator"}]"#;
    let words = "Client run record already exists for 250925-231841-acme, client acme";
    world.refused("createClientRunRecord", client, "conflict", words).await;
}

#[tokio::test]
async fn an_unauthorised_source_creates_nothing_and_sees_nothing() {
    let world = World::begun().await;
    for (function, thing) in [
        ("createRunRecord", "run record"),
        ("createClientRunRecord", "client run record"),
    ] {
        let arguments = r#"["250925-231841","acme","Acme",{"source":"apifyProcessRoutes"}]"#;
        let words = format!("Unauthorized source \"apifyProcessRoutes\" attempted to create {thing}");
        world
            .refused(function, arguments, "source_not_authorised", &words)
            .await;
    }
    let words = "Unauthorized source \"unknown\" attempted to create job record";
    for options in [r#",{"source":"unknown"}"#, ",null", ""] {
        let arguments = format!(r#"["250926-000000",1{options}]"#);
        world
            .refused("createJobRecord", &arguments, "source_not_authorised", words)
            .await;
    }
    assert!(
        world
            .lines()
            .await
            .last()
            .unwrap()
            .starts_with("create legacy_unnamed 250926-000000/ ")
    );
}

#[tokio::test]
async fn create_run_record_answers_an_authorised_source_with_the_record_that_is_there() {
    let world = World::begun().await;
    for source in ["batchScorer_process", "batchScorer_skip", "orchestrator"] {
        let arguments = format!(r#"["250925-231841","acme","Other",{{"source":"{source}"}}]"#);
        let record = world.done("createRunRecord", &arguments).await;
        assert_eq!(record["fields"]["Client Name"], "Acme Ltd", "{source}");
    }
    let arguments = r#"["250925-231841","globex",null,{"source":"batchScorer_process"}]"#;
    assert_eq!(
        world.done("createRunRecord", arguments).await["id"],
        "rec250925-231841-globex"
    );
    assert_eq!(
        world.lines().await.last().unwrap(),
        "create batch_process 250925-231841/globex "
    );
}

#[tokio::test]
async fn a_client_needs_its_job_and_ids_that_name_no_record_are_refused() {
    let world = World::new();
    let client = |id: &str| format!(r#"["{id}","acme","Acme",{{"source":"orchestrator"}}]"#);
    world
        .refused(
            "createClientRunRecord",
            &client("250925-231841"),
            "job_missing",
            "create the job first",
        )
        .await;
    for id in [
        "8MSTBAfqMzuXPvgB3",
        "SR-250922-001-S1-Cacme",
        "250925-231841-globex",
        "",
        "undefined",
    ] {
        world
            .refused("createClientRunRecord", &client(id), "run_id_invalid", "run id")
            .await;
    }
    let object = r#"[{"runId":{"runId":"250925-231841"},"clientId":"acme"}]"#;
    world
        .refused(
            "createClientRunRecord",
            object,
            "body_invalid",
            "runId must be a string, received object",
        )
        .await;
}

#[tokio::test]
async fn the_same_attempt_is_answered_with_the_same_record() {
    let world = World::new();
    let job = r#"["250925-231841",1,{"source":"orchestrator"}]"#;
    let first = world.call("createJobRecord", job, Some("a1")).await.unwrap();
    assert_eq!(world.call("createJobRecord", job, Some("a1")).await.unwrap(), first);
    assert_eq!(
        world.call("createJobRecord", job, Some("a2")).await.unwrap_err().code,
        "conflict"
    );
}

#[tokio::test]
async fn a_token_speaks_for_its_sources_and_clients_alone() {
    let mut world = World::begun().await;
    world.access = granted(
        "orchestrator",
        &[Scope::Create, Scope::Change, Scope::Read],
        &["globex"],
    );
    let client = |client: &str, source: &str| format!(r#"["250925-231841","{client}","x",{{"source":"{source}"}}]"#);
    let refused = [
        ("createJobRecord", r#"["250926-000000",1]"#.into(), "client_not_granted"),
        (
            "createClientRunRecord",
            client("acme", "orchestrator"),
            "client_not_granted",
        ),
        (
            "createClientRunRecord",
            client("globex", "batch_process"),
            "source_not_granted",
        ),
        (
            "createClientRunRecord",
            client("globex", "rlt_secret"),
            "source_invalid",
        ),
    ];
    for (function, arguments, code) in refused {
        world.refused(function, &arguments, code, "token").await;
    }
    assert!(!world.lines().await.iter().any(|line| line.contains("secret")));
    // A record of another client is answered like one that is not there.
    assert_eq!(
        world.done("getRunRecord", r#"["250925-231841","acme"]"#).await,
        json!(null)
    );
    assert_eq!(
        world.done("checkRunRecordExists", r#"["250925-231841","acme"]"#).await,
        json!(false)
    );
    let update = |client: &str| format!(r#"["250925-231841","{client}",{{"Status":"Running"}}]"#);
    let unseen = world.call("updateRunRecord", &update("acme"), None).await.unwrap_err();
    let absent = world
        .call("updateRunRecord", &update("globex"), None)
        .await
        .unwrap_err();
    assert_eq!(unseen.code, absent.code);
    assert_eq!(unseen.detail.replace("acme", "globex"), absent.detail);
    world
        .done("createClientRunRecord", &client("globex", "orchestrator"))
        .await;
    world.access = granted("orchestrator", &[Scope::Read], &["globex"]);
    world
        .refused(
            "completeRunRecord",
            r#"["250925-231841","globex","Success"]"#,
            "scope_missing",
            "change",
        )
        .await;
    world.refused("getStats", "", "client_not_granted", "token").await;
}

#[tokio::test]
async fn i6_a_call_leaves_a_line_however_little_of_it_is_understood() {
    let world = World::new();
    let nobody = "create legacy_unnamed / ";
    let acme = "create orchestrator 250925-231841/acme ";
    for (arguments, code, line) in [
        ("", "body_invalid", nobody),
        ("[]", "body_invalid", nobody),
        ("7", "body_invalid", nobody),
        (r#"["250925-231841","acme""#, "body_not_json", nobody),
        (
            r#"{"runId":"250925-231841","clientId":"acme","client":"acme","options":{"source":"orchestrator"}}"#,
            "unknown_field",
            acme,
        ),
        (
            r#"{"runId":"250925-231841","runId":"x","clientId":"acme","options":{"source":"orchestrator"}}"#,
            "body_invalid",
            acme,
        ),
        (
            r#"["250925-231841","acme","Acme",{"source":"orchestrator","source":"post_scoring"}]"#,
            "body_invalid",
            "create legacy_unnamed 250925-231841/acme ",
        ),
    ] {
        world.refused("createClientRunRecord", arguments, code, "").await;
        assert_eq!(
            world.lines().await.last().unwrap(),
            &format!("{line}{code}"),
            "{arguments}"
        );
    }
    // Whoever has a token of one source is that source.
    let world = World {
        access: granted("orchestrator", &[Scope::Create], &["acme"]),
        ..world
    };
    world.refused("createClientRunRecord", "[", "body_not_json", "").await;
    assert_eq!(
        world.lines().await.last().unwrap(),
        "create orchestrator / body_not_json"
    );
}
