//! The schema of the ledger in the database, and how an older one becomes a newer one.
//!
//! Only [`migrate`] changes it, as a role that may; the store itself only looks whether it fits.
//!
//! Servers of two versions work side by side while one after the other is replaced: the schema is brought forward first,
//! and keeps what the servers before it call. How far back it serves is kept with its version. A migration that cannot
//! serve those before it drops their write functions, so that the database itself refuses whoever is still at work.

use std::time::Duration;

use runledger_domain::ClientId;
use tokio_postgres::Client;

use crate::connect::{Connection, Connector, Session};
use crate::error::{OpenError, StoreError};
use crate::options::PostgresOptions;

/// The newest schema: that of the last migration.
pub const SCHEMA_VERSION: i32 = 4;

/// A step from one schema to the next.
struct Migration {
    /// The schema that it makes.
    leads_to: i32,
    /// The oldest schema that a program may know and still work on this one.
    serves_from: i32,
    statements: &'static str,
}

const MIGRATIONS: [Migration; 4] = [
    Migration {
        leads_to: 1,
        serves_from: 1,
        statements: include_str!("../migrations/0001_ledger.sql"),
    },
    Migration {
        leads_to: 2,
        serves_from: 1,
        statements: include_str!("../migrations/0002_delivery.sql"),
    },
    Migration {
        leads_to: 3,
        serves_from: 1,
        statements: include_str!("../migrations/0003_duties.sql"),
    },
    Migration {
        leads_to: SCHEMA_VERSION,
        serves_from: 1,
        statements: include_str!("../migrations/0004_whole.sql"),
    },
];

/// The statements that make the three roles, for whoever administers the database.
pub const ROLES: &str = include_str!("../migrations/roles.sql");

/// The longest name of a role, in bytes: what PostgreSQL keeps of it.
const ROLE_NAME_MAX: usize = 63;

/// The name for the role of a client is longer than PostgreSQL keeps.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the role of {client} would be called {name}, and PostgreSQL keeps {ROLE_NAME_MAX} bytes of a name")]
pub struct RoleNameError {
    /// The client.
    pub client: ClientId,
    /// What the role would be called.
    pub name: String,
}

/// The statements that make a role which sees the rows of one client and nothing else (I12), called `runledger_client_` and
/// the client.
///
/// ```
/// let statements = runledger_postgres::schema::role_of_client(&"acme".parse()?)?;
/// assert!(statements.contains("TO \"runledger_client_acme\" USING (client_id = 'acme')"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`RoleNameError`] when the client's id is too long to name a role by.
pub fn role_of_client(client: &ClientId) -> Result<String, RoleNameError> {
    let name = format!("runledger_client_{client}");
    if name.len() > ROLE_NAME_MAX {
        return Err(RoleNameError {
            client: client.clone(),
            name,
        });
    }
    // An id has letters, digits, '_', '.' and '-': nothing that ends a name or a text of SQL.
    Ok(include_str!("../migrations/client_role.sql")
        .replace("{role}", &name)
        .replace("{client}", client.as_str()))
}

/// Held by whoever changes the schema, so that two do not at once.
const LOCK: i64 = 0x524C_4447;

/// How often it is tried to get the tables for oneself, and how long to wait in between. Whoever waits for them keeps
/// servers waiting, so each try is short ([`Session::Migrate`]).
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);

/// What [`migrate`] did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Migrated {
    /// The schema that was there; 0 when there was no ledger.
    pub from: i32,
    /// The schema that is there now.
    pub to: i32,
    /// The months for which the log got a partition.
    pub months: Vec<String>,
    /// The months for which it got none, because lines of them are in the log already.
    pub months_late: Vec<String>,
}

/// Brings the schema up to date, making the ledger if there is none, and partitions of the log for this month and as many
/// after it as `months_ahead` says.
///
/// # Errors
/// [`OpenError`]: not reached, not allowed, not in UTF-8, in use by somebody who keeps everybody away for long, or newer
/// than this program knows, and then it is left alone (I17).
pub async fn migrate(options: &PostgresOptions, months_ahead: u32) -> Result<Migrated, OpenError> {
    let connection = connect(options).await?;
    let client = &connection.client;
    check_encoding(client).await?;
    for _ in 1..TRIES {
        match migrate_at_once(client, months_ahead).await {
            Err(OpenError::Locked) => {
                client.batch_execute("ROLLBACK").await?;
                tokio::time::sleep(PAUSE).await;
            }
            migrated => return migrated,
        }
    }
    migrate_at_once(client, months_ahead).await
}

