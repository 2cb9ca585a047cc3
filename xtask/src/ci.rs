//! `cargo xtask ci`: every check in turn, then the tests. A check that fails does not stop the others, so that one run
//! tells everything.

use crate::{airtable, checks, contract, failure_modes, layers, licences, node, page, python, statements, test};
use anyhow::{Result, bail};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// One line of the table.
struct Row {
    name: &'static str,
    outcome: &'static str,
    took: Duration,
}

/// A check; it answers whether it was there to run.
type Check = fn() -> Result<bool>;

const CHECKS: &[(&str, Check)] = &[
    ("fmt", || checks::fmt().map(ran)),
    ("layers", || layers::run().map(ran)),
    ("licences", || licences::run().map(ran)),
    ("statements", || statements::run().map(ran)),
    ("deny", checks::deny),
    ("clippy", || checks::clippy().map(ran)),
    ("doc", || checks::doc().map(ran)),
    ("openapi", || checks::openapi(true).map(ran)),
    ("python", || python::run_tests().map(ran)),
    ("node", || node::run_tests().map(ran)),
    ("airtable", || airtable::run_all().map(ran)),
    ("page", page::run),
    ("contract", || contract::run_all(&contract::Options::default()).map(ran)),
];

/// `cargo xtask ci`.
pub(crate) fn run() -> Result<()> {
    let mut rows: Vec<_> = CHECKS
        .iter()
        .map(|(name, check)| {
            step(name, || match check() {
                Ok(true) => "ok",
                Ok(false) => "left out",
                Err(error) => failed(name, &error),
            })
        })
        .collect();
    let mut counts = None;
    let mut passed = BTreeSet::new();
    rows.push(step("test", || {
        let observed = test::observe_all().map(|(counted, names)| {
            counts = Some(counted);
            passed = names;
            counted
        });
        match observed.and_then(|counted| counted.verdict()) {
            Ok(()) => "ok",
            Err(error) => failed("test", &error),
        }
    }));
    // It goes by the tests that ran just now.
    rows.push(step("failure-modes", || match failure_modes::check_page(&passed) {
        Ok(()) => "ok",
        Err(error) => failed("failure-modes", &error),
    }));
    print!("\n{}", table(&rows));
    if let Some(counts) = counts {
        println!("\n{counts}");
    }
    let failed: Vec<_> = rows
        .iter()
        .filter(|row| row.outcome == "FAILED")
        .map(|row| row.name)
        .collect();
    if !failed.is_empty() {
        bail!(
            "failed: {}; each also runs alone, as `cargo xtask {}`",
            failed.join(", "),
            failed[0]
        );
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a developer's table of times; no run record depends on it"
)]
fn step(name: &'static str, work: impl FnOnce() -> &'static str) -> Row {
    println!("\n=== {name}");
    let begin = Instant::now();
    let outcome = work();
    let took = begin.elapsed();
    println!("=== {name}: {outcome}, {:.1} s", took.as_secs_f64());
    Row { name, outcome, took }
}

fn failed(name: &str, error: &anyhow::Error) -> &'static str {
    eprintln!("error: {name}: {error:#}");
    "FAILED"
}

fn ran((): ()) -> bool {
    true
}

fn table(rows: &[Row]) -> String {
    let line =
        |name: &str, outcome: &str, took: Duration| format!("{name:<15}{outcome:<10}{:>8.1} s\n", took.as_secs_f64());
    let mut table: String = rows.iter().map(|row| line(row.name, row.outcome, row.took)).collect();
    table.push_str(&line("total", "", rows.iter().map(|row| row.took).sum()));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lists_every_step_and_the_total() {
        let row = |name, outcome, took| Row {
            name,
            outcome,
            took: Duration::from_millis(took),
        };
        assert_eq!(
            table(&[row("fmt", "ok", 1_500), row("test", "FAILED", 60_000)]),
            "fmt            ok             1.5 s\ntest           FAILED        60.0 s\ntotal                        61.5 s\n"
        );
    }
}
