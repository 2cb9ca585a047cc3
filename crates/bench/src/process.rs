//! The server as a process: memory, time to the first create, restart, and whether anything grows with the ledger.

use std::path::Path;

use crate::client::{Connection, Server, get, post};
use crate::load::{Plan, median, now};

const SMALL: u64 = 10_000;
const MIDDLE: u64 = 50_000;
/// Clients of one call when a ledger is filled.
const BATCH: u64 = 500;

/// Measures and prints.
pub(crate) fn run(plan: &Plan, binary: &Path, records: u64) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut first_create = Vec::new();
    let mut at_start = Vec::new();
    for _ in 0..plan.rounds {
        let directory = tempfile::tempdir_in(&plan.directory)?;
        let began = now();
        let server = Server::start(binary, directory.path())?;
        runtime.block_on(create(&server, "bench_first"))?;
        first_create.push(began.elapsed().as_secs_f64());
        at_start.push(server.memory_mib()?);
        server.stop()?;
    }
    println!(
        "empty directory to first acknowledged create: {:.3} s (at most 0.2)",
        median(&first_create)
    );
    println!("memory at start: {:.1} MiB (at most 20)", median(&at_start));

    let directory = tempfile::tempdir_in(&plan.directory)?;
    let server = Server::start(binary, directory.path())?;
    runtime.block_on(fill(&server, 0, SMALL))?;
    let small = runtime.block_on(read_times(&server))?;
    runtime.block_on(fill(&server, SMALL, MIDDLE))?;
    println!(
        "memory with {MIDDLE} records: {:.1} MiB (at most 60)",
        server.memory_mib()?
    );
    server.stop()?;
    let mut restart = Vec::new();
    for round in 0..plan.rounds {
        let began = now();
        let server = Server::start(binary, directory.path())?;
        runtime.block_on(create(&server, &format!("bench_restart_{round}")))?;
        restart.push(began.elapsed().as_secs_f64());
        server.stop()?;
    }
    println!(
        "restart with {MIDDLE} records to first create: {:.3} s (at most 0.1)",
        median(&restart)
    );

    let server = Server::start(binary, directory.path())?;
    runtime.block_on(fill(&server, MIDDLE, records))?;
    let large = runtime.block_on(read_times(&server))?;
    println!("memory with {records} records: {:.1} MiB", server.memory_mib()?);
    server.stop()?;
    for ((what, small), (_, large)) in small.iter().zip(&large) {
        println!(
            "{what}: {small:.0} us at {SMALL} records, {large:.0} us at {records}, ratio {:.2}",
            large / small
        );
    }
    Ok(())
}

async fn create(server: &Server, run: &str) -> anyhow::Result<()> {
    let mut connection = Connection::open(server.address).await?;
    let status = connection
        .exchange(&post("/v1/runs", run, &format!(r#"{{"run_id":"{run}"}}"#)))
        .await?;
    anyhow::ensure!(status == 201, "create answered {status}");
    Ok(())
}

/// Fills the ledger from `from` to `to` records: jobs with a batch of clients each.
async fn fill(server: &Server, from: u64, to: u64) -> anyhow::Result<()> {
    let mut connection = Connection::open(server.address).await?;
    let mut at = from;
    while at < to {
        let run = format!("bench_fill_{at:010}");
        let status = connection
            .exchange(&post("/v1/runs", &run, &format!(r#"{{"run_id":"{run}"}}"#)))
            .await?;
        anyhow::ensure!(status == 201, "create answered {status}");
        let clients: Vec<_> = (1..BATCH.min(to - at))
            .map(|client| format!(r#"{{"client_id":"client-{client:04}","client_name":"Client {client}"}}"#))
            .collect();
        if !clients.is_empty() {
            let body = format!(r#"{{"clients":[{}]}}"#, clients.join(","));
            let status = connection
                .exchange(&post(&format!("/v1/runs/{run}/clients"), &run, &body))
                .await?;
            anyhow::ensure!(status == 201, "create of clients answered {status}");
        }
        at += clients.len() as u64 + 1;
    }
    Ok(())
}

/// Median microseconds of reads that must not grow with the ledger.
async fn read_times(server: &Server) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let mut connection = Connection::open(server.address).await?;
    let reads = [
        ("get", "/v1/runs/bench_fill_0000000000/clients/client-0007"),
        ("list page", "/v1/records?limit=50"),
        ("list page of a client", "/v1/records?client_id=client-0007&limit=15"),
        ("list page of open records", "/v1/records?open=true&limit=50"),
        ("list page of jobs", "/v1/records?kind=job&limit=15"),
        ("summary", "/v1/runs/bench_fill_0000000000/summary"),
        ("stalled", "/v1/stalled?limit=50"),
        ("activity page", "/v1/activity?limit=50"),
    ];
    let mut times = Vec::new();
    for (what, path) in reads {
        let request = get(path);
        let mut taken = Vec::new();
        for _ in 0..300 {
            let began = now();
            let status = connection.exchange(&request).await?;
            anyhow::ensure!(status == 200, "{path} answered {status}");
            taken.push(began.elapsed().as_secs_f64() * 1e6);
        }
        times.push((what, median(&taken)));
    }
    Ok(times)
}
