//! The Python client: its types are checked and its tests run against the server that is built here, in a virtual
//! environment of their own under `target/`. Nothing is installed anywhere else, and nothing is left out silently.

use crate::workspace::{self, capture, cargo, root, run};
use anyhow::{Context as _, Result, bail};
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where the client is.
const CLIENT: &str = "crates/client/python";
/// The oldest minor version of Python 3 that the client is for.
const MINOR_MIN: u32 = 9;

/// `cargo xtask python`.
pub(crate) fn run_tests() -> Result<()> {
    let target = PathBuf::from(workspace::metadata()?.target_directory);
    let place = target.join("python");
    let client = format!("{}[test]", root().join(CLIENT).display());
    let python = environment(
        &place,
        &[client.as_ref()],
        "it takes httpx, pytest, mypy and hatchling from PyPI: is it reachable?",
    )?;
    run(
        cargo().args(["build", "--locked", "--package", "runledger"]),
        "mend what does not compile",
    )?;
    let client = root().join(CLIENT);
    let tool = |module: &str| {
        let mut command = Command::new(&python);
        // No byte code beside the sources.
        command
            .args(["-B", "-m", module])
            .current_dir(&client)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
    };
    run(
        tool("mypy").arg("--cache-dir").arg(place.join("mypy")),
        "mend the types that it names",
    )?;
    run(
        tool("pytest").env("RUNLEDGER_BIN", target.join("debug").join("runledger")),
        "mend what it says; one test runs with `-k NAME`",
    )
}

/// Makes a virtual environment, or takes the one that is there, and installs these packages. Answers its Python.
///
/// # Errors
/// When Python is missing or too old, or the packages cannot be had; `advice` then says what to do.
pub(crate) fn environment(place: &Path, packages: &[&OsStr], advice: &str) -> Result<PathBuf> {
    check_version(&capture(
        Command::new("python3").arg("--version"),
        "install Python 3: parts of the product are tested with it",
    )?)?;
    let place = place.join("venv");
    let python = place.join("bin").join("python");
    let works = Command::new(&python)
        .args(["-m", "pip", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !works.is_ok_and(|status| status.success()) {
        run(
            Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place),
            "install the module venv (on Debian the package python3-venv)",
        )?;
    }
    let mut install = Command::new(&python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
    ]);
    run(install.args(packages), advice)?;
    Ok(python)
}

/// Is this what `python3 --version` of a new enough Python prints?
fn check_version(printed: &str) -> Result<()> {
    let version = printed.trim();
    let minor = version
        .strip_prefix("Python 3.")
        .and_then(|rest| rest.split('.').next())
        .with_context(|| format!("`python3 --version` says {version:?}: install Python 3"))?;
    if minor.parse().unwrap_or(0) < MINOR_MIN {
        bail!("python3 is {version}: the Python client needs 3.{MINOR_MIN} or newer");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_that_is_too_old_or_none_is_refused() {
        for printed in [
            "Python 3.9.18\n",
            "Python 3.11.7\n",
            "Python 3.14.0rc1\n",
            "Python 3.100\n",
        ] {
            assert!(check_version(printed).is_ok(), "{printed:?}");
        }
        for printed in ["Python 3.8.20\n", "Python 2.7.18\n", "", "Python 4.0\n", "Python 3.x\n"] {
            assert!(check_version(printed).is_err(), "{printed:?}");
        }
    }
}
