//! Moving: a ledger comes from one store into another as it is, part by part, and goes on there (I2, I6, I7).

use std::num::NonZeroU32;

use runledger_domain::access::TokenChange;
use runledger_domain::segment::Segment;
use runledger_domain::{
    Activity, ChainHead, ClientId, CreationContent, CreationField, CreationPolicy, Outcome, Quotas, RunKey,
};
use runledger_ports::{
    Counts, CreateOutcome, LedgerSnapshot, ListFilter, RestoreError, Restored, StalledFilter, next_segment,
};

use crate::bench::{Bench, mark};
use crate::fixture::{
    ACME, JOB, OTHER_ACME, OTHER_JOB, ZEN, add, at, complete, every_command, intent, minted, note, noted, request, run,
    text,
};
use crate::rules::Held;
use crate::rules::creation::{conflicts, replayed};
use crate::rules::deliveries::{failing, keep, name, working};
use crate::rules::log::play;
use crate::rules::tokens;
use crate::store::StoreUnderTest;

/// How many lines a part has: few, so that records come in one part and are changed in others.
const LINES: u32 = 3;

pub(super) async fn snapshot(bench: &Bench) -> Held<Box<dyn LedgerSnapshot>> {
    match bench.store.snapshots.snapshot().await {
        Ok(snapshot) => Ok(snapshot),
        Err(error) => bench.broken(format!("the snapshot of a healthy store: {error}")),
    }
}

pub(super) async fn head(bench: &Bench) -> Held<ChainHead> {
    match bench.store.restorer.head().await {
        Ok(head) => Ok(head),
        Err(error) => bench.broken(format!("the head of a healthy store: {error}")),
    }
}

async fn restore(bench: &Bench, part: Restored) -> Result<(), RestoreError> {
    bench.store.restorer.restore(part).await
}

/// The next part of a ledger, for whoever holds it up to there.
pub(super) async fn next(
    bench: &Bench,
    from: &mut dyn LedgerSnapshot,
    behind: ChainHead,
    held: u64,
) -> Held<Option<Segment>> {
    match next_segment(from, behind, held, LINES).await {
        Ok(segment) => Ok(segment),
        Err(error) => bench.broken(format!("what a healthy store holds: {error}")),
    }
}

pub(super) fn bare(segment: Segment) -> Restored {
    Restored {
        segment,
        tokens: Vec::new(),
        deliveries: Vec::new(),
        until: None,
    }
}

/// Has a part taken over that follows.
pub(super) async fn taken(bench: &Bench, part: Restored) -> Held {
    restore(bench, part)
        .await
        .or_else(|error| bench.broken(format!("a part that follows must be taken over: {error}")))
}

/// Brings the second store to where the first one stands.
pub(super) async fn moved(first: &Bench, second: &Bench) -> Held {
    let mut from = snapshot(first).await?;
    let start = head(second).await?.seq;
    while let Some(segment) = next(first, from.as_mut(), head(second).await?, start).await? {
        taken(second, bare(segment)).await?;
    }
    // What has no lines comes by itself.
    let (tokens, deliveries) = (from.tokens().await, from.deliveries().await);
    let (Ok(tokens), Ok(deliveries)) = (tokens, deliveries) else {
        return first.broken("a snapshot of a healthy store must give tokens and deliveries");
    };
    for (tokens, deliveries) in [(tokens, Vec::new()), (Vec::new(), deliveries)] {
        let part = Restored {
            segment: checked(second, from.head(), Vec::new())?,
            tokens,
            deliveries,
            until: None,
        };
        taken(second, part).await?;
    }
    second.same("the end of the log", &head(second).await?, &from.head())
}

/// A history with one attempt of each kind, and something of everything that a store finds records by.
pub(super) async fn rich(bench: &Bench) -> Held {
    play(bench).await?;
    found_by_much(bench).await
}

/// Records of a run that are found by everything that there is, and what a ledger holds besides.
async fn found_by_much(bench: &Bench) -> Held {
    let content = CreationContent {
        external_ids: vec![text("apify:run-1"), text("github:42")],
        batch: Some(text("stream-7")),
        ..noted("first")
    };
    bench.created(intent(ZEN, "attempt-1").with_content(content)).await?;
    for command in every_command() {
        bench.applied(request(ZEN, 20, command)).await?;
    }
    bench.created(minted("250927-000000", "start-1")).await?;
    bench.applied(request(JOB, 21, note("nearly done"))).await?;
    for number in 1..=2 {
        tokens::add(bench, tokens::token(number, "billing")).await?;
    }
    tokens::end(
        bench,
        &tokens::token(1, "billing"),
        TokenChange::Revoke { at: at(22) },
        at(22),
    )
    .await?;
    keep(bench, "billing", failing(4)).await?;
    keep(bench, "alerts", working(9)).await?;
    Ok(())
}

