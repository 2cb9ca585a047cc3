//! The store over PostgreSQL, against pgbench on the same server: with the very statement that the store sends for a lone
//! creation, and with the two bare inserts that it comes to, without a chain and without guards.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use runledger_domain::CreationPolicy;
use runledger_ports::{ActivityWatch as _, CreateOutcome, RunCreator as _, RunReader as _};
use runledger_postgres::{PostgresOptions, PostgresStore, schema};
use runledger_postgres_bed::{Options, Server};
use tokio_postgres::{Client, NoTls};

use crate::load::{Plan, closed_loop, median, median_ratio, now};
use crate::store::permit;

const CALLERS: [usize; 3] = [1, 16, 64];
/// How many lines are followed for one median.
const LINES_FOLLOWED: usize = 50;

/// One creation by the statement of the store. Each client of pgbench is a server of its own, and time numbers its calls.
const ONE_CREATION: &str = "\\set n random(1, 1000000000000)
SELECT stale, last_seq, first_record FROM ledger_write_v1(:client_id + 1,
  (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, '{}', '{}', '{}', '{}', '{}', '{}',
  '{0}', ARRAY['bench_' || :n], '{\"\"}', '{1}', '{1}', '{1}', '{NULL}', ARRAY[:body], '{NULL}', '{NULL}',
  '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
  '{}', '{0}', '{1}', '{create}', '{orchestrator}', ARRAY['bench_' || :n], '{\"\"}', '{created}', '{\"\"}', '{1}', '{\"\"}',
  ARRAY[decode(repeat('00', 110), 'hex')]);
";

/// The same rows, and nothing else.
const BARE_INSERTS: &str = "\\set n random(1, 1000000000000)
WITH new AS (INSERT INTO bare_run(run_id, client_id, status, version, deadline, body)
  VALUES('bench_' || :n, '', 1, 1, 1, :body) RETURNING id)
INSERT INTO bare_activity SELECT id, 1, 'create', 'orchestrator', 'bench_' || :n, '', 'created', '', 1, '',
  decode(repeat('00', 32), 'hex') FROM new;
";

/// Measures and prints.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let server = Server::start(&Options {
        fsync: true,
        settings: vec!["shared_buffers = 512MB".into(), "max_wal_size = 4GB".into()],
    })?;
    let url = server.url("postgres", "postgres");
    let options = PostgresOptions::new(url.parse()?);
    let body = runtime.block_on(async {
        schema::migrate(&options, 0).await?;
        let client = connect(&url).await?;
        client
            .batch_execute(
                "CREATE TABLE bare_run(LIKE run INCLUDING ALL); CREATE TABLE bare_activity(LIKE activity INCLUDING ALL);
                 ALTER TABLE bare_run ALTER id ADD GENERATED ALWAYS AS IDENTITY;
                 INSERT INTO opening(call) SELECT 0 FROM generate_series(1, 64);",
            )
            .await?;
        let policy = CreationPolicy::default();
        anyhow::Ok(serde_json::to_string(permit(&policy).record())?)
    })?;
    let script = |text: &str| -> anyhow::Result<tempfile::NamedTempFile> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), text.replace(":body", &format!("'{body}'")))?;
        Ok(file)
    };
    let (same, bare) = (script(ONE_CREATION)?, script(BARE_INSERTS)?);
    for callers in CALLERS {
        let (mut ours, mut one_by_one, mut inserts) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..plan.rounds {
            ours.push(runtime.block_on(measure_creates(plan, &options, callers))?);
            one_by_one.push(pgbench(&server, plan, same.path(), callers)?);
            inserts.push(pgbench(&server, plan, bare.path(), callers)?);
        }
        println!(
            "postgres create, {callers:>3} callers: {:>7.0}/s  pgbench, same statement {:>7.0}/s  ratio {:.2}  pgbench, bare \
             inserts {:>7.0}/s  ratio {:.2}",
            median(&ours),
            median(&one_by_one),
            median_ratio(&ours, &one_by_one),
            median(&inserts),
            median_ratio(&ours, &inserts),
        );
    }
    for callers in CALLERS {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..plan.rounds {
            with.push(runtime.block_on(measure_followed_creates(plan, &noticed(&options, true), callers))?);
            without.push(runtime.block_on(measure_followed_creates(plan, &noticed(&options, false), callers))?);
        }
        println!(
            "postgres create, followed at another server, {callers:>3} callers: {:>7.0}/s with notices, {:>7.0}/s without, \
             ratio {:.2}",
            median(&with),
            median(&without),
            median_ratio(&with, &without),
        );
    }
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        with.push(runtime.block_on(measure_following(&noticed(&options, true)))?);
        without.push(runtime.block_on(measure_following(&noticed(&options, false)))?);
    }
    println!(
        "postgres, from the answer to a creation until another server tells of it, median: {:.2} ms with notices, {:.2} ms \
         without, ratio {:.1}",
        median(&with),
        median(&without),
        median_ratio(&without, &with),
    );
    for callers in CALLERS {
        let mut reads = Vec::new();
        for _ in 0..plan.rounds {
            reads.push(runtime.block_on(measure_reads(plan, &options, callers))?);
        }
        println!("postgres get, {callers:>3} callers: {:>7.0}/s", median(&reads));
    }
    Ok(())
}

