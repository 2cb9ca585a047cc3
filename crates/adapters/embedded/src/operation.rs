//! What the writer is asked to do, and how each is performed inside a transaction and answered: after the commit, after a
//! roll-back, or in doubt (I10).

use runledger_domain::NewActivity;
use runledger_domain::access::TokenRecord;
use runledger_ports::{
    ChangeError, ChangeRequest, Changed, CreateOutcome, DeliveryState, FencedError, RestoreError, Restored,
    TokenStoreError, Unavailable, not_whole,
};
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::transaction::{DeliveryOrder, DutyDone, DutyOrder, Prepared, TokenOrder, Transaction};

pub(crate) type Reply<T> = oneshot::Sender<T>;
/// The outcomes, or why there are none. In doubt the caller, who kept the intents, hands them back.
pub(crate) type CreateAnswer = Result<Vec<CreateOutcome>, NotCreated>;
pub(crate) type ChangeAnswer = Result<Changed, ChangeError>;
pub(crate) type LineAnswer = Result<(), Unavailable>;
/// The state as it is kept, or as it stood before it was enabled; nothing when there is none to enable.
pub(crate) type DeliveryAnswer = Result<Option<DeliveryState>, FencedError>;
pub(crate) type RestoreAnswer = Result<(), RestoreError>;
/// The record of the token, added or ended.
pub(crate) type TokenAnswer = Result<TokenRecord, TokenStoreError>;

/// Why a creation has no outcome.
pub(crate) enum NotCreated {
    InDoubt(String),
    Unavailable(Unavailable),
}

/// What the writer is asked to do.
pub(crate) enum Operation {
    Create(Vec<Prepared>, Reply<CreateAnswer>),
    Change(Box<ChangeRequest>, Reply<ChangeAnswer>),
    Line(Box<NewActivity>, Reply<LineAnswer>),
    Token(Box<TokenOrder>, Reply<TokenAnswer>),
    Delivery(Box<DeliveryOrder>, Reply<DeliveryAnswer>),
    Duty(Box<DutyOrder>, Reply<DutyDone>),
    Restore(Box<Restored>, Reply<RestoreAnswer>),
    /// Answered when every line that was waiting is written.
    Flush(Reply<()>),
    /// Lines began to wait: the thread is to look after them.
    LookAfterDeferred,
    Stop,
}

/// An operation that was done inside the transaction and waits for the commit.
pub(crate) enum Done {
    Create(CreateAnswer, Reply<CreateAnswer>),
    Change(ChangeAnswer, Reply<ChangeAnswer>),
    Line(LineAnswer, Reply<LineAnswer>),
    Token(TokenAnswer, Reply<TokenAnswer>),
    Delivery(DeliveryAnswer, Reply<DeliveryAnswer>),
    Duty(DutyDone, Reply<DutyDone>),
    Restore(RestoreAnswer, Reply<RestoreAnswer>),
    Flush(Reply<()>),
}

pub(crate) fn refuse_all(operations: impl IntoIterator<Item = Operation>, why: &Unavailable) {
    for operation in operations {
        refuse(operation, why);
    }
}

impl Operation {
    /// Whether it is nothing for a ledger that is not whole yet: it may write a line (I6).
    const fn may_write_a_line(&self) -> bool {
        match self {
            Self::Create(..) | Self::Change(..) | Self::Line(..) | Self::Token(..) | Self::Delivery(..) => true,
            Self::Duty(..) | Self::Restore(..) | Self::Flush(_) | Self::LookAfterDeferred | Self::Stop => false,
        }
    }
}

/// Performs one operation. An error that concerns it alone is its answer; any other ends the transaction.
pub(crate) fn perform(transaction: &mut Transaction<'_>, operation: Operation) -> (Done, Option<StoreError>) {
    if let Some(until) = transaction.unfinished()
        && operation.may_write_a_line()
    {
        refuse(operation, &not_whole(until));
        return (Done::nothing(), None);
    }
    match operation {
        Operation::Create(permits, reply) => {
            let (answer, error) = match transaction.create(permits) {
                Ok(outcomes) => (Ok(outcomes), None),
                Err(error) => (Err(NotCreated::Unavailable(failed(&error))), Some(error)),
            };
            (Done::Create(answer, reply), error.filter(|error| !error.is_local()))
        }
        Operation::Change(request, reply) => {
            let (answer, error) = match transaction.change(&request) {
                Ok(answer) => (answer, None),
                Err(error) => (Err(failed(&error).into()), Some(error)),
            };
            (Done::Change(answer, reply), error.filter(|error| !error.is_local()))
        }
        Operation::Line(line, reply) => (Done::Line(Ok(()), reply), transaction.line(*line).err()),
        Operation::Token(order, reply) => {
            let (answer, error) = match transaction.token(*order) {
                Ok(answer) => (answer, None),
                Err(error) => (Err(failed(&error).into()), Some(error)),
            };
            (Done::Token(answer, reply), error.filter(|error| !error.is_local()))
        }
        Operation::Delivery(order, reply) => {
            let (answer, error) = match transaction.delivery(&order) {
                Ok(answer) => (answer, None),
                Err(error) => (Err(failed(&error).into()), Some(error)),
            };
            (Done::Delivery(answer, reply), error)
        }
        Operation::Duty(order, reply) => {
            let (answer, error) = match transaction.duty(*order) {
                Ok(done) => (done, None),
                Err(error) => (Err(failed(&error).into()), Some(error)),
            };
            (Done::Duty(answer, reply), error)
        }
        Operation::Restore(part, reply) => {
            let (answer, error) = match transaction.restore(&part) {
                Ok(answer) => (answer, None),
                Err(error) => (Err(failed(&error).into()), Some(error)),
            };
            // Unlike a creation, it may have written before it failed.
            (Done::Restore(answer, reply), error)
        }
        Operation::Flush(reply) => (Done::Flush(reply), None),
        Operation::LookAfterDeferred | Operation::Stop => (Done::nothing(), None),
    }
}

