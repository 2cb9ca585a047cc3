//! Choosing what is sent next: rows that lack something and whose time has come, as they are at the last moment.

use std::sync::Arc;

use runledger_domain::{RecordKind, RunKey, RunRecord, Timestamp};
use runledger_ports::{Cells, FencedError, FoundRow, NotDone, OutboxEntry, PageSize, RowId, RowState, Unshowable};

use super::session::Session;
use super::step::NextStep as _;
use super::{add, lock};

/// How many entries are looked at for one batch.
const ENTRIES_LOOKED_AT: u32 = 100;
/// How many refusals in a row make a batch smaller: then it is one row.
const REFUSALS_COUNTED_MAX: u64 = 16;

/// A row of a batch.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) key: RunKey,
    /// What was known of the row before.
    pub(super) row: RowState,
    pub(super) cells: Cells,
    /// The line up to which the cells show the record.
    pub(super) line: u64,
}

/// Rows that are made, or rows that are changed: never both in one request.
#[derive(Clone, Debug)]
pub(super) enum Batch {
    Make(Vec<Claim>),
    Change(Vec<(RowId, Claim)>),
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Make(claims) => claims.len(),
            Self::Change(claims) => claims.len(),
        }
    }

    pub(super) fn into_claims(self) -> Vec<Claim> {
        match self {
            Self::Make(claims) => claims,
            Self::Change(claims) => claims.into_iter().map(|(_, claim)| claim).collect(),
        }
    }

    /// Whether a row of this kind of write may come along; a batch without rows takes either.
    fn takes(&self, is_made: bool) -> bool {
        self.len() == 0 || is_made == matches!(self, Self::Make(_))
    }
}

/// What came of choosing.
pub(super) enum Chosen {
    /// These are noted as being sent; nothing has gone out yet.
    Batch(Batch),
    /// There was nothing to send after all.
    Nothing,
    /// It could not be looked whether they are there already.
    NotDone(NotDone),
}

