//! Answers that are no problems: JSON in one piece with its headers, no layer in between.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use runledger_domain::{RunKey, RunRecord, Timestamp, Version};
use serde::Serialize;

use crate::problem;
use crate::trouble::Problem;
use crate::wire::record::Record;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Says `true` when the same request took effect before, and this one did nothing.
pub(crate) static REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Says how many client records were closed with their job.
pub(crate) static CLOSED: HeaderName = HeaderName::from_static("runledger-closed");
/// Room for a usual record, so that the buffer does not grow while it is written. Below 1 KiB, from where on allocators
/// tidy up before they give.
const RECORD_BYTES: usize = 960;

/// Answers with JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let mut body = Vec::with_capacity(RECORD_BYTES);
    if let Err(error) = serde_json::to_writer(&mut body, value) {
        tracing::error!(%error, "an answer cannot be written as JSON");
        return Problem::new(&problem::INTERNAL, format!("the answer cannot be written: {error}")).into_response();
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// Answers with what is JSON already.
pub(crate) fn written(status: StatusCode, json: String) -> Response {
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// Answers with one record and its `ETag`.
pub(crate) fn record(status: StatusCode, record: &RunRecord, now: Timestamp) -> Response {
    let mut response = json(status, &Record::of(record, now));
    tag(&mut response, record.version());
    response
}

/// Adds the version as an `ETag`.
pub(crate) fn tag(response: &mut Response, version: Version) {
    if let Ok(value) = HeaderValue::try_from(format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, value);
    }
}

/// Says that nothing was done now because it was done before.
pub(crate) fn mark_replayed(response: &mut Response) {
    response
        .headers_mut()
        .insert(&REPLAYED, HeaderValue::from_static("true"));
}

/// Says where a new record is to be found.
pub(crate) fn locate(response: &mut Response, key: &RunKey) {
    // Ids hold only characters that a path holds as they are.
    let place = match key {
        RunKey::Job(run) => format!("/v1/runs/{run}"),
        RunKey::Client(run, client) => format!("/v1/runs/{run}/clients/{client}"),
    };
    if let Ok(value) = HeaderValue::try_from(place) {
        response.headers_mut().insert(LOCATION, value);
    }
}
