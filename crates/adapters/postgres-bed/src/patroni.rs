//! PostgreSQL as it runs in production: three servers that Patroni keeps, which asks etcd who the primary is. Each of the
//! three has the three programs of one machine: its own member of etcd, Patroni, and the PostgreSQL server that it started.
//!
//! Patroni and etcd are those of the path, such as Debian's; they are not fetched. Every machine ends with the test program.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{KEEPER, as_server, free_port, home, postmaster, send, signal_all, started_by};
use crate::programs;

/// How many machines there are: of three members of etcd one may be lost.
const MACHINES: usize = 3;
/// How often the machines are asked, and how long to wait in between: three minutes in all.
const ASKED_MAX: u32 = 1_800;
const ASK_EVERY: Duration = Duration::from_millis(100);
/// How long Patroni may take to say what it is.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// What to do when the programs are not there.
const ADVICE: &str = "install them (Debian: apt-get install patroni etcd-server postgresql; stop the services that come with \
                      them)";

/// What all of them agree on, in etcd. A primary that does not confirm its place for `ttl` seconds loses it. Whatever is
/// answered is on two machines, and while there is one alone nothing is.
const AGREED: &str = r#"{"ttl": 20, "loop_wait": 5, "retry_timeout": 5, "maximum_lag_on_failover": 1048576,
  "synchronous_mode": true, "synchronous_mode_strict": true,
  "postgresql": {"use_pg_rewind": true, "parameters": {"wal_log_hints": "on", "wal_keep_size": "1GB",
    "max_connections": 200, "wal_retrieve_retry_interval": "100ms"}}}"#;

/// Three machines, of which one is the primary.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    machines: Vec<Machine>,
}

#[derive(Debug)]
struct Machine {
    name: String,
    home: TempDir,
    postgres: u16,
    patroni: u16,
    etcd: u16,
    etcd_peers: u16,
    /// What runs, each in a process group of its own.
    running: Vec<Child>,
}

impl Cluster {
    /// Starts three machines, and waits until one is the primary and commits wait for another.
    ///
    /// # Errors
    /// Says what to install, or what the programs said.
    pub fn start() -> io::Result<Self> {
        for program in ["patroni", "etcd"] {
            let found = Command::new(program)
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            found.map_err(|error| io::Error::other(format!("there is no {program} ({error}); {ADVICE}")))?;
        }
        let machines = (0..MACHINES).map(Machine::new).collect::<io::Result<_>>()?;
        let mut cluster = Self {
            programs: programs()?,
            machines,
        };
        for machine in 0..MACHINES {
            cluster.run(machine)?;
        }
        cluster.await_redundancy()?;
        Ok(cluster)
    }

    /// The ports of the PostgreSQL servers on 127.0.0.1, always in the same order.
    pub fn ports(&self) -> Vec<u16> {
        self.machines.iter().map(|machine| machine.postgres).collect()
    }

    /// Which machine is the primary, if there is one.
    pub fn primary(&self) -> Option<usize> {
        (0..MACHINES).find(|machine| self.machines[*machine].role() == Some("primary"))
    }

    /// Waits until there is a primary; answers which machine it is.
    ///
    /// # Errors
    /// When there is none for minutes.
    pub fn await_primary(&self) -> io::Result<usize> {
        self.until("there is no primary", Self::primary)
    }

    /// Waits until there is a primary, commits wait for a standby, and all machines have their place.
    ///
    /// # Errors
    /// When this is not so for minutes.
    pub fn await_redundancy(&self) -> io::Result<()> {
        self.until("not all machines have their place", |cluster| {
            let mut roles: Vec<_> = cluster.machines.iter().map(Machine::role).collect();
            roles.sort_unstable();
            (roles == [Some("primary"), Some("replica"), Some("sync")]).then_some(())
        })
    }

    /// Kills all programs of a machine, as a power cut would.
    ///
    /// # Errors
    /// When they cannot be signalled.
    pub fn kill(&mut self, machine: usize) -> io::Result<()> {
        self.machines[machine].kill()
    }

    /// Stops all programs of a machine in the middle of what they do, as a machine that hangs. Connections stay, and new ones
    /// are taken; nothing is answered any more until it is killed.
    ///
    /// # Errors
    /// When they cannot be signalled.
    pub fn hang(&self, machine: usize) -> io::Result<()> {
        self.machines[machine].hang()
    }

    /// Starts the programs of a machine.
    ///
    /// # Errors
    /// When they cannot be started.
    pub fn run(&mut self, machine: usize) -> io::Result<()> {
        let members: Vec<_> = self.machines.iter().map(Machine::as_peer).collect();
        let clients: Vec<_> = self
            .machines
            .iter()
            .map(|machine| format!("\"127.0.0.1:{}\"", machine.etcd))
            .collect();
        self.machines[machine].run(&self.programs, &members.join(","), &clients.join(", "))
    }

    /// What the programs said, for whoever looks for a fault.
    pub fn logged(&self) -> String {
        let texts = self.machines.iter().flat_map(|machine| {
            ["etcd.log", "patroni.log"].map(|log| {
                let text = fs::read_to_string(machine.home.path().join(log)).unwrap_or_default();
                let lines: Vec<_> = text.lines().collect();
                let end = lines[lines.len().saturating_sub(20)..].join("\n");
                format!("{} {log}:\n{end}\n", machine.name)
            })
        });
        texts.collect()
    }

