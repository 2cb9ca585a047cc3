//! Who asks: tokens made, ended, and told from each other.
//!
//! All tokens of a ledger are known in memory, read once and kept in step by every change that goes through here. What
//! cannot be read is nobody's: while the tokens are not known, nobody is let in (I10). A ledger that never had a token is
//! open; one whose tokens have all ended is not.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use runledger_domain::access::{
    Access, Grant, TokenChange, TokenEnd, TokenError, TokenId, TokenName, TokenRecord, TokenText,
};
use runledger_domain::{Source, Timestamp};
use runledger_ports::{SecretSource, TokenStore, TokenStoreError, Unavailable};

use crate::shared::Shared;
use crate::stats::{Effect, Operation};

/// The most tokens that a ledger holds, ended ones included: all of them are known in memory.
pub const TOKENS_MAX: usize = 10_000;

/// Why it is not known who asks.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// This ledger has tokens, and none was sent.
    #[error("a token is needed; send it as Authorization: Bearer rlt_...")]
    Missing,
    /// What was sent is no token.
    #[error(transparent)]
    Malformed(#[from] TokenError),
    /// No token of this ledger.
    #[error("the token is none of this ledger's; ask whoever runs it for one")]
    Unknown,
    /// It counts no more.
    #[error("the token {id} {}", ended(end))]
    Ended {
        /// Which.
        id: TokenId,
        /// Why.
        end: TokenEnd,
    },
    /// The tokens cannot be read; nobody is let in.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl IdentityError {
    /// A stable word for it, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::Malformed(_) | Self::Unknown => "token_invalid",
            Self::Ended { .. } => "token_ended",
            Self::Unavailable(unavailable) => unavailable.code(),
        }
    }
}

fn ended(end: &TokenEnd) -> String {
    match end {
        TokenEnd::Revoked { at } => format!("was revoked at {at}; use another one"),
        TokenEnd::Expired { at } => format!("has expired at {at}; use another one"),
    }
}

/// Why no token was made or ended.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenWriteError {
    /// The ledger holds as many tokens as it may.
    #[error("the ledger holds {TOKENS_MAX} tokens, ended ones included, which is the limit")]
    TooMany,
    /// The end of a new token lies in the past.
    #[error("the token would have expired already; give a time that is to come")]
    ExpiresAtOnce,
    /// A token that has ended already cannot be put in another's place.
    #[error("the token {id} has ended; make a new one")]
    AlreadyEnded {
        /// Which.
        id: TokenId,
    },
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] TokenStoreError),
}

impl From<Unavailable> for TokenWriteError {
    fn from(unavailable: Unavailable) -> Self {
        Self::Store(unavailable.into())
    }
}

/// What a new token is to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewToken {
    /// What it is for.
    pub name: TokenName,
    /// What it allows.
    pub grant: Grant,
    /// From when on it counts no more.
    pub expires_at: Option<Timestamp>,
}

/// Who asks, as far as that is known.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Identity {
    /// What they may do.
    pub access: Access,
    /// By which token; `None` on an open ledger.
    pub token: Option<TokenId>,
}

/// A token that was just made: the only moment at which its text is to be had.
#[derive(Debug)]
pub struct MadeToken {
    /// What is kept of it.
    pub record: TokenRecord,
    /// The token itself.
    pub text: TokenText,
}

type Known = HashMap<TokenId, TokenRecord>;

/// Makes and ends tokens, and says who asks.
pub struct Tokens {
    shared: Arc<Shared>,
    store: Arc<dyn TokenStore>,
    secrets: Arc<dyn SecretSource>,
    known: RwLock<Option<Known>>,
}

impl Tokens {
    pub(crate) fn new(shared: Arc<Shared>, store: Arc<dyn TokenStore>, secrets: Arc<dyn SecretSource>) -> Self {
        Self {
            shared,
            store,
            secrets,
            known: RwLock::new(None),
        }
    }

