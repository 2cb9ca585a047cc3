//! The record of a run, or of one client's share in it. Only creation makes one, only a change makes the next version.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use crate::attempt::{AttemptId, UpdateId};
use crate::client_id::ClientName;
use crate::creation::CreationContent;
use crate::deadline::DeadlineAfter;
use crate::external_id::{BatchLabel, ExternalId};
use crate::metric::Metrics;
use crate::note::Note;
use crate::run_key::RunKey;
use crate::source::Source;
use crate::stage::Stage;
use crate::status::{State, Status};
use crate::timestamp::Timestamp;

/// The version of a record: 1 when created, one more for each accepted change (I5).
pub type Version = u64;

/// How a record came into being. None of it ever changes (I1).
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Creation {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub source: Source,
    /// In which attempt; a retry carries the same one (I7).
    pub attempt: AttemptId,
    /// Whether the ledger chose the run id when the run started.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "core::ops::Not::not"))]
    pub minted: bool,
    /// What was asked for.
    pub content: CreationContent,
}

/// One record of the ledger.
///
/// Fields are private: a record changes only through [`apply`](crate::change::apply), which decides by the rules and
/// raises the version. Holding a `RunRecord` gives nobody the power to create one in a store.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RunRecord {
    pub(crate) key: RunKey,
    pub(crate) creation: Creation,
    pub(crate) state: State,
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub(crate) stages: Vec<Stage>,
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Metrics::is_empty"))]
    pub(crate) metrics: Metrics,
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub(crate) notes: Vec<Note>,
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub(crate) external_ids: Vec<ExternalId>,
    /// The update ids that were applied, with a fingerprint of what each of them changed (I7).
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "BTreeMap::is_empty"))]
    pub(crate) updates: BTreeMap<UpdateId, u64>,
    pub(crate) deadline_after: DeadlineAfter,
    pub(crate) deadline: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) updated_by: Source,
    pub(crate) version: Version,
}

impl RunRecord {
    /// What the record is found by.
    pub const fn key(&self) -> &RunKey {
        &self.key
    }

    /// How it came into being.
    pub const fn creation(&self) -> &Creation {
        &self.creation
    }

    /// The client's name as people read it.
    pub const fn client_name(&self) -> Option<&ClientName> {
        self.creation.content.client_name.as_ref()
    }

    /// The batch that it was created for.
    pub const fn batch(&self) -> Option<&BatchLabel> {
        self.creation.content.batch.as_ref()
    }

    /// Where it stands, with what belongs to that.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Where it stands, in one word.
    pub const fn status(&self) -> Status {
        self.state.status()
    }

    /// Its operations, in the order in which they began.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Its metrics.
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Its notes, oldest first.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// References to other systems.
    pub fn external_ids(&self) -> &[ExternalId] {
        &self.external_ids
    }

    /// How long it may go without a sign of life.
    pub const fn deadline_after(&self) -> DeadlineAfter {
        self.deadline_after
    }

    /// When it counts as stalled unless something is heard of it before.
    pub const fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// When it was last changed (or created).
    pub const fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    /// Who last changed (or created) it.
    pub const fn updated_by(&self) -> &Source {
        &self.updated_by
    }

    /// Its version.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Whether it is still open although its deadline has passed. A view: nothing is written.
    pub fn is_stalled(&self, now: Timestamp) -> bool {
        self.status().is_open() && now > self.deadline
    }

    /// How long the work took: from its start to its end, once it has both.
    pub fn duration(&self) -> Option<Duration> {
        let ending = self.state.ending()?;
        Some(ending.ended_at?.saturating_since(ending.started_at?))
    }
}
