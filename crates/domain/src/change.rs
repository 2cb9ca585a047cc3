//! Changes: what may happen to a record that exists (I3, I5, I7). Nothing here can make one.
//!
//! [`apply`] is the whole rule: from a stored record and a command to the next version, or to "nothing changed", or to
//! a refusal. Stores call it inside their transaction and write what it decides.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use sha2::{Digest, Sha256};

use crate::activity::{Action, NewActivity, Subject, Verdict};
use crate::attempt::UpdateId;
use crate::external_id::{EXTERNAL_IDS_MAX, ExternalId};
use crate::metric::{MetricChange, MetricError, MetricName, MetricValue};
use crate::note::{NOTES_MAX_BYTES, Note, NoteText};
use crate::record::{RunRecord, Version};
use crate::run_key::RunKey;
use crate::source::Source;
use crate::stage::{STAGES_MAX, Stage, StageEnd, StageName};
use crate::status::{Ending, Outcome, State};
use crate::timestamp::Timestamp;

/// The most update ids that one record remembers. They are never forgotten, so that a repeated delta counts once at
/// any later time; when they are used up, further deltas must come without an id, or as `max` or `set`.
pub const UPDATES_MAX: usize = 4_096;

/// What is to happen to an existing record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// Merge metrics, append a note, add references, begin the work.
    Update(Update),
    /// Begin a stage; a queued record begins its work with it.
    StartStage {
        /// The stage.
        name: StageName,
    },
    /// End a stage, with what it reports.
    FinishStage {
        /// The stage.
        name: StageName,
        /// How it ended.
        outcome: Outcome,
        /// What it reports: merged into the record's metrics, once.
        metrics: MetricChange,
    },
    /// Say that the work goes on; moves the deadline.
    Heartbeat,
    /// End the record.
    Complete(Completion),
    /// End the record as lost, if it has been silent past its deadline for at least `grace`. For the sweeper.
    DeclareLost {
        /// How long past the deadline.
        grace: Duration,
    },
}

/// A change to the contents of an open record.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Update {
    /// Begin the work of a queued record.
    pub start: bool,
    /// What to add, raise and set.
    pub metrics: MetricChange,
    /// A note to append.
    pub note: Option<NoteText>,
    /// References to add.
    pub external_ids: Vec<ExternalId>,
    /// The name of this update: sent again, it counts once (I7).
    pub update_id: Option<UpdateId>,
}

/// The end of a record, as its caller wants it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Completion {
    /// How it ended.
    pub outcome: Outcome,
    /// What the caller adds.
    pub note: Option<NoteText>,
    /// Close what is still open (stages; for a job its client records) as cancelled, instead of refusing.
    pub close_open: bool,
}

/// Who changes, when, and on which version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChangeContext {
    /// Who asks.
    pub source: Source,
    /// When it was asked.
    pub at: Timestamp,
    /// The version that the caller has seen, if it minds.
    pub expected: Option<Version>,
}

/// What a change comes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// The next version of the record.
    Applied {
        /// The record as it is now, its version one higher.
        record: Box<RunRecord>,
        /// What was done, for the activity log.
        detail: String,
        /// Whether the job's open client records are to be closed in the same transaction, by [`close_with_job`].
        close_clients: bool,
    },
    /// The same change was made before, or there is nothing to do. Nothing is written (I7).
    Unchanged,
}