    /// Whether the ledger never had a token.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    pub async fn is_open(&self) -> Result<bool, Unavailable> {
        self.ask(HashMap::is_empty).await
    }

    /// Who asks, by the token that was sent, if one was.
    ///
    /// # Errors
    /// [`IdentityError`]; then it is nobody.
    pub async fn identify(&self, sent: Option<&str>) -> Result<Identity, IdentityError> {
        let identified = self.find(sent).await;
        if let Err(error) = &identified {
            self.count_turned_away(error.code());
        }
        identified
    }

    /// Counts a request that was turned away before anybody looked at what it asks for.
    pub fn count_turned_away(&self, reason: &'static str) {
        self.shared.stats.count_turned_away(reason);
    }

    async fn find(&self, sent: Option<&str>) -> Result<Identity, IdentityError> {
        let now = self.shared.clock.now();
        let Some(sent) = sent else {
            let is_open = self.is_open().await?;
            return if is_open {
                Ok(Identity::default())
            } else {
                Err(IdentityError::Missing)
            };
        };
        let text: TokenText = sent.parse()?;
        self.ask(|known| match known.get(&text.id()).filter(|record| record.is(&text)) {
            None => Err(IdentityError::Unknown),
            Some(record) => match record.end(now) {
                Some(end) => Err(IdentityError::Ended { id: text.id(), end }),
                None => Ok(Identity {
                    access: Access::Granted(record.grant().clone()),
                    token: Some(record.id().clone()),
                }),
            },
        })
        .await?
    }

    /// All tokens, ended ones too, in the order in which they were made.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    pub async fn list(&self) -> Result<Vec<TokenRecord>, Unavailable> {
        let mut tokens = self.store.tokens().await?;
        tokens.sort_by(|one, other| (one.created_at(), one.id()).cmp(&(other.created_at(), other.id())));
        Ok(tokens)
    }

    /// Makes a token.
    ///
    /// # Errors
    /// [`TokenWriteError`].
    pub async fn create(&self, by: &Source, new: NewToken) -> Result<MadeToken, TokenWriteError> {
        let now = self.shared.clock.now();
        if new.expires_at.is_some_and(|at| at <= now) {
            return Err(TokenWriteError::ExpiresAtOnce);
        }
        if self.ask(HashMap::len).await? >= TOKENS_MAX {
            return Err(TokenWriteError::TooMany);
        }
        let text = TokenText::from_seed(&self.secrets.token_seed()?);
        let record = TokenRecord::new(&text, new.name, new.grant, by.clone(), now, new.expires_at);
        self.store.add_token(record.clone()).await?;
        self.keep(record.clone());
        self.shared.stats.count(Operation::Token, by.as_str(), Effect::Created);
        tracing::info!(token.id = %record.id(), source = %by, "token {} made", record.id());
        Ok(MadeToken { record, text })
    }

    /// Ends a token at once.
    ///
    /// # Errors
    /// [`TokenWriteError`].
    pub async fn revoke(&self, by: &Source, id: &TokenId) -> Result<TokenRecord, TokenWriteError> {
        let now = self.shared.clock.now();
        self.end(by, id, TokenChange::Revoke { at: now }, now).await
    }

    /// Puts a new token with the same grant in the place of one, which counts for `overlap` longer.
    ///
    /// # Errors
    /// [`TokenWriteError`]; when the second half fails both tokens count, which a later revocation mends.
    pub async fn rotate(&self, by: &Source, id: &TokenId, overlap: Duration) -> Result<MadeToken, TokenWriteError> {
        let now = self.shared.clock.now();
        let missing = || TokenStoreError::Missing { id: id.clone() };
        let old = self.ask(|known| known.get(id).cloned()).await?.ok_or_else(missing)?;
        if old.end(now).is_some() {
            return Err(TokenWriteError::AlreadyEnded { id: id.clone() });
        }
        let new = NewToken {
            name: old.name().clone(),
            grant: old.grant().clone(),
            expires_at: old.expires_at(),
        };
        let made = self.create(by, new).await?;
        let change = if overlap.is_zero() {
            TokenChange::Revoke { at: now }
        } else {
            TokenChange::EndAt {
                at: now.saturating_add(overlap),
            }
        };
        self.end(by, id, change, now).await?;
        Ok(made)
    }

    async fn end(
        &self,
        by: &Source,
        id: &TokenId,
        change: TokenChange,
        now: Timestamp,
    ) -> Result<TokenRecord, TokenWriteError> {
        // What is known is read first, so that nothing older comes in behind the change.
        self.ask(|_| ()).await?;
        let record = self.store.end_token(id, change, by, now).await?;
        self.keep(record.clone());
        self.shared.stats.count(Operation::Token, by.as_str(), Effect::Changed);
        tracing::info!(token.id = %id, source = %by, "token {id} ended");
        Ok(record)
    }

    /// Takes over what the store has written. Ends only come nearer, so a record that was read earlier takes none away.
    fn keep(&self, record: TokenRecord) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = known.as_mut() else { return };
        let before = known.remove(record.id());
        let ends = before
            .as_ref()
            .map_or((None, None), |before| (before.revoked_at(), before.expires_at()));
        let record = match ends.0 {
            Some(at) => record.after(TokenChange::Revoke { at }),
            None => record,
        };
        let record = match ends.1 {
            Some(at) => record.after(TokenChange::EndAt { at }),
            None => record,
        };
        known.insert(record.id().clone(), record);
    }

    /// Asks what is known, after reading it from the store if need be.
    async fn ask<T>(&self, question: impl FnOnce(&Known) -> T) -> Result<T, Unavailable> {
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = known.as_ref() {
                return Ok(question(known));
            }
        }
        let tokens = self.store.tokens().await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_with(|| tokens.into_iter().map(|t| (t.id().clone(), t)).collect());
        Ok(question(known))
    }
}
