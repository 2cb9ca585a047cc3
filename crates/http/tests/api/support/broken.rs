//! A store that can be told to fail, or to wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use runledger_domain::{
    AttemptId, CreationPermit, JobSummary, NewActivity, RunId, RunKey, RunRecord, Source, Timestamp,
};
use runledger_memory::MemoryStore;
use runledger_ports::{
    ActivityFilter, ActivityLog, ActivityPage, ActivityWatch, ChangeError, ChangeRequest, Changed, Counts, CreateError,
    CreateOutcome, Cursor, ListFilter, PageSize, RecordPage, RunChanger, RunCreator, RunReader, StalledFilter,
    Unavailable,
};
use tokio::sync::Semaphore;

/// What the store does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Mode {
    Works,
    Busy,
    Stopped,
    Failed,
    Doubts,
    Panics,
}

/// A store in memory behind a switch and a gate.
pub(crate) struct Broken {
    store: MemoryStore,
    mode: AtomicU8,
    /// Writes wait for a permit of it, and say that they wait.
    pub(crate) gate: Semaphore,
    pub(crate) waiting: Semaphore,
    gated: bool,
}

impl Broken {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::make(false))
    }

    /// One whose creations wait until the gate is opened.
    pub(crate) fn gated() -> Arc<Self> {
        Arc::new(Self::make(true))
    }

    fn make(gated: bool) -> Self {
        Self {
            store: MemoryStore::new(),
            mode: AtomicU8::new(Mode::Works as u8),
            gate: Semaphore::new(0),
            waiting: Semaphore::new(0),
            gated,
        }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::Relaxed);
    }

    fn is(&self, mode: Mode) -> bool {
        self.mode.load(Ordering::Relaxed) == mode as u8
    }

    fn check(&self) -> Result<(), Unavailable> {
        assert!(!self.is(Mode::Panics), "the store panics, as it was told to");
        if self.is(Mode::Busy) {
            return Err(Unavailable::Busy);
        }
        let reason = String::from("told to");
        if self.is(Mode::Stopped) {
            return Err(Unavailable::Stopped { reason });
        }
        if self.is(Mode::Failed) {
            return Err(Unavailable::Failed { reason });
        }
        Ok(())
    }
}

#[async_trait]
impl RunReader for Broken {
    async fn get(&self, key: &RunKey) -> Result<Option<Arc<RunRecord>>, Unavailable> {
        self.check()?;
        self.store.get(key).await
    }

    async fn find_minted(&self, source: &Source, attempt: &AttemptId) -> Result<Option<Arc<RunRecord>>, Unavailable> {
        self.check()?;
        self.store.find_minted(source, attempt).await
    }

    async fn list(
        &self,
        filter: &ListFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<RecordPage, Unavailable> {
        self.check()?;
        self.store.list(filter, after, size).await
    }

    async fn stalled(
        &self,
        filter: &StalledFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<RecordPage, Unavailable> {
        self.check()?;
        self.store.stalled(filter, after, size).await
    }

    async fn summary(&self, run: &RunId) -> Result<Option<JobSummary>, Unavailable> {
        self.check()?;
        self.store.summary(run).await
    }

    async fn activity(
        &self,
        filter: &ActivityFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<ActivityPage, Unavailable> {
        self.check()?;
        self.store.activity(filter, after, size).await
    }

    async fn counts(&self, stalled_before: Timestamp) -> Result<Counts, Unavailable> {
        self.check()?;
        self.store.counts(stalled_before).await
    }
}

#[async_trait]
impl ActivityWatch for Broken {
    async fn last_line(&self) -> Result<u64, Unavailable> {
        self.check()?;
        self.store.last_line().await
    }

    async fn grown(&self, after: u64) -> Result<u64, Unavailable> {
        self.check()?;
        self.store.grown(after).await
    }
}

#[async_trait]
impl RunChanger for Broken {
    async fn change(&self, request: ChangeRequest) -> Result<Changed, ChangeError> {
        self.check()?;
        if self.is(Mode::Doubts) {
            let reason = "told to".into();
            return Err(ChangeError::Indeterminate { reason });
        }
        self.store.change(request).await
    }
}

#[async_trait]
impl RunCreator for Broken {
    async fn create(&self, permits: Vec<CreationPermit>) -> Result<Vec<CreateOutcome>, CreateError> {
        self.check()?;
        if self.is(Mode::Doubts) {
            let (intents, reason) = (
                permits.into_iter().map(CreationPermit::into_intent).collect(),
                "told to".into(),
            );
            return Err(CreateError::Indeterminate { intents, reason });
        }
        if self.gated {
            self.waiting.add_permits(1);
            self.gate.acquire().await.unwrap().forget();
        }
        self.store.create(permits).await
    }
}

#[async_trait]
impl ActivityLog for Broken {
    async fn record(&self, line: NewActivity) -> Result<(), Unavailable> {
        self.check()?;
        self.store.record(line).await
    }
}
