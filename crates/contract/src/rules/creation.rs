//! Rules about single creations (I1, I2, I7, I9).

use std::sync::Arc;

use runledger_domain::creation::{AttemptLine, JobEvidence, conflict_code};
use runledger_domain::{
    Action, CreationContent, CreationField, CreationIntent, CreationPolicy, DeadlineAfter, EXTERNAL_IDS_MAX,
    ExternalId, Imported, Initial, Metrics, Outcome, RunRecord, Status,
};
use runledger_ports::CreateOutcome;

use crate::bench::{Bench, IMPORTER, verdicts};
use crate::fixture::{ACME, JOB, OTHER_ACME, OTHER_JOB, ZEN, add, at, complete, intent, noted, request, source, text};
use crate::rules::Held;
use crate::store::StoreUnderTest;

/// What was created is there, as it was answered, and nothing else is.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_created_record_is_read_back(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_created_record_is_read_back", store).await;
    for name in [JOB, ACME, ZEN] {
        let record = bench.created(intent(name, "attempt-1")).await?;
        bench.same("get after create", &bench.record(name).await?, &record)?;
        bench.same("the version of a new record", &record.version(), &1)?;
    }
    bench.only_these_were_created(&[JOB, ACME, ZEN]).await?;
    Ok(())
}

/// A record holds all that its creator gave, exactly as the domain decides it.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_record_keeps_all_that_its_creator_gave(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_record_keeps_all_that_its_creator_gave", store).await;
    let job = CreationIntent {
        at: at(7),
        ..intent(JOB, "attempt-1").with_content(CreationContent {
            client_name: None,
            initial: Initial::Queued,
            ..full_content()
        })
    };
    let client = intent(ACME, "attempt-2").with_content(full_content());
    for (intent, evidence) in [(job, JobEvidence::Missing), (client, JobEvidence::Open)] {
        let expected = bench.as_decided(&intent, evidence)?;
        let found = bench.created(intent).await?;
        bench.same("the record as created", &*found, &expected)?;
    }
    bench.only_these_were_created(&[JOB, ACME]).await?;
    Ok(())
}

/// The same attempt with the same content is answered with the record as it stands, whatever happened in between.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_retry_is_replayed_at_any_later_time(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_retry_is_replayed_at_any_later_time", store).await;
    bench.job_with(&[JOB]).await?;
    let client = intent(ACME, "attempt-2").with_content(full_content());
    bench.created(client.clone()).await?;
    let retry_at = |seconds| CreationIntent {
        at: at(seconds),
        ..client.clone()
    };
    replayed(&bench, retry_at(1)).await?;
    bench.applied(request(ACME, 2, add("items", "3", None))).await?;
    replayed(&bench, retry_at(86_400 * 400)).await?;
    bench.applied(request(ACME, 3, complete(Outcome::Succeeded))).await?;
    replayed(&bench, retry_at(4)).await?;
    bench.applied(request(JOB, 5, complete(Outcome::Succeeded))).await?;
    replayed(&bench, retry_at(6)).await?;
    replayed(&bench, intent(JOB, "attempt-1")).await?;
    bench.only_these_were_created(&[JOB, ACME]).await?;
    Ok(())
}

/// Another attempt on a key that is taken gets the record that holds it, as it stands, and changes nothing.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn another_attempt_is_a_conflict_that_carries_the_holder(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("another_attempt_is_a_conflict_that_carries_the_holder", store).await;
    bench.job_with(&[JOB, ACME, ZEN]).await?;
    let other = |name| CreationIntent {
        source: source("master_process"),
        at: at(9),
        ..intent(name, "attempt-2")
    };
    let fields = [CreationField::Attempt, CreationField::Source];
    conflicts(&bench, other(ACME), &fields).await?;
    bench.applied(request(ACME, 10, add("items", "3", None))).await?;
    conflicts(&bench, other(ACME), &fields).await?;
    bench.applied(request(ACME, 11, complete(Outcome::Failed))).await?;
    conflicts(&bench, other(ACME), &fields).await?;
    conflicts(&bench, other(JOB), &fields).await?;
    conflicts(&bench, intent(JOB, "attempt-2"), &[CreationField::Attempt]).await?;
    bench.only_these_were_created(&[JOB, ACME, ZEN]).await?;
    Ok(())
}

