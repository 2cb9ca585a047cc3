//! Everything but creation: reading, changing, ending (I3). Nothing in here holds a creator or a policy.

use std::collections::BTreeSet;
use std::sync::Arc;

use runledger_domain::{
    Action, ChangeContext, ClientId, Command, JobSummary, NewActivity, Quotas, RunId, RunKey, RunRecord, Source,
    Subject, Timestamp, Verdict, Version,
};
use runledger_ports::{
    ActivityFilter, ActivityPage, ChangeError, ChangeRequest, Changed, Counts, Cursor, Fence, FencedError, ListFilter,
    PageSize, RecordPage, RunChanger, StalledFilter, StoreFigures, Unavailable,
};

use crate::recent::RecentRead;
use crate::registry::{Lookup, RegistryStats};
use crate::shared::Shared;
use crate::stats::{Counted, Effect, OTHER_SOURCES, Operation, SourceStats, StatsSnapshot, SweeperStats};
use crate::sweeper::SweepReport;
use crate::turns::TurnStats;

/// Why a record cannot be shown.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// There is none under the key.
    #[error("there is no record {key}; check the run id and the client id")]
    NotFound {
        /// The key.
        key: RunKey,
    },
    /// The store cannot say. This is not "not there" (I10).
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// An attempt that failed before it could be aimed at a record: its texts are no key, no source, no command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attempt {
    /// What was tried.
    pub action: Action,
    /// The text that was sent as the source.
    pub source: String,
    /// The texts that were sent as the key.
    pub subject: Subject,
    /// A stable word for why it is refused.
    pub code: &'static str,
    /// Why, for people.
    pub detail: String,
}

/// Reads and changes records that exist.
pub struct RunService {
    shared: Arc<Shared>,
    changer: Arc<dyn RunChanger>,
    quotas: Quotas,
}

impl RunService {
    pub(crate) fn new(shared: Arc<Shared>, changer: Arc<dyn RunChanger>, quotas: Quotas) -> Self {
        Self {
            shared,
            changer,
            quotas,
        }
    }

    /// What time it is, for views that depend on it.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// The record under the key.
    ///
    /// # Errors
    /// [`ReadError`]: not found and cannot say are different answers.
    pub async fn get(&self, key: &RunKey) -> Result<Arc<RunRecord>, ReadError> {
        self.shared.stats.count_read();
        let found = match self.shared.registry.look_up(key) {
            Lookup::Hit(record) => Some(record),
            Lookup::Miss(ticket) => {
                let found = self.shared.reader.get(key).await?;
                if let Some(record) = &found {
                    self.shared.registry.remember(&ticket, record);
                }
                found
            }
        };
        self.shared.recent.push(RecentRead {
            at: self.shared.clock.now(),
            key: key.clone(),
            found: found.is_some(),
        });
        found.ok_or_else(|| ReadError::NotFound { key: key.clone() })
    }

    /// A page of records in the order of their creation.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    pub async fn list(
        &self,
        filter: &ListFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<RecordPage, Unavailable> {
        self.shared.stats.count_read();
        self.shared.reader.list(filter, after, size).await
    }

    /// A page of records that are open although their deadline has passed, of all clients or `within` some. Nothing is
    /// written.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    pub async fn stalled(
        &self,
        within: Option<BTreeSet<ClientId>>,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<RecordPage, Unavailable> {
        self.shared.stats.count_read();
        let filter = StalledFilter {
            deadline_before: self.shared.clock.now(),
            within,
        };
        self.shared.reader.stalled(&filter, after, size).await
    }

