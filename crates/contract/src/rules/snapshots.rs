//! Snapshots: a ledger as it stood at one moment, while others go on writing (I8).

use std::sync::Arc;

use runledger_domain::access::TokenRecord;
use runledger_domain::{Activity, ChainHead, ClientId, RunKey, RunRecord};
use runledger_ports::{LedgerSnapshot, Unavailable};

use crate::bench::Bench;
use crate::fixture::{JOB, OTHER_JOB, note, request, text};
use crate::rules::Held;
use crate::rules::deliveries::{keep, working};
use crate::rules::moving::{rich, snapshot};
use crate::rules::tokens;
use crate::store::StoreUnderTest;

/// What a snapshot shows is of the moment when it was taken, whatever is written afterwards; records come by their keys.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_snapshot_is_of_one_moment(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_snapshot_is_of_one_moment", store).await;
    rich(&bench).await?;
    let before = bench.everything().await?;
    let mut taken = snapshot(&bench).await?;
    let first = shown(&bench, taken.as_mut()).await?;
    bench.same("the lines", &first.lines, &before.lines)?;
    let mut by_key = before.records.clone();
    by_key.sort_by_key(|record| {
        let client = record.key().client().map_or("", ClientId::as_str).to_owned();
        (record.key().run().as_str().to_owned(), client)
    });
    bench.same("the records", &first.records, &by_key)?;
    bench.job_with(&[OTHER_JOB]).await?;
    bench.applied(request(JOB, 40, note("later"))).await?;
    tokens::add(&bench, tokens::token(3, "later")).await?;
    keep(&bench, "later", working(1)).await?;
    let again = shown(&bench, taken.as_mut()).await?;
    bench.same("what it shows later", &again, &first)?;
    let keys: Vec<RunKey> = vec![text(OTHER_JOB), text(JOB)];
    let found = taken.records(&keys).await;
    let job = first
        .records
        .iter()
        .find(|record| record.key().to_string() == JOB)
        .cloned();
    bench.same("records by their keys", &found, &Ok(vec![None, job]))?;
    let now = shown(&bench, snapshot(&bench).await?.as_mut()).await?;
    bench.same(
        "the records of the next one",
        &now.records.len(),
        &(first.records.len() + 1),
    )
}

/// Everything that a snapshot shows, page by page.
#[derive(Debug, PartialEq)]
struct Shown {
    head: ChainHead,
    lines: Vec<Activity>,
    records: Vec<Arc<RunRecord>>,
    tokens: Vec<TokenRecord>,
    webhooks: usize,
}

async fn shown(bench: &Bench, snapshot: &mut dyn LedgerSnapshot) -> Held<Shown> {
    let unavailable = |error: Unavailable| format!("a snapshot of a healthy store: {error}");
    let (mut lines, mut records): (Vec<Activity>, Vec<Arc<RunRecord>>) = (Vec::new(), Vec::new());
    loop {
        let after = lines.last().map_or(0, |line| line.seq);
        match snapshot.lines(after, 4).await {
            Ok(page) if page.is_empty() => break,
            Ok(page) => lines.extend(page),
            Err(error) => return bench.broken(unavailable(error)),
        }
    }
    loop {
        let after = records.last().map(|record| record.key().clone());
        match snapshot.records_by_key(after.as_ref(), 2).await {
            Ok(page) if page.is_empty() => break,
            Ok(page) => records.extend(page),
            Err(error) => return bench.broken(unavailable(error)),
        }
    }
    match (snapshot.tokens().await, snapshot.deliveries().await) {
        (Ok(tokens), Ok(deliveries)) => Ok(Shown {
            head: snapshot.head(),
            lines,
            records,
            tokens,
            webhooks: deliveries.len(),
        }),
        (Err(error), _) | (_, Err(error)) => bench.broken(unavailable(error)),
    }
}
