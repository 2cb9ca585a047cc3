//! Rules about single creations (I1, I2, I7).

use crate::bench::{Bench, Held};
use crate::fixture::{ACME, JOB, intent};
use crate::store::StoreUnderTest;
use crate::violation::Violation;

/// What was created is there, as it was answered, and nothing else is.
///
/// # Errors
/// [`Violation`] when the store breaks the rule.
pub async fn a_created_record_is_read_back(store: &dyn StoreUnderTest) -> Held {
    let bench = Bench::open("a_created_record_is_read_back", store).await;
    for name in [JOB, ACME] {
        let record = bench.created(intent(name, "attempt-1")).await?;
        bench.same("get after create", &bench.record(name).await?, &record)?;
        bench.same("the version of a new record", &record.version(), &1)?;
    }
    bench.only_these_were_created(&[JOB, ACME]).await?;
    Ok(())
}
