//! Rules about stalled records: a view, in the order of the deadlines, that writes nothing (I3).

use std::sync::Arc;

use runledger_domain::{Command, CreationContent, DeadlineAfter, Initial, Outcome, RunRecord, Timestamp};
use runledger_ports::StalledFilter;

use crate::bench::Bench;
use crate::fixture::{ACME, JOB, OTHER_ACME, OTHER_JOB, ZEN, at, client, complete, intent, request};
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

/// Whoever may know of some clients alone gets their stalled records, in the same order, over pages of any size.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn stalled_records_of_some_clients_come_alone(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("stalled_records_of_some_clients_come_alone", store).await;
    let spans = [(JOB, 300), (OTHER_JOB, 100), (ZEN, 200), (ACME, 200), (OTHER_ACME, 50)];
    for (name, seconds) in spans {
        created_with_deadline(&bench, name, seconds).await?;
    }
    let cases: [(&[&str], &[&str]); 4] = [
        (&["acme"], &[OTHER_ACME, ACME]),
        (&["acme", "zen"], &[OTHER_ACME, ZEN, ACME]),
        (&["globex"], &[]),
        (&[], &[]),
    ];
    for (clients, expected) in cases {
        let filter = StalledFilter {
            deadline_before: at(301),
            within: Some(clients.iter().map(|name| client(name)).collect()),
        };
        let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
        for entries in [1, 2, 100] {
            let (mut found, mut after) = (Vec::new(), None);
            // More pages than there are records: a listing without end is noticed.
            for _ in 0..10 {
                let page = bench.stalled_page_of(&filter, after, entries).await?;
                found.extend(page.records.iter().map(|record| record.key().to_string()));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            bench.same(
                &format!("stalled within {clients:?}, {entries} a page"),
                &found,
                &expected,
            )?;
        }
    }
    Ok(())
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

/// Pages of stalled records hold each one once also while those of earlier pages end, or show a sign of life: whoever
/// sweeps page by page misses nothing.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn pages_of_stalled_records_hold_each_once_while_delivered_ones_recover(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open(
        "pages_of_stalled_records_hold_each_once_while_delivered_ones_recover",
        store,
    )
    .await;
    bench.job_with(&[JOB]).await?;
    for entries in [1, 2, 3] {
        let mut expected = Vec::new();
        // In the order of the deadlines the last created come first, but for pairs of equals.
        for number in 0..9 {
            let name = format!("{JOB}-page{entries}.{number}");
            created_with_deadline(&bench, &name, 60 - number / 2).await?;
            expected.push((60 - number / 2, name));
        }
        expected.sort_by_key(|(deadline, _)| *deadline);
        let expected: Vec<_> = expected.into_iter().map(|(_, name)| name).collect();
        let (mut found, mut after) = (Vec::new(), None);
        // Never more pages than records, and a last one that is empty.
        for _ in 0..=expected.len() {
            let page = bench.stalled_page(at(61), after, entries).await?;
            for (number, name) in names(&page.records).into_iter().enumerate() {
                let change = if number % 2 == 0 {
                    Command::Heartbeat
                } else {
                    complete(Outcome::Failed)
                };
                bench.applied(request(&name, 30, change)).await?;
            }
            found.extend(names(&page.records));
            match page.next {
                None => break,
                next => after = next,
            }
        }
        bench.same(&format!("the stalled records, {entries} a page"), &found, &expected)?;
    }
    Ok(())
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
    let (mut found, mut after) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let page = bench.stalled_page(deadline_before, after, entries).await?;
        found.extend(names(&page.records));
        match page.next {
            None => return Ok(found),
            next => after = next,
        }
    }
    bench.broken("the pages of stalled records never end")
}

fn names(records: &[Arc<RunRecord>]) -> Vec<String> {
    records.iter().map(|record| record.key().to_string()).collect()
}
