//! Rules about counts: what is counted is what is there.

use runledger_domain::{CreationContent, DeadlineAfter, Outcome};
use runledger_ports::Counts;

use crate::bench::Bench;
use crate::fixture::{ACME, JOB, OTHER_JOB, ZEN, at, complete, intent, request};
use crate::rules::Held;
use crate::store::StoreUnderTest;

/// The numbers of records by status, of stalled records and of lines are those that listing them gives, after every step
/// and after a restart.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn counts_are_those_of_records_and_lines(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("counts_are_those_of_records_and_lines", store).await;
    check(&bench, "an empty store").await?;
    bench.job_with(&[JOB, ACME]).await?;
    let soon = CreationContent {
        deadline_after: DeadlineAfter::from_secs(60).ok(),
        ..CreationContent::default()
    };
    bench.created(intent(ZEN, "attempt-1").with_content(soon)).await?;
    check(&bench, "after creations").await?;
    let _conflict = bench.create(&[intent(JOB, "another")]).await?;
    let _not_found = bench.change(request(OTHER_JOB, 1, complete(Outcome::Failed))).await?;
    check(&bench, "after refusals").await?;
    bench.applied(request(ACME, 2, complete(Outcome::Failed))).await?;
    bench.unchanged(request(ACME, 3, complete(Outcome::Failed))).await?;
    check(&bench, "after an end").await?;
    let bench = match bench.reopen().await {
        Ok(reopened) => {
            check(&reopened, "after a restart").await?;
            reopened
        }
        Err(same) => same,
    };
    bench.applied(request(ZEN, 100, complete(Outcome::Succeeded))).await?;
    bench.applied(request(JOB, 101, complete(Outcome::Succeeded))).await?;
    check(&bench, "after all have ended").await
}

async fn check(bench: &Bench, when: &str) -> Held {
    let everything = bench.everything().await?;
    for seconds in [0, 61, 1_000_000] {
        let before = at(seconds);
        let mut expected = Counts {
            lines: u64::try_from(everything.lines.len()).unwrap_or(u64::MAX),
            ..Counts::default()
        };
        for record in &everything.records {
            *expected.records.entry(record.status()).or_default() += 1;
            expected.stalled += u64::from(record.status().is_open() && record.deadline() < before);
        }
        let counts = bench.store.reader.counts(before).await;
        let mut counts = counts.or_else(|error| bench.broken(format!("{when}: no counts ({error})")))?;
        // "None of them" may be said or left out.
        counts.records.retain(|_, count| *count > 0);
        bench.same(when, &counts, &expected)?;
    }
    Ok(())
}
