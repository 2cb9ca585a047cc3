//! What a token allows, and what a caller may do by it.

use alloc::collections::BTreeSet;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use crate::client_id::ClientId;
use crate::run_key::RunKey;
use crate::source::Source;
use crate::status::WordError;

/// The most sources that one token speaks for.
pub const SOURCES_OF_A_TOKEN_MAX: usize = 32;
/// The most clients that one token is limited to.
pub const CLIENTS_OF_A_TOKEN_MAX: usize = 64;

/// One thing that a token may do.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Scope {
    /// Create records, if the policy allows its source to.
    Create,
    /// Change records that exist.
    Change,
    /// Read records and the activity log.
    Read,
    /// Make, list and revoke tokens.
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 4] = [Self::Create, Self::Change, Self::Read, Self::Admin];

    /// The word for the scope.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| WordError {
                what: "a scope",
                text: crate::run_id::clip(text),
                allowed: "create, change, read, admin",
            })
    }
}

/// What a token allows. Whoever has one that is limited to clients sees and touches the records of those alone (I12).
///
/// ```
/// use runledger_domain::access::{Grant, Scope};
///
/// let grant = Grant::new(["lead_scoring".parse()?], [Scope::Change, Scope::Read])?.limited_to(["acme".parse()?])?;
/// assert!(grant.allows(Scope::Read) && !grant.allows(Scope::Create));
/// assert!(Grant::new([], [Scope::Change]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "StoredGrant")
)]
pub struct Grant {
    sources: BTreeSet<Source>,
    scopes: BTreeSet<Scope>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    clients: Option<BTreeSet<ClientId>>,
}

/// A grant as it is stored; it becomes one through the same door as any other.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct StoredGrant {
    sources: BTreeSet<Source>,
    scopes: BTreeSet<Scope>,
    #[serde(default)]
    clients: Option<BTreeSet<ClientId>>,
}

#[cfg(feature = "serde")]
impl TryFrom<StoredGrant> for Grant {
    type Error = GrantError;

    fn try_from(stored: StoredGrant) -> Result<Self, Self::Error> {
        let grant = Self::new(stored.sources, stored.scopes)?;
        match stored.clients {
            Some(clients) => grant.limited_to(clients),
            None => Ok(grant),
        }
    }
}

/// Why something is no grant.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// A token that may do nothing.
    #[error("a token needs at least one scope; choose from create, change, read and admin")]
    NoScope,
    /// Whoever writes needs a source to write as.
    #[error("a token that may {scope} needs a source to do it as; name at least one, such as orchestrator")]
    NoSource {
        /// The scope.
        scope: Scope,
    },
    /// Too many sources.
    #[error("a token speaks for at most {SOURCES_OF_A_TOKEN_MAX} sources, not {count}")]
    TooManySources {
        /// How many there were.
        count: usize,
    },
    /// A limit without clients is none.
    #[error("a token that is limited to clients needs at least one; leave the limit out for all")]
    NoClient,
    /// Too many clients.
    #[error("a token is limited to at most {CLIENTS_OF_A_TOKEN_MAX} clients, not {count}")]
    TooManyClients {
        /// How many there were.
        count: usize,
    },
    /// Whoever makes tokens could make one without the limit.
    #[error("a token with the scope admin cannot be limited to clients: it could make itself one without the limit")]
    LimitedAdmin,
}

impl Grant {
    /// A grant for all clients.
    ///
    /// # Errors
    /// [`GrantError`] when there is no scope, no source for what writes, or too many sources.
    pub fn new(
        sources: impl IntoIterator<Item = Source>,
        scopes: impl IntoIterator<Item = Scope>,
    ) -> Result<Self, GrantError> {
        let (sources, scopes): (BTreeSet<_>, BTreeSet<_>) =
            (sources.into_iter().collect(), scopes.into_iter().collect());
        if scopes.is_empty() {
            return Err(GrantError::NoScope);
        }
        if sources.is_empty()
            && let Some(scope) = scopes.iter().find(|scope| **scope != Scope::Read)
        {
            return Err(GrantError::NoSource { scope: *scope });
        }
        if sources.len() > SOURCES_OF_A_TOKEN_MAX {
            return Err(GrantError::TooManySources { count: sources.len() });
        }
        Ok(Self {
            sources,
            scopes,
            clients: None,
        })
    }

