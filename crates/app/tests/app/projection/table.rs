//! Two tables in memory, asked in a time that passes by itself: what they answer, and what becomes of it, is as the test
//! wants it. Everything that is asked is noted.

mod survey;

use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use runledger_domain::{JobSummary, RecordKind, RunKey, RunRecord};
use runledger_ports::{
    Cells, FoundRow, NotDone, Prepared, ProjectionTarget, RefusedFor, RowId, TargetFigures, Unshowable, WriteOutcome,
};
use tokio::time::{Instant, sleep, sleep_until};

/// How many rows a request takes.
const ROWS_MAX: usize = 10;

/// What goes wrong with a write.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// The answer is lost; the effect was there.
    AnswerLost,
    /// It fails half-way: so many rows are written, and nobody says so.
    HalfWay(usize),
    /// The answer is lost, and the effect comes so much later.
    Late(Duration),
    /// Nothing was done, and the same may be asked again.
    Later,
    /// Nothing was done, and nothing will be.
    Stopped,
    /// It takes so long.
    Slow(Duration),
}

/// What was asked, and what was said of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Asked {
    Make {
        keys: Vec<RunKey>,
        is_certainly_not_done: bool,
    },
    Change(Vec<RunKey>),
    LookUp(Vec<RunKey>),
    List,
    Remove(Vec<RowId>),
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: RowId,
    pub(super) key: RunKey,
    pub(super) cells: Cells,
    at: Instant,
}

#[derive(Default)]
struct State {
    rows: Vec<Row>,
    ids: u64,
    asked: Vec<(Instant, Asked)>,
    faults: VecDeque<Fault>,
    unfit: BTreeSet<RunKey>,
    lag: Duration,
    free: Option<Instant>,
    is_changed: bool,
    /// Grows when places in lists are no longer known.
    lists: usize,
    /// What lists show instead of the rows: those of some time ago.
    listed: Option<Vec<Row>>,
    /// The same, of rows that are looked up by their keys.
    looked_up: Option<Vec<Row>>,
    /// How much later than they were read it is known what rows hold that are looked up.
    looked_up_late: Duration,
}

/// The tables.
pub(super) struct Table {
    state: Arc<Mutex<State>>,
    /// Between two requests.
    apart: Duration,
    /// How long a request takes.
    takes: Duration,
    /// Whether a batch with an unfit row has no effect at all.
    is_atomic: bool,
}

