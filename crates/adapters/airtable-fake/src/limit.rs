//! Limits on requests: so many in a window for a base and for a token, a lock-out after too many, and calls in a month.

use crate::error::ApiError;
use crate::request::Operation;
use crate::settings::{Beyond, Lock, Settings};
use crate::tokens::Token;
use std::collections::{HashMap, VecDeque};

/// Requests in a window, for a base whose plan is used up.
const SLOWED_REQUESTS: usize = 2;

/// Who is counted.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Counted {
    Base(String),
    Token(Token),
}

#[derive(Debug, Default)]
struct Window {
    requests: VecDeque<i64>,
    locked_until_ms: i64,
}

/// What was asked so far.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    windows: HashMap<Counted, Window>,
    month: (i16, i8),
    pub(crate) calls_this_month: u64,
}

impl Limits {
    /// Counts a request, or refuses it.
    ///
    /// # Errors
    /// 429: too many, locked out, or the calls of the month are spent.
    pub(crate) fn admit(
        &mut self,
        operation: Operation,
        base: Option<&str>,
        token: &Token,
        now_ms: i64,
        settings: &Settings,
    ) -> Result<(), ApiError> {
        self.turn_month(now_ms);
        let spent = settings
            .monthly_calls
            .is_some_and(|calls| self.calls_this_month >= calls);
        // Metadata goes on, that of a base as well.
        if spent && settings.beyond_monthly == Beyond::Block && operation != Operation::Meta {
            return Err(ApiError::quota_spent());
        }
        let base_requests = if spent && settings.beyond_monthly == Beyond::Slow {
            SLOWED_REQUESTS
        } else {
            settings.base_requests
        };
        let token = (Counted::Token(token.clone()), settings.token_requests);
        let counted: Vec<_> = base
            .map(|base| (Counted::Base(base.to_owned()), base_requests))
            .into_iter()
            .chain([token])
            .collect();
        let window_ms = i64::try_from(settings.window_ms).unwrap_or(i64::MAX);
        let mut over = Vec::new();
        for (who, most) in &counted {
            let window = self.windows.entry(who.clone()).or_default();
            if window.locked_until_ms > now_ms {
                return Err(refusal(settings));
            }
            while window.requests.front().is_some_and(|at| *at <= now_ms - window_ms) {
                window.requests.pop_front();
            }
            if window.requests.len() >= *most {
                over.push(who.clone());
            }
        }
        if !over.is_empty() {
            let until = now_ms.saturating_add(i64::try_from(settings.lockout_ms).unwrap_or(i64::MAX));
            for (who, _) in &counted {
                if settings.lock == Lock::Both || over.contains(who) {
                    self.windows.entry(who.clone()).or_default().locked_until_ms = until;
                }
            }
            return Err(refusal(settings));
        }
        for (who, most) in counted {
            // Where nothing is limited, nothing is remembered.
            if most < usize::MAX {
                self.windows.entry(who).or_default().requests.push_back(now_ms);
            }
        }
        self.calls_this_month += 1;
        Ok(())
    }

    /// Locks a base out, as too many requests do.
    pub(crate) fn lock_base(&mut self, base: &str, until_ms: i64) {
        let window = self.windows.entry(Counted::Base(base.to_owned())).or_default();
        window.locked_until_ms = until_ms;
    }

    fn turn_month(&mut self, now_ms: i64) {
        let Ok(moment) = jiff::Timestamp::from_millisecond(now_ms) else {
            return;
        };
        let date = jiff::tz::Offset::UTC.to_datetime(moment).date();
        let month = (date.year(), date.month());
        if month != self.month {
            self.month = month;
            self.calls_this_month = 0;
        }
    }
}

fn refusal(settings: &Settings) -> ApiError {
    ApiError {
        shape: settings.rate_limit_shape,
        retry_after: settings.rate_limit_retry_after,
        ..ApiError::rate_limited()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pat() -> Token {
        Token("pat".into())
    }

    fn admit(limits: &mut Limits, base: &str, now_ms: i64, settings: &Settings) -> bool {
        limits
            .admit(Operation::List, Some(base), &pat(), now_ms, settings)
            .is_ok()
    }

    #[test]
    fn the_sixth_request_in_a_second_locks_the_base_for_30_seconds() {
        let (mut limits, settings) = (Limits::default(), Settings::default());
        assert!((0..5).all(|at| admit(&mut limits, "a", at, &settings)));
        assert!(!admit(&mut limits, "a", 999, &settings));
        assert!(!admit(&mut limits, "a", 30_998, &settings));
        assert!(admit(&mut limits, "b", 1_000, &settings));
        assert!(admit(&mut limits, "a", 30_999, &settings));
    }

    #[test]
    fn a_second_later_five_more_are_taken() {
        let (mut limits, settings) = (Limits::default(), Settings::default());
        assert!((0..50).all(|at| admit(&mut limits, "a", at * 200, &settings)));
    }

    #[test]
    fn fifty_requests_of_a_token_are_the_most_over_all_bases() {
        let (mut limits, settings) = (Limits::default(), Settings::default());
        assert!((0..50).all(|at| admit(&mut limits, &format!("b{}", at % 10), at, &settings)));
        assert!(!admit(&mut limits, "c", 60, &settings));
        let other = limits.admit(Operation::List, Some("c"), &Token("other".into()), 60, &settings);
        assert!(other.is_ok());
    }

    #[test]
    fn both_are_locked_where_that_is_set() {
        let settings = Settings {
            lock: Lock::Both,
            ..Settings::default()
        };
        let mut limits = Limits::default();
        assert!((0..5).all(|at| admit(&mut limits, "a", at, &settings)));
        assert!(!admit(&mut limits, "a", 5, &settings));
        assert!(!admit(&mut limits, "b", 6, &settings));
    }

    #[test]
    fn the_calls_of_a_month_come_back_on_the_first() {
        let mut settings = Settings::default().without_rate_limits();
        settings.monthly_calls = Some(3);
        let mut limits = Limits::default();
        // 2026-01-31T23:59:59Z.
        let end = 1_769_903_999_000;
        assert!((0..3).all(|_| admit(&mut limits, "a", end, &settings)));
        let refused = limits.admit(Operation::List, Some("a"), &pat(), end, &settings);
        assert_eq!(refused.unwrap_err().kind, "PUBLIC_API_BILLING_LIMIT_EXCEEDED");
        for base in [None, Some("a")] {
            let metadata = limits.admit(Operation::Meta, base, &pat(), end, &settings);
            assert!(metadata.is_ok(), "metadata goes on");
        }
        assert!(admit(&mut limits, "a", end + 1_000, &settings));
        settings.beyond_monthly = Beyond::Slow;
        assert!((0..2).all(|_| admit(&mut limits, "a", end + 2_000, &settings)));
        assert!(admit(&mut limits, "b", end + 2_000, &settings), "slowed, not blocked");
        assert!(admit(&mut limits, "b", end + 2_000, &settings));
        assert!(!admit(&mut limits, "b", end + 2_000, &settings), "to 2 in a second");
    }
}
