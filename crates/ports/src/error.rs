//! The store cannot say. Apart from "not there", which is an answer.

/// The store could not do what was asked, and nothing was done: no record, no change, no line.
///
/// This is never "absent": a caller that gets it knows nothing about the key and must not act as if it did (I10).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// Too much is waiting. Try again shortly.
    #[error("the ledger has too many writes waiting; try again in a moment")]
    Busy,
    /// The store is shutting down, or has stopped after an error whose outcome it could not know (I16).
    #[error("the ledger takes no writes: {reason}")]
    Stopped {
        /// Why, and what to do.
        reason: String,
    },
    /// The store failed; the text is for the operator.
    #[error("the ledger's store failed: {reason}")]
    Failed {
        /// What failed.
        reason: String,
    },
}

impl Unavailable {
    /// A stable word for it, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Stopped { .. } => "stopped",
            Self::Failed { .. } => "store_failed",
        }
    }

    /// Whether the same call may succeed in a moment, without anybody doing anything.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy)
    }
}
