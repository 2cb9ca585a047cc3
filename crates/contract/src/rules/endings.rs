//! Rules about ends: an end is final, and a run has not ended while its work goes on (I5).

use std::time::Duration;

use runledger_domain::change::close_with_job;
use runledger_domain::{Command, Completion, CreationContent, DeadlineAfter, Outcome, RunKey, Status, Verdict};
use runledger_ports::Changed;

use crate::bench::Bench;
use crate::fixture::{
    ACME, JOB, OTHER_JOB, ZEN, add, complete, complete_and_close, every_command, finish_stage, intent, key, note,
    queued, request, start_stage, text,
};
use crate::rules::Held;
use crate::store::StoreUnderTest;

/// After its end a record never changes: every command is refused, late heartbeats included.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn an_end_is_final(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("an_end_is_final", store).await;
    bench.job_with(&[JOB]).await?;
    for (number, outcome) in Outcome::ALL.into_iter().enumerate() {
        let name = format!("{JOB}-client{number}");
        bench.job_with(&[&name]).await?;
        bench.applied(request(&name, 1, start_stage("scoring"))).await?;
        let ended = bench.applied(request(&name, 2, complete_and_close(outcome))).await?;
        bench.same("the status", &ended.status(), &Status::Ended(outcome))?;
        let lost = Command::DeclareLost { grace: Duration::ZERO };
        let late = [
            add("items", "1", Some("update-9")),
            note("too late"),
            start_stage("mailing"),
            finish_stage("mailing", Outcome::Succeeded),
            Command::Heartbeat,
            lost,
        ];
        let other_ends = Outcome::ALL.into_iter().filter(|other| *other != outcome).map(complete);
        for command in late.into_iter().chain(other_ends) {
            let current = bench
                .refused(request(&name, 86_400 * 400, command), "already_ended")
                .await?;
            bench.same("the record in the refusal", &current, &ended)?;
        }
        bench.same("the record", &bench.record(&name).await?, &ended)?;
    }
    Ok(())
}

/// The same completion again is accepted and changes nothing; another one is refused.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn the_same_end_again_changes_nothing(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("the_same_end_again_changes_nothing", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    let end = |note: Option<&str>| {
        Command::Complete(Completion {
            outcome: Outcome::SucceededWithErrors,
            note: note.map(text),
            close_open: false,
        })
    };
    let ended = bench.applied(request(ACME, 1, end(Some("two of nine failed")))).await?;
    for seconds in [1, 2, 86_400] {
        let again = bench
            .unchanged(request(ACME, seconds, end(Some("two of nine failed"))))
            .await?;
        bench.same("the record", &again, &ended)?;
    }
    bench.refused(request(ACME, 3, end(None)), "already_ended").await?;
    bench
        .refused(request(ACME, 3, complete(Outcome::Succeeded)), "already_ended")
        .await?;
    bench.same("the record", &bench.record(ACME).await?, &ended)
}

/// A job with open client records does not end, neither as completed nor as lost.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_job_with_open_clients_does_not_end(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_job_with_open_clients_does_not_end", store).await;
    // The open client of another run does not count.
    bench.job_with(&[OTHER_JOB, "250926-010203-acme", JOB, ACME]).await?;
    // A queued one is as open as a running one.
    bench.created(queued(intent(ZEN, "attempt-1"))).await?;
    let lost = Command::DeclareLost { grace: Duration::ZERO };
    for (name, outcome) in [(ACME, Outcome::Succeeded), (ZEN, Outcome::Skipped)] {
        bench
            .refused(request(JOB, 1, complete(Outcome::Failed)), "open_clients")
            .await?;
        bench
            .refused(request(JOB, 86_400 * 30, lost.clone()), "open_clients")
            .await?;
        bench.applied(request(name, 2, complete(outcome))).await?;
    }
    bench.applied(request(JOB, 3, complete(Outcome::Failed))).await?;
    Ok(())
}

