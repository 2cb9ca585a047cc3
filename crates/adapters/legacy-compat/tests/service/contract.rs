//! The replay of the older functions' contract, case by case. The same files are replayed in Node, against the real server
//! (`node/test/contract.test.js`).

use serde_json::Value;

use super::World;

fn cases() -> Vec<Value> {
    serde_json::from_str(include_str!("../contract/cases.json")).unwrap()
}

/// Whether what was answered has everything that is expected of it. `{"$has": text}` is a text that holds it,
/// `{"$absent": true}` no member at all.
fn fits(expected: &Value, found: Option<&Value>) -> bool {
    let Value::Object(members) = expected else {
        return match (expected.as_f64(), found.and_then(Value::as_f64)) {
            (Some(expected), Some(found)) => expected.to_bits() == found.to_bits(),
            _ => Some(expected) == found,
        };
    };
    if let Some(text) = members.get("$has") {
        let found = found.and_then(Value::as_str);
        return found.is_some_and(|found| found.contains(text.as_str().unwrap()));
    }
    if members.contains_key("$absent") {
        return found.is_none();
    }
    members
        .iter()
        .all(|(name, expected)| fits(expected, found.and_then(|found| found.get(name))))
}

#[tokio::test]
async fn every_case_of_the_contract_is_as_it_was_or_as_the_table_of_differences_says() {
    for case in cases() {
        let name = format!("{}: {}", case["table"], case["name"]);
        let world = if case["begun"] == true {
            World::begun().await
        } else {
            World::new()
        };
        for step in case["steps"].as_array().unwrap() {
            let function = step["call"].as_str().unwrap();
            let arguments = step["arguments"].to_string();
            let Some(refused) = step.get("refused") else {
                let answer = world.call(function, &arguments, None).await;
                let answer = answer.unwrap_or_else(|error| panic!("{name}: {function} {arguments}: {error}"));
                let is_expected = step.get("answers").is_none_or(|expected| fits(expected, Some(&answer)));
                assert!(is_expected, "{name}: {function} {arguments}: {answer}");
                continue;
            };
            let (code, words) = (refused["code"].as_str().unwrap(), refused["words"].as_str().unwrap());
            world.refused(function, &arguments, code, words).await;
        }
    }
}

#[tokio::test]
async fn every_spelling_of_a_run_id_leads_to_its_key_or_is_refused_by_name() {
    let rows: Vec<Value> = serde_json::from_str(include_str!("../contract/run-ids.json")).unwrap();
    let world = World::new();
    assert!(rows.len() > 70);
    for row in rows {
        let arguments = serde_json::json!([row[1], row[2]]).to_string();
        if let Some(key) = row[3].as_str() {
            assert_eq!(world.done("normalizeRunId", &arguments).await, key, "{row}");
            continue;
        }
        let words = row[4].as_str().unwrap();
        world
            .refused("normalizeRunId", &arguments, "run_id_invalid", words)
            .await;
    }
}