    /// The same grant for the records of these clients alone.
    ///
    /// # Errors
    /// [`GrantError`] when there is no client, there are too many, or the grant has the scope `admin`.
    pub fn limited_to(mut self, clients: impl IntoIterator<Item = ClientId>) -> Result<Self, GrantError> {
        let clients: BTreeSet<_> = clients.into_iter().collect();
        if clients.is_empty() {
            return Err(GrantError::NoClient);
        }
        if clients.len() > CLIENTS_OF_A_TOKEN_MAX {
            return Err(GrantError::TooManyClients { count: clients.len() });
        }
        if self.allows(Scope::Admin) {
            return Err(GrantError::LimitedAdmin);
        }
        self.clients = Some(clients);
        Ok(self)
    }

    /// The sources that it speaks for.
    pub const fn sources(&self) -> &BTreeSet<Source> {
        &self.sources
    }

    /// What it may do.
    pub const fn scopes(&self) -> &BTreeSet<Scope> {
        &self.scopes
    }

    /// The clients that it is limited to; `None` for all.
    pub const fn clients(&self) -> Option<&BTreeSet<ClientId>> {
        self.clients.as_ref()
    }

    /// Whether it has the scope.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// Who asks, as far as that is known: anybody on an open ledger, or the bearer of a token.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Access {
    /// Whoever reaches a ledger without tokens, or its operator: may do everything, as the source that they name.
    #[default]
    Unlimited,
    /// The bearer of a token.
    Granted(Grant),
}

/// Why a caller may not do what they ask for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The token has not the scope.
    #[error("this token has not the scope {scope}; use one that has")]
    Scope {
        /// The scope that is needed.
        scope: Scope,
    },
    /// The token does not speak for this source.
    #[error("this token does not speak for the source {source_name}; it speaks for {granted}")]
    Source {
        /// The source that was named.
        source_name: Source,
        /// Those that it speaks for, separated by commas.
        granted: String,
    },
    /// No source is named, and the token has several.
    #[error("this token speaks for several sources ({granted}); name one of them in Runledger-Source")]
    SourceOpen {
        /// Those that it speaks for, separated by commas.
        granted: String,
    },
    /// No source is named, and nothing says who asks.
    #[error("the source is missing; name the program or step that asks, such as orchestrator")]
    SourceMissing,
    /// The token is limited to clients, and this is not about one of them.
    #[error("this token is limited to some clients; it may not do this")]
    Client,
}

impl AccessError {
    /// A stable word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Scope { .. } => "scope_missing",
            Self::Source { .. } => "source_not_granted",
            Self::SourceOpen { .. } | Self::SourceMissing => "source_missing",
            Self::Client => "client_not_granted",
        }
    }
}

impl Access {
    /// Whether the caller may do this kind of thing.
    ///
    /// # Errors
    /// [`AccessError::Scope`] when they may not.
    pub fn allow(&self, scope: Scope) -> Result<(), AccessError> {
        match self {
            Self::Unlimited => Ok(()),
            Self::Granted(grant) if grant.allows(scope) => Ok(()),
            Self::Granted(_) => Err(AccessError::Scope { scope }),
        }
    }

    /// The source of what the caller does: the token's, which the request may name but not choose freely.
    ///
    /// # Errors
    /// [`AccessError`] when the token does not speak for the source that is named, or none is named and there is not
    /// exactly one.
    pub fn source(&self, named: Option<Source>) -> Result<Source, AccessError> {
        match (self, named) {
            (Self::Unlimited, Some(named)) => Ok(named),
            (Self::Unlimited, None) => Err(AccessError::SourceMissing),
            (Self::Granted(grant), Some(named)) if grant.sources.contains(&named) => Ok(named),
            (Self::Granted(grant), Some(source_name)) => Err(AccessError::Source {
                source_name,
                granted: listed(&grant.sources),
            }),
            (Self::Granted(grant), None) => {
                let mut sources = grant.sources.iter();
                match (sources.next(), sources.next()) {
                    (Some(only), None) => Ok(only.clone()),
                    _ => Err(AccessError::SourceOpen {
                        granted: listed(&grant.sources),
                    }),
                }
            }
        }
    }

