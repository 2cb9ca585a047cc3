//! `airtable repair`: records with several rows are found, then a few of them at a time are left with one.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::report::key;
use super::sweep::duplicated;
use super::{ask, post};
use crate::cli::RepairArgs;
use crate::commands::Context;
use crate::connect::Need;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Table;

/// How many records one call takes.
const RECORDS_AT_ONCE: usize = 10;

/// Deletes surplus rows.
///
/// # Errors
/// What the API refuses; rows that were not deleted.
pub(super) async fn repair(context: &Context<'_>, args: &RepairArgs) -> Outcome {
    let records = duplicated(context).await?;
    let connection = context.connect(Need::Tables).await?;
    let mut left = 0_usize;
    for records in records.chunks(RECORDS_AT_ONCE) {
        let named: Vec<Value> = records
            .iter()
            .map(|record| json!({ "run_id": record.run_id, "client_id": record.client_id }))
            .collect();
        let body = json!({ "records": named, "dry_run": args.dry_run });
        let request = post(&["airtable", "copies", "remove"])?.body(body);
        let done: CopiesListView = ask(context, &connection, request).await?.read()?;
        left += done.records.iter().filter(|copies| copies.is_left()).count();
        print(context, &done.records)?;
    }
    if records.is_empty() && !context.output.is_json() {
        context.output.line("no record has several rows")?;
    }
    if left == 0 {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Fault,
        format_args!("{left} records have surplus rows yet, or may have"),
    )
    .advise("do the same again in a minute: it looks before it deletes"))
}

fn print(context: &Context<'_>, records: &[CopiesView]) -> Outcome {
    if context.output.is_json() {
        return records
            .iter()
            .try_for_each(|copies| context.output.value(&json!(copies)));
    }
    let mut table = Table::new(&["RECORD", "STAYS", "SURPLUS", "STATE"], "");
    for copies in records {
        let surplus: Vec<_> = copies.surplus.iter().map(|copy| copy.row.as_str()).collect();
        let state = match (&copies.why, copies.state.as_str()) {
            (Some(why), _) => format!("not deleted: {why}"),
            (None, "none") => "no surplus row".to_owned(),
            (None, "would_remove") => "would be deleted".to_owned(),
            (None, "removed") => "deleted".to_owned(),
            (None, _) => format!("in doubt: {}", copies.in_doubt.join(", ")),
        };
        table.row([
            key(&copies.run_id, copies.client_id.as_deref()),
            copies.kept.as_ref().map(|copy| copy.row.clone()).unwrap_or_default(),
            surplus.join(", "),
            state,
        ]);
    }
    if table.is_empty() {
        return Ok(());
    }
    context.output.line(&table.text())
}

#[derive(Deserialize)]
struct CopiesListView {
    records: Vec<CopiesView>,
}

#[derive(Deserialize, Serialize)]
struct CopiesView {
    run_id: String,
    client_id: Option<String>,
    kept: Option<CopyView>,
    surplus: Vec<CopyView>,
    state: String,
    why: Option<String>,
    in_doubt: Vec<String>,
}

#[derive(Deserialize, Serialize)]
struct CopyView {
    row: String,
    created_time: Option<String>,
}

impl CopiesView {
    fn is_left(&self) -> bool {
        matches!(self.state.as_str(), "not_removed" | "in_doubt")
    }
}
