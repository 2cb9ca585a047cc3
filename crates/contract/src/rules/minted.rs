//! Rules about runs whose id the ledger chose: a start that is repeated never makes a second run (I7).

use std::sync::Arc;

use runledger_domain::{CreationField, CreationIntent, RunRecord};
use runledger_ports::CreateOutcome;

use crate::bench::Bench;
use crate::fixture::{ACME, JOB, OTHER_JOB, add, at, intent, key, minted, noted, request, source, text};
use crate::rules::Held;
use crate::rules::batches::{record_of, words};
use crate::store::StoreUnderTest;

const THIRD_JOB: &str = "250927-010203";
const TAKEN_JOB: &str = "250928-010203";
const FREE_JOB: &str = "250929-010203";

/// A run that the ledger named is found by who started it in which attempt, and by nothing else.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_started_run_is_found_by_its_attempt(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_started_run_is_found_by_its_attempt", store).await;
    bench.created(minted(JOB, "attempt-1")).await?;
    // Its caller chose this one's key, so it is found by that alone.
    bench.created(intent(OTHER_JOB, "attempt-2")).await?;
    bench.created(intent(ACME, "attempt-3")).await?;
    let record = bench.applied(request(JOB, 1, add("items", "1", None))).await?;
    let seen = |source, attempt| find(&bench, source, attempt);
    bench.same(
        "the run that was started",
        &seen("orchestrator", "attempt-1").await?,
        &Some(record),
    )?;
    bench.same("another attempt", &seen("orchestrator", "attempt-9").await?, &None)?;
    bench.same("another source", &seen("master_process", "attempt-1").await?, &None)?;
    bench.same(
        "a run named by its caller",
        &seen("orchestrator", "attempt-2").await?,
        &None,
    )?;
    bench.same("a client run record", &seen("orchestrator", "attempt-3").await?, &None)?;
    bench.only_these_were_created(&[JOB, OTHER_JOB, ACME]).await?;
    Ok(())
}

/// A repeated start is answered with the first run, whatever id is proposed now; with other content it is refused.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_repeated_start_never_makes_a_second_run(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_repeated_start_never_makes_a_second_run", store).await;
    bench.created(minted(JOB, "attempt-1")).await?;
    let record = bench.applied(request(JOB, 1, add("items", "1", None))).await?;
    let replay = CreateOutcome::Replayed(Arc::clone(&record));
    for candidate in [JOB, OTHER_JOB, THIRD_JOB] {
        let again = CreationIntent {
            at: at(60),
            ..minted(candidate, "attempt-1")
        };
        bench.same("the start again", &bench.create_one(again).await?, &replay)?;
    }
    let other = minted(OTHER_JOB, "attempt-1").with_content(noted("another run"));
    let conflict = CreateOutcome::Conflict {
        existing: record,
        differs_in: vec![CreationField::Note],
    };
    bench.same(
        "the start with other content",
        &bench.create_one(other).await?,
        &conflict,
    )?;
    bench.only_these_were_created(&[JOB]).await?;
    // Within one batch as well.
    let twice = [minted(OTHER_JOB, "attempt-2"), minted(THIRD_JOB, "attempt-2")];
    let outcomes = bench.create(&twice).await?;
    bench.same(
        "a start twice in a batch",
        &words(&outcomes),
        &vec!["created", "replayed"],
    )?;
    bench.only_these_were_created(&[JOB, OTHER_JOB]).await?;
    // Also when the second candidate is somebody else's: what the attempt started counts before what holds the key.
    bench.created(intent(TAKEN_JOB, "attempt-3")).await?;
    let twice = [minted(FREE_JOB, "attempt-4"), minted(TAKEN_JOB, "attempt-4")];
    let outcomes = bench.create(&twice).await?;
    bench.same(
        "a start twice in a batch, the second with a candidate that is taken",
        &words(&outcomes),
        &vec!["created", "replayed"],
    )?;
    let answered: Vec<_> = outcomes.iter().filter_map(record_of).map(RunRecord::key).collect();
    bench.same("the runs answered", &answered, &vec![&key(FREE_JOB); 2])?;
    bench
        .only_these_were_created(&[JOB, OTHER_JOB, TAKEN_JOB, FREE_JOB])
        .await?;
    Ok(())
}

/// Another source, another attempt, or a run that its caller named: each start is its own, and a taken id is a conflict.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn another_start_is_another_run(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("another_start_is_another_run", store).await;
    bench.created(intent(THIRD_JOB, "attempt-1")).await?;
    bench.created(minted(JOB, "attempt-1")).await?;
    let other_source = CreationIntent {
        source: source("master_process"),
        ..minted(OTHER_JOB, "attempt-1")
    };
    bench.created(other_source).await?;
    bench.created(minted("250928-010203", "attempt-2")).await?;
    let taken = bench.create_one(minted(JOB, "attempt-3")).await?;
    let conflict = CreateOutcome::Conflict {
        existing: bench.record(JOB).await?,
        differs_in: vec![CreationField::Attempt],
    };
    bench.same("a start whose id is taken", &taken, &conflict)?;
    // The caller tries the next second, as the creation point does.
    bench.created(minted("250925-231842", "attempt-3")).await?;
    let keys = [THIRD_JOB, JOB, OTHER_JOB, "250928-010203", "250925-231842"];
    bench.only_these_were_created(&keys).await?;
    Ok(())
}

/// A start that is repeated after a restart is answered with its run.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_repeated_start_is_replayed_after_a_restart(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_repeated_start_is_replayed_after_a_restart", store).await;
    let record = bench.created(minted(JOB, "attempt-1")).await?;
    let Ok(bench) = bench.reopen().await else {
        return Ok(());
    };
    let again = bench.create_one(minted(OTHER_JOB, "attempt-1")).await?;
    bench.same("the start again", &again, &CreateOutcome::Replayed(Arc::clone(&record)))?;
    bench.same(
        "the run found",
        &find(&bench, "orchestrator", "attempt-1").await?,
        &Some(record),
    )?;
    bench.same("the other candidate", &bench.get(&key(OTHER_JOB)).await?, &None)
}

async fn find(bench: &Bench, by: &str, attempt: &str) -> Held<Option<Arc<RunRecord>>> {
    match bench.store.reader.find_minted(&source(by), &text(attempt)).await {
        Ok(found) => Ok(found),
        Err(error) => bench.broken(format!("find_minted of a healthy store: {error}")),
    }
}
