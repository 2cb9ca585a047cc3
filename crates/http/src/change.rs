//! Changing what exists: contents, stages, signs of life, the end. Job and client run records go the same way. Nothing
//! here can create: it speaks to the run service only (I3).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use runledger_domain::access::Scope;
use runledger_domain::{Action, Command, RunKey, Source, StageName, Timestamp, Version};
use runledger_ports::{ChangeError, Changed};

use crate::answer;
use crate::api::{Api, carry_out};
use crate::body::read;
use crate::describe::answers::{ChangeProblems, RecordChanged};
use crate::describe::parameters::{ChangeHeaders, ClientPath, JobPath, StagePath, UpdateHeaders};
use crate::incoming::Incoming;
use crate::problem;
use crate::projection;
use crate::trouble::{Problem, of_change};
use crate::wire::input::{Nothing, RecordChange, RecordCompletion, StageFinish};

/// Changes the contents of a job record: merges metrics, appends a note, adds references, starts it.
#[utoipa::path(
    patch, path = "/v1/runs/{run}", tag = "change", operation_id = "updateJob",
    params(JobPath, UpdateHeaders),
    request_body(content = RecordChange, content_type = "application/json"),
    responses(RecordChanged, ChangeProblems),
)]
pub(crate) async fn update_job(State(api): State<Arc<Api>>, incoming: Incoming) -> Response {
    change(api, incoming, Action::Update, update).await
}

/// Changes the contents of a client run record: merges metrics, appends a note, adds references, starts it.
#[utoipa::path(
    patch, path = "/v1/runs/{run}/clients/{client}", tag = "change", operation_id = "updateClient",
    params(ClientPath, UpdateHeaders),
    request_body(content = RecordChange, content_type = "application/json"),
    responses(RecordChanged, ChangeProblems),
)]
pub(crate) async fn update_client(State(api): State<Arc<Api>>, incoming: Incoming) -> Response {
    change(api, incoming, Action::Update, update).await
}

/// Begins a stage of a job record.
#[utoipa::path(
    post,
    path = "/v1/runs/{run}/stages/{stage}/start",
    tag = "change",
    operation_id = "startJobStage",
    params(JobPath, StagePath, ChangeHeaders),
    responses(RecordChanged, ChangeProblems)
)]
pub(crate) async fn start_stage_job(State(api): State<Arc<Api>>, incoming: Incoming) -> Response {
    change(api, incoming, Action::StartStage, start_stage).await
}

/// Begins a stage of a client run record.
#[utoipa::path(
    post,
    path = "/v1/runs/{run}/clients/{client}/stages/{stage}/start",
    tag = "change",
    operation_id = "startClientStage",
    params(ClientPath, StagePath, ChangeHeaders),
    responses(RecordChanged, ChangeProblems)
)]
pub(crate) async fn start_stage_client(State(api): State<Arc<Api>>, incoming: Incoming) -> Response {
    change(api, incoming, Action::StartStage, start_stage).await
}

/// Ends a stage of a job record, with what it reports.
#[utoipa::path(
    post, path = "/v1/runs/{run}/stages/{stage}/finish", tag = "change", operation_id = "finishJobStage",
    params(JobPath, StagePath, ChangeHeaders),
    request_body(content = StageFinish, content_type = "application/json"),
    responses(RecordChanged, ChangeProblems),
)]
pub(crate) async fn finish_stage_job(State(api): State<Arc<Api>>, incoming: Incoming) -> Response {
    change(api, incoming, Action::FinishStage, finish_stage).await
}

/// Ends a stage of a client run record, with what it reports.
#[utoipa::path(
    post, path = "/v1/runs/{run}/clients/{client}/stages/{stage}/finish", tag = "change", operation_id = "finishClientStage",
    params(ClientPath, StagePath, ChangeHeaders),
    request_body(content = StageFinish, content_type = "application/json"),
    responses(RecordChanged, ChangeProblems),
)]
pub(crate) async fn finish_stage_client(State(api): State<Arc<Api>>, incoming: Incoming) -> Response {
    change(api, incoming, Action::FinishStage, finish_stage).await
}

