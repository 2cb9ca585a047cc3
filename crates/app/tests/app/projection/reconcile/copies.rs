//! Surplus rows of a record: which stays, and what has to be certain before the others go.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use runledger_app::{CopiesState, ReconcileError};
use runledger_ports::{Duty, LeaseStore as _, PageSize, Taken};

use super::super::chance::Unsteady;
use super::super::seconds;
use super::super::table::{Asked, Fault, Table};
use super::super::world::World;
use super::name;
use crate::source;

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
async fn a_duty_that_is_taken_meanwhile_has_nothing_deleted_and_it_is_said_by_whom() {
    let world = World::new(Table::new(true));
    let keys = world.shown(1).await;
    world.nobody_projects().await;
    world.table.copy(&world.row(&keys[0]));
    let other = source("server_2");
    let taken = async {
        // The rows were looked up, and it is looked once more whether the one that stays is there.
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.nobody_projects().await;
        let day = Duration::from_hours(24);
        world.store.take_lease(&Duty::Project, &other, day).await.unwrap()
    };
    let reconciler = world.reconciler();
    let by = source("operator");
    let (done, taken) = tokio::join!(reconciler.remove_copies(&by, &keys, false), taken);
    assert!(matches!(taken, Taken::Held(_)), "{taken:?}");
    assert_eq!(done, Err(ReconcileError::Elsewhere { holder: other }));
    assert_eq!(world.table.rows_of(&keys[0]).len(), 2);
    assert_eq!(reconciler.removed(0, PageSize::default()).await, Ok(Vec::new()));
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
