//! Permits, and what spending one comes to (I1, I2, I7, I9).

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::{CreationContent, CreationField, CreationIntent, CreationRefusal, Initial, JobEvidence};
use crate::activity::{Action, NewActivity, Subject, Verdict};
use crate::attempt::AttemptId;
use crate::client_id::ClientId;
use crate::deadline::DeadlineAfter;
use crate::external_id::{EXTERNAL_IDS_MAX, normalised};
use crate::metric::Metrics;
use crate::note::{Note, NoteText};
use crate::quota::{ClientLoad, Quotas};
use crate::record::{Creation, RunRecord};
use crate::run_key::RunKey;
use crate::source::Source;
use crate::status::State;

/// The capability to create one record, once.
///
/// It exists only because the policy allowed exactly this intent. It cannot be built, cloned, defaulted, read from
/// JSON or turned to another key, and spending it consumes it (I2, I3). What it does **not** say is that the record is
/// absent: that is for the store's unique key to decide (I1).
#[derive(Debug)]
#[must_use = "a permit creates nothing until a store spends it"]
pub struct CreationPermit {
    intent: CreationIntent,
    record: Box<RunRecord>,
    require_job: bool,
    quotas: Quotas,
}

/// What a store has to do with a permit.
#[derive(Debug)]
#[must_use]
pub enum CreateDecision {
    /// Insert this record, if its key is still free.
    Insert(NewRecord),
    /// The same creation took place before: answer with the record that is there (I7).
    Replay,
    /// The key is taken by another creation (I9).
    Conflict {
        /// In what the two differ; never empty.
        differs_in: Vec<CreationField>,
    },
    /// The creation cannot take place.
    Refuse(CreationRefusal),
}

/// What stands against a creation: what a permit comes to that inserts nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Obstacle {
    /// The same creation took place before (I7).
    Replay,
    /// The key is taken by another creation (I9).
    Conflict {
        /// In what the two differ; never empty.
        differs_in: Vec<CreationField>,
    },
    /// The creation cannot take place.
    Refusal(CreationRefusal),
}

impl From<Obstacle> for CreateDecision {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::Replay => Self::Replay,
            Obstacle::Conflict { differs_in } => Self::Conflict { differs_in },
            Obstacle::Refusal(refusal) => Self::Refuse(refusal),
        }
    }
}

/// A record that may be inserted once: what remains of a spent permit.
#[derive(Debug)]
#[must_use = "a new record is in no ledger until a store inserts it"]
pub struct NewRecord {
    record: Box<RunRecord>,
}

impl CreationPermit {
    pub(crate) fn mint(
        mut intent: CreationIntent,
        require_job: bool,
        deadline_after: DeadlineAfter,
        quotas: Quotas,
    ) -> Self {
        // One spelling (I15): a retry that lists its references in another order is the same creation.
        intent.content.external_ids = normalised(&intent.content.external_ids);
        let record = Box::new(first_version(&intent, deadline_after));
        Self {
            intent,
            record,
            require_job,
            quotas,
        }
    }

    /// The key of the one record that this permit is for.
    pub const fn key(&self) -> &RunKey {
        &self.intent.key
    }

    /// What was asked for.
    pub const fn intent(&self) -> &CreationIntent {
        &self.intent
    }

    /// The record as it would be inserted, for a store that wants to prepare the insert. It is in no ledger.
    pub fn record(&self) -> &RunRecord {
        &self.record
    }

    /// The quotas that the creation is under: none for a job record, which is of no client, and none for an import, which
    /// brings what there was.
    pub fn quotas(&self) -> Quotas {
        match (&self.intent.key, &self.intent.content.initial) {
            (RunKey::Client(..), Initial::Queued | Initial::Running) => self.quotas,
            (RunKey::Job(_), _) | (RunKey::Client(..), Initial::Imported(_)) => Quotas::NONE,
        }
    }

