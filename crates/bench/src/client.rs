//! The load generator's side of HTTP: raw keep-alive connections that check each answer's status, and nothing more.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::load::now;

/// A server process over one data directory; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts the binary and waits until it answers.
    pub(crate) fn start(binary: &Path, data: &Path) -> anyhow::Result<Self> {
        let child = Command::new(binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| {
                format!(
                    "cannot start {}; build it with `cargo build --release -p runledger`",
                    binary.display()
                )
            })?;
        let began = now();
        loop {
            if let Some(address) = address_of(data) {
                return Ok(Self { child, address });
            }
            anyhow::ensure!(
                began.elapsed() < Duration::from_secs(20),
                "the server did not come up in 20 s"
            );
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Memory that only this process uses and its share of the rest, in MiB.
    pub(crate) fn memory_mib(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .context("no VmRSS")?;
        let kib: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok(kib / 1024.0)
    }

    /// Asks the server to end and waits for it.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the file that a server leaves in its data directory, once something answers there.
fn address_of(data: &Path) -> Option<SocketAddr> {
    let text = std::fs::read_to_string(data.join("server.json")).ok()?;
    let told: serde_json::Value = serde_json::from_str(&text).ok()?;
    let address = told
        .get("url")?
        .as_str()?
        .strip_prefix("http://")?
        .trim_end_matches('/')
        .parse()
        .ok()?;
    std::net::TcpStream::connect(address).ok().map(|_| address)
}

/// One keep-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Where the head of the last answer ends.
    head: usize,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(16 * 1024),
            head: 0,
        })
    }

    /// Sends a request and reads its answer; gives the status.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            anyhow::ensure!(
                self.stream.read_buf(&mut self.buffer).await? > 0,
                "the server closed the connection"
            );
            if let Some(head) = find(&self.buffer, b"\r\n\r\n") {
                let length = content_length(&self.buffer[..head])?;
                while self.buffer.len() < head + 4 + length {
                    anyhow::ensure!(
                        self.stream.read_buf(&mut self.buffer).await? > 0,
                        "the answer was cut off"
                    );
                }
                self.head = head + 4;
                return std::str::from_utf8(&self.buffer[9..12])?.parse().context("no status");
            }
        }
    }
}

impl Connection {
    /// The version in the `ETag` of the last answer.
    pub(crate) fn version(&self) -> Option<u64> {
        let head = std::str::from_utf8(&self.buffer[..self.head]).ok()?;
        let tag = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("etag").then(|| value.trim())
        });
        tag?.trim_matches('"').parse().ok()
    }

    /// The body of the last answer.
    pub(crate) fn body(&self) -> &[u8] {
        &self.buffer[self.head..]
    }

    /// Sends a request whose answer goes on, and reads it away until the server ends it; gives how many bytes came.
    pub(crate) async fn drain(mut self, request: &[u8]) -> anyhow::Result<u64> {
        self.stream.write_all(request).await?;
        let mut bytes = 0;
        loop {
            self.buffer.clear();
            let count = self.stream.read_buf(&mut self.buffer).await?;
            if count == 0 {
                return Ok(bytes);
            }
            bytes += count as u64;
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn content_length(head: &[u8]) -> anyhow::Result<usize> {
    let head = std::str::from_utf8(head)?;
    for line in head.lines() {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            return Ok(value.trim().parse()?);
        }
    }
    Ok(0)
}

/// A GET of a path.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

/// A POST of a JSON body by an authorised source.
pub(crate) fn post(path: &str, attempt: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nRunledger-Source: orchestrator\r\n\
         Idempotency-Key: {attempt}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A change by a source, without a name of its own.
pub(crate) fn send(method: &str, path: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Runledger-Source: orchestrator\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
