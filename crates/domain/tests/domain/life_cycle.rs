//! What may happen to a record, and what may not.

use std::time::Duration;

use runledger_domain::change::{apply, close_with_job};
use runledger_domain::creation::ImportedError;
use runledger_domain::metric::METRICS_MAX;
use runledger_domain::{
    Change, ChangeEvidence, Command, Completion, CreationContent, Imported, Initial, MetricChange, MetricValue,
    Metrics, Outcome, Status, Update,
};

use crate::{applied, context, open_clients, record, refused, second};

const KEY: &str = "250925-231841-acme";

fn complete(outcome: Outcome) -> Command {
    Command::Complete(Completion {
        outcome,
        note: None,
        close_open: false,
    })
}

fn start(name: &str) -> Command {
    Command::StartStage {
        name: name.parse().unwrap(),
    }
}

fn finish(name: &str, outcome: Outcome, posts: &str) -> Command {
    let add = [("posts".parse().unwrap(), posts.parse().unwrap())].into();
    let metrics = MetricChange {
        add,
        ..MetricChange::default()
    };
    Command::FinishStage {
        name: name.parse().unwrap(),
        outcome,
        metrics,
    }
}

fn add_posts(posts: &str, update_id: Option<&str>) -> Command {
    let add = [("posts".parse().unwrap(), posts.parse().unwrap())].into();
    let update_id = update_id.map(|id| id.parse().unwrap());
    Command::Update(Update {
        metrics: MetricChange {
            add,
            ..MetricChange::default()
        },
        update_id,
        ..Update::default()
    })
}

#[test]
fn i5_an_end_is_final_for_every_command() {
    let ended = applied(&record(KEY, CreationContent::default()), 5, &complete(Outcome::Failed));
    let commands = [
        complete(Outcome::Succeeded),
        Command::Heartbeat,
        add_posts("1", None),
        start("harvest"),
        finish("harvest", Outcome::Succeeded, "1"),
        Command::DeclareLost { grace: Duration::ZERO },
    ];
    for command in commands {
        assert_eq!(
            refused(&ended, 1_000_000, &command).code(),
            "already_ended",
            "{command:?}"
        );
    }
    let with_note = Command::Complete(Completion {
        outcome: Outcome::Failed,
        note: Some("why".parse().unwrap()),
        close_open: false,
    });
    assert_eq!(refused(&ended, 6, &with_note).code(), "already_ended");
    assert_eq!(
        apply(
            &ended,
            &context(6),
            &complete(Outcome::Failed),
            ChangeEvidence::default()
        ),
        Ok(Change::Unchanged)
    );
}

#[test]
fn i7_a_delta_with_an_id_counts_once_even_after_the_end() {
    let one = applied(
        &record(KEY, CreationContent::default()),
        1,
        &add_posts("2", Some("chunk-1")),
    );
    assert_eq!(
        apply(
            &one,
            &context(2),
            &add_posts("2", Some("chunk-1")),
            ChangeEvidence::default()
        ),
        Ok(Change::Unchanged)
    );
    assert_eq!(
        refused(&one, 2, &add_posts("3", Some("chunk-1"))).code(),
        "update_id_reused"
    );
    let ended = applied(&one, 3, &complete(Outcome::Succeeded));
    assert_eq!(
        apply(
            &ended,
            &context(9),
            &add_posts("2", Some("chunk-1")),
            ChangeEvidence::default()
        ),
        Ok(Change::Unchanged)
    );
    assert_eq!(ended.metrics().get("posts").unwrap().to_string(), "2");
}

