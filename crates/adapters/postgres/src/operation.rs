//! What the writer is asked to do, and how each is answered: once it is written, once it is known not to be, or in doubt
//! (I10).

use std::collections::HashSet;
use std::hash::Hash;

use runledger_domain::access::{TokenId, TokenRecord};
use runledger_domain::{AttemptId, ClientId, NewActivity, RecordKind, RunId, RunKey, Source};
use runledger_ports::{
    ChangeError, ChangeRequest, Changed, CreateOutcome, DeliveryState, Duty, FencedError, TokenStoreError, Unavailable,
    WebhookName,
};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::cache::Cache;
use crate::draft::{DeliveryOrder, Draft, Drafted, Prepared, TokenOrder, is_minted_job};
use crate::error::StoreError;
use crate::evidence::Wanted;

pub(crate) type Reply<T> = oneshot::Sender<T>;
/// The outcomes, or why there are none. In doubt the caller, who kept the intents, hands them back.
pub(crate) type CreateAnswer = Result<Vec<CreateOutcome>, NotCreated>;
pub(crate) type ChangeAnswer = Result<Changed, ChangeError>;
pub(crate) type LineAnswer = Result<(), Unavailable>;
/// The record of the token, added or ended.
pub(crate) type TokenAnswer = Result<TokenRecord, TokenStoreError>;

/// The state as it is kept; nothing when there is none to enable.
pub(crate) type DeliveryAnswer = Result<Option<DeliveryState>, FencedError>;

/// Why a creation has no outcome.
#[derive(Debug)]
pub(crate) enum NotCreated {
    InDoubt(String),
    Unavailable(Unavailable),
}

/// What the writer is asked to do.
pub(crate) enum Asked {
    Create(Vec<Prepared>, Reply<CreateAnswer>),
    Change(Box<ChangeRequest>, Reply<ChangeAnswer>),
    Line(Box<NewActivity>, Reply<LineAnswer>),
    Token(Box<TokenOrder>, Reply<TokenAnswer>),
    Delivery(Box<DeliveryOrder>, Reply<DeliveryAnswer>),
}

/// An operation that waits for its answer.
pub(crate) struct Operation {
    asked: Asked,
    /// When it has to have an answer.
    pub(crate) until: Instant,
    /// What supports it is to be read: what this server knew was not enough, or not so any more.
    pub(crate) look_first: bool,
    /// A call that it was in failed as a whole: it goes alone, so that it fails nobody but itself.
    pub(crate) alone: bool,
}

/// What will be answered if the call is written.
pub(crate) enum Answer {
    Create(Vec<CreateOutcome>),
    Change(ChangeAnswer),
    Line,
    Token(TokenAnswer),
    Delivery(DeliveryAnswer),
}

impl Operation {
    pub(crate) const fn new(asked: Asked, until: Instant) -> Self {
        Self {
            asked,
            until,
            look_first: false,
            alone: false,
        }
    }

    /// Whether a quota is to be decided.
    pub(crate) fn decides_quota(&self) -> bool {
        match &self.asked {
            Asked::Create(permits, _) => permits.iter().any(|prepared| prepared.permit.needs_load()),
            Asked::Change(request, _) => request.context.needs_load(&request.key, &request.command),
            Asked::Line(..) | Asked::Token(..) | Asked::Delivery(..) => false,
        }
    }

    /// Adds what has to be read for it. Without `look_first`, a creation counts on a free key and an open job, and a
    /// change on the record as it was seen last; what nothing is known of is read in any case.
    pub(crate) fn wants(&self, cache: &Cache, wanted: &mut WantedOnce) {
        match &self.asked {
            Asked::Create(permits, _) => {
                for permit in permits.iter().map(|prepared| &prepared.permit) {
                    let intent = permit.intent();
                    if self.look_first || cache.peek(&intent.key).is_some() {
                        wanted.record(&intent.key);
                        if intent.key.kind() == RecordKind::Client {
                            wanted.record(&intent.key.job());
                        }
                        if is_minted_job(intent) {
                            wanted.minted(&intent.source, &intent.attempt);
                        }
                    }
                    if let Some(client) = intent.key.client().filter(|_| permit.needs_load()) {
                        wanted.load(client);
                    }
                }
            }
            Asked::Change(request, _) => {
                let ChangeRequest {
                    key,
                    context,
                    command,
                    fence,
                } = &**request;
                if let Some(fence) = fence {
                    wanted.duty(&fence.duty);
                }
                let ends_job = command.ends_record() && key.kind() == RecordKind::Job;
                if self.look_first || ends_job || cache.peek(key).is_none() {
                    wanted.record(key);
                }
                if ends_job {
                    wanted.open_clients(key.run());
                }
                if let Some(client) = key.client().filter(|_| context.needs_load(key, command)) {
                    wanted.load(client);
                }
            }
            Asked::Line(..) => {}
            Asked::Token(order, _) => wanted.token(order.id()),
            Asked::Delivery(order, _) => {
                wanted.delivery(order.name());
                if let Some(fence) = order.fence() {
                    wanted.duty(&fence.duty);
                }
            }
        }
    }

