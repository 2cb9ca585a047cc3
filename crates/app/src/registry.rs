//! The registry: records remembered, to save reads of the store.
//!
//! Rules (DESIGN 6). A record that has ended never changes (I5), so it may be answered from here for ever. An open
//! record may be answered from here only while this process is the single writer of the store. Absence is never
//! remembered: "not there" always comes from the store. A creation may learn from here that its record is there already,
//! because records are never deleted; it never learns here that the key is free.
//!
//! What a store of several writers shows may be lost yet: a database that fails over takes along what its standby never
//! had. So of such a store only what it acknowledged to this process is remembered, and nothing that was merely read.
//!
//! What keeps it exact: a write to any record of a run is *announced* before it goes to the store. From then on no read
//! of that run fills the registry, and a read that began before the write ended does not either. So nothing older than
//! what the store has acknowledged can get in or stay in (I8).

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use runledger_domain::{RunId, RunKey, RunRecord};

const SHARDS: usize = 16;
/// Records with more note text than this are not remembered: they would crowd out the others.
const NOTE_BYTES_REMEMBERED: usize = 8 * 1024;

/// A bounded memory of records, exact by the rules above.
#[derive(Debug)]
pub struct Registry {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    single_writer: bool,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// What the registry saved.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RegistryStats {
    /// Reads answered from memory.
    pub hits: u64,
    /// Reads that went to the store.
    pub misses: u64,
    /// Records remembered now.
    pub records: usize,
}

#[derive(Debug)]
struct Shard {
    records: LruCache<RunKey, Arc<RunRecord>>,
    /// The keys of `records` by their runs: a write to a whole run looks at that run alone.
    of_run: HashMap<RunId, HashSet<RunKey>>,
    writing: HashMap<RunId, Writers>,
    writes_ended: u64,
}

#[derive(Debug)]
struct Writers {
    count: usize,
    /// Whether writes of this run overlapped: then none of them knows that its record is the newest.
    overlapped: bool,
}

/// What a read learned: the record, or a ticket with which the answer of the store may be remembered.
pub(crate) enum Lookup {
    Hit(Arc<RunRecord>),
    Miss(Ticket),
}

/// Proof of when a read began.
pub(crate) struct Ticket(Option<u64>);

impl Registry {
    /// A registry for about `capacity` records. With `single_writer`, all writes to the store go through this process:
    /// open records are remembered too, and what is read.
    pub fn new(capacity: usize, single_writer: bool) -> Self {
        let each = NonZeroUsize::new(capacity.div_ceil(SHARDS)).unwrap_or(NonZeroUsize::MIN);
        let shard = || {
            Mutex::new(Shard {
                records: LruCache::new(each),
                of_run: HashMap::new(),
                writing: HashMap::new(),
                writes_ended: 0,
            })
        };
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: RandomState::new(),
            single_writer,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Hits, misses and size.
    pub fn stats(&self) -> RegistryStats {
        RegistryStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            records: self.shards.iter().map(|shard| lock(shard).records.len()).sum(),
        }
    }

    /// All records of a run live in one shard, so that a write to the run needs one lock.
    fn shard(&self, run: &RunId) -> MutexGuard<'_, Shard> {
        let at = usize::try_from(self.hasher.hash_one(run) % SHARDS as u64).unwrap_or(0);
        lock(&self.shards[at])
    }

    pub(crate) fn look_up(&self, key: &RunKey) -> Lookup {
        let mut shard = self.shard(key.run());
        if let Some(record) = shard.records.get(key) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Lookup::Hit(Arc::clone(record));
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let quiet = !shard.writing.contains_key(key.run());
        Lookup::Miss(Ticket(quiet.then_some(shard.writes_ended)))
    }

    /// The record, if it is remembered, for a creation that may repeat it. Not counted as a read.
    pub(crate) fn peek(&self, key: &RunKey) -> Option<Arc<RunRecord>> {
        self.shard(key.run()).records.peek(key).map(Arc::clone)
    }

    /// Remembers what the store answered to a read, unless a write came in between, or others write as well.
    pub(crate) fn remember(&self, ticket: &Ticket, record: &Arc<RunRecord>) {
        if !self.single_writer || !self.is_memorable(record) {
            return;
        }
        let mut shard = self.shard(record.key().run());
        let quiet = !shard.writing.contains_key(record.key().run());
        if quiet && ticket.0 == Some(shard.writes_ended) {
            shard.put(record);
        }
    }

    /// Announces a write to `key`. With `whole_run`, the write may touch every record of the run.
    pub(crate) fn announce(&self, key: &RunKey, whole_run: bool) -> Announced<'_> {
        let mut shard = self.shard(key.run());
        if whole_run {
            shard.forget_run(key.run());
        } else {
            shard.forget(key);
        }
        let writers = shard.writing.entry(key.run().clone()).or_insert(Writers {
            count: 0,
            overlapped: false,
        });
        writers.overlapped |= writers.count > 0;
        writers.count += 1;
        drop(shard);
        Announced {
            registry: self,
            run: key.run().clone(),
        }
    }

    fn is_memorable(&self, record: &RunRecord) -> bool {
        (self.single_writer || !record.status().is_open())
            && record
                .notes()
                .iter()
                .map(|note| note.text.as_str().len())
                .sum::<usize>()
                <= NOTE_BYTES_REMEMBERED
    }
}

