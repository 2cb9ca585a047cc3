//! The capability to read. Reading never creates and never changes (I3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use runledger_domain::{
    Activity, AttemptId, BatchLabel, ClientId, ExternalId, JobSummary, RecordKind, RunId, RunKey, RunRecord, Source,
    Status, Timestamp,
};

use crate::error::Unavailable;

/// The most entries that one page holds.
pub const PAGE_MAX: u32 = 1_000;
/// How many entries a page holds when nobody says.
pub const PAGE_DEFAULT: u32 = 100;

/// How many entries a page may hold: 1 to [`PAGE_MAX`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PageSize(u32);

impl PageSize {
    /// Takes a number of entries; `None` outside 1 to [`PAGE_MAX`].
    pub const fn new(entries: u32) -> Option<Self> {
        if entries == 0 || entries > PAGE_MAX {
            None
        } else {
            Some(Self(entries))
        }
    }

    /// The number of entries.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(PAGE_DEFAULT)
    }
}

/// A place in a listing: everything up to it has been read. Only the store that gave it can read it, save for a place in
/// the activity log, which is a number that everybody knows ([`Cursor::after_line`]).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Cursor {
    /// What the listing is ordered by: microseconds of the deadline for stalled records, 0 elsewhere.
    pub order: i64,
    /// The number of the entry, which decides between equals.
    pub id: u64,
}

impl Cursor {
    /// The place in the activity log behind the line of this number; 0 is its beginning.
    pub const fn after_line(seq: u64) -> Self {
        Self { order: 0, id: seq }
    }
}

/// Which records to list. All given conditions must hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ListFilter {
    /// Of this run.
    pub run: Option<RunId>,
    /// Of this client.
    pub client: Option<ClientId>,
    /// Job records, or client run records.
    pub kind: Option<RecordKind>,
    /// With this status.
    pub status: Option<Status>,
    /// Only open ones (queued or running).
    pub open: bool,
    /// Of this batch.
    pub batch: Option<BatchLabel>,
    /// With this reference.
    pub external_id: Option<ExternalId>,
    /// Only client run records of these clients: for whoever may know of no others (I12).
    pub within: Option<BTreeSet<ClientId>>,
}

impl ListFilter {
    /// The same records as filters of which each names one status and one client at most: those for which an index is in
    /// order. Their pages are to be put together in the order of creation ([`RecordPage::of`]).
    pub fn walks(&self) -> Vec<Self> {
        let statuses: Vec<Option<Status>> = match self.status {
            Some(status) if self.open && !status.is_open() => Vec::new(),
            Some(status) => vec![Some(status)],
            None if self.open => vec![Some(Status::Queued), Some(Status::Running)],
            None => vec![None],
        };
        let clients: Vec<Option<&ClientId>> = match &self.within {
            None => vec![self.client.as_ref()],
            Some(within) => {
                let wanted = |client: &&ClientId| self.client.as_ref().is_none_or(|wanted| wanted == *client);
                within.iter().filter(wanted).map(Some).collect()
            }
        };
        let each = statuses
            .iter()
            .flat_map(|status| clients.iter().map(move |client| (*status, *client)));
        each.map(|(status, client)| Self {
            status,
            open: false,
            client: client.cloned(),
            within: None,
            ..self.clone()
        })
        .collect()
    }
}

/// One page of records in the order of their creation.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RecordPage {
    /// The records.
    pub records: Vec<Arc<RunRecord>>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

impl RecordPage {
    /// The page of what was found, each with its place: one more than the page has room for says that there is a next.
    pub fn of(mut found: Vec<(Cursor, Arc<RunRecord>)>, size: PageSize) -> Self {
        found.sort_unstable_by_key(|(place, _)| *place);
        let room = size.get() as usize;
        let more = found.len() > room;
        found.truncate(room);
        Self {
            next: found.last().filter(|_| more).map(|(place, _)| *place),
            records: found.into_iter().map(|(_, record)| record).collect(),
        }
    }
}

/// Which records count as stalled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StalledFilter {
    /// Open records whose deadline lies before this point.
    pub deadline_before: Timestamp,
    /// Only client run records of these clients: for whoever may know of no others (I12).
    pub within: Option<BTreeSet<ClientId>>,
}

/// Which lines of the activity log to list. All given conditions must hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ActivityFilter {
    /// About this run.
    pub run: Option<RunId>,
    /// About this client.
    pub client: Option<ClientId>,
    /// By this source.
    pub source: Option<Source>,
    /// Only refused attempts.
    pub refused: bool,
    /// Only about client run records of these clients: for whoever may know of no others (I12).
    pub within: Option<BTreeSet<ClientId>>,
}

/// One page of the activity log, oldest first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ActivityPage {
    /// The lines.
    pub lines: Vec<Activity>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// The most stalled records that are counted. A count that reaches it says: as many, or more.
pub const STALLED_COUNTED_MAX: u64 = 10_000;

/// How much a store holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// How many records have each status; what is not there has none.
    pub records: BTreeMap<Status, u64>,
    /// How many lines the activity log has.
    pub lines: u64,
    /// How many records are stalled, [`STALLED_COUNTED_MAX`] at most.
    pub stalled: u64,
}

/// A store that can be read.
///
/// # Contract
/// - A read MUST NOT create or change anything (I3).
/// - `get` MUST answer the newest version that was answered to anybody before the call began (I8).
/// - "Not there" MUST be `Ok(None)`, and only when the store knows it; an outage is an error, and so is absence after a
///   commit of unknown outcome (I10).
/// - Pages MUST hold each matching record once, in the order of creation, also while others are created and while
///   delivered ones cease to match (`stalled`: in the order of the deadlines).
/// - `counts` MUST be those of the records and lines that the listings would show, and MUST NOT need to look at all of
///   them (a store for tests may).
/// - A place in the activity log MUST be the number of a line: [`Cursor::after_line`] leads on from any line, whatever the
///   filter, and `next` of a page is the number of a line that this page covers.
#[async_trait]
pub trait RunReader: Send + Sync {
    /// The record under the key.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn get(&self, key: &RunKey) -> Result<Option<Arc<RunRecord>>, Unavailable>;

    /// The job record that this source created with this attempt under a run id that the ledger chose (I7).
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn find_minted(&self, source: &Source, attempt: &AttemptId) -> Result<Option<Arc<RunRecord>>, Unavailable>;

    /// A page of records in the order of their creation, after `after`.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn list(&self, filter: &ListFilter, after: Option<Cursor>, size: PageSize)
    -> Result<RecordPage, Unavailable>;

    /// A page of stalled records, the longest overdue first, after `after`.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn stalled(
        &self,
        filter: &StalledFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<RecordPage, Unavailable>;

    /// The summary of a run, derived from its records (I19); `None` when the run has no record at all.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn summary(&self, run: &RunId) -> Result<Option<JobSummary>, Unavailable>;

    /// A page of the activity log, oldest first, after `after`.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn activity(
        &self,
        filter: &ActivityFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<ActivityPage, Unavailable>;

    /// How many records and lines there are; stalled are open records whose deadline lies before the given point.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn counts(&self, stalled_before: Timestamp) -> Result<Counts, Unavailable>;
}