    /// Decides it in a draft.
    pub(crate) fn draft(&self, member: usize, draft: &mut Draft<'_>) -> Result<Drafted<Answer>, StoreError> {
        Ok(match &self.asked {
            Asked::Create(permits, _) => draft.create(member, permits).map(Answer::Create),
            Asked::Change(request, _) => draft.change(member, request).map(Answer::Change),
            Asked::Line(line, _) => {
                draft.line(member, (**line).clone());
                Drafted::Answer(Answer::Line)
            }
            Asked::Token(order, _) => draft.token(member, order)?.map(Answer::Token),
            Asked::Delivery(order, _) => draft.delivery(member, order).map(Answer::Delivery),
        })
    }

    /// Forgets what was seen of its records.
    pub(crate) fn forget(&self, cache: &mut Cache) {
        match &self.asked {
            Asked::Create(permits, _) => {
                for prepared in permits {
                    cache.forget(prepared.permit.key());
                    cache.forget(&prepared.permit.key().job());
                }
            }
            Asked::Change(request, _) => cache.forget(&request.key),
            Asked::Line(..) | Asked::Token(..) | Asked::Delivery(..) => {}
        }
    }

    /// It is written: the permits are spent. A caller who is gone does not undo anything.
    pub(crate) fn answer(self, answer: Answer) {
        match (self.asked, answer) {
            (Asked::Create(_, reply), Answer::Create(outcomes)) => drop(reply.send(Ok(outcomes))),
            (Asked::Change(_, reply), Answer::Change(answer)) => drop(reply.send(answer)),
            (Asked::Line(_, reply), Answer::Line) => drop(reply.send(Ok(()))),
            (Asked::Token(_, reply), Answer::Token(answer)) => drop(reply.send(answer)),
            (Asked::Delivery(_, reply), Answer::Delivery(answer)) => drop(reply.send(answer)),
            // Answers are made by `draft`, of the same kind; without one the caller learns that it is in doubt.
            (_, _) => {}
        }
    }

    /// Nothing of it was done.
    pub(crate) fn fail(self, why: &Unavailable) {
        match self.asked {
            Asked::Create(_, reply) => drop(reply.send(Err(NotCreated::Unavailable(why.clone())))),
            Asked::Change(_, reply) => drop(reply.send(Err(why.clone().into()))),
            Asked::Line(_, reply) => drop(reply.send(Err(why.clone()))),
            Asked::Token(_, reply) => drop(reply.send(Err(why.clone().into()))),
            Asked::Delivery(_, reply) => drop(reply.send(Err(why.clone().into()))),
        }
    }

    /// Nobody knows whether it was done (I10).
    pub(crate) fn doubt(self, reason: &str) {
        let reason = reason.to_owned();
        match self.asked {
            Asked::Create(_, reply) => drop(reply.send(Err(NotCreated::InDoubt(reason)))),
            Asked::Change(_, reply) => drop(reply.send(Err(ChangeError::Indeterminate { reason }))),
            Asked::Line(_, reply) => drop(reply.send(Err(Unavailable::Failed { reason }))),
            Asked::Token(_, reply) => drop(reply.send(Err(Unavailable::Failed { reason }.into()))),
            Asked::Delivery(_, reply) => drop(reply.send(Err(Unavailable::Failed { reason }.into()))),
        }
    }
}

impl<T> Drafted<T> {
    fn map<U>(self, with: impl FnOnce(T) -> U) -> Drafted<U> {
        match self {
            Self::Answer(answer) => Drafted::Answer(with(answer)),
            Self::LookFirst => Drafted::LookFirst,
        }
    }
}

/// What has to be read, each once.
#[derive(Default)]
pub(crate) struct WantedOnce {
    wanted: Wanted,
    records: HashSet<RunKey>,
    minted: HashSet<(Source, AttemptId)>,
    runs: HashSet<RunId>,
    clients: HashSet<ClientId>,
    tokens: HashSet<TokenId>,
    deliveries: HashSet<WebhookName>,
    duties: HashSet<Duty>,
}

impl WantedOnce {
    pub(crate) fn into_wanted(self) -> Wanted {
        self.wanted
    }

    fn record(&mut self, key: &RunKey) {
        once(&mut self.records, &mut self.wanted.records, key);
    }

    fn minted(&mut self, source: &Source, attempt: &AttemptId) {
        once(
            &mut self.minted,
            &mut self.wanted.minted,
            &(source.clone(), attempt.clone()),
        );
    }

    fn open_clients(&mut self, run: &RunId) {
        once(&mut self.runs, &mut self.wanted.open_clients, run);
    }

    fn load(&mut self, client: &ClientId) {
        once(&mut self.clients, &mut self.wanted.loads, client);
    }

    fn token(&mut self, id: &TokenId) {
        once(&mut self.tokens, &mut self.wanted.tokens, id);
    }

    fn delivery(&mut self, name: &WebhookName) {
        once(&mut self.deliveries, &mut self.wanted.deliveries, name);
    }

    fn duty(&mut self, duty: &Duty) {
        once(&mut self.duties, &mut self.wanted.duties, duty);
    }
}

fn once<T: Clone + Eq + Hash>(known: &mut HashSet<T>, list: &mut Vec<T>, what: &T) {
    if known.insert(what.clone()) {
        list.push(what.clone());
    }
}
