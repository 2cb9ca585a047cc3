//! What arrives: the parts of a request that a handler needs, taken apart once. For whatever changes something nothing
//! is turned away here: a fault is carried along, so that the attempt gets its line before it is answered (I6).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::header::{CONTENT_TYPE, IF_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Uri};
use runledger_domain::access::{Access, AccessError, Scope, TOKEN_PREFIX};
use runledger_domain::{RunKey, Source, Version};
use tracing::Span;

use crate::api::Api;
use crate::problem::{self, Kind};
use crate::spans::Notes;
use crate::trace;
use crate::trouble::Problem;
use crate::wire::input::{client_id, run_key};
use crate::{body, guard, query};

/// Names who asks, in whatever changes something.
pub(crate) static SOURCE: HeaderName = HeaderName::from_static("runledger-source");
/// Names an attempt or an update, so that a retry is recognised.
pub(crate) static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The parts of the path: run, client, stage.
pub(crate) struct Path(Option<RawPathParams>);

impl Path {
    async fn of(parts: &mut Parts) -> Result<Self, Problem> {
        match RawPathParams::from_request_parts(parts, &()).await {
            Ok(params) => Ok(Self(Some(params))),
            Err(RawPathParamsRejection::MissingPathParams(_)) => Ok(Self(None)),
            Err(_) => {
                let detail = format!(
                    "{:?} is not UTF-8 when decoded; percent-encode the ids as UTF-8",
                    parts.uri.path()
                );
                Err(Problem::new(&problem::PATH_INVALID, detail))
            }
        }
    }

    fn part(&self, name: &str) -> Option<&str> {
        let mut params = self.0.as_ref()?.iter();
        params.find(|(known, _)| *known == name).map(|(_, text)| text)
    }

    /// The run as sent; empty when the path has none.
    pub(crate) fn run(&self) -> &str {
        self.part("run").unwrap_or_default()
    }

    /// The client as sent.
    pub(crate) fn client(&self) -> Option<&str> {
        self.part("client")
    }

    /// The stage as sent.
    pub(crate) fn stage(&self) -> &str {
        self.part("stage").unwrap_or_default()
    }

    /// The token id as sent.
    pub(crate) fn token(&self) -> &str {
        self.part("token").unwrap_or_default()
    }

    /// The name of a webhook as sent.
    pub(crate) fn webhook(&self) -> &str {
        self.part("webhook").unwrap_or_default()
    }

    /// The name of a comparison, and the number of a page of it, as sent.
    pub(crate) fn reconciliation(&self) -> (&str, &str) {
        let part = |name| self.part(name).unwrap_or_default();
        (part("reconciliation"), part("page"))
    }

    /// The name of the function as sent.
    pub(crate) fn function(&self) -> &str {
        self.part("function").unwrap_or_default()
    }

    /// The code as sent.
    pub(crate) fn code(&self) -> &str {
        self.part("code").unwrap_or_default()
    }

    /// The key that run and client name together.
    pub(crate) fn key(&self) -> Result<RunKey, Problem> {
        let client = self.client().map(client_id).transpose()?;
        run_key(self.run(), client.as_ref())
    }
}

/// A request about the server itself: nobody needs to be known for it.
pub(crate) struct Asking {
    pub(crate) path: Path,
    pub(crate) uri: Uri,
}

impl FromRequestParts<Arc<Api>> for Asking {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        // On a ledger with tokens there is nothing here that a foreign page could not have from the documentation.
        if api.ledger.tokens.is_open().await.unwrap_or(true) {
            guard::check_host(&parts.headers, &api.options)?;
        }
        Ok(Self {
            path: Path::of(parts).await?,
            uri: std::mem::take(&mut parts.uri),
        })
    }
}

/// A request that reads. It leaves no line.
pub(crate) struct Reading {
    pub(crate) path: Path,
    pub(crate) headers: HeaderMap,
    pub(crate) uri: Uri,
    pub(crate) access: Access,
}

impl FromRequestParts<Arc<Api>> for Reading {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let caller = api.identify(&parts.headers).await?;
        if caller.is_anybody {
            guard::check_host(&parts.headers, &api.options)?;
        }
        let path = Path::of(parts).await?;
        let notes = Notes::of(&parts.extensions);
        notes.named(|| path.key().ok());
        notes.speaker(&caller.access);
        Ok(Self {
            path,
            headers: std::mem::take(&mut parts.headers),
            uri: std::mem::take(&mut parts.uri),
            access: caller.access,
        })
    }
}

impl Reading {
    /// The caller must be allowed to read.
    pub(crate) fn allow(&self) -> Result<(), Problem> {
        Ok(self.access.allow(Scope::Read)?)
    }

    /// The caller must be allowed to read what is not any one client's.
    pub(crate) fn allow_whole(&self) -> Result<(), Problem> {
        self.allow()?;
        match self.access.clients() {
            None => Ok(()),
            Some(_) => Err(AccessError::Client.into()),
        }
    }
}

/// A request that changes something, with what was wrong about it so far.
pub(crate) struct Incoming {
    pub(crate) path: Path,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) access: Access,
    pub(crate) notes: Notes,
    fault: Option<Problem>,
}

