//! `cargo xtask dist`: the archive that a user downloads, with the licences of what is in it and a checksum.
//!
//! The archive depends on nothing but its content: no time, no user, no order of a directory.

use crate::workspace::{self, capture, cargo, metadata_with, root};
use anyhow::{Context as _, Result, bail};
use cargo_metadata::{DependencyKind, Metadata, Package};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
};

/// The package that is shipped.
const SHIPPED: &str = "runledger";

/// What is put into the archive as it is, if it is there.
const COPIED: &[&str] = &[
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "docs",
];

/// How the name of a file with a licence begins, in small letters.
const LICENCE_FILES: &[&str] = &["license", "licence", "copying", "notice", "unlicense", "copyright"];

/// `cargo xtask dist`.
pub(crate) fn run() -> Result<()> {
    let target = host()?;
    let metadata = metadata_with(&["--locked", "--filter-platform", &target])?;
    let package = shipped(&metadata)?;
    let name = format!("{SHIPPED}-{}-{target}", package.version);

    workspace::run(
        cargo().args(["build", "--profile", "dist", "--locked", "--package", SHIPPED]),
        "the product does not build; see above",
    )?;
    let binary = metadata.target_directory.join("dist").join(SHIPPED).into_std_path_buf();
    let said = capture(Command::new(&binary).arg("--version"), "the built binary does not run")?;
    if !said.contains(&package.version.to_string()) {
        bail!(
            "`{} --version` says `{}`, not {}",
            binary.display(),
            said.trim(),
            package.version
        );
    }

    let dist = root().join("dist");
    let directory = dist.join(&name);
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| format!("could not empty {}", directory.display()))?;
    }
    fs::create_dir_all(&directory).with_context(|| format!("could not make {}", directory.display()))?;
    copy(&binary, &directory.join(SHIPPED))?;
    for item in COPIED {
        let from = root().join(item);
        if from.exists() {
            copy(&from, &directory.join(item))?;
        }
    }
    let third_party = third_party(&metadata, package)?;
    fs::write(directory.join("THIRD-PARTY-LICENCES.txt"), third_party).context("could not write the licences")?;

    let archive = pack(&dist, &name)?;
    let sums = capture(
        Command::new("sha256sum").arg(&archive).current_dir(&dist),
        "the checksum could not be made",
    )?;
    fs::write(dist.join("SHA256SUMS"), &sums).context("could not write SHA256SUMS")?;
    println!("dist: dist/{archive} ({})\n{}", said.trim(), sums.trim_end());
    Ok(())
}

/// The target that rustc builds for here.
fn host() -> Result<String> {
    let version = capture(
        Command::new("rustc").arg("-vV").current_dir(root()),
        "is the toolchain in the path?",
    )?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}

fn shipped(metadata: &Metadata) -> Result<&Package> {
    let mut packages = metadata.packages.iter().filter(|package| package.source.is_none());
    packages
        .find(|package| package.name == SHIPPED)
        .with_context(|| format!("the workspace has no crate {SHIPPED}"))
}

