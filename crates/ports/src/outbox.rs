//! The capability to remember what is to be copied elsewhere, and what became of it (I14).
//!
//! The log is written in the transaction of its effect, gapless and in order, so it is the outbox; what is kept here is
//! how far it was read, and one entry for each record that has, or is to have, a row elsewhere. An entry says what of the
//! log the row shows already and what it is to show: so any number of changes collapse to the newest state.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use runledger_domain::{RecordKind, RunKey, Timestamp};

use crate::error::Unavailable;
use crate::lease::{Fence, FencedError};
use crate::reader::PageSize;

/// The longest name of a row, in bytes.
const ROW_ID_MAX: usize = 64;

/// What a row is called elsewhere: 1 to 64 visible ASCII characters, chosen by the place where it lies.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RowId(Arc<str>);

/// The text is not the name of a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a row is named by 1 to {ROW_ID_MAX} visible ASCII characters")]
pub struct RowIdError;

impl RowId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RowId {
    type Err = RowIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = !text.is_empty() && text.len() <= ROW_ID_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text.into())) } else { Err(RowIdError) }
    }
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How far the log was read into the outbox, and whether anything is sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutboxHead {
    /// What is copied to, in words of the adapter: rows of one place are not rows of another.
    pub target: String,
    /// All lines up to this one are in the outbox.
    pub position: u64,
    /// Why nothing is sent, when nothing is.
    pub stopped: Option<OutboxStop>,
}

/// Why nothing is sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutboxStop {
    /// Since when.
    pub at: Timestamp,
    /// Until when, if it ends by itself.
    pub until: Option<Timestamp>,
    /// Why, and what to do; without secrets.
    pub reason: String,
}

/// What the log says of the row of a record: it is to show this line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mark {
    /// The record.
    pub key: RunKey,
    /// The line.
    pub line: u64,
    /// When it is to be sent.
    pub due: Timestamp,
}

impl Mark {
    /// One mark for each key: with the greatest line, and the earliest time.
    pub fn folded(marks: Vec<Self>) -> Vec<Self> {
        let mut folded: BTreeMap<RunKey, Self> = BTreeMap::new();
        for mark in marks {
            match folded.get_mut(&mark.key) {
                Some(before) => {
                    before.line = before.line.max(mark.line);
                    before.due = before.due.min(mark.due);
                }
                None => drop(folded.insert(mark.key.clone(), mark)),
            }
        }
        folded.into_values().collect()
    }
}

/// The row of a record: what it is to show, what it shows, and what is being done about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutboxEntry {
    /// The record.
    pub key: RunKey,
    /// The last line of the log that concerns the row.
    pub wanted: u64,
    /// When what it lacks is to be sent.
    pub due: Timestamp,
    /// What of it is known.
    pub row: RowState,
}

impl OutboxEntry {
    /// Whether the row is idle and lacks something.
    pub fn is_waiting(&self) -> bool {
        self.row.step == Step::Idle && self.wanted > self.row.shown
    }
}

/// What is known of a row, and what is being done with it. Whoever projects keeps it as a whole.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RowState {
    /// What the row is called, once that is known.
    pub id: Option<RowId>,
    /// The line up to which the row shows the record; 0 while it is not known to show anything.
    pub shown: u64,
    /// The digest of the cells that it is known to hold.
    pub digest: Option<[u8; 32]>,
    /// What is being done.
    pub step: Step,
    /// How many tries have failed since the last one that did not.
    pub failures: u64,
}

/// What is being done with a row.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Step {
    /// Nothing; it is sent when it lacks something and its time has come.
    #[default]
    Idle,
    /// A request with it may be under way.
    Sending {
        /// Since when.
        at: Timestamp,
        /// The line up to which the request shows the record.
        line: u64,
    },
    /// Nobody can say whether a request took effect, or will: it is looked up after a quiet period.
    Unknown {
        /// Since when.
        at: Timestamp,
        /// The line up to which the request shows the record.
        line: u64,
        /// Where the doubt comes from.
        why: String,
    },
    /// It cannot be written as it is, and holds up no other (I12). A newer line, or somebody who says so, lets it go on.
    SetAside {
        /// Since when.
        at: Timestamp,
        /// The line up to which it could not be shown.
        line: u64,
        /// Why, and what to do.
        why: String,
    },
}

/// A kind of [`Step`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum StepKind {
    /// [`Step::Idle`].
    Idle,
    /// [`Step::Sending`].
    Sending,
    /// [`Step::Unknown`].
    Unknown,
    /// [`Step::SetAside`].
    SetAside,
}

