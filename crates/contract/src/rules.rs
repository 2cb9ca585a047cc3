//! The rules, one function each, named after what it shows; the table of them, and how they are run.
//!
//! A rule must never accept what the `# Contract` sections of `runledger-ports` forbid, and never ask for what they
//! leave open: the order of lines within one batch's step, say, or the text of a detail.

pub mod batches;
pub mod cancelled;
pub mod changes;
pub mod counts;
pub mod crashes;
pub mod creation;
pub mod deliveries;
pub mod doubt;
pub mod due;
pub mod endings;
pub mod fences;
pub mod fidelity;
pub mod following;
pub mod leases;
pub mod lists;
pub mod log;
pub mod minted;
pub mod moving;
pub mod outbox;
pub mod projecting;
pub mod quotas;
pub mod races;
pub mod restarts;
pub mod snapshots;
pub mod stalled;
pub mod summaries;
pub mod tokens;
pub mod unknown;
pub mod whole;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::store::StoreUnderTest;
use crate::violation::Violation;

/// How long a rule may take before the store counts as one that does not answer (L1). Rules take milliseconds in
/// memory and a few seconds where every write is synced to a slow disk.
const RULE_TIME_MAX: Duration = Duration::from_mins(5);
/// The threads on which a rule's concurrent callers run.
const THREADS: usize = 4;

/// What a rule, or a step of one, comes to.
pub type Held<T = ()> = Result<T, Violation>;

/// How a rule is checked on a kind of store.
type Check = for<'a> fn(&'a dyn StoreUnderTest) -> Pin<Box<dyn Future<Output = Held> + Send + 'a>>;

/// One rule of the contract.
#[derive(Clone, Copy)]
pub struct Rule {
    /// What it says, as the name of its function.
    pub name: &'static str,
    /// The invariants that it shows, as numbered in `ARCHITECTURE.md`.
    pub invariants: &'static [&'static str],
    check: Check,
}

impl Rule {
    /// Checks the rule on fresh stores.
    ///
    /// # Errors
    /// [`Violation`] when the store breaks the rule, or does not answer.
    pub async fn check(&self, store: &dyn StoreUnderTest) -> Held {
        let silent = |_| Violation {
            rule: self.name,
            detail: format!("no answer within {} s", RULE_TIME_MAX.as_secs()),
        };
        tokio::time::timeout(RULE_TIME_MAX, (self.check)(store))
            .await
            .map_err(silent)?
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.name, self.invariants)
    }
}

/// Checks every rule and gives the violations, none for a store that keeps the contract.
///
/// Needs a Tokio runtime with several threads, or races show less.
pub async fn run_all(store: &dyn StoreUnderTest) -> Vec<Violation> {
    let mut violations = Vec::new();
    for rule in RULES {
        violations.extend(rule.check(store).await.err());
    }
    violations
}

/// Checks one rule on a runtime of its own: the body of the tests that [`store_contract_tests!`] makes.
///
/// # Panics
/// When the store breaks the rule, or there is no rule of that name.
#[track_caller]
pub fn assert_rule(store: &dyn StoreUnderTest, name: &str) {
    let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
        panic!("there is no rule {name}");
    };
    if let Err(violation) = runtime().block_on(rule.check(store)) {
        panic!("{violation}");
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .expect("a test machine has threads for a runtime")
}

/// Makes the table of rules from the list.
macro_rules! table {
    ([] $($rule:ident in $module:ident $invariants:tt;)*) => {
        /// Every rule of the contract.
        pub const RULES: &[Rule] = &[
            $(Rule {
                name: stringify!($rule),
                invariants: &$invariants,
                check: |store| Box::pin(crate::rules::$module::$rule(store)),
            },)*
        ];
    };
}

each_rule_of_the_contract!([table]);
