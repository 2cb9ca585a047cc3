//! The store as the app sees it: the writer for what writes, the readers for what reads.

mod delivery;
mod duty;
mod moving;
mod token;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use runledger_domain::{
    AttemptId, ChainHead, CreationPermit, JobSummary, NewActivity, RunId, RunKey, RunRecord, Source, Timestamp, Verdict,
};
use runledger_ports::{
    ActivityFilter, ActivityLog, ActivityPage, ActivityWatch, ChangeError, ChangeRequest, Changed, Clock, Counts,
    CreateError, CreateOutcome, Cursor, ListFilter, PageSize, RecordPage, RunChanger, RunCreator, RunReader,
    StalledFilter, StoreFigures, StoreMeter, Unavailable,
};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::columns::{ACTIVITY, activity};
use crate::error::{OpenError, StoreError};
use crate::lease::Leases;
use crate::listing;
use crate::meter;
use crate::open::open_writer;
use crate::operation::{NotCreated, Operation};
use crate::read::{self, Readers};
use crate::transaction::Prepared;
use crate::verify::{self, VerifyReport};
use crate::writer::Writer;

/// How the store is set up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EmbeddedOptions {
    /// How many operations may wait for the writer; more are answered [`Unavailable::Busy`].
    pub queue: usize,
    /// How much memory the writer's page cache may take, in KiB.
    pub cache_kib: u32,
}

impl Default for EmbeddedOptions {
    /// 8192 operations, 16 MiB.
    fn default() -> Self {
        Self {
            queue: 8_192,
            cache_kib: 16 * 1_024,
        }
    }
}

/// The store, held for writing by this process alone.
pub struct EmbeddedStore {
    writer: Writer,
    leases: Arc<Leases>,
    readers: Arc<Readers>,
    directory: PathBuf,
    queue_max: usize,
}

/// The store, open for reading, beside whoever writes to it.
pub struct ReadOnlyStore {
    readers: Arc<Readers>,
}

impl EmbeddedStore {
    /// Opens the ledger in `directory` for writing; makes directory and ledger if there is none.
    ///
    /// # Errors
    /// [`OpenError`]: held by another process, newer than this program, no ledger, or a promise of the file system or
    /// of SQLite that was not confirmed (I16).
    pub fn open(directory: &Path, options: EmbeddedOptions) -> Result<Self, OpenError> {
        let (connection, lock) = open_writer(directory, options.cache_kib)?;
        let end = chain_head(&connection).and_then(|head| Ok((head, read::unfinished(&connection)?)));
        let end = end.map_err(|error| match error {
            StoreError::Sqlite(source) => OpenError::Sqlite {
                action: "read the log of",
                source,
            },
            other => OpenError::Unsafe {
                promise: other.to_string(),
            },
        })?;
        let readers = Arc::new(Readers::open(directory)?);
        let leases = Arc::new(Leases::default());
        let writer = Writer::start(connection, lock, Arc::clone(&leases), end, options.queue).map_err(|source| {
            OpenError::Io {
                action: "start the writer thread for",
                path: directory.to_owned(),
                source,
            }
        })?;
        Ok(Self {
            writer,
            leases,
            readers,
            directory: directory.to_owned(),
            queue_max: options.queue,
        })
    }

    /// Times commits by this clock, for [`StoreMeter`]. Without one they are counted and not timed; a second clock is
    /// left alone.
    pub fn time_commits_by(&self, clock: Arc<dyn Clock>) {
        self.writer.meter().time_by(clock);
    }

    /// Opens the ledger in `directory` for reading only; never makes one.
    ///
    /// # Errors
    /// [`OpenError`], [`OpenError::Absent`] when there is none.
    pub fn open_read_only(directory: &Path) -> Result<ReadOnlyStore, OpenError> {
        Ok(ReadOnlyStore {
            readers: Arc::new(Readers::open(directory)?),
        })
    }

    /// Finishes what was accepted, folds the log file into the database and gives the lock up. Whoever still holds the
    /// store is answered [`Unavailable::Stopped`] from then on. Blocks until it is done; dropping the store does the
    /// same.
    pub fn close(&self) {
        // Readers first: the last connection to close is the writer's, which then tidies up.
        self.readers.close();
        self.writer.stop();
    }

    /// Up to which line the ledger is being taken over from another store; nothing when it is whole.
    ///
    /// # Errors
    /// [`Unavailable`] when the file cannot be read.
    pub fn unfinished_up_to(&self) -> Result<Option<u64>, Unavailable> {
        Ok(self.readers.with(read::unfinished)?)
    }

