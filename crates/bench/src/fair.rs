//! Fairness: how long one client's changes take beside a neighbour that sends its share, and beside one that sends a
//! hundred times that.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::client::{Connection, Server, post, send};
use crate::load::{Plan, median, now};

const NEIGHBOURS: [usize; 2] = [1, 100];

/// Measures and prints.
pub(crate) fn run(plan: &Plan, binary: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let (mut quiet, mut flooded, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let directory = tempfile::tempdir_in(&plan.directory)?;
        let server = Server::start(binary, directory.path())?;
        runtime.block_on(set_up(server.address))?;
        let [one, hundred] = NEIGHBOURS;
        let beside_one = runtime.block_on(measure(server.address, one, plan.window))?;
        let beside_many = runtime.block_on(measure(server.address, hundred, plan.window))?;
        server.stop()?;
        ratios.push(beside_many.p99 / beside_one.p99);
        quiet.push(beside_one);
        flooded.push(beside_many);
    }
    for (what, measured) in [("its share", &quiet), ("100 times its share", &flooded)] {
        let middle = |of: fn(&Measured) -> f64| median(&measured.iter().map(of).collect::<Vec<_>>());
        println!(
            "one client beside a neighbour that sends {what}: p50 {:.2} ms, p99 {:.2} ms; the neighbour {:.0}/s",
            middle(|m| m.p50),
            middle(|m| m.p99),
            middle(|m| m.neighbour)
        );
    }
    println!("      ratio of the p99: {:.2} (at most 3)", median(&ratios));
    Ok(())
}

struct Measured {
    p50: f64,
    p99: f64,
    neighbour: f64,
}

async fn set_up(address: SocketAddr) -> anyhow::Result<()> {
    let mut connection = Connection::open(address).await?;
    let bodies = [
        ("/v1/runs", r#"{"run_id":"bench_fair"}"#),
        (
            "/v1/runs/bench_fair/clients",
            r#"{"clients":[{"client_id":"one"},{"client_id":"flood"}]}"#,
        ),
    ];
    for (path, body) in bodies {
        let status = connection.exchange(&post(path, "bench-fair", body)).await?;
        anyhow::ensure!(status == 201, "{path} answered {status}");
    }
    Ok(())
}

fn change(client: &str) -> Vec<u8> {
    let path = format!("/v1/runs/bench_fair/clients/{client}");
    send("PATCH", &path, r#"{"metrics":{"add":{"n":1}}}"#)
}

async fn measure(address: SocketAddr, neighbours: usize, window: Duration) -> anyhow::Result<Measured> {
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut tasks = Vec::new();
    for _ in 0..neighbours {
        let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
        let mut connection = Connection::open(address).await?;
        tasks.push(tokio::spawn(async move {
            let request = change("flood");
            while !stop.load(Ordering::Relaxed) {
                // A flood that is shed goes on.
                let status = connection.exchange(&request).await?;
                anyhow::ensure!(matches!(status, 200 | 429 | 503), "the neighbour was answered {status}");
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }));
    }
    let mut connection = Connection::open(address).await?;
    let request = change("one");
    let mut taken = Vec::new();
    let began = now();
    while began.elapsed() < window {
        let sent = now();
        let status = connection.exchange(&request).await?;
        anyhow::ensure!(status == 200, "the client was answered {status}");
        taken.push(sent.elapsed().as_secs_f64() * 1e3);
        // A share, not a flood.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await??;
    }
    taken.sort_by(f64::total_cmp);
    let at = |part: usize| taken.get(taken.len() * part / 100).copied().unwrap_or(f64::NAN);
    #[expect(clippy::cast_precision_loss, reason = "a rate, for people")]
    let neighbour = done.load(Ordering::Relaxed) as f64 / window.as_secs_f64();
    Ok(Measured {
        p50: at(50),
        p99: at(99),
        neighbour,
    })
}
