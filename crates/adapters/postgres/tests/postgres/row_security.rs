//! A role of one client: the database itself keeps the rows of all others back, whatever SQL is asked (I12).

use runledger_domain::{Command, Update};
use runledger_ports::{
    ActivityFilter, ChangeRequest, CreateOutcome, ListFilter, PageSize, RunChanger as _, RunReader as _,
};
use runledger_postgres::schema;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::bed::{Database, ROLES, connect};
use crate::database::with_roles;
use crate::several::{JOB, add, chain, create, key, open};

const ACME: &str = "250925-231841-acme";
const ZEN: &str = "250925-231841-zen";

/// A ledger with two clients, each with a reference, and a user who is of the role of one of them. Answers the addresses of
/// the owner and of that user.
async fn with_two_clients(user: &str) -> (String, String) {
    let database = Database::fresh().await;
    let url = database.url_of(user);
    let owner = database.set_aside();
    let store = open(&owner).await;
    assert!(matches!(
        create(&store, JOB, "attempt-1").await,
        Ok(CreateOutcome::Created(_))
    ));
    for of in [ACME, ZEN] {
        let created = create(&store, of, "attempt-1").await;
        assert!(matches!(created, Ok(CreateOutcome::Created(_))), "{created:?}");
        let reference = ChangeRequest {
            command: Command::Update(Update {
                external_ids: vec![format!("apify:{of}").parse().unwrap()],
                ..Update::default()
            }),
            ..add(of, None)
        };
        store.change(reference).await.unwrap();
    }
    store.close().await;
    let statements = schema::role_of_client(&"acme".parse().unwrap()).unwrap();
    let admin = connect(&owner).await;
    let _alone = ROLES.lock().await;
    // As it is after a migration, it is run again.
    admin.batch_execute(&statements).await.unwrap();
    admin.batch_execute(&statements).await.unwrap();
    admin
        .batch_execute(&format!("CREATE USER {user} IN ROLE runledger_client_acme"))
        .await
        .unwrap();
    (owner, url)
}