/// Packs the directory `name` under `dist`; answers the name of the archive.
fn pack(dist: &Path, name: &str) -> Result<String> {
    let tar = format!("{name}.tar");
    workspace::run(
        Command::new("tar").current_dir(dist).args([
            "--sort=name",
            "--mtime=@0",
            "--owner=0",
            "--group=0",
            "--numeric-owner",
            "--mode=u+rwX,go+rX,go-w",
            "--format=gnu",
            "-cf",
            &tar,
            name,
        ]),
        "GNU tar is needed",
    )?;
    workspace::run(
        Command::new("gzip")
            .current_dir(dist)
            .args(["--no-name", "--force", "--best", &tar]),
        "gzip is needed",
    )?;
    Ok(format!("{tar}.gz"))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let doing = || format!("could not copy {} to {}", from.display(), to.display());
    if !from.is_dir() {
        fs::copy(from, to).with_context(doing)?;
        return Ok(());
    }
    fs::create_dir_all(to).with_context(doing)?;
    for entry in fs::read_dir(from).with_context(doing)? {
        let entry = entry.with_context(doing)?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// A list of the packages that the binary is made of, then every licence text, each once.
fn third_party(metadata: &Metadata, shipped: &Package) -> Result<String> {
    let mut packages = linked(metadata, shipped)?;
    packages.sort_by_key(|package| (package.name.to_string(), package.version.clone()));
    let mut texts: BTreeMap<String, usize> = BTreeMap::new();
    let mut bodies = Vec::new();
    let mut list = String::new();
    for package in &packages {
        let directory = package.manifest_path.parent().context("a manifest is in a directory")?;
        let mut numbers = Vec::new();
        for text in licence_texts(directory.as_std_path())? {
            let next = bodies.len() + 1;
            let number = *texts.entry(text.clone()).or_insert(next);
            if number == next {
                bodies.push(text);
            }
            numbers.push(number.to_string());
        }
        let licence = package.license.as_deref().unwrap_or("none stated");
        let where_found = if numbers.is_empty() {
            "no licence file in the package; the standard texts of the licences apply".to_owned()
        } else {
            format!("text {}", numbers.join(", "))
        };
        writeln!(list, "{} {}: {licence} ({where_found})", package.name, package.version)?;
    }
    let mut file = format!(
        "{SHIPPED} {} is built from the packages below, each under the licence named.\nThe texts follow, each once, \
         by number.\n\n{list}",
        shipped.version
    );
    for (number, body) in bodies.iter().enumerate() {
        write!(file, "\n{:=<78}\nText {}\n\n{}\n", "", number + 1, body.trim_end())?;
    }
    Ok(file)
}

/// The packages of others that a build of `shipped` uses, build scripts and their needs left out.
fn linked<'a>(metadata: &'a Metadata, shipped: &Package) -> Result<Vec<&'a Package>> {
    let resolve = metadata
        .resolve
        .as_ref()
        .context("cargo metadata was run without dependencies")?;
    let mut seen = BTreeSet::from([&shipped.id]);
    let mut open = vec![&shipped.id];
    while let Some(id) = open.pop() {
        let node = resolve
            .nodes
            .iter()
            .find(|node| node.id == *id)
            .context("cargo metadata left out a package")?;
        for dependency in &node.deps {
            let links = dependency
                .dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal);
            if links && seen.insert(&dependency.pkg) {
                open.push(&dependency.pkg);
            }
        }
    }
    Ok(metadata
        .packages
        .iter()
        .filter(|package| package.source.is_some() && seen.contains(&package.id))
        .collect())
}

fn licence_texts(directory: &Path) -> Result<Vec<String>> {
    let doing = || format!("could not read the licences in {}", directory.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).with_context(doing)? {
        let path = entry.with_context(doing)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if path.is_file() && LICENCE_FILES.iter().any(|start| name.starts_with(start)) {
            paths.push(path);
        }
    }
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let bytes = fs::read(path).with_context(doing)?;
            Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_licences_name_what_the_binary_is_made_of_and_nothing_else() {
        let target = host().expect("rustc is there");
        let metadata = metadata_with(&["--locked", "--filter-platform", &target]).expect("cargo metadata works");
        let text = third_party(&metadata, shipped(&metadata).expect("a product")).expect("licences can be read");
        let list = text.split("\n====").next().unwrap_or_default();
        for there in ["\nserde ", "\ntokio ", "\nclap "] {
            assert!(list.contains(there), "{there} is not in the list:\n{list}");
        }
        for absent in ["\nrunledger", "\nproptest ", "\ntrybuild "] {
            assert!(!list.contains(absent), "{absent} is in the list:\n{list}");
        }
        assert!(text.contains("Permission is hereby granted, free of charge"));
    }
}
