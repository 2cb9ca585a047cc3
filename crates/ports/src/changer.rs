//! The capability to change what exists (I3, I5, I8).

use std::sync::Arc;

use async_trait::async_trait;
use runledger_domain::{ChangeContext, ChangeRefusal, Command, NewActivity, RunKey, RunRecord, Verdict};

use crate::error::Unavailable;
use crate::lease::{Duty, Fence};

/// A change that somebody asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChangeRequest {
    /// The record.
    pub key: RunKey,
    /// Who asks, when, on which version.
    pub context: ChangeContext,
    /// What is to happen.
    pub command: Command,
    /// With which duty it is made, if with any: only for as long as nobody else has taken that since.
    pub fence: Option<Fence>,
}

impl ChangeRequest {
    /// A request that goes with no duty.
    pub const fn new(key: RunKey, context: ChangeContext, command: Command) -> Self {
        Self {
            key,
            context,
            command,
            fence: None,
        }
    }

    /// The refusal of a request whose duty is no longer the caller's, and its line. What the record is plays no part in
    /// it, so the line tells no version.
    pub fn fenced(&self, duty: &Duty) -> (ChangeError, NewActivity) {
        let error = ChangeError::Fenced { duty: duty.clone() };
        let verdict = Verdict::Refused("fenced".into());
        let line = self
            .context
            .line(self.command.action(), &self.key, verdict, None, error.to_string());
        (error, line)
    }
}

/// A change that is durable, or that had no effect.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Changed {
    /// The record has a new version.
    Applied {
        /// The record as it is now.
        record: Arc<RunRecord>,
        /// The client records that were closed with it.
        closed: Vec<RunKey>,
    },
    /// The same change was made before, or there was nothing to do (I7).
    Unchanged(Arc<RunRecord>),
}

impl Changed {
    /// The record as it stands.
    pub const fn record(&self) -> &Arc<RunRecord> {
        match self {
            Self::Applied { record, .. } | Self::Unchanged(record) => record,
        }
    }
}

/// Why a record was not changed, or why that is not known.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ChangeError {
    /// There is no such record. None was made (I3).
    #[error("there is no record {key}; a change never creates one. Check the run id and the client id")]
    NotFound {
        /// The key that was asked for.
        key: RunKey,
    },
    /// The rules do not allow the change. The record is untouched (I11).
    #[error("{refusal}")]
    Refused {
        /// Why.
        refusal: ChangeRefusal,
        /// The record as it stands.
        current: Arc<RunRecord>,
    },
    /// The request goes with a duty that is no longer the caller's. The record is untouched (I11, I13).
    #[error("nothing was changed: the duty {duty} is no longer this server's, another one does it now")]
    Fenced {
        /// The duty.
        duty: Duty,
    },
    /// It is not known whether the change was made. Read the record, or send the same change with the same update id.
    #[error("it is not known whether the record was changed: {reason}")]
    Indeterminate {
        /// What happened.
        reason: String,
    },
    /// Nothing was changed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A store that can change records that exist.
///
/// # Contract
/// - A change of a key without a record MUST be `NotFound` and MUST NOT create anything (I3).
/// - The change MUST be decided by [`apply`](runledger_domain::change::apply) on the record as it is in the same
///   transaction, and written only if the record still has that version (I8).
/// - For a job, when [`Command::ends_record`] says so, the number of open client records MUST be counted in the same
///   transaction; with `close_clients` each of them MUST be closed by
///   [`close_with_job`](runledger_domain::change::close_with_job) in it, each with a line of its own.
/// - When [`ChangeContext::needs_load`] says so, what the client's open records come to, of whatever run, MUST be counted
///   in the same transaction (I8, I12).
/// - A request with a fence MUST be refused as [`ChangeRequest::fenced`] says, whatever there is under its key, once the
///   duty was taken again or ended; the look at the epoch and the write MUST be one step (I11, I13).
/// - The new version and its line MUST become durable together, before `Applied` is answered (I4, I6).
/// - A refused or unknown-key attempt MUST be answered only after its line is durable, and change nothing else (I6, I11).
/// - When the outcome is not known, also that of a refusal, it MUST be `Indeterminate` (I10). From then on a store of which
///   nobody else can say what it holds MUST answer every write `Unavailable` until it is opened again (I16); one that can
///   ask MUST answer nothing as done before it knows what became of that commit.
/// - A call whose future is dropped MUST take effect as a whole or not at all, as if it had been answered (I8, I10).
#[async_trait]
pub trait RunChanger: Send + Sync {
    /// Changes the record under the key.
    ///
    /// # Errors
    /// [`ChangeError`].
    async fn change(&self, request: ChangeRequest) -> Result<Changed, ChangeError>;
}
