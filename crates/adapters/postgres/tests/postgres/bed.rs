//! One server for all tests of this program, and databases on it that are used again.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use runledger_postgres::{PostgresOptions, schema};
use runledger_postgres_bed::{Options, Server};
use tokio_postgres::{Client, NoTls};

use crate::versions;

/// A ledger in a database of its own, empty at first.
pub(crate) struct Database {
    server: &'static Server,
    pub(crate) name: String,
    schema: Schema,
}

/// Which schema a database has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Schema {
    /// The one that this program knows.
    Known,
    /// One that comes after it, and serves this program as well.
    Next,
}

/// The server of this test program.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&Options::default()).unwrap_or_else(|error| panic!("{error}")))
}

/// Held by whoever makes roles: they are of the whole server, and two who make one at once are in each other's way.
pub(crate) static ROLES: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Databases that nobody uses any more.
fn used() -> &'static Mutex<Vec<(Schema, String)>> {
    static USED: OnceLock<Mutex<Vec<(Schema, String)>>> = OnceLock::new();
    USED.get_or_init(Mutex::default)
}

/// How many databases were made.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Connects past the store.
pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Options for a database at this address, as a test wants them: short times, few connections.
pub(crate) fn options(url: &str) -> PostgresOptions {
    PostgresOptions {
        pool: 4,
        write_time: Duration::from_secs(4),
        ..PostgresOptions::new(url.parse().unwrap())
    }
}

impl Database {
    /// An empty ledger.
    pub(crate) async fn fresh() -> Self {
        Self::fresh_with(Schema::Known).await
    }

    /// An empty ledger with this schema.
    pub(crate) async fn fresh_with(schema: Schema) -> Self {
        let server = server();
        if let Some(name) = take_used(schema) {
            let database = Self { server, name, schema };
            database.empty().await;
            return database;
        }
        let name = format!("ledger_{}", COUNT.fetch_add(1, Ordering::SeqCst));
        let admin = connect(&server.url("postgres", "postgres")).await;
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let database = Self { server, name, schema };
        schema::migrate(&options(&database.url()), 0).await.unwrap();
        if schema == Schema::Next {
            versions::bring_forward(&database).await;
        }
        database
    }

    pub(crate) fn url(&self) -> String {
        self.url_of("postgres")
    }

    pub(crate) fn url_of(&self, user: &str) -> String {
        self.server.url(&self.name, user)
    }

    /// Takes the database out of those that are used again; answers its address.
    pub(crate) fn set_aside(mut self) -> String {
        let url = self.url();
        self.name.clear();
        url
    }

    /// Takes everything out, past all triggers, and whoever is still connected.
    async fn empty(&self) {
        let client = connect(&self.url()).await;
        client
            .batch_execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid();
                 SET session_replication_role = replica;
                 TRUNCATE run, minted, reference, activity, token, client_load, opening, delivery, lease, outbox,
                   outbox_entry, removed_row;
                 UPDATE tally SET records = 0;
                 UPDATE head SET seq = 0, record = 0, until = NULL, hash = decode(repeat('00', 32), 'hex');",
            )
            .await
            .unwrap();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.name);
        if !name.is_empty() {
            used().lock().unwrap().push((self.schema, name));
        }
    }
}

fn take_used(schema: Schema) -> Option<String> {
    let mut used = used().lock().unwrap();
    let at = used.iter().position(|(has, _)| *has == schema)?;
    Some(used.swap_remove(at).1)
}
