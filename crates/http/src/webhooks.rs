//! Webhooks: how their deliveries stand, and the way back for one that was disabled. For holders of the scope `admin`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use runledger_app::WebhookError;
use runledger_domain::access::Scope;

use crate::answer::json;
use crate::api::{Api, carry_out};
use crate::body::read;
use crate::describe::answers::{ChangeProblems, ListProblems, WebhookShown, WebhooksListed};
use crate::describe::parameters::{AdminHeaders, WebhookPath};
use crate::incoming::{Incoming, Reading};
use crate::problem;
use crate::query::check_none;
use crate::trouble::Problem;
use crate::wire::input::Nothing;
use crate::wire::webhook::{WebhookList, WebhookOut};

/// Lists all webhooks that the log was ever delivered to, and how that goes.
#[utoipa::path(
    get,
    path = "/v1/webhooks",
    tag = "server",
    operation_id = "listWebhooks",
    responses(WebhooksListed, ListProblems)
)]
pub(crate) async fn list(State(api): State<Arc<Api>>, reading: Reading) -> Result<Response, Problem> {
    reading.access.allow(Scope::Admin)?;
    check_none(&reading.uri)?;
    let webhooks = api.ledger.webhooks.list().await?;
    Ok(json(StatusCode::OK, &WebhookList::of(&webhooks)))
}

/// Lets a webhook that was disabled go on where it was, and has one that waits tried at once.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{webhook}/enable",
    tag = "server",
    operation_id = "enableWebhook",
    params(WebhookPath, AdminHeaders),
    responses(WebhookShown, ChangeProblems)
)]
pub(crate) async fn enable(State(api): State<Arc<Api>>, mut incoming: Incoming) -> Response {
    carry_out(incoming.trace(), async move {
        match enabled(&api, &mut incoming).await {
            Ok(response) => response,
            Err(problem) => problem.into_response(),
        }
    })
    .await
}

/// It is about no record, so it leaves no line in the log of attempts.
async fn enabled(api: &Api, incoming: &mut Incoming) -> Result<Response, Problem> {
    if let Some(fault) = incoming.take_fault() {
        return Err(fault);
    }
    incoming.source(Scope::Admin)?;
    let Nothing {} = read(incoming.json()?)?;
    let enabled = api.ledger.webhooks.enable(incoming.path.webhook()).await;
    match enabled {
        Ok(status) => Ok(json(StatusCode::OK, &WebhookOut::of(&status))),
        Err(WebhookError::Unavailable(unavailable)) => Err(unavailable.into()),
        Err(missing) => Err(Problem::new(&problem::WEBHOOK_NOT_FOUND, missing.to_string()).at("webhook")),
    }
}