async fn texts(client: &Client, sql: &str) -> Vec<String> {
    let rows = client
        .query(sql, &[])
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_of_a_client_reads_the_rows_of_that_client_whatever_it_asks() {
    let (owner, url) = with_two_clients("acme_reads").await;
    let acme = connect(&url).await;
    for sql in [
        "SELECT client_id FROM run",
        "SELECT client_id FROM run WHERE client_id IN ('zen', 'acme', '') OR true",
        "SELECT DISTINCT client_id FROM activity",
        "SELECT r.client_id FROM reference JOIN run r ON r.id = reference.run",
        "SELECT DISTINCT r.client_id FROM run r, activity a WHERE a.run_id = r.run_id",
        "SELECT substr(external, 15) FROM reference",
        "TABLE run_ids",
    ] {
        let _made = acme
            .batch_execute("CREATE TEMPORARY VIEW run_ids AS SELECT client_id FROM run")
            .await;
        assert_eq!(texts(&acme, sql).await, ["acme"], "{sql}");
    }
    // Nor is a row shown to a function that tells of what it is given.
    acme.batch_execute(
        "CREATE FUNCTION pg_temp.tells(text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS
           $$ BEGIN IF $1 LIKE '%zen%' THEN RAISE EXCEPTION 'seen: %', $1; END IF; RETURN true; END $$",
    )
    .await
    .unwrap();
    let told = texts(
        &acme,
        "SELECT client_id FROM run WHERE pg_temp.tells(body) AND pg_temp.tells(client_id)",
    )
    .await;
    assert_eq!(told, ["acme"]);
    let unlimited = connect(&owner).await;
    assert_eq!(
        texts(&unlimited, "SELECT client_id FROM run ORDER BY id").await,
        ["", "acme", "zen"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_of_a_client_changes_nothing_and_comes_by_no_other_way() {
    let (owner, url) = with_two_clients("acme_tries").await;
    let acme = connect(&url).await;
    for sql in [
        "UPDATE run SET status = 4, version = version + 1 WHERE client_id = 'zen'",
        "UPDATE run SET status = 4, version = version + 1",
        "DELETE FROM run",
        "INSERT INTO run SELECT id + 9, 'other', client_id, status, version, deadline, batch, body FROM run",
        "INSERT INTO activity SELECT * FROM activity",
        "SELECT * FROM activity_other",
        "SELECT * FROM minted",
        "SELECT * FROM token",
        "SELECT * FROM tally",
        "SELECT * FROM client_load",
        "SELECT hash FROM head",
        "UPDATE head SET seq = seq + 1",
        "SET row_security = off; SELECT * FROM run",
        "SET ROLE runledger_writer",
        "SET ROLE postgres",
        "ALTER TABLE run DISABLE ROW LEVEL SECURITY",
        "DROP POLICY runledger_client_acme ON run",
        "GRANT runledger_reader TO acme_tries",
    ] {
        let refused = acme.batch_execute(sql).await.expect_err(sql);
        let code = refused.code().map(SqlState::code);
        // Not allowed, or no such role where no test made it.
        assert!(matches!(code, Some("42501" | "22023" | "42704")), "{sql}: {refused:?}");
        acme.batch_execute("RESET row_security").await.unwrap();
    }
    let unlimited = connect(&owner).await;
    assert_eq!(
        texts(&unlimited, "SELECT status::text FROM run ORDER BY id").await,
        ["1", "1", "1"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_over_the_role_of_a_client_shows_that_client() {
    let (owner, url) = with_two_clients("acme_serves").await;
    let store = open(&url).await;
    assert!(store.get(&key(ACME)).await.unwrap().is_some());
    for other in [ZEN, JOB] {
        assert_eq!(store.get(&key(other)).await.unwrap(), None);
    }
    let size = PageSize::default();
    let listed = store.list(&ListFilter::default(), None, size).await.unwrap().records;
    assert_eq!(listed.len(), 1);
    let external_id = Some(format!("apify:{ZEN}").parse().unwrap());
    let by_reference = ListFilter {
        external_id,
        ..ListFilter::default()
    };
    assert!(store.list(&by_reference, None, size).await.unwrap().records.is_empty());
    let lines = store
        .activity(&ActivityFilter::default(), None, size)
        .await
        .unwrap()
        .lines;
    assert!(lines.iter().all(|line| line.line.subject.client == "acme"), "{lines:?}");
    assert!(store.change(add(ACME, None)).await.is_err());
    assert!(create(&store, "250926-010203", "attempt-1").await.is_err());
    store.close().await;
    // The servers see all, as ever.
    let server = open(&owner).await;
    assert!(server.get(&key(ZEN)).await.unwrap().is_some());
    server.change(add(ZEN, None)).await.unwrap();
    server.close().await;
}

/// Policies do not concern whoever owns the tables: that servers see and write all as before shows with a role of theirs.
#[tokio::test(flavor = "multi_thread")]
async fn servers_under_their_own_roles_go_on_as_before() {
    let database = with_roles().await;
    let [writing, reading] = ["writer", "reader"].map(|user| database.url_of(user));
    let owner = database.set_aside();
    let writer = open(&writing).await;
    for of in [JOB, ZEN] {
        let created = create(&writer, of, "attempt-1").await;
        assert!(matches!(created, Ok(CreateOutcome::Created(_))), "{created:?}");
    }
    let statements = schema::role_of_client(&"acme".parse().unwrap()).unwrap();
    {
        let _alone = ROLES.lock().await;
        connect(&owner).await.batch_execute(&statements).await.unwrap();
    }
    let created = create(&writer, ACME, "attempt-1").await;
    assert!(matches!(created, Ok(CreateOutcome::Created(_))), "{created:?}");
    let reference = ChangeRequest {
        command: Command::Update(Update {
            external_ids: vec!["apify:run-1".parse().unwrap()],
            ..Update::default()
        }),
        ..add(ZEN, None)
    };
    writer.change(reference).await.unwrap();
    for store in [&writer, &open(&reading).await] {
        let size = PageSize::default();
        let found = |filter: ListFilter| async move { store.list(&filter, None, size).await.unwrap().records.len() };
        assert_eq!(found(ListFilter::default()).await, 3);
        let by_reference = ListFilter {
            external_id: Some("apify:run-1".parse().unwrap()),
            ..ListFilter::default()
        };
        assert_eq!(found(by_reference).await, 1);
        assert_eq!(chain(store).await, 4);
    }
}

#[test]
fn a_client_whose_id_is_too_long_for_a_role_is_said_to_be() {
    let long = "a".repeat(60).parse().unwrap();
    let refused = schema::role_of_client(&long).unwrap_err();
    assert!(refused.to_string().contains("63 bytes"), "{refused}");
}
