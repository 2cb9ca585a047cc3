//! `cargo xtask page`: the page that shows the API draws every operation, every schema and every problem, in a browser.

use crate::{
    server::{self, Ledger, Server},
    workspace,
};
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

/// What the browser may be called.
const BROWSERS: [&str; 2] = ["chromium", "chromium-browser"];
/// No sandbox (CI runs as root), nothing that talks to anybody else.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--virtual-time-budget=5000",
    "--timeout=30000",
];

/// `cargo xtask page`. Answers whether there was a browser to ask.
pub(crate) fn run() -> Result<bool> {
    let works = |name: &&&str| {
        let version = Command::new(name)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        version.is_ok_and(|status| status.success())
    };
    let Some(browser) = BROWSERS.iter().find(works) else {
        println!("page: left out, there is no chromium (`apt-get install chromium`); tests check what is served");
        return Ok(false);
    };
    let target = PathBuf::from(workspace::metadata()?.target_directory);
    let program = server::build(&target)?;
    let place = target.join("page");
    let ledger = Ledger::new(&program, &place)?;
    let server = Server::start(&ledger)?;
    // The browser talks much; what it says matters when it fails.
    let shown = Command::new(browser)
        .args(FLAGS)
        .arg(format!("--user-data-dir={}", place.join("profile").display()))
        .arg("--dump-dom")
        .arg(format!("{}/docs", server.url))
        .output()
        .with_context(|| format!("could not start {browser}"))?;
    if !shown.status.success() {
        let said = String::from_utf8_lossy(&shown.stderr);
        bail!("{browser} could not show the page ({}):\n{said}", shown.status);
    }
    let page = String::from_utf8(shown.stdout).context("the browser printed something that is not UTF-8")?;
    fs::write(place.join("page.html"), &page).context("could not keep what the browser shows")?;
    let path = workspace::root().join("docs/openapi.json");
    let description = fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
    let expected = expected(&serde_json::from_str(&description)?);
    let missing: Vec<_> = expected.iter().filter(|part| !page.contains(part.as_str())).collect();
    if expected.is_empty() || !missing.is_empty() {
        bail!("the page does not draw {missing:?}; target/page/page.html is what it draws");
    }
    println!("page: {} parts of the description are drawn", expected.len());
    Ok(true)
}

/// The marks of what the description holds: operations, schemas, parameters, problems.
fn expected(description: &Value) -> Vec<String> {
    let entries = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let mut marks = Vec::new();
    for (path, methods) in entries(&description["paths"]) {
        marks.push(format!("<code>{path}</code>"));
        for operation in entries(&methods).values() {
            marks.push(format!("<details id={}", operation["operationId"]));
            let names = operation["parameters"].as_array().into_iter().flatten();
            marks.extend(names.filter_map(|one| Some(format!("<code>{}</code>", one["name"].as_str()?))));
        }
    }
    let schemas = entries(&description["components"]["schemas"]);
    marks.extend(schemas.keys().map(|name| format!("<details id=\"schema-{name}\"")));
    for response in entries(&description["components"]["responses"]).values() {
        let codes = response["description"]
            .as_str()
            .unwrap_or_default()
            .split('`')
            .skip(1)
            .step_by(2);
        marks.extend(codes.map(|code| format!("href=\"/problems/{code}\"")));
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_description_has_its_mark() {
        let description = serde_json::json!({
            "paths": {"/a/{b}": {"get": {"operationId": "getA", "parameters": [{"name": "b"}]}}},
            "components": {"schemas": {"A": {}}, "responses": {"Problem404": {"description": "One of: `x` `y`"}}},
        });
        let marks = [
            "<code>/a/{b}</code>",
            "<details id=\"getA\"",
            "<code>b</code>",
            "<details id=\"schema-A\"",
            "href=\"/problems/x\"",
            "href=\"/problems/y\"",
        ];
        assert_eq!(expected(&description), marks);
    }
}
