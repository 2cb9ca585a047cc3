//! The parameters that operations share.

use utoipa::IntoParams;

use super::forms;

/// The parts of a job's path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers take the path apart themselves"
)]
pub(crate) struct JobPath {
    /// The run.
    #[param(value_type = forms::RunId)]
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
    #[param(value_type = forms::RunId)]
    run: String,
    /// The client.
    #[param(value_type = forms::ClientId)]
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
    #[param(value_type = forms::StageName)]
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
    #[param(value_type = forms::TokenId)]
    token: String,
}

/// The webhook in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers take the path apart themselves"
)]
pub(crate) struct WebhookPath {
    /// The name of the webhook.
    #[param(value_type = forms::WebhookName)]
    webhook: String,
}

/// The headers of what concerns tokens and webhooks.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers read the headers themselves"
)]
pub(crate) struct AdminHeaders {
    /// The program or step that asks; may be left out when the token has only one.
    #[param(rename = "Runledger-Source", value_type = forms::Source, required = false)]
    source: Option<String>,
}

/// The parts of the path of a page of a comparison.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers take the path apart themselves"
)]
pub(crate) struct ReconciliationPath {
    /// The name of the comparison.
    #[param(pattern = "^[0-9a-f]{1,16}-[0-9]{1,20}$", example = "63f5c8a1b2c3d-1")]
    reconciliation: String,
    /// The number of the page, from 1 on.
    #[param(minimum = 1)]
    page: u64,
}

/// The query of a list of removed rows.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers read the query themselves"
)]
pub(crate) struct RemovedQuery {
    /// How many rows to pass: the `next` of the page before.
    #[param(required = false)]
    after: Option<u64>,
    /// How many rows a page holds.
    #[param(required = false, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// The function in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(
    dead_code,
    reason = "only its description is used; handlers take the path apart themselves"
)]
pub(crate) struct FunctionPath {
    /// The function, by the name that it had.
    #[param(value_type = forms::FunctionName)]
    function: String,
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
    #[param(value_type = forms::ProblemCode)]
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
    #[param(rename = "Runledger-Source", value_type = forms::Source, required = false)]
    source: Option<String>,
    /// The attempt. Sent again with the same content, it is answered with the same records, at any later time.
    #[param(rename = "Idempotency-Key", value_type = forms::AttemptId, required = false)]
    idempotency_key: Option<String>,
    /// `wait=` and seconds: answer when the record is shown elsewhere, or then. What was done stays done either way.
    #[param(rename = "Prefer", value_type = String, required = false, example = "wait=10")]
    prefer: Option<String>,
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
    #[param(rename = "Runledger-Source", value_type = forms::Source, required = false)]
    source: Option<String>,
    /// The `ETag` that the record must have.
    #[param(rename = "If-Match", value_type = forms::EntityTag, required = false)]
    if_match: Option<String>,
    /// `wait=` and seconds: answer when the record is shown elsewhere, or then. What was done stays done either way.
    #[param(rename = "Prefer", value_type = String, required = false, example = "wait=10")]
    prefer: Option<String>,
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
    #[param(rename = "Runledger-Source", value_type = forms::Source, required = false)]
    source: Option<String>,
    /// The name of the update, as `update_id` in the body. Sent again with the same content, it counts once.
    #[param(rename = "Idempotency-Key", value_type = forms::AttemptId, required = false)]
    idempotency_key: Option<String>,
    /// The `ETag` that the record must have, as `version` in the body.
    #[param(rename = "If-Match", value_type = forms::EntityTag, required = false)]
    if_match: Option<String>,
    /// `wait=` and seconds: answer when the record is shown elsewhere, or then. What was done stays done either way.
    #[param(rename = "Prefer", value_type = String, required = false, example = "wait=10")]
    prefer: Option<String>,
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
    #[param(rename = "If-None-Match", value_type = String, required = false, example = "\"3\"")]
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
    #[param(value_type = forms::RunId, required = false)]
    run_id: Option<String>,
    /// Of this client.
    #[param(value_type = forms::ClientId, required = false)]
    client_id: Option<String>,
    /// `job` or `client`.
    #[param(value_type = forms::Kind, required = false)]
    kind: Option<String>,
    /// With this status.
    #[param(value_type = forms::Status, required = false)]
    status: Option<String>,
    /// `true`: only open ones (queued or running). `false` is as if it was left out.
    open: Option<bool>,
    /// Of this batch.
    #[param(value_type = forms::BatchLabel, required = false)]
    batch: Option<String>,
    /// With this reference, written `system:id`.
    #[param(value_type = forms::ExternalId, required = false)]
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
    #[param(value_type = forms::CursorText, required = false)]
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
    #[param(value_type = forms::RunId, required = false)]
    run_id: Option<String>,
    /// About this client.
    #[param(value_type = forms::ClientId, required = false)]
    client_id: Option<String>,
    /// By this source.
    #[param(value_type = forms::Source, required = false)]
    source: Option<String>,
    /// `true`: only refused attempts.
    refused: Option<bool>,
}
