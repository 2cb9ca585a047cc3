//! A record on the wire. It borrows from the stored record and is written in one pass: this is the hot path.

use std::time::Duration;

use runledger_domain::{ExternalId, Initial, Note, RunKey, RunRecord, Stage, Timestamp};
use serde::Serialize;
use serde::ser::Serializer;
use utoipa::ToSchema;

use crate::wire::number::{MetricChangeIn, MetricChangeOut, MetricsOut, Number};
use crate::wire::text::{Shown, ShownAll};
use crate::wire::time::Time;

/// The record of a run (`kind` is `job`), or of one client's share in it (`kind` is `client`). What is not there is
/// null, not left out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Record<'a> {
    /// The run.
    #[schema(example = "250925-231841")]
    run_id: &'a str,
    /// The client; null for a job.
    #[schema(required, example = "Guy-Wilson")]
    client_id: Option<&'a str>,
    /// Run and client in one text.
    #[schema(value_type = String, example = "250925-231841-Guy-Wilson")]
    key: Shown<'a, RunKey>,
    /// `job` or `client`.
    #[schema(example = "client")]
    kind: &'static str,
    /// The client's name as people read it.
    #[schema(required)]
    client_name: Option<&'a str>,
    /// The batch that it was created for.
    #[schema(required)]
    batch: Option<&'a str>,
    /// `queued`, `running`, or how it ended: `succeeded`, `succeeded_with_errors`, `failed`, `skipped`, `cancelled`,
    /// `lost`.
    #[schema(example = "running")]
    status: &'static str,
    /// Whether it is open although its deadline has passed. Computed when asked; not part of the version.
    stalled: bool,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// By whom.
    created_by: &'a str,
    /// In which attempt: the `Idempotency-Key` of its creation.
    attempt: &'a str,
    /// Whether an import made it because its clients named it.
    reconstructed: bool,
    /// When the work began.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    started_at: Option<Time>,
    /// When it ended, if that is known.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    ended_at: Option<Time>,
    /// Who said so.
    #[schema(required)]
    ended_by: Option<&'a str>,
    /// What they added.
    #[schema(required)]
    end_note: Option<&'a str>,
    /// From its start to its end, in milliseconds.
    #[schema(required)]
    duration_ms: Option<u64>,
    /// When it counts as stalled unless something is heard of it before.
    #[schema(value_type = String, format = DateTime)]
    deadline: Time,
    /// How long it may be silent.
    deadline_after_seconds: u64,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Time,
    /// By whom.
    updated_by: &'a str,
    /// 1 when created, one more for each accepted change; also the `ETag`.
    version: u64,
    /// Its numbers, exact.
    #[schema(value_type = BTreeMap<String, Number>)]
    metrics: MetricsOut<'a>,
    /// Its operations, in the order in which they began.
    #[schema(value_type = Vec<StageOut<'a>>)]
    stages: Stages<'a>,
    /// Its notes, oldest first.
    #[schema(value_type = Vec<NoteOut<'a>>)]
    notes: Notes<'a>,
    /// References to other systems, written `system:id`.
    #[schema(value_type = Vec<String>)]
    external_ids: ShownAll<'a, ExternalId>,
}

impl<'a> Record<'a> {
    /// The record as it is at `now`; only `stalled` depends on it.
    pub(crate) fn of(record: &'a RunRecord, now: Timestamp) -> Self {
        let key = record.key();
        let creation = record.creation();
        let ending = record.state().ending();
        Self {
            run_id: key.run().as_str(),
            client_id: key.client().map(AsRef::as_ref),
            key: Shown(key),
            kind: key.kind().as_str(),
            client_name: record.client_name().map(AsRef::as_ref),
            batch: record.batch().map(AsRef::as_ref),
            status: record.status().as_str(),
            stalled: record.is_stalled(now),
            created_at: Time(creation.at),
            created_by: creation.source.as_str(),
            attempt: creation.attempt.as_str(),
            reconstructed: matches!(&creation.content.initial, Initial::Imported(past) if past.is_reconstructed()),
            started_at: record.state().started_at().map(Time),
            ended_at: ending.and_then(|ending| ending.ended_at).map(Time),
            ended_by: ending.map(|ending| ending.source.as_str()),
            end_note: ending.and_then(|ending| ending.note.as_ref()).map(AsRef::as_ref),
            duration_ms: record.duration().map(milliseconds),
            deadline: Time(record.deadline()),
            deadline_after_seconds: record.deadline_after().as_secs(),
            updated_at: Time(record.updated_at()),
            updated_by: record.updated_by().as_str(),
            version: record.version(),
            metrics: MetricsOut(record.metrics()),
            stages: Stages(record.stages()),
            notes: Notes(record.notes()),
            external_ids: ShownAll(record.external_ids()),
        }
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Debug)]
struct Stages<'a>(&'a [Stage]);

impl Serialize for Stages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(StageOut::of))
    }
}

/// One operation inside a record.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stage)]
struct StageOut<'a> {
    /// What it is called.
    #[schema(example = "lead_scoring")]
    name: &'a str,
    /// `running`, or how it ended.
    status: &'static str,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    started_at: Time,
    /// When it ended.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    ended_at: Option<Time>,
    /// How long it took, in milliseconds.
    #[schema(required)]
    duration_ms: Option<u64>,
    /// What it reported with its end: the change that was made to the record's metrics.
    #[schema(required, value_type = Option<MetricChangeIn>)]
    metrics: Option<MetricChangeOut<'a>>,
}

impl<'a> StageOut<'a> {
    fn of(stage: &'a Stage) -> Self {
        let end = stage.end.as_ref();
        Self {
            name: stage.name.as_str(),
            status: end.map_or("running", |end| end.outcome.as_str()),
            started_at: Time(stage.started_at),
            ended_at: end.map(|end| Time(end.ended_at)),
            duration_ms: stage.duration().map(milliseconds),
            metrics: end.map(|end| MetricChangeOut(&end.metrics)),
        }
    }
}

#[derive(Debug)]
struct Notes<'a>(&'a [Note]);

impl Serialize for Notes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|note| NoteOut {
            at: Time(note.at),
            source: note.source.as_str(),
            text: note.text.as_str(),
        }))
    }
}

/// One note on a record: who wrote what, when.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Note)]
struct NoteOut<'a> {
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// Who wrote it.
    source: &'a str,
    /// What it says.
    text: &'a str,
}
