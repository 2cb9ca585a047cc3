//! Rules about a process that is killed: what was answered is durable, not only in memory (I1, I4, I6).
//!
//! A restart in good order shows nothing of this: a store that answers first and writes when it is closed passes it.

use runledger_domain::{CreationField, NewActivity, Outcome, Verdict};
use runledger_ports::ChangeError;

use crate::bench::{Bench, Everything};
use crate::fixture::{
    ACME, JOB, OTHER_JOB, ZEN, add, complete, complete_and_close, expecting, intent, minted, noted, queued, request,
};
use crate::rules::Held;
use crate::rules::creation::{conflicts, replayed};
use crate::rules::log::refused_line;
use crate::store::StoreUnderTest;

/// Every creation and every change that was answered is there after a crash, as it was answered, with its line; retries
/// are recognised, and the log goes on.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_crash_takes_back_no_creation_and_no_change(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_crash_takes_back_no_creation_and_no_change", store).await;
    bench.created(minted(OTHER_JOB, "attempt-1")).await?;
    let batch = [
        intent(JOB, "attempt-2"),
        queued(intent(ACME, "attempt-2")).with_content(noted("first")),
        intent(ZEN, "attempt-2"),
    ];
    let _created = bench.create(&batch).await?;
    let delta = request(ACME, 1, add("items", "2", Some("update-1")));
    bench.applied(delta.clone()).await?;
    bench.applied(request(ZEN, 2, complete(Outcome::Failed))).await?;
    let before = bench.everything().await?;
    // The lines of attempts without an effect may be lost; what they stand for may not.
    replayed(&bench, intent(ZEN, "attempt-2")).await?;
    bench.unchanged(delta.clone()).await?;
    let Ok(bench) = bench.crash().await else {
        return Ok(());
    };
    nothing_is_lost(&bench, &before).await?;
    for again in batch {
        replayed(&bench, again).await?;
    }
    replayed(&bench, minted(OTHER_JOB, "attempt-1")).await?;
    bench.unchanged(delta).await?;
    bench
        .applied(request(JOB, 3, complete_and_close(Outcome::Succeeded)))
        .await?;
    let before = bench.everything().await?;
    let bench = match bench.crash().await {
        Ok(bench) => bench,
        Err(bench) => return bench.broken("the store could be lost once, but not twice"),
    };
    nothing_is_lost(&bench, &before).await?;
    bench.only_these_were_created(&[OTHER_JOB, JOB, ACME, ZEN]).await?;
    Ok(())
}

/// The line of every refusal that was answered is there after a crash, whoever refused.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_crash_takes_back_no_refusal(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_crash_takes_back_no_refusal", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    let outdated = expecting(request(ACME, 1, add("items", "1", None)), 9);
    bench.refused(outdated, "version_mismatch").await?;
    conflicts(&bench, intent(ACME, "attempt-2"), &[CreationField::Attempt]).await?;
    bench.keep(refused_line("not on the list")).await?;
    let unknown = bench.change(request(ZEN, 2, add("items", "1", None))).await?;
    bench.holds(matches!(unknown, Err(ChangeError::NotFound { .. })), || {
        format!("a change of an unknown key: {unknown:?}")
    })?;
    let before = bench.everything().await?;
    bench.same("the lines", &before.lines.len(), &6)?;
    let Ok(bench) = bench.crash().await else {
        return Ok(());
    };
    nothing_is_lost(&bench, &before).await
}

/// What a store holds after a crash: every record, and every line that tells of an effect or a refusal.
async fn nothing_is_lost(bench: &Bench, before: &Everything) -> Held {
    let after = bench.everything().await?;
    bench.same("the records after a crash", &after.records, &before.records)?;
    bench.same(
        "the lines after a crash",
        &durable_lines(&after),
        &durable_lines(before),
    )
}

fn durable_lines(everything: &Everything) -> Vec<&NewActivity> {
    let lines = everything.lines.iter().map(|line| &line.line);
    lines
        .filter(|line| !matches!(line.verdict, Verdict::Replayed | Verdict::Unchanged))
        .collect()
}
