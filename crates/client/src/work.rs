//! Work on a record that exists: a scope that reports how it ended, whatever happens inside.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use runledger_domain::{Completion, MetricChange, NoteText, Outcome, RunKey, StageName, Status, Update};
use tokio::time::sleep;

use crate::answer::Changed;
use crate::client::Client;
use crate::error::Error;
use crate::problem::Problem;
use crate::record::Record;

/// The longest text of a failure that goes into a note.
const FAILURE_MAX_CHARS: usize = 2_000;

/// The work on one record, before it begins; made by [`Client::client_run`] and [`Client::job_run`].
#[derive(Clone, Debug)]
#[must_use = "`run` begins the work"]
pub struct Attachment {
    client: Client,
    key: RunKey,
    heartbeat: Option<Duration>,
    close_open: bool,
}

/// The work on one record, inside [`Attachment::run`]. A copy is the same work.
#[derive(Clone, Debug)]
pub struct Work {
    client: Client,
    key: RunKey,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug)]
struct Seen {
    record: Record,
    /// The end was said inside, or may have been.
    is_over: bool,
}

/// How the work came to no good end.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError<E> {
    /// It did not begin: there is no such record, it has ended, or the ledger could not be asked.
    NotBegun(Error),
    /// The work failed.
    Failed {
        /// Why.
        error: E,
        /// Why the ledger could not be told so, if it could not.
        unreported: Option<Error>,
    },
    /// The work was done, but that could not be reported. [`Error::Unknown`] hands back what to repeat.
    NotReported(Error),
}

impl<E: fmt::Display> fmt::Display for RunError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBegun(error) => write!(f, "the work did not begin: {error}"),
            Self::Failed {
                error,
                unreported: None,
            } => write!(f, "{error}"),
            Self::Failed {
                error,
                unreported: Some(report),
            } => write!(f, "{error} (the ledger could not be told: {report})"),
            Self::NotReported(error) => write!(f, "the work is done, but that could not be reported: {error}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for RunError<E> {}

impl Attachment {
    pub(crate) fn new(client: Client, key: RunKey) -> Self {
        // Stages that are open when the work on a client fails are over, too. Its clients are not the job's alone.
        let close_open = key.client().is_some();
        Self {
            client,
            key,
            heartbeat: None,
            close_open,
        }
    }

    /// Says every so often, while the work goes on, that it does. A sign of life that is lost is not sent again.
    pub const fn heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat = Some(every);
        self
    }

    /// When the work on a job fails, closes the client records that are still open, as cancelled. Without it the job
    /// cannot end before they do: each is left to whoever works on it.
    pub const fn close_open(mut self) -> Self {
        self.close_open = true;
        self
    }

    /// Does the work and reports its end: as succeeded when it answers `Ok`, as failed with the text of its error when it
    /// answers `Err` or panics. A panic goes on afterwards. After [`Work::complete`] inside, nothing more is reported.
    ///
    /// It begins by reading the record and never creates one. A queued record begins its work. When the future is dropped
    /// before its end, nothing is reported, and the record stalls at its deadline.
    ///
    /// # Errors
    /// [`RunError`] says whether the work did not begin, failed, or could not be reported.
    ///
    /// ```no_run
    /// # async fn example(client: runledger_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// let (run, guy) = ("250925-231841".parse()?, "Guy-Wilson".parse()?);
    /// let leads = client
    ///     .client_run(&run, &guy)
    ///     .heartbeat(Duration::from_secs(60))
    ///     .run(|work| async move {
    ///         work.note("47 leads found".parse()?).await?;
    ///         Ok::<_, Box<dyn std::error::Error>>(47)
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run<T, E, F, W>(self, work: W) -> Result<T, RunError<E>>
    where
        W: FnOnce(Work) -> F,
        F: Future<Output = Result<T, E>>,
        E: fmt::Display,
    {
        let begun = self.begin().await.map_err(RunError::NotBegun)?;
        // A panic is reported and then goes on, so nobody sees what it left half done.
        let guarded = AssertUnwindSafe(async { work(begun.clone()).await }).catch_unwind();
        let ended = match select(pin!(guarded), pin!(self.beat())).await {
            Either::Left((ended, _)) => ended,
            Either::Right((never, _)) => match never {},
        };
        match ended {
            Ok(Ok(value)) => match begun.end(Outcome::Succeeded, None, false).await {
                Ok(()) => Ok(value),
                Err(error) => Err(RunError::NotReported(error)),
            },
            Ok(Err(error)) => {
                let reported = begun
                    .end(Outcome::Failed, note_of(&error.to_string()), self.close_open)
                    .await;
                let unreported = reported.err();
                Err(RunError::Failed { error, unreported })
            }
            Err(panic) => {
                let note = note_of(&format!("panic: {}", text_of(&*panic)));
                // The panic is what its caller must hear of.
                let _ = begun.end(Outcome::Failed, note, self.close_open).await;
                resume_unwind(panic)
            }
        }
    }

    async fn begin(&self) -> Result<Work, Error> {
        let mut record = self.client.get(&self.key).await?;
        if !record.status.is_open() {
            let detail = format!(
                "{} has ended as {} already; start a new run for more work",
                record.key, record.status
            );
            let mut problem = Problem::new("already_ended", detail);
            problem.existing = Some(Box::new(record));
            return Err(Error::Refused(Box::new(problem)));
        }
        if record.status == Status::Queued {
            let start = Update {
                start: true,
                ..Update::default()
            };
            record = self.client.change(&self.key, &start).await?.record;
        }
        Ok(Work {
            client: self.client.clone(),
            key: self.key.clone(),
            seen: Arc::new(Mutex::new(Seen { record, is_over: false })),
        })
    }

    async fn beat(&self) -> std::convert::Infallible {
        let Some(every) = self.heartbeat else {
            return std::future::pending().await;
        };
        let once = self.client.once();
        loop {
            sleep(every).await;
            // The next one says the same; the work must not end because nobody heard of it.
            let _ = once.heartbeat(&self.key).await;
        }
    }
}

