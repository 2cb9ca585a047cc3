//! The suite is tested here: on a right store, which it must pass, and on stores with one flaw each, which it must not.
//!
//! A rule that no wrong store breaks would prove nothing, so every rule has one that it alone is named for.

mod changing;
mod creating;
mod flaws;
mod logging;
mod reading;
mod store;
mod texts;

use std::collections::BTreeSet;

use runledger_contract::{RULES, Violation, run_all};

use crate::flaws::{FLAWS, Flaw};
use crate::store::OpenWrongStore;

fn violations_of(flaw: Flaw) -> Vec<Violation> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async move { run_all(&move || async move { OpenWrongStore::new(flaw) }).await })
}

#[test]
fn a_store_without_a_flaw_breaks_no_rule() {
    assert_eq!(violations_of(Flaw::None), []);
}

#[test]
fn each_flaw_is_noticed_by_its_rule() {
    let mut unnoticed = Vec::new();
    for (flaw, rule) in FLAWS {
        let broken: Vec<_> = violations_of(*flaw).iter().map(|violation| violation.rule).collect();
        if !broken.contains(rule) {
            unnoticed.push(format!("{flaw:?} must break {rule}, but breaks {broken:?}"));
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

#[test]
fn each_rule_has_a_flaw_that_it_notices() {
    let noticed: BTreeSet<_> = FLAWS.iter().map(|(_, rule)| *rule).collect();
    let rules: BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(noticed, rules);
}
