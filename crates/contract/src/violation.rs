//! What a store did that a rule forbids.

use std::fmt;

/// A rule that a store breaks, and how it showed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// The rule, as in [`RULES`](crate::RULES).
    pub rule: &'static str,
    /// What was seen, and what should have been.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store breaks the rule {}: {}", self.rule, self.detail)
    }
}

impl std::error::Error for Violation {}
