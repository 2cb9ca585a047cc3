//! The description of the API (`OpenAPI` 3.1), put together from the handlers. The answers and parameters that many
//! handlers share are described here once; the problems come from the one table of problems.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, RefOr};
use utoipa::{IntoParams, IntoResponses, Modify, OpenApi, ToSchema};

use crate::problem::KINDS;
use crate::wire::activity::{ActivityOut, StatsOut};
use crate::wire::page::{CreatedRecords, Lines, Records};
use crate::wire::record::Record;
use crate::wire::summary::SummaryOut;
use crate::wire::token::{TokenList, TokenOut, TokenWithSecret};
use crate::{change, create, meta, metrics, read, tokens};

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
        tokens::create, tokens::list, tokens::revoke, tokens::rotate,
        meta::stats, metrics::metrics, meta::livez, meta::readyz, meta::description, meta::explain,
    ),
    components(schemas(
        Record<'_>, Records<'_>, CreatedRecords<'_>, Lines<'_>, ActivityOut<'_>, SummaryOut<'_>, StatsOut<'_>,
        meta::Health, ProblemDocument, TokenOut<'_>, TokenList<'_>, TokenWithSecret<'_>,
    )),
    modifiers(&SharedProblems, &Bearer),
    security((), ("bearer" = [])),
    tags(
        (name = "create", description = "The one door through which records come into being."),
        (name = "change", description = "Changes of records that exist. An unknown key is 404, and recorded."),
        (name = "read", description = "Reads. They create nothing and change nothing."),
        (name = "tokens", description = "Who may do what. For holders of the scope `admin`."),
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
                .entry(problem_name(status))
                .or_insert_with(|| problem(status).into());
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

fn problem_name(status: u16) -> String {
    format!("Problem{status}")
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

/// The parts of a job's path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers take the path apart themselves"
)]
pub(crate) struct JobPath {
    /// The run.
    #[param(example = "250925-231841")]
    run: String,
}

/// The parts of a client run record's path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers take the path apart themselves"
)]
pub(crate) struct ClientPath {
    /// The run; its own client may stand behind it (`250925-231841-Guy-Wilson`).
    #[param(example = "250925-231841")]
    run: String,
    /// The client.
    #[param(example = "Guy-Wilson")]
    client: String,
}

/// The stage in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers take the path apart themselves"
)]
pub(crate) struct StagePath {
    /// The stage.
    #[param(example = "lead_scoring")]
    stage: String,
}

/// The token in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers take the path apart themselves"
)]
pub(crate) struct TokenPath {
    /// The id of the token.
    #[param(example = "7k3m9q2w5x8z")]
    token: String,
}

/// The headers of what concerns tokens.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers read the headers themselves"
)]
pub(crate) struct AdminHeaders {
    /// The program or step that asks; may be left out when the token has only one.
    #[param(rename = "Runledger-Source", example = "token_desk")]
    source: Option<String>,
}

/// The code in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers take the path apart themselves"
)]
pub(crate) struct CodePath {
    /// The code of the problem.
    #[param(example = "conflict")]
    code: String,
}

/// The headers of a creation.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers read the headers themselves"
)]
pub(crate) struct CreateHeaders {
    /// The program or step that asks. May be left out when the token speaks for only one; must be there without a token.
    #[param(rename = "Runledger-Source", example = "orchestrator")]
    source: Option<String>,
    /// The attempt. Sent again with the same content, it is answered with the same records, at any later time.
    #[param(rename = "Idempotency-Key")]
    idempotency_key: Option<String>,
}

/// The headers of a change.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers read the headers themselves"
)]
pub(crate) struct ChangeHeaders {
    /// The program or step that asks. May be left out when the token speaks for only one; must be there without a token.
    #[param(rename = "Runledger-Source", example = "orchestrator")]
    source: Option<String>,
    /// The `ETag` that the record must have.
    #[param(rename = "If-Match", example = "\"3\"")]
    if_match: Option<String>,
}

/// The headers of an update.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers read the headers themselves"
)]
pub(crate) struct UpdateHeaders {
    /// The program or step that asks. May be left out when the token speaks for only one; must be there without a token.
    #[param(rename = "Runledger-Source", example = "orchestrator")]
    source: Option<String>,
    /// The name of the update, as `update_id` in the body. Sent again with the same content, it counts once.
    #[param(rename = "Idempotency-Key")]
    idempotency_key: Option<String>,
    /// The `ETag` that the record must have, as `version` in the body.
    #[param(rename = "If-Match", example = "\"3\"")]
    if_match: Option<String>,
}

/// The headers of a read.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers read the headers themselves"
)]
pub(crate) struct ReadHeaders {
    /// The `ETag` that the caller has; 304 when the record is still the same and not stalled.
    #[param(rename = "If-None-Match", example = "\"3\"")]
    if_none_match: Option<String>,
}

/// Which records to list. All given conditions must hold.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers read the query themselves"
)]
pub(crate) struct ListQuery {
    /// Of this run.
    run_id: Option<String>,
    /// Of this client.
    client_id: Option<String>,
    /// `job` or `client`.
    kind: Option<String>,
    /// With this status.
    #[param(example = "running")]
    status: Option<String>,
    /// `true`: only open ones (queued or running). `false` is as if it was left out.
    open: Option<bool>,
    /// Of this batch.
    batch: Option<String>,
    /// With this reference, written `system:id`.
    external_id: Option<String>,
}