/// A job that ends with `close_open` closes its open clients as cancelled in the same step, each with a line.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_job_closes_its_clients_each_with_a_line(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_job_closes_its_clients_each_with_a_line", store).await;
    let done = format!("{JOB}-done");
    let foreign = "250926-010203-acme";
    bench.job_with(&[JOB]).await?;
    bench.created(queued(intent(ZEN, "attempt-1"))).await?;
    bench.job_with(&[ACME, &done, OTHER_JOB, foreign]).await?;
    bench.applied(request(&done, 1, complete(Outcome::Succeeded))).await?;
    bench.applied(request(ACME, 2, start_stage("scoring"))).await?;
    let before = bench.everything().await?;
    let end = request(JOB, 9, complete_and_close(Outcome::Failed));
    let mut closed = match bench.change(end.clone()).await? {
        Ok(Changed::Applied { closed, .. }) => closed,
        other => return bench.broken(format!("{end:?} must be applied: {other:?}")),
    };
    closed.sort_unstable();
    bench.same("the clients that were closed", &closed, &vec![key(ACME), key(ZEN)])?;
    let after = bench.everything().await?;
    for (before, after) in before.records.iter().zip(&after.records) {
        let expected = match before.key() {
            RunKey::Job(_) if before.key() == &end.key => continue,
            key if closed.contains(key) => close_with_job(before, &end.context),
            _ => Some((**before).clone()),
        };
        bench.same("a record after its job ended", &Some((**after).clone()), &expected)?;
    }
    bench.same(
        "the job",
        &bench.record(JOB).await?.status(),
        &Status::Ended(Outcome::Failed),
    )?;
    let mut lines: Vec<_> = after
        .lines_since(&before)
        .iter()
        .map(|line| {
            (
                line.line.subject.client.clone(),
                line.line.verdict.clone(),
                line.line.version,
            )
        })
        .collect();
    lines.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let line = |client: &str, version| (client.to_owned(), Verdict::Changed, Some(version));
    bench.same("the lines", &lines, &vec![line("", 2), line("acme", 3), line("zen", 2)])
}

/// A record with open stages ends only when they are finished, or closed with it.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn open_stages_are_finished_or_closed(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("open_stages_are_finished_or_closed", store).await;
    bench.job_with(&[JOB, ACME, ZEN]).await?;
    for name in [ACME, ZEN] {
        bench.applied(request(name, 1, start_stage("scoring"))).await?;
        bench.applied(request(name, 2, start_stage("mailing"))).await?;
        bench
            .refused(request(name, 3, complete(Outcome::Succeeded)), "open_stages")
            .await?;
        bench
            .applied(request(name, 4, finish_stage("scoring", Outcome::Succeeded)))
            .await?;
        bench
            .refused(request(name, 5, complete(Outcome::Succeeded)), "open_stages")
            .await?;
    }
    bench
        .applied(request(ACME, 6, finish_stage("mailing", Outcome::Failed)))
        .await?;
    bench.applied(request(ACME, 7, complete(Outcome::Succeeded))).await?;
    let closed = bench
        .applied(request(ZEN, 7, complete_and_close(Outcome::Succeeded)))
        .await?;
    let outcomes: Vec<_> = closed
        .stages()
        .iter()
        .map(|s| s.end.as_ref().map(|end| end.outcome))
        .collect();
    let expected = vec![Some(Outcome::Succeeded), Some(Outcome::Cancelled)];
    bench.same("the ends of the stages", &outcomes, &expected)
}

/// A record is given up as lost only when it was silent past its deadline and the grace; a sign of life moves both.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_record_is_lost_only_past_deadline_and_grace(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_record_is_lost_only_past_deadline_and_grace", store).await;
    bench.job_with(&[JOB]).await?;
    let short = CreationContent {
        deadline_after: DeadlineAfter::from_secs(60).ok(),
        ..CreationContent::default()
    };
    bench.created(intent(ACME, "attempt-1").with_content(short)).await?;
    let lost = |seconds| {
        let grace = Duration::from_secs(30);
        request(ACME, seconds, Command::DeclareLost { grace })
    };
    bench.refused(lost(60), "not_stalled").await?;
    bench.refused(lost(90), "not_stalled").await?;
    bench.applied(request(ACME, 90, Command::Heartbeat)).await?;
    bench.refused(lost(91), "not_stalled").await?;
    bench.refused(lost(180), "not_stalled").await?;
    let ended = bench.applied(lost(181)).await?;
    bench.same("the status", &ended.status(), &Status::Ended(Outcome::Lost))?;
    for command in every_command() {
        if !matches!(command, Command::Complete(_)) {
            bench.refused(request(ACME, 182, command), "already_ended").await?;
        }
    }
    bench.same("the record", &bench.record(ACME).await?, &ended)
}