async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn measure_creates(plan: &Plan, options: &PostgresOptions, callers: usize) -> anyhow::Result<f64> {
    let store = Arc::new(PostgresStore::open(options.clone()).await?);
    let policy = Arc::new(CreationPolicy::default());
    let held = Arc::clone(&store);
    let rate = closed_loop(callers, plan.window, move |_| {
        let (store, policy) = (Arc::clone(&held), Arc::clone(&policy));
        async move {
            let outcomes = store.create(vec![permit(&policy)]).await.expect("the store creates");
            assert!(matches!(outcomes[..], [CreateOutcome::Created(_)]));
        }
    })
    .await;
    store.close().await;
    Ok(rate)
}

fn noticed(options: &PostgresOptions, notices: bool) -> PostgresOptions {
    PostgresOptions {
        notices,
        ..options.clone()
    }
}

/// Creations a second at one server, while somebody follows the log at another.
async fn measure_followed_creates(plan: &Plan, options: &PostgresOptions, callers: usize) -> anyhow::Result<f64> {
    let other = Arc::new(PostgresStore::open(options.clone()).await?);
    let mut after = other.last_line().await?;
    let following = tokio::spawn({
        let other = Arc::clone(&other);
        async move {
            while let Ok(line) = other.grown(after).await {
                after = line;
            }
        }
    });
    let rate = measure_creates(plan, options, callers).await;
    following.abort();
    other.close().await;
    rate
}

/// The median time in milliseconds from the answer to a creation until another server tells of its line.
async fn measure_following(options: &PostgresOptions) -> anyhow::Result<f64> {
    let (one, other) = (
        PostgresStore::open(options.clone()).await?,
        Arc::new(PostgresStore::open(options.clone()).await?),
    );
    let policy = CreationPolicy::default();
    let mut took = Vec::new();
    for _ in 0..LINES_FOLLOWED {
        let after = other.last_line().await?;
        let following = tokio::spawn({
            let other = Arc::clone(&other);
            async move { other.grown(after).await.map(|_| now()) }
        });
        // Whoever follows has been waiting for a while, and looks at no particular moment.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let _created = one.create(vec![permit(&policy)]).await?;
        let answered = now();
        let told = following.await??;
        took.push(told.saturating_duration_since(answered).as_secs_f64() * 1_000.0);
    }
    one.close().await;
    other.close().await;
    Ok(median(&took))
}

async fn measure_reads(plan: &Plan, options: &PostgresOptions, callers: usize) -> anyhow::Result<f64> {
    let store = Arc::new(PostgresStore::open(options.clone()).await?);
    let new = permit(&CreationPolicy::default());
    let key = new.key().clone();
    let _created = store.create(vec![new]).await?;
    let held = Arc::clone(&store);
    let rate = closed_loop(callers, plan.window, move |_| {
        let (store, key) = (Arc::clone(&held), key.clone());
        async move {
            let found = store.get(&key).await.expect("the store reads");
            assert!(found.is_some());
        }
    })
    .await;
    store.close().await;
    Ok(rate)
}

/// Transactions a second of a script.
fn pgbench(server: &Server, plan: &Plan, script: &Path, clients: usize) -> anyhow::Result<f64> {
    let pgbench = server.programs().join("pgbench");
    let seconds = plan.window.as_secs().max(1).to_string();
    let ran = Command::new(&pgbench)
        .args(["-n", "-M", "prepared", "-j", "2", "-T", &seconds, "-c", &clients.to_string(), "-f"])
        .arg(script)
        .arg(server.url("postgres", "postgres"))
        .env(
            "PGOPTIONS",
            "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c plan_cache_mode=force_generic_plan -c jit=off",
        )
        .output()
        .with_context(|| format!("{} cannot be run", pgbench.display()))?;
    let said = String::from_utf8_lossy(&ran.stdout);
    let tps = said
        .lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next()?.parse().ok());
    match tps {
        Some(tps) if ran.status.success() => Ok(tps),
        _ => bail!("pgbench failed: {said}{}", String::from_utf8_lossy(&ran.stderr)),
    }
}
