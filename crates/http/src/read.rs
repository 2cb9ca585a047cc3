//! Reading: one record, lists, the summary of a run, the activity log. Reads create nothing, change nothing and leave
//! no line (I3).

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::IF_NONE_MATCH;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use runledger_app::ReadError;
use runledger_domain::{ClientId, RecordKind, RunId, RunKey, RunRecord, Status};
use runledger_ports::{ActivityFilter, ListFilter};

use crate::answer::{self, json};
use crate::api::Api;
use crate::describe::answers::{ActivityListed, ListProblems, ReadProblems, RecordRead, RecordsListed, SummaryRead};
use crate::describe::parameters::{ActivityQuery, ClientPath, JobPath, ListQuery, PageQuery, ReadHeaders};
use crate::incoming::{Reading, read_tag};
use crate::problem;
use crate::query::{Parameters, check_none};
use crate::trouble::Problem;
use crate::wire::input::{client_id, run_id, run_key};
use crate::wire::page::{Lines, Records};
use crate::wire::summary::SummaryOut;

/// Shows a job record.
#[utoipa::path(
    get,
    path = "/v1/runs/{run}",
    tag = "read",
    operation_id = "getJob",
    params(JobPath, ReadHeaders),
    responses(RecordRead, ReadProblems)
)]
pub(crate) async fn get_job(State(api): State<Arc<Api>>, reading: Reading) -> Result<Response, Problem> {
    get(&api, &reading).await
}

/// Shows a client run record.
#[utoipa::path(
    get,
    path = "/v1/runs/{run}/clients/{client}",
    tag = "read",
    operation_id = "getClient",
    params(ClientPath, ReadHeaders),
    responses(RecordRead, ReadProblems)
)]
pub(crate) async fn get_client(State(api): State<Arc<Api>>, reading: Reading) -> Result<Response, Problem> {
    get(&api, &reading).await
}

/// Lists records in the order of their creation.
#[utoipa::path(
    get,
    path = "/v1/records",
    tag = "read",
    operation_id = "listRecords",
    params(ListQuery, PageQuery),
    responses(RecordsListed, ListProblems)
)]
pub(crate) async fn list(State(api): State<Arc<Api>>, reading: Reading) -> Result<Response, Problem> {
    const KNOWN: [&str; 9] = [
        "run_id",
        "client_id",
        "kind",
        "status",
        "open",
        "batch",
        "external_id",
        "limit",
        "cursor",
    ];
    reading.allow()?;
    let query = Parameters::of(&reading.uri, &KNOWN)?;
    let (run, client) = run_and_client(&query)?;
    let filter = ListFilter {
        run,
        client,
        kind: kind(&query)?,
        status: query.value::<Status>("status")?,
        open: query.flag("open")?,
        batch: query.value("batch")?,
        external_id: query.value("external_id")?,
        within: reading.access.clients().cloned(),
    };
    let page = api.ledger.runs.list(&filter, query.cursor()?, query.limit()?).await?;
    Ok(json(StatusCode::OK, &Records::of(&page, api.now())))
}

/// Lists the records that are open although their deadline has passed, the longest overdue first. Nothing is written.
#[utoipa::path(
    get,
    path = "/v1/stalled",
    tag = "read",
    operation_id = "listStalled",
    params(PageQuery),
    responses(RecordsListed, ListProblems)
)]
pub(crate) async fn stalled(State(api): State<Arc<Api>>, reading: Reading) -> Result<Response, Problem> {
    reading.allow()?;
    let query = Parameters::of(&reading.uri, &["limit", "cursor"])?;
    let within = reading.access.clients().cloned();
    let page = api.ledger.runs.stalled(within, query.cursor()?, query.limit()?).await?;
    Ok(json(StatusCode::OK, &Records::of(&page, api.now())))
}

/// Shows what a run comes to, derived from its records.
#[utoipa::path(
    get,
    path = "/v1/runs/{run}/summary",
    tag = "read",
    operation_id = "getSummary",
    params(JobPath),
    responses(SummaryRead, ReadProblems)
)]
pub(crate) async fn summary(State(api): State<Arc<Api>>, reading: Reading) -> Result<Response, Problem> {
    reading.allow()?;
    check_none(&reading.uri)?;
    let run = run_id(reading.path.run())?;
    // What a run comes to says something about clients that the caller may not know of.
    if !reading.access.sees(&RunKey::Job(run.clone())) {
        return Err(ReadError::NotFound { key: RunKey::Job(run) }.into());
    }
    let summary = api.ledger.runs.summary(&run).await?;
    Ok(json(StatusCode::OK, &SummaryOut::of(&summary)))
}

/// Lists the activity log, oldest line first: every attempt to create or change, accepted or refused.
#[utoipa::path(
    get,
    path = "/v1/activity",
    tag = "read",
    operation_id = "listActivity",
    params(ActivityQuery, PageQuery),
    responses(ActivityListed, ListProblems)
)]
pub(crate) async fn activity(State(api): State<Arc<Api>>, reading: Reading) -> Result<Response, Problem> {
    const KNOWN: [&str; 6] = ["run_id", "client_id", "source", "refused", "limit", "cursor"];
    reading.allow()?;
    let query = Parameters::of(&reading.uri, &KNOWN)?;
    let (run, client) = run_and_client(&query)?;
    let filter = ActivityFilter {
        run,
        client,
        source: query.value("source")?,
        refused: query.flag("refused")?,
        within: reading.access.clients().cloned(),
    };
    let page = api
        .ledger
        .runs
        .activity(&filter, query.cursor()?, query.limit()?)
        .await?;
    Ok(json(StatusCode::OK, &Lines::of(&page)))
}

async fn get(api: &Api, reading: &Reading) -> Result<Response, Problem> {
    reading.allow()?;
    check_none(&reading.uri)?;
    let key = reading.path.key()?;
    if !reading.access.sees(&key) {
        return Err(ReadError::NotFound { key }.into());
    }
    if let Some(client) = key.client() {
        // A read leaves no line; that it was turned away is counted.
        api.check_client_rate(&[client])
            .inspect_err(|_| api.ledger.tokens.count_turned_away(problem::CLIENT_RATE_LIMITED.code))?;
    }
    let record = api.ledger.runs.get(&key).await?;
    let now = api.now();
    // A record becomes stalled without a new version, so a stalled one is always shown in full.
    if !record.is_stalled(now) && is_known(&reading.headers, &record) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        answer::tag(&mut response, record.version());
        return Ok(response);
    }
    Ok(answer::record(StatusCode::OK, &record, now))
}

/// Whether the caller has this version already.
fn is_known(headers: &HeaderMap, record: &RunRecord) -> bool {
    let tags = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    tags.flat_map(|list| list.split(',')).map(str::trim).any(|tag| {
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        tag == "*" || read_tag(tag) == Some(record.version())
    })
}

/// The run may be written with its own client behind it when both are given.
pub(crate) fn run_and_client(query: &Parameters) -> Result<(Option<RunId>, Option<ClientId>), Problem> {
    let client = query.text("client_id").map(client_id).transpose()?;
    let run = match query.text("run_id") {
        Some(text) => Some(run_key(text, client.as_ref())?.run().clone()),
        None => None,
    };
    Ok((run, client))
}

fn kind(query: &Parameters) -> Result<Option<RecordKind>, Problem> {
    match query.text("kind") {
        None => Ok(None),
        Some("job") => Ok(Some(RecordKind::Job)),
        Some("client") => Ok(Some(RecordKind::Client)),
        Some(other) => Err(Problem::value("kind", format!("kind is {other:?}; send job or client"))),
    }
}
