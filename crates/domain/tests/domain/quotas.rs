//! Quotas: what one client may hold at once, decided from what its open records come to.

use std::num::NonZeroU32;

use runledger_domain::change::apply;
use runledger_domain::creation::{CreateDecision, Imported, Initial, JobEvidence};
use runledger_domain::{
    Change, ChangeEvidence, ClientLoad, Command, Completion, CreationContent, CreationIntent, CreationPermit,
    CreationPolicy, Metrics, Outcome, Quotas, Status, Update,
};

use crate::{context, record, second};

const JOB: &str = "250925-231841";
const CLIENT: &str = "250925-231841-acme";

fn quotas(open_records: u32, notes: u32) -> Quotas {
    Quotas {
        open_records: NonZeroU32::new(open_records),
        notes: NonZeroU32::new(notes),
    }
}

fn noted() -> CreationContent {
    CreationContent {
        note: Some("begun".parse().unwrap()),
        ..CreationContent::default()
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests stand in for the creation point")]
fn permit(quotas: Quotas, key: &str, content: CreationContent) -> CreationPermit {
    let source = "orchestrator".parse().unwrap();
    let intent = CreationIntent::new(key.parse().unwrap(), source, "attempt-1".parse().unwrap(), second(0));
    CreationPolicy::default()
        .allow_import("orchestrator".parse().unwrap())
        .limit_clients(quotas)
        .authorise(intent.with_content(content))
        .unwrap()
}

/// The code with which a creation is refused, or nothing.
fn decided(quotas: Quotas, key: &str, content: CreationContent, load: ClientLoad) -> &'static str {
    match permit(quotas, key, content).decide(None, JobEvidence::Open, load) {
        CreateDecision::Insert(_) => "",
        CreateDecision::Refuse(refusal) => refusal.code(),
        other => panic!("{other:?}"),
    }
}

fn load(records: u64, notes: u64) -> ClientLoad {
    ClientLoad { records, notes }
}

fn note() -> Command {
    Command::Update(Update {
        note: Some("more".parse().unwrap()),
        update_id: Some("u-1".parse().unwrap()),
        ..Update::default()
    })
}

#[test]
fn a_creation_is_refused_at_the_quota_and_not_below_it() {
    let plain = CreationContent::default;
    assert_eq!(decided(quotas(2, 0), CLIENT, plain(), load(1, 900)), "");
    assert_eq!(decided(quotas(2, 0), CLIENT, plain(), load(2, 0)), "open_records_quota");
    // A bound that was lowered stands until enough has ended.
    assert_eq!(decided(quotas(2, 0), CLIENT, plain(), load(9, 0)), "open_records_quota");
    assert_eq!(decided(quotas(0, 3), CLIENT, noted(), load(900, 2)), "");
    assert_eq!(decided(quotas(0, 3), CLIENT, noted(), load(1, 3)), "notes_quota");
    assert_eq!(
        decided(quotas(0, 3), CLIENT, plain(), load(1, 3)),
        "",
        "it brings no note"
    );
    assert_eq!(decided(Quotas::NONE, CLIENT, noted(), load(u64::MAX, u64::MAX)), "");
}

#[test]
fn jobs_and_imports_are_under_no_quota() {
    let full = load(u64::MAX, u64::MAX);
    assert_eq!(decided(quotas(1, 1), JOB, noted(), full), "");
    let past = Imported::new(Status::Running, Some(second(0)), None, Metrics::default()).unwrap();
    let imported = CreationContent {
        initial: Initial::Imported(Box::new(past)),
        ..noted()
    };
    assert_eq!(decided(quotas(1, 1), CLIENT, imported, full), "");
}

#[test]
fn i7_a_retry_is_answered_however_much_the_client_holds() {
    let there = record(CLIENT, noted());
    let again = permit(quotas(1, 1), CLIENT, noted()).decide(Some(&there), JobEvidence::Open, load(9, 9));
    assert!(matches!(again, CreateDecision::Replay));
}

#[test]
fn a_note_is_refused_at_the_quota_and_its_repetition_is_not() {
    let client = record(CLIENT, CreationContent::default());
    let within = |bound, notes| {
        let context = runledger_domain::ChangeContext {
            quotas: quotas(0, bound),
            ..context(1)
        };
        let evidence = ChangeEvidence {
            load: load(1, notes),
            ..ChangeEvidence::default()
        };
        (context, evidence)
    };
    let (context, evidence) = within(3, 3);
    let refusal = apply(&client, &context, &note(), evidence).unwrap_err();
    assert_eq!(refusal.code(), "notes_quota");
    assert!(refusal.to_string().contains("acme hold 3 notes"), "{refusal}");
    let (context, evidence) = within(3, 2);
    let Ok(Change::Applied { record: noted, .. }) = apply(&client, &context, &note(), evidence) else {
        panic!("there was room for one more");
    };
    let (context, evidence) = within(3, 3);
    assert_eq!(apply(&noted, &context, &note(), evidence), Ok(Change::Unchanged));
    // What is said at the end of a record stands with its end, and the end frees what the record held.
    let end = Command::Complete(Completion {
        outcome: Outcome::Failed,
        note: Some("gave up".parse().unwrap()),
        close_open: false,
    });
    assert!(matches!(
        apply(&noted, &context, &end, evidence),
        Ok(Change::Applied { .. })
    ));
    let job = record(JOB, CreationContent::default());
    assert!(matches!(
        apply(&job, &context, &note(), evidence),
        Ok(Change::Applied { .. })
    ));
}

#[test]
fn only_open_records_weigh() {
    let open = record(CLIENT, noted());
    let ended = crate::applied(
        &open,
        1,
        &Command::Complete(Completion {
            outcome: Outcome::Failed,
            note: None,
            close_open: false,
        }),
    );
    assert_eq!(ClientLoad::of([&open, &open]), load(2, 2));
    assert_eq!(ClientLoad::of([&open, &ended]), load(1, 1));
}
