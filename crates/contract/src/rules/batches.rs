//! Rules about batches of creations: all or nothing, one line for each permit (I2, I6, I9).

use runledger_domain::{CreationField, CreationIntent, RunRecord};
use runledger_ports::CreateOutcome;

use crate::bench::{Bench, verdicts};
use crate::fixture::{ACME, JOB, OTHER_ACME, OTHER_JOB, ZEN, intent, noted};
use crate::rules::Held;
use crate::store::StoreUnderTest;

/// A batch creates all of its records, in its order; a job before its clients counts for them.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_batch_creates_all_in_its_order(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_batch_creates_all_in_its_order", store).await;
    let keys = [OTHER_JOB, JOB, ZEN, ACME, OTHER_ACME];
    let outcomes = bench.create(&first_attempts(&keys)).await?;
    bench.same("the outcomes", &words(&outcomes), &vec!["created"; 5])?;
    let created: Vec<_> = outcomes
        .iter()
        .filter_map(record_of)
        .map(|r| r.key().to_string())
        .collect();
    bench.same("the order of the outcomes", &created, &keys.map(str::to_owned).to_vec())?;
    bench.only_these_were_created(&keys).await?;
    Ok(())
}

/// With one conflict in it a batch creates nothing, and says which permits were withheld.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_batch_with_a_conflict_creates_nothing(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_batch_with_a_conflict_creates_nothing", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    let batch = [
        intent(ZEN, "attempt-1"),
        intent(ACME, "attempt-2"),
        intent(OTHER_JOB, "attempt-1"),
        intent(JOB, "attempt-1"),
    ];
    let outcomes = bench.create(&batch).await?;
    let expected = ["withheld", "conflict", "withheld", "replayed"];
    bench.same("the outcomes", &words(&outcomes), &expected.to_vec())?;
    let holder = bench.record(ACME).await?;
    let conflict = CreateOutcome::Conflict {
        existing: holder,
        differs_in: vec![CreationField::Attempt],
    };
    bench.same("the conflict", &outcomes[1], &conflict)?;
    bench.only_these_were_created(&[JOB, ACME]).await?;
    let lines = verdicts(&bench.lines_after(2).await?);
    let expected = ["refused withheld", "refused conflict", "refused withheld", "replayed"];
    bench.same("the lines of the batch", &lines, &expected.map(str::to_owned).to_vec())?;
    // What was withheld is as free as before.
    bench.job_with(&[ZEN]).await
}

/// With one refusal in it a batch creates nothing.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_batch_with_a_refusal_creates_nothing(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_batch_with_a_refusal_creates_nothing", store).await;
    // The client comes before its job, so it finds none.
    let outcomes = bench.create(&first_attempts(&[OTHER_JOB, ACME, JOB])).await?;
    bench.same(
        "the outcomes",
        &words(&outcomes),
        &vec!["withheld", "refused", "withheld"],
    )?;
    bench.only_these_were_created(&[]).await?;
    let lines = verdicts(&bench.lines().await?);
    let expected = ["refused withheld", "refused job_missing", "refused withheld"];
    bench.same("the lines of the batch", &lines, &expected.map(str::to_owned).to_vec())
}

/// A batch that is sent again is replayed as a whole; one that holds more than before creates the rest.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_batch_sent_again_is_replayed(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_batch_sent_again_is_replayed", store).await;
    let batch = first_attempts(&[JOB, ACME]);
    bench.create(&batch).await?;
    let again = bench.create(&batch).await?;
    bench.same("the batch again", &words(&again), &vec!["replayed"; 2])?;
    bench.only_these_were_created(&[JOB, ACME]).await?;
    let more = bench.create(&first_attempts(&[JOB, ZEN, ACME])).await?;
    bench.same(
        "the batch with one more",
        &words(&more),
        &vec!["replayed", "created", "replayed"],
    )?;
    bench.only_these_were_created(&[JOB, ACME, ZEN]).await?;
    let lines = verdicts(&bench.lines().await?);
    let expected = [
        "created", "created", "replayed", "replayed", "replayed", "created", "replayed",
    ];
    bench.same("the lines", &lines, &expected.map(str::to_owned).to_vec())
}

/// A key that stands twice in a batch is created once; the second permit is answered like a retry.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_key_twice_in_a_batch_is_created_once(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_key_twice_in_a_batch_is_created_once", store).await;
    let outcomes = bench.create(&first_attempts(&[JOB, ACME, JOB, ACME])).await?;
    let expected = ["created", "created", "replayed", "replayed"];
    bench.same("the outcomes", &words(&outcomes), &expected.to_vec())?;
    bench.only_these_were_created(&[JOB, ACME]).await?;
    let lines = verdicts(&bench.lines().await?);
    bench.same("the lines", &lines, &expected.map(str::to_owned).to_vec())
}

/// A batch that wants one key in two ways creates nothing, and leaves the key free.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_batch_that_contradicts_itself_creates_nothing(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_batch_that_contradicts_itself_creates_nothing", store).await;
    bench.job_with(&[JOB]).await?;
    let contradictions = [
        (intent(ACME, "attempt-2"), CreationField::Attempt),
        (
            intent(ACME, "attempt-1").with_content(noted("other")),
            CreationField::Note,
        ),
    ];
    for (second, field) in contradictions {
        let first = intent(ACME, "attempt-1");
        let outcomes = bench
            .create(&[first.clone(), second, intent(ZEN, "attempt-1"), first])
            .await?;
        let expected = ["withheld", "conflict", "withheld", "withheld"];
        bench.same("the outcomes", &words(&outcomes), &expected.to_vec())?;
        bench.holds(
            matches!(&outcomes[1], CreateOutcome::Conflict { differs_in, .. } if *differs_in == [field]),
            || format!("the second permit differs in {field}: {:?}", outcomes[1]),
        )?;
        bench.only_these_were_created(&[JOB]).await?;
    }
    bench.same("the lines", &bench.lines().await?.len(), &9)?;
    bench.job_with(&[ACME]).await
}

/// An empty batch does nothing, and leaves no line.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn an_empty_batch_does_nothing(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("an_empty_batch_does_nothing", store).await;
    let outcomes = bench.create(&[]).await?;
    bench.same("the outcomes", &outcomes, &Vec::new())?;
    let everything = bench.only_these_were_created(&[]).await?;
    bench.same("the lines", &everything.lines.len(), &0)
}

fn first_attempts(keys: &[&str]) -> Vec<CreationIntent> {
    keys.iter().map(|name| intent(name, "attempt-1")).collect()
}

/// What became of each permit, in one word.
pub(crate) fn words(outcomes: &[CreateOutcome]) -> Vec<&'static str> {
    let word = |outcome: &CreateOutcome| match outcome {
        CreateOutcome::Created(_) => "created",
        CreateOutcome::Replayed(_) => "replayed",
        CreateOutcome::Conflict { .. } => "conflict",
        CreateOutcome::Refused(_) => "refused",
        CreateOutcome::Withheld => "withheld",
    };
    outcomes.iter().map(word).collect()
}

/// The record that an outcome carries.
pub(crate) fn record_of(outcome: &CreateOutcome) -> Option<&RunRecord> {
    match outcome {
        CreateOutcome::Created(record) | CreateOutcome::Replayed(record) => Some(record),
        CreateOutcome::Conflict { existing, .. } => Some(existing),
        CreateOutcome::Refused(_) | CreateOutcome::Withheld => None,
    }
}