    /// Whether deciding the permit needs to know what its client's open records come to.
    pub fn needs_load(&self) -> bool {
        self.quotas() != Quotas::NONE
    }

    /// Whether `existing`, a record of this permit's key, came from the same creation: the same source, attempt and
    /// content. Then spending the permit would be a replay, at any time, because records are never deleted (I1, I7).
    pub fn repeats(&self, existing: &RunRecord) -> bool {
        existing.key() == &self.intent.key && compare(existing, &self.intent) == Obstacle::Replay
    }

    /// Gives the permit up and hands the intent back, e.g. because the store is in doubt (I10).
    pub fn into_intent(self) -> CreationIntent {
        self.intent
    }

    /// What stands against the creation, given what the store holds under the key, for the job and for the client; nothing
    /// when [`decide`](Self::decide) on the same evidence would insert. It spends nothing: for a store that learns only
    /// when it writes whether its evidence still holds, and has to look again when it does not.
    pub fn obstacle(&self, existing: Option<&RunRecord>, job: JobEvidence, load: ClientLoad) -> Option<Obstacle> {
        match existing {
            Some(existing) => Some(compare(existing, &self.intent)),
            None => self.check(job, load).err().map(Obstacle::Refusal),
        }
    }

    /// The line of the creation, for a store that writes the record and its line before it spends the permit (I2, I6).
    pub fn activity(&self) -> NewActivity {
        line_of(&self.record)
    }

    /// Spends the permit: decides what is to happen, given what the store holds under the key, for the job and for the
    /// client. `load` matters only when [`needs_load`](Self::needs_load).
    ///
    /// A store that leaves the question of `existing` to its unique key passes `None`, and asks
    /// [`NewRecord::against`] when the key turns out to be taken. When the evidence would refuse
    /// ([`check`](Self::check)), the store must look for `existing` first: a retry is answered with its record even after
    /// the job ended, and however much the client holds (I7).
    pub fn decide(self, existing: Option<&RunRecord>, job: JobEvidence, load: ClientLoad) -> CreateDecision {
        match self.obstacle(existing, job, load) {
            None => CreateDecision::Insert(NewRecord { record: self.record }),
            Some(obstacle) => obstacle.into(),
        }
    }

    /// Whether the evidence about the job and the client allows the creation.
    ///
    /// # Errors
    /// [`CreationRefusal`] when the job is missing or has ended, the content does not fit the kind, or a quota of the
    /// client stands against it.
    pub fn check(&self, job: JobEvidence, load: ClientLoad) -> Result<(), CreationRefusal> {
        let content = &self.intent.content;
        if content.external_ids.len() > EXTERNAL_IDS_MAX {
            return Err(CreationRefusal::TooManyExternalIds);
        }
        let RunKey::Client(run, client) = &self.intent.key else {
            return if content.client_name.is_some() {
                Err(CreationRefusal::ClientNameOnJob)
            } else {
                Ok(())
            };
        };
        let imported = matches!(content.initial, Initial::Imported(_));
        match job {
            JobEvidence::Missing if self.require_job => {
                return Err(CreationRefusal::JobMissing { run: run.clone() });
            }
            JobEvidence::Ended if !imported => return Err(CreationRefusal::JobEnded { run: run.clone() }),
            JobEvidence::Open | JobEvidence::Missing | JobEvidence::Ended => {}
        }
        self.check_quotas(client, load)
    }

    fn check_quotas(&self, client: &ClientId, load: ClientLoad) -> Result<(), CreationRefusal> {
        let (quotas, client) = (self.quotas(), client.clone());
        if let Some(bound) = quotas.stands_against_a_record(load) {
            return Err(CreationRefusal::OpenRecordsQuota { client, bound });
        }
        if self.intent.content.note.is_some()
            && let Some(bound) = quotas.stands_against_a_note(load)
        {
            return Err(CreationRefusal::NotesQuota { client, bound });
        }
        Ok(())
    }
}

