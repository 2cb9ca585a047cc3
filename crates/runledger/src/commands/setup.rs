//! The commands around the ledger: `verify`, `completions`, `man`, `openapi`, `problems`.

use std::fs;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;
use runledger_embedded::EmbeddedStore;
use serde_json::json;

use super::Context;
use crate::cli::Cli;
use crate::connect::expect_ledger;
use crate::failure::{Exit, Failure, Outcome};
use crate::ledger::{failure_of, is_shared};

/// Checks the whole ledger. It reads only, beside whoever holds it.
///
/// # Errors
/// Something is wrong with the ledger, or it cannot be read.
pub(crate) async fn verify(context: &Context<'_>) -> Outcome {
    if is_shared(context.settings) {
        return super::db::verify(context).await;
    }
    let data = &context.settings.data;
    expect_ledger(context.settings)?;
    let store = EmbeddedStore::open_read_only(data).map_err(|error| failure_of(&error))?;
    let report = store.verify().await.map_err(Failure::unavailable)?;
    let output = context.output;
    if output.is_json() {
        let findings: Vec<_> = report
            .findings
            .iter()
            .map(|finding| json!({"subject": finding.subject, "problem": finding.problem}))
            .collect();
        output.value(&json!({
            "clean": report.is_clean(),
            "records": report.records,
            "lines": report.lines,
            "count": report.count,
            "findings": findings,
        }))?;
    } else {
        output.line(&format!(
            "{} records and {} lines of activity checked",
            report.records, report.lines
        ))?;
        for finding in &report.findings {
            output.line(&format!("{}: {}", finding.subject, finding.problem))?;
        }
        if report.is_clean() {
            output.line("nothing is wrong")?;
        }
    }
    if report.is_clean() {
        return Ok(());
    }
    output.flush()?;
    Err(Failure::new(
        Exit::Fault,
        format_args!(
            "{} things are wrong with the ledger in {}",
            report.count,
            data.display()
        ),
    )
    .advise("keep a copy of the data directory as it is before doing anything else"))
}

/// Writes the completion script of a shell.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn completions(context: &Context<'_>, shell: Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "runledger", &mut script);
    context.output.write(&script)
}

/// Writes the manual pages.
///
/// # Errors
/// When they cannot be written.
pub(crate) fn man(context: &Context<'_>, directory: Option<&Path>) -> Outcome {
    let Some(directory) = directory else {
        let mut page = Vec::new();
        Man::new(Cli::command()).render(&mut page)?;
        return context.output.write(&page);
    };
    fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), directory))
        .map_err(|error| {
            Failure::usage(format_args!(
                "cannot write manual pages to {}: {error}",
                directory.display()
            ))
        })
}

/// Prints the description of the HTTP API.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn openapi(context: &Context<'_>) -> Outcome {
    context.output.write(runledger_http::openapi().trim_end().as_bytes())?;
    context.output.write(b"\n")
}

/// Prints the table of problems of the HTTP API.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn problems(context: &Context<'_>) -> Outcome {
    context.output.write(runledger_http::problems().trim_end().as_bytes())?;
    context.output.write(b"\n")
}
