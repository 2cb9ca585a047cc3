//! The capability to do a duty alone: one server at a time, however many there are (I13).

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use runledger_domain::Source;

use crate::deliveries::WebhookName;
use crate::error::Unavailable;

/// What one server does for all of them.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Duty {
    /// To close the records that are lost.
    Sweep,
    /// To keep the rows elsewhere in step.
    Project,
    /// To deliver the log to a webhook.
    Deliver(WebhookName),
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sweep => f.write_str("sweep"),
            Self::Project => f.write_str("project"),
            Self::Deliver(webhook) => write!(f, "deliver:{webhook}"),
        }
    }
}

/// The text is not the name of a duty.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a duty is called sweep, project, or deliver: with the name of a webhook")]
pub struct DutyError;

impl FromStr for Duty {
    type Err = DutyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "sweep" => Ok(Self::Sweep),
            "project" => Ok(Self::Project),
            _ => {
                let webhook = text.strip_prefix("deliver:").ok_or(DutyError)?;
                webhook.parse().map(Self::Deliver).map_err(|_| DutyError)
            }
        }
    }
}

/// The proof of holding a duty: what is written with it is taken only for as long as nobody else has taken the duty since.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fence {
    /// The duty.
    pub duty: Duty,
    /// Which taking of it this is: 1 the first time, one more each time that somebody takes it.
    pub epoch: NonZeroU64,
}

/// What came of wanting a duty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Taken {
    /// It is the caller's, for the time that was asked for.
    Held(Fence),
    /// Somebody else has it.
    Elsewhere {
        /// Who.
        holder: Source,
        /// For how long yet, at most, unless they keep it.
        left: Duration,
    },
}

/// A duty that somebody has, or had last.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lease {
    /// The duty, and which taking of it this is.
    pub fence: Fence,
    /// Who took it.
    pub holder: Source,
    /// For how long it is theirs yet; zero when it is over.
    pub left: Duration,
}

/// Why what a holder wrote was not taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FencedError {
    /// Somebody else has taken the duty since. Nothing was written; nothing may be written with this fence ever again.
    #[error("the duty {duty} is no longer this server's; another one does it now")]
    Lost {
        /// The duty.
        duty: Duty,
    },
    /// The store cannot say, or it may not have been kept.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A store that gives each duty to one holder at a time.
///
/// A lease is a promise about time, and time cannot be trusted (I18): what keeps two holders apart is the fence, which
/// goes along with everything that a holder writes. The time only says when others may take the duty over.
///
/// # Contract
/// - `take_lease` MUST give the duty to whoever asks when nobody holds it: when it was never taken, was ended, or when by
///   the store's own clock its time is over. It MUST be one step: of many who ask at once, one gets it (I13).
/// - Each taking MUST have an epoch greater than all before it, also after a restart and a crash (I4, I13).
/// - A store that no second process can write MUST end all leases when it is opened: whoever held them is gone.
/// - `keep_lease` MUST answer [`FencedError::Lost`] once somebody else has taken the duty, or it was ended; it MAY let a
///   holder go on whose time was over when nobody has taken the duty since.
/// - Whatever is written with a fence MUST be refused with [`FencedError::Lost`], and leave everything as it was, once the
///   duty was taken again or ended; the look at the epoch and the write MUST be one step (I13).
/// - None of this MUST touch a record or the log (I3).
#[async_trait]
pub trait LeaseStore: Send + Sync {
    /// Takes a duty for so long, if nobody has it.
    ///
    /// # Errors
    /// [`Unavailable`] when it may not have been taken; then it is not the caller's.
    async fn take_lease(&self, duty: &Duty, holder: &Source, time: Duration) -> Result<Taken, Unavailable>;

    /// Keeps a duty for so long from now on.
    ///
    /// # Errors
    /// [`FencedError`].
    async fn keep_lease(&self, fence: &Fence, time: Duration) -> Result<(), FencedError>;

    /// Gives a duty up, so that somebody else may have it at once. One that is no longer the caller's stays as it is.
    ///
    /// # Errors
    /// [`Unavailable`] when it may not have been given up; its time ends it.
    async fn end_lease(&self, fence: &Fence) -> Result<(), Unavailable>;

    /// All duties that were ever taken, in the order of their names.
    ///
    /// # Errors
    /// [`Unavailable`] when the store cannot say.
    async fn leases(&self) -> Result<Vec<Lease>, Unavailable>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duties_are_read_as_they_are_written() {
        let billing = "billing".parse().map(Duty::Deliver).ok();
        for duty in [Some(Duty::Sweep), Some(Duty::Project), billing].into_iter().flatten() {
            assert_eq!(duty.to_string().parse(), Ok(duty));
        }
        for text in ["", "Sweep", "deliver", "deliver:", "deliver:-a", "sweep "] {
            assert_eq!(text.parse::<Duty>(), Err(DutyError), "{text}");
        }
    }
}
