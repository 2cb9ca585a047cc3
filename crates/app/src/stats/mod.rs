//! What the app did since it started, counted. For people and metrics; no rule reads it.
//!
//! Counting takes no lock and, but for the first time that a source is seen, no memory.

mod gateway;
mod sources;
mod tally;

use std::sync::atomic::{AtomicU64, Ordering};

use runledger_domain::{Action, CreationPolicy, Timestamp};
use runledger_ports::Unavailable;

pub use gateway::{GatewayKindStats, GatewayStats};
pub use sources::{OTHER_SOURCES, SOURCES_NAMED};
pub use tally::{Counted, OTHER_REASONS};

use sources::Sources;
use tally::Tally;

/// What came of an operation.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Effect {
    /// A record (or a token) came into being.
    Created,
    /// A creation that had taken place before was asked for again.
    Replayed,
    /// The key is taken by another creation.
    Conflict,
    /// Another creation of the same call was refused, so this one did not take place.
    Withheld,
    /// A change was made.
    Changed,
    /// A change that had been made before was asked for again, or there was nothing to do.
    Unchanged,
    /// A change of an unknown key: an attempted implicit creation.
    NotFound,
    /// A rule did not allow it.
    Refused,
    /// It is not known whether it took effect (I10).
    InDoubt,
    /// The store did not do it.
    Unavailable,
    /// It was read.
    Read,
    /// It was handed on to a foreign service, which answered.
    HandedOn,
    /// It was handed on, and nothing came back that could be passed on.
    UpstreamFailed,
}

/// What kind of operation it was.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Operation {
    /// A creation of a record.
    Create,
    /// A change of a record.
    Change,
    /// A token made or ended.
    Token,
    /// A webhook enabled or tried.
    Webhook,
    /// Letting rows elsewhere go on, or all of them.
    Projection,
}

/// Counters since the start of the process.
#[derive(Debug)]
pub(crate) struct Stats {
    sources: Sources,
    /// Why requests were turned away.
    turned_away: Tally,
    reads: AtomicU64,
    sweeps: AtomicU64,
    sweeps_failed: AtomicU64,
    swept_lost: AtomicU64,
    swept_failed: AtomicU64,
    /// In microseconds since 1970; 0 before the first.
    last_sweep: AtomicU64,
    started: Timestamp,
}

/// The counters at one moment, of all sources together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StatsSnapshot {
    /// Records created.
    pub created: u64,
    /// Creations that had taken place before.
    pub replayed: u64,
    /// Creations of keys that were taken.
    pub conflicts: u64,
    /// Attempts refused by a rule.
    pub refused: u64,
    /// Changes made.
    pub changed: u64,
    /// Changes that had been made before.
    pub unchanged: u64,
    /// Changes of unknown keys: attempted implicit creations.
    pub not_found: u64,
    /// Operations whose outcome is not known.
    pub in_doubt: u64,
    /// Operations that the store did not do.
    pub unavailable: u64,
    /// Reads.
    pub reads: u64,
}

/// What one source did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceStats {
    /// The source; [`OTHER_SOURCES`] for all those that have no counters of their own.
    pub source: Box<str>,
    /// Creations of records, by what came of them.
    pub creates: Vec<Counted>,
    /// Changes of records, by what came of them.
    pub changes: Vec<Counted>,
    /// Tokens made and ended, by what came of it.
    pub tokens: Vec<Counted>,
    /// Webhooks enabled and tried, by what came of it.
    pub webhooks: Vec<Counted>,
    /// Rows elsewhere let go on, by what came of it.
    pub projection: Vec<Counted>,
}

/// What the sweeper did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SweeperStats {
    /// Passes that came to their end.
    pub passes: u64,
    /// Passes that did not, because the store could not say what is stalled.
    pub passes_failed: u64,
    /// Records closed as lost.
    pub lost: u64,
    /// Records that could not be closed.
    pub failed: u64,
    /// When the last pass came to its end.
    pub last_pass: Option<Timestamp>,
}

impl Effect {
    /// The word for it, e.g. `not_found`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Replayed => "replayed",
            Self::Conflict => "conflict",
            Self::Withheld => "withheld",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
            Self::InDoubt => "in_doubt",
            Self::Unavailable => "unavailable",
            Self::Read => "read",
            Self::HandedOn => "handed_on",
            Self::UpstreamFailed => "upstream_failed",
        }
    }
}

