//! The capability to keep the lines of attempts that never reached a record (I6).

use async_trait::async_trait;
use runledger_domain::NewActivity;

use crate::error::Unavailable;

/// A store that keeps the activity log.
///
/// # Contract
/// - The line MUST be durable, numbered without a gap and chained when the call returns (I6).
/// - It MUST NOT change any record (I3, I11).
#[async_trait]
pub trait ActivityLog: Send + Sync {
    /// Keeps the line of a refused attempt.
    ///
    /// # Errors
    /// [`Unavailable`] when the line could not be kept; the refusal must then not be answered as such.
    async fn record(&self, line: NewActivity) -> Result<(), Unavailable>;
}