async fn counts(bench: &Bench) -> Held<Counts> {
    match bench.store.reader.counts(at(1_000_000)).await {
        Ok(counts) => Ok(counts),
        Err(error) => bench.broken(format!("the counts of a healthy store: {error}")),
    }
}

/// Both stores hold the same, whatever it is found by.
pub(super) async fn same(first: &Bench, second: &Bench) -> Held {
    second.same("everything", &second.everything().await?, &first.everything().await?)?;
    second.same("the counts", &counts(second).await?, &counts(first).await?)?;
    let (expected, found) = (tokens::kept(first).await?, tokens::kept(second).await?);
    second.same("the tokens", &found, &expected)?;
    let (expected, found) = (
        first.store.deliveries.deliveries().await,
        second.store.deliveries.deliveries().await,
    );
    second.same("the deliveries", &found, &expected)?;
    let by = |set: &dyn Fn(&mut ListFilter)| {
        let mut filter = ListFilter::default();
        set(&mut filter);
        filter
    };
    for filter in [
        by(&|list| list.external_id = Some(text("github:42"))),
        by(&|list| list.batch = Some(text("stream-7"))),
        by(&|list| list.client = Some(text::<ClientId>("acme"))),
        by(&|list| list.status = Some(text("succeeded"))),
        by(&|list| list.open = true),
    ] {
        second.same(
            "a list",
            &second.listed(&filter, 2).await?,
            &first.listed(&filter, 2).await?,
        )?;
    }
    let stalled = StalledFilter {
        deadline_before: at(1_000_000),
        within: None,
    };
    let (expected, found) = (
        first.stalled_page_of(&stalled, None, 50).await?,
        second.stalled_page_of(&stalled, None, 50).await?,
    );
    second.same("what is stalled", &found.records, &expected.records)?;
    second.same(
        "a summary",
        &second.summary(&run(JOB)).await?,
        &first.summary(&run(JOB)).await?,
    )
}

/// A store that takes over all parts of a ledger holds what the first one holds: records, lines with their hashes, tokens,
/// deliveries, and everything that is found by them. So it does when the first one went on, and is moved again.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_ledger_moves_as_it_is(store: &dyn StoreUnderTest) -> Held {
    let name = "a_ledger_moves_as_it_is";
    let (first, second) = (Bench::open(name, store).await, Bench::open(name, store).await);
    rich(&first).await?;
    moved(&first, &second).await?;
    same(&first, &second).await?;
    // The rest: old records that changed more than once, new ones, a token that ended, a webhook that went on.
    first.job_with(&[OTHER_JOB]).await?;
    first.applied(request(JOB, 31, note("more"))).await?;
    first.applied(request(JOB, 32, note("and more"))).await?;
    first.applied(request(OTHER_JOB, 33, note("new"))).await?;
    first.applied(request(JOB, 34, add("items", "1", None))).await?;
    tokens::end(
        &first,
        &tokens::token(2, "billing"),
        TokenChange::Revoke { at: at(35) },
        at(35),
    )
    .await?;
    keep(&first, "billing", working(14)).await?;
    moved(&first, &second).await?;
    same(&first, &second).await
}

