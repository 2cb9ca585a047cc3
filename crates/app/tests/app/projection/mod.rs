//! The projection over the memory store and tables in memory, in a time that passes by itself.

mod chance;
mod existing;
mod gathering;
mod reconcile;
mod session;
mod table;
mod world;

use std::time::Duration;

use runledger_app::{ProjectionError, Shown};
use runledger_domain::RunKey;
use runledger_ports::{ActivityFilter, OutboxStore as _, PageSize, RunReader as _, StepKind};

use self::table::{Asked, Fault, Table};
use self::world::World;
use super::source;

fn clients(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("client-{number}")).collect()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn makes(world: &World) -> usize {
    let asked = world.table.asked();
    asked.iter().filter(|asked| matches!(asked, Asked::Make { .. })).count()
}

#[tokio::test(start_paused = true)]
async fn every_record_has_one_row_and_changes_within_the_gathering_time_are_one_request() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    let keys = world.start_clients(&job, &clients(25)).await;
    let projection = world.projection();
    world.work_for(&projection, seconds(20)).await;
    // 1 for the job, 3 for the clients; nothing was looked up.
    assert_eq!((world.table.asked().len(), makes(&world)), (4, 4));
    for _ in 0..5 {
        for key in &keys {
            world.note(key).await;
        }
    }
    world.work_for(&projection, seconds(700)).await;
    assert_eq!(world.table.asked().len(), 4 + 3);
    // What the clients came to is shown later.
    for key in &keys {
        world.complete(key).await;
    }
    world.work_for(&projection, seconds(20)).await;
    assert_eq!(world.table.asked().len(), 4 + 3 + 3);
    world.work_for(&projection, seconds(700)).await;
    assert_eq!(world.table.asked().len(), 4 + 3 + 3 + 1);
    assert_eq!(world.differences().await, Vec::<String>::new());
    let status = projection.status().await.unwrap();
    assert_eq!(
        (status.made, status.changed, status.doubts, status.aside),
        (26, 25 + 25 + 1, 0, 0)
    );
    assert_eq!((status.lag_lines(), status.counts.waiting), (0, 0));
    // A new server has nothing to do.
    world.work_for(&world.projection(), seconds(600)).await;
    assert_eq!(world.table.asked().len(), 4 + 3 + 3 + 1);
    assert_eq!(world.table.too_near(), 0);
}

#[tokio::test(start_paused = true)]
async fn requests_do_not_wait_for_each_other_but_for_their_turn() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    world.start_clients(&job, &clients(400)).await;
    let projection = world.projection();
    // 1 + 40 requests, a quarter of a second apart, and each takes longer than that.
    world.work_for(&projection, seconds(5 + 11)).await;
    assert_eq!(world.table.asked().len(), 41);
    assert_eq!(world.differences().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_looked_up_and_its_row_is_not_made_again() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    world.start_clients(&job, &clients(3)).await;
    for _ in 0..2 {
        world.table.fault(Fault::AnswerLost);
    }
    world.work_for(&world.projection(), seconds(60)).await;
    assert_eq!(
        (makes(&world), world.table.asked().len()),
        (2, 2),
        "the quiet period is not over"
    );
    world.work_for(&world.projection(), seconds(200)).await;
    assert_eq!((makes(&world), world.table.rows().len()), (2, 4));
    assert_eq!(world.differences().await, Vec::<String>::new());
    assert_eq!(world.blind_tries(), []);
}

#[tokio::test(start_paused = true)]
async fn what_had_no_effect_is_made_again_after_it_was_looked_for() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    world.start_clients(&job, &clients(10)).await;
    world.table.fault(Fault::HalfWay(0));
    world.table.fault(Fault::HalfWay(4));
    world.work_for(&world.projection(), seconds(200)).await;
    assert_eq!(world.table.rows().len(), 11);
    assert_eq!(world.differences().await, Vec::<String>::new());
    assert_eq!(world.blind_tries(), []);
}

