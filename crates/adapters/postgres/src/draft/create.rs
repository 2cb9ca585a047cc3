//! Permits in a draft: all of a creation, or nothing of it (I1, I2, I7, I9).

use std::collections::HashMap;
use std::sync::Arc;

use runledger_domain::creation::{AttemptLine, JobEvidence, Obstacle};
use runledger_domain::{AttemptId, CreationIntent, CreationPermit, RecordKind, RunKey, RunRecord, Source};
use runledger_ports::CreateOutcome;

use super::{Common, Draft, Drafted, Guarded, Known};
use crate::columns::encode;
use crate::error::StoreError;

/// A permit whose record is written as JSON already, by the caller, so that the writer need not.
pub(crate) struct Prepared {
    pub(crate) permit: CreationPermit,
    record: Arc<RunRecord>,
    body: Arc<str>,
}

impl Prepared {
    pub(crate) fn new(permit: CreationPermit) -> Result<Self, StoreError> {
        let body = encode(permit.record())?.into();
        let record = Arc::new(permit.record().clone());
        Ok(Self { permit, record, body })
    }
}

pub(crate) fn is_minted_job(intent: &CreationIntent) -> bool {
    intent.minted && intent.key.kind() == RecordKind::Job
}

/// What one permit comes to, before anything is taken into the draft.
struct Decided {
    obstacle: Option<Obstacle>,
    job: JobEvidence,
    met: Option<Met>,
}

/// A record that a permit met.
struct Met {
    record: Arc<RunRecord>,
    /// Whether it is stored, or written by an operation before this one; and not by a permit before it in its own.
    durable: bool,
}

/// Where in an operation the records are that its permits are to insert.
#[derive(Default)]
struct Places {
    by_key: HashMap<RunKey, usize>,
    by_attempt: HashMap<(Source, AttemptId), usize>,
}

