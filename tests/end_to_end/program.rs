//! The program as a process: commands that are waited for, servers that are killed with the test.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// How long something is looked at that must become true, and how long between two looks.
const LOOK_TIME: Duration = Duration::from_secs(30);
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Looks until it is true.
pub(crate) fn until(what: &str, is_true: impl FnMut() -> bool) {
    until_in(LOOK_TIME, what, is_true);
}

/// Looks until it is true, about this long.
pub(crate) fn until_in(time: Duration, what: &str, mut is_true: impl FnMut() -> bool) {
    for _ in 0..time.as_millis() / LOOK_PAUSE.as_millis() {
        if is_true() {
            return;
        }
        sleep(LOOK_PAUSE);
    }
    panic!("waited for {what} in vain");
}

/// A data directory, and the program that works on it.
pub(crate) struct Place {
    home: TempDir,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The lines of standard output, as JSON.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The exit code must be this one.
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// These words must stand in the output or in the error.
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(
                self.out.contains(word) || self.err.contains(word),
                "{word:?} is missing in {self:#?}"
            );
        }
        self
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// The data directory; it is not there until somebody makes it.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// A file or directory beside the data directory.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The program, with an environment that holds nothing of whoever runs the tests.
    pub(crate) fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runledger-under-test"));
        command
            .env_clear()
            .env("HOME", self.home.path())
            .env("RUNLEDGER_DATA", self.data())
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.program().args(arguments))
    }

    /// Runs as this source.
    pub(crate) fn run_as(&self, source: &str, arguments: &[&str]) -> Ran {
        ran(self.program().env("RUNLEDGER_SOURCE", source).args(arguments))
    }

    pub(crate) fn serve(&self) -> Server {
        Server::start(&mut self.program())
    }

    /// Every record, as the command line lists it.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.run(&["list", "--all", "--json"]).expect(0).json()
    }

    /// Nothing may be wrong with the ledger.
    pub(crate) fn verify(&self) {
        let report = self.run(&["verify", "--json"]).expect(0).json();
        assert_eq!(report[0]["clean"], true, "{report:?}");
    }
}

pub(crate) fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A server; it is killed when the test is done with it.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: String,
}

impl Server {
    /// Starts it on a free port, and waits for its greeting.
    pub(crate) fn start(program: &mut Command) -> Self {
        Self::start_logging(program, Stdio::null())
    }

    /// Starts it with its log going there.
    pub(crate) fn start_logging(program: &mut Command, log: impl Into<Stdio>) -> Self {
        Self::start_at("127.0.0.1:0", program, log)
    }

    /// Starts it on this address.
    pub(crate) fn start_at(listen: &str, program: &mut Command, log: impl Into<Stdio>) -> Self {
        let mut child = program
            .args(["serve", "--listen", listen, "--json"])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut greeting = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut greeting)
            .unwrap();
        let greeting: Value = serde_json::from_str(&greeting).expect("the server says where it listens");
        let url = greeting["url"].as_str().unwrap();
        let (_, address) = url.split_once("://").unwrap();
        Self {
            child,
            address: address.to_owned(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it SIGTERM.
    pub(crate) fn tell_to_end(&self) {
        self.signal("TERM");
    }

    /// Sends it this signal.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args(["-s", signal, &self.pid().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Tells it to end, and answers its exit code.
    pub(crate) fn stop(self) -> Option<i32> {
        self.tell_to_end();
        self.ended()
    }

    /// Waits for its end, and answers its exit code.
    pub(crate) fn ended(mut self) -> Option<i32> {
        let mut ended = None;
        until("the server to end", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a file.
pub(crate) fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}
