//! Rules about listings: the order of creation, every filter, each record once (I3, I8).

use std::sync::Arc;

use runledger_domain::{
    Command, CreationContent, CreationPolicy, Initial, Outcome, RecordKind, RunRecord, Status, Update,
};
use runledger_ports::ListFilter;

use crate::bench::Bench;
use crate::fixture::{ACME, JOB, OTHER_ACME, OTHER_JOB, ZEN, add, client, complete, intent, request, run, text};
use crate::rules::Held;
use crate::store::StoreUnderTest;

/// A client run record without a job record.
const NO_JOB: &str = "nightly/acme";

/// Records are listed in the order of their creation, whatever their keys, and stay where they are when they change.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn records_are_listed_in_the_order_of_creation(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("records_are_listed_in_the_order_of_creation", store).await;
    let keys = [OTHER_JOB, "nightly", JOB, ZEN, ACME, OTHER_ACME];
    bench.job_with(&keys).await?;
    bench.only_these_were_created(&keys).await?;
    for name in [JOB, OTHER_JOB, ZEN] {
        bench.applied(request(name, 5, add("items", "1", None))).await?;
    }
    bench.applied(request(ACME, 6, complete(Outcome::Failed))).await?;
    bench.only_these_were_created(&keys).await?;
    Ok(())
}

/// Each filter finds the records that it means and no others, as they are now.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn each_filter_finds_its_records(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("each_filter_finds_its_records", store).await;
    populate(&bench).await?;
    for (what, filter, expected) in filters() {
        for entries in [1, 2, 100] {
            let found = names(&bench.listed(&filter, entries).await?);
            let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
            bench.same(&format!("records by {what}, {entries} a page"), &found, &expected)?;
        }
    }
    Ok(())
}

/// Pages hold each record once, whatever their size, and the last one says that it is the last.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn pages_hold_each_record_once(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("pages_hold_each_record_once", store).await;
    let keys: Vec<_> = (0..12).map(|number| format!("250925-2318{number:02}")).collect();
    let intents: Vec<_> = keys.iter().map(|name| intent(name, "attempt-1")).collect();
    let _created = bench.create(&intents).await?;
    for entries in [1, 2, 5, 11, 12, 13, 1_000] {
        let found = names(&bench.listed(&ListFilter::default(), entries).await?);
        bench.same(&format!("the pages of {entries}"), &found, &keys)?;
    }
    Ok(())
}

/// Pages hold each record once also while records are created and changed between one page and the next.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn pages_hold_each_record_once_while_others_are_created(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("pages_hold_each_record_once_while_others_are_created", store).await;
    bench.job_with(&[JOB]).await?;
    // Later ones sort before earlier ones, so that an order by key would shift the pages.
    let client_of = |number: usize| format!("{JOB}-c{:02}", 99 - number);
    for number in 0..4 {
        bench.job_with(&[&client_of(number)]).await?;
    }
    let filter = ListFilter {
        kind: Some(RecordKind::Client),
        ..ListFilter::default()
    };
    let (mut found, mut after, mut number) = (Vec::new(), None, 4);
    while number < 40 {
        let page = bench.list_page(&filter, after, 2).await?;
        found.extend(names(&page.records));
        if page.next.is_none() {
            break;
        }
        after = page.next;
        if number < 8 {
            bench.job_with(&[&client_of(number)]).await?;
            bench
                .applied(request(&client_of(0), 9, add("items", "1", None)))
                .await?;
        }
        number += 1;
    }
    let mut expected: Vec<_> = (0..8).map(client_of).collect();
    // Whether a page ends before or after what is created meanwhile is the store's; what is there at last is not.
    expected.truncate(found.len().max(4));
    bench.same("the records of all pages", &found, &expected)
}

/// Pages of open records hold each one once also while those of earlier pages end, or are begun: whoever works a list
/// off, page by page, misses nothing.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn pages_of_open_records_hold_each_once_while_delivered_ones_end(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("pages_of_open_records_hold_each_once_while_delivered_ones_end", store).await;
    bench.job_with(&[JOB]).await?;
    for entries in [1, 2, 3] {
        let mut expected = Vec::new();
        for number in 0..9 {
            let name = format!("{JOB}-page{entries}.{number}");
            let content = CreationContent {
                initial: if number % 3 == 0 {
                    Initial::Queued
                } else {
                    Initial::Running
                },
                batch: Some(text(&format!("by-{entries}"))),
                ..CreationContent::default()
            };
            bench.created(intent(&name, "attempt-1").with_content(content)).await?;
            expected.push(name);
        }
        let filter = ListFilter {
            open: true,
            batch: Some(text(&format!("by-{entries}"))),
            ..ListFilter::default()
        };
        let (mut found, mut after) = (Vec::new(), None);
        // Never more pages than records, and a last one that is empty.
        for _ in 0..=expected.len() {
            let page = bench.list_page(&filter, after, entries).await?;
            for record in &page.records {
                // A queued one is begun by any change, and stays open.
                let change = match record.status() {
                    Status::Queued => Command::Heartbeat,
                    Status::Running | Status::Ended(_) => complete(Outcome::Succeeded),
                };
                let request = request(&record.key().to_string(), 1, change);
                bench.applied(request).await?;
            }
            found.extend(names(&page.records));
            match page.next {
                None => break,
                next => after = next,
            }
        }
        bench.same(&format!("the open records, {entries} a page"), &found, &expected)?;
    }
    Ok(())
}

