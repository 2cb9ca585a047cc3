//! The floor: hand-written group commit of the same rows with the same engine, and nothing else.
//!
//! It knows no rules, checks no permit, compares nothing and chains no hashes: it takes rows that are ready and puts
//! them into the same tables under the same pragmas.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::{Connection, params};
use tokio::sync::oneshot;

const INSERT_RUN: &str =
    "INSERT INTO run(run_id, client_id, status, version, deadline, batch, body) VALUES(?1, '', 1, 1, ?2, NULL, ?3)";
const INSERT_LINE: &str =
    "INSERT INTO activity(seq, at, action, source, run_id, client_id, verdict, code, version, detail, hash)
     VALUES(?1, ?2, 'create', 'orchestrator', ?3, '', 'created', '', 1, '', ?4)";
const GROUP_MAX: usize = 1_024;

/// A row that is ready to be inserted.
pub(crate) struct Row {
    pub(crate) run: String,
    pub(crate) at: i64,
    pub(crate) body: String,
}

/// A connection to the ledger's own tables, set up as the ledger does it.
pub(crate) struct Floor {
    connection: Connection,
    seq: i64,
}

impl Floor {
    /// Opens an empty ledger that nobody else holds.
    pub(crate) fn open(directory: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open(directory.join(runledger_embedded::DATABASE_FILE))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 1_000)?;
        connection.pragma_update(None, "cache_size", -16 * 1_024)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        let seq = connection.query_row("SELECT coalesce(max(seq), 0) FROM activity", [], |row| row.get(0))?;
        Ok(Self { connection, seq })
    }

    /// One row and its line in one transaction.
    pub(crate) fn commit(&mut self, rows: &[Row]) -> rusqlite::Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        for row in rows {
            self.connection
                .prepare_cached(INSERT_RUN)?
                .execute(params![row.run, row.at, row.body])?;
            self.seq += 1;
            self.connection
                .prepare_cached(INSERT_LINE)?
                .execute(params![self.seq, row.at, row.run, [7_u8; 32]])?;
        }
        self.connection.execute_batch("COMMIT")
    }
}

/// A writer thread over a [`Floor`]: whatever waits becomes one transaction.
pub(crate) struct GroupCommit {
    queue: SyncSender<(Row, oneshot::Sender<()>)>,
}

impl GroupCommit {
    pub(crate) fn start(mut floor: Floor) -> Self {
        let (queue, waiting): (_, Receiver<(Row, oneshot::Sender<()>)>) = sync_channel(8_192);
        std::thread::spawn(move || {
            while let Ok(first) = waiting.recv() {
                let (mut rows, mut replies) = (vec![first.0], vec![first.1]);
                while rows.len() < GROUP_MAX
                    && let Ok((row, reply)) = waiting.try_recv()
                {
                    rows.push(row);
                    replies.push(reply);
                }
                floor.commit(&rows).expect("the floor commits");
                for reply in replies {
                    let _ = reply.send(());
                }
            }
        });
        Self { queue }
    }

    pub(crate) async fn insert(&self, row: Row) {
        let (reply, done) = oneshot::channel();
        assert!(self.queue.try_send((row, reply)).is_ok(), "the queue is large enough");
        done.await.expect("the floor answers");
    }
}
