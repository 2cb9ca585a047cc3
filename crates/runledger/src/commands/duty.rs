//! `duty`: which server does what for all of them.

use serde::Deserialize;

use super::{Context, OPERATOR, SOURCE};
use crate::connect::Need;
use crate::failure::Outcome;
use crate::output::Table;
use crate::transport::Request;

/// Lists the duties.
///
/// # Errors
/// What the API refuses.
pub(crate) async fn list(context: &Context<'_>) -> Outcome {
    let request = Request::get(&["duties"])?.header(SOURCE, Some(context.source.unwrap_or(OPERATOR)))?;
    let connection = context.connect(Need::Exists).await?;
    let answer = connection.transport.request(&request).await.map_err(super::advise)?;
    let duties = answer.read::<DutiesView>()?.duties;
    if context.output.is_json() {
        return duties.iter().try_for_each(|duty| context.output.json(duty.get()));
    }
    let mut table = Table::new(
        &["DUTY", "SERVER", "FOR", "TAKEN"],
        "no server has done anything for all yet",
    );
    for duty in duties {
        let duty: DutyView = serde_json::from_str(duty.get()).map_err(|error| super::unreadable(&error))?;
        let left = match duty.left_seconds {
            0 => "over".into(),
            seconds => format!("{seconds} s"),
        };
        table.row([duty.duty, duty.holder, left, duty.epoch.to_string()]);
    }
    context.output.line(&table.text())
}

#[derive(Deserialize)]
struct DutiesView {
    duties: Vec<Box<serde_json::value::RawValue>>,
}

#[derive(Deserialize)]
struct DutyView {
    duty: String,
    holder: String,
    left_seconds: u64,
    epoch: u64,
}
