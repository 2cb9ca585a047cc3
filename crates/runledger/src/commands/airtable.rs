//! `airtable`: how far records are shown there, and the way back. Requests of the API like any other.

use axum::http::Method;
use serde::Deserialize;

use super::target::Target;
use super::{Context, OPERATOR, SOURCE, tables};
use crate::cli::AirtableCommand;
use crate::connect::Need;
use crate::failure::{Failure, Outcome};
use crate::output::Table;
use crate::transport::{Answer, Request, Transport};
use crate::view::short;

/// Shows how it goes, and lets rows or all of it go on.
///
/// # Errors
/// What the API refuses.
pub(crate) async fn airtable(context: &Context<'_>, command: &AirtableCommand) -> Outcome {
    match command {
        AirtableCommand::Status => status(context).await,
        AirtableCommand::Tables(command) => tables::tables(context, command).await,
        AirtableCommand::Retry { key, .. } => {
            let request = match key {
                None => Request::new(Method::POST, &["projection", "retry"])?,
                Some(run) => Target::new(run, None).request(Method::POST, &["retry-row"])?,
            };
            let answer = ask(context, request).await?;
            if context.output.is_json() {
                return context.output.json(&answer.text());
            }
            let retried: RetriedView = answer.read()?;
            context.output.line(&match retried.rows {
                0 => "nothing was set aside".to_owned(),
                rows => format!("{rows} rows that were set aside are tried again"),
            })
        }
        AirtableCommand::Resume => {
            let answer = ask(context, Request::new(Method::POST, &["projection", "resume"])?).await?;
            if context.output.is_json() {
                return context.output.json(&answer.text());
            }
            let resumed: ResumedView = answer.read()?;
            context.output.line(if resumed.was_stopped {
                "records are shown again"
            } else {
                "it was not stopped"
            })
        }
    }
}

async fn status(context: &Context<'_>) -> Outcome {
    let answer = ask(context, Request::get(&["projection"])?).await?;
    if context.output.is_json() {
        return context.output.json(&answer.text());
    }
    let view: ProjectionView = answer.read()?;
    let output = context.output;
    output.line(&format!(
        "{}: {}",
        view.status,
        view.target.as_deref().unwrap_or("nothing was shown yet")
    ))?;
    if let Some(reason) = &view.reason {
        output.line(&format!("because {reason}"))?;
    }
    if let Some(until) = &view.until {
        output.line(&format!("it goes on by itself at {}", short(until)))?;
    }
    output.line(&format!(
        "log read to line {}, {} behind; the oldest row that waits is {} s late",
        view.position, view.lag_lines, view.late_seconds
    ))?;
    output.line(&format!(
        "rows: {} waiting, {} under way, {} in doubt, {} set aside",
        view.waiting, view.sending, view.in_doubt, view.set_aside
    ))?;
    output.line(&format!(
        "this server: {} requests, {} of them too many; {} rows made, {} changed",
        view.requests, view.too_many_requests, view.rows_made, view.rows_changed
    ))?;
    if view.rows_set_aside.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["RUN", "CLIENT", "SET ASIDE", "REASON"], "");
    for row in view.rows_set_aside {
        table.row([
            row.run_id,
            row.client_id.unwrap_or_else(|| "-".into()),
            row.since.as_deref().map_or_else(|| "-".into(), short),
            row.reason,
        ]);
    }
    output.line(&table.text())
}

async fn ask(context: &Context<'_>, request: Request) -> Outcome<Answer> {
    let request = request.header(SOURCE, Some(context.source.unwrap_or(OPERATOR)))?;
    let connection = context.connect(Need::Exists).await?;
    connection
        .transport
        .request(&request)
        .await
        .map_err(|failure: Failure| {
            let is_alone = !matches!(connection.transport, Transport::Remote(_));
            if failure.code() == Some("projection_absent") && is_alone && context.settings.airtable.is_given() {
                return failure
                    .rephrase("no server runs on this ledger, and nobody else shows records at Airtable")
                    .advise("start one: `runledger serve`");
            }
            if failure.code() == Some("projection_absent") {
                return failure
                    .advise("a running server shows records, if airtable.base and airtable.token are configured");
            }
            super::advise(failure)
        })
}

#[derive(Deserialize)]
struct RetriedView {
    rows: u64,
}

#[derive(Deserialize)]
struct ResumedView {
    was_stopped: bool,
}

#[derive(Deserialize)]
struct ProjectionView {
    status: String,
    target: Option<String>,
    position: u64,
    lag_lines: u64,
    late_seconds: u64,
    reason: Option<String>,
    until: Option<String>,
    waiting: u64,
    sending: u64,
    in_doubt: u64,
    set_aside: u64,
    rows_set_aside: Vec<RowView>,
    requests: u64,
    too_many_requests: u64,
    rows_made: u64,
    rows_changed: u64,
}

#[derive(Deserialize)]
struct RowView {
    run_id: String,
    client_id: Option<String>,
    since: Option<String>,
    reason: String,
}
