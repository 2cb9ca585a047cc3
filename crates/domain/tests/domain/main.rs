//! The rules as a user of the crate sees them.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets an error it does not expect ends there"
)]

mod kept_forms;
mod life_cycle;
mod quotas;
mod random_lives;
mod stored_form;

use runledger_domain::creation::{CreateDecision, JobEvidence};
use runledger_domain::{
    Change, ChangeContext, ChangeEvidence, ChangeRefusal, ClientLoad, Command, CreationContent, CreationIntent,
    CreationPolicy, RunRecord, Timestamp, change::apply,
};

fn second(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000).unwrap()
}

/// A record created at second 0.
#[expect(clippy::disallowed_methods, reason = "the tests stand in for the creation point")]
fn record(key: &str, content: CreationContent) -> RunRecord {
    let source = "orchestrator".parse().unwrap();
    let intent = CreationIntent::new(key.parse().unwrap(), source, "attempt-1".parse().unwrap(), second(0));
    let permit = CreationPolicy::default()
        .allow_import("orchestrator".parse().unwrap())
        .authorise(intent.with_content(content))
        .unwrap();
    match permit.decide(None, JobEvidence::Open, ClientLoad::default()) {
        CreateDecision::Insert(new) => new.into_record(),
        other => panic!("{other:?}"),
    }
}

fn context(at: i64) -> ChangeContext {
    ChangeContext::new("batch_process".parse().unwrap(), second(at))
}

/// Applies a command that must be accepted and change something.
fn applied(record: &RunRecord, at: i64, command: &Command) -> RunRecord {
    match apply(record, &context(at), command, ChangeEvidence::default()).unwrap() {
        Change::Applied { record, .. } => *record,
        Change::Unchanged => panic!("{command:?} changed nothing"),
    }
}

/// A job with so many open client records.
fn open_clients(open_clients: usize) -> ChangeEvidence {
    ChangeEvidence {
        open_clients,
        ..ChangeEvidence::default()
    }
}

fn refused(record: &RunRecord, at: i64, command: &Command) -> ChangeRefusal {
    apply(record, &context(at), command, ChangeEvidence::default()).unwrap_err()
}