    /// Checks the whole ledger: every record has its create line, versions match the log, the chain is unbroken.
    ///
    /// # Errors
    /// [`Unavailable`] when the ledger cannot be read to its end.
    pub async fn verify(&self) -> Result<VerifyReport, Unavailable> {
        self.flush().await;
        verify_with(&self.readers).await
    }

    /// What is not found is not there, unless a commit has an outcome that nobody knows (I10).
    fn know<T>(&self, found: Option<T>) -> Result<Option<T>, Unavailable> {
        match found {
            None => self.writer.must_go_on().map(|()| None),
            found => Ok(found),
        }
    }

    /// Lets lines that wait for company be written, so that a reader of the log sees them.
    async fn flush(&self) {
        if !self.writer.has_deferred() {
            return;
        }
        let (reply, answer) = oneshot::channel();
        if self.writer.submit(Operation::Flush(reply)).is_ok() {
            let _ = answer.await;
        }
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl ReadOnlyStore {
    /// Nothing is written here, so nothing is in doubt.
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the reading side is written once for both stores"
    )]
    fn know<T>(&self, found: Option<T>) -> Result<Option<T>, Unavailable> {
        Ok(found)
    }

    /// Checks the whole ledger, as [`EmbeddedStore::verify`] does.
    ///
    /// # Errors
    /// [`Unavailable`] when the ledger cannot be read to its end.
    pub async fn verify(&self) -> Result<VerifyReport, Unavailable> {
        verify_with(&self.readers).await
    }
}

async fn verify_with(readers: &Arc<Readers>) -> Result<VerifyReport, Unavailable> {
    in_background(readers, verify::verify).await
}

/// The last line of the log, to which the next one is chained.
pub(crate) fn chain_head(connection: &Connection) -> Result<ChainHead, StoreError> {
    let mut statement = connection.prepare(&format!("SELECT {ACTIVITY} FROM activity ORDER BY seq DESC LIMIT 1"))?;
    let mut rows = statement.query([])?;
    let last = rows.next()?.map(activity).transpose()?;
    Ok(last.map_or(ChainHead::EMPTY, |line| ChainHead {
        seq: line.seq,
        hash: line.hash,
    }))
}

/// Reads that may take long run apart from the tasks of the caller's runtime.
async fn in_background<T: Send + 'static>(
    readers: &Arc<Readers>,
    read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Unavailable> {
    let readers = Arc::clone(readers);
    let task = tokio::task::spawn_blocking(move || readers.with(read));
    match task.await {
        Ok(answer) => Ok(answer?),
        Err(ended) => Err(Unavailable::Failed {
            reason: format!("a read ended early: {ended}"),
        }),
    }
}

#[async_trait]
impl RunCreator for EmbeddedStore {
    async fn create(&self, permits: Vec<CreationPermit>) -> Result<Vec<CreateOutcome>, CreateError> {
        if permits.is_empty() {
            return Ok(Vec::new());
        }
        let intents: Vec<_> = permits.iter().map(|permit| permit.intent().clone()).collect();
        let prepared = permits
            .into_iter()
            .map(Prepared::new)
            .collect::<Result<_, _>>()
            .map_err(Unavailable::from)?;
        let (reply, answer) = oneshot::channel();
        self.writer.submit(Operation::Create(prepared, reply))?;
        match answer.await {
            Ok(Ok(outcomes)) => Ok(outcomes),
            Ok(Err(NotCreated::Unavailable(unavailable))) => Err(unavailable.into()),
            Ok(Err(NotCreated::InDoubt(reason))) => Err(CreateError::Indeterminate { intents, reason }),
            Err(_) => Err(CreateError::Indeterminate {
                intents,
                reason: WRITER_GONE.into(),
            }),
        }
    }
}

#[async_trait]
impl RunChanger for EmbeddedStore {
    async fn change(&self, request: ChangeRequest) -> Result<Changed, ChangeError> {
        let (reply, answer) = oneshot::channel();
        self.writer.submit(Operation::Change(Box::new(request), reply))?;
        answer.await.unwrap_or_else(|_| {
            Err(ChangeError::Indeterminate {
                reason: WRITER_GONE.into(),
            })
        })
    }
}

