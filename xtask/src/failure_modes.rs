//! `cargo xtask failure-modes`: what once went wrong, and the tests that show what becomes of it. Every number has a row in
//! `docs/failure-modes.md`, and every test that a row names ran and passed.

use crate::{
    test,
    workspace::{cargo, root},
};
use anyhow::{Context as _, Result, bail};
use std::{collections::BTreeSet, fs};

const PAGE: &str = "docs/failure-modes.md";
/// How many failures the list has.
const FAILURES: usize = 126;
/// What can become of a failure, and whether tests show it.
const KINDS: [(&str, bool); 4] = [
    ("*impossible by*", true),
    ("*refused with*", true),
    ("*reported by*", true),
    ("*outside because*", false),
];

/// Runs the tests that the page names, and nothing else.
pub(crate) fn run() -> Result<()> {
    let named = named()?;
    let mut command = cargo();
    command.args([
        "test",
        "--workspace",
        "--all-features",
        "--locked",
        "--no-fail-fast",
        "--",
    ]);
    let (counts, passed) = test::observe(command.args(&named))?;
    counts.verdict()?;
    check(&named, &passed)?;
    println!(
        "\nfailure-modes: {FAILURES} failures, {} tests ran and passed",
        named.len()
    );
    Ok(())
}

/// Whether the tests that the page names are among these, which ran and passed.
///
/// # Errors
/// The names that are not, or what is wrong with the page.
pub(crate) fn check_page(passed: &BTreeSet<String>) -> Result<()> {
    check(&named()?, passed)
}

/// The tests that the page names.
fn named() -> Result<BTreeSet<String>> {
    let page = fs::read_to_string(root().join(PAGE)).with_context(|| format!("could not read {PAGE}"))?;
    read(&page)
}

/// `passed` holds the paths of tests, such as `changing::an_end_is_final`; a page names them without the modules.
fn check(named: &BTreeSet<String>, passed: &BTreeSet<String>) -> Result<()> {
    let passed: BTreeSet<&str> = passed
        .iter()
        .map(|path| path.rsplit("::").next().unwrap_or(path))
        .collect();
    let missing: Vec<_> = named.iter().filter(|name| !passed.contains(name.as_str())).collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!("{PAGE} names tests that did not run, or did not pass: {missing:?}");
}

/// Reads the page: a row for each number, in their order.
fn read(page: &str) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut count = 0;
    for row in page.lines().filter_map(|line| line.strip_prefix("| F")) {
        let cells: Vec<_> = row.split(" | ").collect();
        let [number, _, becomes, tests] = cells[..] else {
            // The head of the table.
            if count == 0 {
                continue;
            }
            bail!("{PAGE}: the row `| F{row}` has other columns than F, what happened, here, tests");
        };
        if number.is_empty() {
            continue;
        }
        count += 1;
        if number.parse() != Ok(count) {
            bail!("{PAGE}: there is a row for F{number} where F{count} belongs");
        }
        let kind = KINDS.iter().find(|(kind, _)| becomes.starts_with(kind));
        let Some((_, is_shown)) = kind else {
            bail!("{PAGE}: F{number} is none of {:?}", KINDS.map(|(kind, _)| kind));
        };
        let tests: Vec<_> = tests.split('`').skip(1).step_by(2).map(String::from).collect();
        if tests.is_empty() == *is_shown {
            bail!("{PAGE}: F{number} needs a test, or is outside and has none");
        }
        names.extend(tests);
    }
    if count != FAILURES {
        bail!("{PAGE} has {count} rows; there are {FAILURES} failures");
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_failures_has_a_row_for_each_and_names_tests() {
        let names = named().expect("the page is whole");
        assert!(names.len() > 60, "{}", names.len());
    }

    #[test]
    fn a_page_with_a_gap_or_a_row_without_a_test_is_refused() {
        let row = |number: usize, becomes: &str, tests: &str| format!("| F{number} | what | {becomes} | {tests} |\n");
        let page = |change: &dyn Fn(usize) -> Option<String>| {
            let rows = (1..=FAILURES)
                .map(|number| change(number).unwrap_or_else(|| row(number, "*refused with* `x`", "`a_test`")));
            rows.fold(String::from("| F | what happened | here | tests |\n"), |page, row| {
                page + &row
            })
        };
        assert_eq!(
            read(&page(&|_| None)).expect("it is whole"),
            BTreeSet::from(["a_test".to_owned()])
        );
        for (change, complaint) in [
            ((7, String::new()), "where F7 belongs"),
            ((7, row(7, "*refused with* `x`", "")), "needs a test"),
            ((7, row(7, "*outside because* y", "`a_test`")), "needs a test"),
            ((7, row(7, "unlikely", "`a_test`")), "is none of"),
            ((FAILURES, String::new()), "125 rows"),
        ] {
            let refused = read(&page(&|number| (number == change.0).then(|| change.1.clone())));
            let refused = refused.expect_err(complaint).to_string();
            assert!(refused.contains(complaint), "{refused}");
        }
    }

    #[test]
    fn a_test_that_did_not_run_is_named() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let named = set(&["an_end_is_final", "a_test"]);
        assert!(check(&named, &set(&["a::b::an_end_is_final", "a_test"])).is_ok());
        let missing = check(&named, &set(&["a::an_end_is_final_too", "a_test"])).expect_err("one did not run");
        assert!(missing.to_string().contains("[\"an_end_is_final\"]"), "{missing}");
    }
}
