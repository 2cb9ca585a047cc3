//! What the source must not hold: statements that create by the way, clippy's way round, permits minted elsewhere.
//!
//! The types keep callers from creating by accident; they do not bind the author of a store. This is the search that
//! does, beside the contract suite. It looks at what ships: comments and tests are left out.

use crate::{
    manifests,
    source::{Source, line_of, places, places_in_statement},
    workspace,
};
use anyhow::{Context as _, Result};
use std::{fmt, fs, path::Path};

/// Statements and names that create where they should only change or read (I3). Looked for in code and in literals.
const CREATES: &[&str] = &[
    "DO UPDATE",
    "INSERT OR REPLACE",
    "UPDATE OR REPLACE",
    "ON CONFLICT REPLACE",
    "REPLACE INTO",
    "performUpsert",
    "get_or_create",
    "getOrCreate",
];

/// What else has no place in code that ships, and what to do instead.
const SHORTCUTS: &[(&str, &str)] = &[
    (
        ".unwrap()",
        "return an error, or `expect` with the reason why it cannot fail",
    ),
    ("todo!", "write it, or leave it out"),
    ("unimplemented!", "write it, or leave it out"),
    ("#[allow(", "use `#[expect(.., reason = \"..\")]`"),
    ("#![allow(", "use `#![expect(.., reason = \"..\")]`"),
];

/// How a permit is minted (I2).
const MINTS: &[&str] = &[".authorise(", "::authorise("];

/// Where a permit may be minted: the creation point, and the suite and the benchmark that play it for a store.
const MAY_MINT: &[&str] = &["crates/app/", "crates/contract/", "crates/bench/"];

/// A name that one place may use: the fake Airtable must understand what the projection never sends.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("performUpsert", "crates/adapters/airtable-fake/src/"),
    // The gateway reads it in what clients send, and never creates by it.
    ("performUpsert", "crates/adapters/legacy-compat/src/gateway/body.rs"),
];

/// From here on a file is worth splitting.
const LINES_WARNED_ABOUT: usize = 500;

/// Something that the source must not hold.
#[derive(Debug)]
pub(crate) struct Fault {
    path: String,
    line: usize,
    what: String,
}

impl Fault {
    pub(crate) fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// `cargo xtask statements`.
pub(crate) fn run() -> Result<()> {
    let tree = Tree::read()?;
    for warning in tree.long_files() {
        eprintln!("warning: {warning}");
    }
    let mut faults = tree.check();
    faults.extend(manifests::check_workspace()?);
    workspace::conclude(&faults, &format!("statements: {} files, no faults", tree.files.len()))
}

/// The files of the workspace that the checks look at.
#[derive(Debug)]
struct Tree {
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    /// From the root of the workspace, with `/`.
    path: String,
    text: String,
}

impl Tree {
    /// Rust and SQL under every `src` of crates/, and the Rust of xtask.
    fn read() -> Result<Self> {
        let mut files = Vec::new();
        for (directory, extensions) in [("crates", &["rs", "sql"][..]), ("xtask/src", &["rs"])] {
            for path in workspace::files_under(&workspace::root().join(directory), extensions)? {
                let text = fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
                let path = workspace::relative(&path);
                // SQL counts wherever it lies: `include_str!` reaches it.
                if path.contains("/src/") || has_extension(&path, "sql") {
                    files.push(File { path, text });
                }
            }
        }
        Ok(Self { files })
    }

    fn long_files(&self) -> Vec<String> {
        let lines = self.files.iter().map(|file| (&file.path, file.text.lines().count()));
        let long = lines.filter(|(_, lines)| *lines > LINES_WARNED_ABOUT);
        long.map(|(path, lines)| format!("{path} has {lines} lines: split it by subject"))
            .collect()
    }

