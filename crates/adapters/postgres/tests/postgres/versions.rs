//! Servers of two versions over one database, as while one after the other is replaced.
//!
//! The newer one is made of this program and a schema that comes after its own: the schema keeps something more with every
//! call, so it has write functions of its own, which this program reaches under the names that it knows. The older one
//! is this program as it is, with the functions of its own schema.

use std::sync::Arc;

use runledger_contract::{Handles, OpenStore, Support, Writers};
use runledger_domain::RunRecord;
use runledger_ports::{ActivityWatch as _, CreateOutcome, RunChanger as _, RunReader as _};
use runledger_postgres::{OpenError, PostgresStore, schema};

use crate::bed::{Database, Schema, connect, options};
use crate::several::{JOB, add, chain, create, key, open, until_waiting};

/// What the migration of the newer version does: it adds, and changes nothing that is called.
const MIGRATION: &str = r"
CREATE SCHEMA next;
CREATE TABLE trail(place bigint GENERATED ALWAYS AS IDENTITY, last_seq bigint NOT NULL);
ALTER TABLE run ADD COLUMN remark text;
DO $$
DECLARE
  v_function record;
BEGIN
  FOR v_function IN
    SELECT oid, proname, pg_get_function_arguments(oid) AS arguments,
        (SELECT string_agg('$' || place, ', ') FROM generate_series(1, pronargs) AS place) AS given
      FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'ledger\_write\_v%'
  LOOP
    EXECUTE format('CREATE FUNCTION next.%I(%s) LANGUAGE plpgsql AS $f$ BEGIN
      SELECT w.stale, w.last_seq, w.first_record INTO STRICT stale, last_seq, first_record FROM public.%I(%s) AS w;
      INSERT INTO public.trail(last_seq) VALUES(last_seq);
    END $f$', v_function.proname, v_function.arguments, v_function.proname, v_function.given);
  END LOOP;
END $$;";

/// Migrates as the newer program would.
pub(crate) async fn bring_forward(database: &Database) {
    let admin = connect(&database.url()).await;
    let version = format!(
        "UPDATE schema_version SET version = {}, serves_from = {}",
        schema::SCHEMA_VERSION + 1,
        schema::SCHEMA_VERSION
    );
    admin.batch_execute(&format!("{MIGRATION} {version}")).await.unwrap();
}

/// The older server and the newer one.
async fn both(database: &Database) -> [Arc<PostgresStore>; 2] {
    let newer = format!("{}?options=-csearch_path%3Dnext,public", database.url());
    [open(&database.url()).await, open(&newer).await]
}

/// A ledger at two servers, of which one creates and the other changes what was created.
struct SideBySide {
    database: Database,
    stores: [Arc<PostgresStore>; 2],
    newer_creates: bool,
}

#[async_trait::async_trait]
impl OpenStore for SideBySide {
    fn handles(&self) -> Handles {
        let [older, newer] = self.stores.each_ref().map(Handles::of);
        let (one, other) = if self.newer_creates {
            (newer, older)
        } else {
            (older, newer)
        };
        Handles {
            changer: other.changer,
            deliveries: other.deliveries,
            watch: other.watch,
            leases: other.leases,
            ..one
        }
    }

    async fn reopen(&mut self) -> Support {
        for store in &self.stores {
            store.close().await;
        }
        self.stores = both(&self.database).await;
        Support::Done
    }

    async fn crash(&mut self) -> Support {
        self.stores = both(&self.database).await;
        Support::Done
    }

    fn writers(&self) -> Writers {
        Writers::Several
    }

    async fn doubt(&mut self) -> Support {
        Support::Missing
    }

    async fn stop(&mut self) -> Support {
        for store in &self.stores {
            store.close().await;
        }
        Support::Done
    }
}

async fn side_by_side(newer_creates: bool) -> SideBySide {
    let database = Database::fresh_with(Schema::Next).await;
    let stores = both(&database).await;
    SideBySide {
        database,
        stores,
        newer_creates,
    }
}

mod newer_creates {
    runledger_contract::store_contract_tests!(|| super::side_by_side(true), histories = 8);
}

mod older_creates {
    runledger_contract::store_contract_tests!(|| super::side_by_side(false), histories = 8);
}

/// What a program of each schema before asks of the database, as one sent it, apart by empty lines; of each what it asks
/// beyond those before it. What is asked no more stays here until a migration no longer serves that schema.
const SERVED: [(i32, &str); 2] = [
    (2, include_str!("served/schema_2.sql")),
    (3, include_str!("served/schema_3.sql")),
];

/// A column or a function that a migration takes away would be missed by a server that nobody has replaced yet.
#[tokio::test]
async fn what_programs_of_the_schemas_before_ask_is_understood_for_as_long_as_they_are_served() {
    let database = Database::fresh().await;
    let client = connect(&database.url()).await;
    let row = client
        .query_one("SELECT serves_from FROM schema_version", &[])
        .await
        .unwrap();
    let serves_from: i32 = row.get(0);
    for (schema, statements) in SERVED.iter().filter(|(schema, _)| *schema >= serves_from) {
        for statement in statements.split("\n\n") {
            let understood = client.prepare(statement).await;
            assert!(understood.is_ok(), "schema {schema}: {statement}: {understood:?}");
        }
    }
}

fn record(outcome: &CreateOutcome) -> &RunRecord {
    match outcome {
        CreateOutcome::Created(record) | CreateOutcome::Replayed(record) => record,
        CreateOutcome::Conflict { existing, .. } => existing,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_older_and_a_newer_server_race_for_the_same_keys_and_records() {
    let database = Database::fresh_with(Schema::Next).await;
    let admin = connect(&database.url()).await;
    admin.batch_execute("TRUNCATE trail").await.unwrap();
    let stores = both(&database).await;
    let (callers, rounds) = (16, 8);
    let working: Vec<_> = (0..callers)
        .map(|caller| {
            let store = Arc::clone(&stores[caller % 2]);
            tokio::spawn(async move {
                let mut created = 0;
                for round in 0..rounds {
                    let run = format!("25092{round}-231841");
                    let outcome = create(&store, &run, &format!("attempt-{caller}")).await.unwrap();
                    created += u32::from(matches!(outcome, CreateOutcome::Created(_)));
                    assert_eq!(record(&outcome).key(), &key(&run));
                    let id = format!("update-{caller}");
                    store.change(add(&run, Some(&id))).await.unwrap();
                }
                created
            })
        })
        .collect();
    let mut created = 0;
    for caller in working {
        created += caller.await.unwrap();
    }
    assert_eq!(created, rounds, "one creation for each key");
    for round in 0..rounds {
        let found = stores[0]
            .get(&key(&format!("25092{round}-231841")))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.version(), 1 + callers as u64);
    }
    let lines = chain(&stores[0]).await;
    assert_eq!(lines, u64::from(rounds) * callers as u64 * 2);
    let trail = admin
        .query_one("SELECT count(*), count(DISTINCT last_seq) FROM trail", &[])
        .await
        .unwrap();
    let (calls, distinct): (i64, i64) = (trail.get(0), trail.get(1));
    assert!(
        calls > 0 && distinct < i64::try_from(lines).unwrap(),
        "both kinds of functions were called: {calls}"
    );
}

/// What a migration that no longer serves the servers before it does to one that is still at work.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_the_schema_no_longer_serves_writes_nothing_and_says_which_program_is_needed() {
    let server = crate::bed::server();
    let admin = connect(&server.url("postgres", "postgres")).await;
    admin.batch_execute("CREATE DATABASE not_served").await.unwrap();
    let url = server.url("not_served", "postgres");
    schema::migrate(&options(&url), 0).await.unwrap();
    let store = open(&url).await;
    let _created = create(&store, JOB, "attempt-1").await.unwrap();
    let admin = connect(&url).await;
    admin
        .batch_execute(
            "ALTER FUNCTION ledger_write_v1 RENAME TO ledger_write_v9;
             UPDATE schema_version SET version = 99, serves_from = 99;",
        )
        .await
        .unwrap();
    let refused = store.change(add(JOB, None)).await.unwrap_err();
    assert!(refused.to_string().contains("newer program"), "{refused}");
    let refused = create(&store, "250926-231841", "attempt-1").await.unwrap_err();
    assert!(refused.to_string().contains("newer program"), "{refused}");
    assert_eq!(store.last_line().await, Ok(1));
    let opened = PostgresStore::open(options(&url)).await;
    assert!(matches!(opened, Err(OpenError::Newer { found: 99, .. })), "{opened:?}");
}

/// A back-up holds the tables for as long as it takes: a migration that waited for it would keep all servers waiting.
#[tokio::test(flavor = "multi_thread")]
async fn servers_go_on_while_a_migration_waits_for_a_table() {
    let server = crate::bed::server();
    let admin = connect(&server.url("postgres", "postgres")).await;
    admin.batch_execute("CREATE DATABASE in_use").await.unwrap();
    let url = server.url("in_use", "postgres");
    schema::migrate(&options(&url), 0).await.unwrap();
    let store = open(&url).await;
    let backup = connect(&url).await;
    backup.batch_execute("BEGIN; SELECT FROM activity").await.unwrap();
    let migrating = tokio::spawn({
        let options = options(&url);
        async move { schema::migrate(&options, 1).await }
    });
    let looking = connect(&url).await;
    for number in 0..4 {
        until_waiting(&looking, 1).await;
        let created = create(&store, &format!("25092{number}-231841"), "attempt-1").await;
        assert!(matches!(created, Ok(CreateOutcome::Created(_))), "{created:?}");
    }
    assert!(!migrating.is_finished());
    backup.batch_execute("COMMIT").await.unwrap();
    let migrated = migrating.await.unwrap().unwrap();
    assert_eq!(migrated.months.len(), 1);
}
