//! Refusals in Airtable's shape: a status, a type and a message in an object, which clients hand to their callers as they
//! are for 400, 402, 404, 409, 422 and 502.

use std::borrow::Cow;

use runledger_app::{GatewayAnswer, TurnedAway};
use serde::Serialize;

use crate::service::failure::Failure;

/// How long to wait before the same request, in seconds, where nobody says.
const RETRY_AFTER_SECONDS: u64 = 1;

/// What a code is answered with: the status, and Airtable's word where it has one for it; otherwise the code itself.
const WORDS: [(&str, u16, &str); 30] = [
    ("body_not_json", 400, "INVALID_REQUEST_BODY"),
    ("token_missing", 401, "AUTHENTICATION_REQUIRED"),
    ("token_invalid", 401, "AUTHENTICATION_REQUIRED"),
    ("token_ended", 401, "AUTHENTICATION_REQUIRED"),
    ("source_not_authorised", 403, "INVALID_PERMISSIONS"),
    ("source_not_granted", 403, "INVALID_PERMISSIONS"),
    ("source_missing", 403, "INVALID_PERMISSIONS"),
    ("scope_missing", 403, "INVALID_PERMISSIONS"),
    ("client_not_granted", 403, "INVALID_PERMISSIONS"),
    ("upstream_not_set", 403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"),
    ("not_found", 404, "NOT_FOUND"),
    ("route_not_found", 404, "NOT_FOUND"),
    ("conflict", 409, "DUPLICATE_KEY"),
    ("idempotency_key_reused", 409, "DUPLICATE_KEY"),
    ("body_invalid", 422, "INVALID_REQUEST_UNKNOWN"),
    ("fields_missing", 422, "INVALID_REQUEST_MISSING_FIELDS"),
    ("records_invalid", 422, "INVALID_RECORDS"),
    ("unknown_field", 422, "UNKNOWN_FIELD_NAME"),
    ("value_invalid", 422, "INVALID_VALUE_FOR_COLUMN"),
    ("run_id_invalid", 422, "INVALID_VALUE_FOR_COLUMN"),
    ("client_id_invalid", 422, "INVALID_VALUE_FOR_COLUMN"),
    ("status_not_settable", 422, "INVALID_VALUE_FOR_COLUMN"),
    ("formula_invalid", 422, "INVALID_FILTER_BY_FORMULA"),
    ("view_not_found", 422, "VIEW_NAME_NOT_FOUND"),
    ("page_size_invalid", 422, "INVALID_PAGE_SIZE_ARGUMENT"),
    ("offset_invalid", 422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"),
    ("internal", 500, "SERVER_ERROR"),
    ("busy", 503, "RETRIABLE_ERROR"),
    ("stopped", 503, "RETRIABLE_ERROR"),
    ("in_doubt", 503, "RETRIABLE_ERROR"),
];

/// The word for a record of a batch that does not exist.
const ROW_MISSING: &str = "ROW_DOES_NOT_EXIST";

/// Writes what a request to the ledger failed with. Of a batch, a record that is not there is Airtable's 422.
pub(super) fn of_failure(failure: &Failure, is_batch: bool) -> GatewayAnswer {
    let code = failure.code();
    let (status, word) = match code {
        "not_found" if is_batch => (422, Cow::Borrowed(ROW_MISSING)),
        // The store did not say why in a way that has a name of its own.
        "store_failed" => (503, Cow::Borrowed("RETRIABLE_ERROR")),
        _ => words(code).unwrap_or_else(|| (422, code.to_ascii_uppercase().into())),
    };
    let retry_after = (status == 503).then_some(RETRY_AFTER_SECONDS);
    written(status, &word, failure.detail(), retry_after, code)
}

/// Writes a problem that was met before the gateway was asked. Its status stays.
pub(super) fn of_problem(why: TurnedAway<'_>) -> GatewayAnswer {
    let word = words(why.code).map_or_else(|| why.code.to_ascii_uppercase().into(), |(_, word)| word);
    written(why.status, &word, why.detail, why.retry_after, why.code)
}

fn words(code: &str) -> Option<(u16, Cow<'static, str>)> {
    let (_, status, word) = WORDS.iter().find(|(known, ..)| *known == code)?;
    Some((*status, Cow::Borrowed(*word)))
}

/// Writes a refusal.
pub(super) fn written(
    status: u16,
    word: &str,
    message: &str,
    retry_after: Option<u64>,
    came_to: &'static str,
) -> GatewayAnswer {
    #[derive(Serialize)]
    struct Body<'a> {
        error: Error<'a>,
    }
    #[derive(Serialize)]
    struct Error<'a> {
        r#type: &'a str,
        message: &'a str,
    }
    let body = Body {
        error: Error { r#type: word, message },
    };
    GatewayAnswer {
        status,
        content_type: JSON.into(),
        // Two texts are written into memory, which cannot fail.
        body: serde_json::to_vec(&body).unwrap_or_default(),
        retry_after,
        came_to,
    }
}

/// What every body of the gateway's own is.
pub(super) const JSON: &str = "application/json; charset=utf-8";
