//! Opening: everything that must be confirmed before the first write is acknowledged (I4, I13, I16).
//!
//! Two traps of SQLite lose acknowledged data in silence, and are closed here. Switching to the write-ahead log can
//! fail after the pragma has answered `wal`, so the pragma is stepped to its end, asked again, and the file's header is
//! read. And SQLite ignores the result of syncing the directory, so the ledger does that itself and looks at the result.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::OpenError;
use crate::schema;
use crate::{DATABASE_FILE, LOCK_FILE};

/// How long SQLite itself waits for a lock of a reader or a back-up tool.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The sole right to write, kept for as long as the value lives.
#[derive(Debug)]
pub(crate) struct WriteLock {
    _file: File,
}

/// Makes the directory if needed, takes the lock, opens and checks the database.
pub(crate) fn open_writer(directory: &Path, cache_kib: u32) -> Result<(Connection, WriteLock), OpenError> {
    make_directory(directory)?;
    let lock = take_lock(directory)?;
    let file = directory.join(DATABASE_FILE);
    let mut connection = connect(&file, OpenFlags::SQLITE_OPEN_CREATE)?;
    // Looked at before anything is written, so that a foreign file is left exactly as it is.
    schema::check(&connection, &file)?;
    use_write_ahead_log(&connection)?;
    schema::migrate(&mut connection, &file)?;
    let sqlite = |source| OpenError::Sqlite {
        action: "set up",
        source,
    };
    connection
        .pragma_update(None, "wal_autocheckpoint", 1_000)
        .map_err(sqlite)?;
    connection
        .pragma_update(None, "cache_size", -i64::from(cache_kib))
        .map_err(sqlite)?;
    connection.pragma_update(None, "temp_store", "MEMORY").map_err(sqlite)?;
    // Each opening has a number; and this first commit makes the log file exist before the directory is synced.
    connection
        .execute("UPDATE meta SET value = value + 1 WHERE name = 'epoch'", [])
        .map_err(sqlite)?;
    confirm_header(&file)?;
    sync_directory(directory)?;
    Ok((connection, lock))
}

/// Opens a connection that can only read. The database must exist.
pub(crate) fn open_reader(directory: &Path) -> Result<Connection, OpenError> {
    let file = directory.join(DATABASE_FILE);
    if !file.is_file() {
        return Err(OpenError::Absent {
            directory: directory.to_owned(),
        });
    }
    let connection = connect(&file, OpenFlags::empty())?;
    let sqlite = |source| OpenError::Sqlite {
        action: "set up a reader of",
        source,
    };
    connection.pragma_update(None, "query_only", true).map_err(sqlite)?;
    connection.pragma_update(None, "cache_size", -2_048).map_err(sqlite)?;
    match schema::check(&connection, &file)? {
        0 => Err(OpenError::Absent {
            directory: directory.to_owned(),
        }),
        found if found < schema::SCHEMA_VERSION => Err(OpenError::Older {
            found,
            known: schema::SCHEMA_VERSION,
        }),
        _ => Ok(connection),
    }
}

fn connect(file: &Path, extra: OpenFlags) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | extra;
    let sqlite = |source| OpenError::Sqlite { action: "open", source };
    let connection = Connection::open_with_flags(file, flags).map_err(sqlite)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn make_directory(directory: &Path) -> Result<(), OpenError> {
    if directory.is_dir() {
        return Ok(());
    }
    let io = |source| OpenError::Io {
        action: "make the data directory",
        path: directory.to_owned(),
        source,
    };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(directory).map_err(io)?;
    let parent = directory
        .canonicalize()
        .ok()
        .and_then(|path| path.parent().map(Path::to_owned));
    parent.map_or(Ok(()), |parent| sync_directory(&parent))
}

fn take_lock(directory: &Path) -> Result<WriteLock, OpenError> {
    let path: PathBuf = directory.join(LOCK_FILE);
    let io = |source| OpenError::Io {
        action: "lock",
        path: path.clone(),
        source,
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(WriteLock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
            directory: directory.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

fn use_write_ahead_log(connection: &Connection) -> Result<(), OpenError> {
    let sqlite = |source| OpenError::Sqlite {
        action: "switch to the write-ahead log of",
        source,
    };
    // Stepped to its end: the error of a failing switch comes only after the row that says `wal`.
    let mut statement = connection.prepare("PRAGMA journal_mode = WAL").map_err(sqlite)?;
    let mut rows = statement.query([]).map_err(sqlite)?;
    while rows.next().map_err(sqlite)?.is_some() {}
    drop(rows);
    drop(statement);
    connection.pragma_update(None, "synchronous", "FULL").map_err(sqlite)?;
    let mode: String = connection
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .map_err(sqlite)?;
    let level: i64 = connection
        .query_row("PRAGMA synchronous", [], |row| row.get(0))
        .map_err(sqlite)?;
    if mode != "wal" || level != 2 {
        return Err(OpenError::Unsafe {
            promise: format!("journal mode is {mode} (wal is needed) and the sync level {level} (2 is needed)"),
        });
    }
    Ok(())
}

/// Bytes 18 and 19 of the file are 2 when, and only when, the write-ahead log is in use.
fn confirm_header(file: &Path) -> Result<(), OpenError> {
    let io = |source| OpenError::Io {
        action: "read the header of",
        path: file.to_owned(),
        source,
    };
    let mut header = [0_u8; 20];
    File::open(file)
        .and_then(|mut opened| opened.read_exact(&mut header))
        .map_err(io)?;
    if header[18..20] == [2, 2] {
        return Ok(());
    }
    Err(OpenError::Unsafe {
        promise: "the file's header does not say that the write-ahead log is in use".into(),
    })
}

fn sync_directory(directory: &Path) -> Result<(), OpenError> {
    let io = |source| OpenError::Io {
        action: "sync the directory",
        path: directory.to_owned(),
        source,
    };
    File::open(directory).and_then(|opened| opened.sync_all()).map_err(io)
}
