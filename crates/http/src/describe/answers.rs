//! The answers that operations share; the problems come from the one table of problems.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use utoipa::IntoResponses;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::{ContentBuilder, RefOr};

use crate::problem::KINDS;

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
        (201, "Created.", Some("Record"), ["Location", "ETag", "Preference-Applied", "Runledger-Projection"]),
        (200, "The same attempt created it before.", Some("Record"),
            ["Location", "ETag", "Idempotency-Replayed", "Preference-Applied", "Runledger-Projection"])
    ];
    ClientsCreated: [
        (201, "Created: the record, or for `clients` a list of all of them.", Some("CreatedRecords"),
            ["Location", "ETag", "Preference-Applied", "Runledger-Projection"]),
        (200, "The same attempt created all of them before.", Some("CreatedRecords"),
            ["Location", "ETag", "Idempotency-Replayed", "Preference-Applied", "Runledger-Projection"])
    ];
    RecordChanged: [
        (200, "The record as it is now.", Some("Record"),
            ["ETag", "Idempotency-Replayed", "Runledger-Closed", "Preference-Applied", "Runledger-Projection"])
    ];
    RecordRead: [
        (200, "The record.", Some("Record"), ["ETag"]),
        (304, "The caller has this version.", None, ["ETag"])
    ];
    RecordsListed: [(200, "A page.", Some("RecordPage"), [])];
    ActivityListed: [(200, "A page.", Some("ActivityPage"), [])];
    SummaryRead: [(200, "The summary.", Some("Summary"), [])];
    FunctionDone: [
        (200, "What the function answers: a record as `{id, fields}`, a text, a list, a truth value, or `null`.", Some("any"),
            ["Idempotency-Replayed"]),
        (201, "The record that came into being.", Some("any"), [])
    ];
    MetricsRead: [(200, "The metrics, in the text format of Prometheus (version 0.0.4).", None, [])];
    StatsRead: [(200, "The counters.", Some("Stats"), [])];
    TokenMade: [(201, "Made. The secret is shown this once.", Some("TokenWithSecret"), ["Cache-Control"])];
    TokensListed: [(200, "All tokens.", Some("TokenList"), [])];
    TokenShown: [(200, "The token as it is now.", Some("Token"), [])];
    DutiesListed: [(200, "All duties.", Some("DutyList"), [])];
    WebhooksListed: [(200, "All webhooks.", Some("WebhookList"), [])];
    WebhookShown: [(200, "The webhook as it is now.", Some("Webhook"), [])];
    ProjectionShown: [(200, "How far it is.", Some("Projection"), [])];
    RowsRetried: [(200, "How many rows are tried again.", Some("RowsRetried"), [])];
    ProjectionResumed: [(200, "Whether it was stopped.", Some("ProjectionResumed"), [])];
    WebhookTested: [(200, "The event was sent, or could not be.", Some("WebhookTest"), [])];
    AirtableChecked: [(200, "What was found.", Some("AirtableFindings"), [])];
    ReconciliationBegun: [(201, "It can be gone on with.", Some("Reconciliation"), [])];
    ReconciliationRead: [(200, "A page.", Some("ReconciliationPage"), [])];
    CopiesRemoved: [(200, "What became of the rows of each record.", Some("RowCopiesList"), [])];
    RemovedListed: [(200, "A page.", Some("RemovedRows"), [])];
    Ready: [(200, "It is.", Some("Health"), [])];
    Described: [(200, "The description.", Some("object"), [])];
    Explained: [(200, "What it means.", Some("ProblemKind"), [])];
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
    FunctionProblems: [400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503];
    ReadProblems: [400, 401, 403, 404, 422, 429, 503];
    ListProblems: [401, 403, 422, 429, 503];
    EventProblems: [401, 403, 409, 422, 429, 503];
    ReadyProblems: [503];
    DescribedProblems: [403];
    ExplainedProblems: [400, 403, 404];
}

fn answer(meaning: &str, schema: Option<&str>, headers: &[&str]) -> Response {
    let mut response = ResponseBuilder::new().description(meaning);
    for header in headers {
        response = response.header(*header, described_header(header));
    }
    let Some(schema) = schema else { return response.build() };
    let content = if schema == "object" {
        let any = ObjectBuilder::new().schema_type(Type::Object);
        ContentBuilder::new().schema(Some(Schema::from(any))).build()
    } else if schema == "any" {
        ContentBuilder::new().build()
    } else if schema == "CreatedRecords" {
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
        "Cache-Control" => "`no-store`: the answer holds a secret.",
        "WWW-Authenticate" => "How to say who asks.",
        "Preference-Applied" => "`wait=` and the seconds that were granted, when the caller preferred to wait.",
        "Runledger-Projection" => {
            "Whether the record is shown elsewhere, for callers who waited: `shown`, `pending`, `set_aside` or `stopped`."
        }
        "Runledger-Closed" => "How many client records were closed with their job.",
        _ => "How many seconds to wait before the same request.",
    };
    let text = Schema::from(ObjectBuilder::new().schema_type(Type::String));
    HeaderBuilder::new()
        .schema(Some(text))
        .description(Some(meaning))
        .build()
}

pub(super) fn problem(status: u16) -> Response {
    let mut meaning = String::from("One of:");
    for kind in KINDS.iter().filter(|kind| kind.status.as_u16() == status) {
        // Writing to a String cannot fail.
        let _ = write!(meaning, " `{}`", kind.code);
    }
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
    let mut response = ResponseBuilder::new()
        .description(meaning)
        .content("application/problem+json", content.build());
    let header = match status {
        401 => Some("WWW-Authenticate"),
        429 | 503 => Some("Retry-After"),
        _ => None,
    };
    if let Some(header) = header {
        response = response.header(header, described_header(header));
    }
    response.build()
}

/// The name under which the problems of a status are described.
pub(super) fn problem_name(status: u16) -> String {
    format!("Problem{status}")
}