#[async_trait]
impl ActivityLog for EmbeddedStore {
    async fn record(&self, line: NewActivity) -> Result<(), Unavailable> {
        let line = match line.verdict {
            Verdict::Replayed | Verdict::Unchanged => match self.writer.submit_deferred(line)? {
                None => return Ok(()),
                // The disk is slower than the callers: from here on they wait for it.
                Some(line) => line,
            },
            Verdict::Created | Verdict::Changed | Verdict::Refused(_) => line,
        };
        let (reply, answer) = oneshot::channel();
        self.writer.submit(Operation::Line(Box::new(line), reply))?;
        answer.await.unwrap_or_else(|_| Err(writer_gone()))
    }
}

impl StoreMeter for EmbeddedStore {
    fn figures(&self) -> StoreFigures {
        let meter = self.writer.meter();
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        StoreFigures {
            queue: meter.queued.load(Ordering::Relaxed),
            queue_max: count(self.queue_max),
            lines_waiting: count(self.writer.lines_waiting()),
            is_stopped: self.writer.is_stopped(),
            commits_failed: meter.commits.failures(),
            group_size: meter.commits.group_size(),
            commit_micros: meter.commits.commit_micros(),
            bytes_used: meter::bytes_used(&self.directory),
            bytes_free: meter::bytes_free(&self.directory),
        }
    }
}

#[async_trait]
impl ActivityWatch for EmbeddedStore {
    async fn last_line(&self) -> Result<u64, Unavailable> {
        self.flush().await;
        let last_line = self.writer.last_line();
        // Nobody writes any more; what the file holds is for a reader to say.
        last_line.has_changed().map_err(|_| closed())?;
        Ok(*last_line.borrow())
    }

    async fn grown(&self, after: u64) -> Result<u64, Unavailable> {
        let mut last_line = self.writer.last_line();
        let last = last_line.wait_for(|last| *last > after).await.map_err(|_| closed())?;
        Ok(*last)
    }
}

fn closed() -> Unavailable {
    StoreError::Closed.into()
}

fn writer_gone() -> Unavailable {
    Unavailable::Stopped {
        reason: WRITER_GONE.into(),
    }
}

const WRITER_GONE: &str = "the writer ended before it answered; restart to check the ledger";

/// The reading side is the same for both; only the one that writes has lines in waiting.
macro_rules! run_reader {
    ($store:ty $(, $settle:ident)?) => {
        #[async_trait]
        impl RunReader for $store {
            async fn get(&self, key: &RunKey) -> Result<Option<Arc<RunRecord>>, Unavailable> {
                // A point read takes microseconds: cheaper here than a hop to another thread.
                let found = self.readers.with(|connection| read::get(connection, key))?;
                self.know(found)
            }

            async fn find_minted(
                &self,
                source: &Source,
                attempt: &AttemptId,
            ) -> Result<Option<Arc<RunRecord>>, Unavailable> {
                let found = self
                    .readers
                    .with(|connection| read::find_minted(connection, source, attempt))?;
                self.know(found)
            }

            async fn list(
                &self,
                filter: &ListFilter,
                after: Option<Cursor>,
                size: PageSize,
            ) -> Result<RecordPage, Unavailable> {
                let filter = filter.clone();
                in_background(&self.readers, move |connection| {
                    listing::list(connection, &filter, after, size)
                })
                .await
            }

            async fn stalled(
                &self,
                filter: &StalledFilter,
                after: Option<Cursor>,
                size: PageSize,
            ) -> Result<RecordPage, Unavailable> {
                let filter = filter.clone();
                in_background(&self.readers, move |connection| {
                    listing::stalled(connection, &filter, after, size)
                })
                .await
            }

            async fn summary(&self, run: &RunId) -> Result<Option<JobSummary>, Unavailable> {
                let run = run.clone();
                let found = in_background(&self.readers, move |connection| read::summary(connection, &run)).await?;
                self.know(found)
            }

            async fn activity(
                &self,
                filter: &ActivityFilter,
                after: Option<Cursor>,
                size: PageSize,
            ) -> Result<ActivityPage, Unavailable> {
                $(self.$settle().await;)?
                let filter = filter.clone();
                in_background(&self.readers, move |connection| {
                    listing::activity_page(connection, &filter, after, size)
                })
                .await
            }

            async fn counts(&self, stalled_before: Timestamp) -> Result<Counts, Unavailable> {
                $(self.$settle().await;)?
                in_background(&self.readers, move |connection| read::counts(connection, stalled_before)).await
            }
        }
    };
}

run_reader!(EmbeddedStore, flush);
run_reader!(ReadOnlyStore);
