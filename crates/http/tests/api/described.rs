//! What is written about the API agrees with the API.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use runledger_domain::change::ChangeRefusal;
use runledger_http::{openapi, problems};
use serde_json::Value;

use crate::support::World;

fn check(file: &str, committed: &str, written: &str) {
    if committed != written {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
        fs::write(&path, written).unwrap();
        panic!(
            "docs/{file} is not what the code says; run `cargo xtask openapi`, or copy {} there, and commit it",
            path.display()
        );
    }
}

#[test]
fn the_committed_description_is_the_one_of_the_code() {
    check(
        "openapi.json",
        include_str!("../../../../docs/openapi.json"),
        &openapi(),
    );
    assert_eq!(openapi(), openapi());
}

#[test]
fn the_committed_list_of_problems_is_the_one_of_the_code() {
    check("problems.md", include_str!("../../../../docs/problems.md"), &problems());
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn a_schema_has_the_fields_that_are_sent() {
    let world = World::new();
    world.run("r1", &["a"]).await;
    let stage = "/v1/runs/r1/clients/a/stages/s";
    world.post(&format!("{stage}/start"), "").await;
    world.post(&format!("{stage}/finish"), r#"{"status":"failed"}"#).await;
    world.patch("/v1/runs/r1/clients/a", r#"{"note":"n"}"#).await;
    let described: Value = serde_json::from_str(&openapi()).unwrap();
    let schemas = &described["components"]["schemas"];
    let record = world.get("/v1/runs/r1/clients/a").await.json;
    let summary = world.get("/v1/runs/r1/summary").await.json;
    let page = world.get("/v1/records").await.json;
    let log = world.get("/v1/activity").await.json;
    let stats = world.get("/v1/stats").await.json;
    for (name, sent) in [
        ("Record", &record),
        ("Stage", &record["stages"][0]),
        ("MetricChange", &record["stages"][0]["metrics"]),
        ("Note", &record["notes"][0]),
        ("Summary", &summary),
        ("RecordPage", &page),
        ("ActivityPage", &log),
        ("Activity", &log["activity"][0]),
        ("Stats", &stats),
        ("Operations", &stats["operations"]),
        ("RegistryStats", &stats["registry"]),
        ("RecentRead", &stats["recent_reads"][0]),
    ] {
        assert_eq!(keys(&schemas[name]["properties"]), keys(sent), "{name}");
    }
}

#[tokio::test]
async fn every_described_path_is_there() {
    let world = World::new();
    let described: Value = serde_json::from_str(&openapi()).unwrap();
    for (path, methods) in described["paths"].as_object().unwrap() {
        let path = path
            .replace("{run}", "r1")
            .replace("{client}", "a")
            .replace("{stage}", "s")
            .replace("{code}", "x");
        for method in methods.as_object().unwrap().keys() {
            let answer = world.send(&method.to_uppercase(), &path, &[], "").await;
            let missing = answer.json["code"] == "route_not_found" && !path.starts_with("/problems/");
            assert!(!missing && answer.status != 405, "{method} {path}: {}", answer.text);
            for (status, _) in described["paths"][&path][method]["responses"]
                .as_object()
                .into_iter()
                .flatten()
            {
                assert!(status.parse::<u16>().is_ok());
            }
        }
    }
}

#[tokio::test]
async fn every_problem_explains_itself() {
    let world = World::new();
    let listed: Vec<String> = problems()
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned()))
        .collect();
    assert!(listed.len() > 50);
    assert_eq!(
        listed.iter().collect::<BTreeSet<_>>().len(),
        listed.len(),
        "a code stands twice"
    );
    for code in &listed {
        let explained = world.get(&format!("/problems/{code}")).await;
        assert_eq!(
            (explained.status, &explained.json["code"]),
            (200, &code.as_str().into())
        );
    }
    world.get("/problems/nonsense").await.check(404, "route_not_found");
}

#[test]
fn every_refusal_of_the_domain_is_in_the_table() {
    let table = problems();
    let codes = [
        "source_not_authorised",
        "import_only",
        "scheme_not_accepted",
        "job_missing",
        "job_ended",
        "too_many_external_ids",
        "client_name_on_job",
        "already_ended",
        "version_mismatch",
        "metric_named_twice",
        "metric_overflow",
        "too_many_metrics",
        "stage_not_started",
        "stage_ended",
        "too_many_stages",
        "open_stages",
        "open_clients",
        "not_started",
        "notes_full",
        "update_id_reused",
        "too_many_updates",
        "not_stalled",
        ChangeRefusal::NothingToChange.code(),
    ];
    for code in codes {
        assert!(table.contains(&format!("| `{code}` |")), "{code}");
    }
    // The codes stand in the domain's source; one that is added there must be added to the table.
    let sources = [
        include_str!("../../../domain/src/change.rs"),
        include_str!("../../../domain/src/creation.rs"),
        include_str!("../../../domain/src/policy.rs"),
    ];
    for source in sources {
        for code in source
            .lines()
            .filter(|line| line.contains("Self::") && line.contains("=> \""))
        {
            let code = code.split('"').nth(1).unwrap();
            let word = [
                "attempt",
                "source",
                "client_name",
                "batch",
                "external_ids",
                "note",
                "deadline_after",
                "status",
            ];
            assert!(
                word.contains(&code) || table.contains(&format!("| `{code}` |")),
                "{code}"
            );
        }
    }
}
