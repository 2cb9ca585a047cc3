//! The foreign service that the gateway stands before, for whatever is not the ledger's.

use std::time::Duration;

use async_trait::async_trait;

/// A request that is handed on as it came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UpstreamRequest<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// Path and query, encoded as they came.
    pub target: &'a str,
    /// The base that it is about, if it names one: its requests have a pace of their own.
    pub base: Option<&'a str>,
    /// What the body is, if that was said.
    pub content_type: Option<&'a str>,
    /// The body, byte for byte.
    pub body: &'a [u8],
}

/// A whole answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpstreamAnswer {
    /// The status.
    pub status: u16,
    /// What the body is, if that was said.
    pub content_type: Option<String>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// How long the service asks to wait.
    pub retry_after: Option<Duration>,
}

/// Why there is no whole answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UpstreamError {
    /// More requests wait for their turn than may. Nothing was sent.
    #[error("too many requests wait for this base; send the same request again in {} s", retry_after.as_secs())]
    Crowded {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Nothing was sent.
    #[error("the service behind the gateway was not reached ({reason}); nothing was sent, so the same request is safe")]
    NotReached {
        /// Why.
        reason: String,
    },
    /// The request was sent, and no whole answer came: what it asks for may have been done.
    #[error(
        "the answer of the service behind the gateway was lost ({reason}); what was asked may have been done, so look first"
    )]
    Lost {
        /// What happened.
        reason: String,
    },
}

/// The way to the foreign service, with a credential that no program sees.
///
/// # Contract
/// - A request MUST be sent at most once; whatever it comes to, it is not sent again from here.
/// - A redirection MUST be answered, never followed: it would take the credential elsewhere.
/// - An answer MUST be whole, or an error that says whether anything was sent.
/// - It MUST end within a bound.
#[async_trait]
pub trait Upstream: std::fmt::Debug + Send + Sync {
    /// Hands a request on, and waits for the answer.
    ///
    /// # Errors
    /// [`UpstreamError`] when no whole answer came.
    async fn send(&self, request: UpstreamRequest<'_>) -> Result<UpstreamAnswer, UpstreamError>;
}