/// Why a change is refused. The record is untouched (I11).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeRefusal {
    /// The record has ended, and an end is final.
    #[error("{key} ended as {outcome} at {ended_at}, said by {by}; an ended record never changes",
        outcome = ending.outcome, ended_at = ending.ended_at, by = ending.source)]
    AlreadyEnded {
        /// The record.
        key: RunKey,
        /// Its end.
        ending: Box<Ending>,
    },
    /// The caller has seen another version.
    #[error("{key} is at version {current}, not {expected}; read it again and decide anew")]
    VersionMismatch {
        /// The record.
        key: RunKey,
        /// What the caller has seen.
        expected: Version,
        /// What there is.
        current: Version,
    },
    /// The update is empty.
    #[error("nothing to change; send metrics, a note, external ids or a status (or a heartbeat to keep it alive)")]
    NothingToChange,
    /// The metrics cannot be merged.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// A stage that never began cannot end.
    #[error("stage {name} of {key} was never started; start it first")]
    StageNotStarted {
        /// The record.
        key: RunKey,
        /// The stage.
        name: StageName,
    },
    /// The stage has ended already, in another way.
    #[error("stage {name} of {key} ended as {outcome} at {ended_at}; an ended stage never changes")]
    StageEnded {
        /// The record.
        key: RunKey,
        /// The stage.
        name: StageName,
        /// How it ended.
        outcome: Outcome,
        /// When it ended.
        ended_at: Timestamp,
    },
    /// The record holds [`STAGES_MAX`] stages already.
    #[error("a record holds at most {STAGES_MAX} stages")]
    TooManyStages,
    /// Stages are still open.
    #[error("{key} has open stages: {names}; finish them, or complete with close_open to close them as cancelled")]
    OpenStages {
        /// The record.
        key: RunKey,
        /// Their names, separated by commas.
        names: String,
    },
    /// Client records of the job are still open.
    #[error(
        "{key} has {count} open client records; complete them, or complete with close_open to close them as cancelled"
    )]
    OpenClients {
        /// The job.
        key: RunKey,
        /// How many are open.
        count: usize,
    },
    /// Work that never began cannot have succeeded.
    #[error("{key} is queued and cannot end as {outcome}; start it first (or end it as skipped, cancelled or failed)")]
    NotStarted {
        /// The record.
        key: RunKey,
        /// The outcome.
        outcome: Outcome,
    },
    /// The record's notes are full.
    #[error("the notes of {key} would exceed {NOTES_MAX_BYTES} bytes; keep long logs elsewhere and note where")]
    NotesFull {
        /// The record.
        key: RunKey,
    },
    /// The record holds [`EXTERNAL_IDS_MAX`] references already.
    #[error("a record holds at most {EXTERNAL_IDS_MAX} external ids")]
    TooManyExternalIds,
    /// The update id was used for another update.
    #[error("update id {id} was used on {key} for a different update; every new update needs a new id")]
    UpdateIdReused {
        /// The record.
        key: RunKey,
        /// The id.
        id: UpdateId,
    },
    /// The record remembers [`UPDATES_MAX`] update ids already.
    #[error("{key} remembers {UPDATES_MAX} update ids, which is the limit; report fewer, larger deltas")]
    TooManyUpdates {
        /// The record.
        key: RunKey,
    },
    /// The record is not silent for long enough to be given up.
    #[error("{key} is not lost: its deadline with grace is {until}")]
    NotStalled {
        /// The record.
        key: RunKey,
        /// Until when it has time.
        until: Timestamp,
    },
}

impl ChangeRefusal {
    /// A stable word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlreadyEnded { .. } => "already_ended",
            Self::VersionMismatch { .. } => "version_mismatch",
            Self::NothingToChange => "nothing_to_change",
            Self::Metric(MetricError::NamedTwice { .. }) => "metric_named_twice",
            Self::Metric(MetricError::Overflow { .. }) => "metric_overflow",
            Self::Metric(MetricError::TooMany) => "too_many_metrics",
            Self::StageNotStarted { .. } => "stage_not_started",
            Self::StageEnded { .. } => "stage_ended",
            Self::TooManyStages => "too_many_stages",
            Self::OpenStages { .. } => "open_stages",
            Self::OpenClients { .. } => "open_clients",
            Self::NotStarted { .. } => "not_started",
            Self::NotesFull { .. } => "notes_full",
            Self::TooManyExternalIds => "too_many_external_ids",
            Self::UpdateIdReused { .. } => "update_id_reused",
            Self::TooManyUpdates { .. } => "too_many_updates",
            Self::NotStalled { .. } => "not_stalled",
        }
    }
}

impl Command {
    /// The action that the activity log names.
    pub const fn action(&self) -> Action {
        match self {
            Self::Update(_) => Action::Update,
            Self::StartStage { .. } => Action::StartStage,
            Self::FinishStage { .. } => Action::FinishStage,
            Self::Heartbeat => Action::Heartbeat,
            Self::Complete(_) => Action::Complete,
            Self::DeclareLost { .. } => Action::DeclareLost,
        }
    }

