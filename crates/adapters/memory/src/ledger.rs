//! What the store holds: records by number and by key, and the activity log. It decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use runledger_domain::access::{TokenChange, TokenId, TokenRecord};
use runledger_domain::creation::NewRecord;
use runledger_domain::{
    Activity, AttemptId, ChainHead, ClientId, ClientLoad, NewActivity, RunId, RunKey, RunRecord, Source, Timestamp,
};
use runledger_ports::{DeliveryState, RestoreError, Restored, WebhookName};
use tokio::sync::watch;

use crate::lease::Leases;
use crate::outbox::Outbox;

/// The number of a record: 1 for the first that was created. Never used twice.
pub(crate) type RecordNumber = u64;

/// All that is stored.
#[derive(Debug)]
pub(crate) struct Ledger {
    records: BTreeMap<RecordNumber, Arc<RunRecord>>,
    runs: BTreeMap<RunId, RunNumbers>,
    /// The job records whose run id the ledger chose, by who asked in which attempt (I7).
    minted: BTreeMap<(Source, AttemptId), RecordNumber>,
    tokens: BTreeMap<TokenId, TokenRecord>,
    deliveries: BTreeMap<WebhookName, DeliveryState>,
    pub(crate) leases: Leases,
    pub(crate) outbox: Outbox,
    lines: Vec<Activity>,
    head: ChainHead,
    /// Up to which line the ledger is being taken over.
    unfinished: Option<u64>,
    /// The number of the last line, for those who wait for the next one.
    last_line: watch::Sender<u64>,
}

/// Where the records of one run are found.
#[derive(Debug, Default)]
struct RunNumbers {
    job: Option<RecordNumber>,
    clients: BTreeMap<ClientId, RecordNumber>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            records: BTreeMap::new(),
            runs: BTreeMap::new(),
            minted: BTreeMap::new(),
            tokens: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            leases: Leases::default(),
            outbox: Outbox::default(),
            lines: Vec::new(),
            head: ChainHead::EMPTY,
            unfinished: None,
            last_line: watch::Sender::new(0),
        }
    }
}

impl Ledger {
    /// The record under a key.
    pub(crate) fn get(&self, key: &RunKey) -> Option<&Arc<RunRecord>> {
        self.records.get(&self.number(key)?)
    }

    /// The job record that this source created with this attempt under a run id that the ledger chose.
    pub(crate) fn minted(&self, source: &Source, attempt: &AttemptId) -> Option<&Arc<RunRecord>> {
        let number = self.minted.get(&(source.clone(), attempt.clone()))?;
        self.records.get(number)
    }

    /// The records numbered above `after`, in the order of their creation.
    pub(crate) fn records(&self, after: RecordNumber) -> impl Iterator<Item = (RecordNumber, &Arc<RunRecord>)> {
        let above = after.saturating_add(1);
        self.records.range(above..).map(|(number, record)| (*number, record))
    }

    /// The records of a run: its job, then its clients by their ids.
    pub(crate) fn run(&self, run: &RunId) -> impl Iterator<Item = &Arc<RunRecord>> {
        self.runs
            .get(run)
            .into_iter()
            .flat_map(|numbers| numbers.job.iter().chain(numbers.clients.values()))
            .filter_map(|number| self.records.get(number))
    }

    /// What the client's open records come to, all runs together.
    pub(crate) fn load_of(&self, client: &ClientId) -> ClientLoad {
        let records = self.records.values();
        ClientLoad::of(
            records
                .filter(|record| record.key().client() == Some(client))
                .map(|record| &**record),
        )
    }

