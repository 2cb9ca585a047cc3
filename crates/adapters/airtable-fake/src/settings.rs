//! What can be set: at the start, and by the control plane while it runs.

use crate::error::Shape;
use serde::{Deserialize, Serialize};

/// How the fake behaves. Every part has a value of its own when it is left out.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Requests to one base within a window.
    pub base_requests: usize,
    /// Requests with one token within a window, over all bases.
    pub token_requests: usize,
    /// The window in which requests are counted, in milliseconds.
    pub window_ms: u64,
    /// How long all is refused after too many, in milliseconds.
    pub lockout_ms: u64,
    /// What is locked.
    pub lock: Lock,
    /// Requests in a calendar month, over all bases; unlimited when left out.
    pub monthly_calls: Option<u64>,
    /// What happens when they are spent.
    pub beyond_monthly: Beyond,
    /// Records in one base; unlimited when left out.
    pub base_records: Option<usize>,
    /// Records in one request that writes.
    pub batch_records: usize,
    /// Whether a batch with one bad record has no effect at all; otherwise what stands before it is written.
    pub batch_atomic: bool,
    /// How long a cursor lives without being used, in milliseconds.
    pub cursor_idle_ms: u64,
    /// How far lists are behind, in milliseconds. Writes are remembered from the moment on at which it is set.
    pub list_lag_ms: u64,
    /// The order of a list without sort and view.
    pub list_order: Order,
    /// The order of the records in the answer to a write.
    pub answer_order: Order,
    /// Whether `{fld..}` is a field in a formula.
    pub formula_field_ids: bool,
    /// The shape of the refusal for too many requests.
    pub rate_limit_shape: Shape,
    /// `Retry-After` on it, in seconds.
    pub rate_limit_retry_after: Option<u64>,
    /// The longest URL, in characters.
    pub url_characters: usize,
    /// The largest body, in bytes.
    pub body_bytes: usize,
    /// Of how many requests the list has the bodies: the latest.
    pub bodies_listed: usize,
    /// Whether the clock stands; then limits, cursors and lags move by the control plane alone.
    pub clock_stands: bool,
}

/// What is locked after too many requests. The real thing does not say.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lock {
    /// What had too many: the base, or the token.
    #[default]
    Own,
    /// The base and the token.
    Both,
}

/// What happens when the calls of the month are spent.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Beyond {
    /// All that is not metadata is refused until the month turns.
    #[default]
    Block,
    /// A base takes 2 requests in a window.
    Slow,
}

/// An order that nobody asked for: of a list, or of an answer.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As records were created, or asked for.
    #[default]
    Creation,
    /// Another one: nothing is promised.
    Arbitrary,
}

/// The limits of a plan.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// 1,000 calls a month, then blocked; 1,000 records in a base.
    Free,
    /// 100,000 calls a month, then slowed; 50,000 records.
    Team,
    /// 125,000 records.
    Business,
    /// 500,000 records.
    Enterprise,
    /// Neither is limited.
    Unlimited,
}

impl Default for Settings {
    /// The limits of the Business plan.
    fn default() -> Self {
        Self {
            base_requests: 5,
            token_requests: 50,
            window_ms: 1_000,
            lockout_ms: 30_000,
            lock: Lock::Own,
            monthly_calls: None,
            beyond_monthly: Beyond::Block,
            base_records: Some(125_000),
            batch_records: 10,
            batch_atomic: true,
            cursor_idle_ms: 300_000,
            list_lag_ms: 0,
            list_order: Order::Creation,
            answer_order: Order::Creation,
            formula_field_ids: true,
            rate_limit_shape: Shape::Errors,
            rate_limit_retry_after: None,
            url_characters: 16_000,
            body_bytes: 16 * 1024 * 1024,
            bodies_listed: 0,
            clock_stands: false,
        }
    }
}

impl Settings {
    /// Sets the limits of a plan.
    pub fn set_plan(&mut self, plan: Plan) {
        (self.monthly_calls, self.beyond_monthly, self.base_records) = match plan {
            Plan::Free => (Some(1_000), Beyond::Block, Some(1_000)),
            Plan::Team => (Some(100_000), Beyond::Slow, Some(50_000)),
            Plan::Business => (None, Beyond::Block, Some(125_000)),
            Plan::Enterprise => (None, Beyond::Block, Some(500_000)),
            Plan::Unlimited => (None, Beyond::Block, None),
        };
    }

    /// Without limits on requests, for tests of other things.
    #[must_use]
    pub fn without_rate_limits(mut self) -> Self {
        self.base_requests = usize::MAX;
        self.token_requests = usize::MAX;
        self
    }
}

/// A token that is known.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSpec {
    /// The token, as it stands behind `Bearer`.
    pub token: String,
    /// What it may; everything when left out.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// The bases that it reaches, by their ids; all when left out.
    #[serde(default)]
    pub bases: Option<Vec<String>>,
    /// What its user may in them.
    #[serde(default)]
    pub role: Role,
}

/// What a user may in a base.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Read,
    /// Writes records.
    Edit,
    /// Changes the schema as well, and so adds options to selects.
    #[default]
    Create,
}

impl std::fmt::Debug for TokenSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenSpec")
            .field("token", &"..")
            .field("scopes", &self.scopes)
            .field("bases", &self.bases)
            .field("role", &self.role)
            .finish()
    }
}
