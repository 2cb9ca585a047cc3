//! The tables at Airtable: what stands in their way, how they differ from the ledger, and surplus rows taken out. For
//! holders of the scope `admin`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use runledger_app::{ReconcileError, Reconciler};
use runledger_domain::access::Scope;
use runledger_domain::{Action, RunKey, Source};
use runledger_ports::NotDone;
use serde_json::value::RawValue;

use crate::answer::json;
use crate::api::{Api, carry_out};
use crate::body::read;
use crate::describe::answers::{
    AirtableChecked, ChangeProblems, CopiesRemoved, ReadProblems, ReconciliationBegun, ReconciliationRead,
    RemovedListed,
};
use crate::describe::parameters::{AdminHeaders, ReconciliationPath, RemovedQuery};
use crate::incoming::{Incoming, Reading};
use crate::problem;
use crate::query::{Parameters, check_none};
use crate::trouble::Problem;
use crate::wire::input::Nothing;
use crate::wire::reconcile::{
    CopiesIn, CopiesList, FindingList, NewReconciliation, Reconciliation, ReconciliationPage, RemovedPage,
};

/// Looks what stands between the ledger and its rows at Airtable: schema, options, permissions, the limits of the plan. Asks
/// Airtable a few times and writes nothing.
#[utoipa::path(
    get,
    path = "/v1/airtable/check",
    tag = "airtable",
    operation_id = "checkAirtable",
    responses(AirtableChecked, ReadProblems)
)]
pub(crate) async fn check(State(api): State<Arc<Api>>, reading: Reading) -> Result<Response, Problem> {
    reading.access.allow(Scope::Admin)?;
    check_none(&reading.uri)?;
    let findings = reconciler(&api)?.check().await?;
    Ok(json(StatusCode::OK, &FindingList::of(&findings)))
}

/// Begins to compare the ledger with its tables. The pages are asked for one after the other; nothing happens in between.
#[utoipa::path(
    post, path = "/v1/airtable/reconciliations", tag = "airtable", operation_id = "beginReconciliation",
    params(AdminHeaders),
    request_body(content = Option<NewReconciliation>, content_type = "application/json"),
    responses(ReconciliationBegun, ChangeProblems),
)]
pub(crate) async fn begin(State(api): State<Arc<Api>>, mut incoming: Incoming) -> Response {
    carry_out(incoming.trace(), async move {
        let asked = source(&mut incoming).and_then(|source| {
            let NewReconciliation { apply } = read(incoming.json()?)?;
            Ok((apply.then_some(source), reconciler(&api)?))
        });
        let (apply, reconciler) = match asked {
            Ok(asked) => asked,
            Err(problem) => return api.refuse(&incoming, Action::RepairRow, problem).await,
        };
        match reconciler.begin(apply).await {
            Ok(id) => json(StatusCode::CREATED, &Reconciliation { id: &id }),
            Err(error) => Problem::from(error).into_response(),
        }
    })
    .await
}

/// The next page of a comparison, or once more the last one. With `apply`, what it holds is put right by the projection.
#[utoipa::path(
    post,
    path = "/v1/airtable/reconciliations/{reconciliation}/pages/{page}",
    tag = "airtable",
    operation_id = "nextReconciliationPage",
    params(ReconciliationPath, AdminHeaders),
    responses(ReconciliationRead, ChangeProblems)
)]
pub(crate) async fn page(State(api): State<Arc<Api>>, mut incoming: Incoming) -> Response {
    carry_out(incoming.trace(), async move {
        let asked = source(&mut incoming).and_then(|_| {
            let Nothing {} = read(incoming.json()?)?;
            let (name, number) = incoming.path.reconciliation();
            let page = number.parse::<u64>().ok().filter(|page| *page > 0);
            let page =
                page.ok_or_else(|| Problem::value("page", format!("{number:?} is no page; they begin with 1")))?;
            Ok((name.to_owned(), page, reconciler(&api)?))
        });
        let (name, number, reconciler) = match asked {
            Ok(asked) => asked,
            Err(problem) => return api.refuse(&incoming, Action::RepairRow, problem).await,
        };
        match reconciler.page(&name, number).await {
            Ok(page) => json(StatusCode::OK, &ReconciliationPage::of(&page, number)),
            Err(error) => Problem::from(error).into_response(),
        }
    })
    .await
}

