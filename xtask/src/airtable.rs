//! The fake Airtable and the gateway against clients that were not written by us: `airtable` of npm and `pyairtable` of `PyPI` do
//! their ordinary work on the fake, straight and through the gateway, and must not notice; through the gateway they make
//! run records as well. Both are pinned, and installed under `target/` alone.

use crate::{
    python,
    server::{self, Fake, Ledger, Server},
    workspace::{self, root, run},
};
use anyhow::{Context as _, Result};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where the clients' work on the fake is.
const CLIENTS: &str = "crates/adapters/airtable-fake/clients";
/// Where their work on the gateway is.
const ON_GATEWAY: &str = "crates/adapters/legacy-compat/clients";
/// The run tables of the gateway that they work on.
const TABLES: &str = include_str!("../../crates/adapters/legacy-compat/clients/tables.toml");

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
    let ordinary = root().join(CLIENTS).join("python");
    let on_gateway = root().join(ON_GATEWAY).join("python");
    let advice = "the fake does not do what this client takes for granted: mend the fake";
    run(fake.tell(&mut node_test(&node, "ordinary.test.js")), advice)?;
    run(fake.tell(&mut python_test(&python, &ordinary, "test_ordinary")), advice)?;
    let ledger = Ledger::new(&program, &place.join("gateway"))?;
    ledger.write_settings(&format!(
        "[gateway]\nupstream = \"{}\"\npat = \"patTEST\"\nbase_rate = 1000000.0\ntoken_rate = 1000000.0\n{TABLES}",
        fake.url()
    ))?;
    let token = ledger.token()?;
    let server = Server::start(&ledger)?;
    let gateway = format!("{}/airtable", server.url);
    let advice = "the gateway does not do what this client takes for granted: mend the gateway";
    let mut tests = [
        node_test(&node, "gateway.test.js"),
        python_test(&python, &on_gateway, "test_gateway"),
        node_test(&node, "ordinary.test.js"),
        python_test(&python, &ordinary, "test_ordinary"),
    ];
    for test in &mut tests {
        fake.tell(test)
            .env("GATEWAY_URL", &gateway)
            .env("GATEWAY_TOKEN", &token)
            .env("LEDGER_URL", &server.url)
            .env("FAKE_URL", &gateway)
            .env("FAKE_TOKEN", &token);
        run(test, advice)?;
    }
    drop(server);
    ledger.verify()?;
    println!(
        "airtable: airtable.js and pyairtable do their ordinary work on the fake, straight and through the gateway"
    );
    println!("airtable: however often and by however many they are sent, their creates make one row each");
    Ok(())
}

fn node_test(place: &Path, name: &str) -> Command {
    let mut command = Command::new("node");
    command.args(["--test", name]).current_dir(place);
    command
}

fn python_test(python: &Path, place: &Path, name: &str) -> Command {
    let mut command = Command::new(python);
    command
        .args(["-B", "-m", "unittest", "--verbose", name])
        .current_dir(place);
    command
}

/// Installs the client of the lock file, and puts its work beside it. Answers where.
fn install_node(place: &Path) -> Result<PathBuf> {
    fs::create_dir_all(place).with_context(|| format!("could not make {}", place.display()))?;
    for (from, name) in [
        (CLIENTS, "package.json"),
        (CLIENTS, "package-lock.json"),
        (CLIENTS, "ordinary.test.js"),
        (ON_GATEWAY, "gateway.test.js"),
        (ON_GATEWAY, "creator.mjs"),
        (ON_GATEWAY, "proxy.mjs"),
    ] {
        let from = root().join(from).join("node").join(name);
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
