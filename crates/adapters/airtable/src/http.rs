//! One request over HTTP, sent once. Whatever it comes to, it is not sent again from here.

use crate::pat::{Pat, PatError};
use crate::tls;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method};
use reqwest::{Client, Url};
use std::error::Error as _;
use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a connection that nobody uses is kept; shorter than Airtable does, so that few die unnoticed.
const IDLE_TIME_MAX: Duration = Duration::from_secs(20);
/// The largest answer, in bytes: 100 records with several texts of 100,000 characters.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The longest pause that is taken over from `Retry-After`.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// Why there is no way to Airtable. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetUpError {
    /// The address is none.
    #[error("{0:?} is not the address of Airtable; write it as https://api.airtable.com")]
    Url(String),
    /// The token is none.
    #[error(transparent)]
    Pat(#[from] PatError),
    /// The machine trusts nobody.
    #[error("this machine has no certificates of authorities ({0}); install ca-certificates")]
    NoRoots(String),
    /// The client cannot be put together.
    #[error("the way to Airtable cannot be set up: {0}")]
    Client(String),
}

/// Why no whole answer came.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TransportError {
    /// No connection came about: no byte of the request was sent.
    #[error("not reached: {0}")]
    NotReached(String),
    /// It took too long; what was asked may still be done.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The connection ended before the answer was whole.
    #[error("the connection ended: {0}")]
    Cut(String),
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// What the body is, if that was said.
    pub(crate) content_type: Option<String>,
    pub(crate) body: Vec<u8>,
    pub(crate) retry_after: Option<Duration>,
}

/// The way to Airtable.
#[derive(Clone)]
pub(crate) struct Http {
    client: Client,
    /// Without a slash at the end.
    endpoint: String,
    headers: HeaderMap,
    within: Duration,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http")
            .field("endpoint", &self.endpoint)
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}

impl Http {
    /// Sets up the way. Nothing is sent yet.
    ///
    /// # Errors
    /// [`SetUpError`].
    pub(crate) fn new(endpoint: &str, pat: &Pat, within: Duration) -> Result<Self, SetUpError> {
        let endpoint = endpoint.trim().trim_end_matches('/');
        // An address may hold a password; then it is not repeated.
        let shown = || {
            SetUpError::Url(if endpoint.contains('@') {
                "..".into()
            } else {
                endpoint.to_owned()
            })
        };
        let url = Url::parse(endpoint).map_err(|_| shown())?;
        let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !is_plain || url.fragment().is_some() {
            return Err(shown());
        }
        let client = Client::builder()
            .tls_backend_preconfigured(tls::config(url.scheme() == "https")?)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .connect_timeout(CONNECT_TIME_MAX)
            .pool_idle_timeout(IDLE_TIME_MAX)
            .user_agent(concat!("runledger/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| SetUpError::Client(root_cause(&error)))?;
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, pat.header()?),
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        ]);
        Ok(Self {
            client,
            endpoint: endpoint.to_owned(),
            headers,
            within,
        })
    }

    /// The length of the URL of a path, in characters.
    pub(crate) fn url_length(&self, path: &str) -> usize {
        self.endpoint.len() + path.len()
    }

    /// Sends one request, once. The path is encoded already.
    ///
    /// # Errors
    /// [`TransportError`] when no whole answer came.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, TransportError> {
        self.send_as(method, path, body, None).await
    }

    /// The same with a body that is something else than JSON, if that is said.
    ///
    /// # Errors
    /// [`TransportError`] when no whole answer came.
    pub(crate) async fn send_as(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        content_type: Option<&str>,
    ) -> Result<Answer, TransportError> {
        let whole = self.attempt(method, path, body, content_type);
        tokio::time::timeout(self.within, whole)
            .await
            .unwrap_or(Err(TransportError::TimedOut(self.within)))
    }

    async fn attempt(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        content_type: Option<&str>,
    ) -> Result<Answer, TransportError> {
        let url = Url::parse(&format!("{}{path}", self.endpoint))
            .map_err(|error| TransportError::NotReached(error.to_string()))?;
        // A path with dots or backslashes in it would be another one on its way.
        let (asked, _) = path.split_once('?').unwrap_or((path, ""));
        if !url.path().ends_with(asked) {
            return Err(TransportError::NotReached(format!("{asked:?} is no path as it stands")));
        }
        let mut headers = self.headers.clone();
        if let Some(content_type) = content_type {
            let value = HeaderValue::from_str(content_type);
            headers.insert(
                CONTENT_TYPE,
                value.map_err(|error| TransportError::NotReached(error.to_string()))?,
            );
        }
        let request = self.client.request(method, url).headers(headers);
        let request = match body {
            Some(body) => request.body(body),
            None => request,
        };
        let mut response = request.send().await.map_err(|error| self.failed(&error))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let content_type = response.headers().get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.failed(&error))? {
            if body.len() + piece.len() > ANSWER_BYTES_MAX {
                return Err(TransportError::Cut("the answer is too large".into()));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer {
            status,
            content_type,
            body,
            retry_after,
        })
    }

    /// Only where no connection came about is it certain that nothing was sent.
    fn failed(&self, error: &reqwest::Error) -> TransportError {
        let cause = root_cause(error);
        if error.is_connect() || error.is_builder() {
            TransportError::NotReached(cause)
        } else if error.is_timeout() {
            TransportError::TimedOut(self.within)
        } else {
            TransportError::Cut(cause)
        }
    }
}

/// Seconds; a date is not understood, and then it is as if there was none.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// The last cause: the outer ones repeat the URL, and say only that there was one.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(next) = cause.and_then(|cause| cause.source()) {
        cause = Some(next);
    }
    cause.map_or_else(|| "the request failed".to_owned(), ToString::to_string)
}
