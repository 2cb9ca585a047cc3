//! The capability to say that the activity log has grown.

use async_trait::async_trait;

use crate::error::Unavailable;

/// A store that says when its activity log has new lines, so that whoever follows the log need not ask again and again.
///
/// It carries no lines: whoever is told reads them with [`RunReader::activity`](crate::RunReader::activity), at their own
/// pace, from the place that they reached.
///
/// # Contract
/// - `last_line` MUST be the number of the last line that a reader of the log sees; 0 while there is none (I6).
/// - `grown` MUST answer once a line after `after` can be read, and MUST NOT answer before; what it answers is the number
///   of a line that can be read.
/// - A call that waits MUST NOT keep others from writing, reading or waiting (I12).
#[async_trait]
pub trait ActivityWatch: Send + Sync {
    /// The number of the last line of the log.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn last_line(&self) -> Result<u64, Unavailable>;

    /// Waits until the log has a line after `after`; answers the number of its last one. Dropping the future ends the
    /// wait.
    ///
    /// # Errors
    /// [`Unavailable`] when no more lines will come, or the store cannot say.
    async fn grown(&self, after: u64) -> Result<u64, Unavailable>;
}