    /// The clients that the caller is limited to; `None` for all.
    pub const fn clients(&self) -> Option<&BTreeSet<ClientId>> {
        match self {
            Self::Unlimited => None,
            Self::Granted(grant) => grant.clients(),
        }
    }

    /// Whether the caller may know that there is such a record.
    pub fn sees(&self, key: &RunKey) -> bool {
        self.clients()
            .is_none_or(|clients| key.client().is_some_and(|client| clients.contains(client)))
    }
}

fn listed(sources: &BTreeSet<Source>) -> String {
    let mut text = String::new();
    for source in sources {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(source.as_str());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        text.parse().unwrap()
    }

    fn client(text: &str) -> ClientId {
        text.parse().unwrap()
    }

    #[test]
    fn a_grant_that_makes_no_sense_is_refused() {
        let many = |count: usize| (0..count).map(|n| source(&alloc::format!("source_{n}")));
        assert_eq!(Grant::new([source("lead_scoring")], []), Err(GrantError::NoScope));
        assert_eq!(
            Grant::new([], [Scope::Read, Scope::Admin]),
            Err(GrantError::NoSource { scope: Scope::Admin })
        );
        assert!(Grant::new([], [Scope::Read]).is_ok());
        assert_eq!(
            Grant::new(many(33), [Scope::Change]),
            Err(GrantError::TooManySources { count: 33 })
        );
        let admin = Grant::new([source("token_desk")], [Scope::Admin]).unwrap();
        assert_eq!(admin.limited_to([client("acme")]), Err(GrantError::LimitedAdmin));
        let reader = Grant::new([], [Scope::Read]).unwrap();
        assert_eq!(reader.clone().limited_to([]), Err(GrantError::NoClient));
        let clients = (0..65).map(|n| client(&alloc::format!("c{n}")));
        assert_eq!(
            reader.limited_to(clients),
            Err(GrantError::TooManyClients { count: 65 })
        );
    }

    #[test]
    fn the_source_is_the_tokens_and_nobody_claims_another() {
        let one = Access::Granted(Grant::new([source("orchestrator")], [Scope::Create]).unwrap());
        assert_eq!(one.source(None), Ok(source("orchestrator")));
        assert_eq!(one.source(Some(source("orchestrator"))), Ok(source("orchestrator")));
        assert_eq!(
            one.source(Some(source("batch_process"))).unwrap_err().code(),
            "source_not_granted"
        );
        let two = Grant::new([source("orchestrator"), source("batch_process")], [Scope::Create]).unwrap();
        let two = Access::Granted(two);
        assert_eq!(two.source(None).unwrap_err().code(), "source_missing");
        assert_eq!(two.source(Some(source("batch_process"))), Ok(source("batch_process")));
        assert_eq!(Access::Unlimited.source(None), Err(AccessError::SourceMissing));
        assert_eq!(
            Access::Unlimited.source(Some(source("anything_goes"))),
            Ok(source("anything_goes"))
        );
    }

    #[test]
    fn i12_who_is_limited_to_clients_sees_no_others_and_no_job() {
        let grant = Grant::new([], [Scope::Read])
            .unwrap()
            .limited_to([client("acme")])
            .unwrap();
        let limited = Access::Granted(grant);
        let sees = |access: &Access, key: &str| access.sees(&key.parse().unwrap());
        assert!(sees(&limited, "250925-231841-acme"));
        assert!(!sees(&limited, "250925-231841-acme-2"));
        assert!(!sees(&limited, "250925-231841"));
        assert!(sees(&Access::Unlimited, "250925-231841"));
        assert_eq!(
            limited.allow(Scope::Change),
            Err(AccessError::Scope { scope: Scope::Change })
        );
        assert_eq!(limited.allow(Scope::Read), Ok(()));
    }
}
