//! The module for Node with the names of the older services: its tests run against the server that is built here. It has no
//! dependencies, so nothing is installed.

use crate::{
    server,
    workspace::{self, capture, root, run},
};
use anyhow::{Context as _, Result, bail};
use std::{path::PathBuf, process::Command};

/// Where the module is.
const MODULE: &str = "crates/adapters/legacy-compat/node";
/// The oldest version of Node that the module is for.
const MAJOR_MIN: u32 = 18;

/// `cargo xtask node`.
pub(crate) fn run_tests() -> Result<()> {
    check_version(&capture(
        Command::new("node").arg("--version"),
        "install Node: the module for the older services is tested with it",
    )?)?;
    let target = PathBuf::from(workspace::metadata()?.target_directory);
    let program = server::build(&target)?;
    run(
        Command::new("npm")
            .args(["test", "--silent"])
            .current_dir(root().join(MODULE))
            .env("RUNLEDGER_BIN", program),
        "mend what it says; one test runs with `node --test --test-name-pattern NAME test/FILE` there",
    )
}

/// Is this what `node --version` of a new enough Node prints?
fn check_version(printed: &str) -> Result<()> {
    let version = printed.trim();
    let major = version
        .strip_prefix('v')
        .and_then(|rest| rest.split('.').next())
        .and_then(|major| major.parse::<u32>().ok())
        .with_context(|| format!("`node --version` says {version:?}: install Node"))?;
    if major < MAJOR_MIN {
        bail!("node is {version}: the module for the older services needs {MAJOR_MIN} or newer");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_too_old_or_none_is_refused() {
        for printed in ["v18.0.0\n", "v20.20.2\n", "v22.1.0\n", "v100.0.0\n"] {
            assert!(check_version(printed).is_ok(), "{printed:?}");
        }
        for printed in ["v16.20.2\n", "20.20.2\n", "", "vx.1\n"] {
            assert!(check_version(printed).is_err(), "{printed:?}");
        }
    }
}