impl StepKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Idle, Self::Sending, Self::Unknown, Self::SetAside];

    /// The number that stands for it in every store, for ever. 1 was set aside for a step that nothing ever wrote, and is not
    /// given again.
    pub const fn number(self) -> u8 {
        match self {
            Self::Idle => 0,
            Self::Sending => 2,
            Self::Unknown => 3,
            Self::SetAside => 4,
        }
    }

    /// The kind that a number stands for.
    pub fn of_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| i64::from(kind.number()) == number)
    }
}

impl Step {
    /// The step of this kind with what belongs to it; nothing when some of that is missing. The rest is left out.
    pub fn of(kind: StepKind, at: Option<Timestamp>, line: Option<u64>, why: Option<String>) -> Option<Self> {
        Some(match kind {
            StepKind::Idle => Self::Idle,
            StepKind::Sending => Self::Sending { at: at?, line: line? },
            StepKind::Unknown => Self::Unknown {
                at: at?,
                line: line?,
                why: why?,
            },
            StepKind::SetAside => Self::SetAside {
                at: at?,
                line: line?,
                why: why?,
            },
        })
    }

    /// Since when it is at this step, the line that is concerned, and why: each if the step has one. What
    /// [`Step::of`] makes a step of, apart from its kind.
    pub fn parts(&self) -> (Option<Timestamp>, Option<u64>, Option<&str>) {
        match self {
            Self::Idle => (None, None, None),
            Self::Sending { at, line } => (Some(*at), Some(*line), None),
            Self::Unknown { at, line, why } | Self::SetAside { at, line, why } => (Some(*at), Some(*line), Some(why)),
        }
    }

    /// Which kind it is.
    pub const fn kind(&self) -> StepKind {
        match self {
            Self::Idle => StepKind::Idle,
            Self::Sending { .. } => StepKind::Sending,
            Self::Unknown { .. } => StepKind::Unknown,
            Self::SetAside { .. } => StepKind::SetAside,
        }
    }
}

/// How much is in the outbox.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OutboxCounts {
    /// Entries that lack something, and are idle.
    pub waiting: u64,
    /// Under way.
    pub sending: u64,
    /// In doubt.
    pub unknown: u64,
    /// Set aside.
    pub set_aside: u64,
    /// When the one of those that wait whose time came first was due.
    pub oldest_due: Option<Timestamp>,
    /// When the one of those that wait whose time comes last is due.
    pub latest_due: Option<Timestamp>,
}

impl OutboxCounts {
    /// Adds so many entries of a kind. Of those that are idle only the ones that wait are given, with the earliest and the
    /// latest time when they are due.
    pub fn add(&mut self, kind: StepKind, entries: u64, [earliest, latest]: [Option<Timestamp>; 2]) {
        match kind {
            StepKind::Idle => {
                self.waiting += entries;
                self.oldest_due = self.oldest_due.into_iter().chain(earliest).min();
                self.latest_due = self.latest_due.max(latest);
            }
            StepKind::Sending => self.sending += entries,
            StepKind::Unknown => self.unknown += entries,
            StepKind::SetAside => self.set_aside += entries,
        }
    }
}

/// A row that is about to be deleted elsewhere, as it was.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RemovedRow {
    /// The record that it was a row of.
    pub key: RunKey,
    /// What it was called.
    pub id: RowId,
    /// When it was to be deleted.
    pub at: Timestamp,
    /// Who wanted it deleted.
    pub by: String,
    /// All its cells, as a JSON object.
    pub cells: String,
}

