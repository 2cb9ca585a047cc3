//! The capability to keep tokens: their records, never their secrets.

use async_trait::async_trait;
use runledger_domain::access::{TokenChange, TokenId, TokenRecord};
use runledger_domain::{Source, Timestamp};

use crate::error::Unavailable;

/// Why a token was not added or not ended.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenStoreError {
    /// There is a token with this id.
    #[error("there is a token {id} already; make another one")]
    Taken {
        /// The id.
        id: TokenId,
    },
    /// There is no token with this id.
    #[error("there is no token {id}; `token list` shows those that there are")]
    Missing {
        /// The id.
        id: TokenId,
    },
    /// The store cannot say, or may or may not have done it: read the tokens to know.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A store that keeps tokens.
///
/// # Contract
/// - A token MUST be added with its line in one transaction, once; an id that is known is [`TokenStoreError::Taken`], and
///   nothing is written (I6).
/// - A change MUST be decided by [`TokenRecord::after`] on the record as it is, with its line in the same transaction; a
///   token that was ended MUST stay ended whatever comes later.
/// - A change of a token that is not there MUST be [`TokenStoreError::Missing`], and MUST NOT make one; its line is a
///   refusal ([`TokenId::line_of_absence`]).
/// - `tokens` MUST hold every token that was ever added, also after a restart.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// All tokens, ended ones too, in the order of their ids.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn tokens(&self) -> Result<Vec<TokenRecord>, Unavailable>;

    /// Adds a token.
    ///
    /// # Errors
    /// [`TokenStoreError`].
    async fn add_token(&self, token: TokenRecord) -> Result<(), TokenStoreError>;

    /// Ends a token; answers its record afterwards.
    ///
    /// # Errors
    /// [`TokenStoreError`].
    async fn end_token(
        &self,
        id: &TokenId,
        change: TokenChange,
        by: &Source,
        at: Timestamp,
    ) -> Result<TokenRecord, TokenStoreError>;
}
