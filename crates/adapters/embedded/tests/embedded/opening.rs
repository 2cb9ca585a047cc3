//! What is refused at the door, and that nothing is touched by the refusal.

use std::fs;

use runledger_embedded::{DATABASE_FILE, EmbeddedOptions, EmbeddedStore, OpenError};
use runledger_ports::{ListFilter, PageSize, RunCreator as _, RunReader, TokenStore as _};
use rusqlite::Connection;

fn open(directory: &std::path::Path) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(directory, EmbeddedOptions::default())
}

#[test]
fn i13_a_second_writer_is_refused_and_the_first_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path()).unwrap();
    assert!(matches!(open(directory.path()), Err(OpenError::InUse { .. })));
    first.close();
    open(directory.path()).unwrap();
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).unwrap().close();
    let file = directory.path().join(DATABASE_FILE);
    Connection::open(&file)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let before = fs::read(&file).unwrap();
    assert!(matches!(
        open(directory.path()),
        Err(OpenError::Newer { found: 99, known: 6 })
    ));
    assert!(matches!(
        EmbeddedStore::open_read_only(directory.path()),
        Err(OpenError::Newer { .. })
    ));
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn i17_an_older_file_is_brought_forward_and_keeps_its_records_and_chain() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    let _ = store
        .create(vec![crate::verify::permit("250925-231841")])
        .await
        .unwrap();
    store.close();
    drop(store);
    // What the first version did not have yet.
    let file = directory.path().join(DATABASE_FILE);
    Connection::open(&file)
        .unwrap()
        .execute_batch(
            "DROP TABLE token; DROP TABLE tally; DROP TABLE client_load; DROP TABLE delivery;
             DROP TABLE lease; DROP TABLE outbox; DROP TABLE outbox_entry; DROP TABLE removed_row; PRAGMA user_version = 1;",
        )
        .unwrap();
    assert!(matches!(
        EmbeddedStore::open_read_only(directory.path()),
        Err(OpenError::Older { found: 1, known: 6 })
    ));
    let store = open(directory.path()).unwrap();
    let report = store.verify().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.records, report.lines), (1, 1));
    assert_eq!(store.tokens().await.unwrap(), []);
}

#[test]
fn a_database_of_something_else_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(DATABASE_FILE);
    Connection::open(&file)
        .unwrap()
        .execute_batch("CREATE TABLE diary(page TEXT)")
        .unwrap();
    let before = fs::read(&file).unwrap();
    assert!(matches!(open(directory.path()), Err(OpenError::Foreign { .. })));
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(DATABASE_FILE);
    fs::write(
        &file,
        "dear diary, this is no database at all, but it is long enough to be read as one".repeat(50),
    )
    .unwrap();
    let before = fs::read(&file).unwrap();
    assert!(matches!(open(directory.path()), Err(OpenError::Sqlite { .. })));
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn reading_makes_no_ledger() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(
        EmbeddedStore::open_read_only(directory.path()),
        Err(OpenError::Absent { .. })
    ));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_reader_works_beside_the_writer() {
    let directory = tempfile::tempdir().unwrap();
    let writer = open(directory.path()).unwrap();
    let reader = EmbeddedStore::open_read_only(directory.path()).unwrap();
    let page = reader
        .list(&ListFilter::default(), None, PageSize::default())
        .await
        .unwrap();
    assert!(page.records.is_empty());
    assert!(reader.verify().await.unwrap().is_clean());
    writer.close();
}

#[test]
fn i16_the_file_says_that_the_write_ahead_log_is_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    let header = fs::read(directory.path().join(DATABASE_FILE)).unwrap();
    assert_eq!(header[18..20], [2, 2]);
    store.close();
}

#[test]
fn every_opening_has_a_number_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let epoch = || {
        open(directory.path()).unwrap().close();
        let connection = Connection::open(directory.path().join(DATABASE_FILE)).unwrap();
        connection
            .query_row("SELECT value FROM meta WHERE name = 'epoch'", [], |row| {
                row.get::<_, i64>(0)
            })
            .unwrap()
    };
    assert_eq!((epoch(), epoch(), epoch()), (1, 2, 3));
}