    /// Whether deciding the command on a job needs the number of its open client records.
    pub const fn ends_record(&self) -> bool {
        matches!(self, Self::Complete(_) | Self::DeclareLost { .. })
    }
}

impl ChangeContext {
    /// The line that a refused or accepted change leaves in the activity log (I6).
    pub fn line(
        &self,
        action: Action,
        key: &RunKey,
        verdict: Verdict,
        version: Option<Version>,
        detail: String,
    ) -> NewActivity {
        NewActivity {
            at: self.at,
            action,
            source: self.source.to_string(),
            subject: Subject::of(key),
            verdict,
            version,
            detail,
        }
    }
}

/// Decides a command on a stored record.
///
/// `open_clients` is the number of open client records of a job, as seen in the same transaction; it matters only when
/// [`Command::ends_record`] and is 0 for client run records.
///
/// # Errors
/// [`ChangeRefusal`]; the record is then untouched.
pub fn apply(
    record: &RunRecord,
    context: &ChangeContext,
    command: &Command,
    open_clients: usize,
) -> Result<Change, ChangeRefusal> {
    if is_repetition(record, command)? {
        return Ok(Change::Unchanged);
    }
    if let State::Ended(ending) = &record.state {
        return Err(ChangeRefusal::AlreadyEnded {
            key: record.key.clone(),
            ending: Box::new(ending.clone()),
        });
    }
    if let Some(expected) = context.expected
        && expected != record.version
    {
        return Err(ChangeRefusal::VersionMismatch {
            key: record.key.clone(),
            expected,
            current: record.version,
        });
    }
    let mut next = record.clone();
    let mut close_clients = false;
    let detail = match command {
        Command::Update(update) => apply_update(&mut next, context, update)?,
        Command::StartStage { name } => start_stage(&mut next, context, name)?,
        Command::FinishStage { name, outcome, metrics } => finish_stage(&mut next, context, name, *outcome, metrics)?,
        Command::Heartbeat => String::new(),
        Command::Complete(completion) => {
            close_clients = completion.close_open && open_clients > 0;
            complete(&mut next, context, completion, open_clients)?
        }
        Command::DeclareLost { grace } => declare_lost(&mut next, context, *grace, open_clients)?,
    };
    touch(&mut next, context);
    Ok(Change::Applied {
        record: Box::new(next),
        detail,
        close_clients,
    })
}

/// Closes an open client record because its job is completed with `close_open`; `None` when it has ended already.
pub fn close_with_job(record: &RunRecord, context: &ChangeContext) -> Option<RunRecord> {
    if !record.status().is_open() {
        return None;
    }
    let mut next = record.clone();
    end(&mut next, context, Outcome::Cancelled, Outcome::Cancelled, None);
    touch(&mut next, context);
    Some(next)
}

/// Whether the command was carried out before: then it is accepted and changes nothing, at any later time (I7).
fn is_repetition(record: &RunRecord, command: &Command) -> Result<bool, ChangeRefusal> {
    match command {
        Command::Update(update) => {
            let Some(id) = &update.update_id else {
                return Ok(false);
            };
            match record.updates.get(id) {
                None => Ok(false),
                Some(known) if *known == fingerprint(update) => Ok(true),
                Some(_) => Err(ChangeRefusal::UpdateIdReused {
                    key: record.key.clone(),
                    id: id.clone(),
                }),
            }
        }
        Command::StartStage { name } => Ok(record.stages.iter().any(|stage| stage.name == *name && stage.is_open())),
        Command::FinishStage { name, outcome, metrics } => Ok(record.stages.iter().any(|stage| {
            stage.name == *name
                && stage
                    .end
                    .as_ref()
                    .is_some_and(|end| end.outcome == *outcome && end.metrics == *metrics)
        })),
        Command::Complete(completion) => Ok(record
            .state
            .ending()
            .is_some_and(|ending| ending.outcome == completion.outcome && ending.note == completion.note)),
        Command::Heartbeat | Command::DeclareLost { .. } => Ok(false),
    }
}