/// Ends a job record, for ever.
#[utoipa::path(
    post, path = "/v1/runs/{run}/complete", tag = "change", operation_id = "completeJob",
    params(JobPath, ChangeHeaders),
    request_body(content = RecordCompletion, content_type = "application/json"),
    responses(RecordChanged, ChangeProblems),
)]
pub(crate) async fn complete_job(State(api): State<Arc<Api>>, incoming: Incoming) -> Response {
    change(api, incoming, Action::Complete, complete).await
}

/// Ends a client run record, for ever.
#[utoipa::path(
    post, path = "/v1/runs/{run}/clients/{client}/complete", tag = "change", operation_id = "completeClient",
    params(ClientPath, ChangeHeaders),
    request_body(content = RecordCompletion, content_type = "application/json"),
    responses(RecordChanged, ChangeProblems),
)]
pub(crate) async fn complete_client(State(api): State<Arc<Api>>, incoming: Incoming) -> Response {
    change(api, incoming, Action::Complete, complete).await
}

/// Says that the work of a job record goes on; moves the deadline.
#[utoipa::path(
    post,
    path = "/v1/runs/{run}/heartbeat",
    tag = "change",
    operation_id = "heartbeatJob",
    params(JobPath, ChangeHeaders),
    responses(RecordChanged, ChangeProblems)
)]
pub(crate) async fn heartbeat_job(State(api): State<Arc<Api>>, incoming: Incoming) -> Response {
    change(api, incoming, Action::Heartbeat, heartbeat).await
}

/// Says that the work of a client run record goes on; moves the deadline.
#[utoipa::path(
    post,
    path = "/v1/runs/{run}/clients/{client}/heartbeat",
    tag = "change",
    operation_id = "heartbeatClient",
    params(ClientPath, ChangeHeaders),
    responses(RecordChanged, ChangeProblems)
)]
pub(crate) async fn heartbeat_client(State(api): State<Arc<Api>>, incoming: Incoming) -> Response {
    change(api, incoming, Action::Heartbeat, heartbeat).await
}

/// How the body of one kind of change is understood: as a command, with the version that it expects.
type Understand = fn(&Incoming) -> Result<(Command, Option<Version>), Problem>;

async fn change(api: Arc<Api>, mut incoming: Incoming, action: Action, understand: Understand) -> Response {
    carry_out(incoming.trace(), async move {
        let (source, key, expected, command) = match asked(&api, &mut incoming, understand) {
            Ok(asked) => asked,
            Err(problem) => return api.refuse(&incoming, action, problem).await,
        };
        let write = api.ledger.runs.change(&source, key, expected, command);
        match incoming.notes.writing(&api.ledger, write).await {
            Ok(changed) => {
                let mut response = answer_changed(&api, &changed);
                let key = std::slice::from_ref(changed.record().key());
                projection::wait(&api, &incoming.headers, &source, key, &mut response).await;
                response
            }
            Err(error) => of_change(error, api.now()).into_response(),
        }
    })
    .await
}

fn asked(
    api: &Api,
    incoming: &mut Incoming,
    understand: Understand,
) -> Result<(Source, RunKey, Option<Version>, Command), Problem> {
    if let Some(fault) = incoming.take_fault() {
        return Err(fault);
    }
    let source = incoming.source(Scope::Change)?;
    let key = incoming.path.key()?;
    // The answer is that of a record which is not there, whether it is or not; the line says what it was.
    if !incoming.access.sees(&key) {
        let error = ChangeError::NotFound { key };
        return Err(of_change(error, Timestamp::EPOCH).logged_as(&problem::CLIENT_NOT_GRANTED));
    }
    if let Some(client) = key.client() {
        api.check_client_rate(&[client])?;
    }
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
    incoming
        .path
        .stage()
        .parse()
        .map_err(|error: runledger_domain::TextError| {
            Problem::new(&problem::STAGE_NAME_INVALID, error.to_string()).at("stage")
        })
}
