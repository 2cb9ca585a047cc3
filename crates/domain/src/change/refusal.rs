//! Why a change is refused, with a stable word and what to do.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::num::NonZeroU32;

use super::UPDATES_MAX;
use crate::attempt::UpdateId;
use crate::client_id::ClientId;
use crate::external_id::EXTERNAL_IDS_MAX;
use crate::metric::MetricError;
use crate::note::NOTES_MAX_BYTES;
use crate::record::Version;
use crate::run_key::RunKey;
use crate::stage::{STAGES_MAX, StageName};
use crate::status::{Ending, Outcome};
use crate::timestamp::Timestamp;

/// Why a change is refused. The record is untouched (I11).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeRefusal {
    /// The record has ended, and an end is final.
    #[error("{key} ended as {outcome}{when}, said by {by}; an ended record never changes",
        outcome = ending.outcome, when = At(ending.ended_at), by = ending.source)]
    AlreadyEnded {
        /// The record.
        key: RunKey,
        /// Its end.
        ending: Box<Ending>,
    },
    /// The caller has seen another version.
    #[error("{key} is at version {current}, not {expected}; read it again and decide anew")]
    VersionMismatch {
        /// The record.
        key: RunKey,
        /// What the caller has seen.
        expected: Version,
        /// What there is.
        current: Version,
    },
    /// The update is empty.
    #[error("nothing to change; send metrics, a note, external ids or a status (or a heartbeat to keep it alive)")]
    NothingToChange,
    /// The metrics cannot be merged.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// A stage that never began cannot end.
    #[error("stage {name} of {key} was never started; start it first")]
    StageNotStarted {
        /// The record.
        key: RunKey,
        /// The stage.
        name: StageName,
    },
    /// The stage has ended already, in another way.
    #[error("stage {name} of {key} ended as {outcome} at {ended_at}; an ended stage never changes")]
    StageEnded {
        /// The record.
        key: RunKey,
        /// The stage.
        name: StageName,
        /// How it ended.
        outcome: Outcome,
        /// When it ended.
        ended_at: Timestamp,
    },
    /// The record holds [`STAGES_MAX`] stages already.
    #[error("a record holds at most {STAGES_MAX} stages")]
    TooManyStages,
    /// Stages are still open.
    #[error("{key} has open stages: {names}; finish them, or complete with close_open to close them as cancelled")]
    OpenStages {
        /// The record.
        key: RunKey,
        /// Their names, separated by commas.
        names: String,
    },
    /// Client records of the job are still open.
    #[error(
        "{key} has {count} open client records; complete them, or complete with close_open to close them as cancelled"
    )]
    OpenClients {
        /// The job.
        key: RunKey,
        /// How many are open.
        count: usize,
    },
    /// Work that never began cannot have succeeded.
    #[error("{key} is queued and cannot end as {outcome}; start it first (or end it as skipped, cancelled or failed)")]
    NotStarted {
        /// The record.
        key: RunKey,
        /// The outcome.
        outcome: Outcome,
    },
    /// The record's notes are full.
    #[error("the notes of {key} would exceed {NOTES_MAX_BYTES} bytes; keep long logs elsewhere and note where")]
    NotesFull {
        /// The record.
        key: RunKey,
    },
    /// The client's open records hold as many notes as its quota allows.
    #[error(
        "the open records of {client} hold {bound} notes, which is its quota; end one that is done, or keep long logs \
         elsewhere and note where"
    )]
    NotesQuota {
        /// The client.
        client: ClientId,
        /// The quota.
        bound: NonZeroU32,
    },
    /// The record holds [`EXTERNAL_IDS_MAX`] references already.
    #[error("a record holds at most {EXTERNAL_IDS_MAX} external ids")]
    TooManyExternalIds,
    /// The update id was used for another update.
    #[error("update id {id} was used on {key} for a different update; every new update needs a new id")]
    UpdateIdReused {
        /// The record.
        key: RunKey,
        /// The id.
        id: UpdateId,
    },
    /// The record remembers [`UPDATES_MAX`] update ids already.
    #[error("{key} remembers {UPDATES_MAX} update ids, which is the limit; report fewer, larger deltas")]
    TooManyUpdates {
        /// The record.
        key: RunKey,
    },
    /// The record is not silent for long enough to be given up.
    #[error("{key} is not lost: its deadline with grace is {until}")]
    NotStalled {
        /// The record.
        key: RunKey,
        /// Until when it has time.
        until: Timestamp,
    },
}

impl ChangeRefusal {
    /// A stable word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlreadyEnded { .. } => "already_ended",
            Self::VersionMismatch { .. } => "version_mismatch",
            Self::NothingToChange => "nothing_to_change",
            Self::Metric(MetricError::NamedTwice { .. }) => "metric_named_twice",
            Self::Metric(MetricError::Overflow { .. }) => "metric_overflow",
            Self::Metric(MetricError::TooMany) => "too_many_metrics",
            Self::StageNotStarted { .. } => "stage_not_started",
            Self::StageEnded { .. } => "stage_ended",
            Self::TooManyStages => "too_many_stages",
            Self::OpenStages { .. } => "open_stages",
            Self::OpenClients { .. } => "open_clients",
            Self::NotStarted { .. } => "not_started",
            Self::NotesFull { .. } => "notes_full",
            Self::NotesQuota { .. } => "notes_quota",
            Self::TooManyExternalIds => "too_many_external_ids",
            Self::UpdateIdReused { .. } => "update_id_reused",
            Self::TooManyUpdates { .. } => "too_many_updates",
            Self::NotStalled { .. } => "not_stalled",
        }
    }
}

/// ` at ..`, or nothing when nobody knows.
struct At(Option<Timestamp>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |at| write!(f, " at {at}"))
    }
}
