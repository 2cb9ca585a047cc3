//! Rules about changes of records that exist (I3, I5, I7, I8, I11, I12).

use runledger_domain::change::apply;
use runledger_domain::{
    Change, ChangeEvidence, Command, CreationContent, CreationField, Initial, MetricChange, Outcome, Update,
};
use runledger_ports::{ChangeRequest, Changed};

use crate::bench::{Bench, verdicts};
use crate::fixture::{
    ACME, JOB, OTHER_ACME, OTHER_JOB, ZEN, add, at, complete, complete_and_close, delta, every_command, expecting,
    finish_stage, intent, note, request, start_stage, text,
};
use crate::rules::Held;
use crate::rules::creation::{conflicts, refused as creation_refused};
use crate::store::StoreUnderTest;

/// Each command makes of the record what the domain decides, raises the version by one, and is read back at once.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_change_is_what_the_domain_decides(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_change_is_what_the_domain_decides", store).await;
    bench.job_with(&[JOB, ACME, ZEN]).await?;
    bench.applied(request(ZEN, 0, complete(Outcome::Skipped))).await?;
    for name in [ACME, JOB] {
        for (seconds, command) in (1..).zip(every_command()) {
            let before = bench.record(name).await?;
            let request = request(name, seconds, command);
            let expected = match apply(&before, &request.context, &request.command, ChangeEvidence::default()) {
                Ok(Change::Applied { record, .. }) => *record,
                other => return bench.broken(format!("the suite sends what is accepted: {other:?}")),
            };
            let after = match bench.change(request.clone()).await? {
                Ok(Changed::Applied { record, closed }) if closed.is_empty() => record,
                other => return bench.broken(format!("{request:?} must be applied: {other:?}")),
            };
            bench.same("the record as changed", &*after, &expected)?;
            bench.same("the version", &after.version(), &(before.version() + 1))?;
            bench.same("get after the change", &bench.record(name).await?, &after)?;
        }
    }
    bench.only_these_were_created(&[JOB, ACME, ZEN]).await?;
    Ok(())
}

/// A queued record begins its work with its first stage, or when told to.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_queued_record_is_begun_by_a_change(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_queued_record_is_begun_by_a_change", store).await;
    let begin = Command::Update(Update {
        start: true,
        ..Update::default()
    });
    for (name, command) in [(JOB, start_stage("scoring")), (OTHER_JOB, begin)] {
        bench.created(queued(name)).await?;
        bench
            .refused(request(name, 1, complete(Outcome::Succeeded)), "not_started")
            .await?;
        let started = bench.applied(request(name, 60, command)).await?;
        let found = (started.status(), started.state().started_at());
        bench.same(
            "status and start",
            &found,
            &(runledger_domain::Status::Running, Some(at(60))),
        )?;
    }
    Ok(())
}

/// A change that expects a version is made on that version only.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn an_outdated_version_is_refused(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("an_outdated_version_is_refused", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    let delta = |version| expecting(request(ACME, 1, add("items", "1", None)), version);
    bench.applied(delta(1)).await?;
    for version in [1, 3, 0] {
        let current = bench.refused(delta(version), "version_mismatch").await?;
        bench.same("the record in the refusal", &current, &bench.record(ACME).await?)?;
    }
    bench.applied(delta(2)).await?;
    let end = request(ACME, 2, complete(Outcome::Succeeded));
    bench.refused(expecting(end.clone(), 2), "version_mismatch").await?;
    bench.applied(expecting(end, 3)).await?;
    Ok(())
}

/// An update that is repeated under its id counts once, at any later time; without an id it counts each time.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_repeated_update_counts_once(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_repeated_update_counts_once", store).await;
    bench.job_with(&[JOB, ACME, ZEN]).await?;
    let first = |seconds| request(ACME, seconds, add("items", "2", Some("update-1")));
    let once = bench.applied(first(1)).await?;
    bench.same("the repeated update", &bench.unchanged(first(2)).await?, &once)?;
    bench
        .applied(request(ACME, 3, add("items", "3", Some("update-2"))))
        .await?;
    bench.applied(request(ACME, 4, add("items", "4", None))).await?;
    let now = bench.applied(request(ACME, 5, add("items", "4", None))).await?;
    bench.same("the repeated update", &bench.unchanged(first(86_400)).await?, &now)?;
    // The same id on another record is another update.
    bench
        .applied(request(ZEN, 6, add("items", "2", Some("update-1"))))
        .await?;
    let ended = bench.applied(request(ACME, 7, complete(Outcome::Succeeded))).await?;
    bench.same(
        "the update repeated after the end",
        &bench.unchanged(first(8)).await?,
        &ended,
    )?;
    let items = bench
        .record(ACME)
        .await?
        .metrics()
        .get("items")
        .map(|value| value.to_string());
    bench.same("the sum", &items, &Some("13".to_owned()))
}

/// An update id that was used is refused for any other update.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn an_update_id_is_not_used_for_something_else(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("an_update_id_is_not_used_for_something_else", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    let used = bench
        .applied(request(ACME, 1, add("items", "2", Some("update-1"))))
        .await?;
    let other_note = Command::Update(Update {
        metrics: delta("items", "2"),
        note: Some(text("and a note")),
        update_id: Some(text("update-1")),
        ..Update::default()
    });
    for other in [
        add("items", "3", Some("update-1")),
        add("pages", "2", Some("update-1")),
        other_note,
    ] {
        let current = bench.refused(request(ACME, 2, other), "update_id_reused").await?;
        bench.same("the record in the refusal", &current, &used)?;
    }
    bench.same("the record", &bench.record(ACME).await?, &used)
}

