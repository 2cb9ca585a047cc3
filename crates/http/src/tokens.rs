//! Tokens: made, listed, ended. Only for whoever has the scope `admin`, or for anybody on a ledger that has no token yet,
//! which only programs of this machine can reach.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use runledger_app::{MadeToken, TokenWriteError};
use runledger_domain::access::{Scope, TokenId};
use runledger_domain::{Action, Source};
use runledger_ports::TokenStoreError;

use crate::answer::json;
use crate::api::{Api, carry_out};
use crate::body::read;
use crate::describe::answers::{ChangeProblems, CreateProblems, ListProblems, TokenMade, TokenShown, TokensListed};
use crate::describe::parameters::{AdminHeaders, TokenPath};
use crate::incoming::{Incoming, Reading};
use crate::problem;
use crate::query::check_none;
use crate::trouble::Problem;
use crate::wire::input::Nothing;
use crate::wire::token::{NewTokenIn, Rotation, TokenList, TokenOut, TokenWithSecret};

/// Makes a token. Its secret is in this answer and nowhere else.
#[utoipa::path(
    post, path = "/v1/tokens", tag = "tokens", operation_id = "createToken",
    params(AdminHeaders),
    request_body(content = NewTokenIn, content_type = "application/json"),
    responses(TokenMade, CreateProblems),
)]
pub(crate) async fn create(State(api): State<Arc<Api>>, mut incoming: Incoming) -> Response {
    carry_out(incoming.trace(), async move {
        let asked = asked(&mut incoming).and_then(|source| {
            let body: NewTokenIn<'_> = read(incoming.json()?)?;
            Ok((source, body.new_token(api.now())?))
        });
        let (source, new) = match asked {
            Ok(asked) => asked,
            Err(problem) => return api.refuse(&incoming, Action::CreateToken, problem).await,
        };
        match api.ledger.tokens.create(&source, new).await {
            Ok(made) => answer_made(&made),
            Err(error) => failed(&api, &incoming, Action::CreateToken, error).await,
        }
    })
    .await
}

/// Lists all tokens, ended ones too, without their secrets.
#[utoipa::path(
    get,
    path = "/v1/tokens",
    tag = "tokens",
    operation_id = "listTokens",
    responses(TokensListed, ListProblems)
)]
pub(crate) async fn list(State(api): State<Arc<Api>>, reading: Reading) -> Result<Response, Problem> {
    reading.access.allow(Scope::Admin)?;
    check_none(&reading.uri)?;
    let tokens = api.ledger.tokens.list().await?;
    Ok(json(StatusCode::OK, &TokenList::of(&tokens, api.now())))
}

/// Ends a token at once. Ended before, it stays as it was.
#[utoipa::path(
    post,
    path = "/v1/tokens/{token}/revoke",
    tag = "tokens",
    operation_id = "revokeToken",
    params(TokenPath, AdminHeaders),
    responses(TokenShown, ChangeProblems)
)]
pub(crate) async fn revoke(State(api): State<Arc<Api>>, mut incoming: Incoming) -> Response {
    carry_out(incoming.trace(), async move {
        let asked = asked(&mut incoming).and_then(|source| {
            let Nothing {} = read(incoming.json()?)?;
            Ok((source, token_id(&incoming)?))
        });
        let (source, id) = match asked {
            Ok(asked) => asked,
            Err(problem) => return api.refuse(&incoming, Action::EndToken, problem).await,
        };
        match api.ledger.tokens.revoke(&source, &id).await {
            Ok(record) => json(StatusCode::OK, &TokenOut::of(&record, api.now())),
            Err(error) => failed(&api, &incoming, Action::EndToken, error).await,
        }
    })
    .await
}

/// Puts a new token with the same grant in the place of one, which counts for a while longer if that is wished.
#[utoipa::path(
    post, path = "/v1/tokens/{token}/rotate", tag = "tokens", operation_id = "rotateToken",
    params(TokenPath, AdminHeaders),
    request_body(content = Option<Rotation>, content_type = "application/json"),
    responses(TokenMade, ChangeProblems),
)]
pub(crate) async fn rotate(State(api): State<Arc<Api>>, mut incoming: Incoming) -> Response {
    carry_out(incoming.trace(), async move {
        let asked = asked(&mut incoming).and_then(|source| {
            let body: Rotation = read(incoming.json()?)?;
            Ok((source, token_id(&incoming)?, body.overlap()?))
        });
        let (source, id, overlap) = match asked {
            Ok(asked) => asked,
            Err(problem) => return api.refuse(&incoming, Action::EndToken, problem).await,
        };
        match api.ledger.tokens.rotate(&source, &id, overlap).await {
            Ok(made) => answer_made(&made),
            Err(error) => failed(&api, &incoming, Action::EndToken, error).await,
        }
    })
    .await
}

fn asked(incoming: &mut Incoming) -> Result<Source, Problem> {
    if let Some(fault) = incoming.take_fault() {
        return Err(fault);
    }
    incoming.source(Scope::Admin)
}

fn token_id(incoming: &Incoming) -> Result<TokenId, Problem> {
    let id = incoming.path.token().parse();
    id.map_err(|error: runledger_domain::access::TokenIdError| {
        Problem::new(&problem::TOKEN_NOT_FOUND, error.to_string()).at("token")
    })
}

fn answer_made(made: &MadeToken) -> Response {
    let mut response = json(StatusCode::CREATED, &TokenWithSecret::of(made));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What a token was not made or not ended for. What the store refuses has its line; the rest gets it here.
async fn failed(api: &Api, incoming: &Incoming, action: Action, error: TokenWriteError) -> Response {
    let detail = error.to_string();
    let kind = match error {
        TokenWriteError::TooMany => &problem::TOO_MANY_TOKENS,
        TokenWriteError::ExpiresAtOnce => &problem::GRANT_INVALID,
        TokenWriteError::AlreadyEnded { .. } => &problem::TOKEN_HAS_ENDED,
        TokenWriteError::Store(TokenStoreError::Unavailable(unavailable)) => {
            return Problem::from(unavailable).into_response();
        }
        TokenWriteError::Store(TokenStoreError::Missing { .. }) if action == Action::EndToken => {
            return Problem::new(&problem::TOKEN_NOT_FOUND, detail)
                .at("token")
                .into_response();
        }
        // The enums are open to new cases: nothing is known about what they mean.
        _ => return Problem::new(&problem::INTERNAL, detail).into_response(),
    };
    api.refuse(incoming, action, Problem::new(kind, detail)).await
}
