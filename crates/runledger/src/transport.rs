//! One request of the HTTP API: to a router in this process, or to a running server. Commands see no difference; they
//! never touch a store.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream, Bytes, to_bytes};
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{self, HeaderMap, HeaderValue, Method};
use axum::response::Response;
use futures_util::StreamExt as _;
use runledger_client::connection::{self, Connection, SendError, SetUpError, encode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::failure::{Exit, Failure, Outcome};
use crate::server_file::Secret;

/// How long an answer of the server may take.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
/// How long such an answer may be silent: several times as long as a server is by default.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// The largest answer, in bytes: a page of 1000 records, each with all its notes, is below.
const ANSWER_BYTES_MAX: usize = 512 * 1024 * 1024;

/// The way to the API.
#[derive(Clone)]
pub(crate) enum Transport {
    /// In this process, on a ledger that it holds.
    InProcess(Router),
    /// Through a running server.
    Remote(Connection),
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: http::StatusCode,
    /// The headers.
    pub(crate) headers: HeaderMap,
    body: Bytes,
}

/// An answer that goes on, piece by piece.
pub(crate) enum Stream {
    /// Of this process.
    InProcess(BodyDataStream),
    /// Of a server.
    Remote(connection::Stream),
}

impl Request {
    /// A request for a path of these parts; each is encoded, so that none can lead elsewhere.
    ///
    /// # Errors
    /// An empty part, `.` and `..` cannot stand in a path.
    pub(crate) fn new(method: Method, parts: &[&str]) -> Outcome<Self> {
        let mut path = String::from("/v1");
        for part in parts {
            if matches!(*part, "" | "." | "..") {
                return Err(Failure::usage(format_args!(
                    "{part:?} is not an id; ids are never empty or dots"
                )));
            }
            path.push('/');
            encode(part, &mut path);
        }
        Ok(Self {
            method,
            path,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
        })
    }

    /// A request that reads.
    ///
    /// # Errors
    /// As [`Request::new`].
    pub(crate) fn get(parts: &[&str]) -> Outcome<Self> {
        Self::new(Method::GET, parts)
    }

    /// Adds a parameter, if it has a value.
    #[must_use]
    pub(crate) fn query(mut self, name: &'static str, value: Option<impl fmt::Display>) -> Self {
        if let Some(value) = value {
            self.query.push((name, value.to_string()));
        }
        self
    }

    /// Adds a header, if it has a value.
    ///
    /// # Errors
    /// When the value cannot stand in a header.
    pub(crate) fn header(mut self, name: &'static str, value: Option<impl fmt::Display>) -> Outcome<Self> {
        if let Some(value) = value {
            let value = value.to_string();
            if http::HeaderValue::from_str(&value).is_err() {
                return Err(Failure::usage(format_args!(
                    "{value:?} holds characters that cannot be sent as {name}"
                )));
            }
            self.headers.push((name, value));
        }
        Ok(self)
    }

    /// Sets the body.
    #[must_use]
    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    fn message(&self) -> Outcome<http::Request<Bytes>> {
        let mut builder = http::Request::builder().method(self.method.clone()).uri(self.target());
        for (name, value) in &self.headers {
            builder = builder.header(*name, value);
        }
        let body = match &self.body {
            Some(body) => {
                builder = builder.header(CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        builder.body(body).map_err(|error| cannot_ask(&error))
    }

    fn target(&self) -> String {
        let mut target = self.path.clone();
        for (index, (name, value)) in self.query.iter().enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            target.push_str(name);
            target.push('=');
            encode(value, &mut target);
        }
        target
    }
}

impl Transport {
    /// Through the server at this URL.
    ///
    /// # Errors
    /// The URL, the token or the certificates cannot be used.
    pub(crate) fn remote(url: &str, token: Option<&Secret>, ca_file: Option<&Path>) -> Outcome<Self> {
        let mut settings = connection::Settings::default();
        if let Some(Secret(token)) = token {
            settings = settings.token(token.clone());
        }
        if let Some(file) = ca_file {
            settings = settings.ca_file(file);
        }
        Connection::new(url, &settings)
            .map(Self::Remote)
            .map_err(|error| cannot_set_up(&error))
    }

    /// Sends the request and answers what came back, refusals included.
    ///
    /// # Errors
    /// When no answer came: nothing is then known about the effect of a change.
    pub(crate) async fn send(&self, request: &Request) -> Outcome<Answer> {
        match self {
            Self::InProcess(router) => in_process(router.clone(), request).await,
            Self::Remote(connection) => {
                let sent = connection.send(request.message()?, ANSWER_TIMEOUT).await;
                let answer = sent.map_err(|error| no_answer(&request.method, &error))?;
                Ok(Answer::of(answer))
            }
        }
    }

    /// Sends a request whose answer goes on; a refusal is a failure.
    ///
    /// # Errors
    /// As [`Transport::request`].
    pub(crate) async fn stream(&self, request: &Request) -> Outcome<Stream> {
        let refusal = match self {
            Self::InProcess(router) => {
                let response = respond(router.clone(), request).await?;
                if response.status().is_success() {
                    return Ok(Stream::InProcess(response.into_body().into_data_stream()));
                }
                whole(response).await?
            }
            Self::Remote(connection) => {
                let failed = |error: SendError| no_answer(&request.method, &error);
                let began = connection.stream(request.message()?, ANSWER_TIMEOUT).await;
                let (head, body) = began.map_err(failed)?.into_parts();
                if head.status.is_success() {
                    return Ok(Stream::Remote(body));
                }
                let body = body.rest(ANSWER_TIMEOUT).await.map_err(failed)?;
                Answer::of(http::Response::from_parts(head, body))
            }
        };
        Err(failure_of(&refusal))
    }

    /// Sends the request; a refusal is a failure.
    ///
    /// # Errors
    /// As [`Transport::send`], and [`failure_of`] for every answer that is no success.
    pub(crate) async fn request(&self, request: &Request) -> Outcome<Answer> {
        let answer = self.send(request).await?;
        if answer.status.is_success() {
            Ok(answer)
        } else {
            Err(failure_of(&answer))
        }
    }
}

impl Stream {
    /// The next piece; `None` when the other side ended it.
    ///
    /// # Errors
    /// When the connection broke, or nothing came for too long.
    pub(crate) async fn piece(&mut self) -> Outcome<Option<Bytes>> {
        match self {
            Self::InProcess(body) => body.next().await.transpose().map_err(|error| cannot_ask(&error)),
            Self::Remote(stream) => {
                let piece = stream.piece(SILENCE_MAX).await;
                piece.map_err(|error| no_answer(&Method::GET, &error))
            }
        }
    }
}

fn cannot_ask(error: &dyn fmt::Display) -> Failure {
    Failure::new(Exit::Fault, format_args!("cannot make the request: {error}"))
}

async fn in_process(router: Router, request: &Request) -> Outcome<Answer> {
    whole(respond(router, request).await?).await
}

async fn respond(router: Router, request: &Request) -> Outcome<Response> {
    let mut message = request.message()?.map(Body::from);
    message
        .headers_mut()
        .insert(HOST, HeaderValue::from_static("localhost"));
    match router.oneshot(message).await {
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}

async fn whole(response: Response) -> Outcome<Answer> {
    let (head, body) = response.into_parts();
    let body = to_bytes(body, ANSWER_BYTES_MAX)
        .await
        .map_err(|error| cannot_ask(&error))?;
    Ok(Answer::of(http::Response::from_parts(head, body)))
}

fn cannot_set_up(error: &SetUpError) -> Failure {
    let failure = Failure::usage(error);
    match error {
        SetUpError::Tls(_) => failure.advise("name the PEM file with --ca-file or RUNLEDGER_CA_FILE"),
        SetUpError::Token => failure.advise("set RUNLEDGER_TOKEN anew"),
        _ => failure.advise("mend --url or RUNLEDGER_URL"),
    }
}

fn no_answer(method: &Method, error: &SendError) -> Failure {
    match error {
        SendError::NotTrusted { .. } => {
            return Failure::unavailable(format_args!(
                "{error}; nothing was done; name the certificate of the server, or of who signed it, with --ca-file"
            ));
        }
        SendError::NotReached { url, .. } => {
            return Failure::unavailable(format_args!("the server at {url} cannot be reached; nothing was done"))
                .advise("look whether `runledger serve` is running");
        }
        _ => {}
    }
    if method == Method::GET {
        return Failure::unavailable(format_args!("the server at {error}")).advise("try again");
    }
    Failure::unavailable(format_args!(
        "the server at {error}; it is not known whether it was done"
    ))
    .advise("read the record, or repeat the same command: with the same --attempt or --update-id it counts once")
}

impl Answer {
    fn of(response: http::Response<Bytes>) -> Self {
        let (head, body) = response.into_parts();
        Self {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    /// The body, as the type that it must be.
    ///
    /// # Errors
    /// When it is something else: the server is of another version.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Outcome<T> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Failure::new(
                Exit::Fault,
                format_args!("the answer of the ledger cannot be read: {error}"),
            )
            .advise("use the same version of runledger for the server and the command")
        })
    }

    /// The body as it came.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the effect had taken place before (I7).
    pub(crate) fn is_replayed(&self) -> bool {
        let header = self.headers.get("idempotency-replayed");
        header.is_some_and(|value| value.as_bytes() == b"true")
    }
}

/// The failure that a refusal comes to: the problem's detail, and the exit code of its status.
pub(crate) fn failure_of(answer: &Answer) -> Failure {
    let problem: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let text = |name: &str| problem.as_ref()?.get(name)?.as_str().map(str::to_owned);
    let exit = exit_of(answer.status.as_u16(), text("code").as_deref().unwrap_or_default());
    let what = text("detail")
        .or_else(|| text("title"))
        .unwrap_or_else(|| format!("the server answered {}", answer.status));
    let what = match text("field") {
        Some(field) if !what.contains(last_word(&field)) => format!("{what} ({field})"),
        _ => what,
    };
    let failure = Failure::new(exit, what);
    match text("code") {
        Some(code) => failure.with_problem(code, answer.text()),
        None => failure,
    }
}

/// `leads` of `metrics.add.leads`.
fn last_word(field: &str) -> &str {
    field.rsplit('.').next().unwrap_or(field)
}

/// The one table from the API's answers to exit codes.
fn exit_of(status: u16, code: &str) -> Exit {
    match (status, code) {
        (404, "not_found" | "token_not_found" | "webhook_not_found") => Exit::NotFound,
        (409, "conflict") | (422, "idempotency_key_reused") => Exit::Conflict,
        (401 | 403 | 409 | 412, _) => Exit::Refused,
        (400 | 408 | 413 | 415 | 422, _) => Exit::Usage,
        (500.., _) => Exit::Unavailable,
        // Among them a path that this program knows and the server does not: another version, or no run ledger at all.
        _ => Exit::Fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_answer_has_its_exit_code() {
        for (status, code, exit) in [
            (400, "body_not_json", Exit::Usage),
            (422, "run_id_invalid", Exit::Usage),
            (401, "token_missing", Exit::Refused),
            (403, "source_not_authorised", Exit::Refused),
            (409, "already_ended", Exit::Refused),
            (409, "conflict", Exit::Conflict),
            (422, "idempotency_key_reused", Exit::Conflict),
            (412, "version_mismatch", Exit::Refused),
            (404, "not_found", Exit::NotFound),
            (404, "route_not_found", Exit::Fault),
            (404, "", Exit::Fault),
            (500, "internal", Exit::Unavailable),
            (503, "in_doubt", Exit::Unavailable),
        ] {
            assert_eq!(exit_of(status, code), exit, "{status} {code}");
        }
    }

    #[test]
    fn no_part_of_a_path_leads_elsewhere() {
        let request = Request::get(&["runs", "a/../b?c#d %é"])
            .unwrap()
            .query("limit", Some("1&x=2"));
        assert_eq!(
            request.target(),
            "/v1/runs/a%2F..%2Fb%3Fc%23d%20%25%C3%A9?limit=1%26x%3D2"
        );
        for part in ["", ".", ".."] {
            assert!(Request::get(&["runs", part]).is_err());
        }
        assert!(request.header("Runledger-Source", Some("a\nb")).is_err());
    }
}
