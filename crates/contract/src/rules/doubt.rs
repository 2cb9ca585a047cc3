//! Rules about commits whose outcome is not known: doubt is said, nothing more is written, a retry settles it (I10, I16).

use runledger_domain::{CreationIntent, Outcome, Verdict};
use runledger_ports::{ChangeError, ChangeRequest, Changed, CreateError};

use crate::bench::Bench;
use crate::fixture::{
    ACME, JOB, OTHER_JOB, ZEN, add, complete_and_close, expecting, intent, key, minted, noted, request,
};
use crate::rules::Held;
use crate::rules::batches::{record_of, words};
use crate::rules::log::refused_line;
use crate::store::{AfterDoubt, StoreUnderTest};

const THIRD_JOB: &str = "250927-010203";
const FOURTH_JOB: &str = "250928-010203";

/// A creation whose commit has an unknown outcome is answered as in doubt, and its intents come back in their order.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_creation_in_doubt_hands_its_intents_back(store: &dyn StoreUnderTest) -> Held {
    for asked in creations() {
        let bench = Bench::open("a_creation_in_doubt_hands_its_intents_back", store).await;
        bench.job_with(&[JOB]).await?;
        if !bench.doubt().await {
            return Ok(());
        }
        match bench.create_raw(&asked).await? {
            Err(CreateError::Indeterminate { intents, .. }) => bench.same("the intents", &intents, &asked)?,
            other => return bench.broken(format!("a creation in doubt was answered: {other:?}")),
        }
    }
    Ok(())
}

/// A change whose commit has an unknown outcome is answered as in doubt: not as made, not as refused, not as left undone.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_change_in_doubt_is_neither_made_nor_refused(store: &dyn StoreUnderTest) -> Held {
    for asked in changes() {
        let bench = Bench::open("a_change_in_doubt_is_neither_made_nor_refused", store).await;
        bench.job_with(&[JOB, ACME]).await?;
        if !bench.doubt().await {
            return Ok(());
        }
        let answer = bench.change_raw(asked).await;
        bench.holds(matches!(answer, Err(ChangeError::Indeterminate { .. })), || {
            format!("a change in doubt was answered: {answer:?}")
        })?;
    }
    Ok(())
}

/// A refusal is answered only when its line is durable, so one whose commit has an unknown outcome is in doubt as well.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_refusal_in_doubt_is_not_answered(store: &dyn StoreUnderTest) -> Held {
    const NAME: &str = "a_refusal_in_doubt_is_not_answered";
    let delta = add("items", "1", None);
    for refused in [request(ZEN, 1, delta.clone()), expecting(request(ACME, 1, delta), 9)] {
        let bench = Bench::open(NAME, store).await;
        bench.job_with(&[JOB, ACME]).await?;
        if !bench.doubt().await {
            return Ok(());
        }
        let answer = bench.change_raw(refused).await;
        bench.holds(matches!(answer, Err(ChangeError::Indeterminate { .. })), || {
            format!("a refusal in doubt was answered: {answer:?}")
        })?;
    }
    let bench = Bench::open(NAME, store).await;
    bench.job_with(&[JOB, ACME]).await?;
    let _done = bench.doubt().await;
    let answer = bench.create_raw(&[intent(ACME, "attempt-2")]).await?;
    bench.holds(matches!(answer, Err(CreateError::Indeterminate { .. })), || {
        format!("a conflict in doubt was answered: {answer:?}")
    })?;
    let bench = Bench::open(NAME, store).await;
    bench.job_with(&[JOB]).await?;
    let _done = bench.doubt().await;
    let answer = bench.store.log.record(refused_line("not on the list")).await;
    bench.holds(answer.is_err(), || "a line in doubt was answered as kept".to_owned())
}

