//! `webhook`: requests of the API like any other.

use axum::http::Method;
use serde::Deserialize;

use super::{Context, OPERATOR, SOURCE};
use crate::cli::WebhookCommand;
use crate::connect::Need;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Table;
use crate::transport::{Answer, Request};
use crate::view::short;

/// Lists, tries and enables webhooks.
///
/// # Errors
/// What the API refuses.
pub(crate) async fn webhook(context: &Context<'_>, command: &WebhookCommand) -> Outcome {
    match command {
        WebhookCommand::List => list(context).await,
        WebhookCommand::Test { name } => test(context, name).await,
        WebhookCommand::Enable { name } => {
            let answer = ask(context, Request::new(Method::POST, &["webhooks", name, "enable"])?).await?;
            if context.output.is_json() {
                return context.output.json(&answer.text());
            }
            let webhook: WebhookView = answer.read()?;
            context.output.line(&format!(
                "enabled webhook {}; it goes on after line {}",
                webhook.name, webhook.position
            ))
        }
    }
}

async fn test(context: &Context<'_>, name: &str) -> Outcome {
    let answer = ask(context, Request::new(Method::POST, &["webhooks", name, "test"])?).await?;
    let test: TestView = answer.read()?;
    if context.output.is_json() {
        context.output.json(&answer.text())?;
    } else if test.taken {
        context
            .output
            .line(&format!("the webhook {} took the event: it {}", test.name, test.answer))?;
    }
    if test.taken {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Fault,
        format_args!("the webhook {} did not take the event: {}", test.name, test.answer),
    )
    .advise("mend the receiver, or its url and secret in the configuration; no line of the log was lost by this"))
}

async fn list(context: &Context<'_>) -> Outcome {
    let answer = ask(context, Request::get(&["webhooks"])?).await?;
    let webhooks = answer.read::<WebhooksView>()?.webhooks;
    if context.output.is_json() {
        return webhooks
            .iter()
            .try_for_each(|webhook| context.output.json(webhook.get()));
    }
    let mut table = Table::new(
        &[
            "NAME",
            "STATUS",
            "DELIVERED TO LINE",
            "FAILURES",
            "FAILING SINCE",
            "LAST ERROR",
        ],
        "there is no webhook: [[webhooks]] in the configuration of the server makes one",
    );
    for webhook in webhooks {
        let webhook: WebhookView = serde_json::from_str(webhook.get()).map_err(|error| super::unreadable(&error))?;
        table.row([
            webhook.name,
            webhook.status,
            webhook.position.to_string(),
            webhook.failures.to_string(),
            webhook.failing_since.as_deref().map_or_else(|| "-".into(), short),
            webhook.last_error.unwrap_or_else(|| "-".into()),
        ]);
    }
    context.output.line(&table.text())
}

async fn ask(context: &Context<'_>, request: Request) -> Outcome<Answer> {
    let request = request.header(SOURCE, Some(context.source.unwrap_or(OPERATOR)))?;
    let connection = context.connect(Need::Exists).await?;
    connection.transport.request(&request).await.map_err(super::advise)
}

#[derive(Deserialize)]
struct WebhooksView {
    webhooks: Vec<Box<serde_json::value::RawValue>>,
}

#[derive(Deserialize)]
struct TestView {
    name: String,
    taken: bool,
    answer: String,
}

#[derive(Deserialize)]
struct WebhookView {
    name: String,
    status: String,
    position: u64,
    failures: u64,
    failing_since: Option<String>,
    last_error: Option<String>,
}
