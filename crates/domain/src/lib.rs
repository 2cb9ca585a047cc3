//! The rules of run records: ids, creation policy, life cycle, metrics, activity.
//!
//! This crate is pure. It does no I/O, reads no clock and draws no random number: times and ids come in as arguments,
//! and every operation is a function from what is stored and what is asked to what is to be stored, or to a typed
//! refusal that says what to do. It is `no_std` (with `alloc`); the feature `serde` adds reading and writing of the
//! stored forms, never of a permit.
//!
//! # The pattern in ten lines
//!
//! A record is created once, on purpose, by someone allowed to. Reading never creates; changing never creates.
//!
//! ```
//! use runledger_domain::change::{apply, Change, ChangeContext, Command, Completion};
//! use runledger_domain::creation::{CreateDecision, JobEvidence};
//! use runledger_domain::{ChangeEvidence, ClientLoad, CreationIntent, CreationPolicy, Outcome, RunKey, Status, Timestamp};
//!
//! // 1. Somebody wants a record. 2. The policy says whether they may. 3. A store spends the permit.
//! let key: RunKey = "250925-231841".parse()?;
//! let at: Timestamp = "2025-09-25T23:18:41Z".parse()?;
//! let intent = CreationIntent::new(key, "orchestrator".parse()?, "attempt-1".parse()?, at);
//! let permit = CreationPolicy::default().authorise(intent)?;
//! let CreateDecision::Insert(new) = permit.decide(None, JobEvidence::Missing, ClientLoad::default()) else { panic!("the key is free") };
//! let record = new.into_record();
//! assert_eq!((record.status(), record.version()), (Status::Running, 1));
//!
//! // A change is decided on a record that exists, and makes the next version of it.
//! let context = ChangeContext::new("batch_process".parse()?, at);
//! let done = Command::Complete(Completion { outcome: Outcome::Succeeded, note: None, close_open: false });
//! let Change::Applied { record, .. } = apply(&record, &context, &done, ChangeEvidence::default())? else { panic!("it was running") };
//! assert_eq!((record.status(), record.version()), (Status::Ended(Outcome::Succeeded), 2));
//!
//! // The same completion again changes nothing; another one is refused with the details of the first.
//! assert_eq!(apply(&record, &context, &done, ChangeEvidence::default())?, Change::Unchanged);
//! let failed = Command::Complete(Completion { outcome: Outcome::Failed, note: None, close_open: false });
//! assert_eq!(apply(&record, &context, &failed, ChangeEvidence::default()).unwrap_err().code(), "already_ended");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to find a rule
//!
//! | rule | module |
//! | --- | --- |
//! | which texts are run ids, client ids, keys | [`RunId`], [`ClientId`], [`RunKey`] |
//! | who may create what | [`policy`] |
//! | how much one client may hold at once | [`Quotas`] |
//! | what a token allows its bearer | [`access`] |
//! | what a creation is, what a retry is, what a conflict is | [`creation`] |
//! | what may happen to a record that exists | [`change`] |
//! | statuses and outcomes | [`status`] |
//! | numbers that add up exactly | [`metric`] |
//! | stages and their durations | [`stage`] |
//! | what a job's totals are | [`JobSummary`] |
//! | what the log says, and how its chain is checked | [`activity`] |
//! | what of a ledger another store may take over | [`segment`] |
//!
//! The invariants that the code names (I1 to I19) are listed in `ARCHITECTURE.md` of the workspace.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[macro_use]
mod text;

pub mod access;
pub mod activity;
mod attempt;
pub mod change;
mod client_id;
pub mod creation;
mod deadline;
mod external_id;
pub mod metric;
mod note;
pub mod policy;
mod quota;
mod record;
mod run_id;
mod run_key;
pub mod segment;
mod source;
pub mod stage;
pub mod status;
mod summary;
mod timestamp;

pub use activity::{Action, Activity, ChainHash, ChainHead, NewActivity, Subject, Verdict};
pub use attempt::{AttemptId, UpdateId};
pub use change::{Change, ChangeContext, ChangeEvidence, ChangeRefusal, Command, Completion, Update};
pub use client_id::{ClientId, ClientName};
pub use creation::{
    CreationContent, CreationField, CreationIntent, CreationPermit, CreationRefusal, Imported, Initial,
};
pub use deadline::{DeadlineAfter, DeadlineError};
pub use external_id::{BatchLabel, EXTERNAL_IDS_MAX, ExternalId};
pub use metric::{MetricChange, MetricError, MetricName, MetricValue, MetricValueError, Metrics};
pub use note::{NOTE_MAX_CHARS, NOTES_MAX_BYTES, Note, NoteText};
pub use policy::{CreationPolicy, NotAuthorised, NotAuthorisedReason};
pub use quota::{ClientLoad, Quotas};
pub use record::{Creation, RunRecord, Version};
pub use run_id::{CalendarPart, RUN_ID_MAX_BYTES, RunId, RunIdError, RunIdReason, RunIdScheme};
pub use run_key::{RecordKind, RunKey, RunKeyError};
pub use source::{GENERIC_SOURCES, Source, SourceError};
pub use stage::{Stage, StageEnd, StageName};
pub use status::{Ending, Outcome, State, Status, WordError};
pub use summary::JobSummary;
pub use text::TextError;
pub use timestamp::{Timestamp, TimestampError};
