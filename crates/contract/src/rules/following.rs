//! Rules about following the activity log: from any line on, and by being told of new ones (I6).

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use runledger_domain::Activity;
use runledger_ports::{ActivityFilter, Cursor, PageSize};
use tokio::time::timeout;

use crate::bench::Bench;
use crate::fixture::{JOB, client, run};
use crate::rules::Held;
use crate::rules::log::{play, refused_line};
use crate::rules::races::race;
use crate::store::StoreUnderTest;

/// How long a new line may stay untold. Stores tell of it with the commit; one that has to look does so more often.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// The log can be read on from the number of any line, whatever the filter, and a page says up to which line it leads.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn the_log_is_read_on_from_any_line(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("the_log_is_read_on_from_any_line", store).await;
    play(&bench).await?;
    let filters = [
        ActivityFilter::default(),
        ActivityFilter {
            refused: true,
            ..ActivityFilter::default()
        },
        ActivityFilter {
            run: Some(run(JOB)),
            ..ActivityFilter::default()
        },
        ActivityFilter {
            within: Some([client("acme")].into()),
            ..ActivityFilter::default()
        },
    ];
    for filter in filters {
        let all = bench.lines_of(&filter, 100).await?;
        for seq in 0..=14 {
            let rest: Vec<Activity> = all.iter().filter(|line| line.seq > seq).cloned().collect();
            let mut found: Vec<Activity> = Vec::new();
            let mut after = Some(Cursor::after_line(seq));
            // Each page but the last leads on by a line at least.
            for _ in 0..=15 {
                let Some(cursor) = after else { break };
                let size = PageSize::new(2).unwrap_or_default();
                let Ok(page) = bench.store.reader.activity(&filter, Some(cursor), size).await else {
                    return bench.broken("a healthy store did not show its log");
                };
                let covered = page.lines.last().map_or(cursor.id, |line| line.seq);
                bench.holds(page.next.is_none_or(|next| next.id >= covered), || {
                    format!("a page up to line {covered} leads back to {:?}", page.next)
                })?;
                found.extend(page.lines);
                after = page.next;
            }
            bench.same(&format!("the lines by {filter:?} after line {seq}"), &found, &rest)?;
        }
    }
    Ok(())
}

/// The number of the last line is that of the last line that a reader sees.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn the_last_line_is_known(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("the_last_line_is_known", store).await;
    bench.same("the last line of nothing", &last_line(&bench).await?, &0)?;
    play(&bench).await?;
    let lines = bench.lines().await?;
    let last = lines.last().map_or(0, |line| line.seq);
    bench.same("the last line", &last_line(&bench).await?, &last)?;
    let Ok(bench) = bench.reopen().await else {
        return Ok(());
    };
    bench.same("the last line after a restart", &last_line(&bench).await?, &last)
}

/// Whoever waits for a line after one that they know is told once there is one, and can read it; so are all others who
/// wait.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn whoever_waits_is_told_of_a_new_line(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("whoever_waits_is_told_of_a_new_line", store).await;
    bench.keep(refused_line("first")).await?;
    // What is there already needs no wait.
    told(&bench, 0).await?;
    let waiting = bench.clone();
    let all_told = race(8, move |number| {
        let bench = waiting.clone();
        async move {
            // One of them writes while the others wait.
            if number == 0 {
                bench.keep(refused_line("second")).await?;
            }
            told(&bench, 1).await
        }
    });
    all_told.await.into_iter().collect()
}

/// Nobody is told of a line that is not there.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn whoever_waits_is_told_of_nothing_else(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("whoever_waits_is_told_of_nothing_else", store).await;
    bench.keep(refused_line("first")).await?;
    let mut grown = pin!(bench.store.watch.grown(1));
    for _ in 0..3 {
        bench.holds(is_pending(grown.as_mut()).await, || {
            "a store told of a line after the last one".to_owned()
        })?;
        // A read is no reason either.
        bench.lines().await?;
    }
    bench.keep(refused_line("second")).await?;
    match timeout(TOLD_WITHIN, grown).await {
        Ok(Ok(_)) => Ok(()),
        other => bench.broken(format!("who waited was not told in the end: {other:?}")),
    }
}

async fn told(bench: &Bench, after: u64) -> Held {
    let told = match timeout(TOLD_WITHIN, bench.store.watch.grown(after)).await {
        Ok(Ok(last)) => last,
        other => return bench.broken(format!("who waits for a line after {after} is not told: {other:?}")),
    };
    bench.holds(told > after, || format!("told of line {told} after line {after}"))?;
    let seen = bench.lines().await?.last().map_or(0, |line| line.seq);
    bench.holds(seen >= told, || {
        format!("told of line {told}, but the last one to be seen is {seen}")
    })
}

async fn last_line(bench: &Bench) -> Held<u64> {
    let last = bench.store.watch.last_line().await;
    last.or_else(|error| bench.broken(format!("the last line of a healthy store: {error}")))
}

/// Whether a future has no answer now.
async fn is_pending<F: Future + Unpin>(future: F) -> bool {
    tokio::select! {
        biased;
        _ = future => false,
        () = std::future::ready(()) => true,
    }
}