fn touch(record: &mut RunRecord, context: &ChangeContext) {
    record.version += 1;
    record.updated_at = context.at;
    record.updated_by = context.source.clone();
    if record.status().is_open() {
        record.deadline = record.deadline_after.from(context.at);
    }
}

fn apply_update(record: &mut RunRecord, context: &ChangeContext, update: &Update) -> Result<String, ChangeRefusal> {
    let has_content = !update.metrics.is_empty() || update.note.is_some() || !update.external_ids.is_empty();
    if !has_content && !update.start {
        return Err(ChangeRefusal::NothingToChange);
    }
    let mut done = Vec::new();
    if update.start && matches!(record.state, State::Queued) {
        begin(record, context);
        done.push("started".to_string());
    }
    if !update.metrics.is_empty() {
        record.metrics = record.metrics.merge(&update.metrics)?;
        done.push(describe(&update.metrics));
    }
    if let Some(text) = &update.note {
        append_note(record, context, text)?;
        done.push("note".to_string());
    }
    for id in &update.external_ids {
        if !record.external_ids.contains(id) {
            record.external_ids.push(id.clone());
            done.push(format!("reference {id}"));
        }
    }
    if record.external_ids.len() > EXTERNAL_IDS_MAX {
        return Err(ChangeRefusal::TooManyExternalIds);
    }
    record.external_ids.sort_unstable();
    if let Some(id) = &update.update_id {
        if record.updates.len() >= UPDATES_MAX {
            return Err(ChangeRefusal::TooManyUpdates {
                key: record.key.clone(),
            });
        }
        record.updates.insert(id.clone(), fingerprint(update));
    }
    Ok(done.join("; "))
}

fn begin(record: &mut RunRecord, context: &ChangeContext) {
    if matches!(record.state, State::Queued) {
        record.state = State::Running { started_at: context.at };
    }
}

fn append_note(record: &mut RunRecord, context: &ChangeContext, text: &NoteText) -> Result<(), ChangeRefusal> {
    let held: usize = record.notes.iter().map(|note| note.text.as_str().len()).sum();
    if held + text.as_str().len() > NOTES_MAX_BYTES {
        return Err(ChangeRefusal::NotesFull {
            key: record.key.clone(),
        });
    }
    record.notes.push(Note {
        at: context.at,
        source: context.source.clone(),
        text: text.clone(),
    });
    Ok(())
}

fn start_stage(record: &mut RunRecord, context: &ChangeContext, name: &StageName) -> Result<String, ChangeRefusal> {
    if let Some(StageEnd { outcome, ended_at, .. }) = record
        .stages
        .iter()
        .find(|s| s.name == *name)
        .and_then(|s| s.end.as_ref())
    {
        return Err(ChangeRefusal::StageEnded {
            key: record.key.clone(),
            name: name.clone(),
            outcome: *outcome,
            ended_at: *ended_at,
        });
    }
    if record.stages.len() >= STAGES_MAX {
        return Err(ChangeRefusal::TooManyStages);
    }
    begin(record, context);
    record.stages.push(Stage {
        name: name.clone(),
        started_at: context.at,
        end: None,
    });
    Ok(name.to_string())
}

fn finish_stage(
    record: &mut RunRecord,
    context: &ChangeContext,
    name: &StageName,
    outcome: Outcome,
    metrics: &MetricChange,
) -> Result<String, ChangeRefusal> {
    let key = record.key.clone();
    let Some(stage) = record.stages.iter_mut().find(|stage| stage.name == *name) else {
        return Err(ChangeRefusal::StageNotStarted {
            key,
            name: name.clone(),
        });
    };
    if let Some(end) = &stage.end {
        return Err(ChangeRefusal::StageEnded {
            key,
            name: name.clone(),
            outcome: end.outcome,
            ended_at: end.ended_at,
        });
    }
    record.metrics = record.metrics.merge(metrics)?;
    stage.end = Some(StageEnd {
        outcome,
        ended_at: context.at.max(stage.started_at),
        metrics: metrics.clone(),
    });
    let reported = if metrics.is_empty() {
        String::new()
    } else {
        format!("; {}", describe(metrics))
    };
    Ok(format!("{name} {outcome}{reported}"))
}

