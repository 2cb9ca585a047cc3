//! What every manifest of ours must say: the lints of the workspace are inherited, so that no crate escapes them.

use crate::{statements::Fault, workspace};
use anyhow::{Context as _, Result};
use std::fs;

/// Every crate of ours that does not inherit the lints.
pub(crate) fn check_workspace() -> Result<Vec<Fault>> {
    let metadata = workspace::metadata()?;
    let mut faults = Vec::new();
    for package in metadata.packages.iter().filter(|package| package.source.is_none()) {
        let path = package.manifest_path.as_std_path();
        let text = fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
        faults.extend(check(&workspace::relative(path), &text));
    }
    Ok(faults)
}

fn check(path: &str, manifest: &str) -> Option<Fault> {
    let mut lines = manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[lints]")
        .skip(1);
    let inherits = lines
        .by_ref()
        .take_while(|line| !line.starts_with('['))
        .any(|line| line == "workspace = true");
    (!inherits).then(|| {
        Fault::new(
            path,
            1,
            "the crate does not inherit the lints: add `[lints]` with `workspace = true`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_that_escapes_the_lints_is_reported() {
        assert!(
            check(
                "a",
                "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n\n[dependencies]\n"
            )
            .is_none()
        );
        for manifest in [
            "",
            "[package]\n",
            "[lints]\n\n[dependencies]\nworkspace = true",
            "[lints.rust]\nunsafe_code = \"allow\"",
        ] {
            assert!(check("a", manifest).is_some(), "{manifest}");
        }
    }
}
