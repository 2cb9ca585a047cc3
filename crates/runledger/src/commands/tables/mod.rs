//! `airtable check`, `import`, `reconcile`, `repair` and `removed`. Requests of the API like any other, but for the import; long
//! work is asked for page by page.

mod import;
mod repair;
mod report;
mod sweep;

use axum::http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Context, OPERATOR, SOURCE};
use crate::cli::{PageArgs, TablesCommand};
use crate::connect::{Connection, Need};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Table;
use crate::transport::{Answer, Request};
use crate::view::short;

/// The most entries of one page.
const PAGE_MAX: u64 = 1_000;

/// Looks after the tables at Airtable.
///
/// # Errors
/// What the API refuses; what was found and is not put right.
pub(crate) async fn tables(context: &Context<'_>, command: &TablesCommand) -> Outcome {
    match command {
        TablesCommand::Check => check(context).await,
        TablesCommand::Reconcile(args) => sweep::reconcile(context, args).await,
        TablesCommand::Repair(args) => repair::repair(context, args).await,
        TablesCommand::Import(args) => import::import(context, args).await,
        TablesCommand::Removed(page) => removed(context, *page).await,
    }
}

async fn check(context: &Context<'_>) -> Outcome {
    let connection = context.connect(Need::Tables).await?;
    let answer = ask(context, &connection, Request::get(&["airtable", "check"])?).await?;
    let findings = answer.read::<FindingsView>()?.findings;
    let forbids = findings.iter().filter(|finding| finding.severity == "forbids").count();
    if context.output.is_json() {
        context.output.json(&answer.text())?;
    } else {
        let mut table = Table::new(&["", "FOUND", "WHAT TO DO"], "nothing stands in the way");
        for finding in findings {
            table.row([finding.severity, finding.what, finding.remedy]);
        }
        context.output.line(&table.text())?;
    }
    if forbids == 0 {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Fault,
        format_args!("{forbids} of these forbid that a row is written"),
    ))
}

async fn removed(context: &Context<'_>, page: PageArgs) -> Outcome {
    let connection = context.connect(Need::Tables).await?;
    let most = page.most(context.output.is_json());
    let (mut left, mut after) = (most, 0);
    let mut table = Table::new(
        &["KEY", "ROW", "DELETED", "BY", "CELLS"],
        "no row was deleted by this ledger",
    );
    loop {
        let request = Request::get(&["airtable", "removed"])?
            .query("after", Some(after))
            .query("limit", Some(left.min(PAGE_MAX)));
        let answer: RemovedView = ask(context, &connection, request).await?.read()?;
        left = left.saturating_sub(answer.removed.len() as u64);
        for raw in answer.removed {
            if context.output.is_json() {
                context.output.json(raw.get())?;
                continue;
            }
            let row: RowView<'_> = serde_json::from_str(raw.get()).map_err(|error| super::unreadable(&error))?;
            let key = report::key(&row.run_id, row.client_id.as_deref());
            table.row([&key, &row.row, &short(&row.at), &row.by, row.cells.get()]);
        }
        match answer.next {
            Some(next) if left > 0 => after = next,
            _ => break,
        }
    }
    if context.output.is_json() {
        return Ok(());
    }
    context.output.line(&table.text())
}

async fn ask(context: &Context<'_>, connection: &Connection, request: Request) -> Outcome<Answer> {
    let request = request.header(SOURCE, Some(context.source.unwrap_or(OPERATOR)))?;
    connection.transport.request(&request).await.map_err(super::advise)
}

fn post(parts: &[&str]) -> Outcome<Request> {
    Request::new(Method::POST, parts)
}

#[derive(Deserialize)]
struct FindingsView {
    findings: Vec<FindingView>,
}

#[derive(Deserialize)]
struct FindingView {
    severity: String,
    what: String,
    remedy: String,
}

#[derive(Deserialize)]
struct RemovedView {
    removed: Vec<Box<RawValue>>,
    next: Option<u64>,
}

#[derive(Deserialize)]
struct RowView<'a> {
    run_id: String,
    client_id: Option<String>,
    row: String,
    at: String,
    by: String,
    #[serde(borrow)]
    cells: &'a RawValue,
}
