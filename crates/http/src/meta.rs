//! About the server itself: whether it lives and is ready, what it counted, its description, its problems.

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::json;
use crate::api::Api;
use crate::describe::answers::{
    self, Described, DescribedProblems, ExplainedProblems, ListProblems, Ready, ReadyProblems, StatsRead,
};
use crate::describe::openapi;
use crate::describe::parameters::CodePath;
use crate::incoming::{Asking, Reading};
use crate::problem::{self, KINDS};
use crate::query::check_none;
use crate::trouble::Problem;
use crate::wire::activity::StatsOut;

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `alive` or `ready`.
    #[schema(example = "ready")]
    status: &'static str,
}

/// Says that the process answers. Nothing else is looked at.
#[utoipa::path(get, path = "/livez", tag = "server", operation_id = "live", responses(Ready))]
pub(crate) async fn livez() -> Response {
    json(StatusCode::OK, &Health { status: "alive" })
}

/// Says whether the store can be read now.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "server",
    operation_id = "ready",
    responses(Ready, ReadyProblems)
)]
pub(crate) async fn readyz(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    api.ledger.runs.ready().await?;
    Ok(json(StatusCode::OK, &Health { status: "ready" }))
}

/// Shows what the ledger holds, and what the server did since it started.
#[utoipa::path(
    get,
    path = "/v1/stats",
    tag = "server",
    operation_id = "getStats",
    responses(StatsRead, ListProblems)
)]
pub(crate) async fn stats(State(api): State<Arc<Api>>, reading: Reading) -> Result<Response, Problem> {
    reading.allow_whole()?;
    check_none(&reading.uri)?;
    let runs = &api.ledger.runs;
    let (counts, reads) = (runs.counts().await?, runs.recent_reads());
    let stats = StatsOut::of(&counts, runs.stats(), runs.registry_stats(), &reads);
    Ok(json(StatusCode::OK, &stats))
}

/// Shows this description.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "server",
    operation_id = "describe",
    responses(Described, DescribedProblems)
)]
pub(crate) async fn description(_: Asking) -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(openapi);
    let mut response = Response::new(Body::from(TEXT.as_str()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Explains one kind of problem: what `type` points to.
#[utoipa::path(
    get,
    path = "/problems/{code}",
    tag = "server",
    operation_id = "explainProblem",
    params(CodePath),
    responses(answers::Explained, ExplainedProblems)
)]
pub(crate) async fn explain(reading: Asking) -> Result<Response, Problem> {
    let code = reading.path.code();
    let Some(kind) = KINDS.iter().find(|kind| kind.code == code) else {
        let detail = format!("there is no problem {code:?}; they are listed in docs/problems.md");
        return Err(Problem::new(&problem::ROUTE_NOT_FOUND, detail));
    };
    let explained = Explained {
        code: kind.code,
        status: kind.status.as_u16(),
        title: kind.title,
        advice: kind.advice,
    };
    Ok(json(StatusCode::OK, &explained))
}

/// What there is to say about one kind of problem.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProblemKind)]
pub(crate) struct Explained {
    /// The stable word.
    #[schema(example = "conflict")]
    code: &'static str,
    /// The status that it is answered with.
    status: u16,
    /// What it is, in general.
    title: &'static str,
    /// What was not done, and what to do.
    advice: &'static str,
}

/// Answers a path that is none.
pub(crate) async fn no_route(reading: Asking) -> Problem {
    let detail = format!(
        "there is no path {:?}; the paths are listed in /openapi.json",
        reading.uri.path()
    );
    Problem::new(&problem::ROUTE_NOT_FOUND, detail)
}

/// Answers a method that a path does not have; `OPTIONS` is answered with the ones that it has.
pub(crate) async fn no_method(method: Method, _: Asking) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let detail = format!("{method} is not for this path; the header Allow lists what is");
    Problem::new(&problem::METHOD_NOT_ALLOWED, detail).into_response()
}