#[test]
fn a_stage_reports_once_and_its_duration_comes_from_its_ends() {
    let begun = applied(&record(KEY, CreationContent::default()), 10, &start("harvest"));
    assert_eq!(
        apply(&begun, &context(11), &start("harvest"), ChangeEvidence::default()),
        Ok(Change::Unchanged)
    );
    let done = applied(&begun, 40, &finish("harvest", Outcome::Succeeded, "7"));
    assert_eq!(done.stages()[0].duration(), Some(Duration::from_secs(30)));
    assert_eq!(
        apply(
            &done,
            &context(50),
            &finish("harvest", Outcome::Succeeded, "7"),
            ChangeEvidence::default()
        ),
        Ok(Change::Unchanged)
    );
    assert_eq!(
        refused(&done, 50, &finish("harvest", Outcome::Succeeded, "8")).code(),
        "stage_ended"
    );
    assert_eq!(refused(&done, 50, &start("harvest")).code(), "stage_ended");
    assert_eq!(
        refused(&done, 50, &finish("scoring", Outcome::Failed, "1")).code(),
        "stage_not_started"
    );
    assert_eq!(done.metrics().get("posts").unwrap().to_string(), "7");
}

#[test]
fn what_is_open_keeps_a_record_open_unless_it_is_closed_with_it() {
    let begun = applied(&record(KEY, CreationContent::default()), 10, &start("harvest"));
    assert_eq!(refused(&begun, 20, &complete(Outcome::Succeeded)).code(), "open_stages");
    let close = Command::Complete(Completion {
        outcome: Outcome::Succeeded,
        note: None,
        close_open: true,
    });
    let ended = applied(&begun, 20, &close);
    assert_eq!(ended.stages()[0].end.as_ref().unwrap().outcome, Outcome::Cancelled);

    let job = record("250925-231841", CreationContent::default());
    assert_eq!(
        apply(&job, &context(20), &complete(Outcome::Succeeded), open_clients(3))
            .unwrap_err()
            .code(),
        "open_clients"
    );
    assert!(matches!(
        apply(&job, &context(20), &close, open_clients(3)),
        Ok(Change::Applied {
            close_clients: true,
            ..
        })
    ));
    let client = record(KEY, CreationContent::default());
    assert_eq!(
        close_with_job(&client, &context(20)).unwrap().status(),
        Status::Ended(Outcome::Cancelled)
    );
    assert_eq!(close_with_job(&ended, &context(20)), None);
}

#[test]
fn queued_work_begins_before_it_succeeds() {
    let queued = record(
        KEY,
        CreationContent {
            initial: Initial::Queued,
            ..CreationContent::default()
        },
    );
    assert_eq!(queued.status(), Status::Queued);
    assert_eq!(refused(&queued, 1, &complete(Outcome::Succeeded)).code(), "not_started");
    assert_eq!(applied(&queued, 1, &complete(Outcome::Skipped)).duration(), None);
    let running = applied(
        &queued,
        5,
        &Command::Update(Update {
            start: true,
            ..Update::default()
        }),
    );
    assert_eq!(running.state().started_at(), Some(second(5)));
    assert_eq!(applied(&queued, 7, &start("harvest")).status(), Status::Running);
}

#[test]
fn a_silent_record_is_lost_only_after_its_deadline_and_grace() {
    let quiet = record(KEY, CreationContent::default());
    let deadline = quiet.deadline().as_micros() / 1_000_000;
    let lost = Command::DeclareLost {
        grace: Duration::from_mins(1),
    };
    assert_eq!(refused(&quiet, deadline + 60, &lost).code(), "not_stalled");
    let beating = applied(&quiet, deadline - 1, &Command::Heartbeat);
    assert!(!beating.is_stalled(second(deadline + 1)));
    let ended = applied(&quiet, deadline + 61, &lost);
    assert_eq!(ended.status(), Status::Ended(Outcome::Lost));
    assert_eq!(
        refused(&ended, deadline + 62, &Command::Heartbeat).code(),
        "already_ended"
    );
}

#[test]
fn i18_a_clock_that_jumps_back_ends_nothing_before_it_began() {
    let begun = applied(&record(KEY, CreationContent::default()), 100, &start("harvest"));
    let done = applied(&begun, -500, &finish("harvest", Outcome::Succeeded, "1"));
    assert_eq!(done.stages()[0].duration(), Some(Duration::ZERO));
    let ended = applied(&done, -900, &complete(Outcome::Succeeded));
    assert_eq!(ended.duration(), Some(Duration::ZERO));
}

