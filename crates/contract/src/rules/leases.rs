//! Leases: a duty has one holder at a time, and the proof of each taking is greater than all before it (I13).

use runledger_domain::Timestamp;
use runledger_ports::{Duty, Fence, FencedError, Lease, Taken, WebhookName};

use crate::bench::{Bench, LONG, SHORT};
use crate::fixture::{source, text};
use crate::rules::Held;
use crate::rules::log::play;
use crate::rules::races::race;
use crate::store::{StoreUnderTest, Writers};

const CALLERS: usize = 16;

fn deliver(name: &str) -> Duty {
    Duty::Deliver(text::<WebhookName>(name))
}

/// A duty that somebody has is given to nobody else; who asks is told who has it. Each duty is given apart, and all that
/// were ever taken are listed by their names.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_duty_has_one_holder_at_a_time(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_duty_has_one_holder_at_a_time", store).await;
    bench.same("the leases of a new store", &bench.all_leases().await?, &Vec::new())?;
    let duties = [Duty::Sweep, deliver("b"), Duty::Project, deliver("a")];
    for duty in &duties {
        let fence = bench.take(duty, "first_server", LONG).await?;
        let first = Fence {
            duty: duty.clone(),
            epoch: std::num::NonZeroU64::MIN,
        };
        bench.same("the first taking", &fence, &first)?;
        for other in ["second_server", "first_server"] {
            match bench.want(duty, other, LONG).await? {
                Taken::Elsewhere { holder, left } => {
                    bench.same("who has it", &holder, &source("first_server"))?;
                    bench.holds(!left.is_zero() && left <= LONG, || format!("it is theirs for {left:?}"))?;
                }
                Taken::Held(fence) => return bench.broken(format!("two hold a duty, the second with {fence:?}")),
            }
        }
    }
    let leases = bench.all_leases().await?;
    let names: Vec<String> = leases.iter().map(|lease| lease.fence.duty.to_string()).collect();
    let expected = ["deliver:a", "deliver:b", "project", "sweep"].map(String::from);
    bench.same("the duties", &names, &expected.to_vec())?;
    for Lease { fence, holder, left } in leases {
        bench.same("its epoch", &fence.epoch.get(), &1)?;
        bench.same("its holder", &holder, &source("first_server"))?;
        bench.holds(!left.is_zero() && left <= LONG, || {
            format!("{fence:?} is held for {left:?}")
        })?;
    }
    Ok(())
}

/// Of many who want a duty at once one gets it, also when the time of its holder is over.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn of_many_who_want_a_duty_one_gets_it(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("of_many_who_want_a_duty_one_gets_it", store).await;
    for round in 1..=4 {
        let callers = bench.clone();
        let taken = race(CALLERS, move |number| {
            let bench = callers.clone();
            async move { bench.want(&Duty::Sweep, &format!("server_{number}"), LONG).await }
        });
        let taken: Vec<Taken> = taken.await.into_iter().collect::<Held<_>>()?;
        let held: Vec<&Fence> = taken
            .iter()
            .filter_map(|taken| match taken {
                Taken::Held(fence) => Some(fence),
                Taken::Elsewhere { .. } => None,
            })
            .collect();
        let [fence] = held[..] else {
            return bench.broken(format!("{} of {CALLERS} got it", held.len()));
        };
        bench.same("which taking it is", &fence.epoch.get(), &round)?;
        if round % 2 == 0 {
            bench.end(fence).await?;
        } else {
            // Over at once: the next round takes it from a holder whose time is up.
            bench.kept("keep_lease", bench.store.leases.keep_lease(fence, SHORT).await)?;
            tokio::time::sleep(SHORT * 2).await;
        }
    }
    Ok(())
}

/// A duty whose time is over is given to whoever asks next, under a greater epoch; who had it has lost it.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_duty_whose_time_is_over_is_given_again(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_duty_whose_time_is_over_is_given_again", store).await;
    let first = bench.take(&Duty::Sweep, "first_server", SHORT).await?;
    let second = bench.take_over(&Duty::Sweep, "second_server", LONG).await?;
    bench.same("the epoch of the second taking", &second.epoch.get(), &2)?;
    let kept = bench.store.leases.keep_lease(&first, LONG).await;
    bench.is_lost("keep_lease", &first, &kept)?;
    bench.kept("keep_lease", bench.store.leases.keep_lease(&second, LONG).await)?;
    // What never was is not held either.
    let unheard_of = Fence {
        epoch: second.epoch.saturating_add(1),
        ..second.clone()
    };
    let kept = bench.store.leases.keep_lease(&unheard_of, LONG).await;
    bench.is_lost("keep_lease", &unheard_of, &kept)?;
    let elsewhere = Fence {
        duty: Duty::Project,
        ..second
    };
    let kept = bench.store.leases.keep_lease(&elsewhere, LONG).await;
    bench.is_lost("keep_lease", &elsewhere, &kept)
}

