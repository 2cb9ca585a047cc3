//! Rules about callers at the same time: one winner, no lost update, nothing half seen (I1, I8, I9).

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use runledger_domain::{CreationIntent, Outcome, RunRecord};
use runledger_ports::{ChangeError, Changed, CreateOutcome};
use tokio::sync::Barrier;

use crate::bench::Bench;
use crate::fixture::{
    ACME, JOB, OTHER_ACME, OTHER_JOB, ZEN, add, complete, complete_and_close, expecting, intent, minted, queued,
    request,
};
use crate::rules::Held;
use crate::rules::batches::{record_of, words};
use crate::store::StoreUnderTest;

const CREATORS: usize = 32;
const CHANGERS: usize = 64;
/// How often a race with several possible orders is run.
const ROUNDS: usize = 8;

/// Of many creators with different attempts on one key exactly one creates; the others meet its record.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn of_many_attempts_on_one_key_one_creates(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("of_many_attempts_on_one_key_one_creates", store).await;
    let callers = bench.clone();
    let outcomes = race(CREATORS, move |number| {
        let (bench, intent) = (callers.clone(), intent(JOB, &format!("attempt-{number}")));
        async move { bench.create_one(intent).await }
    });
    let outcomes = outcomes.await.into_iter().collect::<Held<Vec<_>>>()?;
    counted(&bench, &outcomes, "created", 1)?;
    counted(&bench, &outcomes, "conflict", CREATORS - 1)?;
    let holder = bench.record(JOB).await?;
    for outcome in &outcomes {
        bench.same("the record of each answer", &record_of(outcome), &Some(&*holder))?;
    }
    let everything = bench.only_these_were_created(&[JOB]).await?;
    bench.same("the lines", &everything.lines.len(), &CREATORS)
}

/// Of many retries of one attempt exactly one creates; the others are replayed.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn of_many_retries_of_one_attempt_one_creates(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("of_many_retries_of_one_attempt_one_creates", store).await;
    let callers = bench.clone();
    let outcomes = race(CREATORS, move |_| {
        let bench = callers.clone();
        async move { bench.create_one(intent(JOB, "attempt-1")).await }
    });
    let outcomes = outcomes.await.into_iter().collect::<Held<Vec<_>>>()?;
    counted(&bench, &outcomes, "created", 1)?;
    counted(&bench, &outcomes, "replayed", CREATORS - 1)?;
    let everything = bench.only_these_were_created(&[JOB]).await?;
    bench.same("the lines", &everything.lines.len(), &CREATORS)
}

/// Starts of one attempt under different candidate ids make one run.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn racing_starts_of_one_attempt_make_one_run(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("racing_starts_of_one_attempt_make_one_run", store).await;
    let callers = bench.clone();
    let outcomes = race(CREATORS, move |number| {
        let (bench, candidate) = (callers.clone(), format!("250925-2318{number:02}"));
        async move { bench.create_one(minted(&candidate, "attempt-1")).await }
    });
    let outcomes = outcomes.await.into_iter().collect::<Held<Vec<_>>>()?;
    counted(&bench, &outcomes, "created", 1)?;
    counted(&bench, &outcomes, "replayed", CREATORS - 1)?;
    let runs: BTreeSet<_> = outcomes
        .iter()
        .filter_map(record_of)
        .map(|r| r.key().to_string())
        .collect();
    let runs: Vec<_> = runs.iter().map(String::as_str).collect();
    bench.only_these_were_created(&runs).await?;
    bench.same("the runs that were answered", &runs.len(), &1)
}

/// Batches that overlap are still all or nothing, each of them.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn overlapping_batches_are_all_or_nothing(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("overlapping_batches_are_all_or_nothing", store).await;
    let keys = [JOB, OTHER_JOB, "250927-010203", "250928-010203"];
    let callers = bench.clone();
    let outcomes = race(CREATORS, move |number| {
        let attempt = format!("attempt-{number}");
        let batch: Vec<CreationIntent> = (0..3)
            .map(|i| intent(keys[(number + i) % keys.len()], &attempt))
            .collect();
        let bench = callers.clone();
        async move { bench.create(&batch).await }
    });
    let mut created = 0;
    for outcomes in outcomes.await {
        let outcomes = outcomes?;
        let words = words(&outcomes);
        let mine = words.iter().filter(|word| **word == "created").count();
        bench.holds(mine == 0 || mine == words.len(), || {
            format!("a batch was created in part: {words:?}")
        })?;
        bench.holds(mine > 0 || words.contains(&"conflict"), || {
            format!("a batch was withheld although nothing stood against it: {words:?}")
        })?;
        created += mine;
    }
    let records = bench.everything().await?.records;
    bench.same(
        "the records, and what was answered as created",
        &records.len(),
        &created,
    )
}

