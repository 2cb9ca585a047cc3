//! One request over HTTP, tried once: the lower half of the client, for programs that bring their own answers.
//!
//! [`Connection`] holds the way to one server: TLS, time-outs and the token. It knows nothing of records and never tries
//! again; [`Client`](crate::Client) does.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, HOST, USER_AGENT};
use http::uri::{PathAndQuery, Scheme, Uri};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;
use tokio_rustls::rustls;

use crate::tls::{self, Roots, TlsError};

pub use crate::path::encode;

/// How long a connection may take to come about.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a connection that nobody uses is kept: less than servers and proxies do.
const IDLE_TIME_MAX: Duration = Duration::from_secs(20);
/// The largest answer, in bytes: a page of 1000 records, each with all its notes, is below.
const ANSWER_BYTES_MAX: usize = 512 * 1024 * 1024;
const AGENT: &str = concat!("runledger-rust/", env!("CARGO_PKG_VERSION"));

/// The way to one server. A copy shares its connections.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    scheme: Scheme,
    authority: http::uri::Authority,
    /// What stands before every path: empty, or the path under which a proxy shows the ledger.
    prefix: String,
    authorization: Option<HeaderValue>,
}

/// Why no connection can be set up. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetUpError {
    /// The URL is not one of a ledger.
    #[error("{0:?} is not the URL of a ledger; write it as http://127.0.0.1:7420 or https://ledger.example")]
    Url(String),
    /// The URL holds a user or a password, and is not repeated here.
    #[error("the URL of the ledger holds a user or a password; give the token apart")]
    Credentials,
    /// The token cannot stand in a header; it is not repeated here.
    #[error("the token is empty or holds other than visible ASCII characters; give it whole, as it was made")]
    Token,
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why no answer came.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// No connection came about: nothing was done.
    #[error("{url} cannot be reached: {cause}")]
    NotReached {
        /// The server.
        url: String,
        /// Why.
        cause: String,
    },
    /// The server is not believed to be the one that it should be: nothing was sent.
    #[error("the certificate of {url} is not accepted: {cause}")]
    NotTrusted {
        /// The server.
        url: String,
        /// Why.
        cause: String,
    },
    /// The answer took too long: it is not known whether the request was carried out.
    #[error("{url} did not answer within {within:?}")]
    TimedOut {
        /// The server.
        url: String,
        /// How long it was waited for.
        within: Duration,
    },
    /// The connection ended before the answer was whole: it is not known whether the request was carried out.
    #[error("{url} ended the connection before it answered: {cause}")]
    Cut {
        /// The server.
        url: String,
        /// Why.
        cause: String,
    },
}

/// Settings of a [`Connection`].
#[derive(Clone, Default)]
pub struct Settings {
    /// The token that is shown; never printed.
    pub(crate) token: Option<String>,
    pub(crate) roots: Roots,
}

/// An answer whose body comes piece by piece.
#[derive(Debug)]
pub struct Stream {
    body: Incoming,
    url: String,
}

impl SendError {
    /// Whether it is certain that the request had no effect.
    pub const fn nothing_was_done(&self) -> bool {
        matches!(self, Self::NotReached { .. } | Self::NotTrusted { .. })
    }
}

impl Settings {
    /// Shows this token, as `Authorization: Bearer`.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Believes the certificates in this PEM file, and no others.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.roots = Roots::File(path.into());
        self
    }

    /// Believes the certificates in this PEM text, and no others.
    #[must_use]
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Roots::Pem(pem.into());
        self
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("token", &self.token.as_ref().map(|_| ".."))
            .field("roots", &self.roots)
            .finish()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.inner.authorization.as_ref().map(|_| "..");
        f.debug_struct("Connection")
            .field("url", &self.url())
            .field("token", &token)
            .finish()
    }
}

