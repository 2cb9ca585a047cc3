//! `db roles --client`: what it prints is SQL that makes a role, and whoever logs in as that role sees the rows of one client
//! and writes nothing (I12).

use runledger_postgres_bed::Server as Database;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use crate::postgres::{database, on, program_at};
use crate::program::{Place, ran};

const RUN: &str = "250925-231841";

async fn connect(database: &Database, user: &str) -> Client {
    let url = database.url("postgres", user);
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn texts(client: &Client, sql: &str) -> Vec<String> {
    let rows = client
        .query(sql, &[])
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn what_is_printed_makes_a_role_that_sees_one_client_and_writes_nothing() {
    let (database, place) = (database(), Place::new());
    on(&place, &database, &["job", "create", RUN]).expect(0);
    for client in ["acme", "zen"] {
        on(
            &place,
            &database,
            &[
                "client",
                "create",
                RUN,
                client,
                "--external-id",
                &format!("apify:{client}"),
            ],
        )
        .expect(0);
    }
    let owner = connect(&database, "postgres").await;
    let printed = on(&place, &database, &["db", "roles", "--client", "acme"])
        .expect(0)
        .out;
    owner.batch_execute(&printed).await.unwrap();
    let user = "CREATE USER acme_reports IN ROLE runledger_client_acme";
    owner.batch_execute(user).await.unwrap();

    let acme = connect(&database, "acme_reports").await;
    for sql in [
        "SELECT client_id FROM run",
        "SELECT DISTINCT client_id FROM activity",
        "SELECT external FROM reference",
    ] {
        assert_eq!(texts(&acme, sql).await, ["acme"], "{sql}");
    }
    for sql in [
        "UPDATE run SET version = version + 1",
        "DELETE FROM activity",
        "INSERT INTO reference SELECT * FROM reference",
        "SELECT * FROM token",
    ] {
        let refused = acme.batch_execute(sql).await.expect_err(sql);
        assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{sql}");
    }
    let all = texts(&owner, "SELECT client_id FROM run ORDER BY client_id").await;
    assert_eq!(all, ["", "acme", "zen"], "for everybody else nothing changes");

    // The program over that role shows the same, and creates nothing.
    let url = database.url("postgres", "acme_reports");
    let by_acme = |words: &[&str]| ran(program_at(&place, &url).args(words));
    let listed = by_acme(&["list", "--all", "--json"]).expect(0).json();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["client_id"], "acme");
    by_acme(&["get", RUN, "zen"]).expect(4);
    let created = by_acme(&["client", "create", RUN, "other"]);
    assert_ne!(created.code, Some(0), "{created:#?}");
    assert_eq!(texts(&owner, "SELECT count(*)::text FROM run").await, ["3"]);
}

#[test]
fn what_is_no_client_or_too_long_for_a_role_prints_nothing() {
    let place = Place::new();
    let long = "a".repeat(60);
    for (client, words) in [
        ("acme\"; DROP TABLE run; --", &["client"] as &[&str]),
        ("", &["client"]),
        (&long, &["63 bytes"]),
    ] {
        let refused = place.run(&["db", "roles", "--client", client]).expect(2).says(words);
        assert_eq!(refused.out, "", "{client}");
    }
    // All roles need no database to be printed.
    place
        .run(&["db", "roles"])
        .expect(0)
        .says(&["CREATE ROLE runledger_writer"]);
}
