//! The capability to remember how far the log was delivered to each webhook.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use runledger_domain::Timestamp;

use crate::error::Unavailable;

/// The longest name of a webhook, in bytes.
const NAME_MAX: usize = 64;

/// The name of a webhook: a letter or digit, then letters, digits, `_`, `.` and `-`, at most 64 bytes.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct WebhookName(Arc<str>);

/// The text is not the name of a webhook.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a webhook is named by a letter or digit, then letters, digits, '_', '.' and '-', at most {NAME_MAX} of them")]
pub struct WebhookNameError;

impl WebhookName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WebhookName {
    type Err = WebhookNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if begins && text.len() <= NAME_MAX && text.chars().all(fits) {
            Ok(Self(text.into()))
        } else {
            Err(WebhookNameError)
        }
    }
}

impl fmt::Display for WebhookName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How the deliveries of one webhook stand.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DeliveryState {
    /// All lines up to this one were delivered, or are not wanted.
    pub position: u64,
    /// How many tries have failed since the last one that did not.
    pub failures: u64,
    /// When the first of them failed.
    pub failing_since: Option<Timestamp>,
    /// Since when nothing is delivered any more; `None` while the webhook works or is tried.
    pub disabled_at: Option<Timestamp>,
    /// What the last failure was, without secrets.
    pub last_error: Option<String>,
}

/// A store that remembers how far the log was delivered to each webhook.
///
/// # Contract
/// - What `keep_delivery` has answered MUST be there for ever, also after a restart and a crash (I4).
/// - The position of a webhook MUST NOT go back, whatever is kept later; the rest of the state is the one that was kept
///   last.
/// - Keeping a state MUST NOT touch that of another name, any record, or the log (I3, I12).
#[async_trait]
pub trait DeliveryStore: Send + Sync {
    /// All states, in the order of their names.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn deliveries(&self) -> Result<Vec<(WebhookName, DeliveryState)>, Unavailable>;

    /// Keeps the state of one webhook; answers it as it is kept, once that is durable.
    ///
    /// # Errors
    /// [`Unavailable`] when it may not have been kept.
    async fn keep_delivery(&self, name: &WebhookName, state: DeliveryState) -> Result<DeliveryState, Unavailable>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for name in ["a", "billing", "Team-2.eu_west"] {
            assert_eq!(
                name.parse::<WebhookName>().map(|name| name.to_string()),
                Ok(name.into())
            );
        }
        for text in ["", "-a", ".", "a b", "a/b", "ä", &"a".repeat(65)] {
            assert_eq!(text.parse::<WebhookName>(), Err(WebhookNameError), "{text}");
        }
    }
}
