//! Where the workspace is, what cargo says about it, and how a task runs another program.

use anyhow::{Context as _, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The root of the workspace: the directory above this crate.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// A cargo that runs at the root of the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root());
    command
}

/// What the workspace holds and depends on, with every feature of every crate of ours, for every platform.
pub(crate) fn metadata() -> Result<Metadata> {
    metadata_with(&["--all-features", "--locked"])
}

/// What cargo metadata says with these options.
pub(crate) fn metadata_with(options: &[&str]) -> Result<Metadata> {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(options.iter().map(ToString::to_string).collect::<Vec<_>>())
        .exec()
        .context(
            "cargo metadata failed: check the manifests with `cargo check`; if Cargo.lock is behind, run \
             `cargo update --workspace` and commit it",
        )
}

/// Runs a program to its end, its output shown as it comes.
///
/// # Errors
/// When it cannot be started, or ends with anything but success; `advice` then says what to do.
pub(crate) fn run(command: &mut Command, advice: &str) -> Result<()> {
    let shown = show(command);
    let status = command
        .status()
        .with_context(|| format!("could not start `{shown}`: is it installed?"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status}): {advice}");
    }
    Ok(())
}

/// Runs a program to its end and returns what it printed to standard output.
///
/// # Errors
/// As [`run`], and when the output is not UTF-8.
pub(crate) fn capture(command: &mut Command, advice: &str) -> Result<String> {
    let shown = show(command);
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("could not start `{shown}`: is it installed?"))?;
    if !output.status.success() {
        bail!("`{shown}` failed ({}): {advice}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` printed something that is not UTF-8"))
}

/// Every file under `directory` with one of these extensions, sorted, build output and `node_modules` left out.
pub(crate) fn files_under(directory: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(directory) = open.pop() {
        let entries = fs::read_dir(&directory).with_context(|| format!("could not list {}", directory.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                if name != "target" && name != "node_modules" && !name.starts_with('.') {
                    open.push(path);
                }
            } else if path
                .extension()
                .and_then(|end| end.to_str())
                .is_some_and(|end| extensions.contains(&end))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The path as a reader of the report wants it: from the root, with `/`.
pub(crate) fn relative(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .to_string_lossy()
        .replace('\\', "/")
}

/// Fails with every fault on a line of its own, or prints `praise`.
pub(crate) fn conclude<F: std::fmt::Display>(faults: &[F], praise: &str) -> Result<()> {
    if faults.is_empty() {
        println!("{praise}");
        return Ok(());
    }
    for fault in faults {
        eprintln!("fault: {fault}");
    }
    bail!(
        "{} fault{} found; each line above says what to do",
        faults.len(),
        if faults.len() == 1 { "" } else { "s" }
    )
}

fn show(command: &Command) -> String {
    let mut shown = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        shown.push(' ');
        shown.push_str(&argument.to_string_lossy());
    }
    shown
}
