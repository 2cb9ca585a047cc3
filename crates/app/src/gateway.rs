//! A gateway in the shape of a foreign API: programs that speak that API reach the ledger through it, and everything else of
//! theirs is handed on.
//!
//! The HTTP surface knows no adapter and an adapter knows no HTTP; they meet in this trait, and the binary hands one to the
//! other. Whoever serves it says who asks; what is asked and how it is answered is the implementation's.

use std::fmt;

use async_trait::async_trait;
use runledger_domain::access::Access;
use runledger_domain::{Action, ClientId};

use crate::shared::Ledger;

/// A request, by somebody who is known.
#[derive(Clone, Copy, Debug)]
pub struct GatewayRequest<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path behind the gateway's own, encoded as it came.
    pub path: &'a str,
    /// The query, encoded as it came; `None` where there is no question mark.
    pub query: Option<&'a str>,
    /// What the body is, if that was said.
    pub content_type: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
    /// What the caller may do.
    pub access: &'a Access,
}

/// What a request does, as far as whoever serves it must know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GatewayKind {
    /// It reads of the ledger, and leaves no line.
    Reads,
    /// It tries to change the ledger, and leaves a line with this action whatever becomes of it (I6).
    Writes(Action),
    /// It is not about the ledger, and is handed on.
    HandsOn,
}

/// An answer in the shape of the foreign API: always whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GatewayAnswer {
    /// The status.
    pub status: u16,
    /// What the body is.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
    /// After how many seconds to try again.
    pub retry_after: Option<u64>,
    /// What it came to, in one word: `created`, `replayed`, `changed`, `unchanged`, `read`, `handed_on`, or the code of a
    /// refusal.
    pub came_to: &'static str,
}

/// A request that is turned away before the gateway saw it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TurnedAway<'a> {
    /// The status of the problem.
    pub status: u16,
    /// Its code.
    pub code: &'static str,
    /// Why, and what to do.
    pub detail: &'a str,
    /// After how many seconds to try again.
    pub retry_after: Option<u64>,
}

/// A gateway to a ledger.
///
/// # Contract
/// - A request that tries to change the ledger MUST leave a line before it is answered, refused ones included (I6).
/// - It MUST go by [`GatewayRequest::access`] alone: a source that the access does not cover, a scope that it lacks and a
///   client that it does not see are refused, and a record of such a client is answered like one that is not there (I12).
/// - A request that reads MUST NOT create or change anything (I3).
/// - An answer MUST be whole: a body that its content type names, never none with a success.
#[async_trait]
pub trait Gateway: fmt::Debug + Send + Sync {
    /// What a request to this path does.
    fn kind(&self, method: &str, path: &str) -> GatewayKind;

    /// The clients that a request to the ledger names, however little of it is understood.
    fn clients(&self, request: &GatewayRequest<'_>) -> Vec<ClientId>;

    /// The answer to a request that was turned away, in the shape of the foreign API.
    fn turned_away(&self, why: TurnedAway<'_>) -> GatewayAnswer;

    /// Answers a request.
    async fn answer(&self, ledger: &Ledger, request: GatewayRequest<'_>) -> GatewayAnswer;
}