fn complete(
    record: &mut RunRecord,
    context: &ChangeContext,
    completion: &Completion,
    open_clients: usize,
) -> Result<String, ChangeRefusal> {
    if matches!(record.state, State::Queued) && !completion.outcome.is_possible_unstarted() {
        return Err(ChangeRefusal::NotStarted {
            key: record.key.clone(),
            outcome: completion.outcome,
        });
    }
    let open_stages: Vec<_> = record
        .stages
        .iter()
        .filter(|s| s.is_open())
        .map(|s| s.name.as_str())
        .collect();
    if !completion.close_open {
        if !open_stages.is_empty() {
            return Err(ChangeRefusal::OpenStages {
                key: record.key.clone(),
                names: open_stages.join(", "),
            });
        }
        if open_clients > 0 {
            return Err(ChangeRefusal::OpenClients {
                key: record.key.clone(),
                count: open_clients,
            });
        }
    }
    let mut detail = completion.outcome.to_string();
    if !open_stages.is_empty() {
        detail = format!("{detail}; closed as cancelled: stages {}", open_stages.join(", "));
    }
    if open_clients > 0 {
        detail = format!("{detail}; closed as cancelled: {open_clients} client records");
    }
    end(
        record,
        context,
        completion.outcome,
        Outcome::Cancelled,
        completion.note.clone(),
    );
    Ok(detail)
}

fn declare_lost(
    record: &mut RunRecord,
    context: &ChangeContext,
    grace: Duration,
    open_clients: usize,
) -> Result<String, ChangeRefusal> {
    let until = record.deadline.saturating_add(grace);
    if context.at <= until {
        return Err(ChangeRefusal::NotStalled {
            key: record.key.clone(),
            until,
        });
    }
    if open_clients > 0 {
        return Err(ChangeRefusal::OpenClients {
            key: record.key.clone(),
            count: open_clients,
        });
    }
    let detail = format!(
        "nothing heard since {}; deadline was {}",
        record.updated_at, record.deadline
    );
    end(record, context, Outcome::Lost, Outcome::Lost, None);
    Ok(detail)
}

/// Ends a record and its open stages. An end is never before its start, whatever the clock did in between (I18).
fn end(record: &mut RunRecord, context: &ChangeContext, outcome: Outcome, of_stages: Outcome, note: Option<NoteText>) {
    for stage in record.stages.iter_mut().filter(|stage| stage.end.is_none()) {
        stage.end = Some(StageEnd {
            outcome: of_stages,
            ended_at: context.at.max(stage.started_at),
            metrics: MetricChange::default(),
        });
    }
    let started_at = record.state.started_at();
    record.state = State::Ended(Ending {
        outcome,
        started_at,
        ended_at: started_at.map_or(context.at, |started_at| context.at.max(started_at)),
        source: context.source.clone(),
        note,
    });
}

fn describe(change: &MetricChange) -> String {
    let part = |word: &str, values: &BTreeMap<MetricName, MetricValue>| {
        let listed: Vec<_> = values
            .iter()
            .take(8)
            .map(|(name, value)| format!("{word} {name} {value}"))
            .collect();
        let more = if values.len() > listed.len() {
            format!(" and {} more", values.len() - listed.len())
        } else {
            String::new()
        };
        (!listed.is_empty()).then(|| listed.join(", ") + &more)
    };
    let parts = [
        part("add", &change.add),
        part("max", &change.max),
        part("set", &change.set),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// 64 bits of a hash over everything that the update changes: enough to notice that an id is used for something else.
fn fingerprint(update: &Update) -> u64 {
    let mut hash = Sha256::new();
    let mut put = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    put(if update.start { "start" } else { "" });
    for (word, values) in [
        ("add", &update.metrics.add),
        ("max", &update.metrics.max),
        ("set", &update.metrics.set),
    ] {
        put(word);
        for (name, value) in values {
            put(name.as_str());
            put(&value.to_string());
        }
    }
    put("note");
    put(update.note.as_ref().map_or("", NoteText::as_str));
    for id in &update.external_ids {
        put(id.system());
        put(id.id());
    }
    let digest = hash.finalize();
    digest
        .iter()
        .take(8)
        .fold(0, |bits, byte| (bits << 8) | u64::from(*byte))
}
