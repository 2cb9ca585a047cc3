//! The projection: how it is, and the way back for rows and for itself. For holders of the scope `admin`. And waiting, for
//! whoever prefers an answer when a record is shown.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use runledger_app::{Projection, ProjectionError, Shown};
use runledger_domain::access::Scope;
use runledger_domain::{Action, RunKey, Source};

use crate::answer::json;
use crate::api::{Api, carry_out};
use crate::body::read;
use crate::describe::answers::{ChangeProblems, ProjectionResumed, ProjectionShown, ReadProblems, RowsRetried};
use crate::describe::parameters::{AdminHeaders, ClientPath, JobPath};
use crate::incoming::{Incoming, Reading};
use crate::problem;
use crate::query::check_none;
use crate::spans::CameTo;
use crate::trouble::Problem;
use crate::wire::input::Nothing;
use crate::wire::projection::{ProjectionOut, ResumedOut, RetriedOut};

/// Says what the caller prefers (RFC 7240).
static PREFER: HeaderName = HeaderName::from_static("prefer");
/// Says which preference was taken.
static APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// Says whether the record is shown elsewhere: `shown`, `pending`, `set_aside` or `stopped`.
static PROJECTED: HeaderName = HeaderName::from_static("runledger-projection");
/// The longest wait that is granted.
const WAIT_MAX: Duration = Duration::from_mins(5);

/// Shows how far records are shown elsewhere, and what holds up which.
#[utoipa::path(
    get,
    path = "/v1/projection",
    tag = "server",
    operation_id = "getProjection",
    responses(ProjectionShown, ReadProblems)
)]
pub(crate) async fn show(State(api): State<Arc<Api>>, reading: Reading) -> Result<Response, Problem> {
    reading.access.allow(Scope::Admin)?;
    check_none(&reading.uri)?;
    let projection = api.options.projection.as_ref().ok_or_else(absent)?;
    let status = projection.status().await?;
    Ok(json(StatusCode::OK, &ProjectionOut::of(&status)))
}

/// Lets all rows go on that were set aside.
#[utoipa::path(
    post,
    path = "/v1/projection/retry",
    tag = "server",
    operation_id = "retryRows",
    params(AdminHeaders),
    responses(RowsRetried, ChangeProblems)
)]
pub(crate) async fn retry_all(State(api): State<Arc<Api>>, incoming: Incoming) -> Response {
    retry(api, incoming, |_| Ok(None)).await
}

/// Lets the row of a job record go on, if it was set aside.
#[utoipa::path(
    post,
    path = "/v1/runs/{run}/retry-row",
    tag = "server",
    operation_id = "retryJobRow",
    params(JobPath, AdminHeaders),
    responses(RowsRetried, ChangeProblems)
)]
pub(crate) async fn retry_job(State(api): State<Arc<Api>>, incoming: Incoming) -> Response {
    retry(api, incoming, |incoming| incoming.path.key().map(Some)).await
}

/// Lets the row of a client run record go on, if it was set aside.
#[utoipa::path(
    post,
    path = "/v1/runs/{run}/clients/{client}/retry-row",
    tag = "server",
    operation_id = "retryClientRow",
    params(ClientPath, AdminHeaders),
    responses(RowsRetried, ChangeProblems)
)]
pub(crate) async fn retry_client(State(api): State<Arc<Api>>, incoming: Incoming) -> Response {
    retry(api, incoming, |incoming| incoming.path.key().map(Some)).await
}

async fn retry(
    api: Arc<Api>,
    mut incoming: Incoming,
    which: fn(&Incoming) -> Result<Option<RunKey>, Problem>,
) -> Response {
    carry_out(incoming.trace(), async move {
        let (source, projection, key) = match asked(&api, &mut incoming)
            .and_then(|(source, projection)| Ok((source, projection, which(&incoming)?)))
        {
            Ok(asked) => asked,
            Err(problem) => return api.refuse(&incoming, Action::RetryRow, problem).await,
        };
        match projection.retry(&source, key.as_ref()).await {
            Ok(rows) => answer(json(StatusCode::OK, &RetriedOut { rows }), rows > 0),
            // It has its line from the app.
            Err(ProjectionError::Unavailable(unavailable)) => Problem::from(unavailable).into_response(),
            Err(missing) => Problem::new(&problem::NOT_FOUND, missing.to_string()).into_response(),
        }
    })
    .await
}

