//! The description of the API (`OpenAPI` 3.1), put together from the handlers. The answers and parameters that many
//! handlers share are described here once; the problems come from the one table of problems.

pub(crate) mod answers;
pub(crate) mod forms;
mod links;
pub(crate) mod parameters;

use std::collections::HashMap;

use axum::http::Method;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{Modify, OpenApi, ToSchema};

use crate::describe::links::Links;
use crate::problem::KINDS;
use crate::wire::activity::{ActivityOut, StatsOut};
use crate::wire::duty::{DutyList, DutyOut};
use crate::wire::page::{CreatedRecords, Lines, Records};
use crate::wire::projection::{ProjectionOut, ResumedOut, RetriedOut, SetAsideOut};
use crate::wire::reconcile::{
    CellOut, CopiesList, CopiesOut, CopyOut, CountsOut, DiscrepancyOut, FindingList, FindingOut, Reconciliation,
    ReconciliationPage, RemovedOut, RemovedPage,
};
use crate::wire::record::Record;
use crate::wire::summary::SummaryOut;
use crate::wire::token::{TokenList, TokenOut, TokenWithSecret};
use crate::wire::webhook::{WebhookList, WebhookOut, WebhookTestOut};
use crate::{change, create, duties, events, functions, meta, metrics, projection, read, reconcile, tokens, webhooks};

/// The description of the API, as JSON. The same for the same source: `docs/openapi.json` holds it.
///
/// ```
/// assert!(runledger_http::openapi().contains("\"openapi\": \"3.1.0\""));
/// ```
pub fn openapi() -> String {
    let mut text = Api::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// The operations of each path, by their methods.
pub(crate) fn operations() -> HashMap<String, Vec<(Method, String)>> {
    let paths = Api::openapi().paths.paths.into_iter();
    let operations = paths.map(|(path, item)| {
        let of_path = [
            (Method::GET, item.get),
            (Method::POST, item.post),
            (Method::PATCH, item.patch),
        ];
        let named = of_path
            .into_iter()
            .filter_map(|(method, operation)| Some((method, operation?.operation_id?)));
        (path, named.collect())
    });
    operations.collect()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Run Ledger",
        description = "The one place where records of runs come into being. A record is created once, on purpose, by a \
            source that is allowed to; reading never creates; changing never creates. Every error is a problem document \
            (RFC 9457). Numbers in metrics are exact decimals: read them as text or decimal, not as floats.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        create::create_job, create::create_clients,
        change::update_job, change::update_client,
        change::start_stage_job, change::start_stage_client,
        change::finish_stage_job, change::finish_stage_client,
        change::complete_job, change::complete_client,
        change::heartbeat_job, change::heartbeat_client,
        read::get_job, read::get_client, read::list, read::stalled, read::summary, read::activity,
        events::events,
        functions::call,
        tokens::create, tokens::list, tokens::revoke, tokens::rotate,
        duties::list, webhooks::list, webhooks::enable, webhooks::test,
        projection::show, projection::retry_all, projection::retry_job, projection::retry_client, projection::resume,
        reconcile::check, reconcile::begin, reconcile::page, reconcile::remove_copies, reconcile::removed,
        meta::stats, metrics::metrics, meta::livez, meta::readyz, meta::description, meta::explain,
    ),
    components(schemas(
        Record<'_>, Records<'_>, CreatedRecords<'_>, Lines<'_>, ActivityOut<'_>, SummaryOut<'_>, StatsOut<'_>,
        meta::Health, meta::Explained, ProblemDocument, TokenOut<'_>, TokenList<'_>, TokenWithSecret<'_>,
        DutyOut<'_>, DutyList<'_>, WebhookOut<'_>, WebhookTestOut<'_>, WebhookList<'_>, forms::WebhookName,
        ProjectionOut<'_>, SetAsideOut<'_>, RetriedOut, ResumedOut,
        FindingOut<'_>, FindingList<'_>, Reconciliation<'_>, ReconciliationPage<'_>, DiscrepancyOut<'_>, CellOut<'_>,
        CountsOut, CopyOut<'_>, CopiesOut<'_>, CopiesList<'_>, RemovedOut<'_>, RemovedPage<'_>,
        forms::RunId, forms::ClientId, forms::Source, forms::StageName, forms::BatchLabel, forms::ExternalId,
        forms::ClientName, forms::NoteText, forms::AttemptId, forms::EntityTag, forms::CursorText, forms::TokenId,
        forms::TokenName, forms::ProblemCode, forms::FunctionName, forms::FunctionArguments, forms::Status, forms::Outcome, forms::Beginning, forms::Started,
        forms::Kind, forms::Action, events::LineNumber, forms::Refused, forms::Scope, forms::NumberIn, forms::NumbersIn,
    )),
    modifiers(&SharedProblems, &Bearer, &BodiesLeftOut, &Links),
    security((), ("bearer" = [])),
    tags(
        (name = "create", description = "The one door through which records come into being."),
        (name = "change", description = "Changes of records that exist. An unknown key is 404, and recorded."),
        (name = "read", description = "Reads. They create nothing and change nothing."),
        (name = "compat", description = "The functions of older services, by their names. A server with a gateway also \
            answers Airtable's own API, for clients of it: any method under `/airtable/v0/{base}/{table}`, described by Airtable, \
            with errors in its shape. Run tables are answered from the ledger, everything else is handed on."),
        (name = "tokens", description = "Who may do what. For holders of the scope `admin`."),
        (name = "airtable", description = "The tables where records are shown. For holders of the scope `admin`."),
        (name = "server", description = "The server itself."),
    ),
)]
struct Api;

