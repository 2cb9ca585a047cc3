//! What is written about the API agrees with the API.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use runledger_http::{Options, openapi, problems};
use serde_json::Value;

use crate::functions;
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
        ("RecordTypes", &stats["record_types"]),
        ("Operations", &stats["operations"]),
        ("RegistryStats", &stats["registry"]),
        ("RecentRead", &stats["recent_reads"][0]),
    ] {
        assert_eq!(keys(&schemas[name]["properties"]), keys(sent), "{name}");
    }
}

#[tokio::test]
async fn every_described_path_is_there() {
    let world = functions::world(Options::default());
    let described: Value = serde_json::from_str(&openapi()).unwrap();
    for (path, methods) in described["paths"].as_object().unwrap() {
        let path = path
            .replace("{run}", "r1")
            .replace("{client}", "a")
            .replace("{stage}", "s")
            .replace("{function}", "read")
            .replace("{code}", "x");
        for method in methods.as_object().unwrap().keys() {
            // A stream of events would go on for ever; behind no event, it does not begin.
            let headers = [("last-event-id", "none")];
            let answer = world.send(&method.to_uppercase(), &path, &headers, "").await;
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
    let page = problems();
    let (table, _) = page.split_once("\n## ").unwrap();
    let listed: Vec<String> = table
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

/// The words that the domain's `code` functions answer, read from its source: a new one must get its place in the table.
fn codes_of(folder: &Path, codes: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes_of(&path, codes);
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        for body in source.split("pub const fn code(&self) -> &'static str {").skip(1) {
            let body = body.split("\n    }").next().unwrap();
            codes.extend(body.split('"').skip(1).step_by(2).map(String::from));
        }
    }
}

#[test]
fn every_refusal_of_the_domain_is_in_the_table() {
    let mut codes = BTreeSet::new();
    codes_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/src"), &mut codes);
    assert!(
        codes.len() > 20 && codes.contains("already_ended") && codes.contains("source_not_authorised"),
        "{codes:?}"
    );
    let table = problems();
    for code in codes {
        assert!(
            table.contains(&format!("| `{code}` |")),
            "{code} has no place in crates/http/src/problem.rs"
        );
    }
}
