//! A comparison, asked for page by page. When it is lost with its server it begins again; what was told is not told twice.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::report::{DiscrepancyView, Report};
use super::{ask, post};
use crate::cli::ReconcileArgs;
use crate::commands::Context;
use crate::connect::{Connection, Need, server};
use crate::failure::{Exit, Failure, Outcome};
use crate::transport::Transport;

/// How often in a row a page may fail before it is given up.
const FAILURES_MAX: u32 = 30;
/// The pause before it is asked for again.
const PAUSE: Duration = Duration::from_secs(2);

/// Compares, and says what differs.
///
/// # Errors
/// What the API refuses; what differs and is not put right.
pub(super) async fn reconcile(context: &Context<'_>, args: &ReconcileArgs) -> Outcome {
    let mut report = Report::begin(context.output, args.format);
    let counts = walk(context, args.apply, |found| report.tell(found)).await?;
    report.end(&counts)?;
    let left = if args.apply {
        counts.duplicated + counts.extra
    } else {
        counts.missing + counts.drifted + counts.duplicated + counts.extra
    };
    if left == 0 {
        return Ok(());
    }
    let failure = Failure::new(Exit::Fault, format_args!("{left} differences are left"));
    Err(if counts.duplicated > 0 {
        failure.advise("`runledger airtable repair --duplicates --keep earliest` deletes surplus rows; rows of no record are yours")
    } else if !args.apply && counts.missing + counts.drifted > 0 {
        failure.advise("--apply has rows that are missing or show something else put right")
    } else {
        failure.advise("delete the rows of no record at Airtable, or import them")
    })
}

/// Goes over both sides, and hands on what is found, each thing once.
///
/// # Errors
/// What the API refuses, and what `each` fails with.
pub(super) async fn walk(
    context: &Context<'_>,
    apply: bool,
    mut each: impl FnMut(&[Box<RawValue>]) -> Outcome,
) -> Outcome<CountsView> {
    let bar = progress_bar(context, "comparing");
    let (mut told, mut failures) = (HashSet::new(), 0);
    let mut way: Option<(Connection, String, u64)> = None;
    let mut began_at_server = false;
    let ended = loop {
        let (connection, sweep, number) = match way.take() {
            Some(way) => way,
            None => match begin(context, apply, began_at_server).await {
                Ok((connection, sweep)) => {
                    began_at_server = matches!(connection.transport, Transport::Remote(_));
                    (connection, sweep, 1)
                }
                Err(failure) if failures < FAILURES_MAX && may_pass(&failure) => {
                    tell_first(context, failures, &failure);
                    failures += 1;
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(failure) => break Err(failure),
            },
        };
        let page = match page(context, &connection, &sweep, number).await {
            Ok(page) => page,
            Err(failure) if failures < FAILURES_MAX && may_pass(&failure) => {
                tell_first(context, failures, &failure);
                failures += 1;
                // An answer of the API leaves the comparison where it was; without one, nobody knows whether it is there.
                way = (failure.code() == Some("airtable_unavailable")).then_some((connection, sweep, number));
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(failure) => break Err(failure),
        };
        failures = 0;
        let fresh: Vec<_> = page
            .found
            .into_iter()
            .filter(|one| told.insert(digest(one.get())))
            .collect();
        each(&fresh)?;
        bar.set_message(format!("{} rows, {} records", page.counts.rows, page.counts.records));
        bar.tick();
        match page.next {
            Some(next) => way = Some((connection, sweep, next)),
            None => break Ok(page.counts),
        }
    };
    bar.finish_and_clear();
    ended
}

async fn begin(context: &Context<'_>, apply: bool, at_server: bool) -> Outcome<(Connection, String)> {
    // A server that is started anew is not to find its ledger held by this command.
    if at_server && server(context.settings, context.remote)?.is_none() {
        return Err(Failure::unavailable("the server has ended, and was not started again"));
    }
    let connection = context.connect(Need::Tables).await?;
    let request = post(&["airtable", "reconciliations"])?.body(json!({ "apply": apply }));
    let begun: BegunView = ask(context, &connection, request).await?.read()?;
    Ok((connection, begun.id))
}

async fn page(context: &Context<'_>, connection: &Connection, sweep: &str, number: u64) -> Outcome<PageView> {
    let request = post(&["airtable", "reconciliations", sweep, "pages", &number.to_string()])?;
    ask(context, connection, request).await?.read()
}

/// Whether the same may go well in a moment.
fn may_pass(failure: &Failure) -> bool {
    match failure.code() {
        Some(code) => matches!(
            code,
            "airtable_unavailable" | "reconciliation_not_found" | "busy" | "store_failed"
        ),
        None => failure.exit() == Exit::Unavailable,
    }
}

/// Says why nothing happens for a while, once for each row of failures.
fn tell_first(context: &Context<'_>, failures: u32, failure: &Failure) {
    if failures == 0 {
        let asked = u64::from(FAILURES_MAX) * PAUSE.as_secs();
        context
            .output
            .tell(&format!("{failure}; it is asked for again, for {asked} s or longer"));
    }
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Drawn on a terminal only, never between the lines of a log.
pub(super) fn progress_bar(context: &Context<'_>, doing: &'static str) -> ProgressBar {
    let target = if context.output.is_json() {
        ProgressDrawTarget::hidden()
    } else {
        // indicatif draws nothing where standard error is no terminal.
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    let style = ProgressStyle::with_template("{prefix}  {msg}  {elapsed}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        .with_prefix(doing)
}

#[derive(Deserialize)]
struct BegunView {
    id: String,
}

#[derive(Deserialize)]
struct PageView {
    found: Vec<Box<RawValue>>,
    counts: CountsView,
    next: Option<u64>,
}

/// What a comparison comes to.
#[derive(Clone, Copy, Deserialize, serde::Serialize)]
pub(super) struct CountsView {
    pub(super) rows: u64,
    pub(super) records: u64,
    pub(super) in_step: u64,
    pub(super) unsettled: u64,
    pub(super) not_shown: u64,
    pub(super) missing: u64,
    pub(super) drifted: u64,
    pub(super) duplicated: u64,
    pub(super) extra: u64,
    pub(super) repairs: u64,
    pub(super) restarts: u64,
}

/// The records that have several rows, as they were found.
pub(super) async fn duplicated(context: &Context<'_>) -> Outcome<Vec<DiscrepancyView>> {
    let mut records = Vec::new();
    walk(context, false, |found| {
        for one in found {
            let one: DiscrepancyView = super::report::read(one)?;
            if one.what == "duplicated" {
                records.push(one);
            }
        }
        Ok(())
    })
    .await?;
    Ok(records)
}
