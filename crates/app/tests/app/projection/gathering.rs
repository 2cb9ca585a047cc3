//! When rows are sent, and with which others: few requests, and none of them later than is promised.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use runledger_app::{Shown, StartClient};
use runledger_domain::{Command, CreationContent, Initial, RunKey, StageName};
use runledger_ports::{ActivityWatch as _, OutboxStore as _};
use tokio::time::{Instant, sleep};

use super::chance::Unsteady;
use super::table::{Asked, Fault, Table};
use super::world::World;
use super::{clients, makes, seconds};
use crate::source;

impl World {
    fn changes(&self) -> Vec<Vec<RunKey>> {
        let asked = self.table.asked().into_iter();
        let changes = asked.filter_map(|asked| match asked {
            Asked::Change(keys) => Some(keys),
            _ => None,
        });
        changes.collect()
    }

    /// What somebody does while a server works; it ends when that is done.
    async fn meanwhile(&self, how_long: u64, acts: impl Future<Output = ()>) {
        let projection = self.projection();
        let acts = async {
            // The rows that are to be made are made.
            sleep(seconds(20)).await;
            acts.await;
        };
        tokio::join!(self.work_for(&projection, seconds(how_long)), acts);
        assert_eq!(self.differences().await, Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn progress_is_shown_once_in_its_time_and_a_state_as_soon_as_it_can_be() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    let keys = world.start_clients(&job, &clients(2)).await;
    world
        .meanwhile(3_000, async {
            assert_eq!((makes(&world), world.changes().len()), (2, 0));
            world.note(&keys[0]).await;
            sleep(seconds(60)).await;
            assert_eq!(world.changes(), Vec::<Vec<RunKey>>::new());
            // What waits with progress goes with the state, and soon.
            world.complete(&keys[0]).await;
            sleep(seconds(6)).await;
            assert_eq!(world.changes(), [keys[..1].to_vec()]);
            // Ten minutes after its row was made, the job shows what its clients came to.
            sleep(seconds(500)).await;
            assert_eq!(world.changes().len(), 1);
            sleep(seconds(40)).await;
            assert_eq!(world.changes()[1..], [vec![job.clone()]]);
            // A row that was quiet for that long shows progress as soon as a state.
            sleep(seconds(700)).await;
            world.note(&keys[1]).await;
            sleep(seconds(6)).await;
            assert_eq!(world.changes()[2..], [keys[1..].to_vec()]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn progress_of_which_the_row_shows_nothing_holds_up_none_that_it_shows() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    let keys = world.start_clients(&job, &clients(1)).await;
    world
        .meanwhile(1_300, async {
            let (runs, by) = (&world.ledger.runs, source("lead_scoring"));
            let alive = runs.change(&by, keys[0].clone(), None, Command::Heartbeat);
            assert!(alive.await.is_ok());
            sleep(seconds(600)).await;
            assert_eq!(world.changes(), Vec::<Vec<RunKey>>::new());
            world.note(&keys[0]).await;
            sleep(seconds(6)).await;
            assert_eq!(world.changes(), std::slice::from_ref(&keys));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn work_that_begins_is_a_state_whatever_begins_it() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    let start = StartClient {
        client: "acme".parse().unwrap(),
        content: CreationContent {
            initial: Initial::Queued,
            ..CreationContent::default()
        },
    };
    let by = source("orchestrator");
    let started = world.ledger.creation.start_clients(&by, job.run(), None, vec![start]);
    let key = started.await.unwrap()[0].record.key().clone();
    world
        .meanwhile(700, async {
            // It waits with progress, then its work begins.
            world.note(&key).await;
            sleep(seconds(30)).await;
            assert_eq!(world.changes(), Vec::<Vec<RunKey>>::new());
            let name: StageName = "lead_scoring".parse().unwrap();
            let change = world
                .ledger
                .runs
                .change(&by, key.clone(), None, Command::StartStage { name });
            assert!(change.await.is_ok());
            sleep(seconds(6)).await;
            assert_eq!(world.changes(), [vec![key.clone()]]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_free_place_shows_progress_before_its_time() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    let keys = world.start_clients(&job, &clients(14)).await;
    world
        .meanwhile(700, async {
            for key in &keys[..12] {
                world.note(key).await;
            }
            world.complete(&keys[13]).await;
            sleep(seconds(6)).await;
            // The state first, then as many as there is room for.
            let changes = world.changes();
            assert_eq!((changes.len(), changes[0].len()), (1, 10));
            assert_eq!((&changes[0][0], &changes[0][1..]), (&keys[13], &keys[..9]));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_not_full_are_a_minute_apart_and_full_ones_wait_for_nobody() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    let keys = world.start_clients(&job, &clients(45)).await;
    world
        .meanwhile(700, async {
            // One every 20 seconds: the first is shown at once, the next three share a request.
            for key in &keys[..4] {
                world.complete(key).await;
                sleep(seconds(20)).await;
            }
            let sizes: Vec<_> = world.changes().iter().map(Vec::len).collect();
            assert_eq!(sizes, [1, 3]);
            // Twenty at once fill two requests, and need not wait for the minute.
            for key in &keys[4..24] {
                world.complete(key).await;
            }
            sleep(seconds(7)).await;
            let sizes: Vec<_> = world.changes().iter().map(Vec::len).collect();
            assert_eq!(sizes, [1, 3, 10, 10]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_had_no_effect_holds_up_no_other() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    let keys = world.start_clients(&job, &clients(1)).await;
    world
        .meanwhile(700, async {
            world.table.fault(Fault::Later);
            world.complete(&keys[0]).await;
            // Sent, and sent again after the pause of a failure.
            sleep(seconds(9)).await;
            assert_eq!(world.changes().len(), 2);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_not_held_up_by_what_others_were_sent() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    let keys = world.start_clients(&job, &clients(3)).await;
    let (projection, by) = (world.projection(), source("orchestrator"));
    let acts = async {
        sleep(seconds(20)).await;
        world.complete(&keys[0]).await;
        sleep(seconds(10)).await;
        assert_eq!(world.changes().len(), 1);
        world.note(&keys[1]).await;
        world.note(&keys[2]).await;
        let (begun, line) = (Instant::now(), world.store.last_line().await.unwrap());
        let shown = projection.wait_until_shown(&by, &keys[1..2], seconds(60)).await;
        assert_eq!(shown, Ok(Shown::Yes));
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        assert_eq!(world.store.last_line().await, Ok(line), "nobody else needs to know");
        // The other one came along.
        assert_eq!(world.changes()[1], keys[1..]);
    };
    tokio::join!(world.work_for(&projection, seconds(700)), acts);
    assert_eq!(world.differences().await, Vec::<String>::new());
}

/// Another server sends: it learns from the log that somebody waits here.
#[tokio::test(start_paused = true)]
async fn whoever_waits_at_a_server_that_does_not_send_is_not_held_up_either() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    let keys = world.start_clients(&job, &clients(3)).await;
    let (sending, here, by) = (world.projection(), world.projection(), source("orchestrator"));
    let acts = async {
        sleep(seconds(20)).await;
        world.complete(&keys[0]).await;
        sleep(seconds(10)).await;
        for key in &keys[1..] {
            world.note(key).await;
        }
        let begun = Instant::now();
        let shown = here.wait_until_shown(&by, &keys[1..2], seconds(60)).await;
        assert_eq!(shown, Ok(Shown::Yes));
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        assert_eq!(world.changes()[1], keys[1..]);
        // That holds for what was waited for, and no longer.
        world.note(&keys[1]).await;
        sleep(seconds(60)).await;
        assert_eq!(world.changes().len(), 2);
    };
    tokio::join!(world.work_for(&sending, seconds(1_300)), acts);
    assert_eq!(world.differences().await, Vec::<String>::new());
}

/// What ended between two steps of taking in the log is taken in again: no state waits as long as progress may.
#[tokio::test(start_paused = true)]
async fn a_state_is_shown_soon_although_its_server_was_killed_while_it_read_of_it() {
    for looks in 0..60 {
        let mut world = World::new(Table::new(true));
        // Each of its calls is a look.
        world.outbox = Arc::new(Unsteady {
            inner: Arc::clone(&world.store),
            countdown: AtomicU32::new(0),
            with_effect: false,
        });
        let job = world.start_job().await;
        let keys = world.start_clients(&job, &clients(1)).await;
        world.work_for(&world.projection(), seconds(20)).await;
        world.note(&keys[0]).await;
        world.work_for(&world.projection(), seconds(20)).await;
        assert_eq!(world.changes().len(), 0);
        world.complete(&keys[0]).await;
        world.work_until_killed(&world.projection(), looks, seconds(30)).await;
        // Where a request was under way it is looked up after the quiet period, and then sent again if need be.
        world.work_for(&world.projection(), seconds(75)).await;
        let entry = world.store.entries(&keys).await.unwrap().remove(0).unwrap();
        assert!(entry.wanted <= entry.row.shown, "killed after {looks} looks: {entry:?}");
    }
}
