//! Rows of which nobody can say whether they were written: looked up, never written again on a guess.

use std::sync::Arc;
use std::time::Duration;

use runledger_domain::{RecordKind, RunKey, RunRecord, Timestamp};
use runledger_ports::{Cells, FencedError, FoundRow, NotDone, OutboxEntry, RowState, Step, StepKind};
use tokio::time::sleep;

use super::session::Session;
use super::step::NextStep as _;

/// How many rows are looked up at once.
const LOOKED_UP_AT_ONCE: usize = 100;
/// The pause after a look-up that failed; it doubles with each.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_mins(1);

impl Session<'_> {
    /// Resolves doubts whose quiet period is over, until told to stop.
    pub(super) async fn resolve_doubts(&self) -> Result<(), FencedError> {
        let mut doubted = self.doubted.subscribe();
        let mut failures = 0_u32;
        while !self.is_told_to_stop() {
            doubted.mark_unchanged();
            let pause = match self.resolve_ripe().await? {
                Ok(next) => {
                    failures = 0;
                    next
                }
                Err(NotDone::Later { why }) => {
                    tracing::warn!(why, "rows in doubt could not be looked up: {why}");
                    failures = failures.saturating_add(1);
                    Some(PAUSE_MIN.saturating_mul(1 << failures.min(16)).min(PAUSE_MAX))
                }
                Err(NotDone::Stopped { why, until }) => {
                    self.stop_sending(&why, until).await?;
                    None
                }
            };
            let has_failed = failures > 0;
            tokio::select! {
                () = sleep(pause.unwrap_or(PAUSE_MAX)) => {}
                _ = doubted.changed(), if !has_failed => {}
                () = self.told_to_stop() => return Ok(()),
            }
            tokio::select! {
                waited = self.wait_while_stopped() => waited?,
                () = self.told_to_stop() => return Ok(()),
            }
        }
        Ok(())
    }

    /// Looks up what has been in doubt for long enough; answers how long until there is more.
    async fn resolve_ripe(&self) -> Result<Result<Option<Duration>, NotDone>, FencedError> {
        let in_doubt = self.entries_in(StepKind::Unknown).await?;
        let now = self.clock.now();
        let ripe_at = |entry: &OutboxEntry| {
            let since = match entry.row.step {
                Step::Unknown { at, .. } if (self.begun..=now).contains(&at) => at,
                // Another session noted it, by a clock that nobody knows: it is quiet since this one began.
                _ => self.begun,
            };
            since.saturating_add(self.projection.options.quiet)
        };
        let (ripe, others): (Vec<_>, Vec<_>) = in_doubt.into_iter().partition(|entry| ripe_at(entry) <= now);
        for kind in [RecordKind::Job, RecordKind::Client] {
            let of_kind: Vec<_> = ripe.iter().filter(|entry| entry.key.kind() == kind).cloned().collect();
            for entries in of_kind.chunks(LOOKED_UP_AT_ONCE) {
                if let Err(error) = self.resolve(kind, entries).await? {
                    return Ok(Err(error));
                }
            }
        }
        // There may be more than were read at once.
        if !ripe.is_empty() {
            return Ok(Ok(Some(Duration::ZERO)));
        }
        Ok(Ok(others.iter().map(ripe_at).min().map(|at| self.clock.until(at))))
    }

    async fn resolve(&self, kind: RecordKind, entries: &[OutboxEntry]) -> Result<Result<(), NotDone>, FencedError> {
        // What the line counts is in the records, which are read after it.
        let line = self.projection.events.last_line().await?;
        let mut rendered: Vec<(Arc<RunRecord>, Option<Cells>)> = Vec::with_capacity(entries.len());
        for entry in entries {
            if let Some((record, cells)) = self.render(&entry.key).await? {
                rendered.push((record, cells.ok()));
            }
        }
        let records: Vec<_> = rendered.iter().map(|(record, _)| Arc::clone(record)).collect();
        let found = match self.projection.target.look_up(kind, &records).await {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        let now = self.clock.now();
        let rows = entries.iter().map(|entry| {
            let is_it = |key: &RunKey| *key == entry.key;
            let rows: Vec<_> = found.iter().filter(|(key, _)| is_it(key)).map(|(_, row)| row).collect();
            let cells = rendered.iter().find(|(record, _)| is_it(record.key()));
            let cells = cells.and_then(|(_, cells)| cells.as_ref());
            let row = self.adopt(&entry.key, &entry.row, &rows, cells, line);
            // A row that is known and not found is written by its name: its key may have been edited.
            let row = row.unwrap_or_else(|| RowState {
                digest: None,
                ..entry.row.clone().idle()
            });
            (entry.key.clone(), now, row)
        });
        let rows: Vec<(RunKey, Timestamp, RowState)> = rows.collect();
        self.keep_rows(rows).await?;
        self.marked.send_modify(|times| *times = times.wrapping_add(1));
        Ok(Ok(()))
    }

    /// What the rows that were found make of a row; nothing when none was found. The cells are those that it is to hold,
    /// and show the record up to the line.
    pub(super) fn adopt(
        &self,
        key: &RunKey,
        row: &RowState,
        found: &[&FoundRow],
        cells: Option<&Cells>,
        line: u64,
    ) -> Option<RowState> {
        let now = self.clock.now();
        let aside = |why: String| {
            tracing::error!(run.key = %key, why, "the row of {key} is set aside: {why}");
            Some(row.clone().set_aside(now, line, why))
        };
        match (found, &row.id) {
            ([], _) => None,
            ([one], known) if known.as_ref().is_none_or(|known| *known == one.id) => {
                let is_as_wanted = cells.is_some_and(|cells| cells.digest == one.digest);
                let shown = if is_as_wanted { line } else { row.shown };
                Some(RowState {
                    failures: row.failures,
                    ..row.clone().shown(one.id.clone(), shown, one.digest)
                })
            }
            ([one], Some(known)) => aside(format!(
                "its row {known} is not found by its key, and {} is, which the ledger did not make: delete the one that \
                 is wrong at Airtable, then `runledger airtable retry {key}`",
                one.id
            )),
            (several, _) => {
                let ids: Vec<_> = several.iter().map(|row| row.id.to_string()).collect();
                aside(format!(
                    "there are {} rows with its key: {}; delete all but one at Airtable, then `runledger airtable retry \
                     {key}`",
                    ids.len(),
                    ids.join(", ")
                ))
            }
        }
    }
}
