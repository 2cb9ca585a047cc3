//! Who asks: which token, and what it may. Where no token is known, every token may everything.

use crate::error::ApiError;
use crate::settings::{Role, TokenSpec};
use serde_json::{Value, json};

/// What stands behind `Bearer`. It is compared and counted, and never shown.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(crate) struct Token(pub(crate) String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    user: String,
    scopes: Option<Vec<String>>,
    bases: Option<Vec<String>>,
    pub(crate) role: Role,
}

impl Caller {
    /// The caller with this token.
    ///
    /// # Errors
    /// 401 with one that is not known.
    pub(crate) fn of(token: &Token, known: &[TokenSpec]) -> Result<Self, ApiError> {
        if known.is_empty() {
            return Ok(Self {
                user: "usrFakeAirtable01".into(),
                scopes: None,
                bases: None,
                role: Role::Create,
            });
        }
        let place = known.iter().position(|spec| spec.token == token.0);
        let place = place.ok_or_else(ApiError::unauthenticated)?;
        let spec = &known[place];
        Ok(Self {
            user: format!("usrFakeAirtable{:02}", place + 1),
            scopes: spec.scopes.clone(),
            bases: spec.bases.clone(),
            role: spec.role,
        })
    }

    /// # Errors
    /// 403 without the scope.
    pub(crate) fn needs(&self, scope: &str) -> Result<(), ApiError> {
        let has = |scopes: &Vec<String>| scopes.iter().any(|held| held == scope);
        if self.scopes.as_ref().is_none_or(has) {
            return Ok(());
        }
        Err(ApiError::permission_or_model())
    }

    /// # Errors
    /// 403 when the token does not reach the base.
    pub(crate) fn reaches(&self, base: &str) -> Result<(), ApiError> {
        let has = |bases: &Vec<String>| bases.iter().any(|held| held == base);
        if self.bases.as_ref().is_none_or(has) {
            return Ok(());
        }
        Err(ApiError::permission_or_model())
    }

    /// What `whoami` answers.
    pub(crate) fn who(&self) -> Value {
        let mut who = json!({ "id": self.user });
        if let Some(scopes) = &self.scopes {
            who["scopes"] = json!(scopes);
        }
        if self.needs("user.email:read").is_ok() {
            who["email"] = json!("fake@airtable.example");
        }
        who
    }
}
