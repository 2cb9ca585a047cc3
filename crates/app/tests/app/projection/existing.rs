//! Rows that are there before the first one is made: whoever was told once that there may be some looks for them ever after,
//! and not before what may be under way elsewhere has come.

use runledger_app::ProjectionOptions;
use runledger_domain::RunKey;
use tokio::time::sleep;

use super::table::{Asked, Table};
use super::world::World;
use super::{clients, makes, seconds};

/// Records from before, of which some have rows.
async fn with_rows(from_beginning: bool) -> (World, Vec<RunKey>) {
    let mut world = World::new(Table::new(true));
    world.options = ProjectionOptions {
        from_beginning,
        rows_may_exist: true,
        ..ProjectionOptions::default()
    };
    let job = world.start_job().await;
    let mut keys = world.start_clients(&job, &clients(6)).await;
    keys.push(job);
    for key in &keys {
        world.table.add_row(key);
    }
    (world, keys)
}

#[tokio::test(start_paused = true)]
async fn rows_are_looked_for_after_a_start_that_is_not_told_so_any_more() {
    // Only what changes is shown, so most rows are met long after the first start.
    let (mut world, keys) = with_rows(false).await;
    world.work_for(&world.projection(), seconds(120)).await;
    world.note(&keys[0]).await;
    world.work_for(&world.projection(), seconds(120)).await;
    world.options.rows_may_exist = false;
    for key in &keys {
        world.note(key).await;
    }
    let projection = world.projection();
    world.work_for(&projection, seconds(1_000)).await;
    assert_eq!(world.differences().await, Vec::<String>::new());
    assert_eq!((makes(&world), projection.status().await.unwrap().trouble), (0, None));
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_under_way_when_the_ledger_moves_is_not_made_again() {
    let (world, keys) = with_rows(true).await;
    world.table.delete_rows(&keys[0]);
    let (projection, quiet) = (world.projection(), world.options.quiet);
    // The server of before was killed while it made the row.
    let arrives = async {
        sleep(quiet / 2).await;
        world.table.add_row(&keys[0]);
    };
    tokio::join!(world.work_for(&projection, seconds(400)), arrives);
    assert_eq!(world.differences().await, Vec::<String>::new());
    let asked = world.table.asked();
    let looked = |asked: &Asked| matches!(asked, Asked::LookUp(_));
    assert_eq!(
        (makes(&world), asked.iter().filter(|asked| looked(asked)).count()),
        (0, 2)
    );
}
