//! A place that answers after 400 ms, takes four requests a second, and notes how long each change was on its way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use runledger_domain::{JobSummary, RecordKind, RunKey, RunRecord};
use runledger_ports::{
    Cells, FoundRow, NotDone, Prepared, ProjectionTarget, RowId, TargetFigures, Unshowable, WriteOutcome,
};
use tokio::time::{Instant, sleep, sleep_until};

/// Between two requests: the setting of 4 requests a second.
pub(super) const APART: Duration = Duration::from_millis(250);
/// How long a request takes.
const TAKES: Duration = Duration::from_millis(400);
/// Rows in a request.
pub(super) const ROWS: u32 = 10;

/// A change that is to be shown.
struct Noted {
    version: u64,
    at: Instant,
    is_state: bool,
}

#[derive(Default)]
struct Asked {
    requests: u64,
    rows: HashMap<RunKey, u64>,
    free: Option<Instant>,
    nearest: Option<Duration>,
    last: Option<Instant>,
    noted: HashMap<RunKey, Vec<Noted>>,
    lags: Lags,
}

/// How long changes were on their way.
#[derive(Clone, Debug, Default)]
pub(super) struct Lags {
    /// That a record came into being, or ended.
    pub(super) states: Vec<Duration>,
    /// Everything else.
    pub(super) progress: Vec<Duration>,
}

#[derive(Default)]
pub(super) struct Place(Mutex<Asked>);

impl Place {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record has this version from now on.
    pub(super) fn note(&self, record: &RunRecord, is_state: bool) {
        let noted = Noted {
            version: record.version(),
            at: Instant::now(),
            is_state,
        };
        self.asked().noted.entry(record.key().clone()).or_default().push(noted);
    }

    /// Requests so far, and how long changes were on their way; each row must have been made once, no two requests nearer
    /// than they may be, and everything shown.
    pub(super) fn figures(&self) -> anyhow::Result<(u64, Lags)> {
        let asked = self.asked();
        anyhow::ensure!(asked.rows.values().all(|made| *made == 1), "a row was made twice");
        let nearest = asked.nearest.unwrap_or(APART);
        anyhow::ensure!(nearest >= APART, "two requests were {nearest:?} apart");
        let left: usize = asked.noted.values().map(Vec::len).sum();
        anyhow::ensure!(left == 0, "{left} changes were never shown");
        Ok((asked.requests, asked.lags.clone()))
    }

    async fn request(&self) {
        let at = {
            let mut asked = self.asked();
            let at = asked.free.unwrap_or_else(Instant::now).max(Instant::now());
            asked.free = Some(at + APART);
            asked.requests += 1;
            if let Some(last) = asked.last.replace(at) {
                let apart = at - last;
                asked.nearest = Some(asked.nearest.map_or(apart, |nearest| nearest.min(apart)));
            }
            at
        };
        sleep_until(at).await;
        sleep(TAKES).await;
    }

    async fn write(&self, rows: Vec<(RunKey, Option<RowId>, Cells)>) -> WriteOutcome {
        self.request().await;
        let mut asked = self.asked();
        let mut written = Vec::new();
        for (key, id, cells) in rows {
            let made = asked.rows.entry(key.clone()).or_default();
            *made += u64::from(id.is_none());
            let Ok(new) = format!("row-{key}").parse() else {
                continue;
            };
            asked.show(&key, &cells);
            written.push((key, id.unwrap_or(new)));
        }
        WriteOutcome::Done(written)
    }
}

impl Asked {
    fn show(&mut self, key: &RunKey, cells: &Cells) {
        let Ok(version) = cells.text.parse::<u64>() else {
            return;
        };
        let now = Instant::now();
        let noted = self.noted.get_mut(key).map(std::mem::take).unwrap_or_default();
        let (shown, left): (Vec<_>, Vec<_>) = noted.into_iter().partition(|noted| noted.version <= version);
        self.noted.insert(key.clone(), left);
        for noted in shown {
            let lags = if noted.is_state {
                &mut self.lags.states
            } else {
                &mut self.lags.progress
            };
            lags.push(now - noted.at);
        }
    }
}

#[async_trait]
impl ProjectionTarget for Place {
    fn groups(&self) -> Vec<Vec<RecordKind>> {
        vec![vec![RecordKind::Job, RecordKind::Client]]
    }

    fn rows_max(&self) -> usize {
        ROWS as usize
    }

    async fn prepare(&self) -> Result<Prepared, NotDone> {
        Ok(Prepared {
            target: "two tables".into(),
            is_changed: false,
            notes: Vec::new(),
        })
    }

    fn shows_totals(&self) -> bool {
        true
    }

    fn render(&self, record: &RunRecord, summary: Option<&JobSummary>) -> Result<Cells, Unshowable> {
        let totals = summary.map_or((0, 0), |summary| (summary.clients, summary.open));
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&record.version().to_be_bytes());
        digest[8..16].copy_from_slice(&totals.0.to_be_bytes());
        digest[16..24].copy_from_slice(&totals.1.to_be_bytes());
        Ok(Cells {
            text: record.version().to_string(),
            digest,
        })
    }

    async fn ready(&self, _: RecordKind) {
        let free = self.asked().free;
        if let Some(free) = free {
            sleep_until(free).await;
        }
    }

    async fn has_rows(&self, _: RecordKind) -> Result<bool, NotDone> {
        Ok(false)
    }

    async fn look_up(&self, _: RecordKind, _: &[Arc<RunRecord>]) -> Result<Vec<(RunKey, FoundRow)>, NotDone> {
        self.request().await;
        Ok(Vec::new())
    }

    async fn make_rows(&self, _: RecordKind, rows: Vec<(RunKey, Cells)>) -> WriteOutcome {
        self.write(rows.into_iter().map(|(key, cells)| (key, None, cells)).collect())
            .await
    }

    async fn change_rows(&self, _: RecordKind, rows: Vec<(RunKey, RowId, Cells)>) -> WriteOutcome {
        self.write(
            rows.into_iter()
                .map(|(key, id, cells)| (key, Some(id), cells))
                .collect(),
        )
        .await
    }

    fn figures(&self) -> TargetFigures {
        TargetFigures::default()
    }
}