/// Two runs with their clients, in various states.
async fn populate(bench: &Bench) -> Held {
    let content = |batch: &str, id: &str| CreationContent {
        batch: Some(text(batch)),
        external_ids: vec![text(id)],
        ..CreationContent::default()
    };
    let queued = CreationContent {
        initial: Initial::Queued,
        ..content("stream-2", "apify:run2")
    };
    let job = content("stream-1", "apify:run1");
    bench.created(intent(JOB, "attempt-1").with_content(job)).await?;
    bench
        .created(intent(ACME, "attempt-1").with_content(content("stream-1", "apify:part")))
        .await?;
    bench.created(intent(ZEN, "attempt-1")).await?;
    bench
        .created(intent(OTHER_JOB, "attempt-1").with_content(queued))
        .await?;
    bench
        .created(intent(OTHER_ACME, "attempt-1").with_content(content("stream-2", "apify:part")))
        .await?;
    // A client whose job the policy did not ask for.
    let lenient = CreationPolicy::default().require_job(false);
    let _created = bench.create_under(&lenient, &[intent(NO_JOB, "attempt-1")]).await?;
    bench.applied(request(ACME, 1, complete(Outcome::Succeeded))).await?;
    bench.applied(request(NO_JOB, 2, complete(Outcome::Failed))).await?;
    let reference = Command::Update(Update {
        external_ids: vec![text("apify:late"), text("apify:part")],
        ..Update::default()
    });
    bench.applied(request(ZEN, 3, reference)).await?;
    Ok(())
}

/// Filters on what was populated, each with a name and what it must find.
fn filters() -> Vec<(&'static str, ListFilter, &'static [&'static str])> {
    const SHARED: &str = "apify:part";
    let ended = |outcome| Some(Status::Ended(outcome));
    let external = |id: &str| by(|f| f.external_id = Some(text(id)));
    vec![
        ("nothing", by(|_| ()), &[JOB, ACME, ZEN, OTHER_JOB, OTHER_ACME, NO_JOB]),
        ("run", by(|f| f.run = Some(run(JOB))), &[JOB, ACME, ZEN]),
        ("a run without a job", by(|f| f.run = Some(run("nightly"))), &[NO_JOB]),
        (
            "client",
            by(|f| f.client = Some(client("acme"))),
            &[ACME, OTHER_ACME, NO_JOB],
        ),
        ("client in another case", by(|f| f.client = Some(client("Acme"))), &[]),
        ("job records", by(|f| f.kind = Some(RecordKind::Job)), &[JOB, OTHER_JOB]),
        (
            "client records",
            by(|f| f.kind = Some(RecordKind::Client)),
            &[ACME, ZEN, OTHER_ACME, NO_JOB],
        ),
        ("queued", by(|f| f.status = Some(Status::Queued)), &[OTHER_JOB]),
        (
            "running",
            by(|f| f.status = Some(Status::Running)),
            &[JOB, ZEN, OTHER_ACME],
        ),
        ("succeeded", by(|f| f.status = ended(Outcome::Succeeded)), &[ACME]),
        ("lost", by(|f| f.status = ended(Outcome::Lost)), &[]),
        ("open", by(|f| f.open = true), &[JOB, ZEN, OTHER_JOB, OTHER_ACME]),
        ("batch", by(|f| f.batch = Some(text("stream-1"))), &[JOB, ACME]),
        ("external id from the creation", external("apify:run2"), &[OTHER_JOB]),
        ("external id added later", external("apify:late"), &[ZEN]),
        (
            "external id that several have",
            external(SHARED),
            &[ACME, ZEN, OTHER_ACME],
        ),
        ("external id of another system", external("airtable:part"), &[]),
        (
            "client and open",
            by(|f| (f.client, f.open) = (Some(client("acme")), true)),
            &[OTHER_ACME],
        ),
        (
            "open and ended",
            by(|f| (f.status, f.open) = (ended(Outcome::Failed), true)),
            &[],
        ),
        (
            "all conditions",
            ListFilter {
                run: Some(run(JOB)),
                client: Some(client("acme")),
                kind: Some(RecordKind::Client),
                status: ended(Outcome::Succeeded),
                open: false,
                batch: Some(text("stream-1")),
                external_id: Some(text(SHARED)),
                within: Some([client("acme"), client("zen")].into()),
            },
            &[ACME],
        ),
        ("within no client", by(|f| f.within = Some([].into())), &[]),
        (
            "within one client",
            by(|f| f.within = Some([client("zen")].into())),
            &[ZEN],
        ),
        (
            "within two clients",
            by(|f| f.within = Some([client("zen"), client("acme")].into())),
            &[ACME, ZEN, OTHER_ACME, NO_JOB],
        ),
        (
            "a client that is not within",
            by(|f| (f.client, f.within) = (Some(client("acme")), Some([client("zen")].into()))),
            &[],
        ),
        (
            "jobs within clients",
            by(|f| (f.kind, f.within) = (Some(RecordKind::Job), Some([client("zen")].into()))),
            &[],
        ),
        (
            "open within clients",
            by(|f| (f.open, f.within) = (true, Some([client("zen"), client("acme")].into()))),
            &[ZEN, OTHER_ACME],
        ),
    ]
}

fn by(set: impl FnOnce(&mut ListFilter)) -> ListFilter {
    let mut filter = ListFilter::default();
    set(&mut filter);
    filter
}

fn names(records: &[Arc<RunRecord>]) -> Vec<String> {
    records.iter().map(|record| record.key().to_string()).collect()
}