/// Deltas of many callers add up exactly, and each makes a version of its own.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn concurrent_deltas_add_up(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("concurrent_deltas_add_up", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    let callers = bench.clone();
    let answers = race(CHANGERS, move |number| {
        let (bench, change) = (callers.clone(), add("items", &(number + 1).to_string(), None));
        async move { bench.applied(request(ACME, 1, change)).await }
    });
    let answers = answers.await.into_iter().collect::<Held<Vec<_>>>()?;
    let versions: BTreeSet<u64> = answers.iter().map(|record| record.version()).collect();
    bench.same("the versions that were answered", &versions, &(2..=65).collect())?;
    holds_items(&bench, ACME, "2080", 65).await?;
    bench.same("the lines", &bench.lines().await?.len(), &(2 + CHANGERS))
}

/// Deltas that are sent twice at the same time count once each.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn concurrent_deltas_with_update_ids_count_once(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("concurrent_deltas_with_update_ids_count_once", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    let callers = bench.clone();
    let answers = race(CHANGERS, move |number| {
        let pair = number / 2 + 1;
        let change = add("items", &pair.to_string(), Some(&format!("update-{pair}")));
        let bench = callers.clone();
        async move { bench.change(request(ACME, 1, change)).await }
    });
    let (mut applied, mut unchanged) = (0, 0);
    for answer in answers.await {
        match answer? {
            Ok(Changed::Applied { .. }) => applied += 1,
            Ok(Changed::Unchanged(_)) => unchanged += 1,
            Err(error) => return bench.broken(format!("a delta may not be refused: {error}")),
        }
    }
    bench.same("applied and repeated deltas", &(applied, unchanged), &(32, 32))?;
    holds_items(&bench, ACME, "528", 33).await
}

/// Of many changes that expect the same version exactly one is made.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn of_many_changes_on_one_version_one_is_made(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("of_many_changes_on_one_version_one_is_made", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    let callers = bench.clone();
    let answers = race(CREATORS, move |number| {
        let change = add("items", &(number + 1).to_string(), None);
        let bench = callers.clone();
        async move { bench.change(expecting(request(ACME, 1, change), 1)).await }
    });
    let (applied, refused) = sorted(&bench, answers.await, "version_mismatch")?;
    bench.same("changes made", &applied.len(), &1)?;
    let holder = bench.record(ACME).await?;
    bench.same("the record, and the one change", &applied[0], &holder)?;
    bench.same("changes refused", &refused, &(CREATORS - 1))
}

/// Of many completions with different outcomes exactly one ends the record; the others are refused with its details.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn of_many_completions_one_is_made(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("of_many_completions_one_is_made", store).await;
    bench.job_with(&[JOB]).await?;
    let callers = bench.clone();
    let outcomes = [
        Outcome::Succeeded,
        Outcome::Failed,
        Outcome::Cancelled,
        Outcome::Skipped,
    ];
    let answers = race(outcomes.len(), move |number| {
        let bench = callers.clone();
        async move { bench.change(request(JOB, 1, complete(outcomes[number]))).await }
    });
    let (applied, refused) = sorted(&bench, answers.await, "already_ended")?;
    bench.same("completions made and refused", &(applied.len(), refused), &(1, 3))?;
    let holder = bench.record(JOB).await?;
    bench.same("the record, and the one completion", &applied[0], &holder)
}

/// A job never ends while a client record of it is open, even when clients are created at that moment.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_job_never_ends_beside_an_open_client(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_job_never_ends_beside_an_open_client", store).await;
    for round in 0..ROUNDS {
        let job = format!("250925-2318{round:02}");
        bench.created(intent(&job, "attempt-1")).await?;
        // Most jobs close what is open; the others end only before their first client.
        let end = if round % 4 == 0 { complete } else { complete_and_close };
        let (callers, name) = (bench.clone(), job.clone());
        let answers = race(5, move |number| {
            let (bench, job) = (callers.clone(), name.clone());
            async move {
                if number == round % 5 {
                    let answer = bench.change(request(&job, 1, end(Outcome::Succeeded))).await?;
                    return Ok(vec![format!("{answer:?}")]);
                }
                let mut answers = Vec::new();
                for part in 0..3 {
                    let client = format!("{job}-client{number}.{part}");
                    let intent = intent(&client, "attempt-1");
                    // The middle one of three only waits; that counts as open as well.
                    let intent = if part == 1 { queued(intent) } else { intent };
                    let outcome = bench.create_one(intent).await?;
                    answers.push(format!("{outcome:?}"));
                    tokio::task::yield_now().await;
                }
                Ok(answers)
            }
        });
        let answers = answers.await.into_iter().collect::<Held<Vec<_>>>()?;
        let records = bench.records_of(&job).await?;
        let ended = records
            .iter()
            .any(|r| r.key().client().is_none() && !r.status().is_open());
        let open = records
            .iter()
            .find(|r| r.key().client().is_some() && r.status().is_open());
        bench.holds(!ended || open.is_none(), || {
            format!("the job {job} has ended beside an open client, {open:?}, after {answers:?}")
        })?;
    }
    Ok(())
}