    /// How many records and lines there are. Cheap, whatever the size of the ledger.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    pub async fn counts(&self) -> Result<Counts, Unavailable> {
        self.shared.reader.counts(self.shared.clock.now()).await
    }

    /// What a run comes to, derived from its records (I19).
    ///
    /// # Errors
    /// [`ReadError::NotFound`] when the run has no record at all.
    pub async fn summary(&self, run: &RunId) -> Result<JobSummary, ReadError> {
        self.shared.stats.count_read();
        let summary = self.shared.reader.summary(run).await?;
        summary.ok_or_else(|| ReadError::NotFound {
            key: RunKey::Job(run.clone()),
        })
    }

    /// A page of the activity log.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    pub async fn activity(
        &self,
        filter: &ActivityFilter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<ActivityPage, Unavailable> {
        self.shared.reader.activity(filter, after, size).await
    }

    /// Changes the record under the key; never creates one (I3).
    ///
    /// # Errors
    /// [`ChangeError`]; every refusal is in the activity log before it is answered (I6).
    pub async fn change(
        &self,
        source: &Source,
        key: RunKey,
        expected: Option<Version>,
        command: Command,
    ) -> Result<Changed, ChangeError> {
        self.change_with(None, source, key, expected, command).await
    }

    /// As [`RunService::change`], by the holder of a duty: once another server does it, nothing is changed (I13).
    ///
    /// # Errors
    /// [`ChangeError`].
    pub(crate) async fn change_with(
        &self,
        fence: Option<Fence>,
        source: &Source,
        key: RunKey,
        expected: Option<Version>,
        command: Command,
    ) -> Result<Changed, ChangeError> {
        let at = self.shared.clock.now();
        let action = command.action();
        let whole_run = command.ends_record() && key.client().is_none();
        let context = ChangeContext {
            source: source.clone(),
            at,
            expected,
            quotas: self.quotas,
        };
        let request = ChangeRequest {
            fence,
            ..ChangeRequest::new(key.clone(), context, command)
        };
        let result = self.change_in_turn(request, whole_run).await;
        let word = self.count_change(source, &result);
        self.shared.trace(action.as_str(), &key, source.as_str(), word, at);
        result
    }

    async fn change_in_turn(&self, request: ChangeRequest, whole_run: bool) -> Result<Changed, ChangeError> {
        let turn = self.shared.turns.take(&request.key).await?;
        let announced = self.shared.registry.announce(&request.key, whole_run);
        let result = self.changer.change(request).await;
        drop(turn);
        match &result {
            Ok(changed) => announced.finish(std::slice::from_ref(changed.record())),
            Err(_) => announced.finish(&[]),
        }
        result
    }

    /// Counts what came of a change; answers the word for it.
    fn count_change(&self, source: &Source, result: &Result<Changed, ChangeError>) -> &'static str {
        let stats = &self.shared.stats;
        let source = source.as_str();
        let effect = match result {
            Ok(Changed::Applied { .. }) => Effect::Changed,
            Ok(Changed::Unchanged(_)) => Effect::Unchanged,
            Err(ChangeError::NotFound { .. }) => Effect::NotFound,
            Err(ChangeError::Indeterminate { .. }) => Effect::InDoubt,
            Err(ChangeError::Refused { refusal, .. }) => {
                stats.count_refused(Operation::Change, source, refusal.code());
                return refusal.code();
            }
            Err(ChangeError::Fenced { .. }) => {
                let code = "fenced";
                stats.count_refused(Operation::Change, source, code);
                return code;
            }
            Err(ChangeError::Unavailable(unavailable)) => {
                stats.count_unavailable(Operation::Change, source, unavailable);
                return unavailable.code();
            }
        };
        stats.count(Operation::Change, source, effect);
        effect.as_str()
    }

    /// Keeps the line of an attempt that failed before it could be aimed at a record (I6).
    ///
    /// # Errors
    /// [`Unavailable`] when the line could not be kept.
    pub async fn refuse(&self, attempt: Attempt) -> Result<(), Unavailable> {
        let Attempt {
            action,
            source,
            subject,
            code,
            detail,
        } = attempt;
        // Only what is a source can have counters of its own; any other text is counted with the rest.
        let counted_as = source.parse::<Source>();
        let counted_as = counted_as.as_ref().map_or(OTHER_SOURCES, Source::as_str);
        self.shared.stats.count_refused(Operation::of(action), counted_as, code);
        tracing::info!(source = %source, run.id = %subject.run, outcome = code, "{action} {} refused", subject.run);
        let line = NewActivity {
            at: self.shared.clock.now(),
            action,
            source,
            subject,
            verdict: Verdict::Refused(code.into()),
            version: None,
            detail,
        };
        self.shared.log.record(line).await
    }

    /// Whether the store can be read now.
    ///
    /// # Errors
    /// [`Unavailable`] when it cannot.
    pub async fn ready(&self) -> Result<(), Unavailable> {
        let one = PageSize::new(1).unwrap_or_default();
        self.shared
            .reader
            .activity(&ActivityFilter::default(), None, one)
            .await
            .map(|_| ())
    }

    /// Counters since the start.
    pub fn stats(&self) -> StatsSnapshot {
        self.shared.stats.snapshot()
    }

    /// What each source did since the start. Bounded: see [`OTHER_SOURCES`](crate::OTHER_SOURCES).
    pub fn stats_by_source(&self) -> Vec<SourceStats> {
        self.shared.stats.sources()
    }

    /// Why requests were turned away before anybody looked at what they ask for, and how often.
    pub fn turned_away(&self) -> Vec<Counted> {
        self.shared.stats.turned_away()
    }

    /// What sweeps did since the start.
    pub fn sweeper_stats(&self) -> SweeperStats {
        self.shared.stats.sweeper()
    }

    /// When this ledger began to count.
    pub fn started(&self) -> Timestamp {
        self.shared.stats.started()
    }

    /// Notes what a pass of a sweeper came to.
    pub(crate) fn swept(&self, pass: Result<&SweepReport, &FencedError>) {
        match pass {
            Ok(report) => self
                .shared
                .stats
                .count_sweep(report.lost.len(), report.failed.len(), self.now()),
            Err(_) => self.shared.stats.count_failed_sweep(),
        }
    }

    /// How many writes are under way, and how many wait for their turn.
    pub fn turn_stats(&self) -> TurnStats {
        self.shared.turns.stats()
    }

    /// What the store says about its own work, if it does.
    pub fn store_figures(&self) -> Option<StoreFigures> {
        self.shared.meter.as_ref().map(|meter| meter.figures())
    }

    /// What the registry saved.
    pub fn registry_stats(&self) -> RegistryStats {
        self.shared.registry.stats()
    }

    /// The last reads, oldest first.
    pub fn recent_reads(&self) -> Vec<RecentRead> {
        self.shared.recent.list()
    }
}
