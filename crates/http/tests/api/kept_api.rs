//! What programs rely on stays: operations, fields of bodies and answers, problems and their statuses, cursors. The file
//! only grows: add lines to it for what is new, never take one out.

use std::collections::BTreeSet;

use runledger_http::{openapi, problems};
use serde_json::Value;

use crate::support::World;

const KEPT: &str = include_str!("api-v1.txt");
/// What is sent, not answered.
const SENT: [&str; 12] = [
    "CopiesIn",
    "MetricChange",
    "NewClient",
    "NewClients",
    "NewJob",
    "NewReconciliation",
    "NewTokenIn",
    "RecordChange",
    "RecordCompletion",
    "RecordNamed",
    "Rotation",
    "StageFinish",
];

fn present() -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    let described: Value = serde_json::from_str(&openapi()).unwrap();
    for (path, methods) in described["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            lines.insert(format!("operation {name} {} {path}", method.to_uppercase()));
        }
    }
    for (schema, said) in described["components"]["schemas"].as_object().unwrap() {
        let fields = said["properties"].as_object().into_iter().flatten();
        lines.extend(fields.map(|(field, _)| format!("field {schema}.{field}")));
        if SENT.contains(&schema.as_str()) {
            let required = said["required"].as_array().into_iter().flatten();
            lines.extend(required.map(|field| format!("required {schema}.{}", field.as_str().unwrap())));
        }
    }
    let page = problems();
    for row in page.lines().filter_map(|line| line.strip_prefix("| `")) {
        if let [code, status, ..] = row.split(" | ").collect::<Vec<_>>()[..]
            && status.parse::<u16>().is_ok()
        {
            lines.insert(format!("problem {} {status}", code.trim_end_matches('`')));
        }
    }
    lines
}

#[test]
fn nothing_that_programs_rely_on_is_gone() {
    let (kept, present): (BTreeSet<_>, _) = (KEPT.lines().map(String::from).collect(), present());
    // A field that need not be sent any more harms nobody.
    let gone: Vec<_> = kept
        .difference(&present)
        .filter(|line| !line.starts_with("required "))
        .collect();
    assert!(gone.is_empty(), "programs rely on {gone:?}");
    let new: Vec<_> = present.difference(&kept).map(String::as_str).collect();
    assert!(
        new.is_empty(),
        "from now on kept; add to api-v1.txt:\n{}",
        new.join("\n")
    );
}

#[test]
fn nothing_more_is_asked_of_those_who_send() {
    for line in KEPT.lines().filter(|line| line.starts_with("required ")) {
        let agreed = [
            "required CopiesIn.records",
            "required NewClient.client_id",
            "required NewTokenIn.name",
            "required NewTokenIn.scopes",
            "required RecordCompletion.status",
            "required RecordNamed.run_id",
            "required StageFinish.status",
        ];
        assert!(agreed.contains(&line), "programs do not send it: {line}");
    }
}

#[tokio::test]
async fn a_cursor_of_an_older_version_goes_on_where_it_was() {
    let world = World::new();
    world.run("r1", &["a", "b"]).await;
    for (cursor, next) in [("0-1", "r1/a"), ("0-2", "r1/b")] {
        let page = world
            .get(&format!("/v1/records?limit=1&cursor={cursor}"))
            .await
            .check(200, "");
        assert_eq!(page.json["records"][0]["key"], next);
    }
    let lines = world.get("/v1/activity?limit=1&cursor=0-2").await.check(200, "");
    lines.has("/activity/0/seq", 3);
    // 6 h after the start of every test, in microseconds and hexadecimal.
    world.clock.forward(24 * 3_600);
    let first = world.get("/v1/stalled?limit=1").await.check(200, "");
    first.has("/next", "63fad6b382e40-1");
}
