//! Rules about stalled records: a view, in the order of the deadlines, that writes nothing (I3).

use std::sync::Arc;

use runledger_domain::{Command, CreationContent, DeadlineAfter, Initial, Outcome, RunRecord, Timestamp};
use runledger_ports::{PageSize, StalledFilter};

use crate::bench::Bench;
use crate::fixture::{ACME, JOB, OTHER_ACME, OTHER_JOB, ZEN, at, complete, intent, request};
use crate::rules::Held;
use crate::store::StoreUnderTest;

/// Stalled records come longest overdue first, equals in the order of creation, over pages of any size.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn stalled_records_come_longest_overdue_first(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("stalled_records_come_longest_overdue_first", store).await;
    let spans = [(JOB, 300), (OTHER_JOB, 100), (ZEN, 200), (ACME, 200), (OTHER_ACME, 50)];
    for (name, seconds) in spans {
        created_with_deadline(&bench, name, seconds).await?;
    }
    let expected = [OTHER_ACME, OTHER_JOB, ZEN, ACME, JOB];
    for entries in [1, 2, 3, 4, 5, 100] {
        let found = stalled(&bench, at(301), entries).await?;
        bench.same(
            &format!("stalled, {entries} a page"),
            &found,
            &expected.map(str::to_owned).to_vec(),
        )?;
    }
    let found = stalled(&bench, at(200), 1).await?;
    bench.same(
        "stalled before a deadline",
        &found,
        &[OTHER_ACME, OTHER_JOB].map(str::to_owned).to_vec(),
    )
}

/// A record counts as stalled while it is open and its deadline lies before the point asked for; asking writes nothing.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn being_stalled_is_a_view(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("being_stalled_is_a_view", store).await;
    created_with_deadline(&bench, JOB, 100).await?;
    created_with_deadline(&bench, ACME, 60).await?;
    let queued = CreationContent {
        initial: Initial::Queued,
        ..with_deadline(60)
    };
    bench.created(intent(ZEN, "attempt-1").with_content(queued)).await?;
    let before = bench.everything().await?;
    let seen = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    bench.same("before any deadline", &stalled(&bench, at(60), 10).await?, &seen(&[]))?;
    bench.same(
        "past the first two",
        &stalled(&bench, at(61), 10).await?,
        &seen(&[ACME, ZEN]),
    )?;
    bench.same(
        "past all",
        &stalled(&bench, at(1_000), 10).await?,
        &seen(&[ACME, ZEN, JOB]),
    )?;
    bench.same("the store after looking", &bench.everything().await?, &before)?;
    bench.applied(request(ACME, 50, Command::Heartbeat)).await?;
    bench.applied(request(ZEN, 50, complete(Outcome::Skipped))).await?;
    bench.same(
        "after signs of life",
        &stalled(&bench, at(101), 10).await?,
        &seen(&[JOB]),
    )?;
    bench.same(
        "much later",
        &stalled(&bench, at(1_000), 10).await?,
        &seen(&[JOB, ACME]),
    )
}

async fn created_with_deadline(bench: &Bench, name: &str, seconds: u64) -> Held {
    bench
        .created(intent(name, "attempt-1").with_content(with_deadline(seconds)))
        .await?;
    Ok(())
}

fn with_deadline(seconds: u64) -> CreationContent {
    CreationContent {
        deadline_after: DeadlineAfter::from_secs(seconds).ok(),
        ..CreationContent::default()
    }
}

/// The keys of the records whose deadline lies before that point, over pages of `entries`.
async fn stalled(bench: &Bench, deadline_before: Timestamp, entries: u32) -> Held<Vec<String>> {
    const PAGES_MAX: usize = 100;
    let filter = StalledFilter {
        deadline_before,
        within: None,
    };
    let size = PageSize::new(entries).unwrap_or_default();
    let (mut found, mut after) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let page = match bench.store.reader.stalled(&filter, after, size).await {
            Ok(page) => page,
            Err(error) => return bench.broken(format!("stalled of a healthy store: {error}")),
        };
        bench.holds(page.records.len() <= entries as usize, || {
            format!("a page of {entries} holds {}", page.records.len())
        })?;
        found.extend(
            page.records
                .iter()
                .map(|record: &Arc<RunRecord>| record.key().to_string()),
        );
        match page.next {
            None => return Ok(found),
            next => after = next,
        }
    }
    bench.broken("the pages of stalled records never end")
}