/// Which page of a listing.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers read the query themselves"
)]
pub(crate) struct PageQuery {
    /// How many entries; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Which lines to list. All given conditions must hold.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers read the query themselves"
)]
pub(crate) struct ActivityQuery {
    /// About this run.
    run_id: Option<String>,
    /// About this client.
    client_id: Option<String>,
    /// By this source.
    source: Option<String>,
    /// `true`: only refused attempts.
    refused: Option<bool>,
}

type Responses = BTreeMap<String, RefOr<Response>>;

/// Declares sets of answers: a status, what it means, the schema of its JSON, its headers.
macro_rules! answers {
    ($($name:ident: [$(($status:literal, $meaning:literal, $schema:expr, [$($header:literal),*])),*];)*) => {
        $(
            pub(crate) enum $name {}

            impl IntoResponses for $name {
                fn responses() -> Responses {
                    [$(($status.to_string(), answer($meaning, $schema, &[$($header),*]).into())),*].into()
                }
            }
        )*
    };
}

answers! {
    JobCreated: [
        (201, "Created.", Some("Record"), ["Location", "ETag"]),
        (200, "The same attempt created it before.", Some("Record"), ["Location", "ETag", "Idempotency-Replayed"])
    ];
    ClientsCreated: [
        (201, "Created: the record, or for `clients` a list of all of them.", Some("CreatedRecords"),
            ["Location", "ETag"]),
        (200, "The same attempt created all of them before.", Some("CreatedRecords"),
            ["Location", "ETag", "Idempotency-Replayed"])
    ];
    RecordChanged: [
        (200, "The record as it is now.", Some("Record"), ["ETag", "Idempotency-Replayed", "Runledger-Closed"])
    ];
    RecordRead: [
        (200, "The record.", Some("Record"), ["ETag"]),
        (304, "The caller has this version.", None, ["ETag"])
    ];
    RecordsListed: [(200, "A page.", Some("RecordPage"), [])];
    ActivityListed: [(200, "A page.", Some("ActivityPage"), [])];
    SummaryRead: [(200, "The summary.", Some("Summary"), [])];
    MetricsRead: [(200, "The metrics, in the text format of Prometheus (version 0.0.4).", None, [])];
    StatsRead: [(200, "The counters.", Some("Stats"), [])];
    TokenMade: [(201, "Made. The secret is shown this once.", Some("TokenWithSecret"), [])];
    TokensListed: [(200, "All tokens.", Some("TokenList"), [])];
    TokenShown: [(200, "The token as it is now.", Some("Token"), [])];
    Ready: [(200, "It is.", Some("Health"), [])];
    Described: [(200, "The description.", None, [])];
}

/// Declares sets of problems by their statuses.
macro_rules! problem_answers {
    ($($name:ident: [$($status:literal),*];)*) => {
        $(
            pub(crate) enum $name {}

            impl IntoResponses for $name {
                fn responses() -> Responses {
                    [$(($status.to_string(), Ref::from_response_name(problem_name($status)).into())),*].into()
                }
            }
        )*
    };
}

problem_answers! {
    CreateProblems: [400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503];
    ChangeProblems: [400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 429, 500, 503];
    ReadProblems: [400, 401, 403, 404, 422, 429, 503];
}

fn answer(meaning: &str, schema: Option<&str>, headers: &[&str]) -> Response {
    let mut response = ResponseBuilder::new().description(meaning);
    for header in headers {
        response = response.header(*header, described_header(header));
    }
    let Some(schema) = schema else { return response.build() };
    let content = if schema == "CreatedRecords" {
        let either = utoipa::openapi::schema::OneOfBuilder::new()
            .item(Ref::from_schema_name("Record"))
            .item(Ref::from_schema_name(schema));
        ContentBuilder::new().schema(Some(either)).build()
    } else {
        ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(schema)))
            .build()
    };
    response.content("application/json", content).build()
}

fn described_header(name: &str) -> utoipa::openapi::header::Header {
    let meaning = match name {
        "ETag" => "The version of the record, in quotes.",
        "Location" => "Where the record is, when it is one.",
        "Idempotency-Replayed" => "`true` when the same request took effect before and this one did nothing.",
        "Runledger-Closed" => "How many client records were closed with their job.",
        _ => "How many seconds to wait before the same request.",
    };
    let text = Schema::from(ObjectBuilder::new().schema_type(Type::String));
    HeaderBuilder::new()
        .schema(Some(text))
        .description(Some(meaning))
        .build()
}

fn problem(status: u16) -> Response {
    let mut meaning = String::from("One of:");
    for kind in KINDS.iter().filter(|kind| kind.status.as_u16() == status) {
        // Writing to a String cannot fail.
        let _ = write!(meaning, " `{}`", kind.code);
    }
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
    let mut response = ResponseBuilder::new()
        .description(meaning)
        .content("application/problem+json", content.build());
    if matches!(status, 429 | 503) {
        response = response.header("Retry-After", described_header("Retry-After"));
    }
    response.build()
}
