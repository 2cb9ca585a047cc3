//! The doors to time and randomness. Everything else takes them as arguments (I18).

use runledger_domain::access::TokenSeed;
use runledger_domain::{AttemptId, Timestamp};

use crate::error::Unavailable;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now. May jump in either direction: no invariant depends on it.
    fn now(&self) -> Timestamp;
}

/// Makes ids that nobody made before.
pub trait IdSource: Send + Sync {
    /// An attempt id for a caller who sent none: never the same twice.
    fn attempt(&self) -> AttemptId;
}

/// Draws what nobody can guess.
pub trait SecretSource: Send + Sync {
    /// Random bytes for a new token.
    ///
    /// # Errors
    /// [`Unavailable`] when the system has none; then no token is made.
    fn token_seed(&self) -> Result<TokenSeed, Unavailable>;
}