impl Table {
    pub(super) fn new(is_atomic: bool) -> Arc<Self> {
        Arc::new(Self {
            state: Arc::default(),
            apart: Duration::from_millis(250),
            takes: Duration::from_millis(400),
            is_atomic,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn fault(&self, fault: Fault) {
        self.state().faults.push_back(fault);
    }

    pub(super) fn clear_faults(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.lag = Duration::ZERO;
    }

    pub(super) fn set_lag(&self, lag: Duration) {
        self.state().lag = lag;
    }

    /// Rows of these keys are refused, or are no longer.
    pub(super) fn set_unfit(&self, keys: &[RunKey]) {
        self.state().unfit = keys.iter().cloned().collect();
    }

    /// The tables are not what they were.
    pub(super) fn change_schema(&self) {
        self.state().is_changed = true;
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        self.state().rows.clone()
    }

    pub(super) fn rows_of(&self, key: &RunKey) -> Vec<Row> {
        self.state()
            .rows
            .iter()
            .filter(|row| row.key == *key)
            .cloned()
            .collect()
    }

    /// A person adds a row.
    pub(super) fn add_row(&self, key: &RunKey) -> RowId {
        let cells = Cells {
            text: "by hand".into(),
            digest: [7; 32],
        };
        insert(&mut self.state(), key.clone(), cells)
    }

    /// A person deletes the rows of a record.
    pub(super) fn delete_rows(&self, key: &RunKey) {
        self.state().rows.retain(|row| row.key != *key);
    }

    /// All requests so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.state().asked.iter().map(|(_, asked)| asked.clone()).collect()
    }

    /// How many requests were nearer to each other than they may.
    pub(super) fn too_near(&self) -> usize {
        let state = self.state();
        let near = |pair: &&[(Instant, Asked)]| pair[1].0 < pair[0].0 + self.apart;
        state.asked.windows(2).filter(near).count()
    }

    async fn turn(&self) {
        let at = {
            let mut state = self.state();
            let at = state.free.unwrap_or_else(Instant::now).max(Instant::now());
            state.free = Some(at + self.apart);
            at
        };
        sleep_until(at).await;
    }

    async fn write(&self, writes: Vec<(RunKey, Option<RowId>, Cells)>) -> WriteOutcome {
        self.turn().await;
        let keys: Vec<_> = writes.iter().map(|(key, ..)| key.clone()).collect();
        let is_made = writes.iter().all(|(_, id, _)| id.is_none());
        assert!(writes.len() <= ROWS_MAX && !writes.is_empty());
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "one key twice");
        let fault = self.state().faults.pop_front();
        let is_certainly_not_done = matches!(fault, Some(Fault::Later | Fault::Stopped));
        let asked = if is_made {
            Asked::Make {
                keys,
                is_certainly_not_done,
            }
        } else {
            Asked::Change(keys)
        };
        self.state().asked.push((Instant::now(), asked));
        let unknown = |why: &str| WriteOutcome::Unknown {
            written: Vec::new(),
            why: why.into(),
        };
        match fault {
            None => {}
            Some(Fault::Later) => {
                return WriteOutcome::NotDone(NotDone::Later {
                    why: "locked out".into(),
                });
            }
            Some(Fault::Stopped) => {
                let why = "no such token".into();
                return WriteOutcome::NotDone(NotDone::Stopped { why, until: None });
            }
            Some(Fault::AnswerLost) => {
                let _lost = self.apply(&writes, writes.len());
                sleep(self.takes).await;
                return unknown("the answer was lost");
            }
            Some(Fault::HalfWay(rows)) => {
                let _lost = self.apply(&writes, rows);
                sleep(self.takes).await;
                return unknown("answered 503");
            }
            Some(Fault::Late(how_late)) => {
                let (state, is_atomic) = (Arc::clone(&self.state), self.is_atomic);
                // It does not end with whoever asked.
                tokio::spawn(async move {
                    sleep(how_late).await;
                    drop(apply(&mut state.lock().unwrap(), is_atomic, &writes, usize::MAX));
                });
                sleep(self.takes).await;
                return unknown("no answer in time");
            }
            Some(Fault::Slow(how_long)) => sleep(how_long).await,
        }
        let outcome = self.apply(&writes, writes.len());
        sleep(self.takes).await;
        outcome
    }

    fn apply(&self, writes: &[(RunKey, Option<RowId>, Cells)], rows: usize) -> WriteOutcome {
        apply(&mut self.state(), self.is_atomic, writes, rows)
    }
}

fn insert(state: &mut State, key: RunKey, cells: Cells) -> RowId {
    state.ids += 1;
    let id: RowId = format!("row{}", state.ids).parse().unwrap();
    let at = Instant::now();
    state.rows.push(Row {
        id: id.clone(),
        key,
        cells,
        at,
    });
    id
}

fn apply(state: &mut State, is_atomic: bool, writes: &[(RunKey, Option<RowId>, Cells)], rows: usize) -> WriteOutcome {
    let refused = |of, why: &str| WriteOutcome::Refused { of, why: why.into() };
    let is_there = |state: &State, id: &RowId| state.rows.iter().any(|row| row.id == *id);
    let gone = writes
        .iter()
        .any(|(_, id, _)| id.as_ref().is_some_and(|id| !is_there(state, id)));
    if gone {
        return refused(RefusedFor::RowGone, "no such row");
    }
    if is_atomic && writes.iter().any(|(key, ..)| state.unfit.contains(key)) {
        return refused(RefusedFor::Unfit, "no such option");
    }
    let mut done = Vec::new();
    for (key, id, cells) in writes.iter().take(rows) {
        if state.unfit.contains(key) {
            return refused(RefusedFor::Unfit, "no such option");
        }
        let id = match id {
            None => insert(state, key.clone(), cells.clone()),
            Some(id) => {
                let row = state.rows.iter_mut().find(|row| row.id == *id).unwrap();
                // The key is among the cells.
                row.key = key.clone();
                row.cells = cells.clone();
                id.clone()
            }
        };
        done.push((key.clone(), id));
    }
    WriteOutcome::Done(done)
}

/// What a row of a record holds.
pub(super) fn shown(record: &RunRecord, summary: Option<&JobSummary>) -> String {
    let totals = summary.map(|summary| (summary.clients, summary.open));
    format!("{} {} {totals:?}", record.status(), record.notes().len())
}

#[async_trait]
impl ProjectionTarget for Table {
    fn groups(&self) -> Vec<Vec<RecordKind>> {
        vec![vec![RecordKind::Job, RecordKind::Client]]
    }