/// Describes the problems of each status once, for all operations.
struct SharedProblems;

impl Modify for SharedProblems {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let components = description.components.get_or_insert_default();
        for kind in KINDS {
            let status = kind.status.as_u16();
            components
                .responses
                .entry(answers::problem_name(status))
                .or_insert_with(|| answers::problem(status).into());
        }
    }
}

/// Describes the token. Without any on the ledger, none is needed.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("rlt_...")
            .description(Some(
                "A token of this ledger. It is bound to sources and scopes, and maybe to clients. A ledger without any \
                 token needs none and listens on loopback only.",
            ))
            .build();
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// A body that may be left out is nothing, never the word `null`.
struct BodiesLeftOut;

impl Modify for BodiesLeftOut {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        for item in description.paths.paths.values_mut() {
            for operation in [&mut item.post, &mut item.patch].into_iter().flatten() {
                let Some(RefOr::T(body)) = &mut operation.request_body else {
                    continue;
                };
                for content in body.content.values_mut() {
                    if let RefOr::T(content) = content
                        && let Some(RefOr::T(Schema::OneOf(either))) = &content.schema
                        && let Some(said) = either.items.iter().find(|item| matches!(item, RefOr::Ref(_)))
                    {
                        content.schema = Some(said.clone());
                    }
                }
            }
        }
    }
}

/// An error. `code` is the stable word for programs; the list of all is in `docs/problems.md`.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(
    dead_code,
    reason = "only its description is used; what is written is the problem itself"
)]
struct ProblemDocument {
    /// `/problems/` and the code.
    #[schema(example = "/problems/conflict")]
    r#type: String,
    /// What it is, in general.
    title: String,
    /// The status of the answer.
    status: u16,
    /// What happened this time, and what to do.
    detail: String,
    /// The stable word.
    #[schema(example = "conflict")]
    code: String,
    /// The field, header or parameter that is wrong.
    field: Option<String>,
    /// The run that was meant.
    run_id: Option<String>,
    /// The client that was meant.
    client_id: Option<String>,
    /// The record as it stands, when there is one that stands against the request.
    #[schema(value_type = Option<Record>)]
    existing: Option<()>,
    /// In what two creations of one key differ.
    differs_in: Option<Vec<String>>,
}