/// After a commit of unknown outcome a store that has to be looked through writes nothing more until it is opened again; what is asked for
/// meanwhile is not done.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_store_in_doubt_takes_no_writes_until_it_is_reopened(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_store_in_doubt_takes_no_writes_until_it_is_reopened", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    if bench.after_doubt().await == AfterDoubt::GoesOn || !bench.doubt().await {
        return Ok(());
    }
    let _in_doubt = bench.create_raw(&[intent(ZEN, "attempt-1")]).await?;
    for _ in 0..2 {
        let created = bench.create_raw(&[intent(OTHER_JOB, "attempt-1")]).await?;
        bench.holds(matches!(created, Err(CreateError::Unavailable(_))), || {
            format!("a creation after a commit in doubt: {created:?}")
        })?;
        let changed = bench.change_raw(request(ACME, 1, add("items", "1", None))).await;
        bench.holds(matches!(changed, Err(ChangeError::Unavailable(_))), || {
            format!("a change after a commit in doubt: {changed:?}")
        })?;
        let kept = bench.store.log.record(refused_line("not on the list")).await;
        bench.holds(kept.is_err(), || "a line was kept after a commit in doubt".to_owned())?;
    }
    let Ok(bench) = bench.reopen().await else {
        return Ok(());
    };
    bench.same(
        "the version of what was not changed",
        &bench.record(ACME).await?.version(),
        &1,
    )?;
    bench.created(intent(OTHER_JOB, "attempt-1")).await?;
    bench.applied(request(ACME, 1, add("items", "1", None))).await?;
    bench.keep(refused_line("not on the list")).await?;
    let lines = bench.lines().await?;
    let refused = lines.iter().filter(|line| line.line.verdict.is_refused()).count();
    bench.same("the lines that were kept", &refused, &1)
}

/// A store that goes on after a commit of unknown outcome answers nothing as done while it cannot know; when it can, what
/// was in doubt is settled by a retry, what was called unavailable was not done, and everything goes on.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_store_that_outlives_a_doubt_knows_again(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_store_that_outlives_a_doubt_knows_again", store).await;
    bench.job_with(&[JOB, ACME]).await?;
    if bench.after_doubt().await == AfterDoubt::Stops || !bench.doubt().await {
        return Ok(());
    }
    let asked = [intent(ZEN, "attempt-1")];
    let _in_doubt = bench.create_raw(&asked).await?;
    let other = bench.create_raw(&[intent(OTHER_JOB, "attempt-1")]).await?;
    let was_not_done = match other {
        Err(CreateError::Unavailable(_)) => true,
        Err(CreateError::Indeterminate { .. }) => false,
        Ok(outcomes) => return bench.broken(format!("a creation while a commit is in doubt: {outcomes:?}")),
    };
    bench.holds(bench.recover().await, || {
        "a store that goes on after a doubt must be able to know again".to_owned()
    })?;
    is_created_once(&bench, &asked).await?;
    if was_not_done {
        bench.created(intent(OTHER_JOB, "attempt-2")).await?;
    }
    bench.applied(request(ACME, 1, add("items", "1", None))).await?;
    bench.keep(refused_line("not on the list")).await
}

/// What may have been written by a commit of unknown outcome is never said to be not there: opened again, the store may
/// hold it.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_store_in_doubt_never_says_not_there(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_store_in_doubt_never_says_not_there", store).await;
    bench.job_with(&[JOB]).await?;
    if !bench.doubt().await {
        return Ok(());
    }
    let start = minted(OTHER_JOB, "attempt-9");
    let _in_doubt = bench.create_raw(std::slice::from_ref(&start)).await?;
    let reader = &bench.store.reader;
    let told = [
        ("get", reader.get(&start.key).await),
        ("find_minted", reader.find_minted(&start.source, &start.attempt).await),
    ];
    for (what, answer) in told {
        bench.holds(!matches!(answer, Ok(None)), || {
            format!("{what} says that a record in doubt is not there")
        })?;
    }
    let summary = reader.summary(start.key.run()).await;
    bench.holds(!matches!(summary, Ok(None)), || {
        "summary says that a run in doubt is not there".to_owned()
    })
}

