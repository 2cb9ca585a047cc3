//! Creation: the only way a record comes into being (I1, I2, I7, I9).
//!
//! An *intent* says what somebody wants. The policy turns an allowed intent into a *permit* for that one record. A
//! store spends the permit: the domain decides from it what to insert, and the store's unique key decides who wins.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;

use crate::activity::{Action, NewActivity, Subject, Verdict};
use crate::attempt::AttemptId;
use crate::client_id::ClientName;
use crate::deadline::DeadlineAfter;
use crate::external_id::{BatchLabel, EXTERNAL_IDS_MAX, ExternalId};
use crate::metric::Metrics;
use crate::note::{Note, NoteText};
use crate::record::{Creation, RunRecord};
use crate::run_id::RunId;
use crate::run_key::RunKey;
use crate::source::Source;
use crate::status::{Ending, State, Status};
use crate::timestamp::Timestamp;

/// What a creator wants to create. Anyone may hold one; it gives no power.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CreationIntent {
    /// The key of the record.
    pub key: RunKey,
    /// Who asks.
    pub source: Source,
    /// The attempt, so that a retry is recognised (I7).
    pub attempt: AttemptId,
    /// When it was asked.
    pub at: Timestamp,
    /// Whether the run id was chosen by the ledger; a retry is then found by source and attempt.
    pub minted: bool,
    /// What the record is to hold.
    pub content: CreationContent,
}

/// What a record holds from the start. Kept with the record, so that a retry can be compared with it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CreationContent {
    /// The client's name as people read it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub client_name: Option<ClientName>,
    /// The batch that it belongs to.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub batch: Option<BatchLabel>,
    /// References to other systems; at most [`EXTERNAL_IDS_MAX`], more are refused when the permit is spent.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub external_ids: Vec<ExternalId>,
    /// A first note.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub note: Option<NoteText>,
    /// How long it may be silent; the policy's span when not given.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub deadline_after: Option<DeadlineAfter>,
    /// Where it begins its life.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Initial::is_running"))]
    pub initial: Initial,
}

/// Where a record begins its life.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Initial {
    /// At work at once.
    #[default]
    Running,
    /// Waiting to begin.
    Queued,
    /// With a history that was recorded elsewhere; for the import command alone.
    Imported(Box<Imported>),
}

impl Initial {
    /// Whether this is the usual beginning.
    pub const fn is_running(&self) -> bool {
        matches!(self, Self::Running)
    }
}

/// The history of a record that was kept elsewhere before.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Imported {
    status: Status,
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    started_at: Option<Timestamp>,
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    ended_at: Option<Timestamp>,
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Metrics::is_empty"))]
    metrics: Metrics,
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "core::ops::Not::not"))]
    reconstructed: bool,
}

/// Why a history cannot be taken over.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportedError {
    /// The end lies before the start.
    #[error("the end {ended_at} lies before the start {started_at}")]
    EndBeforeStart {
        /// The start.
        started_at: Timestamp,
        /// The end.
        ended_at: Timestamp,
    },
    /// An open record has no end.
    #[error("a record that is {status} has no end time")]
    EndOfOpen {
        /// The status.
        status: Status,
    },
}

impl Imported {
    /// Takes over a history. Times that are not known stay unknown: nothing is guessed.
    ///
    /// # Errors
    /// [`ImportedError`] when an open record has an end, or an end lies before its start.
    pub fn new(
        status: Status,
        started_at: Option<Timestamp>,
        ended_at: Option<Timestamp>,
        metrics: Metrics,
    ) -> Result<Self, ImportedError> {
        if let Some(ended_at) = ended_at {
            if status.is_open() {
                return Err(ImportedError::EndOfOpen { status });
            }
            if let Some(started_at) = started_at
                && ended_at < started_at
            {
                return Err(ImportedError::EndBeforeStart { started_at, ended_at });
            }
        }
        Ok(Self {
            status,
            started_at,
            ended_at,
            metrics,
            reconstructed: false,
        })
    }

    /// Marks the record as one that the older tables did not hold: made because its clients name it.
    #[must_use]
    pub fn reconstructed(mut self) -> Self {
        self.reconstructed = true;
        self
    }

    /// Whether the older tables did not hold the record.
    pub const fn is_reconstructed(&self) -> bool {
        self.reconstructed
    }

    fn state(&self, created_at: Timestamp, source: &Source) -> State {
        match self.status {
            Status::Queued => State::Queued,
            Status::Running => State::Running {
                started_at: self.started_at.unwrap_or(created_at),
            },
            Status::Ended(outcome) => State::Ended(Ending {
                outcome,
                started_at: self.started_at,
                ended_at: self.ended_at.or(self.started_at).unwrap_or(created_at),
                source: source.clone(),
                note: None,
            }),
        }
    }
}

