//! What Airtable says, in the words of the port.

use crate::outcome::{NotSent, ReadError};
use crate::refusal::{Refusal, RefusalKind};
use runledger_domain::Timestamp;
use runledger_ports::{NotDone, RefusedFor, WriteOutcome};

/// Why a read has no answer.
pub(super) fn not_done(error: ReadError, now: Timestamp) -> NotDone {
    match error {
        ReadError::Refused(refusal) => at_the_door(&refusal, now).unwrap_or_else(|| NotDone::Later {
            why: refusal.to_string(),
        }),
        ReadError::NotReached(_) | ReadError::NoAnswer(_) => NotDone::Later { why: error.to_string() },
    }
}

/// Why a write was not done.
pub(super) fn not_written(why: NotSent, now: Timestamp) -> WriteOutcome {
    let refusal = match why {
        NotSent::NotReached(_) => return WriteOutcome::NotDone(NotDone::Later { why: why.to_string() }),
        NotSent::Refused(refusal) => refusal,
    };
    if let Some(not_done) = at_the_door(&refusal, now) {
        return WriteOutcome::NotDone(not_done);
    }
    WriteOutcome::Refused {
        of: match refusal.kind {
            RefusalKind::TooLarge => RefusedFor::TooLarge,
            RefusalKind::RowMissing => RefusedFor::RowGone,
            _ => RefusedFor::Unfit,
        },
        why: refusal.to_string(),
    }
}

/// A refusal that is about who asks, or how often, and not about what is asked.
fn at_the_door(refusal: &Refusal, now: Timestamp) -> Option<NotDone> {
    let why = refusal.to_string();
    match refusal.kind {
        RefusalKind::RateLimited => Some(NotDone::Later { why }),
        RefusalKind::QuotaSpent => Some(NotDone::Stopped {
            why,
            until: Some(now.next_month()),
        }),
        RefusalKind::Unauthenticated
        | RefusalKind::PaymentRequired
        | RefusalKind::Forbidden
        | RefusalKind::NotFound => Some(NotDone::Stopped { why, until: None }),
        RefusalKind::TooLarge
        | RefusalKind::RowMissing
        | RefusalKind::UnknownField
        | RefusalKind::InvalidValue
        | RefusalKind::UnknownOption
        | RefusalKind::InvalidFormula
        | RefusalKind::CursorExpired
        | RefusalKind::Invalid => None,
    }
}
