//! Tokens, as wrong stores keep them.

use async_trait::async_trait;
use runledger_domain::access::{TokenChange, TokenId, TokenRecord, TokenText};
use runledger_domain::{Source, Timestamp};
use runledger_ports::{TokenStore, TokenStoreError, Unavailable};

use crate::flaws::Flaw;
use crate::store::WrongStore;

#[async_trait]
impl TokenStore for WrongStore {
    async fn tokens(&self) -> Result<Vec<TokenRecord>, Unavailable> {
        self.must_run()?;
        let restarted = self.shadow().restarted;
        match self.flaw {
            Flaw::ForgetsNewTokens => Ok(Vec::new()),
            Flaw::ForgetsTokensOnRestart if restarted => Ok(Vec::new()),
            Flaw::RevivesTokensOnRestart if restarted => Ok(self.shadow().new_tokens.values().cloned().collect()),
            _ => self.right.tokens().await,
        }
    }

    async fn add_token(&self, token: TokenRecord) -> Result<(), TokenStoreError> {
        self.must_run()?;
        let added = self.right.add_token(token.clone()).await;
        match added {
            Err(TokenStoreError::Taken { .. }) if self.flaw == Flaw::OverwritesTokens => Ok(()),
            Ok(()) => {
                self.shadow().new_tokens.insert(token.id().clone(), token);
                Ok(())
            }
            other => other,
        }
    }

    async fn end_token(
        &self,
        id: &TokenId,
        change: TokenChange,
        by: &Source,
        at: Timestamp,
    ) -> Result<TokenRecord, TokenStoreError> {
        self.must_run()?;
        let ended = self.right.end_token(id, change, by, at).await;
        match (self.flaw, ended) {
            (Flaw::LetsTokensLastLonger, Ok(ended)) => {
                let new = self.shadow().new_tokens.get(id).cloned();
                Ok(new.unwrap_or(ended).after(change))
            }
            (Flaw::MakesTokensByEndingThem, Err(TokenStoreError::Missing { .. })) => {
                let grant = runledger_domain::access::Grant::new([], [runledger_domain::access::Scope::Read]);
                let name = "invented".parse().expect("a name");
                let text = TokenText::from_seed(&[9; 52]);
                let token = TokenRecord::new(&text, name, grant.expect("a grant"), by.clone(), at, None);
                self.right.add_token(token.clone()).await?;
                Ok(token)
            }
            (_, ended) => ended,
        }
    }
}