/// The same attempt with other content is a conflict that names exactly the fields that differ.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn other_content_is_a_conflict_that_names_the_fields(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("other_content_is_a_conflict_that_names_the_fields", store).await;
    bench.job_with(&[JOB]).await?;
    let first = intent(ACME, "attempt-1").with_content(full_content());
    bench.created(first.clone()).await?;
    for (field, content) in contents_with_one_difference() {
        conflicts(&bench, first.clone().with_content(content), &[field]).await?;
    }
    let other_source = CreationIntent {
        source: source("batch_process"),
        ..first.clone()
    };
    conflicts(&bench, other_source, &[CreationField::Source]).await?;
    let everything_else = [
        CreationField::ClientName,
        CreationField::Batch,
        CreationField::ExternalIds,
        CreationField::Note,
        CreationField::DeadlineAfter,
    ];
    conflicts(&bench, intent(ACME, "attempt-1"), &everything_else).await?;
    replayed(&bench, first).await?;
    bench.only_these_were_created(&[JOB, ACME]).await?;
    Ok(())
}

/// A client run record needs the job record of its run, unless the policy says otherwise.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_client_needs_its_job(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_client_needs_its_job", store).await;
    bench.job_with(&[OTHER_JOB]).await?;
    refused(&bench, intent(ACME, "attempt-1"), "job_missing").await?;
    bench.only_these_were_created(&[OTHER_JOB]).await?;
    let lenient = CreationPolicy::default().require_job(false);
    let outcomes = bench.create_under(&lenient, &[intent(ZEN, "attempt-1")]).await?;
    bench.holds(matches!(outcomes[..], [CreateOutcome::Created(_)]), || {
        format!("the policy asks for no job record, yet: {outcomes:?}")
    })?;
    refused(&bench, intent(ACME, "attempt-1"), "job_missing").await?;
    bench.job_with(&[JOB, ACME]).await?;
    bench.only_these_were_created(&[OTHER_JOB, ZEN, JOB, ACME]).await?;
    Ok(())
}

/// Under a job that has ended no client run record is created; a retry of an earlier one still gets its record.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn an_ended_job_takes_no_new_client(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("an_ended_job_takes_no_new_client", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    bench.applied(request(ACME, 1, complete(Outcome::Succeeded))).await?;
    bench.applied(request(JOB, 2, complete(Outcome::Succeeded))).await?;
    refused(&bench, intent(ZEN, "attempt-1"), "job_ended").await?;
    replayed(&bench, intent(ACME, "attempt-1")).await?;
    conflicts(&bench, intent(ACME, "attempt-2"), &[CreationField::Attempt]).await?;
    bench.only_these_were_created(&[JOB, ACME]).await?;
    Ok(())
}

/// Content that no record of the kind can hold is refused, and nothing is created.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn content_that_does_not_fit_is_refused(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("content_that_does_not_fit_is_refused", store).await;
    let named_job = intent(JOB, "attempt-1").with_content(full_content());
    refused(&bench, named_job, "client_name_on_job").await?;
    let external_ids = (0..=EXTERNAL_IDS_MAX)
        .map(|number| text::<ExternalId>(&format!("apify:{number}")))
        .collect();
    let crowded = intent(JOB, "attempt-1").with_content(CreationContent {
        external_ids,
        ..CreationContent::default()
    });
    refused(&bench, crowded, "too_many_external_ids").await?;
    bench.only_these_were_created(&[]).await?;
    Ok(())
}

/// A record with a history keeps it, says in the log that it was imported, and may join a job that has ended.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn an_import_keeps_its_history(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("an_import_keeps_its_history", store).await;
    let metrics: Metrics = [(text("items"), text("12.5"))].into_iter().collect();
    let history = |status, ended: Option<i64>| {
        let past = Imported::new(status, Some(at(-90)), ended.map(at), metrics.clone());
        past.or_else(|error| bench.broken(format!("the suite's history is not one: {error}")))
    };
    let failed = history(Status::Ended(Outcome::Failed), Some(-30))?;
    let open = history(Status::Running, None)?.reconstructed();
    let imports = [
        (JOB, failed.clone(), JobEvidence::Missing),
        (ACME, failed, JobEvidence::Ended),
        (OTHER_JOB, open, JobEvidence::Missing),
    ];
    for (name, past, evidence) in imports {
        let import = CreationIntent {
            source: source(IMPORTER),
            ..intent(name, "attempt-1").with_content(CreationContent {
                initial: Initial::Imported(Box::new(past)),
                ..CreationContent::default()
            })
        };
        let expected = bench.as_decided(&import, evidence)?;
        let found = bench.created(import.clone()).await?;
        bench.same("the record as imported", &*found, &expected)?;
        replayed(&bench, import).await?;
    }
    let everything = bench.only_these_were_created(&[JOB, ACME, OTHER_JOB]).await?;
    let actions: Vec<_> = everything.lines.iter().map(|line| line.line.action).collect();
    bench.same("the actions in the log", &actions, &vec![Action::Import; 6])
}