impl Connection {
    /// Sets up the way to the server at this URL. Nothing is sent yet.
    ///
    /// # Errors
    /// The URL, the token or the certificates cannot be used.
    ///
    /// ```
    /// use runledger_client::connection::{Connection, Settings};
    ///
    /// let connection = Connection::new("http://127.0.0.1:7420/", &Settings::default())?;
    /// assert_eq!(connection.url(), "http://127.0.0.1:7420");
    /// assert!(Connection::new("ledger:7420", &Settings::default()).is_err());
    /// # Ok::<(), runledger_client::connection::SetUpError>(())
    /// ```
    pub fn new(url: &str, settings: &Settings) -> Result<Self, SetUpError> {
        let (scheme, authority, prefix) = split(url)?;
        let authorization = settings.token.as_deref().map(bearer).transpose()?;
        let is_https = scheme == Scheme::HTTPS;
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIME_MAX));
        let config = if is_https {
            tls::config(&settings.roots)?
        } else {
            // It is never used: the scheme is fixed. The platform's certificates are not read for it.
            tls::none()?
        };
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIME_MAX)
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .build(connector);
        Ok(Self {
            inner: Arc::new(Inner {
                http,
                scheme,
                authority,
                prefix,
                authorization,
            }),
        })
    }

    /// Where the server is, without a slash at the end.
    pub fn url(&self) -> String {
        let Inner {
            scheme,
            authority,
            prefix,
            ..
        } = &*self.inner;
        format!("{scheme}://{authority}{prefix}")
    }

    /// Sends a request, whose URI is a path and a query, and answers what came back, refusals included. Redirections are
    /// not followed: they would carry the token elsewhere.
    ///
    /// # Errors
    /// When no whole answer came within the time.
    pub async fn send(&self, request: Request<Bytes>, within: Duration) -> Result<Response<Bytes>, SendError> {
        let whole = async {
            let (head, body) = self.begin(request).await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| SendError::Cut {
                url: self.url(),
                cause: error.to_string(),
            })?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        timeout(within, whole)
            .await
            .unwrap_or_else(|_| Err(self.timed_out(within)))
    }

    /// Sends a request and answers as soon as the answer begins; the time counts until then.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub async fn stream(&self, request: Request<Bytes>, within: Duration) -> Result<Response<Stream>, SendError> {
        let began = timeout(within, self.begin(request)).await;
        let response = began.unwrap_or_else(|_| Err(self.timed_out(within)))?;
        Ok(response.map(|body| Stream { body, url: self.url() }))
    }

    async fn begin(&self, request: Request<Bytes>) -> Result<Response<Incoming>, SendError> {
        let request = self.complete(request)?;
        self.inner
            .http
            .request(request)
            .await
            .map_err(|error| self.failed(&error))
    }

    /// Adds what every request has.
    fn complete(&self, request: Request<Bytes>) -> Result<Request<Full<Bytes>>, SendError> {
        let (mut head, body) = request.into_parts();
        let target = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let uri = Uri::builder()
            .scheme(self.inner.scheme.clone())
            .authority(self.inner.authority.clone())
            .path_and_query(format!("{}{target}", self.inner.prefix))
            .build();
        head.uri = uri.map_err(|error| SendError::NotReached {
            url: self.url(),
            cause: error.to_string(),
        })?;
        head.headers.remove(HOST);
        head.headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(authorization) = &self.inner.authorization {
            head.headers.insert(AUTHORIZATION, authorization.clone());
        }
        Ok(Request::from_parts(head, Full::new(body)))
    }

    fn failed(&self, error: &legacy::Error) -> SendError {
        let (url, cause) = (self.url(), root_cause(error));
        match (error.is_connect(), is_certificate_refused(error)) {
            (true, true) => SendError::NotTrusted { url, cause },
            (true, false) => SendError::NotReached { url, cause },
            (false, _) => SendError::Cut { url, cause },
        }
    }

    fn timed_out(&self, within: Duration) -> SendError {
        SendError::TimedOut {
            url: self.url(),
            within,
        }
    }
}

