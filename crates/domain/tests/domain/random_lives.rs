//! Random lives: whatever is asked of a record in whatever order, the invariants hold after every step.

use std::time::Duration;

use proptest::prelude::*;
use runledger_domain::change::apply;
use runledger_domain::{
    Change, ChangeEvidence, Command, Completion, CreationContent, MetricChange, Outcome, RunId, RunKey, RunRecord,
    Update,
};

use crate::{context, open_clients, record};

/// Run ids of every form, what only looks like one, and both with something behind them.
const RUN_IDS: &str = "([0-9]{6}-[0-9]{6}|[0-7][0-9A-HJKMNP-TV-Z]{25}|[0-9a-fA-F]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-z]{1,8})([-._a-zA-Z0-9]{0,12})";

fn outcome() -> impl Strategy<Value = Outcome> {
    prop::sample::select(Outcome::ALL.to_vec())
}

fn metrics() -> impl Strategy<Value = MetricChange> {
    let values = || prop::collection::btree_map("[abc]", "(0|[1-9][0-9]{0,2})(\\.[0-9]{1,9})?", 0..3);
    let read = |map: std::collections::BTreeMap<String, String>| {
        map.into_iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    };
    (values(), values(), values()).prop_map(move |(add, max, set)| MetricChange {
        add: read(add),
        max: read(max),
        set: read(set),
    })
}

fn command() -> impl Strategy<Value = Command> {
    let stage = || "[xyz]".prop_map(|name| name.parse().unwrap());
    let note = || prop::option::of("[a-z ]{1,20}x".prop_map(|text| text.parse().unwrap()));
    prop_oneof![
        4 => (any::<bool>(), metrics(), note(), prop::option::of("[pq]")).prop_map(|(start, metrics, note, id)| {
            let update_id = id.map(|id| id.parse().unwrap());
            Command::Update(Update { start, metrics, note, external_ids: Vec::new(), update_id })
        }),
        2 => stage().prop_map(|name| Command::StartStage { name }),
        2 => (stage(), outcome(), metrics())
            .prop_map(|(name, outcome, metrics)| Command::FinishStage { name, outcome, metrics }),
        2 => Just(Command::Heartbeat),
        1 => (outcome(), note(), any::<bool>())
            .prop_map(|(outcome, note, close_open)| Command::Complete(Completion { outcome, note, close_open })),
        1 => (0u64..100_000).prop_map(|grace| Command::DeclareLost { grace: Duration::from_secs(grace) }),
    ]
}

fn check_step(before: &RunRecord, after: &RunRecord) -> Result<(), TestCaseError> {
    prop_assert_eq!(after.key(), before.key());
    prop_assert_eq!(after.creation(), before.creation());
    prop_assert_eq!(after.version(), before.version() + 1);
    prop_assert!(before.status().is_open(), "an ended record changed");
    prop_assert!(after.notes().starts_with(before.notes()), "a note was edited");
    for (stage, was) in after.stages().iter().zip(before.stages()) {
        prop_assert!(was.end.is_none() || stage.end == was.end, "an ended stage changed");
        prop_assert!(stage.end.as_ref().is_none_or(|end| end.ended_at >= stage.started_at));
    }
    if let Some(ending) = after.state().ending() {
        prop_assert!(
            ending
                .started_at
                .is_none_or(|started_at| ending.ended_at >= Some(started_at))
        );
        prop_assert!(
            after.stages().iter().all(|stage| !stage.is_open()),
            "ended with an open stage"
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_invariants_hold_after_every_step(steps in prop::collection::vec((command(), -1_000i64..100_000, 0usize..2), 1..60)) {
        let mut now = record("250925-231841", CreationContent::default());
        for (command, at, clients) in steps {
            let context = context(at);
            match apply(&now, &context, &command, open_clients(clients)) {
                Ok(Change::Applied { record: next, .. }) => {
                    check_step(&now, &next)?;
                    // Every command but a plain heartbeat and an update without an id may be sent twice (I7).
                    let repeats = match &command {
                        Command::Heartbeat | Command::DeclareLost { .. } => false,
                        Command::Update(update) => update.update_id.is_some(),
                        _ => true,
                    };
                    if repeats {
                        prop_assert_eq!(apply(&next, &context, &command, ChangeEvidence::default()), Ok(Change::Unchanged));
                    }
                    now = *next;
                }
                Ok(Change::Unchanged) => {}
                Err(refusal) => prop_assert!(!refusal.to_string().is_empty() && !refusal.code().contains(' ')),
            }
        }
    }

    #[test]
    fn i15_every_key_survives_being_written_and_read(run in RUN_IDS, client in "[A-Za-z0-9][A-Za-z0-9_.-]{0,12}") {
        let Ok(run) = run.parse::<RunId>() else { return Ok(()) };
        for key in [RunKey::Job(run.clone()), RunKey::Client(run, client.parse().unwrap())] {
            prop_assert_eq!(key.to_string().parse::<RunKey>(), Ok(key));
        }
    }

    #[test]
    fn no_text_makes_a_parser_panic_and_what_is_read_is_written_the_same(text in "\\PC{0,80}") {
        macro_rules! check {
            ($($kind:ty),*) => {$(
                if let Ok(read) = text.parse::<$kind>() {
                    prop_assert_eq!(read.to_string(), text.as_str());
                }
            )*};
        }
        check!(
            runledger_domain::RunId,
            runledger_domain::ClientId,
            runledger_domain::Source,
            runledger_domain::AttemptId,
            runledger_domain::StageName,
            runledger_domain::MetricName,
            runledger_domain::ExternalId,
            runledger_domain::BatchLabel,
            runledger_domain::NoteText
        );
        let _ = text.parse::<runledger_domain::RunKey>();
        let _ = text.parse::<runledger_domain::MetricValue>();
        let _ = text.parse::<runledger_domain::Timestamp>();
    }
}
