//! Creating: a job, one client run record, or several of one run. The only handlers that speak to the creation point.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use runledger_app::{CreationError, StartJob, Started};
use runledger_domain::access::{AccessError, Scope};
use runledger_domain::{Action, AttemptId, ClientId, RunKey, Source};

use crate::answer::{self, json};
use crate::api::{Api, carry_out};
use crate::body::read;
use crate::describe::answers::{ClientsCreated, CreateProblems, JobCreated};
use crate::describe::parameters::{CreateHeaders, JobPath};
use crate::incoming::Incoming;
use crate::projection;
use crate::trouble::{Problem, of_creation};
use crate::wire::input::{NewClients, NewJob, StartClients, idempotency_key};
use crate::wire::page::CreatedRecords;

/// Starts a run: creates its job record.
#[utoipa::path(
    post, path = "/v1/runs", tag = "create", operation_id = "createJob",
    params(CreateHeaders),
    request_body(content = Option<NewJob>, content_type = "application/json"),
    responses(JobCreated, CreateProblems),
)]
pub(crate) async fn create_job(State(api): State<Arc<Api>>, mut incoming: Incoming) -> Response {
    carry_out(incoming.trace(), async move {
        match read_job(&mut incoming) {
            Ok((source, start)) => {
                if let Some(run) = &start.run {
                    incoming.notes.key(run);
                }
                let write = api.ledger.creation.start_job(&source, start);
                match incoming.notes.writing(&api.ledger, write).await {
                    Ok(started) => {
                        incoming.notes.key(started.record.key());
                        let mut response = created(&api, &started);
                        let key = std::slice::from_ref(started.record.key());
                        projection::wait(&api, &incoming.headers, &source, key, &mut response).await;
                        response
                    }
                    Err(error) => failed(&api, &incoming, error).await,
                }
            }
            Err(problem) => api.refuse(&incoming, Action::Create, problem).await,
        }
    })
    .await
}

fn read_job(incoming: &mut Incoming) -> Result<(Source, StartJob), Problem> {
    if let Some(fault) = incoming.take_fault() {
        return Err(fault);
    }
    let source = incoming.source(Scope::Create)?;
    // A job is all clients': whoever is limited to some begins none.
    if incoming.access.clients().is_some() {
        return Err(AccessError::Client.into());
    }
    let body: NewJob<'_> = read(incoming.json()?)?;
    let start = StartJob {
        attempt: attempt(incoming)?,
        ..body.start()?
    };
    Ok((source, start))
}

/// Creates one client run record, or several of one run: all of them, or none.
#[utoipa::path(
    post, path = "/v1/runs/{run}/clients", tag = "create", operation_id = "createClients",
    params(JobPath, CreateHeaders),
    request_body(content = NewClients, content_type = "application/json"),
    responses(ClientsCreated, CreateProblems),
)]
pub(crate) async fn create_clients(State(api): State<Arc<Api>>, mut incoming: Incoming) -> Response {
    carry_out(incoming.trace(), async move {
        let (source, attempt, start) = match read_clients(&api, &mut incoming) {
            Ok(asked) => asked,
            Err(problem) => return api.refuse(&incoming, Action::Create, problem).await,
        };
        let StartClients { run, clients, many } = start;
        match &clients[..] {
            [one] => incoming
                .notes
                .named(|| Some(RunKey::Client(run.clone(), one.client.clone()))),
            _ => incoming.notes.key(&run),
        }
        let write = api.ledger.creation.start_clients(&source, &run, attempt, clients);
        match incoming.notes.writing(&api.ledger, write).await {
            Ok(started) => {
                let mut response = match &started[..] {
                    [one] if !many => created(&api, one),
                    all => all_created(&api, all),
                };
                let keys: Vec<_> = started.iter().map(|one| one.record.key().clone()).collect();
                projection::wait(&api, &incoming.headers, &source, &keys, &mut response).await;
                response
            }
            Err(error) => failed(&api, &incoming, error).await,
        }
    })
    .await
}

fn read_clients(api: &Api, incoming: &mut Incoming) -> Result<(Source, Option<AttemptId>, StartClients), Problem> {
    if let Some(fault) = incoming.take_fault() {
        return Err(fault);
    }
    let source = incoming.source(Scope::Create)?;
    let body: NewClients<'_> = read(incoming.json()?)?;
    let start = body.start(incoming.path.run())?;
    let granted = |client: &ClientId| incoming.access.clients().is_none_or(|clients| clients.contains(client));
    if !start.clients.iter().all(|start| granted(&start.client)) {
        return Err(AccessError::Client.into());
    }
    let named: Vec<_> = start.clients.iter().map(|start| &start.client).collect();
    api.check_client_rate(&named)?;
    Ok((source, attempt(incoming)?, start))
}

fn attempt(incoming: &Incoming) -> Result<Option<AttemptId>, Problem> {
    incoming.idempotency_key()?.map(idempotency_key).transpose()
}

fn created(api: &Api, started: &Started) -> Response {
    let status = if started.replayed {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let mut response = answer::record(status, &started.record, api.now());
    if started.replayed {
        answer::mark_replayed(&mut response);
    }
    answer::locate(&mut response, started.record.key());
    response
}

fn all_created(api: &Api, started: &[Started]) -> Response {
    let replayed = started.iter().all(|one| one.replayed);
    let records: Vec<_> = started.iter().map(|one| Arc::clone(&one.record)).collect();
    let status = if replayed { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = json(status, &CreatedRecords::of(&records, api.now()));
    if replayed {
        answer::mark_replayed(&mut response);
    }
    response
}

async fn failed(api: &Api, incoming: &Incoming, error: CreationError) -> Response {
    // These three are decided before any key is aimed at, so the app has kept no line of them.
    let unaimed = matches!(
        error,
        CreationError::BatchSize { .. } | CreationError::CannotMint | CreationError::NoFreeSecond
    );
    let problem = of_creation(error, api.now());
    if unaimed {
        return api.refuse(incoming, Action::Create, problem).await;
    }
    problem.into_response()
}