/// In the store that took a ledger over, a retry is a replay, a start is found by its attempt, an update counts once, a
/// quota knows what the client holds; and what is new is chained as it would have been in the first.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_moved_ledger_goes_on_as_the_first_would(store: &dyn StoreUnderTest) -> Held {
    let name = "a_moved_ledger_goes_on_as_the_first_would";
    let (first, second) = (Bench::open(name, store).await, Bench::open(name, store).await);
    let full = CreationPolicy::default().limit_clients(Quotas {
        open_records: NonZeroU32::new(1),
        ..Quotas::NONE
    });
    first.job_with(&[JOB, OTHER_JOB]).await?;
    first
        .created(intent(ACME, "attempt-1").with_content(noted("first")))
        .await?;
    first.created(minted("250927-000000", "start-1")).await?;
    let delta = request(ACME, 1, add("items", "2", Some("update-1")));
    first.applied(delta.clone()).await?;
    moved(&first, &second).await?;
    for bench in [&first, &second] {
        replayed(bench, intent(ACME, "attempt-1").with_content(noted("first"))).await?;
        conflicts(bench, intent(ACME, "attempt-1"), &[CreationField::Note]).await?;
        conflicts(bench, intent(JOB, "attempt-2"), &[CreationField::Attempt]).await?;
        match bench.create_one(minted("250928-000000", "start-1")).await? {
            CreateOutcome::Replayed(record) => {
                bench.same(
                    "the run of the attempt",
                    &record.key().to_string(),
                    &"250927-000000".to_owned(),
                )?;
            }
            other => return bench.broken(format!("a repeated start must be replayed: {other:?}")),
        }
        bench.unchanged(delta.clone()).await?;
        let beyond = bench.create_under(&full, &[intent(OTHER_ACME, "attempt-1")]).await?;
        bench.holds(matches!(beyond[..], [CreateOutcome::Refused(_)]), || {
            format!("a creation beyond the quota must be refused: {beyond:?}")
        })?;
        bench.applied(request(ACME, 2, complete(Outcome::Succeeded))).await?;
        let within = bench.create_under(&full, &[intent(OTHER_ACME, "attempt-1")]).await?;
        bench.holds(matches!(within[..], [CreateOutcome::Created(_)]), || {
            format!("an end frees the place in the quota: {within:?}")
        })?;
    }
    same(&first, &second).await
}

/// A part is taken over only where it follows: not by a log that ends elsewhere, nor twice, nor out of turn.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_part_that_does_not_follow_is_not_taken_over(store: &dyn StoreUnderTest) -> Held {
    let name = "a_part_that_does_not_follow_is_not_taken_over";
    let (first, second) = (Bench::open(name, store).await, Bench::open(name, store).await);
    rich(&first).await?;
    let mut from = snapshot(&first).await?;
    let Some(one) = next(&first, from.as_mut(), ChainHead::EMPTY, 0).await? else {
        return first.broken("a ledger with lines has a first part");
    };
    let Some(two) = next(&first, from.as_mut(), one.to(), 0).await? else {
        return first.broken("a ledger with many lines has a second part");
    };
    let stands =
        |bench: &Bench, what: &str, answer, head| bench.same(what, &answer, &Err(RestoreError::Elsewhere { head }));
    stands(
        &second,
        "the second part first",
        restore(&second, bare(two.clone())).await,
        ChainHead::EMPTY,
    )?;
    second.only_these_were_created(&[]).await?;
    let taken = restore(&second, bare(one.clone())).await;
    second.same("the first part", &taken, &Ok(()))?;
    let before = second.everything().await?;
    stands(
        &second,
        "the first part again",
        restore(&second, bare(one.clone())).await,
        one.to(),
    )?;
    second.same("everything", &second.everything().await?, &before)?;
    // From here on it goes its own way, with as many lines.
    second.applied(request(JOB, 50, note("its own"))).await?;
    let before = second.everything().await?;
    let own = head(&second).await?;
    stands(
        &second,
        "a part after a line of its own",
        restore(&second, bare(two)).await,
        own,
    )?;
    second.same("everything", &second.everything().await?, &before)
}

/// A part with lines about a record that is not held, or only in an older version, is not taken over.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_part_leaves_no_record_behind_its_lines(store: &dyn StoreUnderTest) -> Held {
    let name = "a_part_leaves_no_record_behind_its_lines";
    let (first, second) = (Bench::open(name, store).await, Bench::open(name, store).await);
    first.job_with(&[JOB]).await?;
    moved(&first, &second).await?;
    first.applied(request(JOB, 1, note("one"))).await?;
    first.applied(request(JOB, 2, note("two"))).await?;
    let mut from = snapshot(&first).await?;
    let held = head(&second).await?;
    let Some(whole) = next(&first, from.as_mut(), held, held.seq).await? else {
        return first.broken("a ledger that went on has another part");
    };
    let (before, lines) = (second.everything().await?, whole.lines().to_vec());
    let without = checked(&second, held, lines)?;
    let key: RunKey = text(JOB);
    let refused = restore(&second, bare(without)).await;
    second.same(
        "lines without their record",
        &refused,
        &Err(RestoreError::Behind { key }),
    )?;
    second.same("everything", &second.everything().await?, &before)?;
    let taken = restore(&second, bare(whole)).await;
    second.same("the same with it", &taken, &Ok(()))?;
    same(&first, &second).await
}

