//! What became of a batch, and what that makes of its rows.

use std::collections::BTreeMap;
use std::time::Duration;

use runledger_domain::{RecordKind, RunKey, Timestamp};
use runledger_ports::{FencedError, NotDone, RefusedFor, RowId, RowState, StepKind, WriteOutcome};
use tokio::time::sleep;

use super::add;
use super::batch::{Batch, Claim};
use super::groups::Going;
use super::session::Session;
use super::step::NextStep as _;

/// How often it is tried to keep what became of a batch, before all that was under way is looked up instead.
const KEEP_TRIES: u32 = 5;
/// How long between two of these tries.
const KEEP_PAUSE: Duration = Duration::from_millis(200);
/// How often a row is sent alone that was refused although the table had changed meanwhile.
const ALONE_MAX: u64 = 16;

impl Session<'_> {
    /// Keeps what became of a batch.
    pub(super) async fn settle(
        &self,
        kind: RecordKind,
        batch: Batch,
        outcome: WriteOutcome,
        going: &mut Going,
    ) -> Result<(), FencedError> {
        let is_made = matches!(batch, Batch::Make(_));
        let claims = batch.into_claims();
        let rows = match outcome {
            WriteOutcome::Done(written) => {
                going.succeeded();
                self.written(claims, &written, is_made, "the answer does not name it")
            }
            WriteOutcome::Unknown { written, why } => {
                tracing::warn!(
                    rows = claims.len(),
                    why,
                    "nobody can say whether {} rows were written: {why}; they are looked up after a quiet period",
                    claims.len()
                );
                going.failed(&why);
                self.written(claims, &written, is_made, &why)
            }
            WriteOutcome::NotDone(NotDone::Later { why }) => {
                going.failed(&why);
                self.each(claims, RowState::idle)
            }
            WriteOutcome::NotDone(NotDone::Stopped { why, until }) => {
                // Nothing of it was done: first what is certain is kept.
                let idle = self.each(claims, RowState::idle);
                self.keep_outcome(idle).await?;
                return self.stop_sending(&why, until).await;
            }
            WriteOutcome::Refused { of, why } => self.refused(kind, claims, is_made, of, &why, going).await?,
        };
        self.keep_outcome(rows).await
    }

    fn written(
        &self,
        claims: Vec<Claim>,
        written: &[(RunKey, RowId)],
        is_made: bool,
        why: &str,
    ) -> Vec<(RunKey, Timestamp, RowState)> {
        let ids: BTreeMap<&RunKey, &RowId> = written.iter().map(|(key, id)| (key, id)).collect();
        let counts = &self.projection.counts;
        add(if is_made { &counts.made } else { &counts.changed }, ids.len());
        let now = self.clock.now();
        let rows = claims.into_iter().map(|claim| {
            let row = if let Some(id) = ids.get(&claim.key) {
                claim.row.shown((*id).clone(), claim.line, claim.cells.digest)
            } else {
                add(&counts.doubts, 1);
                claim.row.in_doubt(now, claim.line, why.to_owned())
            };
            (claim.key, now, row)
        });
        rows.collect()
    }

    fn each(&self, claims: Vec<Claim>, next: fn(RowState) -> RowState) -> Vec<(RunKey, Timestamp, RowState)> {
        let now = self.clock.now();
        let rows = claims.into_iter().map(|claim| (claim.key, now, next(claim.row)));
        rows.collect()
    }

    /// A batch that was refused for its rows. Of several that were to be made, those before the one to blame may have been.
    async fn refused(
        &self,
        kind: RecordKind,
        claims: Vec<Claim>,
        is_made: bool,
        of: RefusedFor,
        why: &str,
        going: &mut Going,
    ) -> Result<Vec<(RunKey, Timestamp, RowState)>, FencedError> {
        tracing::warn!(rows = claims.len(), why, "{} rows were refused: {why}", claims.len());
        let is_alone = claims.len() == 1;
        let mut may_fit = false;
        if of == RefusedFor::Unfit {
            // The tables may not be what they were.
            match self.projection.target.prepare().await {
                Ok(prepared) => may_fit = prepared.is_changed,
                Err(NotDone::Stopped { why, until }) => {
                    self.stop_sending(&why, until).await?;
                    may_fit = true;
                }
                Err(NotDone::Later { why }) => {
                    going.failed(&why);
                    may_fit = true;
                }
            }
        }
        let now = self.clock.now();
        let rows: Vec<_> = claims
            .into_iter()
            .map(|claim| {
                let is_hopeless = is_alone && !(may_fit && claim.row.failures < ALONE_MAX);
                let row = match of {
                    RefusedFor::RowGone if is_alone => claim.row.gone().in_doubt(now, claim.line, why.to_owned()),
                    _ if is_hopeless => claim.row.set_aside(now, claim.line, why.to_owned()),
                    RefusedFor::Unfit if is_made && !is_alone => {
                        claim.row.refused().in_doubt(now, claim.line, why.to_owned())
                    }
                    RefusedFor::Unfit | RefusedFor::TooLarge | RefusedFor::RowGone => claim.row.refused(),
                };
                (claim.key, now, row)
            })
            .collect();
        let aside = rows.iter().filter(|(_, _, row)| row.step.kind() == StepKind::SetAside);
        add(&self.projection.counts.set_aside, aside.count());
        if of != RefusedFor::RowGone && going.is_refused_too_often() {
            let why = format!(
                "one request for rows of {} records after the other is refused, the last one so: {why}; mend the table or \
                 the mapping, then `runledger airtable resume` and `runledger airtable retry --all-set-aside`",
                kind.as_str()
            );
            self.stop_sending(&why, None).await?;
        }
        Ok(rows)
    }

    /// What became of rows is known here alone until it is kept.
    async fn keep_outcome(&self, rows: Vec<(RunKey, Timestamp, RowState)>) -> Result<(), FencedError> {
        let mut tries = 1;
        loop {
            match self.keep_rows(rows.clone()).await {
                Err(FencedError::Unavailable(error)) if tries < KEEP_TRIES => {
                    tracing::warn!(%error, "what became of {} rows was not kept yet: {error}", rows.len());
                    sleep(KEEP_PAUSE * tries).await;
                    tries += 1;
                }
                Ok(()) => {
                    let in_doubt = |(_, _, row): &(_, _, RowState)| row.step.kind() == StepKind::Unknown;
                    if rows.iter().any(in_doubt) {
                        self.doubted.send_modify(|times| *times = times.wrapping_add(1));
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }
}
