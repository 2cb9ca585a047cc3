//! Who may do what: scopes, grants, tokens, and what a caller comes to (I2, I12).
//!
//! A token is shown once, when it is made; kept is only its hash. Its grant says for which sources it speaks, what it may
//! do, and whether it sees the records of some clients alone. Nothing here draws a random number or reads a clock: a
//! token is made from bytes that the caller drew.

mod grant;
mod token;

pub use self::grant::{Access, AccessError, CLIENTS_OF_A_TOKEN_MAX, Grant, GrantError, SOURCES_OF_A_TOKEN_MAX, Scope};
pub use self::token::{
    TOKEN_PREFIX, TokenChange, TokenEnd, TokenError, TokenId, TokenIdError, TokenName, TokenRecord, TokenSeed,
    TokenText,
};
