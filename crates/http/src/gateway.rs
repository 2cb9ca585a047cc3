//! A gateway in the shape of a foreign API, under `/airtable`: who asks, what may arrive and what a refusal leaves behind are
//! as everywhere else; how it is said is the gateway's, because its clients read nothing else.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use runledger_app::{Gateway, GatewayAnswer, GatewayKind, GatewayRequest, TurnedAway};
use runledger_domain::access::Access;
use runledger_domain::{Action, Timestamp};

use crate::api::{Api, carry_out};
use crate::identity::Caller;
use crate::problem;
use crate::spans::{CameTo, Notes};
use crate::trouble::Problem;
use crate::{body, guard, trace};

/// Where the gateway stands; what is behind it is the foreign API's own path.
pub(crate) const PREFIX: &str = "/airtable";

/// What a request does, and when it came: for whoever counts what came of it.
#[derive(Clone, Copy)]
struct Begun {
    kind: GatewayKind,
    at: Timestamp,
}

/// What arrived.
struct Arrived {
    begun: Begun,
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
    let (method, path) = (method(&parts.method), path(&parts.uri));
    let begun = Begun {
        kind: gateway.kind(&method, &path),
        at: api.now(),
    };
    // Of whoever is not known nothing is looked at further, so there is no attempt of anybody that could have a line.
    let Caller { access, is_anybody } = match api.identify(&parts.headers).await {
        Ok(caller) => caller,
        Err(problem) => return said(&api, &*gateway, begun, &problem),
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
    let arrived = Arrived {
        begun,
        method,
        path,
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
    let (request, begun) = (arrived.request(), arrived.begun);
    let fault = fault.or_else(|| check_rate(&api, &*gateway, &request).err());
    if let Some(problem) = fault {
        return turn_away(&api, &*gateway, begun, &arrived.access, problem).await;
    }
    let answering = gateway.answer(&api.ledger, request);
    let answered = match begun.kind {
        GatewayKind::Writes(_) => arrived.notes.writing(&api.ledger, answering).await,
        GatewayKind::Reads | GatewayKind::HandsOn => answering.await,
    };
    written(&api, begun, answered)
}

/// What is asked for. Whoever wants to know only how an answer would begin is answered as if they wanted all of it: the
/// foreign API is not asked for less, and nobody is sent a body.
fn method(method: &Method) -> String {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    method.as_str().into()
}

/// The path behind the gateway's own. An address that was set with a slash at its end makes a second one, which means
/// nothing.
fn path(uri: &Uri) -> String {
    let path = uri.path();
    let rest = path.strip_prefix(PREFIX).unwrap_or(path);
    format!("/{}", rest.trim_start_matches('/'))
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
async fn turn_away(api: &Api, gateway: &dyn Gateway, begun: Begun, access: &Access, problem: Problem) -> Response {
    let GatewayKind::Writes(action) = begun.kind else {
        // It leaves no line; that it was turned away is counted.
        api.ledger.tokens.count_turned_away(problem.logged().0);
        return said(api, gateway, begun, &problem);
    };
    match keep_line(api, access, action, &problem).await {
        Ok(()) => said(api, gateway, begun, &problem),
        Err(unavailable) => said(api, gateway, begun, &unavailable),
    }
}

async fn keep_line(api: &Api, access: &Access, action: Action, problem: &Problem) -> Result<(), Problem> {
    let source = access
        .source(None)
        .map_or_else(|_| String::new(), |source| source.to_string());
    api.keep_line(&source, action, problem).await
}

/// A problem in the shape of the foreign API.
fn said(api: &Api, gateway: &dyn Gateway, begun: Begun, problem: &Problem) -> Response {
    let (status, code, detail, retry_after) = problem.said();
    let answer = gateway.turned_away(TurnedAway {
        status: status.as_u16(),
        code,
        detail,
        retry_after,
    });
    written(api, begun, answer)
}

/// Counts an answer, and writes it: in one piece, with its length.
fn written(api: &Api, begun: Begun, answer: GatewayAnswer) -> Response {
    api.gateway_stats
        .count(begun.kind, &answer, api.now().saturating_since(begun.at));
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
