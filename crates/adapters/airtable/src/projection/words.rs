//! What Airtable says, in the words of the port.

use crate::outcome::{NotSent, ReadError};
use crate::refusal::{Refusal, RefusalKind};
use runledger_domain::Timestamp;
use runledger_ports::{NotDone, RefusedFor, RemoveOutcome, WriteOutcome};

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
    let refusal = match for_its_rows(why, now) {
        Ok(refusal) => refusal,
        Err(not_done) => return WriteOutcome::NotDone(not_done),
    };
    WriteOutcome::Refused {
        of: match refusal.kind {
            RefusalKind::TooLarge => RefusedFor::TooLarge,
            RefusalKind::RowMissing => RefusedFor::RowGone,
            _ => RefusedFor::Unfit,
        },
        why: refusal.to_string(),
    }
}

/// Why nothing was deleted.
pub(super) fn not_removed(why: NotSent, now: Timestamp) -> RemoveOutcome {
    match for_its_rows(why, now) {
        Ok(refusal) => RemoveOutcome::Refused {
            why: refusal.to_string(),
        },
        Err(not_done) => RemoveOutcome::NotDone(not_done),
    }
}

/// The refusal, when it is for the rows of the request.
fn for_its_rows(why: NotSent, now: Timestamp) -> Result<Refusal, NotDone> {
    match why {
        NotSent::NotReached(_) => Err(NotDone::Later { why: why.to_string() }),
        NotSent::Refused(refusal) => match at_the_door(&refusal, now) {
            Some(not_done) => Err(not_done),
            None => Ok(refusal),
        },
    }
}

/// Whether what is asked may have been refused because a field is not called what it was.
pub(super) const fn is_for_its_fields(refusal: &Refusal) -> bool {
    matches!(
        refusal.kind,
        RefusalKind::UnknownField | RefusalKind::InvalidFormula | RefusalKind::Invalid
    )
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