impl Draft<'_> {
    /// Decides a creation and takes what comes of it. The permits are spent when the call is answered.
    pub(crate) fn create(&mut self, member: usize, permits: &[Prepared]) -> Drafted<Vec<CreateOutcome>> {
        let mut places = Places::default();
        let mut decided: Vec<Decided> = Vec::with_capacity(permits.len());
        let mut sure = true;
        for prepared in permits {
            self.touch_intent(member, prepared.permit.intent());
            let Some((decision, is_sure)) = self.decide(&places, permits, &decided, prepared) else {
                return Drafted::LookFirst;
            };
            sure &= is_sure;
            if decision.obstacle.is_none() {
                places.note(prepared.permit.intent(), decided.len());
            }
            decided.push(decision);
        }
        if !sure && decided.iter().any(|decision| decision.obstacle.is_some()) {
            return Drafted::LookFirst;
        }
        let stands_against = |decision: &Decided| {
            matches!(
                decision.obstacle,
                Some(Obstacle::Conflict { .. } | Obstacle::Refusal(_))
            )
        };
        let fails = decided.iter().any(stands_against);
        let outcomes = permits.iter().zip(decided);
        Drafted::Answer(
            outcomes
                .map(|(prepared, decision)| self.conclude(member, prepared, decision, fails))
                .collect(),
        )
    }

    fn touch_intent(&mut self, member: usize, intent: &CreationIntent) {
        self.touch(member, &intent.key);
        if is_minted_job(intent) {
            let attempt = Common::Minted(intent.source.clone(), intent.attempt.clone());
            self.groups.join(member, attempt);
        }
    }

    /// What a permit comes to, and whether that is sure; `None` when too little is known even to guess.
    fn decide(
        &self,
        places: &Places,
        permits: &[Prepared],
        before: &[Decided],
        prepared: &Prepared,
    ) -> Option<(Decided, bool)> {
        let (permit, intent) = (&prepared.permit, prepared.permit.intent());
        let (met, mut sure) = self.met(places, permits, intent);
        let job = match intent.key.kind() {
            RecordKind::Job => JobEvidence::Missing,
            RecordKind::Client => {
                let place = places.by_key.get(&intent.key.job());
                let (job, is_sure) = place.map_or_else(
                    || self.job(&intent.key),
                    |place| (JobEvidence::of(Some(&permits[*place].record)), true),
                );
                sure &= is_sure;
                job
            }
        };
        let load = match intent.key.client() {
            Some(client) if permit.needs_load() => {
                let added = before.iter().zip(permits).filter(|(decision, other)| {
                    decision.obstacle.is_none() && other.permit.key().client() == Some(client)
                });
                let added = runledger_domain::ClientLoad::of(added.map(|(_, other)| &*other.record));
                self.load(client)? + added
            }
            _ => runledger_domain::ClientLoad::default(),
        };
        let obstacle = permit.obstacle(met.as_ref().map(|met| &*met.record), job, load);
        Some((Decided { obstacle, job, met }, sure))
    }

    /// What a permit has to be compared with, and whether that is sure. What the same attempt started comes first,
    /// wherever it is, and then whatever holds the key (I7).
    fn met(&self, places: &Places, permits: &[Prepared], intent: &CreationIntent) -> (Option<Met>, bool) {
        let durable = |record: &Arc<RunRecord>| Met {
            record: Arc::clone(record),
            durable: true,
        };
        let before_it = |place: &usize| Met {
            record: Arc::clone(&permits[*place].record),
            durable: false,
        };
        let mut sure = true;
        if is_minted_job(intent) {
            let attempt = (intent.source.clone(), intent.attempt.clone());
            if let Some(touched) = self.minted.get(&attempt).and_then(|key| self.records.get(key)) {
                return (Some(durable(&touched.now)), true);
            }
            match self.evidence.minted.get(&attempt) {
                // It may have changed in this very call.
                Some(Some(seen)) => {
                    let now = self
                        .records
                        .get(seen.record.key())
                        .map_or(&seen.record, |touched| &touched.now);
                    return (Some(durable(now)), true);
                }
                Some(None) => {}
                None => sure = false,
            }
            if let Some(place) = places.by_attempt.get(&attempt) {
                return (Some(before_it(place)), sure);
            }
        }
        match self.look(&intent.key) {
            Known::There(found) => (Some(durable(&found.record)), sure && found.sure),
            known => {
                sure &= matches!(known, Known::Free);
                (places.by_key.get(&intent.key).map(before_it), sure)
            }
        }
    }

    /// Takes what was decided about one permit: its record, unless the creation fails, and its line (I6).
    fn conclude(&mut self, member: usize, prepared: &Prepared, decided: Decided, fails: bool) -> CreateOutcome {
        let intent = prepared.permit.intent();
        match (decided.obstacle, decided.met) {
            (None, _) if !fails => {
                self.guard(member, prepared, decided.job);
                self.insert(Arc::clone(&prepared.record), Arc::clone(&prepared.body));
                self.line(member, prepared.permit.activity());
                CreateOutcome::Created(Arc::clone(&prepared.record))
            }
            (Some(Obstacle::Replay), Some(met)) if met.durable || !fails => {
                self.line(member, AttemptLine::of(intent).replayed(&met.record));
                CreateOutcome::Replayed(met.record)
            }
            (Some(Obstacle::Conflict { differs_in }), Some(met)) => {
                self.line(member, AttemptLine::of(intent).conflict(&met.record, &differs_in));
                CreateOutcome::Conflict {
                    existing: met.record,
                    differs_in,
                }
            }
            (Some(Obstacle::Refusal(refusal)), _) => {
                self.line(
                    member,
                    AttemptLine::of(intent).refused(refusal.code(), refusal.to_string()),
                );
                CreateOutcome::Refused(refusal)
            }
            // What a repetition within the creation would repeat is not created either.
            (_, _) => {
                self.line(member, AttemptLine::of(intent).withheld());
                CreateOutcome::Withheld
            }
        }
    }

    /// The new record is written only if what it was decided on still holds.
    fn guard(&mut self, member: usize, prepared: &Prepared, job: JobEvidence) {
        let intent = prepared.permit.intent();
        if let Some(client) = intent.key.client() {
            self.guard_job(member, &intent.key, job);
            if prepared.permit.needs_load() {
                self.guard_load(member, client);
            }
        }
        if is_minted_job(intent) {
            let attempt = (intent.source.clone(), intent.attempt.clone());
            self.guards
                .insert(Guarded::Minted(attempt.0.clone(), attempt.1.clone()), (member, (0, 0)));
            self.minted.insert(attempt, intent.key.clone());
        }
    }
}

impl Places {
    fn note(&mut self, intent: &CreationIntent, place: usize) {
        self.by_key.insert(intent.key.clone(), place);
        if is_minted_job(intent) {
            self.by_attempt
                .insert((intent.source.clone(), intent.attempt.clone()), place);
        }
    }
}