    fn check(&self) -> Vec<Fault> {
        let sources: Vec<_> = self.files.iter().map(|file| (file, Source::scan(&file.text))).collect();
        let test_files: Vec<_> = sources
            .iter()
            .flat_map(|(file, source)| test_files(&file.path, source))
            .collect();
        let mut faults = Vec::new();
        for (file, source) in &sources {
            if has_extension(&file.path, "sql") {
                check_creation(&file.path, &without_sql_comments(&file.text), &mut faults);
                continue;
            }
            if !file.text.starts_with("//!") {
                faults.push(Fault::new(
                    &file.path,
                    1,
                    "the file does not begin with `//!`: say what it is for and what it must never do",
                ));
            }
            let is_test = test_files
                .iter()
                .any(|test| file.path == *test || file.path.starts_with(&format!("{test}/")));
            if file.path.starts_with("crates/") && !is_test {
                check_creation(&file.path, &source.text, &mut faults);
                check_shortcuts(&file.path, &source.code, &mut faults);
                check_mints(&file.path, &source.code, &mut faults);
            }
        }
        faults
    }
}

fn check_creation(path: &str, text: &str, faults: &mut Vec<Fault>) {
    for needle in CREATES {
        if EXCEPTIONS
            .iter()
            .any(|(excepted, place)| excepted == needle && path.starts_with(place))
        {
            continue;
        }
        for place in places_in_statement(text, needle) {
            faults.push(Fault::new(
                path,
                line_of(text, place),
                format!(
                    "`{needle}` creates or replaces by the way (I3): insert with `ON CONFLICT DO NOTHING` and check \
                     the count of rows, or update by key and version"
                ),
            ));
        }
    }
}

fn check_shortcuts(path: &str, code: &str, faults: &mut Vec<Fault>) {
    for (needle, advice) in SHORTCUTS {
        for place in places(code, needle) {
            faults.push(Fault::new(
                path,
                line_of(code, place),
                format!("`{needle}` outside tests: {advice}"),
            ));
        }
    }
}

fn check_mints(path: &str, code: &str, faults: &mut Vec<Fault>) {
    if MAY_MINT.iter().any(|allowed| path.starts_with(allowed)) {
        return;
    }
    for place in MINTS.iter().flat_map(|needle| places(code, needle)) {
        faults.push(Fault::new(
            path,
            line_of(code, place),
            "a permit is minted here; only the creation point in crates/app does that (I2): call it instead",
        ));
    }
}

/// The files (without the extension, so also the directories) of modules that a file declares for tests only.
fn test_files(path: &str, source: &Source) -> Vec<String> {
    let path = Path::new(path);
    let parent = path.parent().unwrap_or(path);
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let directory = if matches!(stem, "lib" | "main" | "mod") {
        parent.to_path_buf()
    } else {
        parent.join(stem)
    };
    let declared = source
        .test_modules
        .iter()
        .map(|module| directory.join(module).to_string_lossy().replace('\\', "/"));
    declared.flat_map(|module| [format!("{module}.rs"), module]).collect()
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

fn without_sql_comments(text: &str) -> String {
    text.lines()
        .map(|line| line.split_once("--").map_or(line, |(sql, _)| sql))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: &str = "crates/adapters/embedded/src/store.rs";

    /// A tree of these files must give exactly the faults that begin like this.
    fn check_files(files: &[(&str, &str)], expected: &[&str]) {
        let files = files.iter().map(|(path, text)| File {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        });
        let found: Vec<_> = Tree { files: files.collect() }
            .check()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                found.starts_with(expected),
                "`{found}` does not begin with `{expected}`"
            );
        }
    }

    fn check(path: &str, body: &str, expected: &[&str]) {
        check_files(&[(path, &format!("//! Head.\n{body}\n"))], expected);
    }

    #[test]
    fn statements_that_create_by_the_way_are_reported() {
        let line_2 = "crates/adapters/embedded/src/store.rs:2: `";
        for (statement, name) in [
            (
                "insert into runs values (1) on conflict (key) do update set a = 1",
                "DO UPDATE",
            ),
            ("INSERT  OR REPLACE INTO runs", "INSERT OR REPLACE"),
            ("replace into runs", "REPLACE INTO"),
            ("{ \\\"performUpsert\\\": {} }", "performUpsert"),
        ] {
            let expected = format!("{line_2}{name}`");
            let found = if name == "INSERT OR REPLACE" {
                vec![expected, format!("{line_2}REPLACE INTO`")]
            } else {
                vec![expected]
            };
            check(
                STORE,
                &format!("const S: &str = \"{statement}\";"),
                &found.iter().map(String::as_str).collect::<Vec<_>>(),
            );
            check(STORE, &format!("// {statement}"), &[]);
            check(STORE, &format!("/// {statement}\nfn f() {{}}"), &[]);
            check(
                STORE,
                &format!("#[cfg(test)]\nmod tests {{ const S: &str = \"{statement}\"; }}"),
                &[],
            );
        }
        check(STORE, "fn get_or_create() {}", &[&format!("{line_2}get_or_create`")]);
        check(
            STORE,
            "const S: &str = \"on conflict do\n  update\";",
            &[&format!("{line_2}DO UPDATE`")],
        );
        check(
            STORE,
            "const S: &str = \"insert into runs values (1) on conflict do nothing\";",
            &[],
        );
    }

