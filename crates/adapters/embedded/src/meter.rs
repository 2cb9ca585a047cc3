//! What the writer measures of its own work. Whoever measures holds the writer already, so nothing here is waited for.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use runledger_domain::Timestamp;
use runledger_ports::{Clock, CommitMeter};

use crate::DATABASE_FILE;

/// The measures of one store.
#[derive(Default)]
pub(crate) struct Meter {
    clock: OnceLock<Arc<dyn Clock>>,
    pub(crate) queued: AtomicU64,
    pub(crate) commits: CommitMeter,
}

impl Meter {
    /// Takes the clock by which commits are timed; only the first one counts.
    pub(crate) fn time_by(&self, clock: Arc<dyn Clock>) {
        // A second clock would only mix two times.
        let _ = self.clock.set(clock);
    }

    /// When a group begins, if there is a clock.
    pub(crate) fn begin(&self) -> Option<Timestamp> {
        self.clock.get().map(|clock| clock.now())
    }

    /// Notes a group that is safe on disk.
    pub(crate) fn committed(&self, operations: usize, began: Option<Timestamp>) {
        let took = self
            .clock
            .get()
            .zip(began)
            .map(|(clock, began)| clock.now().saturating_since(began));
        self.commits.committed(operations, took);
    }
}

/// The size of the database with its log file, in bytes.
pub(crate) fn bytes_used(directory: &Path) -> Option<u64> {
    let size = |suffix: &str| {
        let mut path = PathBuf::from(directory);
        path.push(format!("{DATABASE_FILE}{suffix}"));
        fs::metadata(path).map(|found| found.len())
    };
    // The log file is not there while nobody writes.
    let log = size("-wal").unwrap_or(0);
    size("").ok().map(|database| database.saturating_add(log))
}

/// What the file system of the directory has left for this user, in bytes.
pub(crate) fn bytes_free(directory: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(directory).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}
