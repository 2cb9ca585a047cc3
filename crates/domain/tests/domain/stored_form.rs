//! The stored form of a record: what this version writes, every later version reads (I17).

use runledger_domain::{Command, Completion, CreationContent, MetricChange, Outcome, RunRecord, Update};

use crate::{applied, record};

/// A record with something in every field.
fn full() -> RunRecord {
    let content = CreationContent {
        client_name: Some("Zoë C. Clark 🚀".parse().unwrap()),
        batch: Some("stream-1".parse().unwrap()),
        external_ids: vec!["apify:8MSTBAfqMzuXPvgB3".parse().unwrap()],
        note: Some("first\n\"second\"".parse().unwrap()),
        ..CreationContent::default()
    };
    let metrics = MetricChange {
        add: [("cost".parse().unwrap(), "0.18".parse().unwrap())].into(),
        ..Default::default()
    };
    let fresh = record("250925-231841-Zoe-C-Clark", content);
    let update = Update {
        metrics: metrics.clone(),
        update_id: Some("chunk-1".parse().unwrap()),
        ..Update::default()
    };
    let updated = applied(&fresh, 1, &Command::Update(update));
    let begun = applied(
        &updated,
        2,
        &Command::StartStage {
            name: "harvest".parse().unwrap(),
        },
    );
    let done = Command::FinishStage {
        name: "harvest".parse().unwrap(),
        outcome: Outcome::Succeeded,
        metrics,
    };
    let finished = applied(&begun, 3, &done);
    let end = Completion {
        outcome: Outcome::SucceededWithErrors,
        note: Some("two posts failed".parse().unwrap()),
        close_open: false,
    };
    applied(&finished, 4, &Command::Complete(end))
}

#[test]
fn the_stored_form_is_the_one_that_was_agreed_on() {
    let stored = include_str!("record-v1.json");
    let written = serde_json::to_string_pretty(&full()).unwrap();
    assert_eq!(
        written.trim(),
        stored.trim(),
        "the stored form changed: older ledgers would not be readable"
    );
}

#[test]
fn i17_a_stored_record_is_read_back_as_it_was() {
    let read: RunRecord = serde_json::from_str(include_str!("record-v1.json")).unwrap();
    assert_eq!(read, full());
}

#[test]
fn a_stored_record_that_breaks_a_rule_is_not_read() {
    for (from, to) in [
        ("250925-231841", "250932-231841"),
        ("0.36", "-1"),
        ("orchestrator", "system"),
    ] {
        let broken = include_str!("record-v1.json").replace(from, to);
        assert!(serde_json::from_str::<RunRecord>(&broken).is_err(), "{from} -> {to}");
    }
}
