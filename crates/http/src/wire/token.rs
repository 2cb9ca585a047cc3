//! Tokens on the wire. Only [`TokenWithSecret`] holds a secret, and it is only ever written.

use std::time::Duration;

use runledger_app::{MadeToken, NewToken};
use runledger_domain::Timestamp;
use runledger_domain::access::{Grant, GrantError, Scope, TokenEnd, TokenRecord};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::describe::forms;
use crate::problem;
use crate::trouble::Problem;
use crate::wire::text::Text;
use crate::wire::time::Time;
use crate::wire::whole::Whole;

/// A token to make.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTokenIn<'a> {
    /// What it is for.
    #[serde(borrow)]
    #[schema(required, value_type = forms::TokenName)]
    name: Option<Text<'a>>,
    /// The sources that it speaks for; at least one is needed for all scopes but `read`.
    #[schema(value_type = Option<Vec<forms::Source>>, max_items = 32, example = json!(["orchestrator"]))]
    sources: Option<Vec<Text<'a>>>,
    /// What it may do: `create`, `change`, `read`, `admin`.
    #[schema(required, value_type = Vec<forms::Scope>, min_items = 1, example = json!(["create", "change", "read"]))]
    scopes: Option<Vec<Text<'a>>>,
    /// The clients whose records alone it sees and touches; all when left out. Not together with the scope `admin`.
    #[schema(value_type = Option<Vec<forms::ClientId>>, min_items = 1, max_items = 64)]
    clients: Option<Vec<Text<'a>>>,
    /// For how many seconds it counts; for ever when left out.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 315_360_000)]
    expires_in_seconds: Option<Whole>,
}

/// The longest time for which a token may be made to count, in seconds: ten years.
const EXPIRY_MAX_SECONDS: u64 = 315_360_000;

impl NewTokenIn<'_> {
    /// What is to be made; `now` is when its time begins.
    pub(crate) fn new_token(&self, now: Timestamp) -> Result<NewToken, Problem> {
        let name = self.name.as_ref().map_or("", Text::as_str);
        let name = name
            .parse()
            .map_err(|error: runledger_domain::TextError| Problem::value("name", error.to_string()))?;
        let grant = Grant::new(
            read_all("sources", self.sources.as_deref())?,
            read_all::<Scope>("scopes", self.scopes.as_deref())?,
        );
        let grant = match &self.clients {
            None => grant,
            Some(clients) => {
                let clients = read_all("clients", Some(clients))?;
                grant.and_then(|grant| grant.limited_to(clients))
            }
        };
        let grant = grant.map_err(|error: GrantError| Problem::new(&problem::GRANT_INVALID, error.to_string()))?;
        let expires_at = match self.expires_in_seconds.map(Whole::get) {
            None => None,
            Some(seconds @ 1..=EXPIRY_MAX_SECONDS) => Some(now.saturating_add(Duration::from_secs(seconds))),
            Some(seconds) => {
                let detail = format!("expires_in_seconds is {seconds}; send 1 to {EXPIRY_MAX_SECONDS}");
                return Err(Problem::value("expires_in_seconds", detail));
            }
        };
        Ok(NewToken {
            name,
            grant,
            expires_at,
        })
    }
}

fn read_all<T>(field: &str, texts: Option<&[Text<'_>]>) -> Result<Vec<T>, Problem>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let texts = texts.unwrap_or_default().iter().enumerate();
    texts
        .map(|(place, text)| {
            let parsed = text.as_str().parse();
            parsed.map_err(|error: T::Err| Problem::value(&format!("{field}[{place}]"), error.to_string()))
        })
        .collect()
}

/// How to put a token in the place of another.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// For how many seconds the old one counts beside the new one; none when left out.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 315_360_000)]
    overlap_seconds: Option<Whole>,
}

impl Rotation {
    /// How long both count.
    pub(crate) fn overlap(&self) -> Result<Duration, Problem> {
        match self.overlap_seconds.map_or(0, Whole::get) {
            seconds @ 0..=EXPIRY_MAX_SECONDS => Ok(Duration::from_secs(seconds)),
            seconds => {
                let detail = format!("overlap_seconds is {seconds}; send at most {EXPIRY_MAX_SECONDS}");
                Err(Problem::value("overlap_seconds", detail))
            }
        }
    }
}

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub(crate) struct TokenOut<'a> {
    /// By which it is revoked and rotated.
    #[schema(example = "7k3m9q2w5x8z")]
    id: &'a str,
    /// What it is for.
    name: &'a str,
    /// The sources that it speaks for.
    sources: Vec<&'a str>,
    /// What it may do.
    scopes: Vec<&'a str>,
    /// The clients whose records alone it sees and touches; null for all.
    #[schema(required)]
    clients: Option<Vec<&'a str>>,
    /// `active`, `expired` or `revoked`.
    #[schema(example = "active")]
    status: &'static str,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// By whom.
    created_by: &'a str,
    /// From when on it counts no more.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    expires_at: Option<Time>,
    /// When it was revoked.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Time>,
}

impl<'a> TokenOut<'a> {
    pub(crate) fn of(record: &'a TokenRecord, now: Timestamp) -> Self {
        let grant = record.grant();
        Self {
            id: record.id().as_str(),
            name: record.name().as_str(),
            sources: grant.sources().iter().map(AsRef::as_ref).collect(),
            scopes: grant.scopes().iter().map(|scope| scope.as_str()).collect(),
            clients: grant
                .clients()
                .map(|clients| clients.iter().map(AsRef::as_ref).collect()),
            status: match record.end(now) {
                None => "active",
                Some(TokenEnd::Expired { .. }) => "expired",
                Some(TokenEnd::Revoked { .. }) => "revoked",
            },
            created_at: Time(record.created_at()),
            created_by: record.created_by().as_str(),
            expires_at: record.expires_at().map(Time),
            revoked_at: record.revoked_at().map(Time),
        }
    }
}

/// All tokens, in the order in which they were made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenList<'a> {
    tokens: Vec<TokenOut<'a>>,
}

impl<'a> TokenList<'a> {
    pub(crate) fn of(records: &'a [TokenRecord], now: Timestamp) -> Self {
        Self {
            tokens: records.iter().map(|record| TokenOut::of(record, now)).collect(),
        }
    }
}

/// A token that was just made, with its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenWithSecret<'a> {
    /// What is kept of it.
    token: TokenOut<'a>,
    /// The whole token: send it as `Authorization: Bearer`. It is shown once.
    #[schema(example = "rlt_7k3m9q2w5x8z_...")]
    secret: &'a str,
}

impl<'a> TokenWithSecret<'a> {
    pub(crate) fn of(made: &'a MadeToken) -> Self {
        Self {
            token: TokenOut::of(&made.record, made.record.created_at()),
            secret: made.text.reveal(),
        }
    }
}
