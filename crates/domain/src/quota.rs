//! How much one client may hold in the ledger at once, so that no client fills it for the others (I12).
//!
//! What counts is what is open: an end gives everything back. So a quota never shuts a client out for good, and what a
//! client did in the past is never held against it. Job records are of no client and count for none.

use core::num::NonZeroU32;
use core::ops::Add;

use crate::record::RunRecord;

/// The most that one client's open records may come to, all runs together. `None` is no bound.
///
/// It is data, like the policy: configuration fills it, and a store is handed it with every permit and every change.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Quotas {
    /// How many records may be open (queued or running).
    pub open_records: Option<NonZeroU32>,
    /// How many notes the open records may hold together.
    pub notes: Option<NonZeroU32>,
}

/// What one client's open records come to, all runs together, as seen in the transaction that decides.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ClientLoad {
    /// How many client run records are open.
    pub records: u64,
    /// How many notes they hold together.
    pub notes: u64,
}

impl ClientLoad {
    /// What these records, all of one client, come to; the ended ones weigh nothing.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a RunRecord>) -> Self {
        let open = records.into_iter().filter(|record| record.status().is_open());
        open.fold(Self::default(), |load, record| {
            let notes = u64::try_from(record.notes().len()).unwrap_or(u64::MAX);
            load + Self { records: 1, notes }
        })
    }
}

impl Add for ClientLoad {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_add(other.records),
            notes: self.notes.saturating_add(other.notes),
        }
    }
}

impl Quotas {
    /// No bounds.
    pub const NONE: Self = Self {
        open_records: None,
        notes: None,
    };

    /// The bound that one more open record would exceed, if it would.
    pub fn stands_against_a_record(self, load: ClientLoad) -> Option<NonZeroU32> {
        self.open_records.filter(|bound| load.records >= u64::from(bound.get()))
    }

    /// The bound that one more note would exceed, if it would.
    pub fn stands_against_a_note(self, load: ClientLoad) -> Option<NonZeroU32> {
        self.notes.filter(|bound| load.notes >= u64::from(bound.get()))
    }
}
