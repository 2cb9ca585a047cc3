//! The two tasks that take long and are no part of CI: benchmarks and the long verification.

use crate::{
    test,
    workspace::{self, cargo, run},
};
use anyhow::{Result, bail};

/// The crate that `bench` runs.
const BENCH: &str = "runledger-bench";

/// The crates whose tests search: more cases find more.
const VERIFIED: &[&str] = &[
    "runledger-app",
    "runledger-contract",
    "runledger-memory",
    "runledger-embedded",
    "runledger-projection-tests",
    "runledger-tests",
];

/// The test of the fail-over.
const FAIL_OVER_TEST: &str = "fail_over::nothing_acknowledged_is_lost_when_the_primary_is";
/// By this variable it is told which database servers to set up, and by the next one how often to kill the primary.
const FAIL_OVER_CLUSTER: &str = "RUNLEDGER_FAIL_OVER_CLUSTER";
const FAIL_OVER_KILLS: &str = "RUNLEDGER_FAIL_OVER_KILLS";
/// What it does in the long verification.
const FAIL_OVER_KILLS_LONG: u32 = 20;

/// The database servers of which one is killed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cluster {
    /// Two, and whoever tests makes the other one the primary.
    Pair,
    /// Three under Patroni, which does it by itself.
    Patroni,
}

/// `cargo xtask bench`.
pub(crate) fn bench(arguments: &[String]) -> Result<()> {
    if !workspace::metadata()?
        .packages
        .iter()
        .any(|package| package.source.is_none() && package.name == BENCH)
    {
        bail!("the workspace has no crate {BENCH}, so there is nothing to measure yet: add it first");
    }
    run(
        cargo()
            .args(["run", "--release", "--locked", "--package", BENCH, "--"])
            .args(arguments),
        "see what the benchmark printed",
    )
}

/// `cargo xtask verify`: the tests in release, told by `RUNLEDGER_VERIFY=long` to search for long.
pub(crate) fn verify(cases: Option<u32>) -> Result<()> {
    let mut command = cargo();
    command.args(["test", "--release", "--all-features", "--locked", "--no-fail-fast"]);
    for package in VERIFIED {
        command.args(["--package", package]);
    }
    command.env("RUNLEDGER_VERIFY", "long");
    command.env(FAIL_OVER_KILLS, FAIL_OVER_KILLS_LONG.to_string());
    if let Some(cases) = cases {
        command.env("PROPTEST_CASES", cases.to_string());
    }
    let counts = test::count(&mut command)?;
    println!("\n{counts}");
    counts.verdict()
}

/// `cargo xtask verify failover` and `cargo xtask ha`: the test of the fail-over alone, with its report. It waits for
/// databases; a build in release would not be worth its time.
pub(crate) fn fail_over(cluster: Cluster, kills: u32) -> Result<()> {
    let mut command = cargo();
    command.args(["test", "--all-features", "--locked"]);
    command.args(["--package", "runledger-tests", "--test", "end_to_end"]);
    command.args(["--", "--nocapture", "--exact", FAIL_OVER_TEST]);
    let cluster = match cluster {
        Cluster::Pair => "pair",
        Cluster::Patroni => "patroni",
    };
    command.env(FAIL_OVER_CLUSTER, cluster);
    command.env(FAIL_OVER_KILLS, kills.to_string());
    test::count(&mut command)?.verdict()
}
