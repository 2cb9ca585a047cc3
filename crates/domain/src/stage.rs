//! Stages: named operations inside a record, each with its own start, end and outcome. Durations come from them.

use alloc::sync::Arc;
use core::str::FromStr;
use core::time::Duration;

use crate::metric::MetricChange;
use crate::status::Outcome;
use crate::text::{Shape, TextError, check_not_missing};
use crate::timestamp::Timestamp;

/// The most stages that one record holds.
pub const STAGES_MAX: usize = 64;

/// The name of a stage, e.g. `lead_scoring`: a letter, then up to 63 letters, digits, `_`, `.` and `-`.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StageName(Arc<str>);

text_type!(StageName);

const NAME: Shape = Shape {
    what: "stage name",
    first: |c| c.is_ascii_alphabetic(),
    rest: |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'),
    allowed: "a letter, then letters, digits, '_', '.' and '-'",
    min_bytes: 1,
    max_bytes: 64,
};

impl FromStr for StageName {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        NAME.check(text)?;
        check_not_missing(NAME.what, text)?;
        Ok(Self(Arc::from(text)))
    }
}

/// One operation inside a record.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Stage {
    /// What it is called.
    pub name: StageName,
    /// When it began.
    pub started_at: Timestamp,
    /// How and when it ended, if it did.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub end: Option<StageEnd>,
}

/// The end of a stage; final like the end of a record.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct StageEnd {
    /// How it ended.
    pub outcome: Outcome,
    /// When it ended; never before it began.
    pub ended_at: Timestamp,
    /// What it reported: the change that was made to the record's metrics with it, once.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "MetricChange::is_empty"))]
    pub metrics: MetricChange,
}

impl Stage {
    /// Whether the stage has begun and not ended.
    pub const fn is_open(&self) -> bool {
        self.end.is_none()
    }

    /// How long the stage took, if it has ended.
    pub fn duration(&self) -> Option<Duration> {
        self.end
            .as_ref()
            .map(|end| end.ended_at.saturating_since(self.started_at))
    }
}