    fn until<T>(&self, otherwise: &str, found: impl Fn(&Self) -> Option<T>) -> io::Result<T> {
        for _ in 0..ASKED_MAX {
            if let Some(found) = found(self) {
                return Ok(found);
            }
            sleep(ASK_EVERY);
        }
        Err(io::Error::other(format!("{otherwise}:\n{}", self.logged())))
    }
}

impl Machine {
    fn new(number: usize) -> io::Result<Self> {
        Ok(Self {
            name: format!("machine{number}"),
            home: home()?,
            postgres: free_port()?,
            patroni: free_port()?,
            etcd: free_port()?,
            etcd_peers: free_port()?,
            running: Vec::new(),
        })
    }

    fn as_peer(&self) -> String {
        format!("{}=http://127.0.0.1:{}", self.name, self.etcd_peers)
    }

    fn run(&mut self, programs: &Path, members: &str, etcd: &str) -> io::Result<()> {
        let settings = self.home.path().join("patroni.yml");
        fs::write(&settings, self.settings(programs, etcd))?;
        let (clients, peers) = (
            format!("http://127.0.0.1:{}", self.etcd),
            format!("http://127.0.0.1:{}", self.etcd_peers),
        );
        let mut member = self.keeper("etcd.log", Path::new("etcd"))?;
        member
            .args(["--name", &self.name, "--data-dir", "etcd"])
            .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
            .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
            .args(["--initial-cluster", members, "--initial-cluster-token", "ledger"])
            // The three share two cores with all else that is tested.
            .args(["--heartbeat-interval", "250", "--election-timeout", "2500"]);
        let mut patroni = self.keeper("patroni.log", Path::new("patroni"))?;
        patroni.arg(settings);
        for mut command in [member, patroni] {
            self.running.push(command.spawn()?);
        }
        Ok(())
    }

    /// Runs a program that ends with this one.
    fn keeper(&self, log: &str, program: &Path) -> io::Result<Command> {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.home.path().join(log))?;
        let mut keeper = as_server(Path::new("/bin/sh"), self.home.path());
        keeper
            .args(["-c", KEEPER, "keeper"])
            .arg(self.home.path())
            // What a shell starts in the background ignores milder ones, unless it has its own way with them.
            .arg("KILL")
            .arg(program)
            .env("HOME", self.home.path())
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        Ok(keeper)
    }

    /// The configuration of Patroni. It is written as JSON, which is YAML.
    fn settings(&self, programs: &Path, etcd: &str) -> String {
        let Self {
            name,
            postgres,
            patroni,
            ..
        } = self;
        let (home, programs) = (self.home.path().display(), programs.display());
        format!(
            r#"{{"scope": "ledger", "name": "{name}", "etcd3": {{"hosts": [{etcd}]}},
"restapi": {{"listen": "127.0.0.1:{patroni}", "connect_address": "127.0.0.1:{patroni}"}},
"bootstrap": {{"dcs": {AGREED}, "initdb": [{{"encoding": "UTF8"}}, {{"locale": "C"}}, "no-sync"]}},
"postgresql": {{"listen": "127.0.0.1:{postgres}", "connect_address": "127.0.0.1:{postgres}",
  "data_dir": "{home}/data", "bin_dir": "{programs}", "pgpass": "{home}/pgpass",
  "authentication": {{"superuser": {{"username": "postgres"}}, "replication": {{"username": "postgres"}}}},
  "pg_hba": ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust", "local all all trust"],
  "basebackup": ["no-sync", {{"checkpoint": "fast"}}],
  "parameters": {{"unix_socket_directories": "{home}", "fsync": "off", "shared_buffers": "64MB"}}}}}}"#
        )
    }

    /// What Patroni says it is: `primary`, the standby that commits wait for (`sync`), or another `replica`. A standby that is
    /// just being made the primary is all of them for a moment; the first counts.
    fn role(&self) -> Option<&'static str> {
        for role in ["primary", "sync", "replica"] {
            // Whoever does not answer is nothing.
            if self.ask(role).ok()?.starts_with("HTTP/1.0 200") {
                return Some(role);
            }
        }
        None
    }

    /// Asks whether it is this; answers what it says.
    fn ask(&self, role: &str) -> io::Result<String> {
        let address = ([127, 0, 0, 1], self.patroni).into();
        let mut patroni = TcpStream::connect_timeout(&address, ANSWER_TIME)?;
        patroni.set_read_timeout(Some(ANSWER_TIME))?;
        patroni.write_all(format!("GET /{role} HTTP/1.0\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        patroni.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn hang(&self) -> io::Result<()> {
        for keeper in &self.running {
            let program = |process: &String| fs::read_link(format!("/proc/{process}/exe")).ok();
            let keeper = keeper.id().to_string();
            let shell = program(&keeper);
            // The keeper itself goes on: who else would end what it keeps when nobody holds its pipe any more?
            for process in started_by(&keeper)?.iter().filter(|process| program(process) != shell) {
                send("STOP", process)?;
            }
        }
        signal_all("STOP", &self.postmaster()?)
    }

    fn kill(&mut self) -> io::Result<()> {
        // Patroni first: it would start PostgreSQL again.
        for keeper in self.running.iter().rev() {
            send("KILL", &format!("-{}", keeper.id()))?;
        }
        signal_all("KILL", &self.postmaster()?)?;
        for mut keeper in self.running.drain(..) {
            keeper.wait()?;
        }
        Ok(())
    }

    fn postmaster(&self) -> io::Result<String> {
        postmaster(&self.home.path().join("data"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Whoever holds the other end of these pipes ends with them.
        for program in &mut self.running {
            drop(program.stdin.take());
        }
        for program in &mut self.running {
            let _ = program.wait();
        }
    }
}
