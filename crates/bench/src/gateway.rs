//! The gateway: what it adds to a request that it hands on, against the same request sent straight to the (fake) Airtable; and
//! what a create and a look-up through it take, against the ledger's own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::client::{Connection, Server, get};
use crate::load::{Plan, median, now};

const BASE: &str = "appGateway0000001";
const SETTINGS: &str = r#"
base_rate = 1000000.0
token_rate = 1000000.0

[[gateway.tables]]
kind = "job"
base = "appGateway0000001"
table = "tblJobs0000000001"
"#;

/// A fake Airtable as a process; killed when dropped.
struct Airtable {
    child: Child,
    address: SocketAddr,
}

impl Airtable {
    fn start(binary: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new(binary)
            .args(["dev", "fake-airtable", "--listen", "127.0.0.1:0", "--json"])
            .args([
                "--set",
                "base_requests=1000000000",
                "--set",
                "token_requests=1000000000",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let output = child.stdout.take().context("the fake has no output")?;
        let mut greeting = String::new();
        BufReader::new(output).read_line(&mut greeting)?;
        let greeting: Value = serde_json::from_str(&greeting)?;
        let url = greeting["url"].as_str().context("the fake says no address")?;
        let address = url.trim_start_matches("http://").parse()?;
        Ok(Self { child, address })
    }
}

impl Drop for Airtable {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Measures and prints.
pub(crate) fn run(plan: &Plan, binary: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let airtable = Airtable::start(binary)?;
    let directory = tempfile::tempdir_in(&plan.directory)?;
    let settings = format!(
        "[gateway]\nupstream = \"http://{}\"\npat = \"patBENCH\"\n{SETTINGS}",
        airtable.address
    );
    std::fs::write(directory.path().join("runledger.toml"), settings)?;
    let token = token(binary, directory.path())?;
    let server = Server::start(binary, directory.path())?;
    let path = format!("/v0/{}/Job%20Tracking?maxRecords=1", base_of(&airtable, &runtime)?);
    let direct = asking(&get(&path), &token);
    let handed_on = asking(&get(&format!("/airtable{path}")), &token);
    let own = asking(&get("/v1/records?kind=job&limit=1"), &token);
    let looked_up =
        format!("/airtable/v0/{BASE}/tblJobs0000000001?filterByFormula=%7BRun%20ID%7D%3D%27250925-231841%27");
    let looked_up = asking(&get(&looked_up), &token);
    let mut times: [Vec<Vec<f64>>; 4] = std::array::from_fn(|_| Vec::new());
    for _ in 0..plan.rounds {
        let sides = [
            (airtable.address, &direct),
            (server.address, &handed_on),
            (server.address, &own),
            (server.address, &looked_up),
        ];
        for (times, (address, request)) in times.iter_mut().zip(sides) {
            times.push(runtime.block_on(one_by_one(address, request, plan.window))?);
        }
    }
    let [direct, handed_on, own, looked_up] = &times;
    for (what, ours, theirs) in [
        ("handed on, against straight to the fake Airtable", handed_on, direct),
        (
            "a list by key from the ledger, against a page of /v1/records",
            looked_up,
            own,
        ),
    ] {
        let at =
            |place: f64, rounds: &[Vec<f64>]| rounds.iter().map(|times| percentile(times, place)).collect::<Vec<_>>();
        println!("gateway, {what}:");
        for (name, place) in [("p50", 0.5), ("p99", 0.99)] {
            let (ours, theirs) = (at(place, ours), at(place, theirs));
            let added: Vec<_> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours - theirs).collect();
            println!(
                "      {name} {:>6.0} us against {:>6.0} us: {:+.0} us, ratio {:.2}",
                median(&ours),
                median(&theirs),
                median(&added),
                crate::load::median_ratio(&ours, &theirs)
            );
        }
    }
    server.stop()
}

/// The base that the fake begins with.
fn base_of(airtable: &Airtable, runtime: &tokio::runtime::Runtime) -> anyhow::Result<String> {
    runtime.block_on(async {
        let mut connection = Connection::open(airtable.address).await?;
        let request = asking(&get("/v0/meta/bases"), "patBENCH");
        anyhow::ensure!(connection.exchange(&request).await? == 200, "the fake shows no bases");
        let bases: Value = serde_json::from_slice(connection.body())?;
        Ok(bases["bases"][0]["id"]
            .as_str()
            .context("the fake has no base")?
            .to_owned())
    })
}

/// A token for one source, as clients of Airtable's API need one.
fn token(binary: &Path, data: &Path) -> anyhow::Result<String> {
    let mut command = Command::new(binary);
    command
        .args(["token", "create", "bench", "--for", "orchestrator", "--json", "--data"])
        .arg(data);
    for scope in ["create", "change", "read"] {
        command.args(["--scope", scope]);
    }
    let made: Value = serde_json::from_slice(&command.output()?.stdout)?;
    Ok(made["secret"].as_str().context("no token was made")?.to_owned())
}

/// The request with a token.
fn asking(request: &[u8], token: &str) -> Vec<u8> {
    let head = request.strip_suffix(b"\r\n").unwrap_or(request);
    [head, format!("Authorization: Bearer {token}\r\n\r\n").as_bytes()].concat()
}

/// Microseconds of one request after the other, on one connection.
async fn one_by_one(address: SocketAddr, request: &[u8], window: Duration) -> anyhow::Result<Vec<f64>> {
    let mut connection = Connection::open(address).await?;
    let (mut times, began) = (Vec::new(), now());
    while began.elapsed() < window {
        let sent = now();
        let status = connection.exchange(request).await?;
        times.push(sent.elapsed().as_secs_f64() * 1e6);
        anyhow::ensure!(
            status == 200,
            "answered {status}: {}",
            String::from_utf8_lossy(connection.body())
        );
    }
    Ok(times)
}

fn percentile(times: &[f64], place: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a list that is short"
    )]
    let at = (sorted.len() as f64 * place) as usize;
    sorted.get(at).or(sorted.last()).copied().unwrap_or(f64::NAN)
}
