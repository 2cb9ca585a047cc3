//! The packages of the lock and who uses whom, in the few words that the layer check needs.
//!
//! A plain value, so that a test can build one with a fault in it.

use anyhow::{Context as _, Result};
use cargo_metadata::{DependencyKind, Metadata};
use std::collections::HashMap;

/// Packages, which name each other by their place in `packages`.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) packages: Vec<Package>,
}

/// One package.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Is it in our tree, as opposed to a registry?
    pub(crate) ours: bool,
    /// The layer that its manifest declares.
    pub(crate) layer: Option<String>,
    pub(crate) uses: Vec<Edge>,
}

/// One dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) to: usize,
    pub(crate) kind: Kind,
}

/// What a dependency is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

impl Graph {
    /// The graph that cargo resolved.
    ///
    /// Cargo unifies features over the workspace and may list a weak optional dependency that is never built, so the
    /// graph can hold more than a build compiles, never less.
    ///
    /// # Errors
    /// When the metadata was made without dependencies.
    pub(crate) fn from_metadata(metadata: &Metadata) -> Result<Self> {
        let resolve = metadata
            .resolve
            .as_ref()
            .context("cargo metadata was run without dependencies")?;
        let places: HashMap<_, _> = metadata
            .packages
            .iter()
            .enumerate()
            .map(|(place, package)| (&package.id, place))
            .collect();
        let mut packages: Vec<_> = metadata
            .packages
            .iter()
            .map(|package| Package {
                name: package.name.to_string(),
                ours: package.source.is_none(),
                layer: package.metadata["runledger"]["layer"].as_str().map(str::to_owned),
                uses: Vec::new(),
            })
            .collect();
        for node in &resolve.nodes {
            let from = *places
                .get(&node.id)
                .context("cargo metadata names a package that it does not list")?;
            for dependency in &node.deps {
                let to = *places
                    .get(&dependency.pkg)
                    .context("cargo metadata names a package that it does not list")?;
                for kind in &dependency.dep_kinds {
                    let kind = match kind.kind {
                        DependencyKind::Development => Kind::Dev,
                        DependencyKind::Build => Kind::Build,
                        // An unknown kind is treated as the strictest.
                        _ => Kind::Normal,
                    };
                    let edge = Edge { to, kind };
                    if !packages[from].uses.contains(&edge) {
                        packages[from].uses.push(edge);
                    }
                }
            }
        }
        Ok(Self { packages })
    }
}
