//! One open store on the bench: what the rules do with it, and how they say what they saw.

mod duties;
mod reading;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use runledger_domain::creation::{CreateDecision, JobEvidence};
use runledger_domain::{
    Activity, ClientLoad, CreationIntent, CreationPermit, CreationPolicy, NewActivity, NotAuthorised, RunRecord,
};
use runledger_ports::{ChangeError, ChangeRequest, Changed, CreateError, CreateOutcome, Unavailable};
use tokio::sync::Mutex;

pub(crate) use self::duties::{LONG, SHORT, TARGET, mark};
pub(crate) use self::reading::Everything;
use crate::fixture::{intent, source};
use crate::rules::Held;
use crate::store::{AfterDoubt, Handles, OpenStore, StoreUnderTest, Support, Writers};
use crate::violation::Violation;

/// How often a call is sent again when the store says that it is busy.
const BUSY_MAX: u32 = 1_000;
/// How long to wait in between.
const BUSY_WAIT: Duration = Duration::from_millis(5);
/// The source that may import.
pub(crate) const IMPORTER: &str = "history_import";

/// One open store, and the rule that is being checked on it. Clones share the store.
#[derive(Clone)]
pub(crate) struct Bench {
    rule: &'static str,
    pub(crate) store: Handles,
    opened: Arc<Mutex<Box<dyn OpenStore>>>,
}

/// How a store comes to be opened anew.
#[derive(Clone, Copy)]
enum OpenAnew {
    InGoodOrder,
    AfterACrash,
}

impl Bench {
    pub(crate) async fn open(rule: &'static str, store: &dyn StoreUnderTest) -> Self {
        let opened = store.open().await;
        let store = opened.handles();
        Self {
            rule,
            store,
            opened: Arc::new(Mutex::new(opened)),
        }
    }

    /// Closes the store and opens it again. No clone may be left. When the store does not keep its data, it is handed
    /// back as it was, as an error.
    pub(crate) async fn reopen(self) -> Result<Self, Self> {
        self.opened_anew(OpenAnew::InGoodOrder).await
    }

    /// Loses the process and opens what is left, otherwise as [`reopen`](Self::reopen).
    pub(crate) async fn crash(self) -> Result<Self, Self> {
        self.opened_anew(OpenAnew::AfterACrash).await
    }

    /// Makes the outcome of the next commit unknown. `false` when that cannot be done.
    pub(crate) async fn doubt(&self) -> bool {
        self.opened.lock().await.doubt().await == Support::Done
    }

    /// Who else can write what the store keeps.
    pub(crate) async fn writers(&self) -> Writers {
        self.opened.lock().await.writers()
    }

    /// What the store does after that.
    pub(crate) async fn after_doubt(&self) -> AfterDoubt {
        self.opened.lock().await.after_doubt()
    }

    /// Lets the store know again what it could not. `false` when that cannot be done.
    pub(crate) async fn recover(&self) -> bool {
        self.opened.lock().await.recover().await == Support::Done
    }

    async fn opened_anew(self, anew: OpenAnew) -> Result<Self, Self> {
        let Self { rule, store, opened } = self;
        drop(store);
        let mut open_store = opened.lock().await;
        let support = match anew {
            OpenAnew::InGoodOrder => open_store.reopen().await,
            OpenAnew::AfterACrash => open_store.crash().await,
        };
        let store = open_store.handles();
        drop(open_store);
        let bench = Self { rule, store, opened };
        match support {
            Support::Done => Ok(bench),
            Support::Missing => Err(bench),
        }
    }

    /// Closes a store that was opened again before, and opens it once more.
    pub(crate) async fn reopen_again(self) -> Held<Self> {
        let reopened = self.reopen().await;
        reopened.or_else(|bench| bench.broken("the store could be opened again once, but not twice"))
    }

    /// Brings the store into a state in which it cannot answer. `false` when that cannot be done.
    pub(crate) async fn stop(&self) -> bool {
        self.opened.lock().await.stop().await == Support::Done
    }

    // What was seen.

    pub(crate) fn broken<T>(&self, detail: impl Into<String>) -> Held<T> {
        Err(Violation {
            rule: self.rule,
            detail: detail.into(),
        })
    }

    pub(crate) fn holds(&self, holds: bool, what: impl FnOnce() -> String) -> Held {
        if holds { Ok(()) } else { self.broken(what()) }
    }

    pub(crate) fn same<T: Debug + PartialEq + ?Sized>(&self, what: &str, found: &T, expected: &T) -> Held {
        self.holds(found == expected, || {
            format!("{what}: found {found:?}, should be {expected:?}")
        })
    }

    fn available<T>(&self, what: &str, answer: Result<T, Unavailable>) -> Held<T> {
        answer.or_else(|error| self.broken(format!("{what} of a healthy store: {error}")))
    }

    // Creating.

    /// Creates all of these, or none.
    pub(crate) async fn create(&self, intents: &[CreationIntent]) -> Held<Vec<CreateOutcome>> {
        self.create_under(&default_policy(), intents).await
    }

    /// Creates under another policy than the default one.
    pub(crate) async fn create_under(
        &self,
        policy: &CreationPolicy,
        intents: &[CreationIntent],
    ) -> Held<Vec<CreateOutcome>> {
        for _ in 0..BUSY_MAX {
            let permits = self.permits(policy, intents)?;
            match self.store.creator.create(permits).await {
                Err(CreateError::Unavailable(busy)) if busy.is_retryable() => tokio::time::sleep(BUSY_WAIT).await,
                Err(error) => return self.broken(format!("create by a healthy store: {error}")),
                Ok(outcomes) => {
                    self.same("outcomes of a batch", &outcomes.len(), &intents.len())?;
                    return Ok(outcomes);
                }
            }
        }
        self.broken("the store stays busy")
    }

