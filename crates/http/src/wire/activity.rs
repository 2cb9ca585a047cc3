//! A line of the activity log on the wire, and what the server counted.

use runledger_app::{RecentRead, RegistryStats, StatsSnapshot};
use runledger_domain::{Activity, ChainHash, RunKey};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::text::Shown;
use crate::wire::time::Time;

/// One attempt, accepted or refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Activity)]
pub(crate) struct ActivityOut<'a> {
    /// Its number: 1 for the first line, no gaps.
    seq: u64,
    /// When it was attempted.
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// What was tried: `create`, `import`, `update`, `start_stage`, `finish_stage`, `heartbeat`, `complete`,
    /// `declare_lost`, `create_token`, `end_token`.
    #[schema(example = "create")]
    action: &'static str,
    /// By whom, as it was sent.
    #[schema(required)]
    source: Option<&'a str>,
    /// On which run, as it was sent.
    #[schema(required)]
    run_id: Option<&'a str>,
    /// On which client of it.
    #[schema(required)]
    client_id: Option<&'a str>,
    /// `created`, `replayed`, `changed`, `unchanged` or `refused`.
    #[schema(example = "refused")]
    outcome: &'a str,
    /// The code of the refusal.
    #[schema(required, example = "source_not_authorised")]
    reason: Option<&'a str>,
    /// The version of the record after it.
    #[schema(required)]
    version: Option<u64>,
    /// More for people: what changed, or why not.
    #[schema(required)]
    detail: Option<&'a str>,
    /// SHA-256 over this line and the hash of the line before, in hexadecimal.
    #[schema(value_type = String)]
    hash: Shown<'a, ChainHash>,
}

impl<'a> ActivityOut<'a> {
    pub(crate) fn of(activity: &'a Activity) -> Self {
        let line = &activity.line;
        Self {
            seq: activity.seq,
            at: Time(line.at),
            action: line.action.as_str(),
            source: unless_empty(&line.source),
            run_id: unless_empty(&line.subject.run),
            client_id: unless_empty(&line.subject.client),
            outcome: line.verdict.as_str(),
            reason: unless_empty(line.verdict.code()),
            version: line.version,
            detail: unless_empty(&line.detail),
            hash: Shown(&activity.hash),
        }
    }
}

fn unless_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// What the server did since it started.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stats)]
pub(crate) struct StatsOut<'a> {
    /// Operations by what came of them.
    operations: OperationsOut,
    /// Reads that the registry saved.
    registry: RegistryOut,
    /// The last reads of single records, oldest first; bounded, forgotten with the process.
    recent_reads: Vec<RecentReadOut<'a>>,
}

/// Operations by what came of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Operations)]
struct OperationsOut {
    /// Records created.
    created: u64,
    /// Creations that had taken place before.
    replayed: u64,
    /// Creations of keys that were taken.
    conflicts: u64,
    /// Attempts refused by a rule.
    refused: u64,
    /// Changes made.
    changed: u64,
    /// Changes that had been made before.
    unchanged: u64,
    /// Changes of unknown keys.
    not_found: u64,
    /// Operations whose outcome is not known, or that the store could not do.
    in_doubt: u64,
    /// Reads.
    reads: u64,
}

/// Reads that the registry saved.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RegistryStats)]
struct RegistryOut {
    /// Reads answered from memory.
    hits: u64,
    /// Reads that went to the store.
    misses: u64,
    /// Records remembered now.
    records: usize,
}

/// One read of a record.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecentRead)]
struct RecentReadOut<'a> {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// Of what.
    #[schema(value_type = String)]
    key: Shown<'a, RunKey>,
    /// Whether there was a record.
    found: bool,
}

impl<'a> StatsOut<'a> {
    pub(crate) fn of(stats: StatsSnapshot, registry: RegistryStats, reads: &'a [RecentRead]) -> Self {
        let recent = |read: &'a RecentRead| RecentReadOut {
            at: Time(read.at),
            key: Shown(&read.key),
            found: read.found,
        };
        Self {
            operations: OperationsOut {
                created: stats.created,
                replayed: stats.replayed,
                conflicts: stats.conflicts,
                refused: stats.refused,
                changed: stats.changed,
                unchanged: stats.unchanged,
                not_found: stats.not_found,
                in_doubt: stats.in_doubt,
                reads: stats.reads,
            },
            registry: RegistryOut {
                hits: registry.hits,
                misses: registry.misses,
                records: registry.records,
            },
            recent_reads: reads.iter().map(recent).collect(),
        }
    }
}