/// Lets a projection that was stopped go on.
#[utoipa::path(
    post,
    path = "/v1/projection/resume",
    tag = "server",
    operation_id = "resumeProjection",
    params(AdminHeaders),
    responses(ProjectionResumed, ChangeProblems)
)]
pub(crate) async fn resume(State(api): State<Arc<Api>>, mut incoming: Incoming) -> Response {
    carry_out(incoming.trace(), async move {
        let (source, projection) = match asked(&api, &mut incoming) {
            Ok(asked) => asked,
            Err(problem) => return api.refuse(&incoming, Action::ResumeProjection, problem).await,
        };
        match projection.resume(&source).await {
            Ok(was_stopped) => answer(json(StatusCode::OK, &ResumedOut { was_stopped }), was_stopped),
            Err(unavailable) => Problem::from(unavailable).into_response(),
        }
    })
    .await
}

fn asked(api: &Api, incoming: &mut Incoming) -> Result<(Source, Arc<Projection>), Problem> {
    if let Some(fault) = incoming.take_fault() {
        return Err(fault);
    }
    let source = incoming.source(Scope::Admin)?;
    let Nothing {} = read(incoming.json()?)?;
    let projection = api.options.projection.clone().ok_or_else(absent)?;
    Ok((source, projection))
}

fn absent() -> Problem {
    let detail = "this server shows records nowhere else; `airtable.base` in its configuration says where";
    Problem::new(&problem::PROJECTION_ABSENT, detail)
}

/// The path does not tell what it came to.
fn answer(mut response: Response, has_effect: bool) -> Response {
    let came_to = if has_effect { "changed" } else { "unchanged" };
    response.extensions_mut().insert(CameTo(came_to));
    response
}

/// Holds an answer back until these records are shown elsewhere, if that is preferred and for so long at most. What the
/// ledger did stays what it is: the answer says whether it is shown, and is never turned into an error.
pub(crate) async fn wait(api: &Api, headers: &HeaderMap, by: &Source, keys: &[RunKey], response: &mut Response) {
    let (Some(projection), Some(wait)) = (&api.options.projection, preferred(headers)) else {
        return;
    };
    let word = match projection.wait_until_shown(by, keys, wait).await {
        Ok(Shown::Yes) => "shown",
        Ok(Shown::NotYet) | Err(_) => "pending",
        Ok(Shown::SetAside { .. }) => "set_aside",
        Ok(Shown::Stopped { .. }) => "stopped",
    };
    let headers = response.headers_mut();
    headers.insert(&PROJECTED, HeaderValue::from_static(word));
    if let Ok(applied) = HeaderValue::try_from(format!("wait={}", wait.as_secs())) {
        headers.insert(&APPLIED, applied);
    }
}

/// How long the caller prefers to wait; a preference that is not understood is none.
fn preferred(headers: &HeaderMap) -> Option<Duration> {
    let texts = headers.get_all(&PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences = texts.flat_map(|text| text.split([',', ';']));
    let seconds = preferences.find_map(|preference| {
        let (name, value) = preference.trim().split_once('=')?;
        let value = value.trim().trim_matches('"');
        name.trim()
            .eq_ignore_ascii_case("wait")
            .then(|| value.parse::<u64>().ok())?
    })?;
    Some(Duration::from_secs(seconds).min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_and_what_is_not_understood_is_passed_over() {
        for (text, seconds) in [
            ("wait=10", Some(10)),
            ("respond-async, wait=10", Some(10)),
            ("Wait = \"7\"", Some(7)),
            ("wait=100000", Some(300)),
            ("wait=0", Some(0)),
            ("wait", None),
            ("wait=soon", None),
            ("await=10", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(PREFER.clone(), HeaderValue::from_static(text))]);
            assert_eq!(preferred(&headers), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(preferred(&HeaderMap::new()), None);
    }
}
