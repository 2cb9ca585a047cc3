//! The commands that change a record: `update`, `note`, `stage`, `heartbeat`, `complete`. None of them can create.

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::target::Target;
use super::{Context, IF_MATCH, PREFER, with_projected};
use crate::cli::{ChangeArgs, CompleteArgs, HeartbeatArgs, NoteArgs, StageFinishArgs, StageStartArgs, UpdateArgs};
use crate::connect::Need;
use crate::failure::{Failure, Outcome};
use crate::transport::Request;
use crate::view::RecordView;

/// The header that says how many client records were closed with their job.
const CLOSED: &str = "runledger-closed";

/// Changes the contents of a record.
///
/// # Errors
/// A metric that is not written NAME=NUMBER; what the API refuses.
pub(crate) async fn update(context: &Context<'_>, args: &UpdateArgs) -> Outcome {
    let mut body = Map::new();
    if let Some(metrics) = metrics(&args.add, &args.max, &args.set)? {
        body.insert("metrics".into(), metrics);
    }
    if let Some(note) = &args.note {
        body.insert("note".into(), json!(note));
    }
    if !args.external_ids.is_empty() {
        body.insert("external_ids".into(), json!(args.external_ids));
    }
    if args.start {
        body.insert("status".into(), json!("running"));
    }
    if let Some(update_id) = &args.update_id {
        body.insert("update_id".into(), json!(update_id));
    }
    let target = Target::new(&args.key.run, args.key.client.as_deref());
    let request = target.request(Method::PATCH, &[])?.body(Value::Object(body));
    change(context, request, &args.change).await
}

/// Appends a note.
///
/// # Errors
/// A missing text; what the API refuses.
pub(crate) async fn note(context: &Context<'_>, args: &NoteArgs) -> Outcome {
    let (target, text) = Target::with_word(&args.words.words, "text")?;
    let mut body = json!({ "note": text });
    if let (Some(update_id), Some(members)) = (&args.update_id, body.as_object_mut()) {
        members.insert("update_id".into(), json!(update_id));
    }
    let request = target.request(Method::PATCH, &[])?.body(body);
    change(context, request, &args.change).await
}

/// Starts a stage.
///
/// # Errors
/// A missing name; what the API refuses.
pub(crate) async fn start_stage(context: &Context<'_>, args: &StageStartArgs) -> Outcome {
    let (target, name) = Target::with_word(&args.words.words, "name")?;
    let request = target.request(Method::POST, &["stages", name, "start"])?;
    change(context, request, &args.change).await
}

/// Finishes a stage.
///
/// # Errors
/// A missing name; a metric that is not written NAME=NUMBER; what the API refuses.
pub(crate) async fn finish_stage(context: &Context<'_>, args: &StageFinishArgs) -> Outcome {
    let (target, name) = Target::with_word(&args.words.words, "name")?;
    let mut body = json!({ "status": args.status });
    if let (Some(metrics), Some(members)) = (metrics(&args.add, &args.max, &args.set)?, body.as_object_mut()) {
        members.insert("metrics".into(), metrics);
    }
    let request = target.request(Method::POST, &["stages", name, "finish"])?.body(body);
    change(context, request, &args.change).await
}

/// Says that the work goes on.
///
/// # Errors
/// What the API refuses.
pub(crate) async fn heartbeat(context: &Context<'_>, args: &HeartbeatArgs) -> Outcome {
    let target = Target::new(&args.key.run, args.key.client.as_deref());
    let request = target.request(Method::POST, &["heartbeat"])?;
    change(context, request, &ChangeArgs::default()).await
}

/// Ends a record.
///
/// # Errors
/// What the API refuses.
pub(crate) async fn complete(context: &Context<'_>, args: &CompleteArgs) -> Outcome {
    let mut body = json!({ "status": args.status, "close_open": args.close_open });
    if let (Some(note), Some(members)) = (&args.note, body.as_object_mut()) {
        members.insert("note".into(), json!(note));
    }
    let target = Target::new(&args.key.run, args.key.client.as_deref());
    let request = target.request(Method::POST, &["complete"])?.body(body);
    change(context, request, &args.change).await
}

async fn change(context: &Context<'_>, request: Request, args: &ChangeArgs) -> Outcome {
    let request = request
        .header(IF_MATCH, args.if_version.map(|version| format!("\"{version}\"")))?
        .header(PREFER, args.wait.preference())?;
    let connection = context.connect(Need::Exists).await?;
    let answer = context.ask(&connection, request).await?;
    if context.output.is_json() {
        return context.output.json(&with_projected(&answer.text(), &answer));
    }
    let record: RecordView = answer.read()?;
    let what = if answer.is_replayed() {
        "unchanged (done before):"
    } else {
        "changed"
    };
    let closed = answer.headers.get(CLOSED).and_then(|count| count.to_str().ok());
    let closed = closed
        .map(|count| format!("; {count} client records closed with it"))
        .unwrap_or_default();
    context.output.line(&format!(
        "{what} {} record {} ({}, version {}){closed}",
        record.kind,
        record.key,
        record.standing(),
        record.version
    ))?;
    context.tell_projected(&answer, &args.wait)
}

/// The metrics of a change; `None` when there are none. Numbers go out as texts: the ledger reads them exactly.
fn metrics(add: &[String], max: &[String], set: &[String]) -> Outcome<Option<Value>> {
    let mut metrics = Map::new();
    for (how, given) in [("add", add), ("max", max), ("set", set)] {
        let mut numbers = Map::new();
        for text in given {
            let (name, number) = text.split_once('=').ok_or_else(|| {
                Failure::usage(format_args!("--{how} {text:?} is not a metric and a number"))
                    .advise(format_args!("write NAME=NUMBER, such as --{how} leads=12"))
            })?;
            if numbers.insert(name.to_owned(), json!(number)).is_some() {
                return Err(Failure::usage(format_args!("--{how} names {name} twice; give it once")));
            }
        }
        if !numbers.is_empty() {
            metrics.insert(how.into(), Value::Object(numbers));
        }
    }
    Ok((!metrics.is_empty()).then_some(Value::Object(metrics)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_keep_their_digits_and_are_named_once() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let read = metrics(&texts(&["cost=0.100000001", "leads=12"]), &[], &texts(&["a=1"])).unwrap();
        assert_eq!(
            read,
            Some(json!({"add": {"cost": "0.100000001", "leads": "12"}, "set": {"a": "1"}}))
        );
        assert_eq!(metrics(&[], &[], &[]).unwrap(), None);
        assert!(metrics(&texts(&["leads"]), &[], &[]).is_err());
        assert!(metrics(&texts(&["a=1", "a=2"]), &[], &[]).is_err());
    }
}
