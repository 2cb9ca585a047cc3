//! Processes of servers: as whom they run, in which directory, and how they are ended.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The user and group `nobody`, as which the server runs when the tests run as root.
const NOBODY: u32 = 65_534;

/// Runs the program given after a directory and a signal. Ends it by that signal when the pipe on standard input is closed
/// because nobody holds its other end any more, and with it the PostgreSQL server that it may have started apart; the
/// directory goes with them. A program that ends by itself leaves the directory. The system hangs up on whoever is left with
/// something stopped; that must not end the keeper before its work is done.
pub(crate) const KEEPER: &str = r#"trap '' HUP; home=$1; signal=$2; shift 2; exec 3<&0; "$@" </dev/null 3<&- & child=$!
( read -r _ <&3 || { touch "$home/gone"; kill -s "$signal" "$child" 2>/dev/null
  read -r server <"$home/data/postmaster.pid" && kill -QUIT "$server" && kill -CONT "$server"; } 2>/dev/null ) & watch=$!
wait "$child"; kill "$watch" 2>/dev/null; [ ! -e "$home/gone" ] || rm -rf "$home""#;

/// The process of the server that runs in this data directory.
pub(crate) fn postmaster(data: &Path) -> io::Result<String> {
    let state = fs::read_to_string(data.join("postmaster.pid"))?;
    let pid = state.lines().next().map(str::trim).filter(|pid| !pid.is_empty());
    pid.map(str::to_owned)
        .ok_or_else(|| io::Error::other("the server does not run"))
}

/// Sends a signal to a process and to those that it started.
pub(crate) fn signal_all(signal: &str, process: &str) -> io::Result<()> {
    // Stopped, it starts no more, and those that it started are known as such.
    send("STOP", process)?;
    let started = started_by(process)?;
    send(signal, process)?;
    for process in started {
        // It may have ended by itself.
        let _ = send(signal, &process);
    }
    Ok(())
}

/// The processes that a process started and has not heard the end of.
pub(crate) fn started_by(process: &str) -> io::Result<Vec<String>> {
    let mut started = Vec::new();
    for entry in fs::read_dir("/proc")?.filter_map(Result::ok) {
        let state = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name of a program may hold anything; what follows it does not.
        let mut words = state.rsplit(')').next().unwrap_or_default().split_whitespace();
        if words.nth(1) == Some(process) {
            started.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(started)
}

/// Sends a signal to a process, or to a group of them when its number is negative.
pub(crate) fn send(signal: &str, process: &str) -> io::Result<()> {
    // Every shell has it, and not every machine has it as a program.
    let sent = Command::new("/bin/sh")
        .args(["-c", "kill -s \"$1\" -- \"$2\"", "kill", signal, process])
        .stderr(Stdio::null())
        .status()?;
    if sent.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("process {process} cannot be signalled")))
}

/// A directory that belongs to the user of the server.
pub(crate) fn home() -> io::Result<TempDir> {
    let home = tempfile::Builder::new().prefix("runledger-postgres-").tempdir()?;
    if is_root(home.path()) {
        chown(home.path(), Some(NOBODY), Some(NOBODY))?;
    }
    Ok(home)
}

/// A program, to be run as the user of the server.
pub(crate) fn as_server(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(home).env("LC_ALL", "C");
    if is_root(Path::new("/proc/self")) {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Whether a file that this process made belongs to root.
pub(crate) fn is_root(made: &Path) -> bool {
    fs::metadata(made).is_ok_and(|found| found.uid() == 0)
}

pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
