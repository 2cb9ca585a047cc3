//! `token`: requests of the API like any other. The secret of a new token goes to standard output, and nowhere else.

use axum::http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Context, OPERATOR, SOURCE};
use crate::cli::{TokenCommand, TokenCreateArgs};
use crate::connect::Need;
use crate::failure::Outcome;
use crate::output::Table;
use crate::settings::Span;
use crate::transport::{Answer, Request};
use crate::view::short;

/// Makes, lists and ends tokens.
///
/// # Errors
/// What the API refuses.
pub(crate) async fn token(context: &Context<'_>, command: &TokenCommand) -> Outcome {
    match command {
        TokenCommand::Create(args) => create(context, args).await,
        TokenCommand::List => list(context).await,
        TokenCommand::Revoke { id } => {
            let answer = ask(
                context,
                Request::new(Method::POST, &["tokens", id, "revoke"])?,
                Need::Exists,
            )
            .await?;
            if context.output.is_json() {
                return context.output.json(&answer.text());
            }
            let token: TokenView = answer.read()?;
            context
                .output
                .line(&format!("revoked token {} ({})", token.id, token.name))
        }
        TokenCommand::Rotate { id, overlap } => {
            let body = json!({ "overlap_seconds": overlap.map(Span::as_secs) });
            let request = Request::new(Method::POST, &["tokens", id, "rotate"])?.body(body);
            show_made(context, &ask(context, request, Need::Exists).await?)
        }
    }
}

async fn create(context: &Context<'_>, args: &TokenCreateArgs) -> Outcome {
    let mut body = Map::new();
    body.insert("name".into(), json!(args.name));
    body.insert("scopes".into(), json!(args.scopes));
    body.insert("sources".into(), json!(args.sources));
    if !args.clients.is_empty() {
        body.insert("clients".into(), json!(args.clients));
    }
    if let Some(expires) = args.expires {
        body.insert("expires_in_seconds".into(), json!(expires.as_secs()));
    }
    let request = Request::new(Method::POST, &["tokens"])?.body(Value::Object(body));
    show_made(context, &ask(context, request, Need::MayBegin).await?)
}

async fn list(context: &Context<'_>) -> Outcome {
    let answer = ask(context, Request::get(&["tokens"])?, Need::Exists).await?;
    let tokens = answer.read::<TokensView>()?.tokens;
    if context.output.is_json() {
        return tokens.iter().try_for_each(|token| context.output.json(token.get()));
    }
    let mut table = Table::new(
        &[
            "ID", "NAME", "STATUS", "SCOPES", "SOURCES", "CLIENTS", "MADE", "EXPIRES",
        ],
        "there is no token: the ledger is open to every program of this machine",
    );
    for token in tokens {
        let token: TokenView = serde_json::from_str(token.get()).map_err(|error| super::unreadable(&error))?;
        table.row([
            token.id,
            token.name,
            token.status,
            token.scopes.join(", "),
            token.sources.join(", "),
            token.clients.map_or_else(|| "all".into(), |clients| clients.join(", ")),
            short(&token.created_at),
            token.expires_at.as_deref().map_or_else(|| "-".into(), short),
        ]);
    }
    context.output.line(&table.text())
}

async fn ask(context: &Context<'_>, request: Request, need: Need) -> Outcome<Answer> {
    let request = request.header(SOURCE, Some(context.source.unwrap_or(OPERATOR)))?;
    let connection = context.connect(need).await?;
    connection.transport.request(&request).await.map_err(super::advise)
}

fn show_made(context: &Context<'_>, answer: &Answer) -> Outcome {
    if context.output.is_json() {
        return context.output.json(&answer.text());
    }
    let MadeView { token, secret } = answer.read()?;
    let clients = token
        .clients
        .map_or_else(|| "all clients".into(), |clients| clients.join(", "));
    context.output.line(&format!(
        "made token {} ({}): {} for {clients}\n\n{secret}\n\nThis is its secret, shown this once. Programs send it as \
         Authorization: Bearer, commands take it from RUNLEDGER_TOKEN.",
        token.id,
        token.name,
        token.scopes.join(", ")
    ))
}

#[derive(Deserialize)]
struct TokensView {
    tokens: Vec<Box<serde_json::value::RawValue>>,
}

#[derive(Deserialize)]
struct MadeView {
    token: TokenView,
    secret: String,
}

#[derive(Deserialize)]
struct TokenView {
    id: String,
    name: String,
    status: String,
    scopes: Vec<String>,
    sources: Vec<String>,
    clients: Option<Vec<String>>,
    created_at: String,
    expires_at: Option<String>,
}
