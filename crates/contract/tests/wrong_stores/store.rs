//! The store that is wrong in one way: a right one inside, and what it shows instead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use runledger_contract::{AfterDoubt, Handles, OpenStore, Support, Writers};
use runledger_domain::access::{TokenId, TokenRecord};
use runledger_domain::{
    AttemptId, ChangeContext, Command, CreationIntent, CreationPermit, CreationPolicy, JobSummary, RunId, RunKey,
    RunRecord, Source, Timestamp, UpdateId,
};
use runledger_memory::MemoryStore;
use runledger_ports::{
    ChangeRequest, DeliveryState, ListFilter, OutboxHead, PAGE_MAX, PageSize, RunChanger, RunCreator, RunReader,
    Unavailable, WebhookName,
};

use crate::flaws::Flaw;

/// A store with one flaw.
pub(crate) struct WrongStore {
    pub(crate) flaw: Flaw,
    pub(crate) right: Arc<MemoryStore>,
    shadow: Mutex<Shadow>,
}

/// What a wrong store remembers beside the right one.
#[derive(Default)]
pub(crate) struct Shadow {
    /// What is shown in the place of the records that the right store holds.
    pub(crate) shown: BTreeMap<RunKey, Arc<RunRecord>>,
    /// The first version of each record that was seen.
    pub(crate) first: BTreeMap<RunKey, Arc<RunRecord>>,
    /// The last version of each record in which it was open.
    pub(crate) open: BTreeMap<RunKey, Arc<RunRecord>>,
    /// What was read last, by a reader that lags behind.
    pub(crate) lagging: BTreeMap<RunKey, Arc<RunRecord>>,
    /// Update ids, remembered outside of the records.
    pub(crate) updates: BTreeSet<(RunKey, UpdateId)>,
    /// Summaries, kept instead of derived.
    pub(crate) summaries: BTreeMap<RunId, JobSummary>,
    /// Starts of runs, in a list beside the records.
    pub(crate) starts: BTreeMap<(Source, AttemptId), RunKey>,
    /// The key that the last caller named.
    pub(crate) last_key: Option<RunKey>,
    /// Runs in which something was refused.
    pub(crate) blocked: BTreeSet<RunId>,
    /// How many lines are lost from the beginning, or from the end.
    pub(crate) lines_lost: (usize, usize),
    /// How many attempts are under way.
    pub(crate) under_way: u32,
    /// Whether attempts were ever under way at the same time.
    pub(crate) was_busy: bool,
    /// Tokens as they were when they were added.
    pub(crate) new_tokens: BTreeMap<TokenId, TokenRecord>,
    /// How deliveries stand, as it was said last.
    pub(crate) deliveries: BTreeMap<WebhookName, DeliveryState>,
    /// The same of the one that was said last.
    pub(crate) last_delivery: Option<DeliveryState>,
    /// What was said last of the outbox.
    pub(crate) outbox: LastOutbox,
    /// Up to which line it is taken over, as was said last, and as was said first.
    pub(crate) until: Option<u64>,
    pub(crate) first_until: Option<u64>,
    pub(crate) restarted: bool,
    pub(crate) crashed: bool,
    pub(crate) state: State,
}

/// What was said last of an outbox.
#[derive(Default)]
pub(crate) struct LastOutbox {
    /// The outbox as it was before another ledger's lines were taken over.
    pub(crate) head: Option<OutboxHead>,
    pub(crate) begins: u32,
    pub(crate) position: u64,
    pub(crate) wanted: BTreeMap<RunKey, u64>,
    pub(crate) shown: BTreeMap<RunKey, u64>,
}

/// Whether a wrong store takes writes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum State {
    #[default]
    Running,
    /// The outcome of the next commit is unknown.
    DoubtAhead,
    /// The outcome of the last commit is unknown.
    InDoubt,
    /// The suite stopped it.
    Stopped,
}

impl WrongStore {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self {
            flaw,
            right: Arc::default(),
            shadow: Mutex::default(),
        }
    }

    pub(crate) fn shadow(&self) -> MutexGuard<'_, Shadow> {
        self.shadow.lock().expect("no holder of this lock panics")
    }

    /// An error if the store takes no writes.
    pub(crate) fn must_run(&self) -> Result<(), Unavailable> {
        match self.shadow().state {
            State::Running | State::DoubtAhead => Ok(()),
            State::InDoubt | State::Stopped => {
                let reason = "it waits to be opened again".to_owned();
                Err(Unavailable::Stopped { reason })
            }
        }
    }

    /// Whether this flaw takes an outage for absence, or that one a doubt.
    pub(crate) fn hides(&self, outage: Flaw, doubt: Flaw) -> bool {
        self.flaw == outage || (self.flaw == doubt && self.shadow().state == State::InDoubt)
    }

    /// Whether the store calls in doubt what it cannot say, as it may.
    pub(crate) fn doubts_when_stopped(&self) -> bool {
        self.flaw == Flaw::NoneButDoubtWhenStopped && self.shadow().state == State::Stopped
    }

    /// The record under a key, as this store shows it.
    pub(crate) async fn shown(&self, key: &RunKey) -> Option<Arc<RunRecord>> {
        let shown = self.shadow().shown.get(key).cloned();
        match shown {
            Some(record) => Some(record),
            None => self.right.get(key).await.expect("memory does not fail"),
        }
    }

    pub(crate) fn show(&self, record: Arc<RunRecord>) {
        self.shadow().shown.insert(record.key().clone(), record);
    }

    /// All records, as this store shows them.
    pub(crate) async fn all(&self) -> Vec<Arc<RunRecord>> {
        let (any, size) = (ListFilter::default(), PageSize::new(PAGE_MAX).expect("in range"));
        let page = self.right.list(&any, None, size).await;
        let mut records = page.expect("memory does not fail").records;
        let shadow = self.shadow();
        for record in &mut records {
            if let Some(shown) = shadow.shown.get(record.key()) {
                *record = Arc::clone(shown);
            }
        }
        records
    }

    /// Remembers versions, for flaws that show old ones.
    pub(crate) fn remember(&self, record: &Arc<RunRecord>) {
        let mut shadow = self.shadow();
        shadow
            .first
            .entry(record.key().clone())
            .or_insert_with(|| Arc::clone(record));
        if record.status().is_open() {
            shadow.open.insert(record.key().clone(), Arc::clone(record));
        }
    }

    /// The first version of a record.
    pub(crate) fn first(&self, record: &Arc<RunRecord>) -> Arc<RunRecord> {
        let shadow = self.shadow();
        Arc::clone(shadow.first.get(record.key()).unwrap_or(record))
    }

    /// Changes a record once more, so that it looks used.
    pub(crate) async fn touch(&self, key: &RunKey, source: Source, at: Timestamp) {
        let context = ChangeContext::new(source, at);
        let touch = ChangeRequest::new(key.clone(), context, Command::Heartbeat);
        let _touched = self.right.change(touch).await;
    }

    /// Creates a record that nobody asked for.
    pub(crate) async fn invent(&self, key: &RunKey) {
        let source = "orchestrator".parse().expect("a source");
        let attempt = "attempt-1".parse().expect("an attempt");
        let intent = CreationIntent::new(key.clone(), source, attempt, Timestamp::EPOCH);
        let permit = mint(&CreationPolicy::default().require_job(false), intent);
        let _created = self.right.create(vec![permit]).await;
    }
}

