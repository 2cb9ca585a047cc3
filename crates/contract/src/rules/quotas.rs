//! Rules about what one client may hold at once: never more than its quota, and never anybody else's business (I12).

use std::num::NonZeroU32;
use std::time::Duration;

use runledger_domain::{
    ChangeContext, Command, CreationContent, CreationIntent, CreationPolicy, Outcome, Quotas, Update,
};
use runledger_ports::{ChangeError, ChangeRequest, Changed, CreateOutcome};

use crate::bench::{Bench, verdicts};
use crate::fixture::{
    ACME, JOB, OTHER_ACME, OTHER_JOB, ZEN, complete, complete_and_close, intent, note, noted, queued, request, text,
};
use crate::rules::Held;
use crate::rules::batches::words;
use crate::rules::races::race;
use crate::store::StoreUnderTest;

const THIRD_JOB: &str = "250927-010203";
const THIRD_ACME: &str = "250927-010203-acme";
/// How many callers race for the places of a quota.
const CALLERS: usize = 32;

fn policy(open_records: u32, notes: u32) -> CreationPolicy {
    CreationPolicy::default().limit_clients(quotas(open_records, notes))
}

fn quotas(open_records: u32, notes: u32) -> Quotas {
    Quotas {
        open_records: NonZeroU32::new(open_records),
        notes: NonZeroU32::new(notes),
    }
}

/// A request like this one, under a quota of notes.
fn within(request: ChangeRequest, notes: u32) -> ChangeRequest {
    ChangeRequest {
        context: ChangeContext {
            quotas: quotas(0, notes),
            ..request.context
        },
        ..request
    }
}

async fn create_one(bench: &Bench, policy: &CreationPolicy, intent: CreationIntent) -> Held<CreateOutcome> {
    match bench.create_under(policy, &[intent]).await?.pop() {
        Some(outcome) => Ok(outcome),
        None => bench.broken("one permit must have one outcome"),
    }
}

async fn created(bench: &Bench, policy: &CreationPolicy, name: &str) -> Held {
    match create_one(bench, policy, intent(name, "attempt-1")).await? {
        CreateOutcome::Created(_) => Ok(()),
        other => bench.broken(format!("there is room for {name}: {other:?}")),
    }
}

/// Sends what a quota stands against: it leaves its line, and nothing else (I6, I11).
async fn refused(bench: &Bench, policy: &CreationPolicy, intent: CreationIntent, code: &str) -> Held {
    let (name, before) = (intent.key.to_string(), bench.everything().await?);
    match create_one(bench, policy, intent).await? {
        CreateOutcome::Refused(refusal) if refusal.code() == code => {}
        other => return bench.broken(format!("{name} must be refused as {code}: {other:?}")),
    }
    left_alone(bench, &before, code).await
}

/// Nothing but one line of a refusal came to what there was.
async fn left_alone(bench: &Bench, before: &crate::bench::Everything, code: &str) -> Held {
    let after = bench.everything().await?;
    bench.same("the records after a refusal", &after.records, &before.records)?;
    let said = verdicts(after.lines_since(before));
    bench.same("the lines of a refusal", &said, &vec![format!("refused {code}")])
}

/// The three jobs under which the rules create.
async fn jobs(bench: &Bench) -> Held {
    bench.job_with(&[JOB, OTHER_JOB, THIRD_JOB]).await
}

/// A client has as many open records as its quota, queued ones included, whatever their runs; jobs are of no client.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_client_has_no_more_open_records_than_its_quota(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_client_has_no_more_open_records_than_its_quota", store).await;
    let policy = policy(2, 0);
    for job in [JOB, OTHER_JOB, THIRD_JOB] {
        created(&bench, &policy, job).await?;
    }
    created(&bench, &policy, ACME).await?;
    match create_one(&bench, &policy, queued(intent(OTHER_ACME, "attempt-1"))).await? {
        CreateOutcome::Created(_) => {}
        other => return bench.broken(format!("there is room for a second record: {other:?}")),
    }
    for again in [intent(THIRD_ACME, "attempt-1"), queued(intent(THIRD_ACME, "attempt-2"))] {
        refused(&bench, &policy, again, "open_records_quota").await?;
    }
    bench
        .only_these_were_created(&[JOB, OTHER_JOB, THIRD_JOB, ACME, OTHER_ACME])
        .await?;
    Ok(())
}