/// A stage begins once and ends once; repeated, either changes nothing.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_stage_begins_and_ends_once(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_stage_begins_and_ends_once", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    let end = |outcome| request(ACME, 3, finish_stage("scoring", outcome));
    bench.refused(end(Outcome::Succeeded), "stage_not_started").await?;
    bench.applied(request(ACME, 1, start_stage("scoring"))).await?;
    bench.unchanged(request(ACME, 2, start_stage("scoring"))).await?;
    let ended = bench.applied(end(Outcome::Failed)).await?;
    bench.unchanged(end(Outcome::Failed)).await?;
    bench.refused(end(Outcome::Succeeded), "stage_ended").await?;
    bench
        .refused(request(ACME, 4, start_stage("scoring")), "stage_ended")
        .await?;
    bench.same("the record", &bench.record(ACME).await?, &ended)
}

/// Whatever is refused leaves one line with its code, and every record as it was.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_refusal_changes_nothing(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_refusal_changes_nothing", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    bench.created(queued(ZEN)).await?;
    bench
        .applied(request(ACME, 1, add("items", "999999999999999999", Some("update-1"))))
        .await?;
    bench.applied(request(ACME, 2, start_stage("scoring"))).await?;
    for (request, code) in refused_requests() {
        let before = bench.everything().await?;
        let current = bench.refused(request.clone(), code).await?;
        let after = bench.everything().await?;
        bench.same("the records after a refusal", &after.records, &before.records)?;
        let held = before.records.iter().find(|record| *record.key() == request.key);
        bench.same("the record in the refusal", &Some(&current), &held)?;
        let verdicts = verdicts(after.lines_since(&before));
        bench.same("the line of a refusal", &verdicts, &vec![format!("refused {code}")])?;
    }
    let before = bench.everything().await?;
    conflicts(&bench, intent(ACME, "attempt-2"), &[CreationField::Attempt]).await?;
    creation_refused(&bench, intent(OTHER_ACME, "attempt-1"), "job_missing").await?;
    let after = bench.everything().await?;
    bench.same("the records after refused creations", &after.records, &before.records)?;
    let verdicts = verdicts(after.lines_since(&before));
    let expected = ["refused conflict", "refused job_missing"].map(str::to_owned);
    bench.same("the lines of refused creations", &verdicts, &expected.to_vec())
}

/// Whatever happens to one client's record, the records of others stay as they are and go on as usual.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_change_touches_its_own_record_only(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_change_touches_its_own_record_only", store).await;
    bench.job_with(&[JOB, ACME, ZEN, OTHER_JOB, OTHER_ACME]).await?;
    let others = [JOB, ZEN, OTHER_JOB, OTHER_ACME];
    let mut before = Vec::new();
    for name in others {
        before.push(bench.record(name).await?);
    }
    for command in every_command() {
        bench.applied(request(ACME, 1, command)).await?;
    }
    bench
        .refused(request(ACME, 2, Command::Heartbeat), "already_ended")
        .await?;
    bench
        .refused(request(ACME, 3, complete_and_close(Outcome::Failed)), "already_ended")
        .await?;
    conflicts(&bench, intent(ACME, "attempt-2"), &[CreationField::Attempt]).await?;
    for (name, before) in others.into_iter().zip(before) {
        bench.same("a record of somebody else", &bench.record(name).await?, &before)?;
        let next = bench
            .applied(request(name, 4, add("items", "1", Some("update-1"))))
            .await?;
        bench.same("its next version", &next.version(), &2)?;
    }
    Ok(())
}

/// Requests that the rule above makes the store refuse, on what it set up.
fn refused_requests() -> Vec<(ChangeRequest, &'static str)> {
    let update = |update: Update| Command::Update(update);
    let twice = MetricChange {
        set: delta("items", "1").add,
        ..delta("items", "1")
    };
    let many = (0..65).map(|number| text(&format!("apify:{number}"))).collect();
    let silent = Command::DeclareLost {
        grace: std::time::Duration::ZERO,
    };
    vec![
        (expecting(request(ACME, 9, note("late")), 1), "version_mismatch"),
        (request(ACME, 9, update(Update::default())), "nothing_to_change"),
        (
            request(
                ACME,
                9,
                update(Update {
                    metrics: twice,
                    ..Update::default()
                }),
            ),
            "metric_named_twice",
        ),
        (request(ACME, 9, add("items", "1", None)), "metric_overflow"),
        (
            request(ACME, 9, add("items", "2", Some("update-1"))),
            "update_id_reused",
        ),
        (
            request(
                ACME,
                9,
                update(Update {
                    external_ids: many,
                    ..Update::default()
                }),
            ),
            "too_many_external_ids",
        ),
        (
            request(ACME, 9, finish_stage("mailing", Outcome::Succeeded)),
            "stage_not_started",
        ),
        (request(ACME, 9, complete(Outcome::Succeeded)), "open_stages"),
        (request(ACME, 9, silent), "not_stalled"),
        (request(ZEN, 9, complete(Outcome::Succeeded)), "not_started"),
        (request(JOB, 9, complete(Outcome::Succeeded)), "open_clients"),
    ]
}

fn queued(name: &str) -> runledger_domain::CreationIntent {
    intent(name, "attempt-1").with_content(CreationContent {
        initial: Initial::Queued,
        ..CreationContent::default()
    })
}
