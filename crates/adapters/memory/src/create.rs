//! Spending permits: all of a batch, or nothing of it (I1, I2, I7, I9).
//!
//! First every permit is decided, in order, on what is stored and on what the permits before it would insert. Only then
//! is anything written: the whole batch, or one line for each of its permits (I6).

use std::sync::Arc;

use runledger_domain::creation::{AttemptLine, CreateDecision, JobEvidence, NewRecord};
use runledger_domain::{
    ClientId, ClientLoad, CreationField, CreationIntent, CreationPermit, CreationRefusal, RecordKind, RunKey, RunRecord,
};
use runledger_ports::CreateOutcome;

use crate::ledger::Ledger;

/// What is to become of one permit, before anything is written.
enum Decided {
    Insert(NewRecord, CreationIntent),
    Replay(Met, CreationIntent),
    Conflict(Met, CreationIntent, Vec<CreationField>),
    Refuse(CreationRefusal, CreationIntent),
}

/// The record that a permit met.
struct Met {
    record: Arc<RunRecord>,
    /// Whether it is stored, or only to be inserted by a permit before this one.
    stored: bool,
}

pub(crate) fn create(ledger: &mut Ledger, permits: Vec<CreationPermit>) -> Vec<CreateOutcome> {
    let mut batch = Vec::with_capacity(permits.len());
    for permit in permits {
        let decided = decide(ledger, &batch, permit);
        batch.push(decided);
    }
    let fails = batch
        .iter()
        .any(|decided| matches!(decided, Decided::Conflict(..) | Decided::Refuse(..)));
    batch
        .into_iter()
        .map(|decided| conclude(ledger, decided, fails))
        .collect()
}

fn decide(ledger: &Ledger, before: &[Decided], permit: CreationPermit) -> Decided {
    let intent = permit.intent().clone();
    let met = minted_before(ledger, before, &intent).or_else(|| holder(ledger, before, &intent.key));
    let job = match intent.key.kind() {
        RecordKind::Job => JobEvidence::Missing,
        RecordKind::Client => {
            let job = holder(ledger, before, &intent.key.job());
            JobEvidence::of(job.as_ref().map(|met| &*met.record))
        }
    };
    let load = match intent.key.client() {
        Some(client) if permit.needs_load() => load_of(ledger, before, client),
        _ => ClientLoad::default(),
    };
    match (permit.decide(met.as_ref().map(|met| &*met.record), job, load), met) {
        (CreateDecision::Replay, Some(met)) => Decided::Replay(met, intent),
        (CreateDecision::Conflict { differs_in }, Some(met)) => Decided::Conflict(met, intent, differs_in),
        (CreateDecision::Insert(new), None) => Decided::Insert(new, intent),
        (CreateDecision::Refuse(refusal), _) => Decided::Refuse(refusal, intent),
        (decision, met) => unreachable!(
            "the domain compares exactly when there is a record to compare with: {decision:?}, met {}",
            met.is_some()
        ),
    }
}

/// What the client's open records come to, as the permits before this one leave them.
fn load_of(ledger: &Ledger, before: &[Decided], client: &ClientId) -> ClientLoad {
    let added = ClientLoad::of(before.iter().filter_map(|decided| match decided {
        Decided::Insert(new, _) if new.record().key().client() == Some(client) => Some(new.record()),
        Decided::Insert(..) | Decided::Replay(..) | Decided::Conflict(..) | Decided::Refuse(..) => None,
    }));
    ledger.load_of(client) + added
}

/// The record under a key, as the permits before this one leave it.
fn holder(ledger: &Ledger, before: &[Decided], key: &RunKey) -> Option<Met> {
    let stored = ledger.get(key).map(|record| Met {
        record: Arc::clone(record),
        stored: true,
    });
    stored.or_else(|| inserted_before(before, |new| new.key() == key))
}

/// What the same source created in the same attempt under another run id that the ledger chose (I7).
fn minted_before(ledger: &Ledger, before: &[Decided], intent: &CreationIntent) -> Option<Met> {
    if !intent.minted || intent.key.kind() != RecordKind::Job {
        return None;
    }
    let stored = ledger.minted(&intent.source, &intent.attempt).map(|record| Met {
        record: Arc::clone(record),
        stored: true,
    });
    stored.or_else(|| {
        inserted_before(before, |new| {
            let creation = new.creation();
            let same_attempt = creation.source == intent.source && creation.attempt == intent.attempt;
            creation.minted && new.key().kind() == RecordKind::Job && same_attempt
        })
    })
}

fn inserted_before(before: &[Decided], matches: impl Fn(&RunRecord) -> bool) -> Option<Met> {
    before.iter().find_map(|decided| match decided {
        Decided::Insert(new, _) if matches(new.record()) => Some(Met {
            record: Arc::new(new.record().clone()),
            stored: false,
        }),
        Decided::Insert(..) | Decided::Replay(..) | Decided::Conflict(..) | Decided::Refuse(..) => None,
    })
}

/// Writes what was decided about one permit: its record, unless the batch fails, and its line.
fn conclude(ledger: &mut Ledger, decided: Decided, batch_fails: bool) -> CreateOutcome {
    match decided {
        Decided::Insert(new, _) if !batch_fails => CreateOutcome::Created(ledger.insert(new)),
        Decided::Replay(met, intent) if met.stored || !batch_fails => {
            ledger.log(AttemptLine::of(&intent).replayed(&met.record));
            CreateOutcome::Replayed(met.record)
        }
        // What a replay within the batch would repeat is not created either.
        Decided::Insert(_, intent) | Decided::Replay(_, intent) => {
            ledger.log(AttemptLine::of(&intent).withheld());
            CreateOutcome::Withheld
        }
        Decided::Conflict(met, intent, differs_in) => {
            ledger.log(AttemptLine::of(&intent).conflict(&met.record, &differs_in));
            CreateOutcome::Conflict {
                existing: met.record,
                differs_in,
            }
        }
        Decided::Refuse(refusal, intent) => {
            ledger.log(AttemptLine::of(&intent).refused(refusal.code(), refusal.to_string()));
            CreateOutcome::Refused(refusal)
        }
    }
}
