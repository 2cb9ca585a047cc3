//! How the projection is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use runledger_ports::{OutboxCounts, OutboxEntry, OutboxHead, PageSize, StepKind, TargetFigures, Unavailable};

use super::{Projection, lock};

/// How many rows that were set aside a status shows.
pub const SET_ASIDE_SHOWN: u32 = 100;

/// How the projection is: what all servers know, and what this one did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ProjectionStatus {
    /// Where records are shown, and how far the log was read; nothing before that began.
    pub head: Option<OutboxHead>,
    /// The number of the last line of the log.
    pub last_line: u64,
    /// How many rows there are at each step.
    pub counts: OutboxCounts,
    /// For how long the row that has waited longest has been due.
    pub late: Duration,
    /// The first of the rows that were set aside, [`SET_ASIDE_SHOWN`] at most.
    pub set_aside: Vec<OutboxEntry>,
    /// Why this server cannot show anything, where that is not the state of the outbox.
    pub trouble: Option<String>,
    /// How much this server asked.
    pub asked: TargetFigures,
    /// Rows that this server made.
    pub made: u64,
    /// Rows that this server changed.
    pub changed: u64,
    /// Rows that would have been changed, and show the record already.
    pub unchanged: u64,
    /// Rows of this server that came into doubt.
    pub doubts: u64,
    /// Rows that this server set aside.
    pub aside: u64,
}

impl ProjectionStatus {
    /// How many lines of the log were not looked at yet.
    pub fn lag_lines(&self) -> u64 {
        let position = self.head.as_ref().map_or(0, |head| head.position);
        self.last_line.saturating_sub(position)
    }
}

impl Projection {
    /// How it is.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    pub async fn status(&self) -> Result<ProjectionStatus, Unavailable> {
        let head = self.store.outbox().await?;
        let counts = self.store.outbox_counts().await?;
        let size = PageSize::new(SET_ASIDE_SHOWN).unwrap_or_default();
        let now = self.shared.clock.now();
        let late = counts.oldest_due.map(|due| now.saturating_since(due));
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Ok(ProjectionStatus {
            head,
            last_line: self.events.last_line().await?,
            late: late.unwrap_or_default(),
            set_aside: self.store.entries_in(StepKind::SetAside, None, size).await?,
            counts,
            trouble: lock(&self.trouble).clone(),
            asked: self.target.figures(),
            made: read(&self.counts.made),
            changed: read(&self.counts.changed),
            unchanged: read(&self.counts.unchanged),
            doubts: read(&self.counts.doubts),
            aside: read(&self.counts.set_aside),
        })
    }
}
