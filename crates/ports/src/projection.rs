//! The capability to show records elsewhere, as rows of tables (I14).
//!
//! A place elsewhere knows no unique key and no transaction, so it decides nothing. What a write came to is therefore said
//! in four words, and *unknown* is never taken for one of the others: whoever is told so looks before asking again.

use std::sync::Arc;

use async_trait::async_trait;
use runledger_domain::{JobSummary, RecordKind, RunKey, RunRecord, Timestamp};

use crate::outbox::RowId;

/// All cells of a row, made ready by the place that it is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cells {
    /// The cells in the place's own form; nobody else reads it.
    pub text: String,
    /// The same for equal cells, another for others.
    pub digest: [u8; 32],
}

/// Why a record has no row. Others go on (I12).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{why}")]
pub struct Unshowable {
    /// Why, and what to do.
    pub why: String,
}

/// A row that is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FoundRow {
    /// What it is called.
    pub id: RowId,
    /// The digest of those of its cells that a projection writes.
    pub digest: [u8; 32],
}

/// What a place is like.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prepared {
    /// What it is called: rows of one are not rows of another. The same for as long as its tables are the same.
    pub target: String,
    /// Whether its tables are not what they were when they were looked at before.
    pub is_changed: bool,
    /// What its owner should know; nothing of it forbids writing.
    pub notes: Vec<String>,
}

/// Why nothing was written, and nothing was read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotDone {
    /// The same may be asked again, after a moment.
    #[error("{why}")]
    Later {
        /// Why.
        why: String,
    },
    /// It would be refused again until somebody has done something, or until a time.
    #[error("{why}")]
    Stopped {
        /// Why, and what to do; without secrets.
        why: String,
        /// When it ends by itself.
        until: Option<Timestamp>,
    },
}

/// What a refusal of rows is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RefusedFor {
    /// A row that was to be changed is not there any more.
    RowGone,
    /// There are too many rows, or too large ones. Certainly none was written.
    TooLarge,
    /// A row is not one that the place takes.
    Unfit,
}

/// What became of a write of rows.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "a write whose outcome nobody looks at is neither done nor safe to repeat"]
pub enum WriteOutcome {
    /// All of it was done.
    Done(Vec<(RunKey, RowId)>),
    /// None of it was done, and it is not for its rows.
    NotDone(NotDone),
    /// It is over, and was refused for its rows. Of several, some may have been written before the one that was refused.
    Refused {
        /// What it is about.
        of: RefusedFor,
        /// In words.
        why: String,
    },
    /// Some of it may have been done, or may still be.
    Unknown {
        /// The rows that certainly were.
        written: Vec<(RunKey, RowId)>,
        /// Where the doubt comes from.
        why: String,
    },
}

/// How much a place was asked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TargetFigures {
    /// Requests that were sent.
    pub requests: u64,
    /// Those that were refused because there were too many.
    pub too_many: u64,
}

/// A place where records are shown as rows, one table for each kind.
///
/// # Contract
/// - `make_rows` and `change_rows` MUST send each write at most once, whatever comes of it, and MUST NOT look for a row to
///   change instead of making one: there are no upserts.
/// - [`WriteOutcome::Done`], [`WriteOutcome::Refused`] and [`WriteOutcome::NotDone`] MUST be certain; all else is unknown.
/// - `look_up` MUST answer every row of a key that the place shows; that it shows none MUST NOT be taken for a proof.
/// - Cells MUST NOT depend on anything but the record, the summary and what the tables are like.
/// - The place's own limits MUST be kept here, whoever asks: a call waits for its turn.
/// - Nothing that is answered may hold a secret.
#[async_trait]
pub trait ProjectionTarget: Send + Sync {
    /// Kinds whose tables share their limits, each kind once: what is asked of one group holds up no other.
    fn groups(&self) -> Vec<Vec<RecordKind>>;

    /// How many rows one write takes.
    fn rows_max(&self) -> usize;

    /// Looks what the tables are like, which everything else needs.
    ///
    /// # Errors
    /// [`NotDone`].
    async fn prepare(&self) -> Result<Prepared, NotDone>;

    /// Whether the row of a job shows what its client run records come to.
    fn shows_totals(&self) -> bool;

    /// The cells of a record's row; with the summary, also the totals of a job.
    ///
    /// # Errors
    /// [`Unshowable`].
    fn render(&self, record: &RunRecord, summary: Option<&JobSummary>) -> Result<Cells, Unshowable>;

    /// Waits until a call for this kind would not have to wait, so that what it writes is as new as can be.
    async fn ready(&self, kind: RecordKind);

    /// Whether the table of a kind has any row at all.
    ///
    /// # Errors
    /// [`NotDone`].
    async fn has_rows(&self, kind: RecordKind) -> Result<bool, NotDone>;

    /// The rows of these records of one kind; several where a key is there several times.
    ///
    /// # Errors
    /// [`NotDone`].
    async fn look_up(&self, kind: RecordKind, records: &[Arc<RunRecord>]) -> Result<Vec<(RunKey, FoundRow)>, NotDone>;

    /// Makes rows, [`rows_max`](Self::rows_max) at most, no two of one key.
    async fn make_rows(&self, kind: RecordKind, rows: Vec<(RunKey, Cells)>) -> WriteOutcome;

    /// Changes rows, [`rows_max`](Self::rows_max) at most, no two of one key: all their cells.
    async fn change_rows(&self, kind: RecordKind, rows: Vec<(RunKey, RowId, Cells)>) -> WriteOutcome;

    /// How much was asked since the start.
    fn figures(&self) -> TargetFigures;
}
