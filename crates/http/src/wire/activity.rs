//! A line of the activity log on the wire, and what the server counted.

use std::collections::BTreeMap;

use runledger_app::{RecentRead, RegistryStats, StatsSnapshot};
use runledger_domain::{Activity, ChainHash, Outcome, RunKey, Status};
use runledger_ports::Counts;
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
    /// `declare_lost`, `create_token`, `end_token`, `enable_webhook`, `test_webhook`,
    /// `retry_row`, `resume_projection`, `repair_row`, `remove_rows`, `adopt_rows`.
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

/// What the ledger holds, and what the server did since it started.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stats)]
pub(crate) struct StatsOut<'a> {
    /// How many records the ledger holds, by status.
    records_by_status: BTreeMap<&'static str, u64>,
    /// How many records the ledger holds, in the four groups of the older service.
    record_types: RecordTypesOut,
    /// How many records are stalled; 10000 says: as many, or more.
    stalled: u64,
    /// How many lines the activity log has.
    activity_log_size: u64,
    /// Operations by what came of them, since the server started.
    operations: OperationsOut,
    /// Reads that the registry saved.
    registry: RegistryOut,
    /// The last reads of single records, oldest first; bounded, forgotten with the process.
    recent_reads: Vec<RecentReadOut<'a>>,
}

/// How many records the ledger holds, in the four groups of the older service.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = RecordTypes)]
struct RecordTypesOut {
    /// Running.
    running: u64,
    /// Succeeded.
    completed: u64,
    /// Failed.
    error: u64,
    /// All others.
    other: u64,
}

impl RecordTypesOut {
    fn of(counts: &Counts) -> Self {
        let mut types = Self::default();
        for (status, count) in &counts.records {
            match status {
                Status::Running => types.running += count,
                Status::Ended(Outcome::Succeeded) => types.completed += count,
                Status::Ended(Outcome::Failed) => types.error += count,
                Status::Queued
                | Status::Ended(Outcome::SucceededWithErrors | Outcome::Skipped | Outcome::Cancelled | Outcome::Lost) =>
                {
                    types.other += count;
                }
            }
        }
        types
    }
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
    /// Operations whose outcome is not known.
    in_doubt: u64,
    /// Operations that the store did not do.
    unavailable: u64,
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
    pub(crate) fn of(counts: &Counts, stats: StatsSnapshot, registry: RegistryStats, reads: &'a [RecentRead]) -> Self {
        let recent = |read: &'a RecentRead| RecentReadOut {
            at: Time(read.at),
            key: Shown(&read.key),
            found: read.found,
        };
        let by_status = |status: Status| {
            let count = counts.records.get(&status).copied().unwrap_or_default();
            (status.as_str(), count)
        };
        Self {
            records_by_status: Status::ALL.into_iter().map(by_status).collect(),
            record_types: RecordTypesOut::of(counts),
            stalled: counts.stalled,
            activity_log_size: counts.lines,
            operations: OperationsOut {
                created: stats.created,
                replayed: stats.replayed,
                conflicts: stats.conflicts,
                refused: stats.refused,
                changed: stats.changed,
                unchanged: stats.unchanged,
                not_found: stats.not_found,
                in_doubt: stats.in_doubt,
                unavailable: stats.unavailable,
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
