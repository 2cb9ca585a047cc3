//! The layer check against graphs with a fault in them, and against this workspace.

use super::*;
use crate::graph::Edge;

/// Crates as `name layer` (a layer of `-` is another's package, of `?` a crate of ours without one), and edges as
/// `from to kind`.
fn graph(crates: &[&str], edges: &[&str]) -> Graph {
    let mut graph = Graph::default();
    for words in crates {
        let (name, layer) = words.split_once(' ').expect("name and layer");
        graph.packages.push(Package {
            name: name.to_owned(),
            ours: layer != "-",
            layer: Some(layer)
                .filter(|layer| *layer != "-" && *layer != "?")
                .map(str::to_owned),
            uses: Vec::new(),
        });
    }
    for words in edges {
        let [from, to, kind] = words.split(' ').collect::<Vec<_>>()[..] else {
            panic!("from, to and kind in `{words}`");
        };
        let place = |name| {
            graph
                .packages
                .iter()
                .position(|package| package.name == name)
                .expect("a known crate")
        };
        let kind = match kind {
            "normal" => Kind::Normal,
            "build" => Kind::Build,
            _ => Kind::Dev,
        };
        let (from, to) = (place(from), place(to));
        graph.packages[from].uses.push(Edge { to, kind });
    }
    graph
}

const CRATES: &[&str] = &[
    "runledger-domain domain",
    "runledger-ports ports",
    "runledger-contract contract",
    "runledger-app app",
    "runledger-memory adapter",
    "runledger-embedded adapter",
    "runledger-legacy legacy",
    "runledger-http http",
    "runledger-client client",
    "runledger binary",
    "runledger-tests tests",
    "xtask xtask",
    "jiff -",
    "tokio -",
    "async-trait -",
    "cc -",
];

/// The lawful workspace plus these edges must give exactly these faults.
fn check_with(edges: &[&str], expected: &[&str]) {
    let lawful = [
        "runledger-ports runledger-domain normal",
        "runledger-domain jiff normal",
        "runledger-ports async-trait normal",
        "runledger-app runledger-ports normal",
        "runledger-app tokio normal",
        "runledger-app runledger-memory dev",
        "runledger-embedded runledger-ports normal",
        "runledger-embedded runledger-contract dev",
        "runledger-http runledger-app normal",
        "runledger-legacy runledger-app normal",
        "runledger runledger-http normal",
        "runledger runledger-embedded normal",
        "runledger-tests runledger dev",
    ];
    let all: Vec<_> = lawful.iter().chain(edges).copied().collect();
    let found: Vec<_> = check(&graph(CRATES, &all)).iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            found.starts_with(expected),
            "`{found}` does not begin with `{expected}`"
        );
    }
}

#[test]
fn lawful_edges_pass() {
    check_with(&[], &[]);
    check_with(
        &[
            "runledger-tests runledger-contract normal",
            "runledger-tests runledger-memory dev",
        ],
        &[],
    );
}

#[test]
fn edges_that_the_design_does_not_list_are_reported() {
    for (edge, fault) in [
        (
            "runledger-embedded runledger-app normal",
            "runledger-embedded (adapter) depends on runledger-app (app)",
        ),
        (
            "runledger-embedded runledger-memory normal",
            "runledger-embedded (adapter) depends on runledger-memory",
        ),
        (
            "runledger-http runledger-embedded normal",
            "runledger-http (http) depends on runledger-embedded (adapter)",
        ),
        (
            "runledger-http runledger-embedded dev",
            "runledger-http (http) dev-depends on runledger-embedded",
        ),
        (
            "runledger-http runledger-memory build",
            "runledger-http (http) depends on runledger-memory (adapter)",
        ),
        (
            "runledger-app runledger-memory normal",
            "runledger-app (app) depends on runledger-memory (adapter)",
        ),
        (
            "runledger-contract runledger-app normal",
            "runledger-contract (contract) depends on runledger-app",
        ),
        (
            "runledger-client runledger-ports normal",
            "runledger-client (client) depends on runledger-ports (ports)",
        ),
        (
            "runledger-domain runledger-ports dev",
            "runledger-domain (domain) dev-depends on runledger-ports",
        ),
        (
            "runledger runledger-contract normal",
            "runledger (binary) depends on runledger-contract (contract)",
        ),
        (
            "xtask runledger-domain normal",
            "xtask (xtask) depends on runledger-domain (domain)",
        ),
        (
            "runledger-app xtask dev",
            "runledger-app (app) dev-depends on xtask (xtask)",
        ),
    ] {
        check_with(&[edge], &[fault]);
    }
}

#[test]
fn packages_reached_from_pure_layers_are_reported_with_their_path() {
    check_with(
        &["runledger-domain tokio normal"],
        &["runledger-domain reaches tokio", "runledger-ports reaches tokio"],
    );
    let deep = check(&graph(
        CRATES,
        &[
            "runledger-ports runledger-domain normal",
            "runledger-domain jiff normal",
            "jiff tokio normal",
        ],
    ));
    let path = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        deep,
        [
            Fault::Reached {
                layer: "domain".into(),
                path: path(&["runledger-domain", "jiff", "tokio"])
            },
            Fault::Reached {
                layer: "ports".into(),
                path: path(&["runledger-ports", "runledger-domain", "jiff", "tokio"])
            },
        ]
    );
    check_with(
        &["runledger-domain async-trait normal"],
        &["runledger-domain reaches async-trait"],
    );
}

#[test]
fn dev_dependencies_and_foreign_build_scripts_are_not_reached() {
    check_with(&["runledger-domain tokio dev", "jiff cc build", "jiff tokio dev"], &[]);
    check_with(
        &["runledger-domain cc build"],
        &["runledger-domain reaches cc", "runledger-ports reaches cc"],
    );
}

#[test]
fn a_crate_without_a_known_layer_is_reported() {
    let found = check(&graph(
        &["new-crate ?", "odd-crate odd", "serde -"],
        &["new-crate serde normal"],
    ));
    assert_eq!(
        found,
        [
            Fault::NoLayer {
                name: "new-crate".into()
            },
            Fault::UnknownLayer {
                name: "odd-crate".into(),
                layer: "odd".into()
            },
        ]
    );
}

#[test]
fn the_workspace_keeps_its_layers() {
    let metadata = workspace::metadata().expect("cargo metadata works");
    let found = check(&Graph::from_metadata(&metadata).expect("a resolved graph"));
    assert!(
        found.is_empty(),
        "{}",
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    );
}