impl NewRecord {
    /// The record to insert.
    pub fn record(&self) -> &RunRecord {
        &self.record
    }

    /// The record, once it is inserted.
    pub fn into_record(self) -> RunRecord {
        *self.record
    }

    /// The line that belongs into the transaction of the insert (I2, I6).
    pub fn activity(&self) -> NewActivity {
        line_of(&self.record)
    }

    /// What it means that the key is taken by `existing`: the same creation, or another one.
    ///
    /// Never answers [`CreateDecision::Insert`].
    pub fn against(&self, existing: &RunRecord) -> CreateDecision {
        let creation = &self.record.creation;
        verdict(differences(
            &existing.creation,
            &creation.source,
            &creation.attempt,
            &creation.content,
        ))
        .into()
    }
}

/// The line of a record's creation.
fn line_of(record: &RunRecord) -> NewActivity {
    let (action, detail) = match &record.creation.content.initial {
        Initial::Imported(past) if past.is_reconstructed() => (Action::Import, "reconstructed from its clients"),
        Initial::Imported(_) => (Action::Import, ""),
        Initial::Running | Initial::Queued => (Action::Create, ""),
    };
    NewActivity {
        at: record.creation.at,
        action,
        source: record.creation.source.to_string(),
        subject: Subject::of(&record.key),
        verdict: Verdict::Created,
        version: Some(record.version),
        detail: detail.into(),
    }
}

/// The first version of the record that an intent asks for.
fn first_version(intent: &CreationIntent, deadline_after: DeadlineAfter) -> RunRecord {
    let CreationIntent {
        key,
        source,
        attempt,
        at,
        minted,
        content,
    } = intent;
    let at = *at;
    let deadline_after = content.deadline_after.unwrap_or(deadline_after);
    let (state, metrics, last_sign) = match &content.initial {
        Initial::Queued => (State::Queued, Metrics::default(), at),
        Initial::Running => (State::Running { started_at: at }, Metrics::default(), at),
        Initial::Imported(past) => (
            past.state(at, source),
            past.metrics().clone(),
            past.started_at().unwrap_or(at),
        ),
    };
    let note = |text: &NoteText| Note {
        at,
        source: source.clone(),
        text: text.clone(),
    };
    RunRecord {
        key: key.clone(),
        state,
        stages: Vec::new(),
        metrics,
        notes: content.note.iter().map(note).collect(),
        external_ids: content.external_ids.clone(),
        updates: BTreeMap::new(),
        deadline_after,
        deadline: deadline_after.from(last_sign),
        updated_at: at,
        updated_by: source.clone(),
        version: 1,
        creation: Creation {
            at,
            source: source.clone(),
            attempt: attempt.clone(),
            minted: *minted,
            content: content.clone(),
        },
    }
}

fn compare(existing: &RunRecord, intent: &CreationIntent) -> Obstacle {
    verdict(differences(
        &existing.creation,
        &intent.source,
        &intent.attempt,
        &intent.content,
    ))
}

fn verdict(differs_in: Vec<CreationField>) -> Obstacle {
    if differs_in.is_empty() {
        Obstacle::Replay
    } else {
        Obstacle::Conflict { differs_in }
    }
}

