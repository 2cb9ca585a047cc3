//! A call under construction: operations are decided one after the other, each on what those before it leave, and what
//! comes of all of them is written in one call. Nothing is known to hold until the call is answered.
//!
//! What supports a decision is *sure* when it was read for this call, or comes from an operation before it in the same
//! call, which fails with it. What this server saw before, or merely takes to be so, supports only what the call guards:
//! an insert whose key is free, a change of a version, a job that is open. An operation that would come to anything else
//! is looked at again with evidence that is sure.

mod change;
mod create;
mod delivery;
mod finish;
mod groups;
mod token;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use runledger_domain::access::TokenId;
use runledger_domain::creation::JobEvidence;
use runledger_domain::{AttemptId, ClientId, ClientLoad, NewActivity, RunId, RunKey, RunRecord, Source};
use runledger_ports::{Duty, Fence, WebhookName};

pub(crate) use self::create::{Prepared, is_minted_job};
pub(crate) use self::delivery::DeliveryOrder;
use self::delivery::TouchedDelivery;
pub(crate) use self::finish::{add_line, add_record};
use self::groups::{Common, Groups};
pub(crate) use self::token::TokenOrder;
use crate::cache::Cache;
use crate::evidence::{Evidence, Seen, SeenToken};

/// What came of deciding one operation.
pub(crate) enum Drafted<T> {
    /// This will be answered if the call is written.
    Answer(T),
    /// It has left nothing in the draft: what supports it has to be read first.
    LookFirst,
}

/// A call under construction.
pub(crate) struct Draft<'a> {
    evidence: &'a Evidence,
    cache: &'a Cache,
    groups: Groups,
    records: HashMap<RunKey, Touched>,
    /// New records in the order of their creation, then whatever changed, in the order in which it was touched.
    order: Vec<RunKey>,
    minted: HashMap<(Source, AttemptId), RunKey>,
    tokens: HashMap<TokenId, TouchedToken>,
    deliveries: HashMap<WebhookName, TouchedDelivery>,
    /// By how much what clients hold has changed, run by run.
    loads: BTreeMap<(RunId, ClientId), (i64, i64)>,
    guards: HashMap<Guarded, (usize, (i64, i64))>,
    fences: Vec<(usize, Fence)>,
    lines: Vec<(usize, NewActivity)>,
    /// Whether a quota is decided in this call: then what clients hold is something that operations have in common.
    quotas: bool,
}

/// A record that the call inserts or changes.
struct Touched {
    /// As it is stored; `None` when the call inserts it.
    stored: Option<Seen>,
    /// As the operations so far leave it.
    now: Arc<RunRecord>,
    /// Written as JSON, when that is known.
    body: Option<Arc<str>>,
}

struct TouchedToken {
    member: usize,
    stored: Option<SeenToken>,
    body: String,
}

/// What a call is guarded by, apart from what it writes.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Guarded {
    Job(RunId),
    OpenClients(RunId),
    Load(ClientId),
    Minted(Source, AttemptId),
}

/// A record that was looked up.
struct Found {
    record: Arc<RunRecord>,
    /// Whether it is the record as it stands.
    sure: bool,
}

/// What is known of a key.
enum Known {
    There(Found),
    /// It is free.
    Free,
    /// Nothing.
    Nothing,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(evidence: &'a Evidence, cache: &'a Cache, quotas: bool) -> Self {
        Self {
            evidence,
            cache,
            groups: Groups::default(),
            records: HashMap::new(),
            order: Vec::new(),
            minted: HashMap::new(),
            tokens: HashMap::new(),
            deliveries: HashMap::new(),
            loads: BTreeMap::new(),
            guards: HashMap::new(),
            fences: Vec::new(),
            lines: Vec::new(),
            quotas,
        }
    }

    /// A member for one operation.
    pub(crate) fn begin(&mut self) -> usize {
        self.groups.open()
    }

    /// Takes a line that stands by itself.
    pub(crate) fn line(&mut self, member: usize, line: NewActivity) {
        self.lines.push((member, line));
    }

    /// The operation touches this key, and with it everything of its run.
    fn touch(&mut self, member: usize, key: &RunKey) {
        self.groups.join(member, Common::Run(key.run().clone()));
        if let Some(client) = key.client().filter(|_| self.quotas) {
            self.groups.join(member, Common::Load(client.clone()));
        }
    }

    fn look(&self, key: &RunKey) -> Known {
        let found = |record: &Arc<RunRecord>, sure| {
            Known::There(Found {
                record: Arc::clone(record),
                sure,
            })
        };
        if let Some(touched) = self.records.get(key) {
            return found(&touched.now, true);
        }
        match self.evidence.records.get(key) {
            Some(Some(seen)) => found(&seen.record, true),
            Some(None) => Known::Free,
            None => match self.cache.peek(key) {
                Some(seen) => found(&seen.record, false),
                None => Known::Nothing,
            },
        }
    }