impl Stream {
    /// The next piece; `None` when the server ended it.
    ///
    /// # Errors
    /// The connection broke, or nothing came for as long as `silence`.
    pub async fn piece(&mut self, silence: Duration) -> Result<Option<Bytes>, SendError> {
        loop {
            let Ok(frame) = timeout(silence, self.body.frame()).await else {
                return Err(SendError::TimedOut {
                    url: self.url.clone(),
                    within: silence,
                });
            };
            match frame.transpose() {
                Ok(None) => return Ok(None),
                // What is no data are headers behind the body; they say nothing here.
                Ok(Some(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Err(error) => {
                    return Err(SendError::Cut {
                        url: self.url.clone(),
                        cause: error.to_string(),
                    });
                }
            }
        }
    }

    /// All that is left.
    ///
    /// # Errors
    /// The connection broke, or took longer than that.
    pub async fn rest(self, within: Duration) -> Result<Bytes, SendError> {
        let url = self.url;
        let all = Limited::new(self.body, ANSWER_BYTES_MAX).collect();
        match timeout(within, all).await {
            Ok(Ok(all)) => Ok(all.to_bytes()),
            Ok(Err(error)) => Err(SendError::Cut {
                url,
                cause: error.to_string(),
            }),
            Err(_) => Err(SendError::TimedOut { url, within }),
        }
    }
}

fn split(url: &str) -> Result<(Scheme, http::uri::Authority, String), SetUpError> {
    // Not quoted: it holds a secret.
    if url.contains('@') {
        return Err(SetUpError::Credentials);
    }
    let wrong = || SetUpError::Url(url.to_owned());
    let parts = url.trim().parse::<Uri>().map_err(|_| wrong())?.into_parts();
    let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
        return Err(wrong());
    };
    let path = parts.path_and_query.as_ref();
    let is_http = scheme == Scheme::HTTP || scheme == Scheme::HTTPS;
    if !is_http || url.contains('#') || path.is_some_and(|path| path.query().is_some()) {
        return Err(wrong());
    }
    let prefix = path.map_or("", PathAndQuery::path).trim_end_matches('/').to_owned();
    Ok((scheme, authority, prefix))
}

fn bearer(token: &str) -> Result<HeaderValue, SetUpError> {
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(SetUpError::Token);
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| SetUpError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The cause of an error. An I/O error that holds another one says the cause of that one, not itself.
fn cause_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    held.map(|held| held as &(dyn Error + 'static))
        .or_else(|| error.source())
}

fn causes(error: &legacy::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause| cause_of(*cause))
}

/// The last cause: the outer ones say only that there was one.
fn root_cause(error: &legacy::Error) -> String {
    causes(error)
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

fn is_certificate_refused(error: &legacy::Error) -> bool {
    let is_refused = |error: &rustls::Error| matches!(error, rustls::Error::InvalidCertificate(_));
    causes(error).any(|cause| cause.downcast_ref().is_some_and(is_refused))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_url_of_a_ledger_is_refused_and_no_secret_is_repeated() {
        for url in [
            "",
            "ledger",
            "ledger:7420",
            "ftp://ledger",
            "http://ledger/?a=b",
            "http://ledger/#a",
        ] {
            assert!(Connection::new(url, &Settings::default()).is_err(), "{url}");
        }
        let error = Connection::new("https://me:hush@ledger", &Settings::default()).unwrap_err();
        assert!(!error.to_string().contains("hush"));
        let error = Connection::new("http://ledger", &Settings::default().token("hush\n")).unwrap_err();
        assert!(!error.to_string().contains("hush"));
    }

    #[test]
    fn the_token_is_not_shown() {
        let settings = Settings::default().token("rlt_hush");
        let connection = Connection::new("http://ledger/behind/", &settings).unwrap();
        assert_eq!(connection.url(), "http://ledger/behind");
        let shown = format!("{settings:?} {connection:?} {:?}", connection.inner.authorization);
        assert!(!shown.contains("hush"), "{shown}");
    }
}