/// However a record ends, it frees its place.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn an_ended_record_frees_its_place(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("an_ended_record_frees_its_place", store).await;
    let policy = policy(1, 0);
    jobs(&bench).await?;
    created(&bench, &policy, ACME).await?;
    refused(&bench, &policy, intent(OTHER_ACME, "attempt-1"), "open_records_quota").await?;
    bench.applied(request(ACME, 1, complete(Outcome::Failed))).await?;
    created(&bench, &policy, OTHER_ACME).await?;
    refused(&bench, &policy, intent(THIRD_ACME, "attempt-1"), "open_records_quota").await?;
    let end = request(OTHER_JOB, 2, complete_and_close(Outcome::Succeeded));
    bench.applied(end).await?;
    created(&bench, &policy, THIRD_ACME).await?;
    let lost = Command::DeclareLost { grace: Duration::ZERO };
    bench.applied(request(THIRD_ACME, 1_000_000, lost)).await?;
    bench.job_with(&["250928-010203"]).await?;
    created(&bench, &policy, "250928-010203-acme").await
}

/// What was accepted is replayed at any later time, also when there is no room for anything new.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_retry_is_replayed_at_the_quota(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_retry_is_replayed_at_the_quota", store).await;
    let policy = policy(1, 1);
    jobs(&bench).await?;
    let first = intent(ACME, "attempt-1").with_content(noted("begun"));
    let made = create_one(&bench, &policy, first.clone()).await?;
    bench.same("the first", &words(std::slice::from_ref(&made)), &vec!["created"])?;
    refused(&bench, &policy, intent(OTHER_ACME, "attempt-1"), "open_records_quota").await?;
    for batch in [vec![first.clone()], vec![first.clone(), first]] {
        let outcomes = bench.create_under(&policy, &batch).await?;
        bench.same("retries", &words(&outcomes), &vec!["replayed"; batch.len()])?;
    }
    // What stands under the key is said, not that there is no room.
    let other = create_one(&bench, &policy, intent(ACME, "attempt-2")).await?;
    bench.same("another creation", &words(&[other]), &vec!["conflict"])?;
    bench
        .only_these_were_created(&[JOB, OTHER_JOB, THIRD_JOB, ACME])
        .await?;
    Ok(())
}

/// What one client holds stands against no other, neither its records nor its notes.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_quota_stands_against_its_own_client_only(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_quota_stands_against_its_own_client_only", store).await;
    let policy = policy(1, 1);
    jobs(&bench).await?;
    created(&bench, &policy, ACME).await?;
    bench.applied(within(request(ACME, 1, note("one")), 1)).await?;
    refused(&bench, &policy, intent(OTHER_ACME, "attempt-1"), "open_records_quota").await?;
    bench
        .refused(within(request(ACME, 2, note("two")), 1), "notes_quota")
        .await?;
    created(&bench, &policy, ZEN).await?;
    bench.applied(within(request(ZEN, 3, note("one")), 1)).await?;
    bench.applied(within(request(JOB, 4, note("one")), 1)).await?;
    bench.applied(within(request(JOB, 5, note("two")), 1)).await?;
    Ok(())
}

/// A batch that would exceed a quota creates nothing; one that just fits creates all.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_batch_beyond_a_quota_creates_nothing(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_batch_beyond_a_quota_creates_nothing", store).await;
    let policy = policy(2, 0);
    jobs(&bench).await?;
    let batch = |names: &[&str]| -> Vec<_> { names.iter().map(|name| intent(name, "attempt-1")).collect() };
    let before = bench.everything().await?;
    let outcomes = bench
        .create_under(&policy, &batch(&[ZEN, ACME, OTHER_ACME, THIRD_ACME]))
        .await?;
    let expected = vec!["withheld", "withheld", "withheld", "refused"];
    bench.same("a batch beyond the quota", &words(&outcomes), &expected)?;
    let after = bench.everything().await?;
    bench.same("the records after it", &after.records, &before.records)?;
    bench.same("its lines", &after.lines_since(&before).len(), &4)?;
    let outcomes = bench.create_under(&policy, &batch(&[ZEN, ACME, OTHER_ACME])).await?;
    bench.same("a batch that fits", &words(&outcomes), &vec!["created"; 3])
}

