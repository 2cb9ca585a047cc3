//! Ledger and tables compared, with all that people do to tables; what is put right, and what never is without a word.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner, contextualize_config};
use runledger_app::{
    Adopted, CopiesState, Discrepancy, Duties, PlanLimits, ReconcileError, ReconcilePorts, Reconciler, SweepCounts,
};
use runledger_domain::RunKey;
use runledger_ports::{
    ActivityFilter, Duty, FoundRow, LeaseStore as _, OutboxEntry, OutboxStore as _, PageSize, RowId, RunReader as _,
};

use super::chance::Unsteady;
use super::table::{Asked, Fault, Table};
use super::world::World;
use super::{clients, seconds};
use crate::source;

impl World {
    fn reconciler(&self) -> Reconciler {
        let ports = ReconcilePorts {
            outbox: Arc::clone(&self.outbox),
            leases: self.store.clone(),
            duties: Arc::new(Duties::new(self.store.clone())),
            holder: source("server_1"),
            target: self.table.clone(),
        };
        Reconciler::new(&self.ledger, ports, PlanLimits::default())
    }

    /// Everybody gives the duty up.
    async fn nobody_projects(&self) {
        for lease in self.store.leases().await.unwrap() {
            self.store.end_lease(&lease.fence).await.unwrap();
        }
    }

    async fn sweep(&self, apply: bool) -> (Vec<Discrepancy>, SweepCounts) {
        let reconciler = self.reconciler();
        let sweep = reconciler.begin(apply.then(|| source("operator"))).await.unwrap();
        let (mut found, mut number) = (Vec::new(), 1);
        loop {
            let page = reconciler.page(&sweep, number).await.unwrap();
            found.extend(page.found);
            if page.is_last {
                return (found, page.counts);
            }
            number += 1;
        }
    }

    async fn found(&self, apply: bool) -> Vec<String> {
        let mut found: Vec<_> = self.sweep(apply).await.0.iter().map(told).collect();
        found.sort();
        found
    }

    fn row(&self, key: &RunKey) -> RowId {
        self.table.rows_of(key)[0].id.clone()
    }

    /// Lines of the log for an action.
    async fn lines(&self, action: &str) -> Vec<String> {
        let size = PageSize::new(1_000).unwrap();
        let page = self
            .store
            .activity(&ActivityFilter::default(), None, size)
            .await
            .unwrap();
        let lines = page
            .lines
            .into_iter()
            .filter(|line| line.line.action.as_str() == action);
        lines
            .map(|line| {
                format!(
                    "{} {}: {}",
                    line.line.source, line.line.subject.client, line.line.detail
                )
            })
            .collect()
    }

    /// A job and its clients, shown.
    async fn shown(&self, count: usize) -> Vec<RunKey> {
        let job = self.start_job().await;
        let keys = self.start_clients(&job, &clients(count)).await;
        self.work_for(&self.projection(), seconds(200)).await;
        assert_eq!(self.differences().await, Vec::<String>::new());
        keys
    }
}

fn name(key: &RunKey) -> &str {
    key.client().map_or("job", |client| client.as_str())
}

fn told(found: &Discrepancy) -> String {
    let what = found.as_str();
    match found {
        Discrepancy::Missing { key, .. } => format!("{what} {}", name(key)),
        Discrepancy::Drifted { key, row, cells } => {
            format!("{what} {} {row} {} {}", name(key), cells[0].field, cells[0].row)
        }
        Discrepancy::Duplicated { key, rows } => {
            let rows: Vec<_> = rows.iter().map(ToString::to_string).collect();
            format!("{what} {} {}", name(key), rows.join(" "))
        }
        Discrepancy::Extra { row, known_by, .. } => format!("{what} {row} {known_by}"),
    }
}