impl Work {
    /// The record that is worked on.
    pub const fn key(&self) -> &RunKey {
        &self.key
    }

    /// The record as this work last saw it.
    pub fn record(&self) -> Record {
        self.with(|seen| seen.record.clone())
    }

    /// Adds to metrics, raises them and sets them. As [`Client::change`].
    ///
    /// # Errors
    /// As [`Client::change`].
    pub async fn report(&self, metrics: MetricChange) -> Result<Changed, Error> {
        let changed = self.client.report(&self.key, metrics).await?;
        Ok(self.saw(changed))
    }

    /// Appends a note. As [`Client::note`].
    ///
    /// # Errors
    /// As [`Client::change`].
    pub async fn note(&self, text: NoteText) -> Result<Changed, Error> {
        let changed = self.client.note(&self.key, text).await?;
        Ok(self.saw(changed))
    }

    /// Changes the contents of the record. As [`Client::change`].
    ///
    /// # Errors
    /// As [`Client::change`].
    pub async fn change(&self, update: &Update) -> Result<Changed, Error> {
        let changed = self.client.change(&self.key, update).await?;
        Ok(self.saw(changed))
    }

    /// Begins a stage. As [`Client::start_stage`].
    ///
    /// # Errors
    /// As [`Client::change`].
    pub async fn start_stage(&self, stage: &StageName) -> Result<Changed, Error> {
        let changed = self.client.start_stage(&self.key, stage).await?;
        Ok(self.saw(changed))
    }

    /// Ends a stage with what it reports. As [`Client::finish_stage`].
    ///
    /// # Errors
    /// As [`Client::change`].
    pub async fn finish_stage(
        &self,
        stage: &StageName,
        outcome: Outcome,
        metrics: &MetricChange,
    ) -> Result<Changed, Error> {
        let changed = self.client.finish_stage(&self.key, stage, outcome, metrics).await?;
        Ok(self.saw(changed))
    }

    /// Ends the record now, instead of with the work.
    ///
    /// # Errors
    /// As [`Client::complete`]. When the outcome is not known, the end of the work reports nothing: another end could
    /// contradict this one.
    pub async fn complete(&self, completion: &Completion) -> Result<Changed, Error> {
        let completed = self.client.complete(&self.key, completion).await;
        if matches!(completed, Ok(_) | Err(Error::Unknown(_))) {
            self.with(|seen| seen.is_over = true);
        }
        Ok(self.saw(completed?))
    }

    async fn end(&self, outcome: Outcome, note: Option<NoteText>, close_open: bool) -> Result<(), Error> {
        if self.with(|seen| seen.is_over) {
            return Ok(());
        }
        let completion = Completion {
            outcome,
            note,
            close_open,
        };
        self.complete(&completion).await.map(drop)
    }

    fn saw(&self, changed: Changed) -> Changed {
        self.with(|seen| seen.record = changed.record.clone());
        changed
    }

    fn with<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the ledger keeps of a failure: its text, without what it does not take in a note.
fn note_of(text: &str) -> Option<NoteText> {
    let text: String = text
        .chars()
        .map(|c| if c == '\0' { '?' } else { c })
        .take(FAILURE_MAX_CHARS)
        .collect();
    text.parse().ok()
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("(without a text)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_kept_as_a_note_that_the_ledger_takes() {
        assert_eq!(note_of("a\0b").unwrap().as_str(), "a?b");
        assert_eq!(
            note_of(&"ä".repeat(5_000)).unwrap().as_str().chars().count(),
            FAILURE_MAX_CHARS
        );
        assert_eq!(note_of("  "), None);
    }
}
