//! Webhooks: how their deliveries stand, and the way back for one that was disabled. For holders of the scope `admin`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use runledger_app::WebhookError;
use runledger_domain::access::Scope;
use runledger_domain::{Action, Source};
use runledger_ports::{WebhookName, WebhookNameError};
use serde::Serialize;

use crate::answer::json;
use crate::api::{Api, carry_out};
use crate::body::read;
use crate::describe::answers::{ChangeProblems, ListProblems, WebhookShown, WebhookTested, WebhooksListed};
use crate::describe::parameters::{AdminHeaders, WebhookPath};
use crate::incoming::{Incoming, Reading};
use crate::problem;
use crate::query::check_none;
use crate::spans::CameTo;
use crate::trouble::Problem;
use crate::wire::input::Nothing;
use crate::wire::webhook::{WebhookList, WebhookOut, WebhookTestOut};

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
        let (source, name) = match asked(&mut incoming) {
            Ok(asked) => asked,
            Err(problem) => return api.refuse(&incoming, Action::EnableWebhook, problem).await,
        };
        match api.ledger.webhooks.enable(&source, &name).await {
            Ok(enabled) => {
                let came_to = if enabled.was_disabled { "changed" } else { "unchanged" };
                answer(&WebhookOut::of(&enabled.status), came_to)
            }
            Err(error) => failed(error),
        }
    })
    .await
}

/// Sends a webhook one signed event that is no line of the log, and says what the receiver answered.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{webhook}/test",
    tag = "server",
    operation_id = "testWebhook",
    params(WebhookPath, AdminHeaders),
    responses(WebhookTested, ChangeProblems)
)]
pub(crate) async fn test(State(api): State<Arc<Api>>, mut incoming: Incoming) -> Response {
    carry_out(incoming.trace(), async move {
        let (source, name) = match asked(&mut incoming) {
            Ok(asked) => asked,
            Err(problem) => return api.refuse(&incoming, Action::TestWebhook, problem).await,
        };
        match api.ledger.webhooks.test(&source, &name).await {
            // Its place and its state stay.
            Ok(test) => answer(&WebhookTestOut::of(&test), "unchanged"),
            Err(error) => failed(error),
        }
    })
    .await
}

/// The path does not tell what it came to.
fn answer(value: &impl Serialize, came_to: &'static str) -> Response {
    let mut response = json(StatusCode::OK, value);
    response.extensions_mut().insert(CameTo(came_to));
    response
}

/// It has its line from the app.
fn failed(error: WebhookError) -> Response {
    match error {
        WebhookError::Unavailable(unavailable) => Problem::from(unavailable).into_response(),
        missing => not_found(missing.to_string()).into_response(),
    }
}

fn asked(incoming: &mut Incoming) -> Result<(Source, WebhookName), Problem> {
    if let Some(fault) = incoming.take_fault() {
        return Err(fault);
    }
    let source = incoming.source(Scope::Admin)?;
    let Nothing {} = read(incoming.json()?)?;
    let text = incoming.path.webhook();
    let name = text
        .parse()
        .map_err(|error: WebhookNameError| not_found(format!("{error}; {text:?} is none")))?;
    Ok((source, name))
}

fn not_found(detail: String) -> Problem {
    Problem::new(&problem::WEBHOOK_NOT_FOUND, detail).at("webhook")
}