impl FromRequest<Arc<Api>> for Incoming {
    /// Of whoever is not known nothing is looked at further, so there is no attempt of anybody that could have a line.
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let caller = api.identify(&parts.headers).await?;
        let (path, fault) = match Path::of(&mut parts).await {
            Ok(path) => (path, None),
            // The texts cannot be decoded; the line names the path as it was sent.
            Err(problem) => (Path(None), Some(problem.about(parts.uri.path(), ""))),
        };
        let notes = Notes::of(&parts.extensions);
        notes.named(|| path.key().ok());
        let collected = body::collect(body, &api.options).await;
        let headers = parts.headers;
        let from_elsewhere = || {
            let checked = guard::check_host(&headers, &api.options);
            checked.and_then(|()| guard::check_origin(&headers, &api.options)).err()
        };
        let fault = fault
            .or_else(|| if caller.is_anybody { from_elsewhere() } else { None })
            .or_else(|| query::check_none(&parts.uri).err());
        let (body, fault) = match collected {
            Ok(body) => (body, fault),
            Err(problem) => (Bytes::new(), fault.or(Some(problem))),
        };
        Ok(Self {
            path,
            headers,
            body,
            access: caller.access,
            notes,
            fault,
        })
    }
}

impl Incoming {
    /// Who asks, for the line: the source as it was sent, or the only one of the token; empty when there is none.
    pub(crate) fn source_text(&self) -> String {
        let text = self
            .headers
            .get(&SOURCE)
            .map(|value| String::from_utf8_lossy(value.as_bytes()));
        let text = text.map(|text| if is_token(&text) { TOKEN_PREFIX.into() } else { text });
        text.map(String::from)
            .or_else(|| self.access.source(None).ok().map(|source| source.to_string()))
            .unwrap_or_default()
    }

    /// The trace that the request belongs to.
    pub(crate) fn trace(&self) -> Span {
        trace::span(&self.headers)
    }

    /// Takes out what was wrong before the contents were looked at.
    pub(crate) fn take_fault(&mut self) -> Option<Problem> {
        self.fault.take()
    }

    /// Who asks, if they may do this kind of thing: the source that is named, as far as the token speaks for it.
    pub(crate) fn source(&self, scope: Scope) -> Result<Source, Problem> {
        let source = self.access.source(self.named_source()?)?;
        self.notes.source(&source);
        self.access.allow(scope)?;
        Ok(source)
    }

    /// The source that the header names, whether the token speaks for it or not.
    pub(crate) fn named_source(&self) -> Result<Option<Source>, Problem> {
        match self.header(&SOURCE, &problem::SOURCE_INVALID)? {
            None => Ok(None),
            // It has the form of a source, and would stand in the log and in the metrics.
            Some(text) if is_token(text) => {
                let detail = "the header Runledger-Source holds a token; send it as Authorization: Bearer rlt_..., \
                              and name the program or step that asks here";
                Err(Problem::new(&problem::SOURCE_INVALID, detail).at("Runledger-Source"))
            }
            Some(text) => Some(text.parse().map_err(|error: runledger_domain::SourceError| {
                Problem::new(&problem::SOURCE_INVALID, error.to_string()).at("Runledger-Source")
            }))
            .transpose(),
        }
    }

    /// The name that makes a retry safe, if one was sent.
    pub(crate) fn idempotency_key(&self) -> Result<Option<&str>, Problem> {
        self.header(&IDEMPOTENCY_KEY, &problem::IDEMPOTENCY_KEY_INVALID)
    }

    /// The version that the record must have, by the header or by the body.
    pub(crate) fn expected(&self, said: Option<Version>) -> Result<Option<Version>, Problem> {
        let Some(tag) = self.header(&IF_MATCH, &problem::IF_MATCH_INVALID)? else {
            return Ok(said);
        };
        // Any version: a change never creates, so that is what it needs anyway.
        if tag.trim() == "*" {
            return Ok(said);
        }
        let Some(version) = read_tag(tag) else {
            let detail = format!("{tag:?} is not the ETag of a record; send it as it was given, such as \"3\"");
            return Err(Problem::new(&problem::IF_MATCH_INVALID, detail).at("If-Match"));
        };
        if said.is_some_and(|said| said != version) {
            let detail = "version and the header If-Match differ; send one of them";
            return Err(Problem::new(&problem::CONTRADICTION, detail).at("version"));
        }
        Ok(Some(version))
    }

    /// The body, if it is sent as JSON.
    pub(crate) fn json(&self) -> Result<&[u8], Problem> {
        if self.body.is_empty() {
            return Ok(&self.body);
        }
        let Some(sent) = self.headers.get(CONTENT_TYPE) else {
            return Ok(&self.body);
        };
        let sent = sent.to_str().unwrap_or_default();
        let essence = sent.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") {
            return Ok(&self.body);
        }
        let detail = format!("the body is sent as {sent:?}; send Content-Type: application/json");
        Err(Problem::new(&problem::CONTENT_TYPE_UNSUPPORTED, detail).at("Content-Type"))
    }

    fn header(&self, name: &HeaderName, kind: &'static Kind) -> Result<Option<&str>, Problem> {
        let mut values = self.headers.get_all(name).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let wrong = |what: &str| Problem::new(kind, format!("the header {name} {what}")).at(name.as_str());
        if values.next().is_some() {
            return Err(wrong("is sent more than once; send it once"));
        }
        value
            .to_str()
            .map(Some)
            .map_err(|_| wrong("holds other than visible ASCII characters; send it without"))
    }
}

/// Whether a text that should be something else is a token, by its beginning.
fn is_token(text: &str) -> bool {
    text.trim_start().starts_with(TOKEN_PREFIX)
}

/// Reads an `ETag` of a record: its version in quotes.
pub(crate) fn read_tag(tag: &str) -> Option<Version> {
    let digits = tag.trim().strip_prefix('"')?.strip_suffix('"')?;
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse().ok())?
}
