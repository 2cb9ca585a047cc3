//! Tokens, as the app sees them.

use async_trait::async_trait;
use runledger_domain::access::{TokenChange, TokenId, TokenRecord};
use runledger_domain::{Source, Timestamp};
use runledger_ports::{TokenStore, TokenStoreError, Unavailable};
use tokio::sync::oneshot;

use super::{EmbeddedStore, in_background, writer_gone};
use crate::operation::Operation;
use crate::read;
use crate::transaction::TokenOrder;

impl EmbeddedStore {
    async fn order_token(&self, order: TokenOrder) -> Result<TokenRecord, TokenStoreError> {
        let (reply, answer) = oneshot::channel();
        self.writer.submit(Operation::Token(Box::new(order), reply))?;
        answer.await.unwrap_or_else(|_| Err(writer_gone().into()))
    }
}

#[async_trait]
impl TokenStore for EmbeddedStore {
    async fn tokens(&self) -> Result<Vec<TokenRecord>, Unavailable> {
        in_background(&self.readers, read::tokens).await
    }

    async fn add_token(&self, token: TokenRecord) -> Result<(), TokenStoreError> {
        self.order_token(TokenOrder::Add(token)).await.map(|_| ())
    }

    async fn end_token(
        &self,
        id: &TokenId,
        change: TokenChange,
        by: &Source,
        at: Timestamp,
    ) -> Result<TokenRecord, TokenStoreError> {
        let (id, by) = (id.clone(), by.clone());
        self.order_token(TokenOrder::End { id, change, by, at }).await
    }
}
