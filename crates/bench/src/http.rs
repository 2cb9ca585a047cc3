//! The server over HTTP: durable creates against the floor, reads against a constant answer, replays against creates.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::client::{Connection, Server, get, post};
use crate::load::{Plan, closed_loop, median, median_ratio};
use crate::store::measure_floor;

static NEXT: AtomicU64 = AtomicU64::new(1);

#[derive(Clone, Copy)]
enum Kind {
    Create,
    Replay,
    Get,
    Constant,
}

/// Measures and prints.
pub(crate) fn run(plan: &Plan, binary: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    // One thread keeps all connections busy, and leaves the rest of the machine to the server.
    let load = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for connections in [1_usize, 16, 64] {
        let mut rates: [Vec<f64>; 5] = std::array::from_fn(|_| Vec::new());
        for _ in 0..plan.rounds {
            let directory = tempfile::tempdir_in(&plan.directory)?;
            let server = Server::start(binary, directory.path())?;
            for (at, kind) in [Kind::Create, Kind::Replay, Kind::Get, Kind::Constant]
                .into_iter()
                .enumerate()
            {
                rates[at].push(load.block_on(measure(server.address, kind, connections, plan.window))?);
            }
            server.stop()?;
            rates[4].push(runtime.block_on(measure_floor(plan, connections))?);
        }
        let [create, replay, read, constant, floor] = &rates;
        println!(
            "http, {connections:>2} connections: create {:>7.0}/s  replay {:>7.0}/s  get {:>7.0}/s  constant {:>7.0}/s  floor {:>7.0}/s",
            median(create),
            median(replay),
            median(read),
            median(constant),
            median(floor)
        );
        println!(
            "      ratios: create/floor {:.2} (at least 0.5 at 16 and 64)  get/constant {:.2} (at least 0.6 at 64)  replay/create {:.2} (at least 3)",
            median_ratio(create, floor),
            median_ratio(read, constant),
            median_ratio(replay, create),
        );
    }
    Ok(())
}

async fn measure(address: SocketAddr, kind: Kind, connections: usize, window: Duration) -> anyhow::Result<f64> {
    let mut first = Connection::open(address).await?;
    let body = r#"{"run_id":"bench_replayed"}"#;
    let replay = post("/v1/runs", "bench-replayed", body);
    first.exchange(&replay).await?;
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Mutex::new(Connection::open(address).await?));
    }
    let open = Arc::new(open);
    let fixed = Arc::new(match kind {
        Kind::Replay => replay,
        Kind::Get => get("/v1/runs/bench_replayed"),
        Kind::Create | Kind::Constant => get("/livez"),
    });
    Ok(closed_loop(connections, window, move |caller| {
        let (open, fixed) = (Arc::clone(&open), Arc::clone(&fixed));
        async move {
            let mut connection = open[caller].lock().await;
            let status = if let Kind::Create = kind {
                let number = NEXT.fetch_add(1, Ordering::Relaxed);
                let body = format!(r#"{{"run_id":"bench_run_{number:012}"}}"#);
                connection
                    .exchange(&post("/v1/runs", &format!("bench-{number}"), &body))
                    .await
            } else {
                connection.exchange(&fixed).await
            };
            let expected = if let Kind::Create = kind { 201 } else { 200 };
            assert_eq!(status.expect("the server answers"), expected);
        }
    })
    .await)
}
