//! Both sides gone over, page by page: what is found, what is put right, and what is no difference.

use std::time::Duration;

use runledger_app::{ReconcileError, SweepCounts};
use runledger_domain::RunKey;

use super::super::seconds;
use super::super::table::{Fault, Table};
use super::super::world::World;
use super::{name, told};

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
    world.work_for(&world.projection(), seconds(700)).await;
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

/// What was read of a row before the projection wrote it says nothing of the record as it is now.
#[tokio::test(start_paused = true)]
async fn a_row_that_is_written_while_it_is_looked_at_is_no_difference() {
    let world = World::new(Table::new(true));
    let keys = world.shown(2).await;
    // The list is from before the last write, so the row is looked at once more.
    world.table.freeze_lists();
    world.note(&keys[0]).await;
    world.work_for(&world.projection(), seconds(700)).await;
    world.table.slow_look_ups(seconds(100));
    let ended = async {
        tokio::time::sleep(seconds(1)).await;
        world.complete(&keys[0]).await;
    };
    let projection = world.projection();
    let ((found, _), (), ()) = tokio::join!(world.sweep(false), world.work_for(&projection, seconds(90)), ended);
    assert_eq!(found, Vec::new());
    world.work_for(&projection, seconds(700)).await;
    assert_eq!(world.differences().await, Vec::<String>::new());
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