/// The effect of a request that nobody waits for any more comes within the quiet period.
#[tokio::test(start_paused = true)]
async fn an_effect_that_comes_late_is_not_doubled() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    world.table.fault(Fault::Late(seconds(50)));
    world.table.set_lag(seconds(5));
    world.work_for(&world.projection(), seconds(200)).await;
    assert_eq!(world.table.rows_of(&job).len(), 1);
    assert_eq!((makes(&world), world.differences().await), (1, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_killed_leaves_a_doubt_and_no_second_row() {
    for looks in 0..60 {
        let world = World::new(Table::new(true));
        let job = world.start_job().await;
        world.start_clients(&job, &clients(12)).await;
        world.work_until_killed(&world.projection(), looks, seconds(30)).await;
        world.work_for(&world.projection(), seconds(300)).await;
        assert_eq!(world.table.rows().len(), 13, "killed after {looks} looks");
        assert_eq!(world.differences().await, Vec::<String>::new());
        assert_eq!(world.blind_tries(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_told_to_end_waits_for_what_is_under_way() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    world.start_clients(&job, &clients(12)).await;
    // The first request goes out half a second after the gathering time, and takes 400 ms.
    world.work_for(&world.projection(), Duration::from_millis(5_700)).await;
    let counts = world.store.outbox_counts().await.unwrap();
    assert_eq!((counts.sending, counts.unknown), (0, 0));
    assert!(!world.table.rows().is_empty());
}

/// I12: one row that the table does not take holds up none of the others.
#[tokio::test(start_paused = true)]
async fn an_unfit_row_is_found_and_set_aside_and_the_rest_goes_on() {
    for is_atomic in [true, false] {
        let world = World::new(Table::new(is_atomic));
        let job = world.start_job().await;
        let keys = world.start_clients(&job, &clients(30)).await;
        let unfit = &keys[7..8];
        world.table.set_unfit(unfit);
        let projection = world.projection();
        world.work_for(&projection, seconds(900)).await;
        let status = projection.status().await.unwrap();
        let aside: Vec<_> = status.set_aside.iter().map(|entry| entry.key.clone()).collect();
        assert_eq!((aside.as_slice(), status.counts.set_aside), (unfit, 1));
        assert_eq!(world.table.rows().len(), 30);
        assert_eq!(world.blind_tries(), []);
        // 4 batches, one of them refused; its halves, and the look-ups in between.
        assert!(world.table.asked().len() < 20, "{:?}", world.table.asked());
        // Nobody mended anything: it is not tried again by itself, but with news of its own.
        let before = world.table.asked().len();
        world.work_for(&projection, seconds(900)).await;
        assert_eq!(world.table.asked().len(), before);
        world.table.set_unfit(&[]);
        world.note(&unfit[0]).await;
        world.work_for(&projection, seconds(300)).await;
        assert_eq!(world.differences().await, Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_shown_costs_no_request_until_it_can() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    let keys = world.start_clients(&job, &["Unshowable".into(), "b".into()]).await;
    let projection = world.projection();
    let by = source("orchestrator");
    let wait = projection.wait_until_shown(&by, &keys, seconds(60));
    let (shown, ()) = tokio::join!(wait, world.work_for(&projection, seconds(30)));
    assert!(
        matches!(&shown, Ok(Shown::SetAside { why }) if why.contains("takes no such text")),
        "{shown:?}"
    );
    assert_eq!((world.table.asked().len(), world.table.rows().len()), (2, 2));
    world.complete(&keys[0]).await;
    world.work_for(&projection, seconds(700)).await;
    assert_eq!(world.differences().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_table_that_refuses_every_row_stops_it_all_after_some() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    let keys = world.start_clients(&job, &clients(200)).await;
    world.table.set_unfit(&keys);
    let projection = world.projection();
    world.work_for(&projection, Duration::from_hours(3)).await;
    let status = projection.status().await.unwrap();
    let reason = status.head.unwrap().stopped.unwrap().reason;
    assert!(
        reason.contains("is refused") && reason.contains("airtable resume"),
        "{reason}"
    );
    assert!(world.table.asked().len() < 60, "{}", world.table.asked().len());
    world.table.set_unfit(&[]);
    assert_eq!(projection.resume(&source("operator")).await, Ok(true));
    projection.retry(&source("operator"), None).await.unwrap();
    world.work_for(&projection, Duration::from_hours(1)).await;
    assert_eq!(world.differences().await, Vec::<String>::new());
    assert_eq!(world.blind_tries(), []);
}

/// What the table refuses is not what it refused before somebody changed it.
#[tokio::test(start_paused = true)]
async fn a_refusal_by_a_table_that_has_changed_is_tried_again() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    world.table.set_unfit(std::slice::from_ref(&job));
    let projection = world.projection();
    let mended = async {
        // After the session has looked at the tables, and before the first row is sent.
        tokio::time::sleep(seconds(2)).await;
        world.table.change_schema();
        tokio::time::sleep(Duration::from_millis(3_400)).await;
        world.table.set_unfit(&[]);
    };
    tokio::join!(world.work_for(&projection, seconds(60)), mended);
    assert_eq!((projection.status().await.unwrap().aside, makes(&world)), (0, 2));
    assert_eq!(world.differences().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_seen_and_kept_and_somebody_ends_it() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    world.table.fault(Fault::Stopped);
    let projection = world.projection();
    let by = source("orchestrator");
    let waited = projection.wait_until_shown(&by, std::slice::from_ref(&job), seconds(60));
    let (waited, ()) = tokio::join!(waited, world.work_for(&projection, seconds(600)));
    assert!(
        matches!(&waited, Ok(Shown::Stopped { why }) if why == "no such token"),
        "{waited:?}"
    );
    assert_eq!(world.table.asked().len(), 1);
    let status = projection.status().await.unwrap();
    assert_eq!(
        (status.counts.waiting, status.counts.unknown, status.lag_lines()),
        (1, 0, 0)
    );
    assert!(status.late > Duration::ZERO || status.counts.oldest_due.is_some());
    // The log is read on, and by it somebody who asked another server is heard.
    let elsewhere = world.projection();
    let working = world.work_for(&projection, seconds(60));
    let resumed = async {
        tokio::time::sleep(seconds(5)).await;
        elsewhere.resume(&source("operator")).await
    };
    let ((), resumed) = tokio::join!(working, resumed);
    assert!(resumed.is_ok());
    assert_eq!(world.differences().await, Vec::<String>::new());
    let log = world
        .store
        .activity(&ActivityFilter::default(), None, PageSize::default())
        .await
        .unwrap();
    let last = &log.lines.last().unwrap().line;
    assert_eq!(
        (last.action.as_str(), last.source.as_str()),
        ("resume_projection", "operator")
    );
}

#[tokio::test(start_paused = true)]
async fn rows_of_others_are_not_doubled_and_duplicates_are_set_aside() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    world.table.add_row(&job);
    let projection = world.projection();
    world.work_for(&projection, seconds(60)).await;
    let status = projection.status().await.unwrap();
    assert_eq!((status.head, makes(&world)), (None, 0));
    assert!(status.trouble.unwrap().contains("runledger airtable import"));
    // Somebody allows it: then each is looked for.
    let allowed = runledger_app::ProjectionOptions {
        rows_may_exist: true,
        ..world.options.clone()
    };
    let world = World {
        options: allowed,
        ..world
    };
    let keys = world.start_clients(&job, &clients(2)).await;
    world.table.add_row(&keys[0]);
    world.table.add_row(&keys[0]);
    let projection = world.projection();
    world.work_for(&projection, seconds(120)).await;
    let status = projection.status().await.unwrap();
    assert_eq!(status.set_aside.len(), 1);
    assert_eq!((&status.set_aside[0].key, makes(&world)), (&keys[0], 1));
    // It stays so until one is deleted.
    projection.retry(&source("operator"), Some(&keys[0])).await.unwrap();
    world.work_for(&projection, seconds(200)).await;
    assert_eq!(projection.status().await.unwrap().counts.set_aside, 1);
    world.table.delete_rows(&keys[0]);
    world.table.add_row(&keys[0]);
    assert_eq!(projection.retry(&source("operator"), Some(&keys[0])).await, Ok(1));
    world.work_for(&projection, seconds(200)).await;
    assert_eq!(world.differences().await, Vec::<String>::new());
    assert_eq!(makes(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_a_person_deletes_is_made_again_after_it_was_looked_for() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    let keys = world.start_clients(&job, &clients(4)).await;
    let projection = world.projection();
    world.work_for(&projection, seconds(60)).await;
    world.table.delete_rows(&keys[2]);
    for key in &keys {
        world.note(key).await;
    }
    world.work_for(&projection, seconds(1_000)).await;
    assert_eq!(world.differences().await, Vec::<String>::new());
    assert_eq!((world.blind_tries(), world.table.rows().len()), (vec![], 5));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_told_as_soon_as_the_row_shows_it() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    let projection = world.projection();
    let begun = tokio::time::Instant::now();
    let (keys, by) = ([job.clone()], source("orchestrator"));
    let waiting = async {
        let shown = projection.wait_until_shown(&by, &keys, seconds(60)).await;
        (shown, begun.elapsed())
    };
    let ((shown, after), ()) = tokio::join!(waiting, world.work_for(&projection, seconds(30)));
    // It was not gathered first.
    assert_eq!(shown, Ok(Shown::Yes));
    assert!(after < seconds(2), "{after:?}");
    // Nobody works, so nobody shows it.
    world.note(&job).await;
    assert_eq!(
        projection.wait_until_shown(&by, &keys, seconds(3)).await,
        Ok(Shown::NotYet)
    );
}

#[tokio::test(start_paused = true)]
async fn only_what_changes_is_shown_where_that_is_wanted() {
    let world = World::new(Table::new(true));
    let before = world.start_job().await;
    let later = World {
        options: runledger_app::ProjectionOptions {
            from_beginning: false,
            ..world.options.clone()
        },
        ..world
    };
    let projection = later.projection();
    later.work_for(&projection, seconds(10)).await;
    let job = later.start_job().await;
    later.work_for(&projection, seconds(30)).await;
    let rows: Vec<RunKey> = later.table.rows().into_iter().map(|row| row.key).collect();
    assert_eq!(rows, [job]);
    let missing = projection.retry(&source("operator"), Some(&before)).await;
    assert!(matches!(missing, Err(ProjectionError::Missing { .. })), "{missing:?}");
    let step = later
        .store
        .entries_in(StepKind::Sending, None, PageSize::default())
        .await;
    assert_eq!(step.unwrap(), []);
}
