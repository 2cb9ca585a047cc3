//! What the database itself keeps, whoever writes: roles, triggers, schema versions, plans.

use std::time::Duration;

use runledger_ports::{
    CreateError, CreateOutcome, DeliveryState, DeliveryStore as _, Duty, Fence, FencedError, LeaseStore as _,
    OutboxStore as _, RunChanger as _, RunReader as _, Taken,
};
use runledger_postgres::{OpenError, PostgresStore, schema};

use tokio_postgres::error::SqlState;

use crate::bed::{Database, ROLES, connect, options, server};
use crate::several::{JOB, add, chain, create, key, open};

/// Takes the duty to deliver to the one webhook.
async fn deliver(store: &PostgresStore) -> Fence {
    let duty = Duty::Deliver("billing".parse().unwrap());
    let holder = "first_server".parse().unwrap();
    match store.take_lease(&duty, &holder, Duration::from_mins(1)).await {
        Ok(Taken::Held(fence)) => fence,
        other => panic!("{other:?}"),
    }
}

/// Keeps how far the log was delivered to it; answers the position that is kept.
async fn keep_delivery(store: &PostgresStore, fence: &Fence, position: u64) -> Result<u64, FencedError> {
    let state = DeliveryState {
        position,
        ..DeliveryState::default()
    };
    let kept = store.keep_delivery(fence, &"billing".parse().unwrap(), state).await?;
    Ok(kept.position)
}

