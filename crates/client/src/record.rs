//! What the ledger shows. Fields that a later server adds are passed over.

use std::collections::BTreeMap;

use runledger_domain::{
    AttemptId, BatchLabel, ClientId, ClientName, ExternalId, MetricChange, MetricName, Metrics, RunId, RunKey, Source,
    StageName, Status, Timestamp, Version,
};
use serde::Deserialize;

/// A record: of a run (a job), or of one client's share in it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[non_exhaustive]
pub struct Record {
    /// Run and client; the record of the run itself has no client.
    pub key: RunKey,
    /// The run.
    pub run_id: RunId,
    /// The client; `None` for a job.
    pub client_id: Option<ClientId>,
    /// The client's name as people read it.
    pub client_name: Option<ClientName>,
    /// The batch that it was created for.
    pub batch: Option<BatchLabel>,
    /// Where it stands.
    pub status: Status,
    /// Whether it is open although its deadline has passed.
    pub stalled: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: Source,
    /// In which attempt.
    pub attempt: AttemptId,
    /// Whether an import made it because its clients named it.
    pub reconstructed: bool,
    /// When the work began.
    pub started_at: Option<Timestamp>,
    /// When it ended, if that is known.
    pub ended_at: Option<Timestamp>,
    /// Who said so.
    pub ended_by: Option<Source>,
    /// What they added.
    pub end_note: Option<String>,
    /// From its start to its end, in milliseconds.
    pub duration_ms: Option<u64>,
    /// When it counts as stalled unless something is heard of it before.
    pub deadline: Timestamp,
    /// How long it may be silent.
    pub deadline_after_seconds: u64,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// By whom.
    pub updated_by: Source,
    /// 1 when created, one more for each accepted change.
    pub version: Version,
    /// Its numbers, exact.
    #[serde(deserialize_with = "crate::number::metrics")]
    pub metrics: Metrics,
    /// Its operations, in the order in which they began.
    pub stages: Vec<Stage>,
    /// Its notes, oldest first.
    pub notes: Vec<Note>,
    /// References to other systems.
    pub external_ids: Vec<ExternalId>,
}

/// One operation inside a record.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stage {
    /// What it is called.
    pub name: StageName,
    /// Running, or how it ended.
    pub status: Status,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
    /// What it reported with its end.
    #[serde(deserialize_with = "crate::number::reported")]
    pub metrics: Option<MetricChange>,
}

/// One note on a record.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[non_exhaustive]
pub struct Note {
    /// When it was written.
    pub at: Timestamp,
    /// Who wrote it.
    pub source: Source,
    /// What it says.
    pub text: String,
}

/// What a run comes to, derived from its records.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// The run.
    pub run_id: RunId,
    /// The status of the job record; `None` when there is none.
    pub job: Option<Status>,
    /// How many client run records there are.
    pub clients: u64,
    /// How many of them are still open.
    pub open: u64,
    /// How many of them ended with errors.
    pub with_errors: u64,
    /// How many have each status.
    #[serde(deserialize_with = "counts")]
    pub by_status: BTreeMap<Status, u64>,
    /// The sums of the clients' metrics, as exact decimal texts: a sum may be larger than any one metric.
    #[serde(deserialize_with = "crate::number::totals")]
    pub totals: BTreeMap<MetricName, String>,
    /// When the first client began.
    pub first_start: Option<Timestamp>,
    /// When the last client ended, once all have.
    pub last_end: Option<Timestamp>,
}

/// A line of the activity log: one attempt, accepted or refused. Its words are texts: a later server has more of them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[non_exhaustive]
pub struct Activity {
    /// Its number: 1 for the first line, no gaps.
    pub seq: u64,
    /// When it was attempted.
    pub at: Timestamp,
    /// What was tried: `create`, `update`, ...
    pub action: String,
    /// By whom, as it was sent.
    pub source: Option<String>,
    /// On which run, as it was sent.
    pub run_id: Option<String>,
    /// On which client of it.
    pub client_id: Option<String>,
    /// `created`, `replayed`, `changed`, `unchanged` or `refused`.
    pub outcome: String,
    /// The code of the refusal.
    pub reason: Option<String>,
    /// The version of the record after it.
    pub version: Option<Version>,
    /// More for people.
    pub detail: Option<String>,
    /// SHA-256 over this line and the hash of the line before, in hexadecimal.
    pub hash: String,
}

/// The keys of a map are read as texts: a status is one, but as a key of JSON only by way of its text.
fn counts<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Status, u64>, D::Error> {
    use serde::de::Error as _;
    let counts = BTreeMap::<String, u64>::deserialize(deserializer)?;
    let status = |(word, count): (String, u64)| Ok((word.parse().map_err(D::Error::custom)?, count));
    counts.into_iter().map(status).collect()
}
