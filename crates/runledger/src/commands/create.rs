//! `job create` and `client create`.

use axum::http::Method;
use runledger_ports::IdSource as _;
use serde_json::{Map, Value, json};

use super::{Context, IDEMPOTENCY_KEY, PREFER, with_projected};
use crate::cli::{ClientCreateArgs, CreationArgs, JobCreateArgs};
use crate::connect::Need;
use crate::failure::{Exit, Failure, Outcome};
use crate::ledger::random_ids;
use crate::transport::{Answer, Request};
use crate::view::RecordView;

use super::read::raw_records;

/// Creates the record of a run.
///
/// # Errors
/// What the API refuses.
pub(crate) async fn job(context: &Context<'_>, args: &JobCreateArgs) -> Outcome {
    let mut body = content(&args.new);
    if let Some(run) = &args.run {
        body.insert("run_id".into(), json!(run));
    }
    create(context, Request::new(Method::POST, &["runs"])?, body, &args.new).await
}

/// Creates the records of clients: all of them, or none.
///
/// # Errors
/// What the API refuses; `--name` with several clients.
pub(crate) async fn clients(context: &Context<'_>, args: &ClientCreateArgs) -> Outcome {
    let request = Request::new(Method::POST, &["runs", &args.run, "clients"])?;
    let body_of = |client: &String| {
        let mut body = content(&args.new);
        body.insert("client_id".into(), json!(client));
        body
    };
    let body = match args.clients.as_slice() {
        [client] => {
            let mut body = body_of(client);
            if let Some(name) = &args.name {
                body.insert("client_name".into(), json!(name));
            }
            body
        }
        _ if args.name.is_some() => {
            return Err(
                Failure::usage("--name is the name of one client, but several are given")
                    .advise("create them one by one, or leave --name out"),
            );
        }
        clients => {
            let clients: Vec<_> = clients.iter().map(body_of).collect();
            Map::from_iter([("clients".to_owned(), json!(clients))])
        }
    };
    create(context, request, body, &args.new).await
}

fn content(new: &CreationArgs) -> Map<String, Value> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.into(), value);
        }
    };
    put("batch", new.batch.as_ref().map(|batch| json!(batch)));
    put(
        "external_ids",
        (!new.external_ids.is_empty()).then(|| json!(new.external_ids)),
    );
    put("note", new.note.as_ref().map(|note| json!(note)));
    put(
        "deadline_after_seconds",
        new.deadline_after.map(|span| json!(span.as_secs())),
    );
    put("status", new.queued.then(|| json!("queued")));
    body
}

async fn create(context: &Context<'_>, request: Request, body: Map<String, Value>, new: &CreationArgs) -> Outcome {
    // Chosen here, so that a creation whose answer is lost can be repeated under the same name (I7).
    let attempt = match &new.attempt {
        Some(attempt) => attempt.clone(),
        None => random_ids()?.attempt().to_string(),
    };
    let request = request
        .header(IDEMPOTENCY_KEY, Some(&attempt))?
        .header(PREFER, new.wait.preference())?
        .body(Value::Object(body));
    let connection = context.connect(Need::MayBegin).await?;
    let answer = context
        .ask(&connection, request)
        .await
        .map_err(|failure| match failure.exit() {
            Exit::Unavailable => failure.advise(format_args!(
                "repeat the command with --attempt {attempt}: that is safe, whether it was done or not"
            )),
            _ => failure,
        })?;
    report(context, &answer)?;
    context.tell_projected(&answer, &new.wait)
}

fn report(context: &Context<'_>, answer: &Answer) -> Outcome {
    let replayed = answer.is_replayed();
    for record in raw_records(answer)? {
        if context.output.is_json() {
            // The record as it came, with one member more.
            let members = record.get().trim_start_matches('{');
            let text = format!("{{\"replayed\":{replayed},{members}");
            context.output.json(&with_projected(&text, answer))?;
            continue;
        }
        let record: RecordView = serde_json::from_str(record.get()).map_err(|error| super::unreadable(&error))?;
        let what = if replayed {
            "created before, in the same attempt:"
        } else {
            "created"
        };
        context.output.line(&format!(
            "{what} {} record {} ({}, version {})",
            record.kind,
            record.key,
            record.standing(),
            record.version
        ))?;
    }
    Ok(())
}
