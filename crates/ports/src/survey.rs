//! The capability to look through the tables of a place, and to take surplus rows out of them (I14).
//!
//! Apart from the projection, which looks at the rows that it wrote: whoever surveys looks at all of them, those of people
//! and of other programs among them.

use std::sync::Arc;

use async_trait::async_trait;
use runledger_domain::{RecordKind, RunKey, RunRecord, Timestamp};

use crate::outbox::RowId;
use crate::projection::{Cells, NotDone, ProjectionTarget};

/// How much a finding stands in the way.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// Nothing can be shown before it is mended.
    Forbids,
    /// It will go wrong, or some rows will not be shown.
    Warns,
    /// Its owner should know.
    Informs,
}

impl Severity {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forbids => "forbids",
            Self::Warns => "warns",
            Self::Informs => "informs",
        }
    }
}

/// Something about a place that its owner should know before rows are written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TargetFinding {
    /// How much it stands in the way.
    pub severity: Severity,
    /// A word for programs.
    pub code: &'static str,
    /// What was found; without secrets.
    pub what: String,
    /// What to do; empty when there is nothing to do.
    pub remedy: String,
}

/// A row as it lies in its table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedRow {
    /// What it is called.
    pub id: RowId,
    /// The record that it says it is of, or why it can be of none.
    pub key: Result<RunKey, String>,
    /// What it is known by, as it stands.
    pub known_by: String,
    /// When it was made, as the place says.
    pub made_at: Option<Timestamp>,
    /// All its cells; the digest is of those that a projection writes.
    pub cells: Cells,
}

/// A place in a list of rows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RowsPlace(pub String);

/// Some rows of a table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RowsPage {
    /// The rows, in the order of what they are known by.
    pub rows: Vec<ListedRow>,
    /// Where the list goes on; nothing at its end.
    pub next: Option<RowsPlace>,
}

/// Why there is no page.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ListRowsError {
    /// Nothing was answered.
    #[error(transparent)]
    NotDone(#[from] NotDone),
    /// The place in the list is not known any more: the list begins again from its first page.
    #[error("the place in the list has expired; it begins again")]
    PlaceLost,
}

/// A cell that does not show what the ledger says. Both texts are cut where they are long.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CellDifference {
    /// The field of the table, as people call it.
    pub field: String,
    /// What the ledger says.
    pub ledger: String,
    /// What the row says.
    pub row: String,
}

/// What became of a deletion of rows.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "a deletion whose outcome nobody looks at is neither done nor safe to repeat"]
pub enum RemoveOutcome {
    /// All of them are gone.
    Done,
    /// None was deleted, and it is not for the rows.
    NotDone(NotDone),
    /// None was deleted, and it would be refused again.
    Refused {
        /// Why.
        why: String,
    },
    /// Some may be gone, or may still go.
    Unknown {
        /// Those that certainly are.
        removed: Vec<RowId>,
        /// Where the doubt comes from.
        why: String,
    },
}

/// A place whose tables can be looked through.
///
/// All but `check` need that [`prepare`](ProjectionTarget::prepare) was done.
///
/// # Contract
/// - `list_rows` MUST answer every row that was there all the time, once, from one first page to the end; rows that come or
///   go meanwhile may be in it or not. What a row says MUST be what it said at some moment after the call began.
/// - [`ListedRow::key`] MUST be a key only when the row is written in the ledger's own spelling: nothing is guessed.
/// - `remove_rows` MUST send its deletion at most once, and delete no row that is not named.
/// - What is answered as certain MUST be certain; all else is unknown. Nothing that is answered may hold a secret.
#[async_trait]
pub trait SurveyTarget: ProjectionTarget {
    /// Looks what stands between the ledger and its first row. Writes nothing; what cannot be asked is a finding.
    async fn check(&self) -> Vec<TargetFinding>;

    /// Some rows of a table, after a place or from its first page.
    ///
    /// # Errors
    /// [`ListRowsError`].
    async fn list_rows(&self, kind: RecordKind, after: Option<&RowsPlace>) -> Result<RowsPage, ListRowsError>;

    /// The rows of these records of one kind, whole; several where a key is there several times.
    ///
    /// # Errors
    /// [`NotDone`].
    async fn rows_of(&self, kind: RecordKind, records: &[Arc<RunRecord>]) -> Result<Vec<ListedRow>, NotDone>;

    /// In what a row is not what the cells of its record say.
    fn differences(&self, kind: RecordKind, cells: &Cells, row: &Cells) -> Vec<CellDifference>;

    /// Deletes rows, [`rows_max`](ProjectionTarget::rows_max) at most, in one request.
    async fn remove_rows(&self, kind: RecordKind, rows: &[RowId]) -> RemoveOutcome;

    /// Which of these rows are there.
    ///
    /// # Errors
    /// [`NotDone`].
    async fn rows_there(&self, kind: RecordKind, rows: &[RowId]) -> Result<Vec<RowId>, NotDone>;
}