/// Deletes all rows of records but the earliest of each. Every row is kept in the ledger before it is deleted.
#[utoipa::path(
    post, path = "/v1/airtable/copies/remove", tag = "airtable", operation_id = "removeCopies",
    params(AdminHeaders),
    request_body(content = CopiesIn, content_type = "application/json"),
    responses(CopiesRemoved, ChangeProblems),
)]
pub(crate) async fn remove_copies(State(api): State<Arc<Api>>, mut incoming: Incoming) -> Response {
    carry_out(incoming.trace(), async move {
        let asked = source(&mut incoming).and_then(|source| {
            let body: CopiesIn<'_> = read(incoming.json()?)?;
            Ok((source, body.keys()?, body.dry_run, reconciler(&api)?))
        });
        let (by, keys, is_tried, reconciler): (Source, Vec<RunKey>, bool, _) = match asked {
            Ok(asked) => asked,
            Err(problem) => return api.refuse(&incoming, Action::RemoveRows, problem).await,
        };
        match reconciler.remove_copies(&by, &keys, is_tried).await {
            Ok(copies) => json(StatusCode::OK, &CopiesList::of(&copies)),
            Err(error) => Problem::from(error).into_response(),
        }
    })
    .await
}

/// The rows that were deleted, as they were.
#[utoipa::path(
    get,
    path = "/v1/airtable/removed",
    tag = "airtable",
    operation_id = "listRemovedRows",
    params(RemovedQuery),
    responses(RemovedListed, ReadProblems)
)]
pub(crate) async fn removed(State(api): State<Arc<Api>>, reading: Reading) -> Result<Response, Problem> {
    reading.access.allow(Scope::Admin)?;
    let parameters = Parameters::of(&reading.uri, &["after", "limit"])?;
    let after = parameters.value::<u64>("after")?.unwrap_or(0);
    let size = parameters.limit()?;
    let rows = reconciler(&api)?.removed(after, size).await?;
    let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    let next = (count == u64::from(size.get())).then_some(after.saturating_add(count));
    let mut read = Vec::with_capacity(rows.len());
    for row in rows {
        let cells = RawValue::from_string(row.cells.clone()).map_err(|error| {
            let detail = format!("the copy of the row {} cannot be read: {error}", row.id);
            Problem::new(&problem::INTERNAL, detail)
        })?;
        read.push((row, cells));
    }
    Ok(json(StatusCode::OK, &RemovedPage::of(&read, next)))
}

fn source(incoming: &mut Incoming) -> Result<Source, Problem> {
    if let Some(fault) = incoming.take_fault() {
        return Err(fault);
    }
    incoming.source(Scope::Admin)
}

fn reconciler(api: &Api) -> Result<Arc<Reconciler>, Problem> {
    let here = api.options.reconciler.clone();
    here.ok_or_else(|| {
        let detail = "this server shows records nowhere: set airtable.base, docs/airtable.md says how";
        Problem::new(&problem::PROJECTION_ABSENT, detail)
    })
}

impl From<ReconcileError> for Problem {
    fn from(error: ReconcileError) -> Self {
        let detail = error.to_string();
        match error {
            ReconcileError::Unavailable(unavailable) => unavailable.into(),
            ReconcileError::Place(NotDone::Later { .. }) => Self::new(&problem::AIRTABLE_UNAVAILABLE, detail),
            ReconcileError::Place(NotDone::Stopped { .. }) => Self::new(&problem::AIRTABLE_STOPPED, detail),
            ReconcileError::Missing { .. } => Self::new(&problem::RECONCILIATION_NOT_FOUND, detail),
            ReconcileError::NoSuchPage { .. } => Self::value("page", detail),
            ReconcileError::KeyCount { .. } => Self::value("records", detail),
            ReconcileError::NotBegun { .. } => Self::new(&problem::AIRTABLE_NOT_BEGUN, detail),
            ReconcileError::Elsewhere { .. } => Self::new(&problem::AIRTABLE_ELSEWHERE, detail),
            // The enum is open to new cases: what they have in common is that it cannot be done now.
            _ => Self::new(&problem::REFUSED, detail),
        }
    }
}
