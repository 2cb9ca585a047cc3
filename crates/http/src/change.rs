//! Changing what exists: contents, stages, signs of life, the end. Job and client run records go the same way. Nothing
//! here can create: it speaks to the run service only (I3).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use runledger_domain::{Action, Command, RunKey, Source, StageName, Version};
use runledger_ports::Changed;

use crate::answer;
use crate::api::{Api, carry_out};
use crate::body::read;
use crate::describe::{ChangeProblems, RecordChanged};
use crate::incoming::Incoming;
use crate::problem;
use crate::trouble::{Problem, of_change};
use crate::wire::input::{Nothing, RecordChange, RecordCompletion, StageFinish};

/// How the body of one kind of change is understood: as a command, with the version that it expects.
type Understand = fn(&Incoming) -> Result<(Command, Option<Version>), Problem>;

async fn change(api: Arc<Api>, mut incoming: Incoming, action: Action, understand: Understand) -> Response {
    carry_out(async move {
        let (source, key, expected, command) = match asked(&mut incoming, understand) {
            Ok(asked) => asked,
            Err(problem) => return api.refuse(&incoming, action, problem).await,
        };
        match api.ledger.runs.change(&source, key, expected, command).await {
            Ok(changed) => answer_changed(&api, &changed),
            Err(error) => of_change(error, api.now()).into_response(),
        }
    })
    .await
}

fn asked(
    incoming: &mut Incoming,
    understand: Understand,
) -> Result<(Source, RunKey, Option<Version>, Command), Problem> {
    if let Some(fault) = incoming.take_fault() {
        return Err(fault);
    }
    let source = incoming.source()?;
    let key = incoming.path.key()?;
    let (command, said) = understand(incoming)?;
    Ok((source, key, incoming.expected(said)?, command))
}

fn answer_changed(api: &Api, changed: &Changed) -> Response {
    let mut response = answer::record(StatusCode::OK, changed.record(), api.now());
    match changed {
        Changed::Unchanged(_) => answer::mark_replayed(&mut response),
        Changed::Applied { closed, .. } if !closed.is_empty() => {
            let count = u64::try_from(closed.len()).unwrap_or(u64::MAX);
            response.headers_mut().insert(&answer::CLOSED, HeaderValue::from(count));
        }
        Changed::Applied { .. } => {}
    }
    response
}

fn update(incoming: &Incoming) -> Result<(Command, Option<Version>), Problem> {
    let body: RecordChange<'_> = read(incoming.json()?)?;
    let (update, version) = body.update(incoming.idempotency_key()?)?;
    Ok((Command::Update(update), version))
}

fn start_stage(incoming: &Incoming) -> Result<(Command, Option<Version>), Problem> {
    let name = stage_name(incoming)?;
    let Nothing {} = read(incoming.json()?)?;
    Ok((Command::StartStage { name }, None))
}

fn finish_stage(incoming: &Incoming) -> Result<(Command, Option<Version>), Problem> {
    let name = stage_name(incoming)?;
    let body: StageFinish<'_> = read(incoming.json()?)?;
    let (outcome, metrics) = body.finish()?;
    Ok((Command::FinishStage { name, outcome, metrics }, None))
}

fn complete(incoming: &Incoming) -> Result<(Command, Option<Version>), Problem> {
    let body: RecordCompletion<'_> = read(incoming.json()?)?;
    let (completion, version) = body.completion()?;
    Ok((Command::Complete(completion), version))
}

fn heartbeat(incoming: &Incoming) -> Result<(Command, Option<Version>), Problem> {
    let Nothing {} = read(incoming.json()?)?;
    Ok((Command::Heartbeat, None))
}

fn stage_name(incoming: &Incoming) -> Result<StageName, Problem> {
    incoming.path.stage().parse().map_err(|error: runledger_domain::TextError| {
        Problem::new(&problem::STAGE_NAME_INVALID, error.to_string()).at("stage")
    })
}

/// Declares a handler for job records and one for client run records, which differ in their path only.
macro_rules! changes {
    ($($(#[$doc:meta])* $method:ident $tail:literal $job:ident = $job_id:literal, $client:ident = $client_id:literal,
        $action:ident, $understand:ident, [$($param:tt),*], $body:expr;)*) => {
        $(
            $(#[$doc])*
            #[utoipa::path(
                $method, path = concat!("/v1/runs/{run}", $tail), tag = "change", operation_id = $job_id,
                params(("run" = String, Path, description = "The run.", example = "250925-231841"),
                    ("Runledger-Source" = String, Header, description = "The program or step that asks."),
                    $($param,)*
                    ("If-Match" = Option<String>, Header, description = "The `ETag` that the record must have.")),
                request_body(content = $body, content_type = "application/json"),
                responses(RecordChanged, ChangeProblems),
            )]
            pub(crate) async fn $job(State(api): State<Arc<Api>>, incoming: Incoming) -> Response {
                change(api, incoming, Action::$action, $understand).await
            }
        )*
    };
}
