//! The suite is tested here: on a right store, which it must pass, and on stores with one flaw each, which it must not.
//!
//! A rule that no wrong store breaks would prove nothing, so every rule has a flaw that it is named for.

mod changing;
mod creating;
mod dead;
mod deliveries;
mod doubting;
mod flaws;
mod leases;
mod logging;
mod moving;
mod outbox;
mod quotas;
mod reading;
mod store;
mod texts;
mod tokens;

use std::collections::BTreeSet;
use std::thread;

use runledger_contract::{RULES, Violation, check_histories, run_all};

use crate::dead::DeadStore;
use crate::flaws::{FLAWS, Flaw, MET_BY_HISTORIES, RIGHT};
use crate::store::OpenWrongStore;

/// How many histories are played until a flaw must have been met.
const HISTORIES_MAX: u32 = 4_000;

fn violations_of(flaw: Flaw) -> Vec<Violation> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async move { run_all(&move || async move { OpenWrongStore::new(flaw) }).await })
}

/// Checks each of many flaws, on a few threads, and gives the complaints.
fn complaints<T: Copy + Send + Sync>(flaws: &[T], check: fn(T) -> Option<String>) -> Vec<String> {
    const THREADS: usize = 4;
    let share = flaws.len().div_ceil(THREADS);
    thread::scope(|scope| {
        let threads: Vec<_> = flaws
            .chunks(share)
            .map(|flaws| scope.spawn(move || flaws.iter().filter_map(|flaw| check(*flaw)).collect::<Vec<_>>()))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("no panic"))
            .collect()
    })
}

#[test]
fn a_store_without_a_flaw_breaks_no_rule() {
    for right in RIGHT {
        assert_eq!(violations_of(*right), [], "{right:?}");
    }
}

#[test]
fn each_flaw_is_noticed_by_its_rule() {
    let complaints = complaints(FLAWS, |(flaw, rule)| {
        let broken: Vec<_> = violations_of(flaw).iter().map(|violation| violation.rule).collect();
        (!broken.contains(&rule)).then(|| format!("{flaw:?} must break {rule}, but breaks {broken:?}"))
    });
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn each_rule_has_a_flaw_that_it_notices() {
    let noticed: BTreeSet<_> = FLAWS.iter().map(|(_, rule)| *rule).collect();
    let rules: BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(noticed, rules);
}

/// No rule is kept by a store that does nothing, and each violation names its own rule.
#[test]
fn a_store_that_never_answers_breaks_every_rule() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let violations = runtime.block_on(run_all(&|| async { DeadStore }));
    let broken: Vec<_> = violations.iter().map(|violation| violation.rule).collect();
    let rules: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(broken, rules);
}

#[test]
fn random_histories_of_a_store_without_a_flaw_follow_the_model() {
    assert_eq!(
        check_histories(&|| async { OpenWrongStore::new(Flaw::None) }, None),
        Ok(())
    );
}

/// Far more histories than are needed to meet each flaw, so that chance plays no part; the first that meets it ends it.
#[test]
fn random_histories_meet_flaws_that_need_no_race() {
    let complaints = complaints(MET_BY_HISTORIES, |flaw| {
        let met = check_histories(&move || async move { OpenWrongStore::new(flaw) }, Some(HISTORIES_MAX));
        met.is_ok().then(|| format!("no history met {flaw:?}"))
    });
    assert!(complaints.is_empty(), "{complaints:#?}");
}
