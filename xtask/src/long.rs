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
    "runledger-contract",
    "runledger-memory",
    "runledger-embedded",
    "runledger-tests",
];

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
    if let Some(cases) = cases {
        command.env("PROPTEST_CASES", cases.to_string());
    }
    let counts = test::count(&mut command)?;
    println!("\n{counts}");
    counts.verdict()
}