fn differences(
    existing: &Creation,
    source: &Source,
    attempt: &AttemptId,
    content: &CreationContent,
) -> Vec<CreationField> {
    let was = &existing.content;
    let same = [
        (CreationField::Attempt, existing.attempt == *attempt),
        (CreationField::Source, existing.source == *source),
        (CreationField::ClientName, was.client_name == content.client_name),
        (CreationField::Batch, was.batch == content.batch),
        (CreationField::ExternalIds, was.external_ids == content.external_ids),
        (CreationField::Note, was.note == content.note),
        (
            CreationField::DeadlineAfter,
            was.deadline_after == content.deadline_after,
        ),
        (CreationField::Initial, was.initial == content.initial),
    ];
    same.into_iter()
        .filter(|(_, same)| !same)
        .map(|(field, _)| field)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::CreationPolicy;
    use crate::timestamp::Timestamp;

    #[expect(clippy::disallowed_methods, reason = "a test of what a permit does needs one")]
    fn mint_for_test(intent: CreationIntent) -> CreationPermit {
        CreationPolicy::default().authorise(intent).unwrap()
    }

    fn permit(key: &str, attempt: &str, content: CreationContent) -> CreationPermit {
        let intent = CreationIntent::new(
            key.parse().unwrap(),
            "orchestrator".parse().unwrap(),
            attempt.parse().unwrap(),
            Timestamp::EPOCH,
        );
        mint_for_test(intent.with_content(content))
    }

    fn inserted(decision: CreateDecision) -> RunRecord {
        match decision {
            CreateDecision::Insert(new) => new.into_record(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn i7_the_same_attempt_replays_other_content_names_its_differences() {
        let key = "250925-231841-acme";
        let record = inserted(permit(key, "a1", CreationContent::default()).decide(
            None,
            JobEvidence::Open,
            ClientLoad::default(),
        ));
        let again = permit(key, "a1", CreationContent::default()).decide(
            Some(&record),
            JobEvidence::Open,
            ClientLoad::default(),
        );
        assert!(matches!(again, CreateDecision::Replay));
        let named = CreationContent {
            client_name: Some("Acme".parse().unwrap()),
            ..CreationContent::default()
        };
        match permit(key, "a2", named).decide(Some(&record), JobEvidence::Open, ClientLoad::default()) {
            CreateDecision::Conflict { differs_in } => {
                assert_eq!(differs_in, [CreationField::Attempt, CreationField::ClientName]);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn i7_references_in_another_order_are_the_same_creation() {
        let content = |ids: &[&str]| CreationContent {
            external_ids: ids.iter().map(|id| id.parse().unwrap()).collect(),
            ..CreationContent::default()
        };
        let key = "250925-231841-acme";
        let record = inserted(permit(key, "a1", content(&["b:2", "a:1"])).decide(
            None,
            JobEvidence::Open,
            ClientLoad::default(),
        ));
        let again = permit(key, "a1", content(&["a:1", "b:2", "a:1"]));
        assert!(again.repeats(&record));
        let texts: Vec<_> = record.external_ids().iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["a:1", "b:2"]);
    }

    #[test]
    fn i7_a_retry_is_answered_even_after_the_job_ended() {
        let key = "250925-231841-acme";
        let record = inserted(permit(key, "a1", CreationContent::default()).decide(
            None,
            JobEvidence::Open,
            ClientLoad::default(),
        ));
        let again = permit(key, "a1", CreationContent::default()).decide(
            Some(&record),
            JobEvidence::Ended,
            ClientLoad::default(),
        );
        assert!(matches!(again, CreateDecision::Replay));
    }

    #[test]
    fn a_client_needs_an_open_job() {
        for (job, code) in [(JobEvidence::Missing, "job_missing"), (JobEvidence::Ended, "job_ended")] {
            match permit("250925-231841-acme", "a1", CreationContent::default()).decide(
                None,
                job,
                ClientLoad::default(),
            ) {
                CreateDecision::Refuse(refusal) => assert_eq!(refusal.code(), code),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_record_has_a_deadline_from_its_creation_on() {
        let record = inserted(permit("250925-231841", "a1", CreationContent::default()).decide(
            None,
            JobEvidence::Missing,
            ClientLoad::default(),
        ));
        assert_eq!(record.deadline(), DeadlineAfter::DEFAULT.from(Timestamp::EPOCH));
        assert!(!record.is_stalled(record.deadline()));
        assert!(record.is_stalled(record.deadline().saturating_add(core::time::Duration::from_micros(1))));
    }
}
