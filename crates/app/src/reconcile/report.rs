//! What a reconciliation finds.

use runledger_domain::{RecordKind, RunKey};
use runledger_ports::{CellDifference, RowId};

/// Something in which ledger and table differ.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Discrepancy {
    /// A record is to have a row, and has none.
    Missing {
        /// The record.
        key: RunKey,
        /// What its row was called.
        row: Option<RowId>,
    },
    /// A row does not show what the ledger says.
    Drifted {
        /// The record.
        key: RunKey,
        /// The row.
        row: RowId,
        /// In what it differs.
        cells: Vec<CellDifference>,
    },
    /// A record has several rows.
    Duplicated {
        /// The record.
        key: RunKey,
        /// All of them, the earliest first.
        rows: Vec<RowId>,
    },
    /// A row is of no record that is shown.
    Extra {
        /// Of which table.
        kind: RecordKind,
        /// The row.
        row: RowId,
        /// What it is known by, as it stands.
        known_by: String,
        /// Why it is of none.
        why: String,
    },
}

impl Discrepancy {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::Drifted { .. } => "drifted",
            Self::Duplicated { .. } => "duplicated",
            Self::Extra { .. } => "extra",
        }
    }
}

/// How much was looked at, and what came of it, since the beginning of a reconciliation.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SweepCounts {
    /// Rows that were listed.
    pub rows: u64,
    /// Records that were looked at.
    pub records: u64,
    /// Records whose row shows them.
    pub in_step: u64,
    /// Records whose row is not settled: it waits, is under way, in doubt or set aside. The projection sees to them.
    pub unsettled: u64,
    /// Records that are not to be shown.
    pub not_shown: u64,
    /// Records without their row.
    pub missing: u64,
    /// Rows that show something else.
    pub drifted: u64,
    /// Records with several rows.
    pub duplicated: u64,
    /// Rows of no record.
    pub extra: u64,
    /// How many of these the projection was told to look at.
    pub repairs: u64,
    /// How often a list had to begin again.
    pub restarts: u64,
}

/// What a step of a reconciliation came to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SweepPage {
    /// What was found.
    pub found: Vec<Discrepancy>,
    /// What it comes to so far.
    pub counts: SweepCounts,
    /// Whether this was the last.
    pub is_last: bool,
}