    #[test]
    fn only_the_fake_names_the_upsert() {
        let body = "const S: &str = \"performUpsert\";";
        check("crates/adapters/airtable-fake/src/write.rs", body, &[]);
        check(
            "crates/adapters/airtable/src/client.rs",
            body,
            &["crates/adapters/airtable/src/client.rs:2: `performUpsert`"],
        );
    }

    #[test]
    fn sql_files_are_searched() {
        check_files(
            &[("crates/adapters/embedded/src/a.sql", "-- do update\nselect 1;")],
            &[],
        );
        check_files(
            &[(
                "crates/adapters/embedded/migrations/a.sql",
                "select 1;\ninsert into a values (1) on conflict do update;",
            )],
            &["crates/adapters/embedded/migrations/a.sql:2: `DO UPDATE`"],
        );
    }

    #[test]
    fn shortcuts_are_reported_outside_tests() {
        let fault = |name: &str| format!("crates/domain/src/a.rs:2: `{name}` outside tests");
        for (body, name) in [
            ("fn f() { g().unwrap(); }", ".unwrap()"),
            ("fn f() { todo!() }", "todo!"),
            ("fn f() { unimplemented!() }", "unimplemented!"),
            ("#[allow(dead_code)] fn f() {}", "#[allow("),
            ("#![allow(dead_code)]", "#![allow("),
        ] {
            check("crates/domain/src/a.rs", body, &[&fault(name)]);
            check("crates/domain/src/a.rs", &format!("/* {body} */"), &[]);
            check(
                "crates/domain/src/a.rs",
                &format!("const S: &str = r#\"{body}\"#;"),
                &[],
            );
        }
        check(
            "crates/domain/src/a.rs",
            "#[cfg(test)] mod tests { fn f() { g().unwrap(); } } fn h() { i().unwrap(); }",
            &[&fault(".unwrap()")],
        );
        check("crates/domain/src/a.rs", "fn f() { g().unwrap_or(1); }", &[]);
    }

    #[test]
    fn files_of_test_modules_are_tests() {
        let lib = ("crates/domain/src/lib.rs", "//! Head.\n#[cfg(test)]\nmod tests;\n");
        let text = "//! Head.\nfn f() { g().unwrap(); }\n";
        check_files(&[lib, ("crates/domain/src/tests.rs", text)], &[]);
        check_files(&[lib, ("crates/domain/src/tests/cases.rs", text)], &[]);
        check_files(
            &[lib, ("crates/domain/src/other.rs", text)],
            &["crates/domain/src/other.rs:2"],
        );
        check_files(
            &[lib, ("crates/ports/src/tests.rs", text)],
            &["crates/ports/src/tests.rs:2"],
        );
        let id = ("crates/domain/src/id.rs", "//! Head.\n#[cfg(test)]\nmod tests;\n");
        check_files(&[id, ("crates/domain/src/id/tests.rs", text)], &[]);
    }

    #[test]
    fn permits_are_minted_by_the_creation_point_alone() {
        let body = "fn f() { policy.authorise(key); }";
        check("crates/app/src/creation.rs", body, &[]);
        check("crates/contract/src/suite.rs", body, &[]);
        check(
            "crates/http/src/create.rs",
            body,
            &["crates/http/src/create.rs:2: a permit is minted here"],
        );
        check(
            STORE,
            "fn f() { CreationPolicy::authorise(p, key); }",
            &[&format!("{STORE}:2: a permit is minted here")],
        );
        check("crates/domain/src/policy.rs", "pub fn authorise(&self) {}", &[]);
    }

    #[test]
    fn every_file_has_a_head() {
        check_files(
            &[("crates/domain/src/a.rs", "use a;\n")],
            &["crates/domain/src/a.rs:1: the file does not begin"],
        );
        check_files(
            &[("xtask/src/a.rs", "// A head\n")],
            &["xtask/src/a.rs:1: the file does not begin"],
        );
    }

    #[test]
    fn long_files_are_warned_about() {
        let file = |lines| File {
            path: "crates/domain/src/a.rs".into(),
            text: "//!\n".repeat(lines),
        };
        assert_eq!(Tree { files: vec![file(500)] }.long_files().len(), 0);
        assert_eq!(Tree { files: vec![file(501)] }.long_files().len(), 1);
    }

    #[test]
    fn the_workspace_holds_no_such_statement() {
        let mut found = Tree::read().expect("the sources can be read").check();
        found.extend(manifests::check_workspace().expect("the manifests can be read"));
        assert!(
            found.is_empty(),
            "{}",
            found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        );
    }
}
