//! How many requests a token may send: a bucket that fills at a steady rate. It knows no clock; the time comes in.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use runledger_domain::Timestamp;
use runledger_domain::access::TokenId;

/// The most buckets that are kept: those of the tokens that there can be.
const BUCKETS_MAX: usize = runledger_app::TOKENS_MAX;
const MICROS: u64 = 1_000_000;

/// How many requests a token may send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RateLimit {
    /// Requests a second, in the long run.
    pub per_second: u32,
    /// How many may come at once after a pause.
    pub burst: u32,
}

/// The buckets of all tokens.
#[derive(Debug, Default)]
pub(crate) struct Buckets(Mutex<HashMap<TokenId, Bucket>>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Millionths of a request.
    left: u64,
    filled_at: Timestamp,
}

impl Buckets {
    /// Takes one request out of the token's bucket.
    ///
    /// # Errors
    /// In how many seconds, at least one, there is one to be had.
    pub(crate) fn take(&self, token: &TokenId, limit: RateLimit, now: Timestamp) -> Result<(), u64> {
        let full = u64::from(limit.burst.max(1)) * MICROS;
        let rate = u64::from(limit.per_second.max(1));
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(token) {
            buckets.clear();
        }
        let bucket = buckets.entry(token.clone()).or_insert(Bucket {
            left: full,
            filled_at: now,
        });
        // A clock that jumps back fills nothing and takes nothing away (I18).
        let passed = u64::try_from(now.saturating_since(bucket.filled_at).as_micros()).unwrap_or(u64::MAX);
        bucket.left = bucket.left.saturating_add(passed.saturating_mul(rate)).min(full);
        bucket.filled_at = now;
        if let Some(left) = bucket.left.checked_sub(MICROS) {
            bucket.left = left;
            return Ok(());
        }
        let missing = MICROS - bucket.left;
        Err(missing.div_ceil(rate).div_ceil(MICROS).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate_and_others_have_their_own() {
        let buckets = Buckets::default();
        let limit = RateLimit {
            per_second: 2,
            burst: 3,
        };
        let at = |millis: i64| Timestamp::from_micros(millis * 1_000).unwrap();
        let (one, other): (TokenId, TokenId) = ("000000000001".parse().unwrap(), "000000000002".parse().unwrap());
        let taken = |token: &TokenId, times: usize, millis: i64| {
            (0..times)
                .filter(|_| buckets.take(token, limit, at(millis)).is_ok())
                .count()
        };
        assert_eq!(taken(&one, 10, 0), 3);
        assert_eq!(buckets.take(&one, limit, at(0)), Err(1));
        assert_eq!(taken(&other, 10, 0), 3);
        assert_eq!(taken(&one, 10, 1_000), 2);
        assert_eq!(taken(&one, 10, 500), 0, "the clock went back");
        assert_eq!(taken(&one, 10, 3_600_000), 3);
    }
}
