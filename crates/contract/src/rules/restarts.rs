//! Rules about restarts and outages: what was answered stays, and doubt is never "not there" (I1, I4, I10, I17).
//!
//! A store that does not keep its data, or cannot be stopped, has nothing to show here.

use runledger_domain::{CreationField, Outcome, Verdict};
use runledger_ports::{ChangeError, CreateError, ListFilter, PageSize};

use crate::bench::Bench;
use crate::fixture::{
    ACME, JOB, OTHER_JOB, ZEN, add, complete, complete_and_close, every_command, expecting, intent, key, note, noted,
    request, run, start_stage,
};
use crate::rules::Held;
use crate::rules::creation::{conflicts, replayed};
use crate::rules::log::refused_line;
use crate::store::StoreUnderTest;

/// After a restart every record and every line is as it was, and so is the summary.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_restart_keeps_every_record_and_line(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_restart_keeps_every_record_and_line", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    bench
        .created(intent(ZEN, "attempt-1").with_content(noted("first")))
        .await?;
    for command in every_command() {
        bench.applied(request(ACME, 1, command)).await?;
    }
    bench.applied(request(ZEN, 2, start_stage("scoring"))).await?;
    bench.applied(request(JOB, 3, note("nearly done"))).await?;
    let (before, summary) = (bench.everything().await?, bench.summary(&run(JOB)).await?);
    let Ok(bench) = bench.reopen().await else {
        return Ok(());
    };
    bench.same("everything after a restart", &bench.everything().await?, &before)?;
    bench.same(
        "the summary after a restart",
        &bench.summary(&run(JOB)).await?,
        &summary,
    )?;
    bench
        .applied(request(JOB, 4, complete_and_close(Outcome::Succeeded)))
        .await?;
    let (before, summary) = (bench.everything().await?, bench.summary(&run(JOB)).await?);
    let bench = bench.reopen_again().await?;
    bench.same("everything after another restart", &bench.everything().await?, &before)?;
    bench.same(
        "the summary after another restart",
        &bench.summary(&run(JOB)).await?,
        &summary,
    )
}

/// After a restart the line of every refusal is still there, whoever refused.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_restart_keeps_every_refusal(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_restart_keeps_every_refusal", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    conflicts(&bench, intent(ACME, "attempt-2"), &[CreationField::Attempt]).await?;
    let outdated = expecting(request(ACME, 1, add("items", "1", None)), 9);
    bench.refused(outdated, "version_mismatch").await?;
    let _not_found = bench.change(request(ZEN, 2, add("items", "1", None))).await?;
    bench.keep(refused_line("not on the list")).await?;
    let before = bench.everything().await?;
    bench.same("the lines", &before.lines.len(), &6)?;
    let Ok(bench) = bench.reopen().await else {
        return Ok(());
    };
    bench.same("everything after a restart", &bench.everything().await?, &before)
}

/// After a restart the log goes on where it ended, and records are listed in the order of creation.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn the_log_goes_on_after_a_restart(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("the_log_goes_on_after_a_restart", store).await;
    bench.job_with(&[OTHER_JOB]).await?;
    let Ok(bench) = bench.reopen().await else {
        return Ok(());
    };
    bench.job_with(&[JOB]).await?;
    bench.applied(request(OTHER_JOB, 1, add("items", "1", None))).await?;
    let everything = bench.only_these_were_created(&[OTHER_JOB, JOB]).await?;
    let verdicts: Vec<_> = everything.lines.into_iter().map(|line| line.line.verdict).collect();
    bench.same(
        "the lines",
        &verdicts,
        &vec![Verdict::Created, Verdict::Created, Verdict::Changed],
    )
}

/// After a restart a retry is replayed, another attempt is a conflict, and a repeated update counts once.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn retries_are_recognised_after_a_restart(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("retries_are_recognised_after_a_restart", store).await;
    let client = intent(ACME, "attempt-1").with_content(noted("first"));
    bench.job_with(&[JOB]).await?;
    bench.created(client.clone()).await?;
    let delta = request(ACME, 1, add("items", "2", Some("update-1")));
    let once = bench.applied(delta.clone()).await?;
    let Ok(bench) = bench.reopen().await else {
        return Ok(());
    };
    replayed(&bench, client.clone()).await?;
    conflicts(&bench, intent(ACME, "attempt-1"), &[CreationField::Note]).await?;
    conflicts(&bench, intent(JOB, "attempt-2"), &[CreationField::Attempt]).await?;
    bench.same("the update again", &bench.unchanged(delta).await?, &once)?;
    bench
        .refused(
            request(ACME, 2, add("items", "3", Some("update-1"))),
            "update_id_reused",
        )
        .await?;
    bench.applied(request(ACME, 3, complete(Outcome::Succeeded))).await?;
    let bench = bench.reopen_again().await?;
    replayed(&bench, client).await?;
    bench.unchanged(request(ACME, 4, complete(Outcome::Succeeded))).await?;
    bench
        .refused(request(ACME, 5, complete(Outcome::Failed)), "already_ended")
        .await?;
    bench.only_these_were_created(&[JOB, ACME]).await?;
    Ok(())
}

/// A store that cannot say never says "not there": not to a reader, not to a changer, and it creates nothing.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_stopped_store_never_says_not_there(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_stopped_store_never_says_not_there", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    let before = bench.everything().await?;
    if !bench.stop().await {
        return Ok(());
    }
    let reader = &bench.store.reader;
    let got = reader.get(&key(ACME)).await;
    bench.holds(!matches!(got, Ok(None)), || {
        format!("get of a record that is there: {got:?}")
    })?;
    let listed = reader.list(&ListFilter::default(), None, PageSize::default()).await;
    bench.holds(listed.as_ref().map_or(true, |page| page.records.len() == 2), || {
        format!("list of two records that are there: {listed:?}")
    })?;
    let summary = reader.summary(&run(JOB)).await;
    bench.holds(!matches!(summary, Ok(None)), || {
        format!("summary of a run that is there: {summary:?}")
    })?;
    let changed = bench
        .store
        .changer
        .change(request(ACME, 1, add("items", "1", None)))
        .await;
    bench.holds(
        matches!(
            changed,
            Err(ChangeError::Unavailable(_) | ChangeError::Indeterminate { .. })
        ),
        || format!("change in a stopped store: {changed:?}"),
    )?;
    let created = bench.create_raw(&[intent(ZEN, "attempt-1")]).await?;
    bench.holds(
        matches!(
            created,
            Err(CreateError::Unavailable(_) | CreateError::Indeterminate { .. })
        ),
        || format!("create in a stopped store: {created:?}"),
    )?;
    for line in before.lines.iter().take(1) {
        let kept = bench.store.log.record(line.line.clone()).await;
        bench.holds(kept.is_err(), || "a line was kept by a stopped store".to_owned())?;
    }
    let Ok(bench) = bench.reopen().await else {
        return Ok(());
    };
    bench.same("everything after the outage", &bench.everything().await?, &before)
}
