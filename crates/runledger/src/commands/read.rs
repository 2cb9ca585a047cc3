//! `get` and `summary`.

use axum::http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Context;
use super::target::Target;
use crate::cli::KeyArgs;
use crate::connect::Need;
use crate::failure::Outcome;
use crate::transport::{Answer, Request};
use crate::view::{RecordView, SummaryView};

/// Shows one record.
///
/// # Errors
/// What the API refuses.
pub(crate) async fn get(context: &Context<'_>, key: &KeyArgs) -> Outcome {
    let request = Target::new(&key.run, key.client.as_deref()).request(Method::GET, &[])?;
    let connection = context.connect(Need::Exists).await?;
    let answer = context.ask(&connection, request).await?;
    if context.output.is_json() {
        return context.output.json(&answer.text());
    }
    answer.read::<RecordView>()?.print(context.output)
}

/// Shows what a run comes to.
///
/// # Errors
/// What the API refuses.
pub(crate) async fn summary(context: &Context<'_>, run: &str) -> Outcome {
    let connection = context.connect(Need::Exists).await?;
    let request = Request::get(&["runs", run, "summary"])?;
    let answer = context.ask(&connection, request).await?;
    if context.output.is_json() {
        return context.output.json(&answer.text());
    }
    answer.read::<SummaryView>()?.print(context.output)
}

/// The records of an answer that has one, or a list of them, as they came.
pub(super) fn raw_records(answer: &Answer) -> Outcome<Vec<Box<RawValue>>> {
    #[derive(Deserialize)]
    struct Many {
        records: Option<Vec<Box<RawValue>>>,
    }
    match answer.read::<Many>()?.records {
        Some(records) => Ok(records),
        None => Ok(vec![answer.read()?]),
    }
}
