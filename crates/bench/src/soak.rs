//! The soak: a mix of everything that clients do, for a long time, at four fifths of what the server can do at most.
//! Memory must stop growing, and at the end every acknowledged record is there in its last acknowledged version.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::client::{Connection, Server, get, post, send};
use crate::load::{Plan, now};

/// How many programs report at the same time, each over a connection of its own.
const CLIENTS: usize = 32;
/// How many read the events meanwhile.
const STREAMS: usize = 8;
/// The share of the peak that is sent.
const SHARE: f64 = 0.8;
/// How long the peak is measured, as a share of the time, and at most.
const PEAK_SHARE: f64 = 1.0 / 20.0;
const PEAK_MAX: Duration = Duration::from_secs(30);
/// How much a client makes up for.
const LATE_MAX: Duration = Duration::from_secs(1);
/// When memory is looked at: after 5, 15 and 30 minutes of half an hour.
const LOOKS: [f64; 3] = [1.0 / 6.0, 1.0 / 2.0, 1.0];

/// What a record in the registry may take. Half a hundred thousand records take about 60 MiB with all the rest
/// (`bench process`), so this is generous; the registry is full (`registry.records`) long before the middle of half an
/// hour, and then explains nothing any more.
const REGISTERED_KIB: f64 = 2.0;
/// What else may still grow behind the middle: page caches of the connections to the store, each bounded, and what the
/// allocator keeps. A leak of 20 bytes for each operation is above it after half an hour at 1,000 operations a second.
const SLACK_MIB: f64 = 16.0;

/// What the clients have in common.
struct Shared {
    address: SocketAddr,
    stop: AtomicBool,
    done: AtomicU64,
    /// Nanoseconds between two operations of one client; 0: as fast as it goes.
    pause: AtomicU64,
}

/// What one client was told: for each of its runs, the last acknowledged versions of the job and of its client record.
type Acknowledged = Vec<[u64; 2]>;

#[derive(Clone, Copy)]
struct Memory {
    mib: f64,
    registered: f64,
}

/// Soaks, prints, and fails when memory grew or something is not there.
pub(crate) fn run(plan: &Plan, binary: &Path, minutes: f64) -> anyhow::Result<()> {
    anyhow::ensure!(minutes > 0.0, "give --minutes more than 0");
    let time = Duration::from_secs_f64(minutes * 60.0);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let directory = tempfile::tempdir_in(&plan.directory)?;
    let server = Server::start(binary, directory.path())?;
    println!("memory at the start: {:.1} MiB", server.memory_mib()?);
    let looks = runtime.block_on(soak(&server, plan, binary, time))?;
    server.stop()?;
    let began = now();
    let verified = Command::new(binary)
        .args(["verify", "--data"])
        .arg(directory.path())
        .output()?;
    anyhow::ensure!(
        verified.status.success(),
        "`runledger verify` is not clean: {}{}",
        String::from_utf8_lossy(&verified.stdout),
        String::from_utf8_lossy(&verified.stderr)
    );
    println!("`runledger verify` is clean, after {:.0?}", began.elapsed());
    check(&looks)
}

/// Memory at the end against memory in the middle.
fn check(looks: &[Memory]) -> anyhow::Result<()> {
    let [.., middle, end] = looks else {
        anyhow::bail!("memory was looked at less than twice")
    };
    let allowed = SLACK_MIB + (end.registered - middle.registered).max(0.0) * REGISTERED_KIB / 1024.0;
    let grown = end.mib - middle.mib;
    println!("memory from the middle to the end: {grown:+.1} MiB (at most {allowed:+.1})");
    anyhow::ensure!(
        grown <= allowed,
        "memory still grows: {grown:.1} MiB behind the middle, of which {allowed:.1} are explained"
    );
    Ok(())
}

