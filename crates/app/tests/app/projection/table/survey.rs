//! The tables looked through, with what people and other programs did to them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use runledger_domain::{RecordKind, RunKey, RunRecord, Timestamp};
use runledger_ports::{
    CellDifference, Cells, ListRowsError, ListedRow, NotDone, RemoveOutcome, RowId, RowsPage, RowsPlace, SurveyTarget,
    TargetFinding,
};
use tokio::time::{Instant, sleep};

use super::{Asked, Fault, Row, State, Table, insert};

/// How many rows a page holds.
const PAGE: usize = 3;

impl Table {
    /// A person writes into a row.
    pub(in super::super) fn edit(&self, id: &RowId, text: &str) {
        self.row(id, |row| {
            row.cells = Cells {
                text: text.into(),
                digest: [9; 32],
            };
        });
    }

    /// A person gives a row another key.
    pub(in super::super) fn edit_key(&self, id: &RowId, key: &RunKey) {
        self.row(id, |row| row.key = key.clone());
    }

    /// A person deletes a row.
    pub(in super::super) fn delete(&self, id: &RowId) {
        self.state().rows.retain(|row| row.id != *id);
    }

    /// A person, or a create whose answer was lost, adds a copy of a row.
    pub(in super::super) fn copy(&self, id: &RowId) -> RowId {
        let mut state = self.state();
        let row = state.rows.iter().find(|row| row.id == *id).unwrap().clone();
        insert(&mut state, row.key, row.cells)
    }

    /// A row was made an hour before all others.
    pub(in super::super) fn make_older(&self, id: &RowId) {
        let first = first(&self.state());
        self.row(id, |row| row.at = first.checked_sub(Duration::from_hours(1)).unwrap());
    }

    /// No place in a list is known any more.
    pub(in super::super) fn expire_lists(&self) {
        self.state().lists += 1;
    }

    /// From now on lists show the rows as they are now.
    pub(in super::super) fn freeze_lists(&self) {
        let mut state = self.state();
        state.listed = Some(state.rows.clone());
    }

    /// From now on looking up rows by their keys finds them as they are now.
    pub(in super::super) fn freeze_look_ups(&self) {
        let mut state = self.state();
        state.looked_up = Some(state.rows.clone());
    }

    /// From now on it takes so long until it is known what rows hold that are looked up.
    pub(in super::super) fn slow_look_ups(&self, by: Duration) {
        self.state().looked_up_late = by;
    }

    fn row(&self, id: &RowId, change: impl FnOnce(&mut Row)) {
        change(self.state().rows.iter_mut().find(|row| row.id == *id).unwrap());
    }
}

fn listed(row: &Row, begun: Instant) -> ListedRow {
    let since = row.at.saturating_duration_since(begun);
    ListedRow {
        id: row.id.clone(),
        key: Ok(row.key.clone()),
        known_by: row.key.to_string(),
        // In whole seconds: many rows are made in one.
        made_at: Some(Timestamp::EPOCH.saturating_add(Duration::from_secs(since.as_secs()))),
        cells: row.cells.clone(),
    }
}

fn first(state: &State) -> Instant {
    state.rows.iter().map(|row| row.at).min().unwrap_or_else(Instant::now)
}

#[async_trait]
impl SurveyTarget for Table {
    async fn check(&self) -> Vec<TargetFinding> {
        Vec::new()
    }

    async fn list_rows(&self, kind: RecordKind, after: Option<&RowsPlace>) -> Result<RowsPage, ListRowsError> {
        self.turn().await;
        let mut state = self.state();
        state.asked.push((Instant::now(), Asked::List));
        if let Some(Fault::Later) = state.faults.front() {
            state.faults.pop_front();
            let why = "locked out".into();
            return Err(NotDone::Later { why }.into());
        }
        let (lists, from) = match after {
            None => (state.lists, 0),
            Some(place) => {
                let (lists, from) = place.0.split_once('/').unwrap();
                (lists.parse().unwrap(), from.parse::<usize>().unwrap())
            }
        };
        if lists != state.lists {
            return Err(ListRowsError::PlaceLost);
        }
        let begun = first(&state);
        let rows = state.listed.as_ref().unwrap_or(&state.rows);
        let mut rows: Vec<_> = rows.iter().filter(|row| row.key.kind() == kind).collect();
        rows.sort_by_key(|row| (row.key.clone(), row.id.clone()));
        let next = (from + PAGE < rows.len()).then(|| RowsPlace(format!("{lists}/{}", from + PAGE)));
        let rows = rows.into_iter().skip(from).take(PAGE).map(|row| listed(row, begun));
        Ok(RowsPage {
            rows: rows.collect(),
            next,
        })
    }

    async fn rows_of(&self, _: RecordKind, records: &[Arc<RunRecord>]) -> Result<Vec<ListedRow>, NotDone> {
        self.turn().await;
        let keys: Vec<_> = records.iter().map(|record| record.key().clone()).collect();
        let (rows, late) = {
            let mut state = self.state();
            state.asked.push((Instant::now(), Asked::LookUp(keys.clone())));
            let begun = first(&state);
            let rows = state.looked_up.as_ref().unwrap_or(&state.rows).iter();
            let rows = rows.filter(|row| keys.contains(&row.key));
            (rows.map(|row| listed(row, begun)).collect(), state.looked_up_late)
        };
        sleep(late).await;
        Ok(rows)
    }

    fn differences(&self, _: RecordKind, cells: &Cells, row: &Cells) -> Vec<CellDifference> {
        vec![CellDifference {
            field: "Text".into(),
            ledger: cells.text.clone(),
            row: row.text.clone(),
        }]
    }

    async fn remove_rows(&self, _: RecordKind, rows: &[RowId]) -> RemoveOutcome {
        self.turn().await;
        let mut state = self.state();
        state.asked.push((Instant::now(), Asked::Remove(rows.to_vec())));
        let unknown = |removed: &[RowId]| RemoveOutcome::Unknown {
            removed: removed.to_vec(),
            why: "the answer was lost".into(),
        };
        let removed = match state.faults.pop_front() {
            Some(Fault::Later) => {
                let why = "locked out".into();
                return RemoveOutcome::NotDone(NotDone::Later { why });
            }
            Some(Fault::Stopped) => return RemoveOutcome::Refused { why: "no".into() },
            Some(Fault::HalfWay(count)) => {
                state.rows.retain(|row| !rows[..count].contains(&row.id));
                return unknown(&[]);
            }
            Some(Fault::AnswerLost) => unknown(&[]),
            Some(fault) => panic!("{fault:?} is none of a deletion"),
            None => RemoveOutcome::Done,
        };
        state.rows.retain(|row| !rows.contains(&row.id));
        removed
    }

    async fn rows_there(&self, _: RecordKind, rows: &[RowId]) -> Result<Vec<RowId>, NotDone> {
        self.turn().await;
        let state = self.state();
        let there = rows.iter().filter(|id| state.rows.iter().any(|row| row.id == **id));
        Ok(there.cloned().collect())
    }
}
