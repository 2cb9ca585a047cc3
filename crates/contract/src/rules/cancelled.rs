//! Rules about callers who go away: a call that is dropped half way is done as a whole or not at all (I2, I8, I10).

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use runledger_domain::Outcome;

use crate::bench::Bench;
use crate::fixture::{add, complete_and_close, intent, noted, request};
use crate::rules::Held;
use crate::rules::doubt::{is_changed_once, is_created_once};
use crate::rules::races::race;
use crate::store::StoreUnderTest;

/// How many callers go away at the same moment: so many that some of them wait for others.
const CALLERS: usize = 16;
/// A caller goes away after the first answer "not yet", or after the second, and so on up to this one.
const PATIENCE_MAX: usize = 4;

/// A batch whose caller went away was created as a whole or not at all; a retry settles it.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_creation_whose_caller_went_away_is_whole_or_nothing(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_creation_whose_caller_went_away_is_whole_or_nothing", store).await;
    let callers = bench.clone();
    let batches = race(CALLERS, move |number| {
        let bench = callers.clone();
        async move {
            let job = format!("250925-2318{number:02}");
            let batch = vec![
                intent(&job, "attempt-1"),
                intent(&format!("{job}-acme"), "attempt-1").with_content(noted("first")),
                intent(&format!("{job}-zen"), "attempt-1"),
            ];
            // Busy is an answer as well: then nothing was done.
            let _answer = gone_after(number % PATIENCE_MAX, bench.create_raw(&batch)).await;
            batch
        }
    });
    for batch in batches.await {
        is_created_once(&bench, &batch).await?;
    }
    let records = bench.everything().await?.records;
    bench.same("the number of records", &records.len(), &(3 * CALLERS))
}

/// A change whose caller went away was made as a whole or not at all; a retry settles it, and counts nothing twice.
///
/// # Errors
/// [`Violation`](crate::Violation) when the store breaks the rule.
pub async fn a_change_whose_caller_went_away_is_whole_or_nothing(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_change_whose_caller_went_away_is_whole_or_nothing", store).await;
    for number in 0..CALLERS {
        let job = format!("250925-2318{number:02}");
        bench
            .job_with(&[&job, &format!("{job}-acme"), &format!("{job}-zen")])
            .await?;
    }
    let callers = bench.clone();
    let changes = race(CALLERS, move |number| {
        let bench = callers.clone();
        async move {
            let job = format!("250925-2318{number:02}");
            let change = if number < CALLERS / 2 {
                request(&format!("{job}-acme"), 1, add("items", "2", Some("update-1")))
            } else {
                request(&job, 1, complete_and_close(Outcome::Failed))
            };
            let _answer = gone_after(number % PATIENCE_MAX, bench.change_raw(change.clone())).await;
            change
        }
    });
    for change in changes.await {
        is_changed_once(&bench, &change).await?;
    }
    Ok(())
}

/// Waits for the answer as often as `patience` says, then drops the call.
async fn gone_after<T>(patience: usize, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    let mut waited = 0;
    poll_fn(|context| match call.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending if waited >= patience => Poll::Ready(None),
        Poll::Pending => {
            waited += 1;
            Poll::Pending
        }
    })
    .await
}