impl Shard {
    fn put(&mut self, record: &Arc<RunRecord>) {
        let key = record.key();
        // What comes back is the record before, or another one that had to go.
        let gone = self.records.push(key.clone(), Arc::clone(record));
        if let Some((gone, _)) = gone.filter(|(gone, _)| gone != key) {
            self.leave_run(&gone);
        }
        self.of_run.entry(key.run().clone()).or_default().insert(key.clone());
    }

    fn forget(&mut self, key: &RunKey) {
        if self.records.pop(key).is_some() {
            self.leave_run(key);
        }
    }

    fn forget_run(&mut self, run: &RunId) {
        for key in self.of_run.remove(run).into_iter().flatten() {
            self.records.pop(&key);
        }
    }

    fn leave_run(&mut self, key: &RunKey) {
        if let Some(keys) = self.of_run.get_mut(key.run()) {
            keys.remove(key);
            if keys.is_empty() {
                self.of_run.remove(key.run());
            }
        }
    }
}

/// A write under way. When it is finished, reads may fill the registry again.
///
/// Dropped unfinished (its caller went away while the store was at it), nobody knows when the write will be over: the
/// records of that run are then not remembered any more, which costs reads and keeps them right.
#[must_use]
pub(crate) struct Announced<'a> {
    registry: &'a Registry,
    run: RunId,
}

impl Announced<'_> {
    /// The store has answered. `written` are the newest versions that it acknowledged, if it did.
    pub(crate) fn finish(self, written: &[Arc<RunRecord>]) {
        let mut shard = self.registry.shard(&self.run);
        shard.writes_ended += 1;
        let Some(writers) = shard.writing.get_mut(&self.run) else {
            return;
        };
        writers.count -= 1;
        let alone = !writers.overlapped;
        if writers.count == 0 {
            shard.writing.remove(&self.run);
        }
        if alone {
            // A replay may be of another run, when the ledger had chosen the id: that one was not announced.
            let of_run = |record: &&Arc<RunRecord>| record.key().run() == &self.run;
            for record in written
                .iter()
                .filter(of_run)
                .filter(|record| self.registry.is_memorable(record))
            {
                shard.put(record);
            }
        }
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use runledger_domain::creation::{CreateDecision, JobEvidence};
    use runledger_domain::{ClientLoad, CreationContent, CreationIntent, CreationPolicy};

    use super::*;

    #[expect(
        clippy::disallowed_methods,
        reason = "nothing is created: the record is only remembered"
    )]
    fn record(key: &str) -> Arc<RunRecord> {
        let intent = CreationIntent {
            key: key.parse().unwrap(),
            source: "orchestrator".parse().unwrap(),
            attempt: "a".parse().unwrap(),
            at: "2025-09-25T23:18:41.000Z".parse().unwrap(),
            minted: false,
            content: CreationContent::default(),
        };
        let permit = CreationPolicy::default().authorise(intent).unwrap();
        match permit.decide(None, JobEvidence::Open, ClientLoad::default()) {
            CreateDecision::Insert(new) => Arc::new(new.into_record()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_keys_of_a_run_are_those_of_the_records_that_are_remembered() {
        // So little room that records push each other out.
        let registry = Registry::new(64, true);
        let check = || {
            for shard in registry.shards.iter().map(lock) {
                let indexed: usize = shard.of_run.values().map(HashSet::len).sum();
                assert_eq!(indexed, shard.records.len());
                assert!(shard.of_run.values().all(|keys| !keys.is_empty()));
                let is_remembered = |key: &RunKey| shard.records.contains(key);
                assert!(shard.of_run.values().flatten().all(is_remembered));
            }
        };
        for number in 0..400 {
            let (run, client) = (number % 40, number % 7);
            let record = record(&format!("250925-2318{run:02}-c{client}"));
            registry.announce(record.key(), number % 11 == 0).finish(&[record]);
            check();
        }
        assert!(registry.stats().records > 16);
        let (kept, other) = (record("250925-120000-a"), record("250925-120000-b"));
        for record in [&kept, &other] {
            registry
                .announce(record.key(), false)
                .finish(std::slice::from_ref(record));
        }
        let whole = registry.announce(kept.key(), true);
        for record in [&kept, &other] {
            assert!(registry.peek(record.key()).is_none(), "{}", record.key());
        }
        whole.finish(&[]);
        check();
    }
}