/// All of it, or nothing.
async fn migrate_at_once(client: &Client, months_ahead: u32) -> Result<Migrated, OpenError> {
    client.batch_execute("BEGIN").await?;
    client.query("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    client
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS schema_version(
               one boolean PRIMARY KEY DEFAULT true CHECK(one), version integer NOT NULL);
             INSERT INTO schema_version(version) SELECT 0 WHERE NOT EXISTS (SELECT FROM schema_version);",
        )
        .await?;
    let from = found(client).await?;
    if from > SCHEMA_VERSION {
        return Err(OpenError::Newer {
            found: from,
            known: SCHEMA_VERSION,
        });
    }
    for migration in MIGRATIONS.iter().filter(|migration| migration.leads_to > from) {
        client.batch_execute(migration.statements).await?;
        client
            .batch_execute("ALTER TABLE schema_version ADD COLUMN IF NOT EXISTS serves_from integer")
            .await?;
        client
            .execute(
                "UPDATE schema_version SET version = $1, serves_from = $2",
                &[&migration.leads_to, &migration.serves_from],
            )
            .await?;
    }
    let mut migrated = Migrated {
        from,
        to: SCHEMA_VERSION,
        ..Migrated::default()
    };
    make_partitions(client, months_ahead, &mut migrated).await?;
    client.batch_execute("COMMIT").await?;
    Ok(migrated)
}

/// Looks whether the ledger in the database can be used; answers its schema.
///
/// # Errors
/// [`OpenError`].
pub async fn inspect(options: &PostgresOptions) -> Result<i32, OpenError> {
    let connection = connect(options).await?;
    check(&connection.client).await?;
    found(&connection.client).await
}

/// Whether this program can use the ledger.
pub(crate) async fn check(client: &Client) -> Result<(), OpenError> {
    let there = client
        .query("SELECT to_regclass('schema_version') IS NOT NULL", &[])
        .await?;
    let there = there.first().map_or(Ok(false), |row| row.try_get(0))?;
    if !there {
        return Err(OpenError::Absent);
    }
    match found(client).await? {
        0 => Err(OpenError::Absent),
        found if found < SCHEMA_VERSION => Err(OpenError::Older {
            found,
            needed: SCHEMA_VERSION,
        }),
        found if found > SCHEMA_VERSION && !serves(client).await? => Err(OpenError::Newer {
            found,
            known: SCHEMA_VERSION,
        }),
        _ => Ok(()),
    }
}

/// Whether a schema that is newer than this program keeps what this program calls.
async fn serves(client: &Client) -> Result<bool, OpenError> {
    let rows = client.query("SELECT serves_from FROM schema_version", &[]).await?;
    let from: Option<i32> = rows.first().map_or(Ok(None), |row| row.try_get(0))?;
    Ok(from.is_some_and(|from| from <= SCHEMA_VERSION))
}

/// A database keeps its encoding for ever, and one that has a ledger got it from [`migrate`].
async fn check_encoding(client: &Client) -> Result<(), OpenError> {
    let row = client.query_one("SHOW server_encoding", &[]).await?;
    let found: String = row.try_get(0)?;
    if found == "UTF8" {
        Ok(())
    } else {
        Err(OpenError::Encoding { found })
    }
}

async fn found(client: &Client) -> Result<i32, OpenError> {
    let rows = client.query("SELECT version FROM schema_version", &[]).await?;
    Ok(rows.first().map_or(Ok(0), |row| row.try_get(0))?)
}

/// Makes partitions of the log, by the months of the database's clock. Lines that have none lie in the last partition;
/// where some do already, a month stays there as a whole.
async fn make_partitions(client: &Client, months_ahead: u32, migrated: &mut Migrated) -> Result<(), OpenError> {
    let months = client
        .query(
            "SELECT to_char(m, 'YYYY_MM'), (extract(epoch FROM m) * 1000000)::bigint,
                    (extract(epoch FROM m + interval '1 month') * 1000000)::bigint
               FROM generate_series(date_trunc('month', now() AT TIME ZONE 'UTC'),
                 date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => $1), interval '1 month') AS m",
            &[&i32::try_from(months_ahead).unwrap_or(i32::MAX)],
        )
        .await?;
    for row in months {
        let (month, from, to): (String, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let state = client
            .query(
                "SELECT to_regclass('activity_' || $1) IS NOT NULL,
                        EXISTS (SELECT FROM activity_other WHERE at >= $2 AND at < $3)",
                &[&month, &from, &to],
            )
            .await?;
        let (there, late) = state.first().map_or(Ok((true, false)), |row| {
            Ok::<_, tokio_postgres::Error>((row.try_get(0)?, row.try_get(1)?))
        })?;
        if there {
            continue;
        }
        if late {
            migrated.months_late.push(month);
            continue;
        }
        // The name is four digits and two, the bounds are numbers.
        let make = format!("CREATE TABLE activity_{month} PARTITION OF activity FOR VALUES FROM ({from}) TO ({to})");
        client.batch_execute(&make).await?;
        migrated.months.push(month);
    }
    Ok(())
}

async fn connect(options: &PostgresOptions) -> Result<Connection, OpenError> {
    let connector = Connector::new(options)?;
    let within: Duration = options.write_time;
    connector
        .connect(Session::Migrate, within)
        .await
        .map_err(|error| match error {
            StoreError::NotOpen(error) => error,
            error => OpenError::Database {
                reason: error.to_string(),
            },
        })
}
