//! The fake Airtable against clients that were not written by us: `airtable` of npm and `pyairtable` of `PyPI` do their
//! ordinary work on it, and must not notice. Both are pinned, and installed under `target/` alone.

use crate::{
    python,
    server::{self, Fake},
    workspace::{self, root, run},
};
use anyhow::{Context as _, Result};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where the clients' work is.
const CLIENTS: &str = "crates/adapters/airtable-fake/clients";

/// `cargo xtask airtable`.
pub(crate) fn run_all() -> Result<()> {
    let target = PathBuf::from(workspace::metadata()?.target_directory);
    let place = target.join("airtable-clients");
    let node = install_node(&place.join("node"))?;
    let requirements = root().join(CLIENTS).join("python/requirements.txt");
    let python = python::environment(
        &place,
        &["--requirement".as_ref(), requirements.as_os_str()],
        "it takes pyairtable from PyPI: is it reachable?",
    )?;
    let program = server::build(&target)?;
    let fake = Fake::start(&program)?;
    let advice = "the fake does not do what this client takes for granted: mend the fake";
    run(
        fake.tell(
            Command::new("node")
                .arg("--test")
                .arg("ordinary.test.js")
                .current_dir(&node),
        ),
        advice,
    )?;
    run(
        fake.tell(
            Command::new(python)
                .args(["-B", "-m", "unittest", "--verbose", "test_ordinary"])
                .current_dir(root().join(CLIENTS).join("python")),
        ),
        advice,
    )?;
    println!("airtable: airtable.js and pyairtable do their ordinary work on the fake");
    Ok(())
}

/// Installs the client of the lock file, and puts its work beside it. Answers where.
fn install_node(place: &Path) -> Result<PathBuf> {
    fs::create_dir_all(place).with_context(|| format!("could not make {}", place.display()))?;
    for name in ["package.json", "package-lock.json", "ordinary.test.js"] {
        let from = root().join(CLIENTS).join("node").join(name);
        fs::copy(&from, place.join(name)).with_context(|| format!("could not copy {}", from.display()))?;
    }
    run(
        Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(place),
        "it takes the client `airtable` from the registry of npm: is it reachable, and is Node here?",
    )?;
    Ok(place.to_path_buf())
}