impl Operation {
    /// What kind of operation an attempt of this action is.
    pub(crate) const fn of(action: Action) -> Self {
        match action {
            Action::Create | Action::Import => Self::Create,
            Action::Update
            | Action::StartStage
            | Action::FinishStage
            | Action::Heartbeat
            | Action::Complete
            | Action::DeclareLost => Self::Change,
            Action::CreateToken | Action::EndToken => Self::Token,
            Action::EnableWebhook | Action::TestWebhook => Self::Webhook,
            Action::RetryRow
            | Action::ResumeProjection
            | Action::RepairRow
            | Action::RemoveRows
            | Action::AdoptRows => Self::Projection,
        }
    }
}

impl Stats {
    pub(crate) fn new(policy: &CreationPolicy, started: Timestamp) -> Self {
        Self {
            sources: Sources::new(policy.creators().map(|(source, _)| source.as_str())),
            turned_away: Tally::new(&[]),
            reads: AtomicU64::new(0),
            sweeps: AtomicU64::new(0),
            sweeps_failed: AtomicU64::new(0),
            swept_lost: AtomicU64::new(0),
            swept_failed: AtomicU64::new(0),
            last_sweep: AtomicU64::new(0),
            started,
        }
    }

    /// Counts what came of an operation.
    pub(crate) fn count(&self, operation: Operation, source: &str, effect: Effect) {
        self.count_with_reason(operation, source, effect, "");
    }

    /// Counts a refusal.
    pub(crate) fn count_refused(&self, operation: Operation, source: &str, code: &'static str) {
        self.count_with_reason(operation, source, Effect::Refused, code);
    }

    /// Counts an operation that the store did not do.
    pub(crate) fn count_unavailable(&self, operation: Operation, source: &str, why: &Unavailable) {
        self.count_with_reason(operation, source, Effect::Unavailable, why.code());
    }

    fn count_with_reason(&self, operation: Operation, source: &str, effect: Effect, reason: &'static str) {
        self.sources.of(source).tally(operation).count(effect, reason);
    }

    /// Counts a request that was turned away.
    pub(crate) fn count_turned_away(&self, reason: &'static str) {
        self.turned_away.count(Effect::Refused, reason);
    }

    pub(crate) fn count_read(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_sweep(&self, lost: usize, failed: usize, ended: Timestamp) {
        let add = |counter: &AtomicU64, count: usize| {
            counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
        };
        add(&self.sweeps, 1);
        add(&self.swept_lost, lost);
        add(&self.swept_failed, failed);
        let ended = u64::try_from(ended.as_micros()).unwrap_or(0);
        self.last_sweep.store(ended, Ordering::Relaxed);
    }

    pub(crate) fn count_failed_sweep(&self) {
        self.sweeps_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// When the process began to count.
    pub(crate) const fn started(&self) -> Timestamp {
        self.started
    }

    /// The counters now, of all sources together.
    pub(crate) fn snapshot(&self) -> StatsSnapshot {
        let mut all = StatsSnapshot {
            reads: self.reads.load(Ordering::Relaxed),
            ..StatsSnapshot::default()
        };
        for source in self.sources() {
            let counted = source.creates.iter().chain(&source.changes);
            let counted = counted.chain(&source.tokens).chain(&source.webhooks);
            let counted = counted.chain(&source.projection);
            for Counted { effect, count, .. } in counted {
                let total = match effect {
                    Effect::Created => &mut all.created,
                    Effect::Replayed => &mut all.replayed,
                    Effect::Conflict => &mut all.conflicts,
                    Effect::Changed => &mut all.changed,
                    Effect::Unchanged => &mut all.unchanged,
                    Effect::NotFound => &mut all.not_found,
                    Effect::Refused => &mut all.refused,
                    Effect::InDoubt => &mut all.in_doubt,
                    Effect::Unavailable => &mut all.unavailable,
                    // The call of what was withheld is counted by what was refused in it; the others are no attempts of
                    // sources.
                    Effect::Withheld | Effect::Read | Effect::HandedOn | Effect::UpstreamFailed => continue,
                };
                *total += count;
            }
        }
        all
    }

    /// What each source did.
    pub(crate) fn sources(&self) -> Vec<SourceStats> {
        self.sources.list()
    }

    /// Why requests were turned away before anybody looked at what they ask for, and how often.
    pub(crate) fn turned_away(&self) -> Vec<Counted> {
        self.turned_away.list()
    }

    /// What the sweeper did.
    pub(crate) fn sweeper(&self) -> SweeperStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let last = i64::try_from(read(&self.last_sweep)).unwrap_or(0);
        SweeperStats {
            passes: read(&self.sweeps),
            passes_failed: read(&self.sweeps_failed),
            lost: read(&self.swept_lost),
            failed: read(&self.swept_failed),
            last_pass: (last > 0).then(|| Timestamp::from_micros(last).ok()).flatten(),
        }
    }
}