fn failed(error: &StoreError) -> Unavailable {
    Unavailable::Failed {
        reason: error.to_string(),
    }
}

fn refuse(operation: Operation, why: &Unavailable) {
    match operation {
        Operation::Create(_, reply) => drop(reply.send(Err(NotCreated::Unavailable(why.clone())))),
        Operation::Change(_, reply) => drop(reply.send(Err(why.clone().into()))),
        Operation::Line(_, reply) => drop(reply.send(Err(why.clone()))),
        Operation::Token(_, reply) => drop(reply.send(Err(why.clone().into()))),
        Operation::Delivery(_, reply) => drop(reply.send(Err(why.clone().into()))),
        Operation::Duty(_, reply) => drop(reply.send(Err(why.clone().into()))),
        Operation::Restore(_, reply) => drop(reply.send(Err(why.clone().into()))),
        Operation::Flush(_) | Operation::LookAfterDeferred | Operation::Stop => {}
    }
}

impl Done {
    /// What waits for no commit.
    fn nothing() -> Self {
        Self::Flush(oneshot::channel().0)
    }

    /// The commit is on disk. A caller who is gone does not undo anything.
    pub(crate) fn answer(self) {
        match self {
            Self::Create(answer, reply) => drop(reply.send(answer)),
            Self::Change(answer, reply) => drop(reply.send(answer)),
            Self::Line(answer, reply) => drop(reply.send(answer)),
            Self::Token(answer, reply) => drop(reply.send(answer)),
            Self::Delivery(answer, reply) => drop(reply.send(answer)),
            Self::Duty(answer, reply) => drop(reply.send(answer)),
            Self::Restore(answer, reply) => drop(reply.send(answer)),
            Self::Flush(reply) => drop(reply.send(())),
        }
    }

    /// The transaction was rolled back: nothing of it was done.
    pub(crate) fn fail(self, why: &Unavailable) {
        match self {
            Self::Create(_, reply) => drop(reply.send(Err(NotCreated::Unavailable(why.clone())))),
            Self::Change(_, reply) => drop(reply.send(Err(why.clone().into()))),
            Self::Line(_, reply) => drop(reply.send(Err(why.clone()))),
            Self::Token(_, reply) => drop(reply.send(Err(why.clone().into()))),
            Self::Delivery(_, reply) => drop(reply.send(Err(why.clone().into()))),
            Self::Duty(_, reply) => drop(reply.send(Err(why.clone().into()))),
            Self::Restore(_, reply) => drop(reply.send(Err(why.clone().into()))),
            Self::Flush(_) => {}
        }
    }

    /// The commit failed, and nobody knows what is on disk (I10).
    pub(crate) fn doubt(self, reason: &str, wrote: bool) {
        let reason = reason.to_owned();
        if !wrote {
            return self.fail(&Unavailable::Stopped { reason });
        }
        match self {
            Self::Create(_, reply) => drop(reply.send(Err(NotCreated::InDoubt(reason)))),
            Self::Change(_, reply) => drop(reply.send(Err(ChangeError::Indeterminate { reason }))),
            Self::Line(_, reply) => drop(reply.send(Err(Unavailable::Stopped { reason }))),
            Self::Token(_, reply) => drop(reply.send(Err(Unavailable::Stopped { reason }.into()))),
            Self::Delivery(_, reply) => drop(reply.send(Err(Unavailable::Stopped { reason }.into()))),
            Self::Duty(_, reply) => drop(reply.send(Err(Unavailable::Stopped { reason }.into()))),
            Self::Restore(_, reply) => drop(reply.send(Err(RestoreError::Indeterminate { reason }))),
            Self::Flush(_) => {}
        }
    }
}
