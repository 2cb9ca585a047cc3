//! The licence check: every package in the lock must be usable under licences that were agreed on.
//!
//! It covers what `cargo deny check licenses` covers, so that a fresh clone needs nothing but cargo. `deny.toml` holds
//! the same list; a test compares them.

use crate::{spdx::Expression, workspace};
use anyhow::Result;
use cargo_metadata::Metadata;
use std::{collections::BTreeSet, fmt};

/// The licences that a package may be used under. All permit shipping in a binary of any licence, with notice at most.
pub(crate) const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages that may be used under a licence of their own, each by its name and for a reason that `deny.toml` states.
pub(crate) const EXCEPTIONS: &[(&str, &str)] = &[("webpki-root-certs", "CDLA-Permissive-2.0")];

/// A package and the licence field of its manifest.
#[derive(Debug)]
pub(crate) struct Licensed {
    pub(crate) package: String,
    pub(crate) licence: Option<String>,
}

/// A package that may not be used as it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Missing {
        package: String,
    },
    Malformed {
        package: String,
        licence: String,
        reason: String,
    },
    NotAllowed {
        package: String,
        licence: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { package } => {
                write!(
                    f,
                    "{package} states no licence: read its licence file, then use another package"
                )
            }
            Self::Malformed {
                package,
                licence,
                reason,
            } => {
                write!(
                    f,
                    "{package} has the licence `{licence}`, which cannot be understood: {reason}"
                )
            }
            Self::NotAllowed { package, licence } => write!(
                f,
                "{package} has the licence `{licence}`, which was not agreed on: use another package, or add it to \
                 ALLOWED in xtask/src/licences.rs and to deny.toml with the lead's consent"
            ),
        }
    }
}

/// `cargo xtask licences`.
pub(crate) fn run() -> Result<()> {
    let packages = licensed(&workspace::metadata()?);
    let distinct: BTreeSet<_> = packages
        .iter()
        .filter_map(|package| package.licence.as_deref())
        .collect();
    workspace::conclude(
        &check(&packages),
        &format!(
            "licences: {} packages, {} distinct expressions, no faults",
            packages.len(),
            distinct.len()
        ),
    )
}

/// Every package that may not be used.
pub(crate) fn check(packages: &[Licensed]) -> Vec<Fault> {
    packages.iter().filter_map(fault).collect()
}

fn fault(Licensed { package, licence }: &Licensed) -> Option<Fault> {
    let package = package.clone();
    let Some(licence) = licence.clone() else {
        return Some(Fault::Missing { package });
    };
    match Expression::parse(&licence) {
        Err(reason) => Some(Fault::Malformed {
            package,
            licence,
            reason: reason.to_string(),
        }),
        Ok(expression) if expression.is_satisfied(&|licence: &str| is_agreed_on(&package, licence)) => None,
        Ok(_) => Some(Fault::NotAllowed { package, licence }),
    }
}

fn is_agreed_on(package: &str, licence: &str) -> bool {
    let name = package.split(' ').next().unwrap_or(package);
    ALLOWED.contains(&licence) || EXCEPTIONS.contains(&(name, licence))
}

fn licensed(metadata: &Metadata) -> Vec<Licensed> {
    let packages = metadata.packages.iter().map(|package| Licensed {
        package: format!("{} {}", package.name, package.version),
        licence: package.license.clone(),
    });
    packages.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn check_one(licence: Option<&str>, expected: Option<&str>) {
        let found = check(&[Licensed {
            package: "p 1.0.0".into(),
            licence: licence.map(str::to_owned),
        }]);
        match expected {
            None => assert_eq!(found, []),
            Some(expected) => {
                assert_eq!(found.len(), 1, "{found:?}");
                assert!(found[0].to_string().contains(expected), "{}", found[0]);
            }
        }
    }

    #[test]
    fn good_licences_pass() {
        check_one(Some("MIT"), None);
        check_one(Some("MIT/Apache-2.0"), None);
        check_one(Some("(MIT OR Apache-2.0) AND Unicode-3.0"), None);
        check_one(Some("MIT OR Apache-2.0 OR LGPL-2.1-or-later"), None);
    }

    #[test]
    fn bad_licences_are_reported() {
        check_one(None, Some("p 1.0.0 states no licence"));
        check_one(Some(""), Some("cannot be understood"));
        check_one(Some("MIT OR"), Some("cannot be understood"));
        check_one(Some("see LICENSE"), Some("cannot be understood"));
        check_one(Some("GPL-3.0-only"), Some("was not agreed on"));
        check_one(Some("MIT AND OpenSSL"), Some("was not agreed on"));
        check_one(Some("mit"), Some("was not agreed on"));
    }

    #[test]
    fn an_exception_is_for_its_package_alone() {
        let (name, licence) = EXCEPTIONS[0];
        for (package, expected) in [
            (format!("{name} 1.0.0"), 0),
            (format!("{name}-other 1.0.0"), 1),
            ("p 1.0.0".into(), 1),
        ] {
            let licence = Some(licence.to_owned());
            assert_eq!(check(&[Licensed { package, licence }]).len(), expected);
        }
    }

    #[test]
    fn deny_toml_makes_the_same_exceptions() {
        let text = fs::read_to_string(workspace::root().join("deny.toml")).expect("deny.toml is there");
        let listed = text
            .lines()
            .filter(|line| line.contains("crate = ") && line.contains("allow = ["))
            .map(|line| {
                let words: Vec<_> = line.split('"').collect();
                (words[1].to_owned(), words[3].to_owned())
            });
        let ours = EXCEPTIONS
            .iter()
            .map(|(name, licence)| ((*name).to_owned(), (*licence).to_owned()));
        assert_eq!(listed.collect::<Vec<_>>(), ours.collect::<Vec<_>>());
    }

    #[test]
    fn deny_toml_allows_the_same() {
        let text = fs::read_to_string(workspace::root().join("deny.toml")).expect("deny.toml is there");
        let list = text
            .split_once("\nallow = [")
            .and_then(|(_, rest)| rest.split_once(']'))
            .expect("a list")
            .0;
        let listed: Vec<_> = list.split('"').skip(1).step_by(2).collect();
        assert_eq!(
            listed, ALLOWED,
            "deny.toml and xtask/src/licences.rs must hold the same list"
        );
    }

    #[test]
    fn the_lock_holds_only_agreed_licences() {
        let found = check(&licensed(&workspace::metadata().expect("cargo metadata works")));
        assert!(
            found.is_empty(),
            "{}",
            found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        );
    }
}
