//! A gateway in the shape of a foreign API, under `/airtable`: who asks, what may arrive and what a refusal leaves behind are
//! as everywhere else; how it is said is the gateway's, because its clients read nothing else.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use runledger_app::{Gateway, GatewayAnswer, GatewayKind, GatewayRequest, TurnedAway};
use runledger_domain::Action;
use runledger_domain::access::Access;

use crate::api::{Api, carry_out};
use crate::identity::Caller;
use crate::problem;
use crate::spans::{CameTo, Notes};
use crate::trouble::Problem;
use crate::{body, guard, trace};

/// Where the gateway stands; what is behind it is the foreign API's own path.
pub(crate) const PREFIX: &str = "/airtable";

/// What arrived.
struct Arrived {
    method: String,
    path: String,
    query: Option<String>,
    content_type: Option<String>,
    body: axum::body::Bytes,
    access: Access,
    notes: Notes,
}

impl Arrived {
    fn request(&self) -> GatewayRequest<'_> {
        GatewayRequest {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            content_type: self.content_type.as_deref(),
            body: &self.body,
            access: &self.access,
        }
    }
}

/// Answers a request to the gateway, whatever its method.
pub(crate) async fn answer(State(api): State<Arc<Api>>, request: Request) -> Response {
    let Some(gateway) = api.options.gateway.clone() else {
        let detail = "this server has no gateway; give it one with [gateway] in its settings";
        return Problem::new(&problem::ROUTE_NOT_FOUND, detail).into_response();
    };
    let span = trace::span(request.headers());
    let (parts, body) = request.into_parts();
    // Of whoever is not known nothing is looked at further, so there is no attempt of anybody that could have a line.
    let Caller { access, is_anybody } = match api.identify(&parts.headers).await {
        Ok(caller) => caller,
        Err(problem) => return said(&*gateway, &problem),
    };
    let collected = body::collect(body, &api.options).await;
    let from_elsewhere = || {
        guard::check_host(&parts.headers, &api.options).and_then(|()| guard::check_origin(&parts.headers, &api.options))
    };
    let fault = if is_anybody { from_elsewhere().err() } else { None };
    let (body, fault) = match collected {
        Ok(body) => (body, fault),
        Err(problem) => (axum::body::Bytes::new(), fault.or(Some(problem))),
    };
    let header = |name| {
        parts
            .headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let path = parts.uri.path();
    let arrived = Arrived {
        method: parts.method.as_str().into(),
        path: path.strip_prefix(PREFIX).unwrap_or(path).into(),
        query: parts.uri.query().map(String::from),
        content_type: header(CONTENT_TYPE).map(String::from),
        body,
        access,
        notes: Notes::of(&parts.extensions),
    };
    carry_out(span, carry_on(api, gateway, arrived, fault)).await
}

async fn carry_on(api: Arc<Api>, gateway: Arc<dyn Gateway>, arrived: Arrived, fault: Option<Problem>) -> Response {
    arrived.notes.speaker(&arrived.access);
    let request = arrived.request();
    let kind = gateway.kind(request.method, request.path);
    let fault = fault.or_else(|| check_rate(&api, &*gateway, &request).err());
    if let Some(problem) = fault {
        return turn_away(&api, &*gateway, kind, &arrived.access, problem).await;
    }
    let answering = gateway.answer(&api.ledger, request);
    let answered = match kind {
        GatewayKind::Writes(_) => arrived.notes.writing(&api.ledger, answering).await,
        GatewayKind::Reads | GatewayKind::HandsOn => answering.await,
    };
    written(answered)
}

/// Whether the clients that the request names are not named too often.
fn check_rate(api: &Api, gateway: &dyn Gateway, request: &GatewayRequest<'_>) -> Result<(), Problem> {
    let mut clients = gateway.clients(request);
    clients.sort();
    clients.dedup();
    if let Some(granted) = request.access.clients() {
        clients.retain(|client| granted.contains(client));
    }
    api.check_client_rate(&clients.iter().collect::<Vec<_>>())
}

/// Answers a request that the gateway never saw. What would have changed the ledger gets its line first (I6).
async fn turn_away(api: &Api, gateway: &dyn Gateway, kind: GatewayKind, access: &Access, problem: Problem) -> Response {
    let GatewayKind::Writes(action) = kind else {
        // It leaves no line; that it was turned away is counted.
        api.ledger.tokens.count_turned_away(problem.logged().0);
        return said(gateway, &problem);
    };
    match keep_line(api, access, action, &problem).await {
        Ok(()) => said(gateway, &problem),
        Err(unavailable) => said(gateway, &unavailable),
    }
}

async fn keep_line(api: &Api, access: &Access, action: Action, problem: &Problem) -> Result<(), Problem> {
    let source = access
        .source(None)
        .map_or_else(|_| String::new(), |source| source.to_string());
    api.keep_line(&source, action, problem).await
}

/// A problem in the shape of the foreign API.
fn said(gateway: &dyn Gateway, problem: &Problem) -> Response {
    let (status, code, detail, retry_after) = problem.said();
    written(gateway.turned_away(TurnedAway {
        status: status.as_u16(),
        code,
        detail,
        retry_after,
    }))
}

/// Writes an answer: in one piece, with its length.
fn written(answer: GatewayAnswer) -> Response {
    let GatewayAnswer {
        status,
        content_type,
        body,
        retry_after,
        came_to,
    } = answer;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    response.extensions_mut().insert(CameTo(came_to));
    let headers = response.headers_mut();
    let content_type = HeaderValue::try_from(content_type);
    headers.insert(
        CONTENT_TYPE,
        content_type.unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
