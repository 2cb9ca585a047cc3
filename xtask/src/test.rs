//! Runs the tests and adds up what every test program reports, so that the end of a long output is one plain line.
//!
//! It is cargo's own runner, with doctests: whatever has cargo can run it, and compile-fail tests find their toolchain.

use crate::workspace;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::{
    collections::BTreeSet,
    fmt,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};

/// What `cargo xtask test` runs.
#[derive(Args, Debug, Default)]
pub(crate) struct Options {
    /// Only this crate; may be repeated. Without it, the whole workspace.
    #[arg(short, long)]
    package: Vec<String>,
    /// Handed to the test programs: a filter, for example.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// The sum over all test programs of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// Did cargo end with success?
    cargo_succeeded: bool,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl Counts {
    /// Adds a line of a test program's output, if it is the one that sums it up.
    fn add(&mut self, line: &str) {
        let Some((_, sums)) = line
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for sum in sums.split(';') {
            let mut words = sum.split_whitespace();
            let (Some(Ok(count)), Some(what)) = (words.next().map(str::parse::<u64>), words.next()) else {
                continue;
            };
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }

    /// Was this a run to rely on?
    ///
    /// # Errors
    /// When a test failed, a program did not come to its end, a test was left out, or none ran.
    pub(crate) fn verdict(&self) -> Result<()> {
        if self.failed > 0 {
            bail!(
                "failed tests: {}; look above for `failures:`, then run one with `cargo test -p CRATE NAME`",
                self.failed
            );
        }
        if !self.cargo_succeeded {
            bail!(
                "cargo test failed without a failed test: something did not compile or a test program crashed; see above"
            );
        }
        if self.ignored > 0 {
            bail!(
                "ignored tests: {}; make them run, or remove them (documentation: use `text` or `no_run`)",
                self.ignored
            );
        }
        if self.passed == 0 {
            bail!("no test ran: check the package and the filter");
        }
        Ok(())
    }
}

/// `cargo xtask test`.
pub(crate) fn run(options: &Options) -> Result<()> {
    let counts = count(&mut command(options))?;
    println!("\n{counts}");
    counts.verdict()
}

/// The tests of the whole workspace, summed up, and the paths of those that passed.
pub(crate) fn observe_all() -> Result<(Counts, BTreeSet<String>)> {
    observe(&mut command(&Options::default()))
}

/// Runs `cargo test`, shows its output as it comes and adds it up.
///
/// # Errors
/// When cargo cannot be started or its output not be read. Tests that fail are in the counts.
pub(crate) fn count(command: &mut Command) -> Result<Counts> {
    observe(command).map(|(counts, _)| counts)
}

/// The same, with the paths of the tests that passed.
///
/// # Errors
/// When cargo cannot be started or its output not be read.
pub(crate) fn observe(command: &mut Command) -> Result<(Counts, BTreeSet<String>)> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .context("could not start cargo: is the Rust toolchain in the path?")?;
    let mut output = BufReader::new(child.stdout.take().context("the output of cargo is not to be had")?);
    let mut counts = Counts::default();
    let mut passed = BTreeSet::new();
    let mut line = Vec::new();
    while output
        .read_until(b'\n', &mut line)
        .context("could not read what cargo prints")?
        > 0
    {
        let mut shown = std::io::stdout().lock();
        shown
            .write_all(&line)
            .and_then(|()| shown.flush())
            .context("could not print")?;
        let text = String::from_utf8_lossy(&line);
        counts.add(&text);
        passed.extend(passed_test(&text).map(String::from));
        line.clear();
    }
    counts.cargo_succeeded = child.wait().context("could not wait for cargo")?.success();
    Ok((counts, passed))
}

/// The path of the test that this line says has passed.
fn passed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.trim_end().strip_suffix(" ... ok")
}

fn command(options: &Options) -> Command {
    let mut command = workspace::cargo();
    command.args(["test", "--all-features", "--locked", "--no-fail-fast"]);
    if options.package.is_empty() {
        command.arg("--workspace");
    }
    for package in &options.package {
        command.args(["--package", package]);
    }
    if !options.arguments.is_empty() {
        command.arg("--").args(&options.arguments);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], cargo_succeeded: bool, sum: &str, complaint: Option<&str>) {
        let mut counts = Counts {
            cargo_succeeded,
            ..Counts::default()
        };
        for line in lines {
            counts.add(line);
        }
        assert_eq!(counts.to_string(), sum);
        let verdict = counts.verdict().err().map(|error| error.to_string());
        match complaint {
            None => assert_eq!(verdict, None),
            Some(complaint) => assert!(
                verdict.as_deref().is_some_and(|verdict| verdict.contains(complaint)),
                "{verdict:?}"
            ),
        }
    }

    const GOOD: &str =
        "test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 0.01s\n";
    const BAD: &str =
        "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
    const IGNORED: &str =
        "test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";

    #[test]
    fn results_are_added_up() {
        check(&["running 5 tests", GOOD, "", GOOD], true, "10 passed, 0 failed", None);
        check(&[GOOD, BAD], false, "8 passed, 2 failed", Some("failed tests: 2"));
        check(
            &[GOOD, "  test result: ok. 9 passed; 0 failed"],
            true,
            "5 passed, 0 failed",
            None,
        );
    }

    #[test]
    fn a_test_that_passed_is_known_by_its_path() {
        assert_eq!(passed_test("test a::b ... ok\n"), Some("a::b"));
        for line in ["test a::b ... FAILED\n", "test result: ok. 5 passed\n", "a ... ok\n"] {
            assert_eq!(passed_test(line), None, "{line}");
        }
    }

    #[test]
    fn a_run_that_proves_nothing_is_refused() {
        check(
            &[GOOD],
            false,
            "5 passed, 0 failed",
            Some("did not compile or a test program crashed"),
        );
        check(&[], true, "0 passed, 0 failed", Some("no test ran"));
        check(&[IGNORED], true, "1 passed, 0 failed", Some("ignored tests: 1"));
    }
}
