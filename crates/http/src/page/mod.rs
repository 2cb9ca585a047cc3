//! The page that shows the API to people, under `/docs`. It is part of the program: nothing of it comes from elsewhere,
//! and its policy lets a browser load nothing else.

use axum::body::Body;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;

use crate::incoming::Asking;

/// Own style, own script, own description; no frames, no forms, no other origin.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// Shows the page.
pub(crate) async fn docs(_: Asking) -> Response {
    part(include_str!("docs.html"), "text/html; charset=utf-8")
}

/// How it looks.
pub(crate) async fn style(_: Asking) -> Response {
    part(include_str!("style.css"), "text/css; charset=utf-8")
}

/// What draws it.
pub(crate) async fn script(_: Asking) -> Response {
    part(include_str!("script.js"), "text/javascript; charset=utf-8")
}

fn part(text: &'static str, kind: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers: [(HeaderName, &'static str); 4] = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