/// A part of a creation in which two attempts can differ.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum CreationField {
    /// Another attempt: somebody else created the record, or the same caller in another attempt.
    Attempt,
    /// Another source.
    Source,
    /// Another client name.
    ClientName,
    /// Another batch.
    Batch,
    /// Other external ids.
    ExternalIds,
    /// Another first note.
    Note,
    /// Another deadline.
    DeadlineAfter,
    /// Another beginning, or another history.
    Initial,
}

impl CreationField {
    /// The field's name as programs see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attempt => "attempt",
            Self::Source => "source",
            Self::ClientName => "client_name",
            Self::Batch => "batch",
            Self::ExternalIds => "external_ids",
            Self::Note => "note",
            Self::DeadlineAfter => "deadline_after",
            Self::Initial => "status",
        }
    }
}

impl core::fmt::Display for CreationField {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a store has seen of the job record that a client run record belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JobEvidence {
    /// There is none.
    Missing,
    /// It is there and open.
    Open,
    /// It is there and has ended.
    Ended,
}

impl JobEvidence {
    /// What the job record, if there is one, is evidence of.
    pub fn of(job: Option<&RunRecord>) -> Self {
        job.map_or(Self::Missing, |job| Self::of_status(job.status()))
    }

    /// What a job record with this status is evidence of.
    pub const fn of_status(status: Status) -> Self {
        if status.is_open() { Self::Open } else { Self::Ended }
    }
}

/// Why an allowed creation cannot take place. Nothing was created.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CreationRefusal {
    /// The run has no job record.
    #[error("run {run} has no job record yet; create the job first")]
    JobMissing {
        /// The run.
        run: RunId,
    },
    /// The run's job has ended.
    #[error("the job of run {run} has ended; start a new run for more work")]
    JobEnded {
        /// The run.
        run: RunId,
    },
    /// More external ids than a record holds.
    #[error("a record holds at most {EXTERNAL_IDS_MAX} external ids; send fewer")]
    TooManyExternalIds,
    /// A client's name was given for a job.
    #[error("a job record has no client name; create the client run record for it")]
    ClientNameOnJob,
}

impl CreationRefusal {
    /// A stable word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::JobMissing { .. } => "job_missing",
            Self::JobEnded { .. } => "job_ended",
            Self::TooManyExternalIds => "too_many_external_ids",
            Self::ClientNameOnJob => "client_name_on_job",
        }
    }
}

impl CreationIntent {
    /// An intent to create a record that holds nothing but its key and is at work at once.
    pub fn new(key: RunKey, source: Source, attempt: AttemptId, at: Timestamp) -> Self {
        Self {
            key,
            source,
            attempt,
            at,
            minted: false,
            content: CreationContent::default(),
        }
    }

    /// The same intent with this content.
    #[must_use]
    pub fn with_content(mut self, content: CreationContent) -> Self {
        self.content = content;
        self
    }

    /// The line that a refusal of this intent leaves in the activity log (I6).
    pub fn refused(&self, code: &'static str, detail: alloc::string::String) -> NewActivity {
        NewActivity {
            at: self.at,
            action: self.action(),
            source: self.source.to_string(),
            subject: Subject::of(&self.key),
            verdict: Verdict::Refused(code.into()),
            version: None,
            detail,
        }
    }

    /// The action that the activity log names.
    pub const fn action(&self) -> Action {
        match self.content.initial {
            Initial::Imported(_) => Action::Import,
            Initial::Running | Initial::Queued => Action::Create,
        }
    }
}

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

/// A record that may be inserted once: what remains of a spent permit.
#[derive(Debug)]
#[must_use = "a new record is in no ledger until a store inserts it"]
pub struct NewRecord {
    record: Box<RunRecord>,
}

