//! Creation: the only way a record comes into being (I1, I2, I7, I9).
//!
//! An *intent* says what somebody wants. The policy turns an allowed intent into a *permit* for that one record. A
//! store spends the permit: the domain decides from it what to insert, and the store's unique key decides who wins.

mod content;
mod line;
mod permit;

use core::num::NonZeroU32;

pub use self::content::{CreationContent, Imported, ImportedError, Initial};
pub use self::line::AttemptLine;
pub use self::permit::{CreateDecision, CreationPermit, NewRecord, Obstacle};
use crate::activity::Action;
use crate::attempt::AttemptId;
use crate::client_id::ClientId;
use crate::external_id::EXTERNAL_IDS_MAX;
use crate::record::RunRecord;
use crate::run_id::RunId;
use crate::run_key::RunKey;
use crate::source::Source;
use crate::status::Status;
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

/// The word for a creation that stands against the record under its key, differing from its creation in these fields:
/// a program that sends other content under the name of an attempt that it made before is told so, whoever else asks
/// for the key meets a conflict (I7).
///
/// ```
/// use runledger_domain::creation::{CreationField, conflict_code};
///
/// assert_eq!(conflict_code(&[CreationField::Attempt, CreationField::Note]), "conflict");
/// assert_eq!(conflict_code(&[CreationField::Source]), "conflict");
/// assert_eq!(conflict_code(&[CreationField::Note]), "idempotency_key_reused");
/// ```
pub fn conflict_code(differs_in: &[CreationField]) -> &'static str {
    if is_attempt_reused(differs_in) {
        "idempotency_key_reused"
    } else {
        "conflict"
    }
}

/// Whether two creations that differ in these fields are of one source in one attempt. An attempt belongs to the source
/// that made it: the same id of another source is another attempt.
pub fn is_attempt_reused(differs_in: &[CreationField]) -> bool {
    let is_another = |field: &CreationField| matches!(field, CreationField::Attempt | CreationField::Source);
    !differs_in.iter().any(is_another)
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
    /// The client has as many open records as its quota allows.
    #[error(
        "{client} has {bound} open records, which is its quota; end one that is done, then send the same creation again"
    )]
    OpenRecordsQuota {
        /// The client.
        client: ClientId,
        /// The quota.
        bound: NonZeroU32,
    },
    /// The client's open records hold as many notes as its quota allows, and this one would bring another.
    #[error(
        "the open records of {client} hold {bound} notes, which is its quota; create the record without a note, or end \
         one that is done and send the same creation again"
    )]
    NotesQuota {
        /// The client.
        client: ClientId,
        /// The quota.
        bound: NonZeroU32,
    },
}

impl CreationRefusal {
    /// A stable word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::JobMissing { .. } => "job_missing",
            Self::JobEnded { .. } => "job_ended",
            Self::TooManyExternalIds => "too_many_external_ids",
            Self::ClientNameOnJob => "client_name_on_job",
            Self::OpenRecordsQuota { .. } => "open_records_quota",
            Self::NotesQuota { .. } => "notes_quota",
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

    /// The action that the activity log names.
    pub const fn action(&self) -> Action {
        match self.content.initial {
            Initial::Imported(_) => Action::Import,
            Initial::Running | Initial::Queued => Action::Create,
        }
    }
}