/// Everything that can be wrong, once; answers what is to be found.
async fn damaged(world: &World) -> (Vec<RunKey>, Vec<String>) {
    let keys = world.shown(12).await;
    let row = |at: usize| world.row(&keys[at]);
    world.table.delete_rows(&keys[1]);
    let edited = row(2);
    world.table.edit(&edited, "by hand");
    let (first, copied) = (row(3), world.table.copy(&row(3)));
    let stranger = world.table.add_row(&"250101-000000-nobody".parse().unwrap());
    let moved = row(4);
    world
        .table
        .edit_key(&moved, &"250925-231841-elsewhere".parse().unwrap());
    let replaced = row(5);
    let copy = world.table.copy(&replaced);
    world.table.delete(&replaced);
    let mut expected = vec![
        format!("missing {}", name(&keys[1])),
        format!("drifted {} {edited} Text by hand", name(&keys[2])),
        format!("duplicated {} {first} {copied}", name(&keys[3])),
        format!("extra {stranger} 250101-000000-nobody"),
        format!("drifted {} {moved} (key) 250925-231841-elsewhere", name(&keys[4])),
        format!("drifted {} {copy} (row) {copy}", name(&keys[5])),
    ];
    expected.sort();
    (keys, expected)
}

#[tokio::test(start_paused = true)]
async fn everything_that_differs_is_found_and_nothing_is_touched() {
    let world = World::new(Table::new(true));
    let (_, expected) = damaged(&world).await;
    let before = format!("{:?}", world.table.rows());
    assert_eq!(world.found(false).await, expected);
    assert_eq!(format!("{:?}", world.table.rows()), before);
    assert_eq!(world.lines("repair_row").await, Vec::<String>::new());
    let (_, counts) = world.sweep(false).await;
    let expected = SweepCounts {
        rows: 14,
        records: 13,
        in_step: 8,
        missing: 1,
        drifted: 3,
        duplicated: 1,
        extra: 1,
        ..SweepCounts::default()
    };
    assert_eq!(counts, expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_or_differs_is_put_right_and_nothing_is_adopted_or_deleted_in_silence() {
    let world = World::new(Table::new(true));
    let (keys, expected) = damaged(&world).await;
    assert_eq!(world.found(true).await, expected);
    let lines = world.lines("repair_row").await;
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(
        lines.contains(&format!("operator {}: it has no row", name(&keys[1]))),
        "{lines:?}"
    );
    world.work_for(&world.projection(), seconds(600)).await;
    // The row that took the place of a known one is not adopted; whose copies there are is not chosen.
    let left: Vec<_> = expected
        .iter()
        .filter(|one| one.starts_with("dup") || one.starts_with("extra"))
        .collect();
    assert_eq!(world.found(false).await.iter().collect::<Vec<_>>(), left);
    let (_, counts) = world.sweep(false).await;
    assert_eq!((counts.in_step, counts.unsettled), (11, 1));
    let status = world.projection().status().await.unwrap();
    assert_eq!(status.set_aside.len(), 1);
    assert_eq!(status.set_aside[0].key, keys[5]);
    assert_eq!(world.blind_tries(), Vec::<RunKey>::new());
}

#[tokio::test(start_paused = true)]
async fn a_list_that_begins_again_and_a_page_that_is_asked_for_twice_change_nothing() {
    let world = World::new(Table::new(true));
    let (_, expected) = damaged(&world).await;
    let pages = {
        let reconciler = world.reconciler();
        let sweep = reconciler.begin(None).await.unwrap();
        let mut number = 1;
        while !reconciler.page(&sweep, number).await.unwrap().is_last {
            number += 1;
        }
        number
    };
    assert!(pages > 8, "{pages}");
    for at in 1..=pages {
        let reconciler = world.reconciler();
        let sweep = reconciler.begin(None).await.unwrap();
        let (mut found, mut number) = (Vec::new(), 1);
        loop {
            if number == at {
                world.table.expire_lists();
                world.table.fault(Fault::Later);
            }
            let page = match reconciler.page(&sweep, number).await {
                Ok(page) => page,
                // The place gave no answer: the same page again.
                Err(ReconcileError::Place(_)) => reconciler.page(&sweep, number).await.unwrap(),
                Err(error) => panic!("{error}"),
            };
            assert_eq!(reconciler.page(&sweep, number).await.unwrap(), page);
            found.extend(page.found.iter().map(told));
            assert!(page.counts.restarts <= 1);
            if page.is_last {
                break;
            }
            number += 1;
        }
        world.table.clear_faults();
        found.sort();
        assert_eq!(found, expected, "at page {at}");
        let beyond = reconciler.page(&sweep, number + 1).await;
        assert_eq!(beyond, Err(ReconcileError::NoSuchPage { number: number + 1 }));
        assert!(matches!(
            reconciler.page(&sweep, 1).await,
            Err(ReconcileError::NoSuchPage { .. })
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_projection_is_at_is_no_difference() {
    let world = World::new(Table::new(true));
    let keys = world.shown(8).await;
    // A list from before the last write.
    world.table.freeze_lists();
    world.note(&keys[0]).await;
    let fresh = world.start_clients(&keys[0].job(), &["Fresh".to_owned()]).await;
    world.work_for(&world.projection(), seconds(200)).await;
    assert_eq!(world.table.rows_of(&fresh[0]).len(), 1);
    let (found, counts) = world.sweep(false).await;
    assert_eq!((found, counts.unsettled), (Vec::new(), 1));
    // A change that the outbox does not know of, one that it knows of and that is not sent, and a record without any.
    world.note(&keys[1]).await;
    let (found, counts) = world.sweep(false).await;
    assert_eq!((found, counts.unsettled), (Vec::new(), 1));
    world.work_until_killed(&world.projection(), 6, seconds(1)).await;
    let (found, counts) = world.sweep(false).await;
    assert_eq!((found, counts.unsettled > 1), (Vec::new(), true));
    world.work_for(&world.projection(), seconds(200)).await;
    let job = keys[0].job();
    let stranger = world.start_clients(&job, &["Late".to_owned()]).await;
    let (found, counts) = world.sweep(false).await;
    assert_eq!((found, counts.not_shown), (Vec::new(), 1));
    world.table.add_row(&stranger[0]);
    let found = world.found(false).await;
    assert!(found.is_empty(), "the list is older: {found:?}");
}

#[tokio::test(start_paused = true)]
async fn sweeps_are_few_and_end_by_themselves() {
    let world = World::new(Table::new(true));
    let reconciler = world.reconciler();
    assert!(matches!(
        reconciler.begin(None).await,
        Err(ReconcileError::NotBegun { .. })
    ));
    world.shown(1).await;
    let mut names = Vec::new();
    for _ in 0..4 {
        names.push(reconciler.begin(None).await.unwrap());
    }
    assert_eq!(reconciler.begin(None).await, Err(ReconcileError::TooMany));
    // One that has come to its end makes room, and can be asked for its last page until then.
    let mut number = 1;
    while !reconciler.page(&names[0], number).await.unwrap().is_last {
        number += 1;
    }
    assert!(reconciler.page(&names[0], number).await.is_ok());
    names.push(reconciler.begin(None).await.unwrap());
    tokio::time::advance(Duration::from_secs(500)).await;
    reconciler.page(&names[4], 1).await.unwrap();
    tokio::time::advance(Duration::from_secs(200)).await;
    reconciler.begin(None).await.unwrap();
    for forgotten in &names[..4] {
        let page = reconciler.page(forgotten, 1).await;
        assert!(matches!(page, Err(ReconcileError::Missing { .. })), "{page:?}");
    }
    assert!(reconciler.page(&names[4], 2).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn of_several_rows_the_earliest_stays_and_the_others_are_in_the_ledger_before_they_go() {
    let world = World::new(Table::new(true));
    let keys = world.shown(3).await;
    let first = world.row(&keys[0]);
    tokio::time::advance(Duration::from_secs(5)).await;
    let copies = [world.table.copy(&first), world.table.copy(&first)];
    // Of another record the row that the ledger knows is the later one.
    let known = world.row(&keys[2]);
    let earlier = world.table.copy(&known);
    let by = source("operator");
    let reconciler = world.reconciler();
    let asked = [keys[0].clone(), keys[1].clone()];
    // Another server has the duty.
    world.nobody_projects().await;
    let day = Duration::from_hours(24);
    world
        .store
        .take_lease(&Duty::Project, &source("server_2"), day)
        .await
        .unwrap();
    let tried = reconciler.remove_copies(&by, &asked, true).await.unwrap();
    assert_eq!(
        (&tried[0].state, &tried[1].state),
        (&CopiesState::WouldRemove, &CopiesState::None)
    );
    let refused = reconciler.remove_copies(&by, &asked, false).await;
    assert_eq!(
        refused,
        Err(ReconcileError::Elsewhere {
            holder: source("server_2")
        })
    );
    assert_eq!(world.table.rows_of(&keys[0]).len(), 3);
    assert_eq!(reconciler.removed(0, PageSize::default()).await, Ok(Vec::new()));
    world.nobody_projects().await;
    let done = reconciler.remove_copies(&by, &asked, false).await.unwrap();
    assert_eq!(done[0].state, CopiesState::Removed);
    assert_eq!(done[0].kept.as_ref().unwrap().row, first);
    assert_eq!(world.row(&keys[0]), first);
    assert_eq!(world.table.rows_of(&keys[0]).len(), 1);
    let kept = reconciler.removed(0, PageSize::default()).await.unwrap();
    let ids: Vec<_> = kept.iter().map(|row| row.id.clone()).collect();
    assert_eq!(ids, copies);
    assert!(
        kept.iter()
            .all(|row| row.key == keys[0] && row.by == "operator" && row.cells.contains("running"))
    );
    let lines = world.lines("remove_rows").await;
    assert_eq!(
        lines,
        [format!(
            "operator {}: deleted {}, {}; {first} stays",
            name(&keys[0]),
            copies[0],
            copies[1]
        )]
    );
    assert_eq!(world.come_to_rest().await.counts.set_aside, 0);
    assert_eq!(
        world.found(false).await,
        [format!("duplicated {} {known} {earlier}", name(&keys[2]))]
    );
    world.table.make_older(&earlier);
    world.nobody_projects().await;
    let done = reconciler.remove_copies(&by, &keys[2..], false).await.unwrap();
    assert_eq!(
        (done[0].kept.as_ref().unwrap().row.clone(), &done[0].surplus[0].row),
        (earlier.clone(), &known)
    );
    // The projection takes the one that stayed, and needs nobody to say so.
    world.work_for(&world.projection(), seconds(600)).await;
    let status = world.projection().status().await.unwrap();
    assert_eq!(status.counts.set_aside, 0);
    assert_eq!(world.row(&keys[2]), earlier);
    assert_eq!(world.found(false).await, Vec::<String>::new());
    let many = vec![keys[0].clone(); 11];
    assert_eq!(
        reconciler.remove_copies(&by, &many, true).await,
        Err(ReconcileError::KeyCount { count: 11 })
    );
}

#[tokio::test(start_paused = true)]
async fn a_deletion_in_doubt_is_looked_up_and_never_sent_again() {
    for (fault, gone, state) in [
        (Some(Fault::AnswerLost), 2, "Removed"),
        (Some(Fault::HalfWay(1)), 1, "InDoubt"),
        (Some(Fault::HalfWay(0)), 0, "InDoubt"),
        (Some(Fault::Later), 0, "NotRemoved"),
        (Some(Fault::Stopped), 0, "NotRemoved"),
        (None, 2, "Removed"),
    ] {
        let world = World::new(Table::new(true));
        let keys = world.shown(1).await;
        world.nobody_projects().await;
        let first = world.row(&keys[0]);
        for _ in 0..2 {
            world.table.copy(&first);
        }
        if let Some(fault) = fault.clone() {
            world.table.fault(fault);
        }
        let reconciler = world.reconciler();
        let done = reconciler
            .remove_copies(&source("operator"), &keys, false)
            .await
            .unwrap();
        assert!(format!("{:?}", done[0].state).starts_with(state), "{fault:?}: {done:?}");
        assert_eq!(world.table.rows_of(&keys[0]).len(), 3 - gone, "{fault:?}");
        let removals = world
            .table
            .asked()
            .into_iter()
            .filter(|asked| matches!(asked, Asked::Remove(_)));
        assert_eq!(removals.count(), 1, "{fault:?}");
        assert_eq!(
            world.lines("remove_rows").await.len(),
            usize::from(gone > 0),
            "{fault:?}"
        );
        // Done once more it looks first, and comes to its end.
        let done = reconciler
            .remove_copies(&source("operator"), &keys, false)
            .await
            .unwrap();
        assert!(
            matches!(done[0].state, CopiesState::Removed | CopiesState::None),
            "{fault:?}: {done:?}"
        );
        assert_eq!(world.row(&keys[0]), first, "{fault:?}");
        assert_eq!(world.table.rows_of(&keys[0]).len(), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_whose_copy_cannot_be_kept_is_not_deleted() {
    for with_effect in [false, true] {
        let mut world = World::new(Table::new(true));
        let keys = world.shown(1).await;
        world.nobody_projects().await;
        world.table.copy(&world.row(&keys[0]));
        world.outbox = Arc::new(Unsteady {
            inner: world.store.clone(),
            countdown: AtomicU32::new(1),
            with_effect,
        });
        let reconciler = world.reconciler();
        let by = source("operator");
        let failed = reconciler.remove_copies(&by, &keys, false).await;
        assert!(matches!(failed, Err(ReconcileError::Unavailable(_))), "{failed:?}");
        assert_eq!(world.table.rows_of(&keys[0]).len(), 2);
        // The duty that was taken for it was given up.
        let done = reconciler.remove_copies(&by, &keys, false).await.unwrap();
        assert_eq!(done[0].state, CopiesState::Removed);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_when_the_row_that_would_stay_is_gone() {
    let world = World::new(Table::new(true));
    let keys = world.shown(1).await;
    world.nobody_projects().await;
    let first = world.row(&keys[0]);
    let copy = world.table.copy(&first);
    world.table.freeze_look_ups();
    world.table.delete(&first);
    let done = world
        .reconciler()
        .remove_copies(&source("operator"), &keys, false)
        .await
        .unwrap();
    assert!(matches!(done[0].state, CopiesState::NotRemoved(_)), "{done:?}");
    assert_eq!(world.row(&keys[0]), copy);
}

impl World {
    /// Rows of these records that the ledger knows nothing of, as people made them.
    fn rows_by_hand(&self, keys: &[RunKey]) -> BTreeMap<RunKey, Vec<FoundRow>> {
        let rows = keys.iter().map(|key| {
            let id = self.table.add_row(key);
            let digest = self.table.rows_of(key)[0].cells.digest;
            (key.clone(), vec![FoundRow { id, digest }])
        });
        rows.collect()
    }

    async fn entry(&self, key: &RunKey) -> OutboxEntry {
        self.store
            .entries(std::slice::from_ref(key))
            .await
            .unwrap()
            .remove(0)
            .unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn rows_that_are_adopted_stay_as_they_are_until_their_record_changes_and_no_other_is_made() {
    for from_beginning in [true, false] {
        let mut world = World::new(Table::new(true));
        world.options.from_beginning = from_beginning;
        let job = world.start_job().await;
        let keys = world.start_clients(&job, &clients(6)).await;
        let mut rows = world.rows_by_hand(&keys[..4]);
        let copy = world.table.add_row(&keys[3]);
        rows.get_mut(&keys[3]).unwrap().push(FoundRow {
            id: copy,
            digest: [7; 32],
        });
        rows.extend(world.rows_by_hand(&["250101-000000-nobody".parse().unwrap()]));
        // Without that nothing is shown at all.
        world.work_for(&world.projection(), seconds(200)).await;
        assert!(world.projection().status().await.unwrap().head.is_none());
        world.nobody_projects().await;
        let by = source("operator");
        let adopted = world.reconciler().adopt(&by, &rows, from_beginning).await.unwrap();
        let expected = Adopted {
            known: 0,
            adopted: 3,
            several: 1,
            of_no_record: 1,
        };
        assert_eq!(adopted, expected);
        let again = world.reconciler().adopt(&by, &rows, from_beginning).await.unwrap();
        assert_eq!(
            again,
            Adopted {
                known: 3,
                adopted: 0,
                ..expected
            }
        );
        let lines = world.lines("adopt_rows").await;
        assert!(
            lines.len() == 2 && lines[0].starts_with("operator : learnt the rows of 3 records"),
            "{lines:?}"
        );
        world.work_for(&world.projection(), seconds(600)).await;
        for key in &keys[..3] {
            assert_eq!(world.table.rows_of(key).len(), 1);
            assert_eq!(world.table.rows_of(key)[0].cells.text, "by hand");
        }
        world.note(&keys[0]).await;
        world.work_for(&world.projection(), seconds(600)).await;
        assert_eq!(world.table.rows_of(&keys[0])[0].id, rows[&keys[0]][0].id);
        assert_ne!(world.table.rows_of(&keys[0])[0].cells.text, "by hand");
        // Of several rows none is chosen, and no other is made.
        world.note(&keys[3]).await;
        world.work_for(&world.projection(), seconds(600)).await;
        assert_eq!(world.table.rows_of(&keys[3]).len(), 2);
        assert_eq!(world.projection().status().await.unwrap().set_aside[0].key, keys[3]);
        let others = [&job, &keys[4], &keys[5]].map(|key| world.table.rows_of(key).len());
        // The job is shown for what its client came to.
        assert_eq!(others, if from_beginning { [1, 1, 1] } else { [1, 0, 0] });
        // What was adopted and never changed is said to differ, and put right when that is asked for.
        let found = world.found(true).await;
        assert!(found.iter().any(|one| one.starts_with("drifted client-2")), "{found:?}");
        world.work_for(&world.projection(), seconds(600)).await;
        let found = world.found(false).await;
        assert!(
            found
                .iter()
                .all(|one| one.starts_with("extra") || one.starts_with("duplicated")),
            "{found:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_adoption_that_ends_half_way_lets_nothing_be_made_until_it_is_done() {
    let mut world = World::new(Table::new(true));
    let job = world.start_job().await;
    let keys = world.start_clients(&job, &clients(4)).await;
    let rows = world.rows_by_hand(&keys);
    let by = source("operator");
    let mut failures = 0;
    for calls in 1..12 {
        world.nobody_projects().await;
        for with_effect in [false, true] {
            world.outbox = Arc::new(Unsteady {
                inner: world.store.clone(),
                countdown: AtomicU32::new(calls),
                with_effect,
            });
            let adopted = world.reconciler().adopt(&by, &rows, true).await;
            failures += usize::from(adopted.is_err());
            if adopted.is_ok() {
                continue;
            }
            // A server that is started none the less makes no row of those that are there.
            world.outbox = world.store.clone();
            world.work_for(&world.projection(), seconds(600)).await;
            world.nobody_projects().await;
            assert!(
                keys.iter().all(|key| world.table.rows_of(key).len() == 1),
                "after {calls} calls"
            );
        }
    }
    assert!(failures > 8, "{failures}");
    world.outbox = world.store.clone();
    world.reconciler().adopt(&by, &rows, true).await.unwrap();
    let head = world.store.outbox().await.unwrap().unwrap();
    assert_eq!(head.stopped, None);
    for key in &keys {
        assert_eq!(world.entry(key).await.row.id.as_ref(), Some(&rows[key][0].id));
        world.note(key).await;
    }
    world.work_for(&world.projection(), seconds(600)).await;
    assert_eq!(world.differences().await, Vec::<String>::new());
}

/// What somebody does to the tables.
#[derive(Clone, Debug)]
enum Harm {
    Delete(usize),
    Edit(usize),
    EditKey(usize),
    Copy(usize),
    Replace(usize),
    Stranger,
    Change(usize),
    End(usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        3 => (0..10_usize).prop_map(Harm::Delete),
        3 => (0..10_usize).prop_map(Harm::Edit),
        2 => (0..10_usize).prop_map(Harm::EditKey),
        2 => (0..10_usize).prop_map(Harm::Copy),
        1 => (0..10_usize).prop_map(Harm::Replace),
        1 => Just(Harm::Stranger),
        3 => (0..10_usize).prop_map(Harm::Change),
        2 => (0..10_usize).prop_map(Harm::End),
    ]
}

async fn harmed(harms: &[Harm]) -> Result<(), TestCaseError> {
    let world = World::new(Table::new(true));
    let keys = world.shown(10).await;
    let mut strangers = 0;
    for one in harms {
        let row = |at: &usize| world.table.rows_of(&keys[*at]).first().map(|row| row.id.clone());
        match one {
            Harm::Delete(at) => row(at).iter().for_each(|row| world.table.delete(row)),
            Harm::Edit(at) => row(at).iter().for_each(|row| world.table.edit(row, "by hand")),
            Harm::EditKey(at) => row(at).iter().for_each(|row| {
                strangers += 1;
                let key = format!("250101-000000-n{strangers}").parse().unwrap();
                world.table.edit_key(row, &key);
            }),
            Harm::Copy(at) => row(at).iter().for_each(|row| drop(world.table.copy(row))),
            Harm::Replace(at) => row(at).iter().for_each(|row| {
                world.table.copy(row);
                world.table.delete(row);
            }),
            Harm::Stranger => {
                strangers += 1;
                world
                    .table
                    .add_row(&format!("250101-000000-n{strangers}").parse().unwrap());
            }
            Harm::Change(at) => world.note(&keys[*at]).await,
            Harm::End(at) => world.complete(&keys[*at]).await,
        }
    }
    world.work_for(&world.projection(), seconds(600)).await;
    // Twice: a copy of a row that drifted may only be chosen once the copies are gone.
    for _ in 0..2 {
        let (found, _) = world.sweep(true).await;
        world.nobody_projects().await;
        for one in &found {
            match one {
                Discrepancy::Duplicated { key, .. } => {
                    let done = world
                        .reconciler()
                        .remove_copies(&source("operator"), std::slice::from_ref(key), false)
                        .await;
                    prop_assert!(done.is_ok(), "{done:?}");
                }
                Discrepancy::Extra { row, .. } => world.table.delete(row),
                Discrepancy::Missing { .. } | Discrepancy::Drifted { .. } => {}
            }
        }
        world.come_to_rest().await;
    }
    // Rows in the place of known ones are set aside until somebody deletes one of the two.
    let size = PageSize::new(100).unwrap();
    let aside = world
        .store
        .entries_in(runledger_ports::StepKind::SetAside, None, size)
        .await
        .unwrap();
    for entry in &aside {
        world.table.delete_rows(&entry.key);
    }
    world.come_to_rest().await;
    let (found, _) = world.sweep(true).await;
    world.come_to_rest().await;
    prop_assert!(
        found
            .iter()
            .all(|one| matches!(one, Discrepancy::Missing { .. } | Discrepancy::Extra { .. })),
        "{found:?}"
    );
    let strays: Vec<_> = world
        .table
        .rows()
        .into_iter()
        .filter(|row| row.key.to_string().starts_with("250101"))
        .collect();
    for row in strays {
        world.table.delete(&row.id);
    }
    let (found, counts) = world.sweep(false).await;
    prop_assert_eq!(found, Vec::new());
    prop_assert_eq!(counts.in_step, 11);
    prop_assert_eq!(world.differences().await, Vec::<String>::new());
    prop_assert_eq!(world.blind_tries(), Vec::<RunKey>::new());
    Ok(())
}

#[test]
fn whatever_happens_to_the_tables_is_put_right_and_a_second_look_finds_nothing() {
    let config = Config {
        cases: 60,
        source_file: Some(file!()),
        ..contextualize_config(Config::default())
    };
    let run = |harms: Vec<Harm>| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build();
        runtime.unwrap().block_on(harmed(&harms))
    };
    TestRunner::new(config)
        .run(&prop::collection::vec(harm(), 1..14), run)
        .unwrap();
}
