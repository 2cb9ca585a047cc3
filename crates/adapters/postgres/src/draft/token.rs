//! Tokens in a draft: added once, ended for good, each with its line (I6).

use runledger_domain::access::{TokenChange, TokenId, TokenRecord};
use runledger_domain::{Source, Timestamp};
use runledger_ports::TokenStoreError;

use super::{Common, Draft, Drafted, TouchedToken};
use crate::columns::{decode_token, encode_token};
use crate::error::StoreError;

/// What is to happen to a token.
pub(crate) enum TokenOrder {
    Add(TokenRecord),
    End {
        id: TokenId,
        change: TokenChange,
        by: Source,
        at: Timestamp,
    },
}

impl TokenOrder {
    /// Which token.
    pub(crate) const fn id(&self) -> &TokenId {
        match self {
            Self::Add(token) => token.id(),
            Self::End { id, .. } => id,
        }
    }
}

impl Draft<'_> {
    pub(crate) fn token(
        &mut self,
        member: usize,
        order: &TokenOrder,
    ) -> Result<Drafted<Result<TokenRecord, TokenStoreError>>, StoreError> {
        let id = order.id();
        self.groups.join(member, Common::Token(id.clone()));
        let Some(stored) = self.evidence.tokens.get(id) else {
            return Ok(Drafted::LookFirst);
        };
        let now = match self.tokens.get(id) {
            Some(touched) => Some(decode_token(&touched.body)?),
            None => stored.as_ref().map(|seen| seen.token.clone()),
        };
        let (token, line) = match (order, now) {
            (TokenOrder::Add(_), Some(_)) => {
                return Ok(Drafted::Answer(Err(TokenStoreError::Taken { id: id.clone() })));
            }
            (TokenOrder::Add(token), None) => (token.clone(), token.line_of_creation()),
            (TokenOrder::End { by, at, .. }, None) => {
                self.line(member, id.line_of_absence(by, *at));
                return Ok(Drafted::Answer(Err(TokenStoreError::Missing { id: id.clone() })));
            }
            (TokenOrder::End { change, by, at, .. }, Some(token)) => {
                let token = token.after(*change);
                let line = token.line_of_end(*change, by, *at);
                (token, line)
            }
        };
        let touched = TouchedToken {
            member,
            stored: stored.clone(),
            body: encode_token(&token)?,
        };
        self.tokens.insert(id.clone(), touched);
        self.line(member, line);
        Ok(Drafted::Answer(Ok(token)))
    }
}