    /// Creates, and hands on whatever the store answers.
    pub(crate) async fn create_raw(&self, intents: &[CreationIntent]) -> Held<Result<Vec<CreateOutcome>, CreateError>> {
        let permits = self.permits(&default_policy(), intents)?;
        Ok(self.store.creator.create(permits).await)
    }

    /// The record that the domain makes of an intent when its key is free.
    pub(crate) fn as_decided(&self, intent: &CreationIntent, job: JobEvidence) -> Held<RunRecord> {
        match self
            .permit(&default_policy(), intent)?
            .decide(None, job, ClientLoad::default())
        {
            CreateDecision::Insert(new) => Ok(new.into_record()),
            other => self.broken(format!("the suite's intent is not allowed: {other:?}")),
        }
    }

    pub(crate) async fn create_one(&self, intent: CreationIntent) -> Held<CreateOutcome> {
        let mut outcomes = self.create(&[intent]).await?;
        match (outcomes.pop(), outcomes.is_empty()) {
            (Some(outcome), true) => Ok(outcome),
            _ => self.broken("one permit must have one outcome"),
        }
    }

    /// Creates what must be created.
    pub(crate) async fn created(&self, intent: CreationIntent) -> Held<Arc<RunRecord>> {
        let key = intent.key.clone();
        match self.create_one(intent).await? {
            CreateOutcome::Created(record) => Ok(record),
            other => self.broken(format!("{key} is free and must be created: {other:?}")),
        }
    }

    /// Creates a job, and the clients of it that are named.
    pub(crate) async fn job_with(&self, keys: &[&str]) -> Held {
        for name in keys {
            self.created(intent(name, "attempt-1")).await?;
        }
        Ok(())
    }

    fn permits(&self, policy: &CreationPolicy, intents: &[CreationIntent]) -> Held<Vec<CreationPermit>> {
        intents.iter().map(|intent| self.permit(policy, intent)).collect()
    }

    fn permit(&self, policy: &CreationPolicy, intent: &CreationIntent) -> Held<CreationPermit> {
        allowed(policy, intent).or_else(|refused| self.broken(format!("the rules use allowed sources: {refused}")))
    }

    // Changing.

    /// Changes, and hands on whatever the store answers.
    pub(crate) async fn change_raw(&self, request: ChangeRequest) -> Result<Changed, ChangeError> {
        self.store.changer.change(request).await
    }

    pub(crate) async fn change(&self, request: ChangeRequest) -> Held<Result<Changed, ChangeError>> {
        for _ in 0..BUSY_MAX {
            match self.store.changer.change(request.clone()).await {
                Err(ChangeError::Unavailable(busy)) if busy.is_retryable() => tokio::time::sleep(BUSY_WAIT).await,
                Err(error @ (ChangeError::Unavailable(_) | ChangeError::Indeterminate { .. })) => {
                    return self.broken(format!("change by a healthy store: {error}"));
                }
                answer => return Ok(answer),
            }
        }
        self.broken("the store stays busy")
    }

    /// Makes a change that must be made.
    pub(crate) async fn applied(&self, request: ChangeRequest) -> Held<Arc<RunRecord>> {
        match self.change(request.clone()).await? {
            Ok(Changed::Applied { record, .. }) => Ok(record),
            other => self.broken(format!("{request:?} must be applied: {other:?}")),
        }
    }

    /// Sends a change that must be accepted without an effect.
    pub(crate) async fn unchanged(&self, request: ChangeRequest) -> Held<Arc<RunRecord>> {
        match self.change(request.clone()).await? {
            Ok(Changed::Unchanged(record)) => Ok(record),
            other => self.broken(format!("{request:?} must change nothing: {other:?}")),
        }
    }

    /// Sends a change that must be refused, with this code.
    pub(crate) async fn refused(&self, request: ChangeRequest, code: &str) -> Held<Arc<RunRecord>> {
        match self.change(request.clone()).await? {
            Err(ChangeError::Refused { refusal, current }) if refusal.code() == code => Ok(current),
            other => self.broken(format!("{request:?} must be refused as {code}: {other:?}")),
        }
    }

    /// Keeps a line.
    pub(crate) async fn keep(&self, line: NewActivity) -> Held {
        for _ in 0..BUSY_MAX {
            match self.store.log.record(line.clone()).await {
                Err(busy) if busy.is_retryable() => tokio::time::sleep(BUSY_WAIT).await,
                answer => return self.available("record", answer),
            }
        }
        self.broken("the store stays busy")
    }
}

/// Asks a policy for a permit.
#[expect(
    clippy::disallowed_methods,
    reason = "the suite plays the creation point for a store"
)]
pub(crate) fn allowed(policy: &CreationPolicy, intent: &CreationIntent) -> Result<CreationPermit, Box<NotAuthorised>> {
    policy.authorise(intent.clone()).map_err(Box::new)
}

/// What came of each attempt: the verdict, and the code if it was refused.
pub(crate) fn verdicts(lines: &[Activity]) -> Vec<String> {
    let verdicts = lines.iter().map(|line| &line.line.verdict);
    verdicts
        .map(|verdict| format!("{} {}", verdict.as_str(), verdict.code()).trim_end().to_owned())
        .collect()
}

fn default_policy() -> CreationPolicy {
    CreationPolicy::default().allow_import(source(IMPORTER))
}
