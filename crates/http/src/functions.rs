//! The functions of an older service, by their names: `POST /compat/v2/{function}`. What they do is the implementation's;
//! who asks, what may arrive, what a refusal leaves behind and how it is said is here as it is everywhere else.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use runledger_app::{Claimed, FunctionAnswer, FunctionCall, FunctionKind, Functions};
use runledger_domain::{Action, ClientId, RunKey, Source, Subject};

use crate::answer;
use crate::api::{Api, carry_out};
use crate::describe::answers::{FunctionDone, FunctionProblems};
use crate::describe::forms::FunctionArguments;
use crate::describe::parameters::{CreateHeaders, FunctionPath};
use crate::incoming::Incoming;
use crate::problem;
use crate::spans::CameTo;
use crate::trouble::{Problem, of_function};

/// Calls a function of the older services by its name.
#[utoipa::path(
    post, path = "/compat/v2/{function}", tag = "compat", operation_id = "callFunction",
    params(FunctionPath, CreateHeaders),
    request_body(content = Option<FunctionArguments>, content_type = "application/json"),
    responses(FunctionDone, FunctionProblems),
)]
pub(crate) async fn call(State(api): State<Arc<Api>>, mut incoming: Incoming) -> Response {
    // No name was understood, which is said before anything about names.
    if incoming.path.function().is_empty()
        && let Some(fault) = incoming.take_fault()
    {
        return fault.into_response();
    }
    let known = api.options.functions.as_ref().and_then(|functions| {
        let kind = functions.kind(incoming.path.function())?;
        Some((Arc::clone(functions), kind))
    });
    // What has no name here is no attempt at anything, so it leaves no line.
    let Some((functions, kind)) = known else {
        let detail = format!(
            "there is no function {:?} here; names are written as they were, such as createJobRecord",
            incoming.path.function()
        );
        return Problem::new(&problem::ROUTE_NOT_FOUND, detail).into_response();
    };
    carry_out(incoming.trace(), carry_on(api, incoming, functions, kind)).await
}

async fn carry_on(
    api: Arc<Api>,
    mut incoming: Incoming,
    functions: Arc<dyn Functions>,
    kind: FunctionKind,
) -> Response {
    if let Err(problem) = check(&api, &mut incoming, &*functions, kind) {
        return turn_away(&api, &incoming, &*functions, kind, problem).await;
    }
    let call = match asked(&incoming) {
        Ok((source, idempotency_key)) => FunctionCall {
            function: incoming.path.function(),
            access: &incoming.access,
            source,
            idempotency_key,
            arguments: &incoming.body,
        },
        Err(problem) => return turn_away(&api, &incoming, &*functions, kind, problem).await,
    };
    let call = functions.call(&api.ledger, call);
    let answered = match kind {
        FunctionKind::Writes(_) => incoming.notes.writing(&api.ledger, call).await,
        FunctionKind::Reads => call.await,
    };
    match answered {
        Ok(answered) => answer(kind, answered),
        Err(error) => of_function(error, api.now()).into_response(),
    }
}

/// Whether the call may reach the function: it arrived whole, and its client is not named too often.
fn check(api: &Api, incoming: &mut Incoming, functions: &dyn Functions, kind: FunctionKind) -> Result<(), Problem> {
    if let Some(fault) = incoming.take_fault() {
        return Err(fault);
    }
    incoming.json()?;
    // Whoever may not ask at all takes nothing from the client's share; the function refuses them.
    if incoming.access.allow(kind.scope()).is_err() {
        return Ok(());
    }
    let Claimed { source, subject } = functions.claimed(incoming.path.function(), &incoming.body);
    if let Ok(Some(named)) = incoming.named_source() {
        incoming.notes.source(&named);
    }
    incoming.notes.claimed(&source, &subject);
    let Some(client) = client_of(&subject) else {
        return Ok(());
    };
    let is_granted = incoming
        .access
        .clients()
        .is_none_or(|clients| clients.contains(&client));
    if !is_granted {
        return Ok(());
    }
    api.check_client_rate(&[&client]).inspect_err(|_| {
        // A read leaves no line; that it was turned away is counted.
        if kind == FunctionKind::Reads {
            api.ledger.tokens.count_turned_away(problem::CLIENT_RATE_LIMITED.code);
        }
    })
}

/// The client that is meant: the one given apart, or the one behind the run id.
fn client_of(subject: &Subject) -> Option<ClientId> {
    if !subject.client.is_empty() {
        return subject.client.parse().ok();
    }
    match subject.run.parse().ok()? {
        RunKey::Client(_, client) => Some(client),
        RunKey::Job(_) => None,
    }
}

fn asked(incoming: &Incoming) -> Result<(Option<Source>, Option<&str>), Problem> {
    Ok((incoming.named_source()?, incoming.idempotency_key()?))
}

/// Answers a call that the function never saw. What would have changed something gets its line first (I6).
async fn turn_away(
    api: &Api,
    incoming: &Incoming,
    functions: &dyn Functions,
    kind: FunctionKind,
    problem: Problem,
) -> Response {
    let Claimed { source, subject } = functions.claimed(incoming.path.function(), &incoming.body);
    let problem = problem.about(&subject.run, &subject.client);
    let FunctionKind::Writes(action) = kind else {
        return problem.into_response();
    };
    let said = incoming.source_text();
    let named = [&*said, &*source].into_iter().find(|source| !source.is_empty());
    let named = named.unwrap_or_else(|| functions.unnamed());
    api.refuse_as(named, action, problem).await
}

fn answer(kind: FunctionKind, answered: FunctionAnswer) -> Response {
    let FunctionAnswer {
        json,
        created,
        replayed,
    } = answered;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = answer::written(status, json);
    if replayed {
        answer::mark_replayed(&mut response);
    }
    // The method does not tell a function that reads from one that writes.
    let came_to = match kind {
        FunctionKind::Reads => "read",
        _ if created => "created",
        FunctionKind::Writes(Action::Create) => "replayed",
        FunctionKind::Writes(_) if replayed => "unchanged",
        FunctionKind::Writes(_) => "changed",
    };
    response.extensions_mut().insert(CameTo(came_to));
    response
}
