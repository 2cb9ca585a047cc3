//! What can go wrong: one variant for each kind of failure, each saying whether anything was done.

use std::fmt;

use crate::connection::SetUpError;
use crate::intent::{Intent, Operation};
use crate::problem::{Problem, UNEXPECTED};

/// Why a call did not come to what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such record, and none was made: only the `create_` methods create.
    #[error("{0}")]
    NotFound(Box<Problem>),
    /// The key is taken by another creation, or the attempt created it with other content. Nothing was created;
    /// `existing` holds the record, `differs_in` says how the two creations differ.
    #[error("{0}")]
    Conflict(Box<Problem>),
    /// The state of the record stands against it; nothing was changed. `code` says why, `existing` is the record.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// Somebody else changed the record since the version that was given. `existing` is its present version.
    #[error("{0}")]
    VersionMismatch(Box<Problem>),
    /// The source or the token may not do this. Nothing was done.
    #[error("{0}")]
    NotAllowed(Box<Problem>),
    /// The token is missing, unknown or expired. Nothing was done.
    #[error("{0}")]
    Unauthorised(Box<Problem>),
    /// An id or a value is not one that the ledger takes. Nothing was done; `field` names it.
    #[error("{0}")]
    NotUnderstood(Box<Problem>),
    /// The ledger could not be reached or could not do it until the deadline, and nothing was done.
    #[error("{0}; nothing was done")]
    Unavailable(Box<Problem>),
    /// It is not known whether it took effect.
    #[error(transparent)]
    Unknown(Box<Unknown>),
    /// Something answered, but not as a ledger does. Is the URL the right one?
    #[error("{0}")]
    UnexpectedAnswer(Box<Problem>),
    /// The client cannot be set up. Nothing was sent.
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    /// The operating system gives no chance to make a name from. Nothing was sent; name the attempt or update yourself.
    #[error("no name can be made for the call, since the system gives no random bytes: {0}; give it one")]
    NoName(#[from] getrandom::Error),
}

/// An outcome that is not known: a try got no answer, or the server could not say, and the deadline ended.
///
/// Nothing has to be guessed: the [`intent`](Self::intent) has no second effect when it is
/// [repeated](crate::Client::repeat).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Unknown {
    /// What was asked for, with its name.
    pub intent: Intent,
    /// What happened last.
    pub problem: Problem,
    /// How many tries may have taken effect although nothing was heard of them.
    pub unanswered: u32,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.intent.operation();
        write!(
            f,
            "{operation}: {}. It is not known whether it took effect; ",
            self.problem
        )?;
        match self.intent.idempotency_key() {
            None => write!(f, "repeat the intent: a second time it changes nothing"),
            Some(key) => write!(f, "repeat the intent (its name is {key}): it counts once"),
        }
    }
}

impl std::error::Error for Unknown {}

impl Error {
    /// What the ledger said, or what is to be said when no answer came.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::NotFound(problem)
            | Self::Conflict(problem)
            | Self::Refused(problem)
            | Self::VersionMismatch(problem)
            | Self::NotAllowed(problem)
            | Self::Unauthorised(problem)
            | Self::NotUnderstood(problem)
            | Self::Unavailable(problem)
            | Self::UnexpectedAnswer(problem) => Some(problem),
            Self::Unknown(unknown) => Some(&unknown.problem),
            Self::SetUp(_) | Self::NoName(_) => None,
        }
    }

    /// The stable word of the problem.
    pub fn code(&self) -> Option<&str> {
        self.problem().map(|problem| problem.code.as_str())
    }

    /// What to repeat, when it is not known whether it took effect.
    pub fn intent(&self) -> Option<&Intent> {
        match self {
            Self::Unknown(unknown) => Some(&unknown.intent),
            _ => None,
        }
    }

    /// The error for an answer that a repetition would not change. Doubt is not decided here.
    pub(crate) fn of(problem: Problem) -> Self {
        let status = problem.status.unwrap_or_default();
        let code = problem.code.clone();
        let problem = Box::new(problem);
        match (status, code.as_str()) {
            (401, _) => Self::Unauthorised(problem),
            (403, _) => Self::NotAllowed(problem),
            (_, UNEXPECTED) => Self::UnexpectedAnswer(problem),
            (_, "not_found") => Self::NotFound(problem),
            (_, "conflict" | "idempotency_key_reused") => Self::Conflict(problem),
            (409, _) => Self::Refused(problem),
            (412, _) => Self::VersionMismatch(problem),
            (400 | 404 | 405 | 413 | 415 | 422, _) => Self::NotUnderstood(problem),
            _ => Self::UnexpectedAnswer(problem),
        }
    }

    pub(crate) fn unknown(intent: Intent, problem: Problem, unanswered: u32) -> Self {
        Self::Unknown(Box::new(Unknown {
            intent,
            problem,
            unanswered,
        }))
    }

    /// What this client does not send: the server would refuse it with this code.
    pub(crate) fn not_sendable(operation: Operation, code: &str, detail: &str) -> Self {
        Self::NotUnderstood(Box::new(Problem::new(code, format!("{operation}: {detail}"))))
    }
}
