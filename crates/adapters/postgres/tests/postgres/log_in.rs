//! Users with a password, by SCRAM: who has it is let in, in clear and through TLS; who has another one, or none, is told so
//! at once, and the password is in no text. So is whoever is let in and finds no database, or no rights in it.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::OnceLock;

use runledger_ports::CreateOutcome;
use runledger_postgres::{OpenError, PostgresOptions, PostgresStore, schema};
use runledger_postgres_bed::{Options, Server};
use tempfile::NamedTempFile;

use crate::bed::{connect, options};
use crate::several::{JOB, create};
use crate::tls::{CERTIFICATE, speaking_tls};

/// With what a URL has to write in another way.
const PASSWORD: &str = "hidden word/@:%";
const IN_URL: &str = "hidden%20word%2F%40%3A%25";

/// Who may come in how: the owner as ever, everybody else with a password.
const RULES: &str = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";

/// A server on which users have passwords, with a ledger in its first database.
fn server() -> &'static Server {
    static SERVER: OnceLock<(Server, NamedTempFile)> = OnceLock::new();
    let (server, _) = SERVER.get_or_init(|| {
        let mut rules = NamedTempFile::new().unwrap();
        rules.write_all(RULES.as_bytes()).unwrap();
        // The server may be another user than the tests.
        rules.as_file().set_permissions(Permissions::from_mode(0o644)).unwrap();
        let settings = vec![
            format!("hba_file = '{}'", rules.path().display()),
            "password_encryption = 'scram-sha-256'".to_owned(),
        ];
        let server = Server::start(&Options { fsync: false, settings });
        (server.unwrap_or_else(|error| panic!("{error}")), rules)
    });
    server
}

/// A ledger in a database of its own, with a user who has a password and may do everything in it.
async fn ledger(name: &str) -> &'static Server {
    let server = server();
    let owner = connect(&server.url("postgres", "postgres")).await;
    owner.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let url = server.url(name, "postgres");
    schema::migrate(&options(&url), 0).await.unwrap();
    connect(&url)
        .await
        .batch_execute(&format!(
            "CREATE USER {name} PASSWORD '{PASSWORD}'; GRANT ALL ON ALL TABLES IN SCHEMA public TO {name};"
        ))
        .await
        .unwrap();
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_password_is_let_in() {
    let server = ledger("knows").await;
    let url = format!("postgres://knows:{IN_URL}@127.0.0.1:{}/knows", server.port());
    let store = PostgresStore::open(options(&url)).await.unwrap();
    let created = create(&store, JOB, "attempt-1").await;
    assert!(matches!(created, Ok(CreateOutcome::Created(_))), "{created:?}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_password_is_let_in_through_tls() {
    let server = ledger("encrypted").await;
    let port = speaking_tls(server.port()).await;
    let mut believed = NamedTempFile::new().unwrap();
    believed.write_all(CERTIFICATE.as_bytes()).unwrap();
    let open = |password: &str| {
        let url = format!("postgres://encrypted:{password}@localhost:{port}/encrypted?sslmode=require");
        PostgresStore::open(PostgresOptions {
            ca_file: Some(believed.path().to_owned()),
            ..options(&url)
        })
    };
    let store = open(IN_URL).await.unwrap();
    let created = create(&store, JOB, "attempt-1").await;
    assert!(matches!(created, Ok(CreateOutcome::Created(_))), "{created:?}");
    store.close().await;
    let refused = open("another%20hidden%20word").await.unwrap_err();
    assert!(matches!(refused, OpenError::LogIn { .. }), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_another_password_is_told_so_at_once_and_without_it() {
    let server = ledger("guesses").await;
    let url = |user: &str| format!("postgres://{user}@127.0.0.1:{}/guesses", server.port());
    for user in [
        "guesses:another%20hidden%20word",
        "nobody_known:another%20hidden%20word",
    ] {
        let url = url(user);
        for refused in [
            PostgresStore::open(options(&url)).await.map(drop),
            schema::migrate(&options(&url), 0).await.map(drop),
            schema::inspect(&options(&url)).await.map(drop),
        ] {
            let refused = refused.unwrap_err();
            assert!(matches!(refused, OpenError::LogIn { .. }), "{refused:?}");
            assert!(!refused.may_pass(), "somebody has to do something");
            let said = format!("{refused} {refused:?}");
            assert!(said.contains("password authentication failed"), "{said}");
            assert!(!said.contains("hidden"), "{said}");
        }
    }
}

/// Whatever is tried with this address is answered once and for all.
async fn is_told(url: &str, words: &str) {
    for refused in [
        PostgresStore::open(options(url)).await.map(drop),
        schema::migrate(&options(url), 0).await.map(drop),
        schema::inspect(&options(url)).await.map(drop),
    ] {
        let refused = refused.unwrap_err();
        assert!(!refused.may_pass(), "somebody has to do something: {refused:?}");
        assert!(refused.to_string().contains(words), "{words}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_password_no_database_or_no_rights_is_told_so_at_once() {
    let server = ledger("lacks").await;
    let port = server.port();
    is_told(&format!("postgres://lacks@127.0.0.1:{port}/lacks"), "password missing").await;
    is_told(&server.url("nowhere", "postgres"), "CREATE DATABASE").await;
    is_told(&server.url("lacks", "nobody_known"), "user and password").await;
    let owner = connect(&server.url("lacks", "postgres")).await;
    owner
        .batch_execute(&format!("CREATE USER stranger PASSWORD '{PASSWORD}'"))
        .await
        .unwrap();
    let stranger = format!("postgres://stranger:{IN_URL}@127.0.0.1:{port}/lacks");
    is_told(&stranger, "runledger db roles").await;
    owner
        .batch_execute("REVOKE CONNECT ON DATABASE lacks FROM PUBLIC")
        .await
        .unwrap();
    is_told(&stranger, "runledger db roles").await;
    is_told("postgres:///nowhere", "postgres://USER").await;
}
