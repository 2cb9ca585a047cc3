//! Random histories: sequences of all operations, allowed and not, played on a store and on a small model beside it.
//!
//! After every step the whole store must equal the model: keys in the order of creation, versions, statuses, metrics,
//! summaries, what is stalled, and one line for each attempt. The model must share no code with the domain that stores
//! call: it has its own list of who may create, its own transitions and its own sums.

mod model;
mod operations;
mod play;

use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use crate::rules::{Held, runtime};
use crate::store::StoreUnderTest;
use crate::violation::Violation;

/// The name under which a [`Violation`] reports a history that a store and the model tell differently.
pub const HISTORIES: &str = "random_histories_follow_the_model";

/// How many histories proptest plays when nobody says.
const CASES_OF_PROPTEST: u32 = 256;

/// Plays random histories on fresh stores, and gives the smallest one found that goes wrong.
///
/// `PROPTEST_CASES` says how many histories, if it is set; else `histories`; else proptest's own number (256). Runs on
/// a runtime of its own, so it must not be called from async code.
///
/// # Errors
/// [`Violation`] with the smallest history on which the store and the model differ.
pub fn check_histories(store: &dyn StoreUnderTest, histories: Option<u32>) -> Held {
    let defaults = Config::default();
    let cases = match histories {
        // Proptest itself reads the variable; a number other than its own default is what it was told.
        Some(histories) if defaults.cases == CASES_OF_PROPTEST => histories,
        _ => defaults.cases,
    };
    let mut runner = TestRunner::new(Config {
        cases,
        // The smallest history is reported whole; there is no source file to keep its seed beside.
        failure_persistence: None,
        ..defaults
    });
    let runtime = runtime();
    let outcome = runner.run(&operations::history(), |history| {
        runtime
            .block_on(play::play(store, &history))
            .map_err(|violation| TestCaseError::fail(violation.detail))
    });
    outcome.map_err(|error| Violation {
        rule: HISTORIES,
        detail: match error {
            TestError::Fail(reason, history) => format!("{reason}\nthe smallest history: {history:#?}"),
            TestError::Abort(reason) => format!("given up: {reason}"),
        },
    })
}

/// Plays random histories: the body of the last test that
/// [`store_contract_tests!`](crate::store_contract_tests) makes.
///
/// # Panics
/// When the store and the model differ.
#[track_caller]
pub fn assert_histories(store: &dyn StoreUnderTest, histories: Option<u32>) {
    if let Err(violation) = check_histories(store, histories) {
        panic!("{violation}");
    }
}
