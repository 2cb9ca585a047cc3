//! `list`, `stalled` and `activity`.

use std::collections::VecDeque;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::Context;
use super::pages::walk;
use crate::cli::{ActivityArgs, KindArg, ListArgs, PageArgs};
use crate::connect::Need;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Table;
use crate::transport::Request;
use crate::view::{ACTIVITY_COLUMNS, ActivityView, RECORD_COLUMNS, RecordView, activity_row, record_row};

/// Lists records.
///
/// # Errors
/// What the API refuses.
pub(crate) async fn list(context: &Context<'_>, args: &ListArgs) -> Outcome {
    let kind = args.kind.map(|kind| match kind {
        KindArg::Job => "job",
        KindArg::Client => "client",
    });
    let request = Request::get(&["records"])?
        .query("run_id", args.run.as_ref())
        .query("client_id", args.client.as_ref())
        .query("kind", kind)
        .query("status", args.status.as_ref())
        .query("open", args.open.then_some(true))
        .query("batch", args.batch.as_ref())
        .query("external_id", args.external_id.as_ref());
    print(context, &request, args.page, &RECORDS).await
}

/// Lists stalled records.
///
/// # Errors
/// What the API refuses.
pub(crate) async fn stalled(context: &Context<'_>, page: PageArgs) -> Outcome {
    print(context, &Request::get(&["stalled"])?, page, &STALLED).await
}

/// Shows the activity log.
///
/// # Errors
/// What the API refuses.
pub(crate) async fn activity(context: &Context<'_>, args: &ActivityArgs) -> Outcome {
    let request = Request::get(&["activity"])?
        .query("run_id", args.run.as_ref())
        .query("client_id", args.client.as_ref())
        .query("source", args.by.as_ref())
        .query("refused", args.refused.then_some(true));
    let Some(last) = args.last else {
        return print(context, &request, args.page, &LINES).await;
    };
    let connection = context.connect(Need::Exists).await?;
    let most = usize::try_from(last).unwrap_or(usize::MAX);
    let mut kept = VecDeque::new();
    walk(context, &connection, &request, u64::MAX, |lines| {
        kept.extend(lines);
        kept.drain(..kept.len().saturating_sub(most));
        Ok(())
    })
    .await?;
    let kept: Vec<_> = kept.into();
    print_page(context, &kept, &LINES, true)
}

/// How the entries of a listing are shown to people.
struct Shape {
    columns: [&'static str; 7],
    empty: &'static str,
    row: fn(&mut Table, &RawValue) -> Outcome,
}

static RECORDS: Shape = Shape {
    columns: RECORD_COLUMNS,
    empty: "no records",
    row: |table, raw| read(raw).map(|record: RecordView| record_row(table, &record)),
};

static STALLED: Shape = Shape {
    empty: "no stalled records",
    ..RECORDS
};

static LINES: Shape = Shape {
    columns: ACTIVITY_COLUMNS,
    empty: "no lines",
    row: |table, raw| read(raw).map(|line: ActivityView| activity_row(table, &line)),
};

fn read<T: DeserializeOwned>(raw: &RawValue) -> Outcome<T> {
    serde_json::from_str(raw.get()).map_err(|error| {
        Failure::new(
            Exit::Fault,
            format_args!("the answer of the ledger cannot be read: {error}"),
        )
    })
}

async fn print(context: &Context<'_>, request: &Request, page: PageArgs, shape: &Shape) -> Outcome {
    let connection = context.connect(Need::Exists).await?;
    let most = page.most(context.output.is_json());
    let mut first = true;
    let more = walk(context, &connection, request, most, |entries| {
        print_page(context, &entries, shape, first)?;
        first = false;
        Ok(())
    })
    .await?;
    if more {
        context.output.flush()?;
        context
            .output
            .tell(&format!("there are more than {most}; see --limit and --all"));
    }
    Ok(())
}

fn print_page(context: &Context<'_>, entries: &[Box<RawValue>], shape: &Shape, first: bool) -> Outcome {
    let output = context.output;
    if output.is_json() {
        return entries.iter().try_for_each(|entry| output.json(entry.get()));
    }
    if entries.is_empty() && !first {
        return Ok(());
    }
    let mut table = Table::new(&shape.columns, shape.empty);
    for entry in entries {
        (shape.row)(&mut table, entry)?;
    }
    output.line(&table.text())
}
