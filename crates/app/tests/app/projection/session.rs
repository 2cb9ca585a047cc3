//! What a session takes over from the one before it, whose clock may have been another one (I18).

use std::time::Duration;

use runledger_domain::Timestamp;
use runledger_ports::{OutboxStop, OutboxStore as _};

use super::table::{Fault, Table};
use super::world::World;
use super::{clients, makes, seconds};
use crate::source;

/// How far two clocks are apart.
const APART_SECONDS: i64 = 24 * 3_600;

/// The time that a doubt was noted at says nothing to another clock: it may seem to be long ago, and be of just now.
#[tokio::test(start_paused = true)]
async fn a_doubt_of_an_earlier_session_is_quiet_for_the_whole_period_in_this_one() {
    for (is_killed, apart) in [(false, APART_SECONDS), (true, APART_SECONDS), (false, 0)] {
        let world = World::new(Table::new(true));
        let job = world.start_job().await;
        world.table.fault(Fault::Late(seconds(50)));
        // The request goes out after half a second more than the gathering time, and is given up after 400 ms.
        if is_killed {
            let at_most = Duration::from_millis(5_700);
            world.work_until_killed(&world.projection(), usize::MAX, at_most).await;
        } else {
            world.work_for(&world.projection(), seconds(7)).await;
        }
        assert_eq!(makes(&world), 1, "killed: {is_killed}");
        world.clock.go_on(apart);
        world.work_for(&world.projection(), seconds(300)).await;
        assert_eq!(
            (world.table.rows_of(&job).len(), makes(&world)),
            (1, 1),
            "killed: {is_killed}, {apart} s apart"
        );
        assert_eq!(world.differences().await, Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn a_doubt_that_a_clock_noted_which_was_ahead_is_not_waited_for_longer() {
    let world = World::new(Table::new(true));
    world.start_job().await;
    world.clock.go_on(APART_SECONDS);
    world.table.fault(Fault::AnswerLost);
    world.work_for(&world.projection(), seconds(7)).await;
    assert_eq!(world.store.outbox_counts().await.unwrap().unknown, 1);
    world.clock.go_on(-APART_SECONDS);
    world.work_for(&world.projection(), seconds(70)).await;
    assert_eq!(world.differences().await, Vec::<String>::new());
    assert_eq!(world.store.outbox_counts().await.unwrap().unknown, 0);
    assert_eq!(world.blind_tries(), []);
}

#[tokio::test(start_paused = true)]
async fn rows_that_a_clock_made_due_which_was_ahead_are_not_waited_for_longer() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    world.start_clients(&job, &clients(3)).await;
    world.clock.go_on(APART_SECONDS);
    // They are marked, and nothing is sent.
    world
        .work_until_killed(&world.projection(), usize::MAX, seconds(2))
        .await;
    assert_eq!(
        (makes(&world), world.store.outbox_counts().await.unwrap().waiting),
        (0, 4)
    );
    world.clock.go_on(-APART_SECONDS);
    world.work_for(&world.projection(), seconds(90)).await;
    assert_eq!(world.differences().await, Vec::<String>::new());
}

/// The same where others are due by a clock that was right.
#[tokio::test(start_paused = true)]
async fn rows_that_are_due_now_do_not_hide_those_of_a_clock_that_was_ahead() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    let early = world.start_clients(&job, &["early".to_owned()]).await;
    let briefly = seconds(2);
    world.work_until_killed(&world.projection(), usize::MAX, briefly).await;
    // Nothing is sent until the month turns, and the log is followed on.
    let far: Timestamp = "2026-09-01T00:00:00Z".parse().unwrap();
    let stop = OutboxStop {
        at: far,
        until: Some(far),
        reason: "the calls of the month are spent".into(),
    };
    let fence = world.fence().await;
    world.store.stop_outbox(&fence, Some(stop)).await.unwrap();
    world.clock.go_on(APART_SECONDS);
    let late = world.start_clients(&job, &["late".to_owned()]).await;
    world.work_until_killed(&world.projection(), usize::MAX, briefly).await;
    world.clock.go_on(-APART_SECONDS);
    let projection = world.projection();
    projection.resume(&source("operator")).await.unwrap();
    world.work_for(&projection, seconds(90)).await;
    for key in [&early[0], &late[0]] {
        assert_eq!(world.table.rows_of(key).len(), 1, "{key}");
    }
    assert_eq!(world.differences().await, Vec::<String>::new());
}

/// What is in doubt is settled in its own time, however often somebody wants the row to be put right meanwhile.
#[tokio::test(start_paused = true)]
async fn a_repair_that_is_wanted_again_and_again_does_not_put_a_doubt_off() {
    let world = World::new(Table::new(true));
    let job = world.start_job().await;
    world.table.fault(Fault::HalfWay(0));
    let projection = world.projection();
    let repairs = async {
        for _ in 0..20 {
            tokio::time::sleep(seconds(10)).await;
            world.want_repair(&job).await;
        }
    };
    let shown = async {
        tokio::time::sleep(seconds(80)).await;
        world.table.rows_of(&job).len()
    };
    let ((), (), shown) = tokio::join!(world.work_for(&projection, seconds(400)), repairs, shown);
    assert_eq!(shown, 1, "it was looked for and made after the quiet period");
    assert_eq!(world.differences().await, Vec::<String>::new());
    assert_eq!(world.blind_tries(), []);
}
