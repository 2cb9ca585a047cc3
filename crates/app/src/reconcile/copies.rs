//! Records with several rows: all but the earliest are deleted, each of them kept in the ledger before.
//!
//! The earliest is the one that the place says was made first; of two that were made in the same moment, the one whose
//! name sorts first. That a place tells when a row was made is no promise, so the choice is the same each time, and not
//! more than that.

use runledger_domain::{Action, RecordKind, RunKey, Source, Timestamp};
use runledger_ports::{ListedRow, RemoveOutcome, RemovedRow, RowId};

use super::{ReconcileError, Reconciler};

/// The most keys that one call takes.
pub const COPIES_KEYS_MAX: usize = 10;

/// A row of a record that has several.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Copy {
    /// What it is called.
    pub row: RowId,
    /// When it was made, as the place says.
    pub made_at: Option<Timestamp>,
}

impl Copy {
    /// The least is the earliest; a row without a time comes behind one with it.
    pub(super) fn rank(&self) -> (bool, Option<Timestamp>, &RowId) {
        (self.made_at.is_none(), self.made_at, &self.row)
    }
}

/// What became of the surplus rows of a record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CopiesState {
    /// There are none.
    None,
    /// They would be deleted.
    WouldRemove,
    /// They are gone.
    Removed,
    /// None was deleted, and why.
    NotRemoved(String),
    /// These are there yet, and may still go: look again before anything is deleted once more.
    InDoubt(Vec<RowId>),
}

/// The rows of a record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Copies {
    /// The record.
    pub key: RunKey,
    /// The row that stays; nothing where there is none.
    pub kept: Option<Copy>,
    /// The others.
    pub surplus: Vec<Copy>,
    /// What became of those.
    pub state: CopiesState,
}

impl Reconciler {
    /// Deletes all rows of these records but the earliest of each; when it is only tried, says which that would be.
    ///
    /// Each row is in the ledger before it is deleted ([`removed`](Self::removed)). A deletion of which nobody can say
    /// whether it took place is looked up, and not sent again.
    ///
    /// # Errors
    /// [`ReconcileError`]: nothing more was deleted than the copies that are kept say.
    pub async fn remove_copies(
        &self,
        by: &Source,
        keys: &[RunKey],
        is_tried: bool,
    ) -> Result<Vec<Copies>, ReconcileError> {
        if keys.is_empty() || keys.len() > COPIES_KEYS_MAX {
            return Err(ReconcileError::KeyCount { count: keys.len() });
        }
        self.target.prepare().await?;
        let mut all = Vec::with_capacity(keys.len());
        for kind in [RecordKind::Job, RecordKind::Client] {
            let mut keys: Vec<_> = keys.iter().filter(|key| key.kind() == kind).collect();
            keys.sort_unstable();
            keys.dedup();
            all.extend(self.find_copies(kind, &keys).await?);
        }
        if is_tried || all.iter().all(|(copies, _)| copies.surplus.is_empty()) {
            return Ok(all.into_iter().map(|(copies, _)| copies).collect());
        }
        let hand = self.take_hand().await?;
        let mut done = Vec::with_capacity(all.len());
        for (copies, rows) in all {
            if copies.surplus.is_empty() {
                done.push(copies);
                continue;
            }
            match self.remove(&hand.fence, by, copies, rows).await {
                Ok(copies) => done.push(copies),
                Err(error) => {
                    self.give_up(hand).await;
                    return Err(error);
                }
            }
        }
        self.give_up(hand).await;
        Ok(done)
    }

    /// The rows of each record, and the surplus ones whole.
    async fn find_copies(
        &self,
        kind: RecordKind,
        keys: &[&RunKey],
    ) -> Result<Vec<(Copies, Vec<ListedRow>)>, ReconcileError> {
        let mut records = Vec::with_capacity(keys.len());
        for key in keys {
            records.extend(self.shared.reader.get(key).await?);
        }
        let found = if records.is_empty() {
            Vec::new()
        } else {
            self.target.rows_of(kind, &records).await?
        };
        let copies = keys.iter().map(|key| {
            let of_key = found.iter().filter(|row| row.key.as_ref() == Ok(*key));
            let mut rows: Vec<_> = of_key.cloned().collect();
            rows.sort_by_cached_key(|row| {
                let copy = copy(row);
                let (without, made_at, _) = copy.rank();
                (without, made_at, copy.row)
            });
            let surplus = if rows.is_empty() { Vec::new() } else { rows.split_off(1) };
            let copies = Copies {
                key: (*key).clone(),
                kept: rows.first().map(copy),
                surplus: surplus.iter().map(copy).collect(),
                state: if surplus.is_empty() {
                    CopiesState::None
                } else {
                    CopiesState::WouldRemove
                },
            };
            (copies, surplus)
        });
        Ok(copies.collect())
    }

    async fn remove(
        &self,
        fence: &runledger_ports::Fence,
        by: &Source,
        copies: Copies,
        rows: Vec<ListedRow>,
    ) -> Result<Copies, ReconcileError> {
        let (key, kind) = (copies.key.clone(), copies.key.kind());
        // A list may show a row that is gone; by its name it is there or not.
        let stays: Vec<_> = copies.kept.iter().map(|copy| copy.row.clone()).collect();
        if self.target.rows_there(kind, &stays).await? != stays {
            let why = "the row that would stay is not there any more; look again in a moment";
            return Ok(Copies {
                state: CopiesState::NotRemoved(why.into()),
                ..copies
            });
        }
        let at = self.shared.clock.now();
        let kept = rows.iter().map(|row| RemovedRow {
            key: key.clone(),
            id: row.id.clone(),
            at,
            by: by.to_string(),
            cells: row.cells.text.clone(),
        });
        let kept = self.outbox.keep_removed(fence, kept.collect()).await;
        self.kept(kept).await?;
        let ids: Vec<_> = rows.iter().map(|row| row.id.clone()).collect();
        let (mut gone, mut state) = (Vec::new(), CopiesState::Removed);
        for batch in ids.chunks(self.target.rows_max().max(1)) {
            match self.target.remove_rows(kind, batch).await {
                RemoveOutcome::Done => gone.extend_from_slice(batch),
                RemoveOutcome::NotDone(error) => state = CopiesState::NotRemoved(error.to_string()),
                RemoveOutcome::Refused { why } => state = CopiesState::NotRemoved(why),
                RemoveOutcome::Unknown { removed, why } => {
                    tracing::warn!(run.key = %key, why, "rows of {key} may be deleted or not: {why}");
                    let rest: Vec<_> = batch.iter().filter(|id| !removed.contains(id)).cloned().collect();
                    // One that cannot be looked up either is as much in doubt as one that is there.
                    let there = self
                        .target
                        .rows_there(kind, &rest)
                        .await
                        .unwrap_or_else(|_| rest.clone());
                    gone.extend(batch.iter().filter(|id| !there.contains(id)).cloned());
                    if !there.is_empty() {
                        state = CopiesState::InDoubt(there);
                    }
                }
            }
            if state != CopiesState::Removed {
                break;
            }
        }
        if !gone.is_empty() {
            let named: Vec<_> = gone.iter().map(RowId::as_str).collect();
            let stays: Vec<_> = stays.iter().map(RowId::as_str).collect();
            let detail = format!("deleted {}; {} stays", named.join(", "), stays.join(", "));
            self.log(by, Action::RemoveRows, &key, detail).await?;
        }
        Ok(Copies { state, ..copies })
    }
}

fn copy(row: &ListedRow) -> Copy {
    Copy {
        row: row.id.clone(),
        made_at: row.made_at,
    }
}
