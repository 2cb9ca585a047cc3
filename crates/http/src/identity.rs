//! Who asks: the token in a request, and what it comes to. A body cannot claim a source; neither can a header that the
//! token does not cover.

use std::fmt;
use std::hint::black_box;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use runledger_app::{Identity, IdentityError};
use runledger_domain::ClientId;
use runledger_domain::access::{Access, AccessError};

use crate::api::Api;
use crate::problem;
use crate::rate::RateLimit;
use crate::trouble::Problem;

/// How the server tells who asks.
#[derive(Clone, Debug, Default)]
pub enum Callers {
    /// By their tokens; as long as the ledger never had one, whoever reaches the server may do everything.
    #[default]
    Bearers,
    /// By their tokens, or by a key that only this machine's operator can read.
    BearersAndOperator(OperatorKey),
    /// All are the operator: the router is called inside the process.
    Operator,
}

/// The key of whoever can read the data directory. It is never shown.
#[derive(Clone)]
pub struct OperatorKey(String);

impl OperatorKey {
    /// Takes the key; it must be long and random.
    pub const fn new(key: String) -> Self {
        Self(key)
    }

    fn is(&self, sent: &str) -> bool {
        let (own, sent) = (self.0.as_bytes(), sent.as_bytes());
        let differences = own
            .iter()
            .zip(sent)
            .fold(own.len() ^ sent.len(), |differences, (own, sent)| {
                differences | usize::from(own ^ sent)
            });
        black_box(differences) == 0
    }
}

impl fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorKey(..)")
    }
}

/// Who asks, and whether they were let in without being known.
pub(crate) struct Caller {
    pub(crate) access: Access,
    /// The ledger has no tokens: anybody who reaches the server, so where they come from is looked at.
    pub(crate) is_anybody: bool,
}

impl Caller {
    const OPERATOR: Self = Self {
        access: Access::Unlimited,
        is_anybody: false,
    };
}

impl Api {
    /// Who sends these headers.
    pub(crate) async fn identify(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        if let Callers::Operator = self.options.callers {
            // Inside the process nothing listens, so nothing foreign can come in.
            return Ok(Caller {
                is_anybody: true,
                ..Caller::OPERATOR
            });
        }
        let sent = bearer(headers)?;
        if let (Callers::BearersAndOperator(key), Some(sent)) = (&self.options.callers, sent)
            && key.is(sent)
        {
            return Ok(Caller::OPERATOR);
        }
        match self.ledger.tokens.identify(sent).await {
            Ok(Identity { access, token }) => {
                if let (Some(token), Some(limit)) = (token, self.options.token_rate) {
                    self.token_buckets
                        .take(&[&token], limit, self.now())
                        .map_err(|(_, seconds)| {
                            self.ledger.tokens.count_turned_away(problem::RATE_LIMITED.code);
                            too_many(limit, seconds)
                        })?;
                }
                Ok(Caller {
                    access,
                    is_anybody: sent.is_none(),
                })
            }
            Err(error) => Err(of_identity(&error)),
        }
    }
}

impl Api {
    /// Counts a request that names these clients, whose caller may know of them. A request that is refused for one of
    /// them takes nothing from the others (I12).
    ///
    /// # Errors
    /// The problem, when more requests name one of them than may.
    pub(crate) fn check_client_rate(&self, clients: &[&ClientId]) -> Result<(), Problem> {
        let Some(limit) = self.options.client_rate else {
            return Ok(());
        };
        self.client_buckets
            .take(clients, limit, self.now())
            .map_err(|(client, seconds)| {
                let detail = format!(
                    "{} requests a second may name the client {client}; send the same request again in {seconds} s",
                    limit.per_second
                );
                Problem::new(&problem::CLIENT_RATE_LIMITED, detail).after(seconds)
            })
    }

    /// Whether whoever sent these headers may still do what they were allowed then, asked again in a long answer. It counts
    /// as no request.
    pub(crate) async fn is_still(&self, headers: &HeaderMap, allowed: &Access) -> bool {
        let Ok(sent) = bearer(headers) else { return false };
        let is_operator = match &self.options.callers {
            Callers::Operator => true,
            Callers::BearersAndOperator(key) => sent.is_some_and(|sent| key.is(sent)),
            Callers::Bearers => false,
        };
        is_operator
            || self
                .ledger
                .tokens
                .identify(sent)
                .await
                .is_ok_and(|identity| identity.access == *allowed)
    }
}

/// The token that was sent, if one was.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let wrong = |what: &str| {
        Problem::new(
            &problem::TOKEN_INVALID,
            format!("the header Authorization {what}; send Authorization: Bearer rlt_..."),
        )
        .at("Authorization")
    };
    if values.next().is_some() {
        return Err(wrong("is sent more than once"));
    }
    let text = value
        .to_str()
        .map_err(|_| wrong("holds other than visible ASCII characters"))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(wrong("is not of the kind Bearer")),
    }
}

fn too_many(limit: RateLimit, seconds: u64) -> Problem {
    let detail = format!(
        "this token may send {} requests a second; send the same request again in {seconds} s",
        limit.per_second
    );
    Problem::new(&problem::RATE_LIMITED, detail).after(seconds)
}

fn of_identity(error: &IdentityError) -> Problem {
    let kind = match error {
        IdentityError::Missing => &problem::TOKEN_MISSING,
        IdentityError::Ended { .. } => &problem::TOKEN_ENDED,
        IdentityError::Unavailable(unavailable) => return unavailable.clone().into(),
        // The enum is open to new cases: whoever is not known is nobody.
        _ => &problem::TOKEN_INVALID,
    };
    Problem::new(kind, error.to_string()).at("Authorization")
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        let problem = Self::new(problem::of(error.code()), error.to_string());
        match error {
            AccessError::Source { .. } | AccessError::SourceOpen { .. } | AccessError::SourceMissing => {
                problem.at("Runledger-Source")
            }
            _ => problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_key_is_known_whole_and_never_shown() {
        let key = OperatorKey::new("rlo_0123456789".into());
        assert!(key.is("rlo_0123456789"));
        for other in ["", "rlo_", "rlo_0123456788", "rlo_01234567890", "Rlo_0123456789"] {
            assert!(!key.is(other), "{other}");
        }
        assert!(!format!("{:?}", Callers::BearersAndOperator(key)).contains("0123"));
    }
}
