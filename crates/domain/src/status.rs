//! The life cycle of a record: `Queued -> Running -> ended`, and an end is final (I5).

use core::fmt;
use core::str::FromStr;

use crate::note::NoteText;
use crate::source::Source;
use crate::timestamp::Timestamp;

/// How a record, or a stage of one, ended.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Outcome {
    /// All work was done.
    Succeeded,
    /// All work was done, some of it with errors.
    SucceededWithErrors,
    /// The work failed.
    Failed,
    /// There was nothing to do.
    Skipped,
    /// The work was called off.
    Cancelled,
    /// Nothing was heard of it any more: found by a sweep past its deadline, or said by whoever watches over it.
    Lost,
}

/// The status of a record as people and programs name it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Status {
    /// Created, not begun.
    Queued,
    /// At work.
    Running,
    /// Ended, for ever.
    Ended(Outcome),
}

/// Where a record stands, with what belongs to it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum State {
    /// Created, not begun.
    Queued,
    /// At work since then.
    Running {
        /// When the work began.
        started_at: Timestamp,
    },
    /// Ended; none of this ever changes again (I5).
    Ended(Ending),
}

/// The end of a record: final in every part (I5).
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ending {
    /// How it ended.
    pub outcome: Outcome,
    /// When the work had begun, if it ever did.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub started_at: Option<Timestamp>,
    /// When it ended. Not known of some records that were taken over from elsewhere.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub ended_at: Option<Timestamp>,
    /// Who said so.
    pub source: Source,
    /// What they added.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub note: Option<NoteText>,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 6] = [
        Self::Succeeded,
        Self::SucceededWithErrors,
        Self::Failed,
        Self::Skipped,
        Self::Cancelled,
        Self::Lost,
    ];

    /// The word for the outcome, e.g. `succeeded_with_errors`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::SucceededWithErrors => "succeeded_with_errors",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
        }
    }

    /// Whether the outcome counts as an error when clients with errors are counted.
    pub const fn has_errors(self) -> bool {
        matches!(self, Self::SucceededWithErrors | Self::Failed | Self::Lost)
    }

    /// Whether work that never began may end this way.
    pub const fn is_possible_unstarted(self) -> bool {
        !matches!(self, Self::Succeeded | Self::SucceededWithErrors)
    }
}

impl Status {
    /// All statuses.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Running,
        Self::Ended(Outcome::Succeeded),
        Self::Ended(Outcome::SucceededWithErrors),
        Self::Ended(Outcome::Failed),
        Self::Ended(Outcome::Skipped),
        Self::Ended(Outcome::Cancelled),
        Self::Ended(Outcome::Lost),
    ];

    /// The word for the status, e.g. `running` or `succeeded`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Ended(outcome) => outcome.as_str(),
        }
    }

    /// Whether work may still go on.
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Ended(_))
    }
}

impl State {
    /// The status without its details.
    pub const fn status(&self) -> Status {
        match self {
            Self::Queued => Status::Queued,
            Self::Running { .. } => Status::Running,
            Self::Ended(ending) => Status::Ended(ending.outcome),
        }
    }

    /// When the work began, if it did.
    pub const fn started_at(&self) -> Option<Timestamp> {
        match self {
            Self::Queued => None,
            Self::Running { started_at } => Some(*started_at),
            Self::Ended(ending) => ending.started_at,
        }
    }

    /// The end, if there is one.
    pub const fn ending(&self) -> Option<&Ending> {
        match self {
            Self::Ended(ending) => Some(ending),
            Self::Queued | Self::Running { .. } => None,
        }
    }
}

/// The word is none of a closed vocabulary.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} is not {what}; use one of {allowed}")]
pub struct WordError {
    /// What was being read.
    pub what: &'static str,
    /// The word as sent, clipped.
    pub text: alloc::string::String,
    /// What there is.
    pub allowed: &'static str,
}

impl FromStr for Outcome {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
            .ok_or_else(|| WordError {
                what: "an outcome",
                text: crate::run_id::clip(text),
                allowed: "succeeded, succeeded_with_errors, failed, skipped, cancelled, lost",
            })
    }
}

impl FromStr for Status {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| WordError {
                what: "a status",
                text: crate::run_id::clip(text),
                allowed: "queued, running, succeeded, succeeded_with_errors, failed, skipped, cancelled, lost",
            })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

text_serde!(Status);