impl Session<'_> {
    /// The kind whose rows are to be sent next, if the time of any has come.
    pub(super) async fn due_kind(&self, kinds: &[RecordKind]) -> Result<Option<RecordKind>, FencedError> {
        let (now, one) = (self.clock.now(), PageSize::new(1).unwrap_or_default());
        let mut first: Option<(Timestamp, RecordKind)> = None;
        for kind in kinds {
            if !self.urgent_entries(*kind).await?.is_empty() {
                return Ok(Some(*kind));
            }
            let due = self.projection.store.due_entries(*kind, now, one).await?;
            let due = due.first().map(|entry| (entry.due, *kind));
            first = [first, due].into_iter().flatten().min_by_key(|(due, _)| *due);
        }
        Ok(first.map(|(_, kind)| kind))
    }

    /// Rows that somebody waits for, and that lack something.
    async fn urgent_entries(&self, kind: RecordKind) -> Result<Vec<OutboxEntry>, FencedError> {
        let keys: Vec<RunKey> = {
            let urgent = lock(&self.projection.urgent);
            urgent.keys().filter(|key| key.kind() == kind).cloned().collect()
        };
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let entries = self.projection.store.entries(&keys).await?;
        let waiting = entries.into_iter().flatten();
        // One that was refused goes on when its time has come, whoever waits.
        Ok(waiting
            .filter(|entry| entry.is_waiting() && entry.row.failures == 0)
            .collect())
    }

    /// Chooses the next batch and notes it as being sent.
    pub(super) async fn choose(&self, kind: RecordKind) -> Result<Chosen, FencedError> {
        let _rows = self.rows.lock().await;
        // What this line counts is in the records, which are read after it.
        let line = self.projection.events.last_line().await?;
        let mut candidates = self.urgent_entries(kind).await?;
        let (now, size) = (self.clock.now(), PageSize::new(ENTRIES_LOOKED_AT).unwrap_or_default());
        // Those that are due soon come along when there is room: they cost no request of their own.
        let soon = now.saturating_add(self.projection.options.gather);
        for entry in self.projection.store.due_entries(kind, soon, size).await? {
            let comes = entry.due <= now || entry.row.failures == 0;
            if comes && !candidates.iter().any(|known| known.key == entry.key) {
                candidates.push(entry);
            }
        }
        let (mut batch, mut kept) = (Batch::Make(Vec::new()), Vec::new());
        let rows_max = self.projection.target.rows_max();
        // Rows that were refused go apart from those that were not, and among fewer each time, until the one that is to
        // blame is alone.
        let were_refused = candidates.first().is_some_and(|first| first.row.failures > 0);
        candidates.retain(|entry| (entry.row.failures > 0) == were_refused);
        for entry in candidates {
            let room = rows_max >> entry.row.failures.min(REFUSALS_COUNTED_MAX);
            if batch.len() >= room.max(1) {
                break;
            }
            if !batch.takes(entry.row.id.is_none()) {
                continue;
            }
            match self.make_ready(&entry, line.max(entry.wanted)).await? {
                Ready::Kept(row) => kept.push((entry.key, entry.due, row)),
                Ready::Claim(claim) => batch = batch.with(claim),
            }
        }
        if self.looks_first
            && let Batch::Make(claims) = batch
        {
            match self.look_first(kind, claims, &mut kept).await? {
                Ok(claims) => batch = Batch::Make(claims),
                Err(error) => {
                    self.keep_rows(kept).await?;
                    return Ok(Chosen::NotDone(error));
                }
            }
        }
        let now = self.clock.now();
        let sending = |claim: &Claim| (claim.key.clone(), now, claim.row.clone().sending(now, claim.line));
        match &batch {
            Batch::Make(claims) => kept.extend(claims.iter().map(sending)),
            Batch::Change(claims) => kept.extend(claims.iter().map(|(_, claim)| sending(claim))),
        }
        self.keep_rows(kept).await?;
        Ok(if batch.len() == 0 {
            Chosen::Nothing
        } else {
            Chosen::Batch(batch)
        })
    }

    async fn make_ready(&self, entry: &OutboxEntry, line: u64) -> Result<Ready, FencedError> {
        let row = entry.row.clone();
        let Some((_, rendered)) = self.render(&entry.key).await? else {
            return Ok(Ready::Kept(row.still_shown(line)));
        };
        Ok(match rendered {
            Err(Unshowable { why }) => {
                tracing::warn!(run.key = %entry.key, why, "the row of {} is set aside: {why}", entry.key);
                add(&self.projection.counts.set_aside, 1);
                Ready::Kept(row.set_aside(self.clock.now(), line, why))
            }
            Ok(cells) if row.id.is_some() && row.digest == Some(cells.digest) => {
                add(&self.projection.counts.unchanged, 1);
                Ready::Kept(row.still_shown(line))
            }
            Ok(cells) => Ready::Claim(Claim {
                key: entry.key.clone(),
                row,
                cells,
                line,
            }),
        })
    }

    /// The record, and what its row is to hold; nothing when there is no such record.
    pub(super) async fn render(
        &self,
        key: &RunKey,
    ) -> Result<Option<(Arc<RunRecord>, Result<Cells, Unshowable>)>, FencedError> {
        let projection = self.projection;
        let reader = &projection.shared.reader;
        let Some(record) = reader.get(key).await? else {
            return Ok(None);
        };
        let summary = match key.kind() {
            RecordKind::Job if projection.target.shows_totals() => reader.summary(key.run()).await?,
            RecordKind::Job | RecordKind::Client => None,
        };
        let rendered = projection.target.render(&record, summary.as_ref());
        Ok(Some((record, rendered)))
    }

    /// Looks whether rows are there that are about to be made: answers those that are not.
    async fn look_first(
        &self,
        kind: RecordKind,
        claims: Vec<Claim>,
        kept: &mut Vec<(RunKey, Timestamp, RowState)>,
    ) -> Result<Result<Vec<Claim>, NotDone>, FencedError> {
        let mut records = Vec::with_capacity(claims.len());
        for claim in &claims {
            records.extend(self.projection.shared.reader.get(&claim.key).await?);
        }
        if records.is_empty() {
            return Ok(Ok(claims));
        }
        let found = match self.projection.target.look_up(kind, &records).await {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        let (now, mut absent) = (self.clock.now(), Vec::new());
        for claim in claims {
            let rows: Vec<&FoundRow> = found
                .iter()
                .filter(|(key, _)| *key == claim.key)
                .map(|(_, row)| row)
                .collect();
            match self.adopt(&claim.key, &claim.row, &rows, Some(&claim.cells), claim.line) {
                Some(row) => kept.push((claim.key, now, row)),
                None => absent.push(claim),
            }
        }
        Ok(Ok(absent))
    }
}

impl Batch {
    fn with(self, claim: Claim) -> Self {
        match (self, claim.row.id.clone()) {
            (Self::Change(mut claims), Some(id)) => {
                claims.push((id, claim));
                Self::Change(claims)
            }
            (Self::Make(claims), Some(id)) if claims.is_empty() => Self::Change(vec![(id, claim)]),
            (Self::Make(mut claims), _) => {
                claims.push(claim);
                Self::Make(claims)
            }
            // It takes no other: see `takes`.
            (batch @ Self::Change(_), None) => batch,
        }
    }
}

/// What is to be done about a row whose time has come.
enum Ready {
    /// Nothing is sent; this is kept.
    Kept(RowState),
    /// It is sent.
    Claim(Claim),
}
