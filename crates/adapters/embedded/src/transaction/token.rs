//! Tokens inside a transaction: added once, ended for good, each with its line (I6).

use runledger_domain::access::{TokenChange, TokenId, TokenRecord};
use runledger_domain::{Source, Timestamp};
use runledger_ports::TokenStoreError;
use rusqlite::OptionalExtension as _;

use super::{Transaction, check_rows};
use crate::columns::{decode_token, encode_token};
use crate::error::StoreError;

const INSERT_TOKEN: &str = "INSERT INTO token(id, body) VALUES(?1, ?2) ON CONFLICT DO NOTHING";
const SELECT_TOKEN: &str = "SELECT body FROM token WHERE id = ?1";
const UPDATE_TOKEN: &str = "UPDATE token SET body = ?2 WHERE id = ?1";

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

impl Transaction<'_> {
    pub(crate) fn token(&mut self, order: TokenOrder) -> Result<Result<TokenRecord, TokenStoreError>, StoreError> {
        match order {
            TokenOrder::Add(token) => self.add_token(token),
            TokenOrder::End { id, change, by, at } => self.end_token(&id, change, &by, at),
        }
    }

    fn add_token(&mut self, token: TokenRecord) -> Result<Result<TokenRecord, TokenStoreError>, StoreError> {
        let rows = self
            .connection
            .prepare_cached(INSERT_TOKEN)?
            .execute([token.id().as_str(), &encode_token(&token)?])?;
        if rows == 0 {
            return Ok(Err(TokenStoreError::Taken { id: token.id().clone() }));
        }
        check_rows(rows, "a new token")?;
        self.line(token.line_of_creation())?;
        Ok(Ok(token))
    }

    /// Keeps a token as it stands elsewhere, without a line: its lines come by themselves.
    pub(super) fn restore_token(&mut self, token: &TokenRecord) -> Result<(), StoreError> {
        let row = [token.id().as_str(), &encode_token(token)?];
        let mut rows = self.connection.prepare_cached(UPDATE_TOKEN)?.execute(row)?;
        if rows == 0 {
            rows = self.connection.prepare_cached(INSERT_TOKEN)?.execute(row)?;
        }
        self.wrote = true;
        check_rows(rows, "a token")
    }

    fn end_token(
        &mut self,
        id: &TokenId,
        change: TokenChange,
        by: &Source,
        at: Timestamp,
    ) -> Result<Result<TokenRecord, TokenStoreError>, StoreError> {
        let body: Option<String> = self
            .connection
            .prepare_cached(SELECT_TOKEN)?
            .query_row([id.as_str()], |row| row.get(0))
            .optional()?;
        let Some(body) = body else {
            self.line(id.line_of_absence(by, at))?;
            return Ok(Err(TokenStoreError::Missing { id: id.clone() }));
        };
        let token = decode_token(&body)?.after(change);
        let rows = self
            .connection
            .prepare_cached(UPDATE_TOKEN)?
            .execute([id.as_str(), &encode_token(&token)?])?;
        check_rows(rows, "an ended token")?;
        self.line(token.line_of_end(change, by, at))?;
        Ok(Ok(token))
    }
}