    /// The record as it is stored, of one that was looked up.
    fn stored(&self, key: &RunKey) -> Option<Seen> {
        match self.evidence.records.get(key) {
            Some(seen) => seen.clone(),
            None => self.cache.peek(key).cloned(),
        }
    }

    /// What is known of the job of a run, and whether it is sure. A job of which nothing is known is taken to be open.
    fn job(&self, key: &RunKey) -> (JobEvidence, bool) {
        match self.look(&key.job()) {
            Known::There(found) => {
                let evidence = JobEvidence::of(Some(&found.record));
                (evidence, found.sure || evidence == JobEvidence::Ended)
            }
            Known::Free => (JobEvidence::Missing, true),
            Known::Nothing => (JobEvidence::Open, false),
        }
    }

    /// The call is written only if the job is still as it was taken to be. What the call itself writes needs no guard.
    fn guard_job(&mut self, member: usize, key: &RunKey, job: JobEvidence) {
        if !self.records.contains_key(&key.job()) {
            let code = match job {
                JobEvidence::Missing => 0,
                JobEvidence::Open => 1,
                JobEvidence::Ended => 2,
            };
            self.guards.insert(Guarded::Job(key.run().clone()), (member, (code, 0)));
        }
    }

    /// What the client's open records come to, with what the call adds; `None` when it was not read.
    fn load(&self, client: &ClientId) -> Option<ClientLoad> {
        let read = self.evidence.loads.get(client)?;
        let added = self.loads.iter().filter(|((_, of), _)| of == client);
        let (records, notes) = added.fold((0, 0), |sum, (_, (records, notes))| (sum.0 + records, sum.1 + notes));
        Some(ClientLoad {
            records: read.records.saturating_add_signed(records),
            notes: read.notes.saturating_add_signed(notes),
        })
    }

    /// The call is written only if the client's load is still as it was read.
    fn guard_load(&mut self, member: usize, client: &ClientId) {
        if let Some(load) = self.evidence.loads.get(client) {
            let read = (crate::columns::big(load.records), crate::columns::big(load.notes));
            self.guards.insert(Guarded::Load(client.clone()), (member, read));
        }
    }

    /// Whether what this duty writes may be written with this fence; `None` when it was not read.
    fn holds(&self, fence: &Fence, duty: &Duty) -> Option<bool> {
        let last = self.evidence.duties.get(&fence.duty)?;
        Some(fence.duty == *duty && *last == Some(crate::columns::big(fence.epoch.get())))
    }

    /// The call is written only if the duty is still as it was read.
    fn guard_fence(&mut self, member: usize, fence: &Fence) {
        self.fences.push((member, fence.clone()));
    }

    /// Whether the record under this key can be [replaced](Self::replace).
    fn knows(&self, key: &RunKey) -> bool {
        self.records.contains_key(key) || self.stored(key).is_some()
    }

    /// Puts the next version of a record in the place of the one that is [known](Self::knows).
    fn replace(&mut self, next: &Arc<RunRecord>) {
        let key = next.key().clone();
        let before = if let Some(touched) = self.records.get_mut(&key) {
            touched.body = None;
            std::mem::replace(&mut touched.now, Arc::clone(next))
        } else {
            let Some(stored) = self.stored(&key) else { return };
            let before = Arc::clone(&stored.record);
            self.order.push(key.clone());
            let touched = Touched {
                stored: Some(stored),
                now: Arc::clone(next),
                body: None,
            };
            self.records.insert(key, touched);
            before
        };
        self.weigh(Some(&before), next);
    }

    /// Takes a new record.
    fn insert(&mut self, record: Arc<RunRecord>, body: Arc<str>) {
        let key = record.key().clone();
        self.weigh(None, &record);
        self.order.push(key.clone());
        let touched = Touched {
            stored: None,
            now: record,
            body: Some(body),
        };
        self.records.insert(key, touched);
    }

    /// Notes what a record adds to its client's load, and what it added before.
    fn weigh(&mut self, before: Option<&RunRecord>, now: &RunRecord) {
        let Some(client) = now.key().client() else { return };
        let (was, is) = (before.map_or((0, 0), weight), weight(now));
        if was != is {
            let place = (now.key().run().clone(), client.clone());
            let load = self.loads.entry(place).or_default();
            *load = (load.0 + is.0 - was.0, load.1 + is.1 - was.1);
        }
    }
}

/// What one record adds to its client's load: records and notes.
pub(crate) fn weight(record: &RunRecord) -> (i64, i64) {
    if record.status().is_open() {
        (1, i64::try_from(record.notes().len()).unwrap_or(i64::MAX))
    } else {
        (0, 0)
    }
}
