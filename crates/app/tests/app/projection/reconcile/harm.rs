//! Whatever people do to the tables, by chance: it is found and put right.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner, contextualize_config};
use runledger_app::Discrepancy;
use runledger_domain::RunKey;
use runledger_ports::{OutboxStore as _, PageSize};

use super::super::seconds;
use super::super::table::Table;
use super::super::world::World;
use crate::source;

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