/// Mints a permit past the creation point, as the author of a wrong store might.
pub(crate) fn mint(policy: &CreationPolicy, intent: CreationIntent) -> CreationPermit {
    let policy = policy
        .clone()
        .allow(intent.source.clone(), intent.key.kind())
        .allow_import(intent.source.clone());
    #[expect(clippy::disallowed_methods, reason = "wrong stores create what nobody may create")]
    policy.authorise(intent).expect("the suite's sources are allowed")
}

/// Edits a record past the rules of the domain.
pub(crate) fn edited(record: &RunRecord, edit: impl FnOnce(&mut serde_json::Value)) -> Arc<RunRecord> {
    let mut json = serde_json::to_value(record).expect("a record is JSON");
    edit(&mut json);
    Arc::new(serde_json::from_value(json).expect("the edit leaves a record"))
}

/// Lets the others go first: the window in which races are lost.
pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// A number of entries.
pub(crate) fn entries(number: u64) -> usize {
    usize::try_from(number).expect("a few entries")
}

/// An open wrong store. It is in memory, so closing and opening it is only what the flaw makes of it.
pub(crate) struct OpenWrongStore(Arc<WrongStore>);

impl OpenWrongStore {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self(Arc::new(WrongStore::new(flaw)))
    }
}

#[async_trait]
impl OpenStore for OpenWrongStore {
    fn handles(&self) -> Handles {
        Handles::of(&self.0)
    }

    async fn reopen(&mut self) -> Support {
        self.0.end_leases_of_the_gone().await;
        let records = self.0.all().await;
        let lines = self.0.right_lines().await.len();
        let mut shadow = self.0.shadow();
        (shadow.state, shadow.restarted) = (State::Running, true);
        match self.0.flaw {
            Flaw::ForgetsTheLastChange => shadow.shown = shadow.first.clone(),
            Flaw::ForgetsTheLastLine => shadow.lines_lost.1 += 1,
            Flaw::BeginsANewLog => shadow.lines_lost.0 = lines,
            Flaw::ForgetsUpdateIds => {
                let forget = |json: &mut serde_json::Value| {
                    if let Some(fields) = json.as_object_mut() {
                        fields.remove("updates");
                    }
                };
                shadow.shown = records.iter().map(|r| (r.key().clone(), edited(r, forget))).collect();
            }
            Flaw::ForgetsAll => {
                drop(shadow);
                self.0 = Arc::new(WrongStore::new(Flaw::ForgetsAll));
            }
            _ => {}
        }
        Support::Done
    }

    async fn crash(&mut self) -> Support {
        if matches!(self.0.flaw, Flaw::WritesAtTheClose | Flaw::RestoresAtTheClose) {
            self.0 = Arc::new(WrongStore::new(self.0.flaw));
        }
        self.0.end_leases_of_the_gone().await;
        let mut shadow = self.0.shadow();
        (shadow.state, shadow.crashed) = (State::Running, true);
        if self.0.flaw == Flaw::WritesChangesAtTheClose {
            shadow.shown = shadow.first.clone();
        }
        Support::Done
    }

    async fn doubt(&mut self) -> Support {
        self.0.shadow().state = State::DoubtAhead;
        Support::Done
    }

    fn writers(&self) -> Writers {
        match self.0.flaw {
            Flaw::NoneButOutlivesDoubt | Flaw::EndsDutiesOfTheLiving => Writers::Several,
            _ => Writers::One,
        }
    }

    fn after_doubt(&self) -> AfterDoubt {
        match self.0.flaw {
            Flaw::NoneButOutlivesDoubt | Flaw::NeverKnowsAgain | Flaw::DoesWhatItCalledUnavailable => {
                AfterDoubt::GoesOn
            }
            _ => AfterDoubt::Stops,
        }
    }

    async fn recover(&mut self) -> Support {
        if self.0.flaw != Flaw::NeverKnowsAgain {
            self.0.shadow().state = State::Running;
        }
        Support::Done
    }

    async fn stop(&mut self) -> Support {
        self.0.shadow().state = State::Stopped;
        Support::Done
    }
}