/// Of many creators at the same time as many create as there is room, and no more.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn of_many_creators_as_many_create_as_there_is_room(store: &dyn StoreUnderTest) -> Held {
    const ROOM: u32 = 5;
    let bench = Bench::open("of_many_creators_as_many_create_as_there_is_room", store).await;
    let jobs: Vec<_> = (0..CALLERS).map(|number| format!("250925-2318{number:02}")).collect();
    let jobs: Vec<_> = jobs.iter().map(String::as_str).collect();
    bench.job_with(&jobs).await?;
    let callers = bench.clone();
    let outcomes = race(CALLERS, move |number| {
        let bench = callers.clone();
        let intent = intent(&format!("250925-2318{number:02}-acme"), "attempt-1");
        async move { create_one(&bench, &policy(ROOM, 0), intent).await }
    });
    let outcomes = outcomes.await.into_iter().collect::<Held<Vec<_>>>()?;
    let count = |word: &str| words(&outcomes).iter().filter(|found| **found == word).count();
    let found = (count("created"), count("refused"));
    bench.same("created and refused", &found, &(5, CALLERS - 5))?;
    let everything = bench.everything().await?;
    bench.same("the records", &everything.records.len(), &(CALLERS + 5))?;
    bench.same("the lines", &everything.lines.len(), &(2 * CALLERS))
}

/// The open records of a client hold as many notes as its quota, those that they were created with included; whatever
/// brings one more is refused and changes nothing. An end frees them, and a repeated update is no new note.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn open_records_hold_no_more_notes_than_the_quota(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("open_records_hold_no_more_notes_than_the_quota", store).await;
    let policy = policy(0, 2);
    jobs(&bench).await?;
    let first = intent(ACME, "attempt-1").with_content(noted("begun"));
    bench.create_under(&policy, &[first]).await?;
    created(&bench, &policy, OTHER_ACME).await?;
    let named = Command::Update(Update {
        note: Some(text("half of it is done")),
        update_id: Some(text("update-1")),
        ..Update::default()
    });
    let named = within(request(OTHER_ACME, 1, named), 2);
    bench.applied(named.clone()).await?;
    for name in [ACME, OTHER_ACME] {
        let before = bench.everything().await?;
        bench
            .refused(within(request(name, 2, note("more")), 2), "notes_quota")
            .await?;
        left_alone(&bench, &before, "notes_quota").await?;
    }
    bench.unchanged(named).await?;
    let with_note = intent(THIRD_ACME, "attempt-1").with_content(noted("begun"));
    refused(&bench, &policy, with_note.clone(), "notes_quota").await?;
    let without = CreationContent::default();
    let made = bench
        .create_under(&policy, &[with_note.clone().with_content(without)])
        .await?;
    bench.same("a record without a note", &words(&made), &vec!["created"])?;
    bench.applied(request(ACME, 3, complete(Outcome::Succeeded))).await?;
    bench.applied(within(request(THIRD_ACME, 4, note("more")), 2)).await?;
    bench
        .refused(within(request(OTHER_ACME, 5, note("more")), 2), "notes_quota")
        .await?;
    Ok(())
}

/// Of many notes at the same time as many are written as there is room, and no more.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn of_many_notes_as_many_are_written_as_there_is_room(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("of_many_notes_as_many_are_written_as_there_is_room", store).await;
    let names = [ACME, OTHER_ACME, THIRD_ACME];
    jobs(&bench).await?;
    bench.job_with(&names).await?;
    let callers = bench.clone();
    let answers = race(CALLERS, move |number| {
        let note = within(request(names[number % names.len()], 1, note("one more")), 5);
        let bench = callers.clone();
        async move { bench.change(note).await }
    });
    let (mut written, mut refused) = (0, 0);
    for answer in answers.await {
        match answer? {
            Ok(Changed::Applied { .. }) => written += 1,
            Err(ChangeError::Refused { refusal, .. }) if refusal.code() == "notes_quota" => refused += 1,
            other => return bench.broken(format!("written, or refused as notes_quota: {other:?}")),
        }
    }
    bench.same("written and refused", &(written, refused), &(5, CALLERS - 5))?;
    let records = bench.everything().await?.records;
    let notes: usize = records.iter().map(|record| record.notes().len()).sum();
    bench.same("the notes", &notes, &5)
}

/// What a client holds is known after a restart.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn quotas_hold_after_a_restart(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("quotas_hold_after_a_restart", store).await;
    let policy = policy(2, 1);
    jobs(&bench).await?;
    created(&bench, &policy, ACME).await?;
    created(&bench, &policy, OTHER_ACME).await?;
    bench.applied(request(ACME, 1, complete(Outcome::Succeeded))).await?;
    bench.applied(within(request(OTHER_ACME, 2, note("one")), 1)).await?;
    let Ok(bench) = bench.reopen().await else {
        return Ok(());
    };
    bench
        .refused(within(request(OTHER_ACME, 3, note("two")), 1), "notes_quota")
        .await?;
    created(&bench, &policy, THIRD_ACME).await?;
    bench.job_with(&["250928-010203"]).await?;
    let fourth = intent("250928-010203-acme", "attempt-1");
    refused(&bench, &policy, fourth, "open_records_quota").await
}
