//! Rows that were there before the ledger: learnt, and left as they are until their records change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use runledger_app::{Adopted, ReconcileError};
use runledger_domain::RunKey;
use runledger_ports::{FoundRow, OutboxEntry, OutboxStore as _};

use super::super::chance::Unsteady;
use super::super::table::Table;
use super::super::world::World;
use super::super::{clients, seconds};
use crate::source;

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
        world.work_for(&world.projection(), seconds(700)).await;
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

/// Rows are made as soon as their records are there, but for the time in which rows are learnt.
#[tokio::test(start_paused = true)]
async fn nothing_is_made_from_before_the_records_come_in_until_their_rows_are_known() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    world.work_for(&world.projection(), seconds(20)).await;
    assert_eq!(
        world.reconciler().begin_adoption().await,
        Err(ReconcileError::Elsewhere {
            holder: source("server_1")
        })
    );
    world.nobody_projects().await;
    world.reconciler().begin_adoption().await.unwrap();
    let keys = world.start_clients(&job, &clients(3)).await;
    let rows = world.rows_by_hand(&keys);
    // It was killed here, and a server is started none the less.
    world.work_for(&world.projection(), seconds(600)).await;
    assert!(keys.iter().all(|key| world.table.rows_of(key).len() == 1));
    world.nobody_projects().await;
    let adopted = world
        .reconciler()
        .adopt(&source("operator"), &rows, true)
        .await
        .unwrap();
    assert_eq!(adopted.adopted, 3);
    world.work_for(&world.projection(), seconds(700)).await;
    assert_eq!(world.differences().await, Vec::<String>::new());
}
