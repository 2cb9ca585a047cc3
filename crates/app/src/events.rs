//! Following the activity log: page by page from any line on, at the reader's pace, told when there is more.
//!
//! Nothing is held for a reader but the number of the line that they reached. So a reader may be slow, go away and come
//! back after a restart: they miss no line and get none twice, as long as they keep that number (I6).

use std::collections::BTreeSet;
use std::sync::Arc;

use runledger_domain::{Action, Activity, ClientId, RunId};
use runledger_ports::{ActivityFilter, ActivityWatch, Cursor, PageSize, Unavailable};

use crate::shared::Shared;

/// What to do with refused attempts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Refused {
    /// Leave them out.
    #[default]
    Without,
    /// Show them among the others.
    With,
    /// Show nothing else.
    Only,
}

/// Which lines to follow. All given conditions must hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EventFilter {
    /// About this run.
    pub run: Option<RunId>,
    /// About this client.
    pub client: Option<ClientId>,
    /// Of this action.
    pub action: Option<Action>,
    /// Refused attempts.
    pub refused: Refused,
    /// Only about client run records of these clients: for whoever may know of no others (I12).
    pub within: Option<BTreeSet<ClientId>>,
}

impl EventFilter {
    /// What the store can sort out. The rest is sorted out here: no index would serve it.
    fn for_store(&self) -> ActivityFilter {
        ActivityFilter {
            run: self.run.clone(),
            client: self.client.clone(),
            source: None,
            refused: self.refused == Refused::Only,
            within: self.within.clone(),
        }
    }

    fn wants(&self, activity: &Activity) -> bool {
        self.action.is_none_or(|action| activity.line.action == action)
            && (self.refused != Refused::Without || !activity.line.verdict.is_refused())
    }
}

/// One step along the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EventPage {
    /// The lines that are wanted, oldest first; there may be none.
    pub lines: Vec<Activity>,
    /// All lines up to this one have been looked at: where the next step begins.
    pub position: u64,
    /// Whether that was the last line when it was looked at.
    pub at_end: bool,
}

/// Follows the activity log.
pub struct Events {
    shared: Arc<Shared>,
    watch: Arc<dyn ActivityWatch>,
}

impl Events {
    pub(crate) fn new(shared: Arc<Shared>, watch: Arc<dyn ActivityWatch>) -> Self {
        Self { shared, watch }
    }

    /// The number of the last line of the log; 0 while there is none.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    pub async fn last_line(&self) -> Result<u64, Unavailable> {
        self.watch.last_line().await
    }

    /// Looks at up to `size` lines after line `after`.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    pub async fn page(&self, filter: &EventFilter, after: u64, size: PageSize) -> Result<EventPage, Unavailable> {
        // Asked first: what a page does not show of the lines up to here does not match.
        let last = self.watch.last_line().await?;
        if last <= after {
            return Ok(EventPage {
                lines: Vec::new(),
                position: after,
                at_end: true,
            });
        }
        let place = Some(Cursor::after_line(after));
        let page = self.shared.reader.activity(&filter.for_store(), place, size).await?;
        let shown = page.lines.last().map_or(after, |line| line.seq);
        let position = page.next.map_or(last.max(shown), |next| next.id);
        let mut lines = page.lines;
        lines.retain(|line| filter.wants(line));
        Ok(EventPage {
            lines,
            position,
            at_end: page.next.is_none(),
        })
    }

    /// Waits until there is a line after `after`; answers the number of the last one.
    ///
    /// # Errors
    /// [`Unavailable`] when no more lines will come, or the store cannot say.
    pub async fn grown(&self, after: u64) -> Result<u64, Unavailable> {
        self.watch.grown(after).await
    }
}
