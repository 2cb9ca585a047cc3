//! What becomes of a row, step by step: each of these says what is kept, and what of it is forgotten.

use runledger_domain::Timestamp;
use runledger_ports::{RowId, RowState, Step};

/// How a row goes on. `failures` is kept by all but those that say otherwise.
pub(super) trait NextStep: Sized {
    /// It waits for its time, if it lacks something.
    fn idle(self) -> Self;
    /// It is about to be sent.
    fn sending(self, at: Timestamp, line: u64) -> Self;
    /// It shows the record up to a line.
    fn shown(self, id: RowId, line: u64, digest: [u8; 32]) -> Self;
    /// It shows the record up to a line, as it did before.
    fn still_shown(self, line: u64) -> Self;
    /// Nobody can say what it shows.
    fn in_doubt(self, at: Timestamp, line: u64, why: String) -> Self;
    /// It cannot be written as it is.
    fn set_aside(self, at: Timestamp, line: u64, why: String) -> Self;
    /// It was refused, and is to be sent among fewer.
    fn refused(self) -> Self;
    /// It is not there any more.
    fn gone(self) -> Self;
    /// A row that was set aside goes on. One that may be there, for all that is known, is looked up first.
    fn let_go(self) -> Self;
    /// It may show anything, or not be there: it is looked up, and sent whatever it was known to show. With `any_name`, also
    /// what it was called is not known any more.
    fn to_be_repaired(self, at: Timestamp, line: u64, any_name: bool) -> Self;
}

impl NextStep for RowState {
    fn idle(self) -> Self {
        Self {
            step: Step::Idle,
            ..self
        }
    }

    fn sending(self, at: Timestamp, line: u64) -> Self {
        Self {
            step: Step::Sending { at, line },
            ..self
        }
    }

    fn shown(self, id: RowId, line: u64, digest: [u8; 32]) -> Self {
        Self {
            id: Some(id),
            shown: line,
            digest: Some(digest),
            step: Step::Idle,
            failures: 0,
        }
    }

    fn still_shown(self, line: u64) -> Self {
        Self {
            shown: line,
            step: Step::Idle,
            failures: 0,
            ..self
        }
    }

    fn in_doubt(self, at: Timestamp, line: u64, why: String) -> Self {
        Self {
            digest: None,
            step: Step::Unknown { at, line, why },
            ..self
        }
    }

    fn set_aside(self, at: Timestamp, line: u64, why: String) -> Self {
        Self {
            step: Step::SetAside { at, line, why },
            ..self
        }
    }

    fn refused(self) -> Self {
        Self {
            digest: None,
            step: Step::Idle,
            failures: self.failures.saturating_add(1),
            ..self
        }
    }

    fn gone(self) -> Self {
        Self {
            id: None,
            shown: 0,
            digest: None,
            ..self
        }
    }

    fn let_go(self) -> Self {
        let Step::SetAside { at, line, why } = self.step.clone() else {
            return self;
        };
        let row = Self { failures: 0, ..self };
        if row.id.is_some() {
            return row.idle();
        }
        row.in_doubt(at, line, format!("it was set aside: {why}"))
    }

    fn to_be_repaired(self, at: Timestamp, line: u64, any_name: bool) -> Self {
        let row = Self {
            id: self.id.clone().filter(|_| !any_name),
            shown: 0,
            failures: 0,
            ..self
        };
        row.in_doubt(at, line, "somebody wants it to be put right".into())
    }
}