/// Content with something in every field.
fn full_content() -> CreationContent {
    CreationContent {
        client_name: Some(text("Acme & Söhne")),
        batch: Some(text("stream-1")),
        external_ids: vec![text("apify:8MSTBAfqMzuXPvgB3"), text("airtable:rec1")],
        deadline_after: DeadlineAfter::from_secs(90).ok(),
        ..noted("begun by hand")
    }
}

/// Contents that differ from the full one in one field, and that field.
fn contents_with_one_difference() -> [(CreationField, CreationContent); 7] {
    let full = full_content;
    let mut all = [
        (CreationField::ClientName, full()),
        (CreationField::Batch, full()),
        (CreationField::ExternalIds, full()),
        (CreationField::Note, full()),
        (CreationField::DeadlineAfter, full()),
        (CreationField::Initial, full()),
        (CreationField::Note, full()),
    ];
    all[0].1.client_name = Some(text("Acme"));
    all[1].1.batch = None;
    all[2].1.external_ids = vec![text("apify:8MSTBAfqMzuXPvgB3")];
    all[3].1.note = Some(text("begun by hand "));
    all[4].1.deadline_after = DeadlineAfter::from_secs(91).ok();
    all[5].1.initial = Initial::Queued;
    all[6].1.note = None;
    all
}

/// An attempt that creates nothing leaves the line that the domain has for it: the words for people are the same whatever
/// store the log is kept in.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn an_attempt_without_effect_leaves_the_line_of_the_domain(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("an_attempt_without_effect_leaves_the_line_of_the_domain", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    let holder = bench.record(ACME).await?;
    let (again, other, orphan) = (
        intent(ACME, "attempt-1"),
        intent(ACME, "attempt-2"),
        intent(OTHER_ACME, "attempt-1"),
    );
    let differs_in = [CreationField::Attempt];
    let _outcome = bench.create_one(again.clone()).await?;
    let _outcome = bench.create_one(other.clone()).await?;
    let CreateOutcome::Refused(refusal) = bench.create_one(orphan.clone()).await? else {
        return bench.broken(format!("{} has no job", orphan.key));
    };
    let batch = [intent(ZEN, "attempt-1"), other.clone()];
    let _outcomes = bench.create(&batch).await?;
    let expected = vec![
        AttemptLine::of(&again).replayed(&holder),
        AttemptLine::of(&other).conflict(&holder, &differs_in),
        AttemptLine::of(&orphan).refused(refusal.code(), refusal.to_string()),
        AttemptLine::of(&batch[0]).withheld(),
        AttemptLine::of(&other).conflict(&holder, &differs_in),
    ];
    let lines: Vec<_> = bench.lines_after(2).await?.into_iter().map(|line| line.line).collect();
    bench.same("the lines", &lines, &expected)
}

/// Sends what was created before, which must be answered with its record as it stands.
pub(crate) async fn replayed(bench: &Bench, intent: CreationIntent) -> Held<Arc<RunRecord>> {
    let stands = bench.record(&intent.key.to_string()).await?;
    let outcome = bench.create_one(intent).await?;
    bench.same("a retry", &outcome, &CreateOutcome::Replayed(Arc::clone(&stands)))?;
    let now = bench.record(&stands.key().to_string()).await?;
    bench.same("the record after a retry", &now, &stands)?;
    Ok(stands)
}

/// Sends what must meet another creation under its key, differing in exactly these fields.
pub(crate) async fn conflicts(bench: &Bench, intent: CreationIntent, differs_in: &[CreationField]) -> Held {
    let existing = bench.record(&intent.key.to_string()).await?;
    let expected = CreateOutcome::Conflict {
        existing: Arc::clone(&existing),
        differs_in: differs_in.to_vec(),
    };
    bench.same("another creation", &bench.create_one(intent).await?, &expected)?;
    let said = verdicts(&bench.lines().await?).pop();
    let word = format!("refused {}", conflict_code(differs_in));
    bench.same("the line of a conflict", &said, &Some(word))?;
    let now = bench.record(&existing.key().to_string()).await?;
    bench.same("the holder after a conflict", &now, &existing)
}

/// Sends a creation that the rules do not allow.
pub(crate) async fn refused(bench: &Bench, intent: CreationIntent, code: &str) -> Held {
    let key = intent.key.clone();
    match bench.create_one(intent).await? {
        CreateOutcome::Refused(refusal) if refusal.code() == code => Ok(()),
        other => bench.broken(format!("{key} must be refused as {code}: {other:?}")),
    }
}