    fn rows_max(&self) -> usize {
        ROWS_MAX
    }

    async fn prepare(&self) -> Result<Prepared, NotDone> {
        tokio::task::yield_now().await;
        let is_changed = std::mem::take(&mut self.state().is_changed);
        Ok(Prepared {
            target: "two tables".into(),
            is_changed,
            notes: Vec::new(),
        })
    }

    fn shows_totals(&self) -> bool {
        true
    }

    fn render(&self, record: &RunRecord, summary: Option<&JobSummary>) -> Result<Cells, Unshowable> {
        if record
            .key()
            .client()
            .is_some_and(|client| client.as_str() == "Unshowable")
            && record.status().is_open()
        {
            let why = "the field Name takes no such text".into();
            return Err(Unshowable { why });
        }
        let text = shown(record, summary);
        let mut digest = [0; 32];
        for (seed, part) in digest.chunks_mut(8).enumerate() {
            let mut hasher = DefaultHasher::new();
            (seed, &text).hash(&mut hasher);
            part.copy_from_slice(&hasher.finish().to_be_bytes());
        }
        Ok(Cells { text, digest })
    }

    async fn ready(&self, _: RecordKind) {
        let free = self.state().free;
        if let Some(free) = free {
            sleep_until(free).await;
        }
    }

    async fn has_rows(&self, kind: RecordKind) -> Result<bool, NotDone> {
        self.turn().await;
        Ok(self.state().rows.iter().any(|row| row.key.kind() == kind))
    }

    async fn look_up(&self, _: RecordKind, records: &[Arc<RunRecord>]) -> Result<Vec<(RunKey, FoundRow)>, NotDone> {
        self.turn().await;
        let keys: Vec<_> = records.iter().map(|record| record.key().clone()).collect();
        let mut state = self.state();
        state.asked.push((Instant::now(), Asked::LookUp(keys.clone())));
        let seen = Instant::now().checked_sub(state.lag).unwrap();
        let found = state
            .rows
            .iter()
            .filter(|row| keys.contains(&row.key) && row.at <= seen);
        let rows = found.map(|row| {
            let found = FoundRow {
                id: row.id.clone(),
                digest: row.cells.digest,
            };
            (row.key.clone(), found)
        });
        Ok(rows.collect())
    }

    async fn make_rows(&self, _: RecordKind, rows: Vec<(RunKey, Cells)>) -> WriteOutcome {
        self.write(rows.into_iter().map(|(key, cells)| (key, None, cells)).collect())
            .await
    }

    async fn change_rows(&self, _: RecordKind, rows: Vec<(RunKey, RowId, Cells)>) -> WriteOutcome {
        let rows = rows.into_iter().map(|(key, id, cells)| (key, Some(id), cells));
        self.write(rows.collect()).await
    }

    fn figures(&self) -> TargetFigures {
        TargetFigures {
            requests: self.state().asked.len().try_into().unwrap(),
            too_many: 0,
        }
    }
}
