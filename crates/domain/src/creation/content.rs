//! What a record holds from the start, a history that was kept elsewhere included.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::client_id::ClientName;
use crate::deadline::DeadlineAfter;
#[cfg(doc)]
use crate::external_id::EXTERNAL_IDS_MAX;
use crate::external_id::{BatchLabel, ExternalId};
use crate::metric::{METRICS_MAX, Metrics};
use crate::note::NoteText;
use crate::source::Source;
use crate::status::{Ending, State, Status};
use crate::timestamp::Timestamp;

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
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "StoredHistory")
)]
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

/// A history as it is stored; it becomes one through the same door as any other.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct StoredHistory {
    status: Status,
    #[serde(default)]
    started_at: Option<Timestamp>,
    #[serde(default)]
    ended_at: Option<Timestamp>,
    #[serde(default)]
    metrics: Metrics,
    #[serde(default)]
    reconstructed: bool,
}

#[cfg(feature = "serde")]
impl TryFrom<StoredHistory> for Imported {
    type Error = ImportedError;

    fn try_from(stored: StoredHistory) -> Result<Self, Self::Error> {
        let history = Self::new(stored.status, stored.started_at, stored.ended_at, stored.metrics)?;
        Ok(Self {
            reconstructed: stored.reconstructed,
            ..history
        })
    }
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
    /// Work that waits has not begun.
    #[error("a queued record has no start time")]
    StartOfQueued,
    /// More metrics than a record holds.
    #[error("a record holds at most {METRICS_MAX} metrics, not {count}")]
    TooManyMetrics {
        /// How many there are.
        count: usize,
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
    /// [`ImportedError`] when an open record has an end, a queued one a start, an end lies before its start, or there
    /// are too many metrics.
    pub fn new(
        status: Status,
        started_at: Option<Timestamp>,
        ended_at: Option<Timestamp>,
        metrics: Metrics,
    ) -> Result<Self, ImportedError> {
        if status == Status::Queued && started_at.is_some() {
            return Err(ImportedError::StartOfQueued);
        }
        let count = metrics.iter().len();
        if count > METRICS_MAX {
            return Err(ImportedError::TooManyMetrics { count });
        }
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

    /// The status at the time of the import.
    pub const fn status(&self) -> Status {
        self.status
    }

    /// When the work began, if that is known.
    pub const fn started_at(&self) -> Option<Timestamp> {
        self.started_at
    }

    /// When the work ended, if that is known.
    pub const fn ended_at(&self) -> Option<Timestamp> {
        self.ended_at
    }

    /// The metrics at the time of the import.
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether the older tables did not hold the record.
    pub const fn is_reconstructed(&self) -> bool {
        self.reconstructed
    }

    pub(super) fn state(&self, created_at: Timestamp, source: &Source) -> State {
        match self.status {
            Status::Queued => State::Queued,
            Status::Running => State::Running {
                started_at: self.started_at.unwrap_or(created_at),
            },
            Status::Ended(outcome) => State::Ended(Ending {
                outcome,
                started_at: self.started_at,
                ended_at: self.ended_at,
                source: source.clone(),
                note: None,
            }),
        }
    }
}
