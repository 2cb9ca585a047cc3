//! The capability to keep the lines of attempts that never reached a record (I6).

use async_trait::async_trait;
use runledger_domain::NewActivity;

use crate::error::Unavailable;

/// A store that keeps the activity log.
///
/// # Contract
/// - The line MUST be numbered without a gap and chained, and MUST be seen by every reader of the log from then on (I6).
/// - The line of a refusal MUST be durable when the call returns. The line of an attempt without an effect (replayed,
///   unchanged) may become durable later.
/// - It MUST NOT change any record (I3, I11).
#[async_trait]
pub trait ActivityLog: Send + Sync {
    /// Keeps the line of an attempt that was refused, or that the caller found to have taken place before.
    ///
    /// # Errors
    /// [`Unavailable`] when the line could not be kept, or when it is not known whether it was (a line too many harms
    /// nobody, so there is no answer of its own for that); the refusal must then not be answered as such.
    async fn record(&self, line: NewActivity) -> Result<(), Unavailable>;
}