impl CreationPermit {
    pub(crate) fn mint(intent: CreationIntent, require_job: bool, deadline_after: DeadlineAfter) -> Self {
        let record = Box::new(first_version(&intent, deadline_after));
        Self {
            intent,
            record,
            require_job,
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

    /// Gives the permit up and hands the intent back, e.g. because the store is in doubt (I10).
    pub fn into_intent(self) -> CreationIntent {
        self.intent
    }

    /// Spends the permit: decides what is to happen, given what the store holds under the key and for the job.
    ///
    /// A store that leaves the question of `existing` to its unique key passes `None`, and asks
    /// [`NewRecord::against`] when the key turns out to be taken. When the evidence about the job would refuse, the
    /// store must look for `existing` first: a retry is answered with its record even after the job ended (I7).
    pub fn decide(self, existing: Option<&RunRecord>, job: JobEvidence) -> CreateDecision {
        if let Some(existing) = existing {
            return compare(existing, &self.intent);
        }
        match self.check(job) {
            Ok(()) => CreateDecision::Insert(NewRecord { record: self.record }),
            Err(refusal) => CreateDecision::Refuse(refusal),
        }
    }

    /// Whether the evidence about the job allows the creation.
    ///
    /// # Errors
    /// [`CreationRefusal`] when the job is missing or has ended, or the content does not fit the kind.
    pub fn check(&self, job: JobEvidence) -> Result<(), CreationRefusal> {
        let content = &self.intent.content;
        if content.external_ids.len() > EXTERNAL_IDS_MAX {
            return Err(CreationRefusal::TooManyExternalIds);
        }
        let RunKey::Client(run, _) = &self.intent.key else {
            return if content.client_name.is_some() {
                Err(CreationRefusal::ClientNameOnJob)
            } else {
                Ok(())
            };
        };
        let imported = matches!(content.initial, Initial::Imported(_));
        match job {
            JobEvidence::Open => Ok(()),
            JobEvidence::Missing if !self.require_job => Ok(()),
            JobEvidence::Missing => Err(CreationRefusal::JobMissing { run: run.clone() }),
            JobEvidence::Ended if imported => Ok(()),
            JobEvidence::Ended => Err(CreationRefusal::JobEnded { run: run.clone() }),
        }
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
        let record = &self.record;
        let (action, detail) = match &record.creation.content.initial {
            Initial::Imported(past) if past.reconstructed => (Action::Import, "reconstructed from its clients"),
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
            past.metrics.clone(),
            past.started_at.unwrap_or(at),
        ),
    };
    let note = |text: &NoteText| Note {
        at,
        source: source.clone(),
        text: text.clone(),
    };
    let mut external_ids = content.external_ids.clone();
    external_ids.sort_unstable();
    external_ids.dedup();
    RunRecord {
        key: key.clone(),
        state,
        stages: Vec::new(),
        metrics,
        notes: content.note.iter().map(note).collect(),
        external_ids,
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

fn compare(existing: &RunRecord, intent: &CreationIntent) -> CreateDecision {
    verdict(differences(
        &existing.creation,
        &intent.source,
        &intent.attempt,
        &intent.content,
    ))
}

fn verdict(differs_in: Vec<CreationField>) -> CreateDecision {
    if differs_in.is_empty() {
        CreateDecision::Replay
    } else {
        CreateDecision::Conflict { differs_in }
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
        CreationPolicy::default()
            .authorise(intent.with_content(content))
            .unwrap()
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
        let record = inserted(permit(key, "a1", CreationContent::default()).decide(None, JobEvidence::Open));
        let again = permit(key, "a1", CreationContent::default()).decide(Some(&record), JobEvidence::Open);
        assert!(matches!(again, CreateDecision::Replay));
        let named = CreationContent {
            client_name: Some("Acme".parse().unwrap()),
            ..CreationContent::default()
        };
        match permit(key, "a2", named).decide(Some(&record), JobEvidence::Open) {
            CreateDecision::Conflict { differs_in } => {
                assert_eq!(differs_in, [CreationField::Attempt, CreationField::ClientName]);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn i7_a_retry_is_answered_even_after_the_job_ended() {
        let key = "250925-231841-acme";
        let record = inserted(permit(key, "a1", CreationContent::default()).decide(None, JobEvidence::Open));
        let again = permit(key, "a1", CreationContent::default()).decide(Some(&record), JobEvidence::Ended);
        assert!(matches!(again, CreateDecision::Replay));
    }

    #[test]
    fn a_client_needs_an_open_job() {
        for (job, code) in [(JobEvidence::Missing, "job_missing"), (JobEvidence::Ended, "job_ended")] {
            match permit("250925-231841-acme", "a1", CreationContent::default()).decide(None, job) {
                CreateDecision::Refuse(refusal) => assert_eq!(refusal.code(), code),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_record_has_a_deadline_from_its_creation_on() {
        let record =
            inserted(permit("250925-231841", "a1", CreationContent::default()).decide(None, JobEvidence::Missing));
        assert_eq!(record.deadline(), DeadlineAfter::DEFAULT.from(Timestamp::EPOCH));
        assert!(!record.is_stalled(record.deadline()));
        assert!(record.is_stalled(record.deadline().saturating_add(core::time::Duration::from_micros(1))));
    }
}
