//! DESIGN section 5 as tables: who may use whom, and what the pure layers may reach. A change here is a change of the
//! design.

/// What a layer may use in normal and build dependencies. This is the drawing in DESIGN section 5.
pub(super) const NORMAL: &[(&str, &[May])] = {
    use May::Layer;
    &[
        ("domain", &[]),
        ("ports", &[Layer("domain")]),
        ("contract", &[Layer("domain"), Layer("ports")]),
        ("app", &[Layer("domain"), Layer("ports")]),
        // Airtable's formulas: of ours they know nothing.
        ("formula", &[]),
        ("adapter", &[Layer("domain"), Layer("ports"), Layer("formula")]),
        // A database for tests: of ours it knows nothing.
        ("bed", &[]),
        (
            "legacy",
            &[Layer("domain"), Layer("ports"), Layer("app"), Layer("formula")],
        ),
        ("http", &[Layer("domain"), Layer("ports"), Layer("app")]),
        ("client", &[Layer("domain")]),
        (
            "binary",
            &[
                Layer("domain"),
                Layer("ports"),
                Layer("app"),
                Layer("adapter"),
                Layer("legacy"),
                Layer("http"),
                Layer("client"),
            ],
        ),
        (
            "tests",
            &[
                Layer("domain"),
                Layer("ports"),
                Layer("contract"),
                Layer("app"),
                Layer("adapter"),
                Layer("legacy"),
                Layer("http"),
                Layer("client"),
                Layer("binary"),
                Layer("bed"),
                Layer("tests"),
            ],
        ),
        // Nothing of ours, so that the checks build in seconds and work while the product does not compile. A crate
        // that `bench` must link is named here, one by one.
        ("xtask", &[]),
    ]
};

/// What a layer may use in dev dependencies beyond what it may use anyway.
pub(super) const DEV: &[(&str, &[May])] = {
    use May::{Crate, Layer};
    &[
        // The way to Airtable is tested against the fake one, the store over PostgreSQL on a real one.
        (
            "adapter",
            &[Layer("contract"), Layer("bed"), Crate("runledger-airtable-fake")],
        ),
        // The suite is tested on the reference store, and on stores that are that one made wrong.
        ("contract", &[Crate("runledger-memory")]),
        ("app", &[Crate("runledger-memory")]),
        ("legacy", &[Crate("runledger-memory")]),
        ("http", &[Crate("runledger-memory")]),
    ]
};

/// The layers whose reach is limited, each with the packages that may be reached.
pub(super) const PURE: &[(&str, &[&[&str]])] = &[("domain", &[DOMAIN_REACH]), ("ports", &[DOMAIN_REACH, PORTS_REACH])];

/// What domain may reach: time, errors, serde, SHA-256, and what these bring.
const DOMAIN_REACH: &[&str] = &[
    "jiff",
    "jiff-core",
    "jiff-static",
    // A weak optional dependency of jiff-core: cargo metadata lists it, no build compiles it for domain.
    "log",
    // Only on targets without native 64-bit atomics.
    "portable-atomic",
    "portable-atomic-util",
    "thiserror",
    "thiserror-impl",
    "serde",
    "serde_core",
    "serde_derive",
    "sha2",
    "digest",
    "block-buffer",
    "crypto-common",
    "hybrid-array",
    // By digest, whose feature for HMAC the webhooks turn on: comparison in constant time.
    "ctutils",
    "cmov",
    "typenum",
    "cfg-if",
    "cpufeatures",
    // By digest, for the keyed hashes with which a client of PostgreSQL logs in; features are unified over the workspace.
    "const-oid",
    "ctutils",
    "cmov",
    // By cpufeatures, to ask an ARM or LoongArch processor what it can do.
    "libc",
    // What derive macros are made of; they run in the compiler.
    "proc-macro2",
    "quote",
    "syn",
    "unicode-ident",
];

/// What ports may reach beyond domain.
const PORTS_REACH: &[&str] = &["async-trait"];

/// Something that a layer may use.
#[derive(Clone, Copy, Debug)]
pub(super) enum May {
    Layer(&'static str),
    Crate(&'static str),
}
