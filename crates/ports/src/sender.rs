//! The capability to send a line of the log to a webhook.

use std::time::Duration;

use async_trait::async_trait;
use runledger_domain::Activity;

/// Why a line was not delivered.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The receiver wants no more lines, ever.
    #[error("the receiver answered that it is gone")]
    Gone,
    /// It may be delivered later.
    #[error("{reason}")]
    Failed {
        /// What happened, without secrets.
        reason: String,
        /// How long the receiver asks to be left alone.
        retry_after: Option<Duration>,
    },
}

/// Sends lines to one receiver.
///
/// # Contract
/// - `send` MUST answer `Ok` only when the receiver has taken the line.
/// - The same line MUST carry the same id whenever it is sent, also after a restart, and no other line that id.
/// - `send` and `test` MUST end within a bounded time, and dropping their future MUST end them.
/// - What `test` sends MUST carry an id that no line has.
/// - An error MUST NOT hold a secret.
#[async_trait]
pub trait EventSender: Send + Sync {
    /// Whether the receiver is to get this line at all.
    fn wants(&self, activity: &Activity) -> bool;

    /// Sends a line once.
    ///
    /// # Errors
    /// [`SendError`] when it is not known that the receiver took it.
    async fn send(&self, activity: &Activity) -> Result<(), SendError>;

    /// Sends an event that is no line of the log, as lines are sent; answers in words what the receiver said.
    ///
    /// # Errors
    /// As [`EventSender::send`].
    async fn test(&self) -> Result<String, SendError>;
}
