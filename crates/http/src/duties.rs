//! Which server does what for all of them. For holders of the scope `admin`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use runledger_domain::access::Scope;

use crate::answer::json;
use crate::api::Api;
use crate::describe::answers::{DutiesListed, ListProblems};
use crate::incoming::Reading;
use crate::query::check_none;
use crate::trouble::Problem;
use crate::wire::duty::DutyList;

/// Lists what one server at a time does for all of them, and which one that is.
#[utoipa::path(
    get,
    path = "/v1/duties",
    tag = "server",
    operation_id = "listDuties",
    responses(DutiesListed, ListProblems)
)]
pub(crate) async fn list(State(api): State<Arc<Api>>, reading: Reading) -> Result<Response, Problem> {
    reading.access.allow(Scope::Admin)?;
    check_none(&reading.uri)?;
    let duties = api.ledger.duties.list().await?;
    Ok(json(StatusCode::OK, &DutyList::of(&duties)))
}