/// A store that remembers what is to be copied elsewhere.
///
/// There is one outbox, and one holder of [`Duty::Project`](crate::Duty::Project) who writes it.
///
/// # Contract
/// - What was answered as kept MUST be there for ever, also after a restart and a crash (I4); what is kept in one call MUST
///   become durable as a whole or not at all.
/// - Every write MUST be refused with [`FencedError::Lost`], and keep nothing, once the fence is not that of the last taking
///   of its duty (I13).
/// - None of this MUST touch a record or the log (I3).
/// - A fence of any other duty than [`Duty::Project`](crate::Duty::Project) MUST be refused like one that is lost.
/// - The position MUST NOT go back while the target stays the same; `wanted` of an entry MUST NOT go back, and `shown` MUST
///   NOT go back but to 0, which says that the row is not known to show anything any more; until `begin_outbox` empties it
///   all.
/// - An entry MUST come into being by `mark_outbox` alone, and only for a key that has a record (I14): a mark without a
///   record and a row state without an entry MUST be left out, and the rest of what came with them kept.
/// - Entries MUST be answered as they were kept, byte for byte.
/// - `due_entries` MUST answer those that [`OutboxEntry::is_waiting`] says of, earliest `due` first, then in the order in which
///   their records were created; its cost, like that of `outbox_counts` and `entries_in`, MUST NOT grow with the number of
///   entries that lack nothing.
/// - Before the outbox was begun, `mark_outbox` and `stop_outbox` MUST answer [`Unavailable`] and keep nothing.
#[async_trait]
pub trait OutboxStore: Send + Sync {
    /// How far the log was read; nothing before the outbox was begun.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn outbox(&self) -> Result<Option<OutboxHead>, Unavailable>;

    /// Begins the outbox of a target at `position`, without any entry and not stopped: what there was before is forgotten,
    /// but for the rows that were [removed](Self::keep_removed).
    ///
    /// # Errors
    /// [`FencedError`].
    async fn begin_outbox(&self, fence: &Fence, target: &str, position: u64) -> Result<(), FencedError>;

    /// Takes what the log says up to `position`: makes the entries that are missing and raises `wanted` to the line. An
    /// entry that lacked nothing, and lacks something now, is due when the mark says; one that lacked something already
    /// stays due when it was, so that a try that is put off is not hastened by more changes. Marks come in any order; of
    /// several of one key the greatest line counts, and the earliest `due`.
    ///
    /// # Errors
    /// [`FencedError`].
    async fn mark_outbox(&self, fence: &Fence, position: u64, marks: Vec<Mark>) -> Result<(), FencedError>;

    /// Keeps what is known of rows, and from when on they are to be sent if they lack something. `wanted` stays what it is.
    /// Of several of one key the last counts.
    ///
    /// # Errors
    /// [`FencedError`].
    async fn keep_rows(&self, fence: &Fence, rows: Vec<(RunKey, Timestamp, RowState)>) -> Result<(), FencedError>;

    /// Notes that nothing is sent any more, or that it goes on.
    ///
    /// # Errors
    /// [`FencedError`].
    async fn stop_outbox(&self, fence: &Fence, stop: Option<OutboxStop>) -> Result<(), FencedError>;

    /// Those of one kind of record that wait and whose time has come.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn due_entries(
        &self,
        kind: RecordKind,
        now: Timestamp,
        size: PageSize,
    ) -> Result<Vec<OutboxEntry>, Unavailable>;

    /// The entry of each key, in the order of the keys; nothing for a key without one.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn entries(&self, keys: &[RunKey]) -> Result<Vec<Option<OutboxEntry>>, Unavailable>;

    /// Those that are at a step, other than idle, in the order in which their records were created, after that of this key;
    /// from the beginning when it has none. There are none that are idle.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn entries_in(
        &self,
        step: StepKind,
        after: Option<&RunKey>,
        size: PageSize,
    ) -> Result<Vec<OutboxEntry>, Unavailable>;

    /// How much there is of each.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn outbox_counts(&self) -> Result<OutboxCounts, Unavailable>;

    /// Keeps rows as they were, before they are deleted elsewhere. The same row kept again is another copy.
    ///
    /// # Errors
    /// [`FencedError`].
    async fn keep_removed(&self, fence: &Fence, rows: Vec<RemovedRow>) -> Result<(), FencedError>;

    /// The rows that were kept, oldest first, after so many of them.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn removed_rows(&self, after: u64, size: PageSize) -> Result<Vec<RemovedRow>, Unavailable>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_steps_keep_their_numbers() {
        let kinds: Vec<_> = (0..6).map(StepKind::of_number).collect();
        let [idle, sending, unknown, set_aside] = StepKind::ALL.map(Some);
        assert_eq!(kinds, [idle, None, sending, unknown, set_aside, None]);
    }

    #[test]
    fn names_of_rows_are_short_and_visible() {
        assert_eq!(
            "recAAAAAAAAAAAAAA".parse::<RowId>().map(|id| id.to_string()),
            Ok("recAAAAAAAAAAAAAA".into())
        );
        for text in ["", "a b", "ä", "a\n", &"a".repeat(65)] {
            assert_eq!(text.parse::<RowId>(), Err(RowIdError), "{text}");
        }
    }
}