#[test]
fn an_empty_update_is_refused_and_a_seen_version_is_kept_to() {
    let fresh = record(KEY, CreationContent::default());
    assert_eq!(
        refused(&fresh, 1, &Command::Update(Update::default())).code(),
        "nothing_to_change"
    );
    let mut seen = context(1);
    seen.expected = Some(2);
    assert_eq!(
        apply(&fresh, &seen, &Command::Heartbeat, ChangeEvidence::default())
            .unwrap_err()
            .code(),
        "version_mismatch"
    );
    seen.expected = Some(1);
    assert!(matches!(
        apply(&fresh, &seen, &Command::Heartbeat, ChangeEvidence::default()),
        Ok(Change::Applied { .. })
    ));
}

#[test]
fn i7_an_update_that_asks_for_what_is_there_changes_nothing_whatever_version_was_seen() {
    let running = record(KEY, CreationContent::default());
    let reference = |ids: &[&str]| {
        Command::Update(Update {
            start: true,
            external_ids: ids.iter().map(|id| id.parse().unwrap()).collect(),
            ..Update::default()
        })
    };
    let mut seen = context(1);
    seen.expected = Some(1);
    assert_eq!(
        apply(&running, &seen, &reference(&[]), ChangeEvidence::default()),
        Ok(Change::Unchanged)
    );
    let referred = applied(&running, 2, &reference(&["apify:1"]));
    assert_eq!(
        apply(&referred, &seen, &reference(&["apify:1"]), ChangeEvidence::default()),
        Ok(Change::Unchanged)
    );
    let ended = applied(&referred, 3, &complete(Outcome::Succeeded));
    assert_eq!(refused(&ended, 4, &reference(&["apify:1"])).code(), "already_ended");
}

#[test]
fn i7_an_update_id_tells_updates_apart_whose_texts_read_alike() {
    let update = |metrics: &[(&str, &str)], note: &str, ids: &[&str]| {
        Command::Update(Update {
            metrics: MetricChange {
                set: metrics
                    .iter()
                    .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                    .collect(),
                ..MetricChange::default()
            },
            note: Some(note.parse().unwrap()),
            external_ids: ids.iter().map(|id| id.parse().unwrap()).collect(),
            update_id: Some("update-1".parse().unwrap()),
            ..Update::default()
        })
    };
    let first = applied(
        &record(KEY, CreationContent::default()),
        1,
        &update(&[("note", "5")], "X", &[]),
    );
    let other = update(&[], "5", &["note:X"]);
    assert_eq!(refused(&first, 2, &other).code(), "update_id_reused");
    let listed = update(&[], "n", &["a:1", "b:2"]);
    let again = applied(&record(KEY, CreationContent::default()), 1, &listed);
    assert_eq!(
        apply(
            &again,
            &context(2),
            &update(&[], "n", &["b:2", "a:1"]),
            ChangeEvidence::default()
        ),
        Ok(Change::Unchanged)
    );
}

#[test]
fn an_imported_end_that_nobody_knows_stays_unknown() {
    let past = |status, start: Option<i64>, metrics| Imported::new(status, start.map(second), None, metrics);
    let ended = Status::Ended(Outcome::Succeeded);
    let content = CreationContent {
        initial: Initial::Imported(Box::new(past(ended, Some(-9), Metrics::default()).unwrap())),
        ..CreationContent::default()
    };
    let imported = record(KEY, content);
    assert_eq!(imported.state().ending().unwrap().ended_at, None);
    assert_eq!(imported.duration(), None);
    let late = refused(&imported, 5, &Command::Heartbeat);
    assert!(late.to_string().contains("ended as succeeded, said by"), "{late}");
    assert_eq!(
        past(Status::Queued, Some(1), Metrics::default()),
        Err(ImportedError::StartOfQueued)
    );
    let many = (0..=METRICS_MAX).map(|n| (format!("m{n}").parse().unwrap(), MetricValue::ZERO));
    assert_eq!(
        past(ended, None, many.collect()),
        Err(ImportedError::TooManyMetrics { count: METRICS_MAX + 1 })
    );
    let stored = r#"{"status":"running","started_at":"2025-09-25T00:00:00Z","ended_at":"2025-09-26T00:00:00Z"}"#;
    assert!(serde_json::from_str::<Imported>(stored).is_err());
}
