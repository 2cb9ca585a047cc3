//! A ledger that is being taken over says so until it is whole, and takes nothing else before that (I4, I6, I17).

use runledger_domain::access::TokenChange;
use runledger_domain::{NewActivity, Verdict};
use runledger_ports::{ChangeError, CreateError, Restored, TokenStoreError, Unavailable};

use crate::bench::Bench;
use crate::fixture::{JOB, OTHER_JOB, at, intent, note, request, source};
use crate::rules::Held;
use crate::rules::deliveries::name;
use crate::rules::log::refused_line;
use crate::rules::moving::{bare, checked, head, moved, next, rich, same, snapshot, taken};
use crate::rules::tokens;
use crate::store::StoreUnderTest;

async fn unfinished(bench: &Bench) -> Held<Option<u64>> {
    match bench.store.restorer.unfinished().await {
        Ok(until) => Ok(until),
        Err(error) => bench.broken(format!("whether a healthy store is whole: {error}")),
    }
}

/// From the first part on a ledger says up to where it is being taken over, whatever smaller is said, also after a restart
/// and a crash; with the last part it is whole.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_ledger_says_until_when_it_is_not_whole(store: &dyn StoreUnderTest) -> Held {
    let rule = "a_ledger_says_until_when_it_is_not_whole";
    let (first, mut second) = (Bench::open(rule, store).await, Bench::open(rule, store).await);
    rich(&first).await?;
    second.same("a ledger of its own", &unfinished(&second).await?, &None)?;
    let mut from = snapshot(&first).await?;
    let end = from.head().seq;
    let mut parts = 0;
    while let Some(segment) = next(&first, from.as_mut(), head(&second).await?, 0).await? {
        let after = segment.to();
        // What was exported earlier ends earlier, and its last part ends nothing that is to go on.
        let until = match parts {
            0 => Some(end),
            1 => None,
            _ => Some(after.seq),
        };
        taken(&second, Restored { until, ..bare(segment) }).await?;
        second.same("up to where it goes", &unfinished(&second).await?, &Some(end))?;
        let opened = if parts % 2 == 0 {
            second.crash().await
        } else {
            second.reopen().await
        };
        second = match opened {
            Ok(second) | Err(second) => second,
        };
        second.same("the end of the log", &head(&second).await?, &after)?;
        second.same(
            "up to where it goes, opened again",
            &unfinished(&second).await?,
            &Some(end),
        )?;
        parts += 1;
    }
    let nothing_more = bare(checked(&second, from.head(), Vec::new())?);
    taken(&second, nothing_more).await?;
    second.same("a ledger that is whole", &unfinished(&second).await?, &None)
}

/// While a ledger is being taken over nobody else writes a line to it, so that the rest fits; then it goes on as any other.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_ledger_that_is_not_whole_takes_parts_alone(store: &dyn StoreUnderTest) -> Held {
    let rule = "a_ledger_that_is_not_whole_takes_parts_alone";
    let (first, second) = (Bench::open(rule, store).await, Bench::open(rule, store).await);
    rich(&first).await?;
    let mut from = snapshot(&first).await?;
    let end = from.head();
    let Some(segment) = next(&first, from.as_mut(), head(&second).await?, 0).await? else {
        return first.broken("a ledger with lines has a first part");
    };
    let part = Restored {
        tokens: vec![tokens::token(1, "billing")],
        until: Some(end.seq),
        ..bare(segment)
    };
    taken(&second, part).await?;
    let before = second.everything().await?;
    for (what, answer) in writes(&second).await? {
        second.holds(answer.is_err(), || {
            format!("{what} before the ledger is whole was taken")
        })?;
    }
    second.same("all records and lines", &second.everything().await?, &before)?;
    moved(&first, &second).await?;
    same(&first, &second).await?;
    second.applied(request(JOB, 50, note("its own"))).await?;
    Ok(())
}

/// One write of each kind that leaves a line, and whether the store said that it takes none.
async fn writes(bench: &Bench) -> Held<Vec<(&'static str, Result<(), Unavailable>)>> {
    let created = match bench.create_raw(&[intent(OTHER_JOB, "attempt-1")]).await? {
        Err(CreateError::Unavailable(why)) => Err(why),
        _ => Ok(()),
    };
    let changed = match bench.change_raw(request(JOB, 50, note("its own"))).await {
        Err(ChangeError::Unavailable(why)) => Err(why),
        _ => Ok(()),
    };
    let token = |answer: Result<(), TokenStoreError>| match answer {
        Err(TokenStoreError::Unavailable(why)) => Err(why),
        _ => Ok(()),
    };
    let (log, tokens, deliveries) = (&bench.store.log, &bench.store.tokens, &bench.store.deliveries);
    let (known, end) = (tokens::token(1, "billing"), TokenChange::Revoke { at: at(50) });
    let by = source("token_desk");
    let replayed = NewActivity {
        verdict: Verdict::Replayed,
        ..refused_line("")
    };
    Ok(vec![
        ("create", created),
        ("change", changed),
        ("record", log.record(refused_line("")).await),
        ("record of a replay", log.record(replayed).await),
        ("add_token", token(tokens.add_token(tokens::token(2, "billing")).await)),
        (
            "end_token",
            token(tokens.end_token(known.id(), end, &by, at(50)).await.map(drop)),
        ),
        (
            "enable_delivery",
            deliveries
                .enable_delivery(&name("billing"), &by, at(50))
                .await
                .map(drop),
        ),
    ])
}