/// Who keeps a duty has it for so long from then on, longer or shorter than before.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_kept_duty_lasts_from_then_on(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_kept_duty_lasts_from_then_on", store).await;
    let fence = bench.take(&Duty::Sweep, "first_server", LONG).await?;
    bench.kept("keep_lease", bench.store.leases.keep_lease(&fence, LONG * 3).await)?;
    let leases = bench.all_leases().await?;
    bench.holds(leases.iter().all(|lease| lease.left > LONG * 2), || {
        format!("a duty that was kept for three hours: {leases:?}")
    })?;
    bench.same(
        "the taking",
        &leases.first().map(|lease| lease.fence.clone()),
        &Some(fence.clone()),
    )?;
    bench.kept("keep_lease", bench.store.leases.keep_lease(&fence, SHORT).await)?;
    bench.take_over(&Duty::Sweep, "second_server", LONG).await?;
    Ok(())
}

/// A duty that was given up is free at once, and its fence is lost, also before somebody else has it; nobody gives up
/// what is another's.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_duty_that_was_given_up_is_free(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_duty_that_was_given_up_is_free", store).await;
    let first = bench.take(&Duty::Sweep, "first_server", LONG).await?;
    bench.end(&first).await?;
    let leases = bench.all_leases().await?;
    bench.holds(
        leases.len() == 1 && leases.iter().all(|lease| lease.left.is_zero()),
        || format!("what is listed of a duty that was given up: {leases:?}"),
    )?;
    let kept = bench.store.leases.keep_lease(&first, LONG).await;
    bench.is_lost("keep_lease", &first, &kept)?;
    let second = bench.take(&Duty::Sweep, "second_server", LONG).await?;
    bench.same("the epoch of the second taking", &second.epoch.get(), &2)?;
    bench.end(&first).await?;
    match bench.want(&Duty::Sweep, "third_server", LONG).await? {
        Taken::Elsewhere { holder, .. } => bench.same("who has it", &holder, &source("second_server")),
        Taken::Held(fence) => bench.broken(format!("a duty was given up for another: {fence:?}")),
    }
}

/// Epochs grow beyond a restart and a crash. A store that nobody else writes has ended all leases by then; of others they
/// go on.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn epochs_grow_when_a_store_is_opened_again(store: &dyn StoreUnderTest) -> Held {
    for crashes in [false, true] {
        let bench = Bench::open("epochs_grow_when_a_store_is_opened_again", store).await;
        let writers = bench.writers().await;
        let ended = bench.take(&Duty::Project, "first_server", LONG).await?;
        bench.end(&ended).await?;
        let first = bench.take(&Duty::Sweep, "first_server", LONG).await?;
        bench.end(&first).await?;
        let second = bench.take(&Duty::Sweep, "first_server", LONG).await?;
        let bench = if crashes {
            bench.crash().await
        } else {
            bench.reopen().await
        };
        let Ok(bench) = bench else { return Ok(()) };
        let kept = bench.store.leases.keep_lease(&second, LONG).await;
        match writers {
            Writers::One => bench.is_lost("keep_lease", &second, &kept)?,
            Writers::Several => {
                bench.kept("keep_lease", kept)?;
                bench.end(&second).await?;
            }
        }
        let epochs = [
            bench.take(&Duty::Sweep, "second_server", LONG).await?.epoch.get(),
            bench.take(&Duty::Project, "second_server", LONG).await?.epoch.get(),
        ];
        bench.same("the epochs of the next takings", &epochs, &[3, 2])?;
    }
    Ok(())
}

/// A taking whose commit has an unknown outcome is not answered as one, nor is the keeping of a duty.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_duty_in_doubt_is_not_held(store: &dyn StoreUnderTest) -> Held {
    for keeps in [false, true] {
        let bench = Bench::open("a_duty_in_doubt_is_not_held", store).await;
        let fence = bench.take(&Duty::Sweep, "first_server", LONG).await?;
        if !bench.doubt().await {
            return Ok(());
        }
        if keeps {
            let kept = bench.store.leases.keep_lease(&fence, LONG * 3).await;
            bench.holds(!matches!(kept, Err(FencedError::Lost { .. })), || {
                "a duty in doubt was said to be lost".to_owned()
            })?;
            // A store for which that is no commit may do it, if it does.
            if let (Ok(()), Ok(leases)) = (&kept, bench.store.leases.leases().await) {
                bench.holds(leases.iter().all(|lease| lease.left > LONG * 2), || {
                    format!("a duty was answered as kept: {leases:?}")
                })?;
            }
        } else {
            let taken = bench
                .store
                .leases
                .take_lease(&Duty::Project, &source("first_server"), LONG)
                .await;
            bench.holds(taken.is_err(), || format!("a taking in doubt: {taken:?}"))?;
        }
    }
    Ok(())
}

/// Nothing that is done with leases touches a record or the log.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn leases_touch_no_record_and_no_line(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("leases_touch_no_record_and_no_line", store).await;
    play(&bench).await?;
    let before = bench.everything().await?;
    let fence = bench.take(&Duty::Sweep, "first_server", LONG).await?;
    bench.want(&Duty::Sweep, "second_server", LONG).await?;
    bench.kept("keep_lease", bench.store.leases.keep_lease(&fence, LONG).await)?;
    bench.end(&fence).await?;
    let _lost = bench.store.leases.keep_lease(&fence, LONG).await;
    bench.same("all records and lines", &bench.everything().await?, &before)?;
    let counts = bench.store.reader.counts(Timestamp::EPOCH).await;
    let lines = counts.map(|counts| counts.lines);
    bench.same("the number of lines", &lines, &Ok(before.lines.len() as u64))
}
