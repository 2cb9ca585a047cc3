//! Rules about restarts and outages: what was answered stays, and doubt is never "not there" (I1, I4, I10, I17).
//!
//! A store that does not keep its data, or cannot be stopped, has nothing to show here.

use std::fmt::Debug;
use std::sync::Arc;

use runledger_domain::{CreationField, JobSummary, Outcome, Verdict};
use runledger_ports::{
    ActivityFilter, ActivityPage, ChangeError, Changed, CreateError, CreateOutcome, ListFilter, PageSize, RecordPage,
    StalledFilter, Unavailable,
};

use crate::bench::{Bench, Everything};
use crate::fixture::{
    ACME, JOB, OTHER_JOB, ZEN, add, at, complete, complete_and_close, every_command, expecting, intent, minted, note,
    noted, request, run, source, start_stage, text,
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

/// A store that cannot say never says "not there": not to a reader, whatever is asked, and not to a changer. What it
/// called unavailable was not done; what it called in doubt is settled by sending it again.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_stopped_store_never_says_not_there(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_stopped_store_never_says_not_there", store).await;
    bench.created(minted(JOB, "attempt-1")).await?;
    bench.job_with(&[ACME]).await?;
    let before = bench.everything().await?;
    let summary = bench.summary(&run(JOB)).await?;
    if !bench.stop().await {
        return Ok(());
    }
    reads_the_truth_or_nothing(&bench, &before, summary).await?;
    let change = request(ACME, 1, add("items", "1", Some("update-1")));
    let change_in_doubt = match bench.change_raw(change.clone()).await {
        Err(ChangeError::Unavailable(_)) => false,
        Err(ChangeError::Indeterminate { .. }) => true,
        other => return bench.broken(format!("change in a stopped store: {other:?}")),
    };
    let creation_in_doubt = match bench.create_raw(&[intent(ZEN, "attempt-1")]).await? {
        Err(CreateError::Unavailable(_)) => false,
        Err(CreateError::Indeterminate { .. }) => true,
        other => return bench.broken(format!("create in a stopped store: {other:?}")),
    };
    let kept = bench.store.log.record(refused_line("not on the list")).await;
    bench.holds(kept.is_err(), || "a line was kept by a stopped store".to_owned())?;
    let Ok(bench) = bench.reopen().await else {
        return Ok(());
    };
    if !change_in_doubt && !creation_in_doubt {
        bench.same("everything after the outage", &bench.everything().await?, &before)?;
    }
    let changed = bench.change(change).await?;
    bench.holds(
        matches!(&changed, Ok(Changed::Applied { .. }))
            || matches!(&changed, Ok(Changed::Unchanged(_)) if change_in_doubt),
        || format!("the change again, in doubt: {change_in_doubt}: {changed:?}"),
    )?;
    bench.same("the version after one change", &bench.record(ACME).await?.version(), &2)?;
    let created = bench.create_one(intent(ZEN, "attempt-1")).await?;
    bench.holds(
        matches!(&created, CreateOutcome::Created(_))
            || matches!(&created, CreateOutcome::Replayed(_) if creation_in_doubt),
        || format!("the creation again, in doubt: {creation_in_doubt}: {created:?}"),
    )?;
    bench.only_these_were_created(&[JOB, ACME, ZEN]).await?;
    Ok(())
}

/// Asks a store that cannot say all that can be asked: every answer is an error, or what was there before.
async fn reads_the_truth_or_nothing(bench: &Bench, before: &Everything, summary: Option<JobSummary>) -> Held {
    let (reader, size) = (&bench.store.reader, PageSize::default());
    let [job, client] = &before.records[..] else {
        return bench.broken("there must be two records");
    };
    for record in [job, client] {
        let got = reader.get(record.key()).await;
        true_or_unavailable(bench, "get", got, &Some(Arc::clone(record)))?;
    }
    let started = reader.find_minted(&source("orchestrator"), &text("attempt-1")).await;
    true_or_unavailable(bench, "find_minted", started, &Some(Arc::clone(job)))?;
    let records = RecordPage {
        records: before.records.clone(),
        next: None,
    };
    let listed = reader.list(&ListFilter::default(), None, size).await;
    true_or_unavailable(bench, "list", listed, &records)?;
    let overdue = StalledFilter {
        deadline_before: at(86_400 * 400),
        within: None,
    };
    let stalled = reader.stalled(&overdue, None, size).await;
    true_or_unavailable(bench, "stalled", stalled, &records)?;
    true_or_unavailable(bench, "summary", reader.summary(&run(JOB)).await, &summary)?;
    let lines = ActivityPage {
        lines: before.lines.clone(),
        next: None,
    };
    let logged = reader.activity(&ActivityFilter::default(), None, size).await;
    true_or_unavailable(bench, "activity", logged, &lines)
}

fn true_or_unavailable<T: Debug + PartialEq>(
    bench: &Bench,
    what: &str,
    answer: Result<T, Unavailable>,
    truth: &T,
) -> Held {
    match answer {
        Err(_) => Ok(()),
        Ok(answer) => bench.same(&format!("{what} of a stopped store"), &answer, truth),
    }
}
