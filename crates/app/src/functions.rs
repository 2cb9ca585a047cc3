//! Functions that are offered beside the API of this version, by their names: those of an older service.
//!
//! The HTTP surface knows no adapter and an adapter knows no HTTP; they meet in this trait, and the binary hands one to the
//! other. Whoever serves it says who asks; what is asked and how it is answered is the implementation's.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use runledger_domain::access::{Access, Scope};
use runledger_domain::{Action, CreationField, RunRecord, Source, Subject};

use crate::shared::Ledger;

/// What a function does to the ledger, as far as whoever serves it must know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FunctionKind {
    /// It reads, and leaves no line.
    Reads,
    /// It tries to change something, and leaves a line with this action whatever becomes of it (I6).
    Writes(Action),
}

impl FunctionKind {
    /// What its caller must at least be allowed to do.
    pub const fn scope(self) -> Scope {
        match self {
            Self::Reads => Scope::Read,
            Self::Writes(Action::Create) => Scope::Create,
            Self::Writes(_) => Scope::Change,
        }
    }
}

/// One call, by somebody who is known.
#[derive(Clone, Debug)]
pub struct FunctionCall<'a> {
    /// The name of the function.
    pub function: &'a str,
    /// What the caller may do.
    pub access: &'a Access,
    /// The source that was named beside the arguments.
    pub source: Option<Source>,
    /// The name that makes a retry safe, if one was given.
    pub idempotency_key: Option<&'a str>,
    /// The arguments, as JSON.
    pub arguments: &'a [u8],
}

/// What a call came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FunctionAnswer {
    /// The answer, as JSON.
    pub json: String,
    /// Whether a record came into being.
    pub created: bool,
    /// Whether the same call took effect before, so that this one did nothing (I7).
    pub replayed: bool,
}

/// Who and what a call names, as far as its arguments are understood: for the line of a call that is turned away before
/// the function saw it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Claimed {
    /// The source, as sent.
    pub source: String,
    /// The record, as sent.
    pub subject: Subject,
}

/// Why a call is not answered as its sender wished. Its line has been kept.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{detail}")]
pub struct FunctionError {
    /// A stable word for programs, one of those of the API.
    pub code: &'static str,
    /// Why, and what to do.
    pub detail: String,
    /// The argument that it is about.
    pub field: Option<String>,
    /// The record that was meant.
    pub subject: Subject,
    /// What stands against the call.
    pub existing: Option<Box<Existing>>,
}

/// A record that stands against a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Existing {
    /// The record as it stands.
    pub record: Arc<RunRecord>,
    /// In what the creation that was asked for differs from its own.
    pub differs_in: Vec<CreationField>,
}

/// A set of functions over a ledger.
///
/// # Contract
/// - A function that writes MUST leave a line for every call, before it is answered, refused ones included (I6).
/// - It MUST go by [`FunctionCall::access`] alone: a source that the access does not cover, a scope that it lacks and a client
///   that it does not see are refused, and a record of such a client is answered like one that is not there (I12).
/// - A function that reads MUST NOT create or change anything (I3).
#[async_trait]
pub trait Functions: fmt::Debug + Send + Sync {
    /// What the function of this name does; `None` when there is none.
    fn kind(&self, function: &str) -> Option<FunctionKind>;

    /// Who and what the arguments name, however little of them is understood.
    fn claimed(&self, function: &str, arguments: &[u8]) -> Claimed;

    /// The source in the line of a call that names none, and whose access does not say it either. The source stands among
    /// the arguments here, so there can be a call that names nobody; it leaves a line all the same (I6).
    fn unnamed(&self) -> &'static str;

    /// Carries out a call.
    ///
    /// # Errors
    /// [`FunctionError`] with a code of the API.
    async fn call(&self, ledger: &Ledger, call: FunctionCall<'_>) -> Result<FunctionAnswer, FunctionError>;
}
