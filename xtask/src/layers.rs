//! The layer check: the whole dependency graph against the tables that DESIGN section 5 became.
//!
//! An edge between crates of ours that no table lists is a fault, and so is a package that domain or ports reach,
//! however deep, without being on their list. The check is a function over a small graph; it reads no file.

mod rules;
#[cfg(test)]
mod tests;

use self::rules::{DEV, May, NORMAL, PURE};
use crate::{
    graph::{Graph, Kind, Package},
    workspace,
};
use anyhow::Result;
use std::{collections::VecDeque, fmt};

/// Something that breaks the layers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A crate of ours that declares no layer.
    NoLayer { name: String },
    /// A crate of ours whose layer is in no table.
    UnknownLayer { name: String, layer: String },
    /// An edge that no table lists.
    Edge {
        from: String,
        from_layer: String,
        to: String,
        to_layer: String,
        dev: bool,
    },
    /// A package that a pure layer reaches and may not; the path begins at the crate of that layer.
    Reached { layer: String, path: Vec<String> },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLayer { name } => write!(
                f,
                "{name} declares no layer: add `[package.metadata.runledger]` with `layer = \"...\"` to its \
                 Cargo.toml, one of {}",
                layers()
            ),
            Self::UnknownLayer { name, layer } => {
                write!(
                    f,
                    "{name} declares the layer `{layer}`, which does not exist: use one of {}",
                    layers()
                )
            }
            Self::Edge {
                from,
                from_layer,
                to,
                to_layer,
                dev,
            } => {
                let kind = if *dev { "dev-depends" } else { "depends" };
                write!(
                    f,
                    "{from} ({from_layer}) {kind} on {to} ({to_layer}), which DESIGN section 5 does not list: remove \
                     it from [{}dependencies] of {from} and go through what {from_layer} may use",
                    if *dev { "dev-" } else { "" }
                )
            }
            Self::Reached { layer, path } => write!(
                f,
                "{} reaches {}, which is not on the list of the layer {layer}, by {}: remove the dependency or the \
                 feature that brings it (features are unified over the workspace, so another crate may have turned \
                 it on); if it is harmless, add it to the list in xtask/src/layers/rules.rs with the reason",
                path.first().map_or("", String::as_str),
                path.last().map_or("", String::as_str),
                path.join(" -> ")
            ),
        }
    }
}

/// `cargo xtask layers`.
pub(crate) fn run() -> Result<()> {
    let graph = Graph::from_metadata(&workspace::metadata()?)?;
    let ours = graph.packages.iter().filter(|package| package.ours).count();
    workspace::conclude(&check(&graph), &format!("layers: {ours} crates, no faults"))
}

/// Every fault in the graph, in the order of its packages.
pub(crate) fn check(graph: &Graph) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (place, package) in graph.packages.iter().enumerate().filter(|(_, package)| package.ours) {
        let Some(layer) = package.layer.as_deref() else {
            faults.push(Fault::NoLayer {
                name: package.name.clone(),
            });
            continue;
        };
        if !NORMAL.iter().any(|(known, _)| *known == layer) {
            faults.push(Fault::UnknownLayer {
                name: package.name.clone(),
                layer: layer.to_owned(),
            });
            continue;
        }
        check_edges(graph, package, layer, &mut faults);
        if let Some((_, allowed)) = PURE.iter().find(|(pure, _)| *pure == layer) {
            check_reach(graph, place, layer, allowed, &mut faults);
        }
    }
    faults
}

fn check_edges(graph: &Graph, package: &Package, layer: &str, faults: &mut Vec<Fault>) {
    for edge in &package.uses {
        let to = &graph.packages[edge.to];
        let Some(to_layer) = to.layer.as_deref().filter(|_| to.ours) else {
            continue;
        };
        let dev = edge.kind == Kind::Dev;
        if !(allows(NORMAL, layer, to, to_layer) || dev && allows(DEV, layer, to, to_layer)) {
            faults.push(Fault::Edge {
                from: package.name.clone(),
                from_layer: layer.to_owned(),
                to: to.name.clone(),
                to_layer: to_layer.to_owned(),
                dev,
            });
        }
    }
}

/// Walks from one crate over what a build of it links. A build script of ours counts; those of others do not.
///
/// It does not go on behind a package that is not allowed: what that one brings is no news.
fn check_reach(graph: &Graph, start: usize, layer: &str, allowed: &[&[&str]], faults: &mut Vec<Fault>) {
    let mut reached_from: Vec<Option<usize>> = vec![None; graph.packages.len()];
    let mut open = VecDeque::from([start]);
    while let Some(place) = open.pop_front() {
        let package = &graph.packages[place];
        for edge in &package.uses {
            let links = edge.kind == Kind::Normal || edge.kind == Kind::Build && package.ours;
            if !links || edge.to == start || reached_from[edge.to].is_some() {
                continue;
            }
            reached_from[edge.to] = Some(place);
            let to = &graph.packages[edge.to];
            if to.ours {
                // An edge to a layer that is not allowed is reported as such.
                if to
                    .layer
                    .as_deref()
                    .is_some_and(|to_layer| allows(NORMAL, layer, to, to_layer))
                {
                    open.push_back(edge.to);
                }
            } else if allowed.iter().any(|list| list.contains(&to.name.as_str())) {
                open.push_back(edge.to);
            } else {
                faults.push(Fault::Reached {
                    layer: layer.to_owned(),
                    path: path_to(graph, &reached_from, edge.to),
                });
            }
        }
    }
}

fn path_to(graph: &Graph, reached_from: &[Option<usize>], end: usize) -> Vec<String> {
    let mut path = vec![graph.packages[end].name.clone()];
    let mut place = end;
    while let Some(before) = reached_from[place] {
        path.push(graph.packages[before].name.clone());
        place = before;
    }
    path.reverse();
    path
}

fn allows(table: &[(&str, &[May])], layer: &str, to: &Package, to_layer: &str) -> bool {
    table
        .iter()
        .filter(|(from, _)| *from == layer)
        .flat_map(|(_, may)| *may)
        .any(|may| match may {
            May::Layer(allowed) => *allowed == to_layer,
            May::Crate(allowed) => *allowed == to.name,
        })
}

fn layers() -> String {
    NORMAL.iter().map(|(layer, _)| *layer).collect::<Vec<_>>().join(", ")
}