/// Whoever was answered reads that version or a later one, from then on.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn nobody_reads_an_older_version_than_was_answered(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("nobody_reads_an_older_version_than_was_answered", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    let callers = bench.clone();
    let answers = race(8, move |_| {
        let bench = callers.clone();
        async move {
            for _ in 0..4 {
                let answered = bench
                    .applied(request(ACME, 1, add("items", "1", None)))
                    .await?
                    .version();
                let read = bench.record(ACME).await?.version();
                bench.holds(read >= answered, || {
                    format!("version {answered} was answered, then version {read} was read")
                })?;
            }
            Ok(())
        }
    });
    answers.await.into_iter().collect::<Held>()?;
    holds_items(&bench, ACME, "32", 33).await
}

/// Many callers on many records at once: each record gets its own changes and no others.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn concurrent_callers_do_not_mix(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("concurrent_callers_do_not_mix", store).await;
    let names = [ACME, ZEN, OTHER_ACME];
    bench.job_with(&[JOB, OTHER_JOB]).await?;
    bench.job_with(&names).await?;
    let callers = bench.clone();
    let answers = race(30, move |number| {
        let name = names[number % names.len()];
        let bench = callers.clone();
        async move {
            bench
                .applied(request(name, 1, add(&format!("of-{name}"), "1", None)))
                .await
        }
    });
    for answer in answers.await {
        answer?;
    }
    for name in names {
        let record = bench.record(name).await?;
        let metrics: Vec<_> = record
            .metrics()
            .iter()
            .map(|(m, v)| (m.to_string(), v.to_string()))
            .collect();
        bench.same(name, &metrics, &vec![(format!("of-{name}"), "10".to_owned())])?;
    }
    bench.same("the lines", &bench.lines().await?.len(), &35)
}

/// Runs the call in many tasks that begin at the same moment.
pub(crate) async fn race<T, F, Call>(count: usize, call: F) -> Vec<T>
where
    T: Send + 'static,
    F: Fn(usize) -> Call,
    Call: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(count));
    let tasks: Vec<_> = (0..count)
        .map(|number| {
            let (barrier, call) = (Arc::clone(&barrier), call(number));
            tokio::spawn(async move {
                barrier.wait().await;
                call.await
            })
        })
        .collect();
    let mut answers = Vec::with_capacity(count);
    for task in tasks {
        answers.push(task.await.expect("a panic of the store fails the test"));
    }
    answers
}

fn counted(bench: &Bench, outcomes: &[CreateOutcome], word: &'static str, expected: usize) -> Held {
    let found = words(outcomes).iter().filter(|found| **found == word).count();
    bench.same(word, &found, &expected)
}

/// The records of the changes that were made, and how many were refused with this code.
fn sorted(
    bench: &Bench,
    answers: Vec<Held<Result<Changed, ChangeError>>>,
    code: &str,
) -> Held<(Vec<Arc<RunRecord>>, usize)> {
    let (mut applied, mut refused) = (Vec::new(), 0);
    for answer in answers {
        match answer? {
            Ok(Changed::Applied { record, .. }) => applied.push(record),
            Err(ChangeError::Refused { refusal, .. }) if refusal.code() == code => refused += 1,
            other => return bench.broken(format!("applied, or refused as {code}: {other:?}")),
        }
    }
    Ok((applied, refused))
}

async fn holds_items(bench: &Bench, name: &str, items: &str, version: u64) -> Held {
    let record = bench.record(name).await?;
    let found = record.metrics().get("items").map(|value| value.to_string());
    bench.same("the sum", &found, &Some(items.to_owned()))?;
    bench.same("the version", &record.version(), &version)
}