async fn soak(server: &Server, plan: &Plan, binary: &Path, time: Duration) -> anyhow::Result<Vec<Memory>> {
    let mut load = Load::start(server.address).await?;
    let window = time.mul_f64(PEAK_SHARE).min(PEAK_MAX);
    let peak = load.rate(window).await;
    #[expect(clippy::cast_precision_loss, reason = "a few clients")]
    let pause = Duration::from_secs_f64(CLIENTS as f64 / (peak * SHARE));
    load.pause(pause);
    println!("peak: {peak:.0} operations a second, of {CLIENTS} clients beside {STREAMS} streams of events");
    let began = now();
    let mut looks = Vec::new();
    for share in LOOKS {
        let rate = load.rate(time.mul_f64(share).saturating_sub(began.elapsed())).await;
        let memory = look(server).await?;
        println!(
            "after {:>5.1} min: {:.1} MiB, {:.0} records in the registry, {rate:.0} operations a second ({:.2} of the peak)",
            began.elapsed().as_secs_f64() / 60.0,
            memory.mib,
            memory.registered,
            rate / peak
        );
        looks.push(memory);
        if load.clients.iter().any(JoinHandle::is_finished) {
            // It met an answer that it did not expect, and says so at the end.
            break;
        }
        // A stream that ended would go unnoticed, and so would its memory.
        anyhow::ensure!(load.streams.try_join_next().is_none(), "a stream of events ended early");
    }
    // Where less came than was to be sent: was it the machine, which does other things now, or the ledger that grew?
    load.pause(Duration::ZERO);
    let last = load.rate(window).await;
    let acknowledged = load.end().await?;
    let fresh = fresh(plan, binary, window).await?;
    println!(
        "peak at the end: {last:.0} operations a second, {:.2} of the first, {:.2} of a new ledger's, measured next",
        last / peak,
        last / fresh
    );
    compare(server.address, &acknowledged).await?;
    Ok(looks)
}

/// The peak of a ledger that is new now.
async fn fresh(plan: &Plan, binary: &Path, window: Duration) -> anyhow::Result<f64> {
    let directory = tempfile::tempdir_in(&plan.directory)?;
    let server = Server::start(binary, directory.path())?;
    let load = Load::start(server.address).await?;
    let rate = load.rate(window).await;
    load.end().await?;
    server.stop()?;
    Ok(rate)
}

/// The clients and the streams at one server.
struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<anyhow::Result<Acknowledged>>>,
    streams: JoinSet<anyhow::Result<u64>>,
}

impl Load {
    async fn start(address: SocketAddr) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            address,
            stop: AtomicBool::new(false),
            done: AtomicU64::new(0),
            pause: AtomicU64::new(0),
        });
        let mut streams = JoinSet::new();
        for _ in 0..STREAMS {
            let connection = Connection::open(address).await?;
            streams.spawn(connection.drain(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        }
        let clients = (0..CLIENTS).map(|client| tokio::spawn(work(Arc::clone(&shared), client)));
        Ok(Self {
            clients: clients.collect(),
            shared,
            streams,
        })
    }

    /// Between two operations of one client.
    fn pause(&self, pause: Duration) {
        let nanos = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
        self.shared.pause.store(nanos, Ordering::Relaxed);
    }

    /// Operations a second in the next while.
    async fn rate(&self, window: Duration) -> f64 {
        let before = self.shared.done.load(Ordering::Relaxed);
        let began = now();
        sleep(window).await;
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let count = (self.shared.done.load(Ordering::Relaxed) - before) as f64;
        (count / began.elapsed().as_secs_f64()).max(1.0)
    }

    /// Ends behind whole runs, and tells what was acknowledged.
    async fn end(self) -> anyhow::Result<Vec<Acknowledged>> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut acknowledged = Vec::new();
        for client in self.clients {
            acknowledged.push(client.await??);
        }
        Ok(acknowledged)
    }
}

async fn look(server: &Server) -> anyhow::Result<Memory> {
    let mut connection = Connection::open(server.address).await?;
    anyhow::ensure!(connection.exchange(&get("/metrics")).await? == 200, "no metrics");
    let page = std::str::from_utf8(connection.body())?;
    let registered = page
        .lines()
        .find_map(|line| line.strip_prefix("runledger_registry_records "));
    Ok(Memory {
        mib: server.memory_mib()?,
        registered: registered.context("no runledger_registry_records")?.parse()?,
    })
}

/// One operation at a time, at the pace that is asked for.
struct Pacer<'a> {
    shared: &'a Shared,
    connection: Connection,
    next: Instant,
}

impl Pacer<'_> {
    /// Sends it when it is its turn; any other status than these ends the soak.
    async fn ask(&mut self, request: &[u8], status: u16) -> anyhow::Result<u64> {
        let pause = Duration::from_nanos(self.shared.pause.load(Ordering::Relaxed));
        if pause > Duration::ZERO {
            sleep(self.next.saturating_duration_since(now())).await;
            // Who is a little late makes up for it, so that the share is sent; who is very late does not.
            let oldest = now().checked_sub(LATE_MAX);
            self.next = (self.next + pause).max(oldest.unwrap_or(self.next));
        }
        let answered = self.connection.exchange(request).await?;
        anyhow::ensure!(
            answered == status,
            "{} was answered {answered}, not {status}: {}",
            String::from_utf8_lossy(request).lines().next().unwrap_or_default(),
            String::from_utf8_lossy(self.connection.body())
        );
        self.shared.done.fetch_add(1, Ordering::Relaxed);
        Ok(self.connection.version().unwrap_or_default())
    }
}