pub(super) fn checked(bench: &Bench, from: ChainHead, lines: Vec<Activity>) -> Held<Segment> {
    Segment::check(from, lines, Vec::new()).or_else(|error| bench.broken(format!("lines that follow: {error}")))
}

/// A record that came in a later version than its lines speak of is not brought back to an older one.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_record_that_is_ahead_stays_so(store: &dyn StoreUnderTest) -> Held {
    let name = "a_record_that_is_ahead_stays_so";
    let (first, second) = (Bench::open(name, store).await, Bench::open(name, store).await);
    first.job_with(&[JOB]).await?;
    let older = first.applied(request(JOB, 1, note("one"))).await?;
    first.applied(request(JOB, 2, note("two"))).await?;
    let lines = first.lines().await?;
    let newest = first.record(JOB).await?;
    let mut from = ChainHead::EMPTY;
    for (line, record) in lines.iter().zip([&newest, &older, &newest]) {
        let segment = Segment::check(from, vec![line.clone()], vec![(**record).clone()]);
        let segment = segment.or_else(|error| second.broken(format!("a line with its record: {error}")))?;
        from = segment.to();
        let taken = restore(&second, bare(segment)).await;
        second.same("a part", &taken, &Ok(()))?;
        second.same("the record", &second.record(JOB).await?, &newest)?;
    }
    same(&first, &second).await
}

/// A store that takes lines over forgets what it knew of rows elsewhere, and nobody goes on writing it: whoever wrote those
/// lines may have made some. Where no lines come, it stays.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn what_is_taken_over_ends_the_outbox(store: &dyn StoreUnderTest) -> Held {
    let name = "what_is_taken_over_ends_the_outbox";
    let (first, second) = (Bench::open(name, store).await, Bench::open(name, store).await);
    first.job_with(&[JOB]).await?;
    moved(&first, &second).await?;
    let fence = second.begun().await?;
    second.mark(&fence, 1, &[(JOB, 1, 0)]).await?;
    let begun = second.head().await?;
    first.applied(request(JOB, 1, note("later"))).await?;
    let (mut from, held) = (snapshot(&first).await?, head(&second).await?);
    taken(&second, bare(checked(&second, held, Vec::new())?)).await?;
    second.same("the outbox after no lines", &second.head().await?, &begun)?;
    let Some(segment) = next(&first, from.as_mut(), held, held.seq).await? else {
        return first.broken("a ledger that went on has another part");
    };
    taken(&second, bare(segment)).await?;
    second.same("the outbox after lines", &second.head().await?, &None)?;
    second.same("the entries", &second.entries(&[JOB]).await?, &vec![None])?;
    let late = second.store.outbox.mark_outbox(&fence, 2, vec![mark(JOB, 2, 0)]).await;
    second.holds(late.is_err(), || format!("nobody goes on with it: {late:?}"))
}

/// What was taken over is there after a crash, and the rest follows.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_crash_takes_back_nothing_that_was_taken_over(store: &dyn StoreUnderTest) -> Held {
    let rule = "a_crash_takes_back_nothing_that_was_taken_over";
    let (first, second) = (Bench::open(rule, store).await, Bench::open(rule, store).await);
    // Lines of attempts without an effect may be lost in a crash: there are none.
    first.job_with(&[JOB]).await?;
    found_by_much(&first).await?;
    let mut from = snapshot(&first).await?;
    let mut second = second;
    loop {
        let before = head(&second).await?;
        let Some(segment) = next(&first, from.as_mut(), before, 0).await? else {
            break;
        };
        let after = segment.to();
        let part = Restored {
            deliveries: vec![(name("billing"), failing(4)), (name("alerts"), working(9))],
            tokens: tokens::kept(&first).await?,
            segment,
            until: None,
        };
        let taken = restore(&second, part).await;
        second.same("a part that follows", &taken, &Ok(()))?;
        second = match second.crash().await {
            Ok(second) | Err(second) => second,
        };
        second.same("the end of the log", &head(&second).await?, &after)?;
    }
    same(&first, &second).await
}
