//! The sender: what a delivery consists of, and what its answer means.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use runledger_domain::Activity;
use runledger_ports::{Clock, EventSender, SendError};
use serde::Serialize;
use tokio::time::timeout;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::cloud_event::{self, CloudEvent};
use crate::connection::exchange;
use crate::endpoint::Endpoint;
use crate::lineage::{self, RunEvent, is_run_event};
use crate::secret::SigningSecret;

const PROGRAM: &str = concat!("runledger/", env!("CARGO_PKG_VERSION"));
/// How many digits of a line's hash are part of its id: enough to tell the lines of two ledgers apart.
const HASH_DIGITS: usize = 16;

/// What a line looks like to the receiver.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// A `CloudEvents` 1.0 event.
    CloudEvents,
    /// An `OpenLineage` run event; only changes of records are sent.
    OpenLineage,
}

/// How a webhook is set up.
#[derive(Clone, Debug)]
pub struct WebhookOptions {
    /// Where it leads.
    pub endpoint: Endpoint,
    /// What deliveries are signed with.
    pub secret: SigningSecret,
    /// What a line looks like.
    pub format: Format,
    /// Which ledger this is: the source of a `CloudEvents` event, the namespace of an `OpenLineage` job.
    pub namespace: String,
    /// Whether the receiver may have an address that is not of the Internet.
    pub allow_private: bool,
    /// How long a try may take, from the look-up of the name to the head of the answer.
    pub timeout: Duration,
}

/// A webhook cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// TLS cannot be spoken at all.
    #[error("TLS cannot be set up: {0}")]
    Tls(tokio_rustls::rustls::Error),
    /// Nobody could be trusted.
    #[error(
        "this machine trusts no certificate authority; install its ca-certificates, or name a file in SSL_CERT_FILE"
    )]
    NoRoots,
}

/// Sends lines to one receiver.
pub struct Webhook {
    options: WebhookOptions,
    clock: Arc<dyn Clock>,
    tls: Option<Arc<ClientConfig>>,
}

impl Webhook {
    /// Sets a webhook up. Nothing is sent.
    ///
    /// # Errors
    /// [`SetupError`] when it leads to `https` and no certificate could be checked.
    pub fn new(options: WebhookOptions, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let tls = options.endpoint.is_tls.then(trusting_this_machine).transpose()?;
        Ok(Self { options, clock, tls })
    }

    fn line(&self, activity: &Activity) -> Result<Request<Full<Bytes>>, SendError> {
        let (id, namespace) = (event_id(activity), &self.options.namespace);
        match self.options.format {
            Format::CloudEvents => {
                let event = CloudEvent::of(&id, namespace, activity);
                self.request(&id, cloud_event::CONTENT_TYPE, &event)
            }
            Format::OpenLineage => self.request(&id, lineage::CONTENT_TYPE, &RunEvent::of(namespace, activity)),
        }
    }

    /// Each test has an id of its own, so that a receiver that remembers them looks at it.
    fn trial(&self) -> Result<Request<Full<Bytes>>, SendError> {
        let (now, namespace) = (self.clock.now(), &self.options.namespace);
        let id = format!("test-{}", now.as_micros());
        match self.options.format {
            Format::CloudEvents => {
                let event = CloudEvent::test(&id, namespace, now);
                self.request(&id, cloud_event::CONTENT_TYPE, &event)
            }
            Format::OpenLineage => self.request(&id, lineage::CONTENT_TYPE, &RunEvent::test(namespace, now)),
        }
    }

    fn request<T: Serialize>(
        &self,
        id: &str,
        content_type: &str,
        event: &T,
    ) -> Result<Request<Full<Bytes>>, SendError> {
        let failed = |what: &dyn std::fmt::Display| failure(format!("the event cannot be written: {what}"));
        let body = serde_json::to_vec(event).map_err(|error| failed(&error))?;
        let timestamp = self.clock.now().as_micros().div_euclid(1_000_000);
        let signature = self.options.secret.sign(id, timestamp, &body);
        Request::builder()
            .method(Method::POST)
            .uri(self.options.endpoint.target.as_str())
            .header(HOST, self.options.endpoint.authority())
            .header(USER_AGENT, PROGRAM)
            .header(CONNECTION, "close")
            .header(CONTENT_TYPE, content_type)
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(Full::from(body))
            .map_err(|error| failed(&error))
    }

    /// Sends a request once; answers the status of success.
    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<StatusCode, SendError> {
        let WebhookOptions {
            endpoint,
            allow_private,
            timeout: limit,
            ..
        } = &self.options;
        let asked = exchange(endpoint, *allow_private, self.tls.as_ref(), request);
        match timeout(*limit, asked).await {
            Ok(Ok((status, headers))) => verdict(status, &headers).map(|()| status),
            Ok(Err(error)) => Err(failure(error.to_string())),
            Err(_) => Err(failure(format!("no answer within {} s", limit.as_secs()))),
        }
    }
}

/// The id of a line: its number, and the beginning of its hash, so that a ledger that was put back from a back-up, or
/// another ledger, never uses the id of a line for another one.
fn event_id(activity: &Activity) -> String {
    let hash = activity.hash.to_string();
    format!("{}-{}", activity.seq, hash.get(..HASH_DIGITS).unwrap_or(&hash))
}

fn trusting_this_machine() -> Result<Arc<ClientConfig>, SetupError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(SetupError::NoRoots);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(SetupError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[async_trait]
impl EventSender for Webhook {
    fn wants(&self, activity: &Activity) -> bool {
        match self.options.format {
            Format::CloudEvents => true,
            Format::OpenLineage => is_run_event(activity),
        }
    }

    async fn send(&self, activity: &Activity) -> Result<(), SendError> {
        self.ask(self.line(activity)?).await.map(|_| ())
    }

    async fn test(&self) -> Result<String, SendError> {
        let status = self.ask(self.trial()?).await?;
        Ok(format!("answered {}", status.as_u16()))
    }
}

fn failure(reason: String) -> SendError {
    SendError::Failed {
        reason,
        retry_after: None,
    }
}

/// What an answer means.
fn verdict(status: StatusCode, headers: &HeaderMap) -> Result<(), SendError> {
    if status.is_success() {
        return Ok(());
    }
    if status == StatusCode::GONE {
        return Err(SendError::Gone);
    }
    let number = status.as_u16();
    let reason = if status.is_redirection() {
        format!("answered {number}; redirects are not followed: configure the url that it leads to")
    } else {
        format!("answered {number}")
    };
    let seconds = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Err(SendError::Failed {
        reason,
        retry_after: seconds.map(Duration::from_secs),
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_success_counts_and_gone_is_for_good() {
        let none = HeaderMap::new();
        assert_eq!(verdict(StatusCode::NO_CONTENT, &none), Ok(()));
        assert_eq!(verdict(StatusCode::GONE, &none), Err(SendError::Gone));
        for status in [StatusCode::FOUND, StatusCode::BAD_REQUEST, StatusCode::BAD_GATEWAY] {
            assert!(matches!(
                verdict(status, &none),
                Err(SendError::Failed { retry_after: None, .. })
            ));
        }
        let later = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("120"))]);
        let SendError::Failed { retry_after, .. } = verdict(StatusCode::TOO_MANY_REQUESTS, &later).unwrap_err() else {
            panic!("it may be tried again");
        };
        assert_eq!(retry_after, Some(Duration::from_mins(2)));
    }
}
