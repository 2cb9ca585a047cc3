//! The embedded store keeps the contract of every store.

use std::fs;
use std::sync::Arc;

use runledger_contract::{Handles, OpenStore, Support};
use runledger_embedded::{DATABASE_FILE, EmbeddedOptions, EmbeddedStore};
use rusqlite::Connection;
use tempfile::TempDir;

/// What a commit in doubt may have written.
const WRITES: [&str; 7] = [
    "INSERT ON activity",
    "UPDATE ON delivery",
    "UPDATE ON lease",
    "UPDATE ON outbox",
    "INSERT ON outbox_entry",
    "UPDATE ON outbox_entry",
    "INSERT ON removed_row",
];

/// The same statement for each of them.
fn each_doubt(statement: &str) -> String {
    let each = WRITES.iter().enumerate();
    each.map(|(number, write)| statement.replace("NUMBER", &number.to_string()).replace("WRITE", write))
        .collect()
}

struct OnDisk {
    directory: TempDir,
    store: Option<Arc<EmbeddedStore>>,
    /// Whether commits are made to fail.
    doubts: bool,
}

impl OnDisk {
    fn open(directory: TempDir) -> Self {
        let store = EmbeddedStore::open(directory.path(), EmbeddedOptions::default()).unwrap();
        Self {
            directory,
            store: Some(Arc::new(store)),
            doubts: false,
        }
    }

    /// A connection to the file past the store.
    fn beside(&self) -> Connection {
        Connection::open(self.directory.path().join(DATABASE_FILE)).unwrap()
    }
}

#[async_trait::async_trait]
impl OpenStore for OnDisk {
    fn handles(&self) -> Handles {
        Handles::of(self.store.as_ref().expect("it is open"))
    }

    async fn reopen(&mut self) -> Support {
        let store = self.store.take().expect("it is open");
        store.close();
        drop(store);
        if std::mem::take(&mut self.doubts) {
            self.beside()
                .execute_batch(&format!(
                    "{} DROP TABLE unproven;",
                    each_doubt("DROP TRIGGER doubt_NUMBER;")
                ))
                .unwrap();
        }
        self.store = Some(Arc::new(
            EmbeddedStore::open(self.directory.path(), EmbeddedOptions::default()).unwrap(),
        ));
        Support::Done
    }

    async fn crash(&mut self) -> Support {
        let left = tempfile::tempdir().unwrap();
        // What a killed process leaves: the files as they are at this moment, the log file unfolded. The database comes
        // first: with so few pages nothing is folded into it before the store is closed.
        for file in [DATABASE_FILE.to_owned(), format!("{DATABASE_FILE}-wal")] {
            fs::copy(self.directory.path().join(&file), left.path().join(&file)).unwrap();
        }
        drop(self.store.take());
        *self = Self::open(left);
        Support::Done
    }

    async fn doubt(&mut self) -> Support {
        // Whatever is written owes a proof that nobody can give, and SQLite asks for it in the commit: that is what fails,
        // after all statements of the transaction succeeded.
        let table = "CREATE TABLE unproven(seq INTEGER REFERENCES activity(seq) DEFERRABLE INITIALLY DEFERRED) STRICT;";
        let trigger = "CREATE TRIGGER doubt_NUMBER AFTER WRITE BEGIN INSERT INTO unproven VALUES(-1); END;";
        self.beside()
            .execute_batch(&format!("{table} {}", each_doubt(trigger)))
            .unwrap();
        self.doubts = true;
        Support::Done
    }

    async fn stop(&mut self) -> Support {
        self.store.as_ref().expect("it is open").close();
        Support::Done
    }
}

async fn fresh() -> OnDisk {
    OnDisk::open(tempfile::tempdir().unwrap())
}

runledger_contract::store_contract_tests!(fresh);
