//! A soak: hours of a night's work in a row, at four fifths of what the server can take, to see whether memory grows and
//! whether what was acknowledged is there at the end.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Connection, Server, get, post, send};
use crate::load::{Plan, now};

const CALLERS: u64 = 32;
/// Readers that follow the activity log all the while.
const STREAMS: usize = 2;
/// How long the peak is measured.
const PEAK: Duration = Duration::from_secs(20);
/// The part of the peak that the soak sends.
const SHARE: f64 = 0.8;
/// How much more memory the end may have than the middle, in MiB: the registry, the store's page caches and the
/// allocator are full by then, so what is left is noise. A leak of ten bytes a request would be hundreds.
const GROWTH_MAX_MIB: f64 = 16.0;

/// Measures and prints.
///
/// # Errors
/// When an answer is not the expected one, memory grows, or a record that was acknowledged is missing.
pub(crate) fn run(plan: &Plan, binary: &Path, minutes: f64) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let directory = tempfile::tempdir_in(&plan.directory)?;
    let server = Server::start(binary, directory.path())?;
    println!("memory at start: {:.1} MiB", server.memory_mib()?);
    let streams_ended = Arc::new(AtomicBool::new(false));
    for _ in 0..STREAMS {
        let (address, ended) = (server.address, Arc::clone(&streams_ended));
        runtime.spawn(async move {
            if let Err(error) = follow(address).await {
                eprintln!("a stream of events: {error}");
            }
            ended.store(true, Ordering::Relaxed);
        });
    }
    let acknowledged = Arc::new(AtomicU64::new(0));
    let (requests, taken) = runtime.block_on(play(server.address, 0, None, PEAK, &acknowledged))?;
    let peak = rate(requests, taken);
    println!("peak: {peak:.0} requests/s over {CALLERS} connections, one in {LIFE} of them a create");
    let length = Duration::from_secs_f64(minutes * 60.0);
    let samples = [1.0 / 6.0, 0.5, 1.0].map(|part| length.mul_f64(part));
    let playing = runtime.spawn({
        let (address, acknowledged) = (server.address, Arc::clone(&acknowledged));
        async move { play(address, 1, Some(peak * SHARE), length, &acknowledged).await }
    });
    let began = now();
    let mut memory = [0.0; 3];
    for (at, memory) in samples.iter().zip(&mut memory) {
        // The last look is a moment before the load ends.
        std::thread::sleep((*at).saturating_sub(began.elapsed() + Duration::from_secs(1)));
        *memory = server.memory_mib()?;
        println!(
            "memory after {:.1} min: {memory:.1} MiB",
            began.elapsed().as_secs_f64() / 60.0
        );
    }
    let (requests, taken) = runtime.block_on(playing)??;
    println!(
        "soak: {requests} requests, {:.0}/s ({:.2} of the peak)",
        rate(requests, taken),
        rate(requests, taken) / peak
    );
    anyhow::ensure!(
        !streams_ended.load(Ordering::Relaxed),
        "a stream of events ended during the soak"
    );
    server.stop()?;
    check(binary, directory.path(), acknowledged.load(Ordering::Relaxed))?;
    let [_, middle, end] = memory;
    anyhow::ensure!(
        end - middle <= GROWTH_MAX_MIB,
        "memory grew by {:.1} MiB in the second half (at most {GROWTH_MAX_MIB})",
        end - middle
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a rate, for people")]
fn rate(requests: u64, taken: Duration) -> f64 {
    requests as f64 / taken.as_secs_f64()
}

/// Every record that was acknowledged is in the ledger, no other is, and the ledger is whole.
fn check(binary: &Path, data: &Path, acknowledged: u64) -> anyhow::Result<()> {
    let began = now();
    let output = Command::new(binary).args(["verify", "--data"]).arg(data).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    anyhow::ensure!(output.status.success(), "verify found something wrong: {text}");
    let found: u64 = text.split_whitespace().next().context("verify said nothing")?.parse()?;
    println!(
        "acknowledged creates: {acknowledged}; records found: {found}; verified in {:.0?}",
        began.elapsed()
    );
    anyhow::ensure!(found == acknowledged, "records are missing, or there are too many");
    Ok(())
}

/// The requests of a record's life: a create, then what [`steps`] says.
const LIFE: usize = 12;

/// What a client's share in a run sees of requests after its create.
fn steps(path: &str, life: u64) -> Vec<(Vec<u8>, u16)> {
    let mut steps = Vec::with_capacity(LIFE - 1);
    for step in 0..4 {
        let body = format!(r#"{{"metrics":{{"add":{{"leads":{step},"tokens":17}}}},"update_id":"u-{step}"}}"#);
        steps.push((send("PATCH", path, &body), 200));
        steps.push((get(path), 200));
    }
    steps.push((
        send("PATCH", path, &format!(r#"{{"note":"life {life} goes on"}}"#)),
        200,
    ));
    steps.push((get("/v1/records?open=true&limit=20"), 200));
    steps.push((
        send("POST", &format!("{path}/complete"), r#"{"status":"succeeded"}"#),
        200,
    ));
    steps
}

/// Plays lives over all connections for the given time, at this many requests a second if it is given; answers how many
/// requests there were, and how long they took.
async fn play(
    address: SocketAddr,
    phase: u8,
    pace: Option<f64>,
    length: Duration,
    acknowledged: &Arc<AtomicU64>,
) -> anyhow::Result<(u64, Duration)> {
    let began = now();
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let pause = pace.map(|pace| Duration::from_secs_f64(CALLERS as f64 / pace));
    let mut callers = Vec::new();
    for caller in 0..CALLERS {
        let mut caller = Caller {
            connection: Connection::open(address).await?,
            run: format!("soak-{phase}-{caller}"),
            sent: 0,
            began,
            pause,
        };
        let acknowledged = Arc::clone(acknowledged);
        callers.push(tokio::spawn(async move {
            caller.live(length, &acknowledged).await?;
            anyhow::Ok(caller.sent)
        }));
    }
    let mut requests = 0;
    for caller in callers {
        requests += u64::from(caller.await??);
    }
    Ok((requests, began.elapsed()))
}

/// One connection and the run whose records it makes.
struct Caller {
    connection: Connection,
    run: String,
    sent: u32,
    began: Instant,
    pause: Option<Duration>,
}

impl Caller {
    async fn live(&mut self, length: Duration, acknowledged: &AtomicU64) -> anyhow::Result<()> {
        let run = self.run.clone();
        self.ask(&post("/v1/runs", &run, &format!(r#"{{"run_id":"{run}"}}"#)), 201)
            .await?;
        acknowledged.fetch_add(1, Ordering::Relaxed);
        let mut life = 0_u64;
        while self.began.elapsed() < length {
            let body = format!(r#"{{"client_id":"c-{life}","client_name":"Client {life}"}}"#);
            let create = post(&format!("/v1/runs/{run}/clients"), &format!("{run}-{life}"), &body);
            self.ask(&create, 201).await?;
            acknowledged.fetch_add(1, Ordering::Relaxed);
            for (request, status) in steps(&format!("/v1/runs/{run}/clients/c-{life}"), life) {
                self.ask(&request, status).await?;
            }
            life += 1;
        }
        Ok(())
    }

    async fn ask(&mut self, request: &[u8], expected: u16) -> anyhow::Result<()> {
        if let Some(pause) = self.pause {
            let due = self.began + pause * self.sent;
            tokio::time::sleep_until(due.into()).await;
        }
        self.sent += 1;
        let status = self.connection.exchange(request).await?;
        anyhow::ensure!(status == expected, "answered {status} instead of {expected}");
        Ok(())
    }
}

/// Reads the stream of events as it comes, until it ends.
async fn follow(address: SocketAddr) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&get("/v1/events")).await?;
    let mut buffer = vec![0; 64 * 1024];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}