/// Makes the three roles, and a user of each.
pub(crate) async fn with_roles() -> Database {
    let database = Database::fresh().await;
    let admin = connect(&database.url()).await;
    let _alone = ROLES.lock().await;
    // Roles are of the whole server: another test may have made them.
    let grants: Vec<_> = schema::ROLES.split(';').collect();
    for statement in grants {
        let made = admin.batch_execute(statement).await;
        if let Err(error) = made {
            assert_eq!(error.code().map(SqlState::code), Some("42710"), "{error:?}");
        }
    }
    for role in ["reader", "changer", "writer"] {
        let made = admin
            .batch_execute(&format!("CREATE USER {role} IN ROLE runledger_{role}"))
            .await;
        assert!(
            made.as_ref()
                .err()
                .and_then(|error| error.code())
                .is_none_or(|code| code.code() == "42710")
        );
    }
    database
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_change_but_not_create_is_refused_by_the_database() {
    let database = with_roles().await;
    let writer = open(&database.url_of("writer")).await;
    let created = create(&writer, JOB, "attempt-1").await;
    assert!(matches!(created, Ok(CreateOutcome::Created(_))), "{created:?}");
    let changer = open(&database.url_of("changer")).await;
    let delivering = deliver(&changer).await;
    assert_eq!(keep_delivery(&changer, &delivering, 1).await, Ok(1));
    let applied = changer.change(add(JOB, None)).await.unwrap();
    assert_eq!(applied.record().version(), 2);
    // Together in one call, the creations fail alone.
    let updates: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn({
                let changer = changer.clone();
                async move { changer.change(add(JOB, None)).await }
            })
        })
        .collect();
    let creations: Vec<_> = (0..4)
        .map(|number| {
            tokio::spawn({
                let changer = changer.clone();
                async move { create(&changer, &format!("25092{number}-111111"), "attempt-1").await }
            })
        })
        .collect();
    for creation in creations {
        match creation.await.unwrap() {
            Err(CreateError::Unavailable(why)) => assert!(why.to_string().contains("permission denied"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    for change in updates {
        change.await.unwrap().unwrap();
    }
    let record = writer.get(&key(JOB)).await.unwrap().unwrap();
    assert_eq!(record.version(), 10);
    assert_eq!(chain(&writer).await, 10);
    let (duty, holder) = (Duty::Project, "first_server".parse().unwrap());
    let taken = changer.take_lease(&duty, &holder, Duration::from_mins(1)).await;
    let Ok(Taken::Held(fence)) = taken else {
        panic!("{taken:?}")
    };
    changer.begin_outbox(&fence, "a place", 0).await.unwrap();
    changer.begin_outbox(&fence, "another", 0).await.unwrap();
    let reader = open(&database.url_of("reader")).await;
    assert_eq!(reader.leases().await.unwrap().len(), 2);
    assert_eq!(reader.outbox().await.unwrap().unwrap().target, "another");
    assert!(
        reader
            .take_lease(&Duty::Sweep, &holder, Duration::from_mins(1))
            .await
            .is_err()
    );
    assert!(reader.begin_outbox(&fence, "a third", 0).await.is_err());
    assert!(reader.get(&key(JOB)).await.unwrap().is_some());
    assert!(reader.change(add(JOB, None)).await.is_err());
    assert_eq!(reader.deliveries().await.unwrap().len(), 1);
    assert!(keep_delivery(&reader, &delivering, 2).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn not_even_the_owner_deletes_or_rewrites() {
    let database = Database::fresh().await;
    let store = open(&database.url()).await;
    let _created = create(&store, JOB, "attempt-1").await.unwrap();
    keep_delivery(&store, &deliver(&store).await, 7).await.unwrap();
    let owner = connect(&database.url()).await;
    for statement in [
        "DELETE FROM run",
        "TRUNCATE run",
        "UPDATE run SET run_id = 'other', version = version + 1",
        "UPDATE run SET id = id + 1, version = version + 1",
        "UPDATE run SET version = version",
        "DELETE FROM activity",
        "UPDATE activity SET detail = 'other'",
        "TRUNCATE activity",
        "UPDATE head SET seq = seq - 1",
        "DELETE FROM head",
        "DELETE FROM minted",
        "DELETE FROM delivery",
        "UPDATE delivery SET position = position - 1",
        "UPDATE delivery SET name = 'other'",
        "INSERT INTO run SELECT id + 1, run_id, client_id, status, version, deadline, batch, body FROM run",
    ] {
        let done = owner.batch_execute(statement).await;
        let rows = owner.query("SELECT FROM minted", &[]).await.unwrap().len();
        assert!(
            done.is_err() || (statement.contains("minted") && rows == 0),
            "{statement}"
        );
    }
    owner
        .batch_execute("UPDATE run SET status = 2, version = version + 1")
        .await
        .unwrap();
    let again = owner
        .batch_execute("UPDATE run SET status = 1, version = version + 1")
        .await;
    assert!(again.unwrap_err().as_db_error().unwrap().message().contains("I5"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_does_not_fit_is_refused_with_what_to_do() {
    let database = Database::fresh().await;
    let admin = connect(&database.url()).await;
    let open = || PostgresStore::open(options(&database.url()));
    admin
        .batch_execute("UPDATE schema_version SET version = 99, serves_from = 99")
        .await
        .unwrap();
    assert!(matches!(open().await, Err(OpenError::Newer { found: 99, .. })));
    let left_alone = schema::migrate(&options(&database.url()), 0).await;
    assert!(
        matches!(left_alone, Err(OpenError::Newer { found: 99, .. })),
        "{left_alone:?}"
    );
    admin
        .batch_execute("UPDATE schema_version SET version = 1")
        .await
        .unwrap();
    let older = open().await.unwrap_err();
    assert!(matches!(older, OpenError::Older { found: 1, .. }), "{older:?}");
    assert!(!older.may_pass(), "somebody has to do something");
    // As it was before the second migration: what it and those after it make is not there.
    admin
        .batch_execute(
            "DROP TABLE delivery, lease, outbox, outbox_entry, removed_row;
             ALTER TABLE head DROP COLUMN until;
             DO $$ DECLARE v_function regprocedure; BEGIN
               FOR v_function IN SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace
                 AND proname LIKE 'ledger%' AND proname NOT IN
                   ('ledger_stands', 'ledger_run_follows', 'ledger_head_follows', 'ledger_write_v1', 'ledger_settle_v1')
               LOOP EXECUTE 'DROP FUNCTION ' || v_function; END LOOP;
             END $$;",
        )
        .await
        .unwrap();
    let brought_forward = schema::migrate(&options(&database.url()), 0).await.unwrap();
    assert_eq!((brought_forward.from, brought_forward.to), (1, schema::SCHEMA_VERSION));
    assert!(open().await.is_ok());
    let empty = Database::fresh().await;
    let nothing = connect(&empty.url()).await;
    nothing
        .batch_execute("ALTER TABLE schema_version RENAME TO elsewhere")
        .await
        .unwrap();
    let absent = PostgresStore::open(options(&empty.url())).await;
    assert!(matches!(absent, Err(OpenError::Absent)), "{absent:?}");
    nothing
        .batch_execute("ALTER TABLE elsewhere RENAME TO schema_version")
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_ledger_is_made_in_a_database_that_cannot_hold_every_text() {
    let admin = connect(&server().url("postgres", "postgres")).await;
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let name = format!("ledger_{}", encoding.to_lowercase());
        admin
            .batch_execute(&format!(
                "CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0"
            ))
            .await
            .unwrap();
        let url = server().url(&name, "postgres");
        let refused = schema::migrate(&options(&url), 0).await;
        assert!(
            matches!(&refused, Err(OpenError::Encoding { found }) if found == encoding),
            "{refused:?}"
        );
        let opened = PostgresStore::open(options(&url)).await;
        assert!(matches!(opened, Err(OpenError::Absent)), "{opened:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_gets_partitions_ahead_and_loses_no_line_without_them() {
    let database = Database::fresh().await;
    let store = open(&database.url()).await;
    let _created = create(&store, JOB, "attempt-1").await.unwrap();
    let migrated = schema::migrate(&options(&database.url()), 2).await.unwrap();
    assert_eq!(
        (migrated.from, migrated.to, migrated.months.len()),
        (schema::SCHEMA_VERSION, schema::SCHEMA_VERSION, 2),
        "{migrated:?}"
    );
    let again = schema::migrate(&options(&database.url()), 2).await.unwrap();
    assert_eq!((again.months.len(), again.months_late.len()), (0, 0));
    assert_eq!(chain(&store).await, 1);
    let admin = connect(&database.url()).await;
    for month in migrated.months {
        admin
            .batch_execute(&format!("DROP TABLE activity_{month}"))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_may_pass_and_says_so_soon() {
    let mut nowhere = options("postgres://nobody@127.0.0.1:1/ledger");
    nowhere.write_time = Duration::from_secs(1);
    let error = PostgresStore::open(nowhere).await.unwrap_err();
    assert!(error.may_pass(), "{error}");
}
