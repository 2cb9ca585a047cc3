//! The capability to remember how far the log was delivered to each webhook.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use runledger_domain::{Action, NewActivity, Source, Subject, Timestamp, Verdict};

use crate::error::Unavailable;
use crate::lease::{Fence, FencedError};

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

    /// The line of an attempt to enable this webhook, which stood like this, or which there is not. It concerns no record.
    pub fn line_of_enabling(&self, stood: Option<&DeliveryState>, by: &Source, at: Timestamp) -> NewActivity {
        let (verdict, detail) = match stood {
            None => (
                Verdict::Refused("webhook_not_found".into()),
                format!("there is no webhook {self}"),
            ),
            Some(state) if state.disabled_at.is_some() => (
                Verdict::Changed,
                format!("webhook {self}: goes on after line {}", state.position),
            ),
            Some(_) => (Verdict::Unchanged, format!("webhook {self}: was not disabled")),
        };
        NewActivity {
            at,
            action: Action::EnableWebhook,
            source: by.to_string(),
            subject: Subject::default(),
            verdict,
            version: None,
            detail,
        }
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

impl DeliveryState {
    /// How a webhook stands once it is enabled: as before when it was not disabled.
    #[must_use]
    pub fn enabled(self) -> Self {
        if self.disabled_at.is_none() {
            return self;
        }
        Self {
            position: self.position,
            ..Self::default()
        }
    }
}

/// A store that remembers how far the log was delivered to each webhook.
///
/// # Contract
/// - What `keep_delivery` has answered MUST be there for ever, also after a restart and a crash (I4).
/// - The position of a webhook MUST NOT go back, whatever is kept later; the rest of the state is the one that was kept
///   last.
/// - `keep_delivery` MUST be refused with [`FencedError::Lost`], and keep nothing, unless the fence is that of the last
///   taking of [`Duty::Deliver`](crate::Duty::Deliver) of this very name, and that was not ended; the look at the epoch and
///   the write MUST be one step (I13).
/// - Keeping a state MUST NOT touch that of another name, any record, or the log (I3, I12).
/// - `enable_delivery` MUST decide by the state of that moment, keep what [`DeliveryState::enabled`] makes of it, and leave
///   one line, whatever comes of it, together with its effect ([`WebhookName::line_of_enabling`]; I6). It MUST NOT make a
///   state for a name that has none (I3).
#[async_trait]
pub trait DeliveryStore: Send + Sync {
    /// All states, in the order of their names.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn deliveries(&self) -> Result<Vec<(WebhookName, DeliveryState)>, Unavailable>;

    /// Keeps the state of one webhook, for whoever has the duty to deliver to it; answers it as it is kept, once that is
    /// durable.
    ///
    /// # Errors
    /// [`FencedError::Lost`] when somebody else delivers to it now, [`FencedError::Unavailable`] when it may not have been
    /// kept.
    async fn keep_delivery(
        &self,
        fence: &Fence,
        name: &WebhookName,
        state: DeliveryState,
    ) -> Result<DeliveryState, FencedError>;

    /// Lets a webhook that was disabled go on where it was, as `by` wants it; answers how it stood, once what
    /// [`DeliveryState::enabled`] makes of that is durable with its line, and nothing when there is no state under this
    /// name.
    ///
    /// # Errors
    /// [`Unavailable`] when it may not have been enabled.
    async fn enable_delivery(
        &self,
        name: &WebhookName,
        by: &Source,
        at: Timestamp,
    ) -> Result<Option<DeliveryState>, Unavailable>;
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
