//! Requests about anything else: handed on as they came, and answered with what Airtable answers, whole.
//!
//! Its clients break on answers that a program between can come to give: an empty success ends or hangs the process, a
//! redirection sends body and token elsewhere, and a 429 is waited out for ever. None of these goes through.

use std::time::Duration;

use runledger_app::{GatewayAnswer, GatewayRequest};
use runledger_ports::{Upstream, UpstreamAnswer, UpstreamError, UpstreamRequest};
use serde_json::Value;

use super::refusal::{JSON, of_failure, written};
use crate::service::failure::Failure;

/// Airtable's word for a month whose calls are spent.
const QUOTA: &str = "PUBLIC_API_BILLING_LIMIT_EXCEEDED";
/// What a request is told that cannot be waited for now.
const RATE: &str = "RATE_LIMIT_REACHED";
/// What an answer is told that no client could take.
const UNUSABLE: &str = "UPSTREAM_ANSWER_UNUSABLE";
/// For how long Airtable refuses a base after too many requests.
const LOCK_OUT: Duration = Duration::from_secs(30);

/// Hands a request on.
pub(super) async fn hand_on(
    upstream: Option<&dyn Upstream>,
    base: Option<&str>,
    request: &GatewayRequest<'_>,
) -> GatewayAnswer {
    let Some(upstream) = upstream else {
        let detail = "this table is none of the gateway's, and the gateway has no token for Airtable; give it one \
                      (gateway.pat), or name the table among its tables";
        return of_failure(&Failure::new("upstream_not_set", detail), false);
    };
    let target = match request.query {
        Some(query) => format!("{}?{query}", request.path),
        None => request.path.to_owned(),
    };
    let sent = UpstreamRequest {
        method: request.method,
        target: &target,
        base,
        content_type: request.content_type,
        body: request.body,
    };
    match upstream.send(sent).await {
        Ok(answer) => passed(answer),
        Err(error) => failed(&error),
    }
}

fn passed(answer: UpstreamAnswer) -> GatewayAnswer {
    let UpstreamAnswer {
        status,
        content_type,
        body,
        retry_after,
    } = answer;
    let retry_after = retry_after.map(|wait| wait.as_secs());
    match status {
        429 if says_quota(&body) => {
            let message = "the calls of this month are spent at Airtable; nothing was done. Wait for the month to turn, or take \
                           a larger plan";
            written(402, QUOTA, message, None, "upstream_quota")
        }
        // Nothing was done, and the same request may be sent again: clients do so by themselves, if they know when.
        429 => {
            let wait = retry_after.unwrap_or(LOCK_OUT.as_secs());
            written(
                429,
                RATE,
                "Rate limit exceeded. Please try again later",
                Some(wait),
                "upstream_rate",
            )
        }
        200..=299 if serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() => {
            let message = format!(
                "Airtable answered {status} without a body that can be read; what was asked may have been done, so look first"
            );
            written(502, UNUSABLE, &message, None, "upstream_unusable")
        }
        // 204 has no body, and there is one: it is sent as what it says, a success.
        204 | 205 => whole(200, content_type, body, retry_after),
        100..=199 | 300..=399 => {
            let message =
                format!("Airtable answered with {status}, which is not followed; the request went nowhere else");
            written(502, UNUSABLE, &message, None, "upstream_unusable")
        }
        _ => whole(status, content_type, body, retry_after),
    }
}

fn whole(status: u16, content_type: Option<String>, body: Vec<u8>, retry_after: Option<u64>) -> GatewayAnswer {
    GatewayAnswer {
        status,
        content_type: content_type.unwrap_or_else(|| JSON.into()),
        body,
        retry_after,
        came_to: "handed_on",
    }
}

fn failed(error: &UpstreamError) -> GatewayAnswer {
    let message = error.to_string();
    match error {
        UpstreamError::Crowded { retry_after } => {
            written(429, RATE, &message, Some(retry_after.as_secs().max(1)), "upstream_rate")
        }
        UpstreamError::NotReached { .. } => {
            written(502, "UPSTREAM_NOT_REACHED", &message, None, "upstream_not_reached")
        }
        UpstreamError::Lost { .. } => written(502, "UPSTREAM_ANSWER_LOST", &message, None, "upstream_lost"),
    }
}

/// Whether a refusal is about the calls of the month, in any of the shapes in which Airtable says so.
fn says_quota(body: &[u8]) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return false;
    };
    let error = body.get("error").or_else(|| body.get("errors")?.get(0));
    let word = error.and_then(|error| {
        error
            .as_str()
            .or_else(|| ["type", "error"].iter().find_map(|name| error.get(*name)?.as_str()))
    });
    word == Some(QUOTA)
}
