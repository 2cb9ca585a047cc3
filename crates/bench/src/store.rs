//! The store in process: durable creates with their lines, against the floor.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use runledger_app::system::SystemClock;
use runledger_domain::creation::{CreateDecision, JobEvidence};
use runledger_domain::{ClientLoad, CreationIntent, CreationPermit, CreationPolicy, RunKey};
use runledger_embedded::{EmbeddedOptions, EmbeddedStore};
use runledger_ports::{Clock as _, CreateOutcome, RunCreator as _};
use tempfile::TempDir;

use crate::floor::{Floor, GroupCommit, Row};
use crate::load::{Plan, closed_loop, median, median_ratio, now};

static NEXT: AtomicI64 = AtomicI64::new(1);

/// Measures and prints.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    for callers in [1_usize, 16, 64] {
        let (mut ours, mut floor) = (Vec::new(), Vec::new());
        for _ in 0..plan.rounds {
            ours.push(runtime.block_on(measure_store(plan, callers))?);
            floor.push(runtime.block_on(measure_floor(plan, callers))?);
        }
        println!(
            "store create, {callers:>3} callers: {:>8.0}/s  floor (group commit) {:>8.0}/s  ratio {:.2}",
            median(&ours),
            median(&floor),
            median_ratio(&ours, &floor)
        );
    }
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        ours.push(runtime.block_on(measure_store(plan, 1))?);
        bare.push(measure_bare(plan)?);
    }
    println!(
        "store create, one caller: {:.0} us  bare commit {:.0} us  ratio {:.2} (at most 1.2)",
        1e6 / median(&ours),
        1e6 / median(&bare),
        median_ratio(&bare, &ours)
    );
    Ok(())
}

fn fresh(plan: &Plan) -> anyhow::Result<TempDir> {
    Ok(tempfile::tempdir_in(&plan.directory)?)
}

fn run_id() -> String {
    format!("bench_run_{:012}", NEXT.fetch_add(1, Ordering::Relaxed))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the benchmark stands in for the creation point"
)]
pub(crate) fn permit(policy: &CreationPolicy) -> CreationPermit {
    let run = run_id();
    let attempt = format!("attempt-{run}").parse().expect("an attempt id");
    let key = RunKey::Job(run.parse().expect("a run id"));
    let source = "orchestrator".parse().expect("a source");
    policy
        .authorise(CreationIntent::new(key, source, attempt, SystemClock.now()))
        .expect("the policy allows it")
}

/// The row that the store would write, made ready.
fn row(policy: &CreationPolicy) -> Row {
    let CreateDecision::Insert(new) = permit(policy).decide(None, JobEvidence::Missing, ClientLoad::default()) else {
        unreachable!("the key is free")
    };
    Row {
        run: new.record().key().run().as_str().to_owned(),
        at: new.record().updated_at().as_micros(),
        body: serde_json::to_string(new.record()).expect("a record is written as JSON"),
    }
}

async fn measure_store(plan: &Plan, callers: usize) -> anyhow::Result<f64> {
    let directory = fresh(plan)?;
    let store = Arc::new(EmbeddedStore::open(directory.path(), EmbeddedOptions::default())?);
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
    store.close();
    Ok(rate)
}

fn empty_ledger(plan: &Plan) -> anyhow::Result<(TempDir, PathBuf)> {
    let directory = fresh(plan)?;
    EmbeddedStore::open(directory.path(), EmbeddedOptions::default())?.close();
    let path = directory.path().to_owned();
    Ok((directory, path))
}

pub(crate) async fn measure_floor(plan: &Plan, callers: usize) -> anyhow::Result<f64> {
    let (_directory, path) = empty_ledger(plan)?;
    let floor = Arc::new(GroupCommit::start(Floor::open(&path)?));
    let policy = Arc::new(CreationPolicy::default());
    Ok(closed_loop(callers, plan.window, move |_| {
        let (floor, policy) = (Arc::clone(&floor), Arc::clone(&policy));
        async move { floor.insert(row(&policy)).await }
    })
    .await)
}

fn measure_bare(plan: &Plan) -> anyhow::Result<f64> {
    let (_directory, path) = empty_ledger(plan)?;
    let mut floor = Floor::open(&path)?;
    let policy = CreationPolicy::default();
    let began = now();
    let mut count = 0_u32;
    while began.elapsed() < plan.window {
        floor.commit(&[row(&policy)])?;
        count += 1;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}
