//! Changes: what may happen to a record that exists (I3, I5, I7). Nothing here can make one.
//!
//! [`apply`] is the whole rule: from a stored record and a command to the next version, or to "nothing changed", or to
//! a refusal. Stores call it inside their transaction and write what it decides.

mod end;
mod refusal;
mod stage;
mod update;

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

pub use self::refusal::ChangeRefusal;
use crate::activity::{Action, NewActivity, Subject, Verdict};
use crate::attempt::UpdateId;
use crate::external_id::ExternalId;
use crate::metric::MetricChange;
use crate::note::NoteText;
use crate::quota::{ClientLoad, Quotas};
use crate::record::{RunRecord, Version};
use crate::run_key::RunKey;
use crate::source::Source;
use crate::stage::StageName;
use crate::status::{Outcome, State};
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
    /// How much one client may hold at once.
    pub quotas: Quotas,
}

/// What a store has seen around the record, in the transaction that decides its change.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ChangeEvidence {
    /// How many client records of a job are open. It matters only when [`Command::ends_record`], and is 0 for client run
    /// records.
    pub open_clients: usize,
    /// What the client's open records come to, this one included. It matters only when [`ChangeContext::needs_load`].
    pub load: ClientLoad,
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

    /// Whether the command appends a note to an open record.
    pub const fn adds_note(&self) -> bool {
        matches!(self, Self::Update(Update { note: Some(_), .. }))
    }

    /// Whether deciding the command on a job needs the number of its open client records.
    pub const fn ends_record(&self) -> bool {
        matches!(self, Self::Complete(_) | Self::DeclareLost { .. })
    }
}

impl ChangeContext {
    /// A change by `source` at this time, of whatever version, without quotas.
    pub const fn new(source: Source, at: Timestamp) -> Self {
        Self {
            source,
            at,
            expected: None,
            quotas: Quotas::NONE,
        }
    }

    /// Whether deciding the command on this record needs to know what its client's open records come to.
    pub fn needs_load(&self, key: &RunKey, command: &Command) -> bool {
        self.quotas.notes.is_some() && key.client().is_some() && command.adds_note()
    }

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
/// `evidence` is what was seen in the same transaction.
///
/// # Errors
/// [`ChangeRefusal`]; the record is then untouched.
pub fn apply(
    record: &RunRecord,
    context: &ChangeContext,
    command: &Command,
    evidence: ChangeEvidence,
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
    let ChangeEvidence { open_clients, load } = evidence;
    let mut next = record.clone();
    let mut close_clients = false;
    let detail = match command {
        Command::Update(update) => update::apply(&mut next, context, update, load)?,
        Command::StartStage { name } => stage::start(&mut next, context, name)?,
        Command::FinishStage { name, outcome, metrics } => stage::finish(&mut next, context, name, *outcome, metrics)?,
        Command::Heartbeat => String::new(),
        Command::Complete(completion) => {
            close_clients = completion.close_open && open_clients > 0;
            end::complete(&mut next, context, completion, open_clients)?
        }
        Command::DeclareLost { grace } => end::declare_lost(&mut next, context, *grace, open_clients)?,
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
    end::end(&mut next, context, Outcome::Cancelled, Outcome::Cancelled, None);
    touch(&mut next, context);
    Some(next)
}

/// Whether the command was carried out before: then it is accepted and changes nothing, at any later time (I7).
fn is_repetition(record: &RunRecord, command: &Command) -> Result<bool, ChangeRefusal> {
    match command {
        Command::Update(update) => {
            let Some(id) = &update.update_id else {
                return Ok(update::is_in_place(record, update));
            };
            match record.updates.get(id) {
                None => Ok(false),
                Some(known) if *known == update::fingerprint(update) => Ok(true),
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