    /// All tokens, by their ids.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &TokenRecord> {
        self.tokens.values()
    }

    /// Adds a token with its line; `false` when its id is known.
    pub(crate) fn add_token(&mut self, token: TokenRecord) -> bool {
        if self.tokens.contains_key(token.id()) {
            return false;
        }
        let line = token.line_of_creation();
        self.tokens.insert(token.id().clone(), token);
        self.log(line);
        true
    }

    /// Ends a token, with its line; `None` when there is none, which is a line too.
    pub(crate) fn end_token(
        &mut self,
        id: &TokenId,
        change: TokenChange,
        by: &Source,
        at: Timestamp,
    ) -> Option<TokenRecord> {
        let Some(token) = self.tokens.get_mut(id) else {
            self.log(id.line_of_absence(by, at));
            return None;
        };
        *token = token.after(change);
        let token = token.clone();
        self.log(token.line_of_end(change, by, at));
        Some(token)
    }

    /// How the deliveries of all webhooks stand, by their names.
    pub(crate) fn deliveries(&self) -> impl Iterator<Item = (&WebhookName, &DeliveryState)> {
        self.deliveries.iter()
    }

    /// Keeps how the deliveries of a webhook stand; the position never goes back.
    pub(crate) fn keep_delivery(&mut self, name: &WebhookName, state: DeliveryState) -> DeliveryState {
        let kept = self.deliveries.entry(name.clone()).or_default();
        let position = state.position.max(kept.position);
        *kept = DeliveryState { position, ..state };
        kept.clone()
    }

    /// Enables a webhook, with its line; answers how it stood, and nothing when there is none.
    pub(crate) fn enable_delivery(&mut self, name: &WebhookName, by: &Source, at: Timestamp) -> Option<DeliveryState> {
        let stood = self.deliveries.get(name).cloned();
        self.log(name.line_of_enabling(stood.as_ref(), by, at));
        let stood = stood?;
        self.deliveries.insert(name.clone(), stood.clone().enabled());
        Some(stood)
    }

    /// The lines numbered above `after`, oldest first.
    pub(crate) fn lines(&self, after: u64) -> impl Iterator<Item = &Activity> {
        // Line `n` is at place `n - 1`, because the numbers have no gap.
        let skipped = usize::try_from(after).unwrap_or(usize::MAX);
        self.lines.iter().skip(skipped)
    }

    /// Inserts a record whose key is free, and says so in the log (I2).
    pub(crate) fn insert(&mut self, new: NewRecord) -> Arc<RunRecord> {
        let line = new.activity();
        let record = Arc::new(new.into_record());
        // The caller decided under the same lock; before the first write, so that nothing is left half done.
        assert!(
            self.get(record.key()).is_none(),
            "I1: {} is created twice",
            record.key()
        );
        self.place(&record);
        self.log(line);
        record
    }

    /// Gives a record its number, and what it is found by.
    fn place(&mut self, record: &Arc<RunRecord>) {
        let number = self.records.last_key_value().map_or(1, |(last, _)| last + 1);
        let numbers = self.runs.entry(record.key().run().clone()).or_default();
        let creation = record.creation();
        match record.key() {
            RunKey::Job(_) => {
                numbers.job = Some(number);
                if creation.minted {
                    let attempt = (creation.source.clone(), creation.attempt.clone());
                    self.minted.insert(attempt, number);
                }
            }
            RunKey::Client(_, client) => {
                numbers.clients.insert(client.clone(), number);
            }
        }
        self.records.insert(number, Arc::clone(record));
    }

    /// Puts the next version of a record in the place of the one that is there; nothing when there is none (I3).
    pub(crate) fn replace(&mut self, next: RunRecord) -> Option<Arc<RunRecord>> {
        let number = self.number(next.key())?;
        let place = self.records.get_mut(&number)?;
        *place = Arc::new(next);
        Some(Arc::clone(place))
    }

    /// Where the log ends.
    pub(crate) const fn head(&self) -> ChainHead {
        self.head
    }

    /// Up to which line the ledger is being taken over; nothing when it is whole.
    pub(crate) const fn unfinished(&self) -> Option<u64> {
        self.unfinished
    }

    /// Takes over what another store holds, or nothing of it.
    pub(crate) fn restore(&mut self, part: Restored) -> Result<(), RestoreError> {
        let segment = &part.segment;
        if segment.from() != self.head {
            return Err(RestoreError::Elsewhere { head: self.head });
        }
        if let Some(taken) = segment.created().iter().find(|record| self.get(record.key()).is_some()) {
            let key = taken.key().clone();
            return Err(RestoreError::Taken { key });
        }
        let needed = segment.known().iter().map(|(key, version)| (key, *version));
        let changed = segment.changed().iter().map(|record| (record.key(), 1));
        let behind = needed.chain(changed).find(|(key, version)| {
            let held = self.get(key).map(|record| record.version());
            held.is_none_or(|held| held < *version)
        });
        if let Some((key, _)) = behind {
            let key = key.clone();
            return Err(RestoreError::Behind { key });
        }
        self.unfinished = part.unfinished_after(self.unfinished);
        for record in segment.created() {
            self.place(&Arc::new(record.clone()));
        }
        for record in segment.changed() {
            let is_newer = |held: &Arc<RunRecord>| held.version() < record.version();
            if self.get(record.key()).is_some_and(is_newer) {
                self.replace(record.clone());
            }
        }
        for line in segment.lines() {
            self.log(line.line.clone());
        }
        if !segment.lines().is_empty() {
            self.outbox.end();
        }
        for token in part.tokens {
            self.tokens.insert(token.id().clone(), token);
        }
        for (name, state) in part.deliveries {
            self.keep_delivery(&name, state);
        }
        Ok(())
    }

    /// Numbers, chains and keeps a line (I6).
    pub(crate) fn log(&mut self, line: NewActivity) {
        self.lines.push(self.head.append(line));
        self.last_line.send_replace(self.head.seq);
    }

    /// The number of the last line; 0 while there is none.
    pub(crate) fn last_line(&self) -> u64 {
        self.head.seq
    }

    /// Tells of every line that is kept from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.last_line.subscribe()
    }

    /// The number of the record under a key.
    pub(crate) fn number(&self, key: &RunKey) -> Option<RecordNumber> {
        let numbers = self.runs.get(key.run())?;
        match key {
            RunKey::Job(_) => numbers.job,
            RunKey::Client(_, client) => numbers.clients.get(client).copied(),
        }
    }
}