fn run_of(client: usize, number: usize) -> String {
    format!("soak_{client:02}_{number:08}")
}

/// Runs from their begin to their end, one after the other.
async fn work(shared: Arc<Shared>, client: usize) -> anyhow::Result<Acknowledged> {
    let mut pacer = Pacer {
        connection: Connection::open(shared.address).await?,
        shared: &shared,
        next: now(),
    };
    let mut acknowledged = Acknowledged::new();
    while !shared.stop.load(Ordering::Relaxed) {
        let run = run_of(client, acknowledged.len());
        let (job, record) = (format!("/v1/runs/{run}"), format!("/v1/runs/{run}/clients/acme"));
        let body = format!(r#"{{"run_id":"{run}"}}"#);
        pacer.ask(&post("/v1/runs", &run, &body), 201).await?;
        let body = r#"{"client_id":"acme","client_name":"Acme Ltd"}"#;
        pacer.ask(&post(&format!("{job}/clients"), &run, body), 201).await?;
        for number in 0..3 {
            let body = format!(r#"{{"metrics":{{"add":{{"leads_found":{number}}}}},"note":"step {number}"}}"#);
            pacer.ask(&send("PATCH", &record, &body), 200).await?;
            pacer.ask(&get(&record), 200).await?;
        }
        pacer.ask(&get("/v1/records?open=true&limit=50"), 200).await?;
        pacer.ask(&send("POST", &format!("{job}/heartbeat"), "{}"), 200).await?;
        let end = r#"{"status":"succeeded"}"#;
        let of_record = pacer
            .ask(&send("POST", &format!("{record}/complete"), end), 200)
            .await?;
        let of_job = pacer.ask(&send("POST", &format!("{job}/complete"), end), 200).await?;
        pacer.ask(&get(&format!("{job}/summary")), 200).await?;
        // The same attempt again, long after.
        pacer
            .ask(&post("/v1/runs", &run, &format!(r#"{{"run_id":"{run}"}}"#)), 200)
            .await?;
        acknowledged.push([of_job, of_record]);
    }
    Ok(acknowledged)
}

/// Every record that was acknowledged is there in the version that was acknowledged last.
async fn compare(address: SocketAddr, acknowledged: &[Acknowledged]) -> anyhow::Result<()> {
    let mut connection = Connection::open(address).await?;
    let mut missing: Vec<Acknowledged> = acknowledged.to_vec();
    let mut path = "/v1/records?limit=1000".to_owned();
    loop {
        anyhow::ensure!(
            connection.exchange(&get(&path)).await? == 200,
            "{path} was not answered"
        );
        let page: serde_json::Value = serde_json::from_slice(connection.body())?;
        for record in page["records"].as_array().context("no records")? {
            let run = record["run_id"].as_str().context("no run_id")?;
            let place = run
                .strip_prefix("soak_")
                .and_then(|rest| rest.split_once('_'))
                .context("a foreign run")?;
            let (client, number): (usize, usize) = (place.0.parse()?, place.1.parse()?);
            let which = usize::from(record["client_id"].is_string());
            // Each client stops behind a whole run, so that there is no record that it does not know.
            let of_run = missing.get_mut(client).and_then(|of_client| of_client.get_mut(number));
            let version = &mut of_run.context("a run that nobody began")?[which];
            let found = record["version"].as_u64().context("no version")?;
            anyhow::ensure!(
                found == *version,
                "{run} has version {found}, and {version} was acknowledged"
            );
            *version = 0;
        }
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/records?limit=1000&cursor={next}");
    }
    let lost = missing
        .iter()
        .flatten()
        .flatten()
        .filter(|version| **version != 0)
        .count();
    anyhow::ensure!(lost == 0, "{lost} acknowledged records are not there");
    let records = acknowledged.iter().map(Vec::len).sum::<usize>() * 2;
    println!("all {records} acknowledged records are there, each in its last acknowledged version");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_allowed_as_far_as_the_registry_explains_it() {
        let at = |mib, registered| Memory { mib, registered };
        let start = at(20.0, 0.0);
        assert!(check(&[start, at(80.0, 50_000.0), at(95.0, 50_000.0)]).is_ok());
        assert!(check(&[start, at(80.0, 50_000.0), at(97.0, 50_000.0)]).is_err());
        assert!(check(&[start, at(30.0, 10_000.0), at(80.0, 40_000.0)]).is_ok());
        assert!(check(&[start]).is_err());
    }
}
