//! `sweep`: closes lost records, for ledgers without a server.

use runledger_app::{SweepReport, Sweeper};
use runledger_domain::Source;
use serde_json::json;

use super::Context;
use crate::connect::{expect_ledger, open};
use crate::failure::{Exit, Failure, Outcome};
use crate::ledger::{OpenLedger, Use};
use crate::server_file;
use crate::settings::Span;

/// The source that every sweep acts as.
pub(crate) const SWEEPER: &str = "runledger_sweeper";

/// The sweeper's source.
///
/// # Errors
/// Never: the name is one.
pub(crate) fn source() -> Outcome<Source> {
    SWEEPER
        .parse()
        .map_err(|error| Failure::new(Exit::Fault, format_args!("{SWEEPER}: {error}")))
}

/// One pass over the stalled records.
///
/// # Errors
/// A server holds the ledger; the ledger cannot say.
pub(crate) async fn sweep(context: &Context<'_>, grace: Option<Span>) -> Outcome {
    let settings = context.settings;
    expect_ledger(settings)?;
    if let Some(server) = server_file::find(&settings.data) {
        return Err(Failure::unavailable(format_args!(
            "the server at {} holds this ledger, and sweeps it by itself; nothing was done",
            server.url
        ))
        .advise("its interval is the key sweeper.interval, its grace period deadline.grace; `runledger stalled` shows what waits"));
    }
    let OpenLedger { ledger, store } = open(settings, Use::Command, settings.policy()?).await?;
    let grace = grace.unwrap_or(settings.deadline.grace).duration();
    let report = Sweeper::new(source()?, grace).sweep(&ledger.runs).await;
    store.close().await;
    print(context, &report.map_err(Failure::unavailable)?)
}

fn print(context: &Context<'_>, report: &SweepReport) -> Outcome {
    let SweepReport { lost, waiting, failed } = report;
    let output = context.output;
    if output.is_json() {
        let texts = |keys: &[_]| keys.iter().map(ToString::to_string).collect::<Vec<_>>();
        let failed: Vec<_> = failed
            .iter()
            .map(|(key, why)| json!({"key": key.to_string(), "detail": why}))
            .collect();
        output.value(&json!({"lost": texts(lost), "waiting": texts(waiting), "failed": failed}))?;
    } else {
        for key in lost {
            output.line(&format!("closed as lost: {key}"))?;
        }
        for key in waiting {
            output.line(&format!("left open, its clients are at work: {key}"))?;
        }
        for (key, why) in failed {
            output.line(&format!("not closed: {key}: {why}"))?;
        }
        output.line(&format!("{} closed as lost", lost.len()))?;
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::unavailable(format_args!(
        "{} records could not be closed",
        failed.len()
    )))
}