/// Whatever was in doubt is sent again after the store is opened again, and is then done exactly once.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn what_was_in_doubt_is_settled_by_a_retry(store: &dyn StoreUnderTest) -> Held {
    const NAME: &str = "what_was_in_doubt_is_settled_by_a_retry";
    for asked in creations() {
        let bench = Bench::open(NAME, store).await;
        bench.job_with(&[JOB]).await?;
        if !bench.doubt().await {
            return Ok(());
        }
        let _in_doubt = bench.create_raw(&asked).await?;
        let Ok(bench) = bench.reopen().await else {
            return Ok(());
        };
        let again: Vec<_> = asked.into_iter().map(authorised_again).collect();
        is_created_once(&bench, &again).await?;
        let records = bench.everything().await?.records;
        bench.same("the number of records", &records.len(), &(1 + again.len()))?;
    }
    for asked in changes() {
        let bench = Bench::open(NAME, store).await;
        bench.job_with(&[JOB, ACME]).await?;
        let _done = bench.doubt().await;
        let _in_doubt = bench.change_raw(asked.clone()).await;
        let Ok(bench) = bench.reopen().await else {
            return Ok(());
        };
        is_changed_once(&bench, &asked).await?;
    }
    Ok(())
}

/// Sends a creation again, about which nobody knows whether it took place: all of it did, or nothing.
pub(crate) async fn is_created_once(bench: &Bench, asked: &[CreationIntent]) -> Held {
    let outcomes = bench.create(asked).await?;
    let found = words(&outcomes);
    let whole = [vec!["created"; asked.len()], vec!["replayed"; asked.len()]];
    bench.holds(whole.contains(&found), || {
        format!("a creation that was or was not made, sent again, was made in part: {found:?}")
    })?;
    let again = bench.create(asked).await?;
    bench.same("the creation once more", &words(&again), &vec!["replayed"; asked.len()])?;
    for outcome in outcomes.iter().filter_map(record_of) {
        let key = outcome.key();
        let lines = bench.lines().await?;
        let created = lines.iter().map(|line| &line.line).filter(|line| {
            line.verdict == Verdict::Created
                && line.subject.run == key.run().as_str()
                && line.subject.client == key.client().map_or("", |client| client.as_str())
        });
        bench.same(&format!("the lines of the creation of {key}"), &created.count(), &1)?;
    }
    Ok(())
}

/// Sends a change again, about which nobody knows whether it took place: it is there once, with one line.
pub(crate) async fn is_changed_once(bench: &Bench, asked: &ChangeRequest) -> Held {
    let answer = bench.change(asked.clone()).await?;
    let record = match answer {
        Ok(Changed::Applied { record, .. } | Changed::Unchanged(record)) => record,
        Err(error) => return bench.broken(format!("a change that was or was not made, sent again: {error}")),
    };
    bench.same("the version after one change", &record.version(), &2)?;
    bench.same("the change once more", &bench.unchanged(asked.clone()).await?, &record)?;
    let of_run = bench.records_of(record.key().run().as_str()).await?;
    let versions: u64 = of_run.iter().map(|record| record.version()).sum();
    let lines = bench.lines().await?;
    let accepted = lines.iter().map(|line| &line.line).filter(|line| {
        matches!(line.verdict, Verdict::Created | Verdict::Changed) && line.subject.run == record.key().run().as_str()
    });
    bench.same(
        "the accepted lines, and the versions",
        &(accepted.count() as u64),
        &versions,
    )?;
    let open = of_run.iter().filter(|record| record.status().is_open()).count();
    bench.holds(record.status().is_open() || open == 0, || {
        format!("{} has ended beside {open} open clients", record.key())
    })
}

/// Creations under the job of the rules: one record, a batch in no order of its keys, a run that the ledger names.
fn creations() -> [Vec<CreationIntent>; 3] {
    let batch = vec![
        intent(ZEN, "attempt-1").with_content(noted("first")),
        intent(OTHER_JOB, "attempt-3"),
        intent(ACME, "attempt-2"),
    ];
    [
        vec![intent(ACME, "attempt-1")],
        batch,
        vec![minted(THIRD_JOB, "attempt-1")],
    ]
}

/// The intent as it is sent again: for a run that the ledger names it proposes another id by then.
fn authorised_again(intent: CreationIntent) -> CreationIntent {
    let key = if intent.minted { key(FOURTH_JOB) } else { intent.key };
    CreationIntent { key, ..intent }
}

/// A change of a client, and one that ends the job with its clients.
fn changes() -> [ChangeRequest; 2] {
    [
        request(ACME, 1, add("items", "2", Some("update-1"))),
        request(JOB, 1, complete_and_close(Outcome::Succeeded)),
    ]
}
