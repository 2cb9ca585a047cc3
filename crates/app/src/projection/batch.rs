//! Choosing what is sent next: rows that lack something and whose time has come, as they are at the last moment.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use runledger_domain::{RecordKind, RunKey, RunRecord, Timestamp};
use runledger_ports::{
    Cells, FencedError, FoundRow, NotDone, OutboxEntry, PAGE_MAX, PageSize, RowId, RowState, StepKind, Unshowable,
};

use super::session::Session;
use super::step::NextStep as _;
use super::turn::{Turn, Unfilled, Way};
use super::{add, lock};

/// How many entries are looked at for one batch, in batches.
const BATCHES_LOOKED_AT: u32 = 10;
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
    fn of(way: Way, claims: Vec<Claim>) -> Self {
        match way {
            Way::Make => Self::Make(claims),
            Way::Change => {
                let named = |claim: Claim| Some((claim.row.id.clone()?, claim));
                Self::Change(claims.into_iter().filter_map(named).collect())
            }
        }
    }

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

    /// Whether it is of rows that were refused before.
    pub(super) fn was_refused(&self) -> bool {
        match self {
            Self::Make(claims) => claims.iter().any(|claim| claim.row.failures > 0),
            Self::Change(claims) => claims.iter().any(|(_, claim)| claim.row.failures > 0),
        }
    }

    pub(super) fn way(&self) -> Way {
        match self {
            Self::Make(_) => Way::Make,
            Self::Change(_) => Way::Change,
        }
    }
}

/// What is next.
pub(super) enum Next {
    /// Rows of this kind are to be sent.
    Now(RecordKind),
    /// Nothing before then, unless something comes up.
    At(Timestamp),
    /// Nothing waits.
    Nothing,
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
    /// The kind whose rows are to be sent next, or when that is to be asked again.
    pub(super) async fn next_turn(&self, kinds: &[RecordKind], unfilled: &Unfilled) -> Result<Next, FencedError> {
        let mut first: Option<(Timestamp, RecordKind)> = None;
        for kind in kinds {
            if !self.urgent_entries(*kind).await?.is_empty() {
                return Ok(Next::Now(*kind));
            }
            let turn = self.turn(*kind, &self.waiting_entries(*kind).await?, unfilled);
            let turn = turn.map(|turn| (turn.at, *kind));
            first = [first, turn].into_iter().flatten().min_by_key(|(at, _)| *at);
        }
        let now = self.clock.now();
        Ok(match first {
            None => Next::Nothing,
            Some((at, kind)) if at <= now => Next::Now(kind),
            Some((at, _)) => Next::At(at),
        })
    }

    fn turn(&self, kind: RecordKind, waiting: &[OutboxEntry], unfilled: &Unfilled) -> Option<Turn> {
        let rows_max = self.projection.target.rows_max();
        unfilled.turn(kind, waiting, self.clock.now(), rows_max, &self.projection.options)
    }

    /// Rows that lack something, whether or not their time has come, the earliest first.
    async fn waiting_entries(&self, kind: RecordKind) -> Result<Vec<OutboxEntry>, FencedError> {
        let rows_max = u32::try_from(self.projection.target.rows_max()).unwrap_or(PAGE_MAX);
        let size = PageSize::new(rows_max.saturating_mul(BATCHES_LOOKED_AT).min(PAGE_MAX)).unwrap_or_default();
        let ever = Timestamp::EPOCH.saturating_add(Duration::MAX);
        Ok(self.projection.store.due_entries(kind, ever, size).await?)
    }

    /// Rows that somebody waits for, and that lack something.
    async fn urgent_entries(&self, kind: RecordKind) -> Result<Vec<OutboxEntry>, FencedError> {
        let keys: Vec<RunKey> = {
            let urgent = lock(&self.projection.urgent);
            let hastened = lock(&self.hastened);
            let keys: BTreeSet<&RunKey> = urgent.keys().chain(&*hastened).collect();
            keys.into_iter().filter(|key| key.kind() == kind).cloned().collect()
        };
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let entries = self.projection.store.entries(&keys).await?;
        for (key, entry) in keys.iter().zip(&entries) {
            let goes_on = entry.as_ref().is_some_and(|entry| match entry.row.step.kind() {
                StepKind::Idle => entry.is_waiting(),
                StepKind::Sending | StepKind::Unknown => true,
                StepKind::SetAside => false,
            });
            if !goes_on {
                lock(&self.hastened).remove(key);
            }
        }
        // One that was refused goes on when its time has come, whoever waits.
        Ok(entries
            .into_iter()
            .flatten()
            .filter(|entry| entry.is_waiting() && entry.row.failures == 0)
            .collect())
    }

    /// Chooses the next batch and notes it as being sent.
    pub(super) async fn choose(&self, kind: RecordKind, unfilled: &Unfilled) -> Result<Chosen, FencedError> {
        let _rows = self.rows.lock().await;
        // What this line counts is in the records, which are read after it.
        let line = self.projection.events.last_line().await?;
        let Some((way, candidates)) = self.candidates(kind, unfilled).await? else {
            return Ok(Chosen::Nothing);
        };
        let (mut claims, mut kept) = (Vec::new(), Vec::new());
        let rows_max = self.projection.target.rows_max();
        for entry in candidates {
            // Rows that were refused go among fewer each time, until the one that is to blame is alone.
            let room = rows_max >> entry.row.failures.min(REFUSALS_COUNTED_MAX);
            if claims.len() >= room.max(1) {
                break;
            }
            match self.make_ready(&entry, line.max(entry.wanted)).await? {
                Ready::Kept(row) => kept.push((entry.key, self.rested(entry.due), row)),
                Ready::Claim(claim) => claims.push(claim),
            }
        }
        let mut batch = Batch::of(way, claims);
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

    /// Since when a row stands that was due then and is not sent: its next progress is due as if it had not been looked at.
    fn rested(&self, due: Timestamp) -> Timestamp {
        due.saturating_sub(self.projection.options.gather_progress)
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

    /// Rows of one way whose turn it is, in the order in which they are sent. Those whose time has not come are behind the
    /// others: in a place that is free they cost no request of their own.
    async fn candidates(
        &self,
        kind: RecordKind,
        unfilled: &Unfilled,
    ) -> Result<Option<(Way, Vec<OutboxEntry>)>, FencedError> {
        let mut candidates = self.urgent_entries(kind).await?;
        let waiting = self.waiting_entries(kind).await?;
        let now = self.clock.now();
        let turn = match candidates.first() {
            Some(first) => Turn {
                at: now,
                way: Way::of(first),
                were_refused: false,
            },
            None => match self.turn(kind, &waiting, unfilled).filter(|turn| turn.at <= now) {
                Some(turn) => turn,
                None => return Ok(None),
            },
        };
        candidates.retain(|entry| Way::of(entry) == turn.way);
        for entry in waiting {
            let is_of_turn = Way::of(&entry) == turn.way && (entry.row.failures > 0) == turn.were_refused;
            // One that was refused goes on when its time has come.
            let comes = is_of_turn && (entry.due <= now || !turn.were_refused);
            if comes && !candidates.iter().any(|known| known.key == entry.key) {
                candidates.push(entry);
            }
        }
        Ok(Some((turn.way, candidates)))
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

/// What is to be done about a row whose time has come.
enum Ready {
    /// Nothing is sent; this is kept.
    Kept(RowState),
    /// It is sent.
    Claim(Claim),
}
