//! The description of the API against the server: Schemathesis sends what `docs/openapi.json` says may be sent, and what
//! it says may not, to a server on an empty ledger, and compares the answers. It follows the links of the description.
//!
//! There are three passes, because who asks is part of the contract: an open ledger, a token of a closed one, and the
//! operator, who makes and ends tokens. Afterwards nothing may be wrong with the ledgers.

use crate::{
    python,
    server::{self, Ledger, Server},
    workspace::{self, root},
};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where the configuration of Schemathesis is.
const CONFIGURATION: &str = "crates/http/contract";
/// Who asks.
const SOURCE: &str = "Runledger-Source: orchestrator";

/// How much is tried.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How many requests each operation gets, at most, in the phase that makes them up.
    #[arg(long, default_value_t = 20)]
    examples: u32,
    /// The seed of what is made up; the same seed makes up the same.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// For how many seconds each pass follows the links of the description.
    #[arg(long, default_value_t = 15)]
    seconds: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            examples: 20,
            seed: 1,
            seconds: 15,
        }
    }
}

/// `cargo xtask contract`.
pub(crate) fn run_all(options: &Options) -> Result<()> {
    let target = PathBuf::from(workspace::metadata()?.target_directory);
    let place = target.join("contract");
    let requirements = root().join(CONFIGURATION).join("requirements.txt");
    let python = python::environment(
        &place,
        &["--requirement".as_ref(), requirements.as_os_str()],
        "it takes Schemathesis from PyPI: is it reachable?",
    )?;
    let program = server::build(&target)?;
    let seconds = options.seconds.to_string();
    let try_all = |ledger: &Ledger, server: &Server, name: &str, arguments: &[&str]| -> Result<()> {
        let phases = ["--phases", "examples,coverage,fuzzing"];
        compare(&python, options, ledger, server, name, &[arguments, &phases].concat())?;
        // One round of histories ends as soon as the server's state tells two of them apart; the time begins new ones.
        let phases = ["--phases", "stateful", "--max-time", &seconds];
        compare(
            &python,
            options,
            ledger,
            server,
            &format!("{name}, by links"),
            &[arguments, &phases].concat(),
        )
    };

    let ledger = Ledger::new(&program, &place.join("open"))?;
    let server = Server::start(&ledger)?;
    // The first token closes the ledger: that operation belongs to the last pass.
    let arguments = ["--header", SOURCE, "--exclude-operation-id", "createToken"];
    try_all(&ledger, &server, "an open ledger", &arguments)?;
    ledger.verify()?;
    drop(server);

    let ledger = Ledger::new(&program, &place.join("closed"))?;
    let token = ledger.token()?;
    let server = Server::start(&ledger)?;
    let bearer = format!("Authorization: Bearer {token}");
    // Ending tokens would end this one.
    let arguments = ["--header", SOURCE, "--header", &bearer, "--exclude-tag", "tokens"];
    try_all(&ledger, &server, "a token", &arguments)?;
    let bearer = format!("Authorization: Bearer {}", ledger.operator_key()?);
    let arguments = ["--header", SOURCE, "--header", &bearer, "--include-tag", "tokens"];
    try_all(&ledger, &server, "the operator", &arguments)?;
    ledger.verify()?;
    println!("contract: the server does what the description says");
    Ok(())
}

/// Has Schemathesis compare the description with the server. What it says is kept beside the ledger, and shown when it
/// finds something.
fn compare(
    python: &Path,
    options: &Options,
    ledger: &Ledger,
    server: &Server,
    name: &str,
    arguments: &[&str],
) -> Result<()> {
    let report = ledger.home.join(format!("{}.txt", name.replace([' ', ','], "-")));
    let output = fs::File::create(&report).with_context(|| format!("could not make {}", report.display()))?;
    let mut command = Command::new(python);
    command
        .args(["-B", "-m", "schemathesis.cli", "--config-file"])
        .arg(root().join(CONFIGURATION).join("schemathesis.toml"))
        .args(["run", &format!("{}/openapi.json", server.url), "--checks", "all"])
        .args(["--continue-on-failure", "--no-color", "--request-timeout", "30"])
        .args(["--generation-database", "none"])
        .args(["--max-examples", &options.examples.to_string()])
        .args(["--seed", &options.seed.to_string()])
        .args(arguments)
        .current_dir(&ledger.home)
        .env("SCHEMATHESIS_HOOKS", root().join(CONFIGURATION).join("hooks.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stderr(output.try_clone().context("could not share the report")?)
        .stdout(output);
    // The token is in the arguments, so a failure must not be reported with them.
    let status = command.status().context("could not start Schemathesis")?;
    let said = String::from_utf8_lossy(&fs::read(&report).context("could not read the report")?).into_owned();
    if status.success() {
        for line in said
            .lines()
            .filter(|line| line.contains(" generated, ") || line.contains("API Links:"))
        {
            println!("contract: {name}: {}", line.trim());
        }
        return Ok(());
    }
    println!("{said}");
    if status.code() == Some(1) {
        bail!(
            "the description and the server disagree ({name}): mend the description or the server; `curl` lines above \
             show each case, `--seed {}` repeats them",
            options.seed
        );
    }
    bail!("Schemathesis could not try it ({name}, {status}): see what it says above")
}
