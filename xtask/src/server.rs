//! The product's own server as a process, for checks that ask it: on an empty ledger, on a free port of this machine.

use crate::workspace::{capture, cargo, run};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Builds the program; answers where it is.
pub(crate) fn build(target: &Path) -> Result<PathBuf> {
    run(
        cargo().args(["build", "--locked", "--package", "runledger"]),
        "mend what does not compile",
    )?;
    Ok(target.join("debug").join("runledger"))
}

/// An empty ledger in a directory of its own, seen by commands that inherit nothing.
pub(crate) struct Ledger {
    program: PathBuf,
    /// The directory.
    pub(crate) home: PathBuf,
}

impl Ledger {
    pub(crate) fn new(program: &Path, home: &Path) -> Result<Self> {
        if home.exists() {
            fs::remove_dir_all(home).with_context(|| format!("could not empty {}", home.display()))?;
        }
        fs::create_dir_all(home).with_context(|| format!("could not make {}", home.display()))?;
        Ok(Self {
            program: program.into(),
            home: home.into(),
        })
    }

    fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env_clear()
            .env("HOME", &self.home)
            .env("RUNLEDGER_DATA", self.data())
            .current_dir(&self.home);
        command
    }

    /// Writes its configuration.
    pub(crate) fn write_settings(&self, toml: &str) -> Result<()> {
        fs::create_dir_all(self.data()).context("could not make the data directory")?;
        fs::write(self.data().join("runledger.toml"), toml).context("could not write the configuration")
    }

    /// Makes a token that may do everything as one source.
    pub(crate) fn token(&self) -> Result<String> {
        let scopes = ["create", "change", "read", "admin"];
        let mut command = self.command(&["token", "create", "contract", "--for", "orchestrator", "--json"]);
        for scope in scopes {
            command.args(["--scope", scope]);
        }
        text_of(&capture(&mut command, "see what it says")?, "secret")
    }

    /// The key that the server left for this machine's operator.
    pub(crate) fn operator_key(&self) -> Result<String> {
        let path = self.data().join("server.json");
        let text = fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
        text_of(&text, "operator_key")
    }

    /// Nothing may be wrong with it.
    pub(crate) fn verify(&self) -> Result<()> {
        run(
            self.command(&["verify"]).stdout(Stdio::null()),
            "the ledger does not hold together after these requests: that is a fault of the server",
        )
    }
}

/// A server on a free port of this machine; it ends with this value.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start(ledger: &Ledger) -> Result<Self> {
        let log = ledger.home.join("server.log");
        let log = fs::File::create(&log).with_context(|| format!("could not make {}", log.display()))?;
        let child = ledger
            .command(&["serve", "--listen", "127.0.0.1:0", "--json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("could not start the server")?;
        let mut server = Self {
            child,
            url: String::new(),
        };
        let output = server
            .child
            .stdout
            .take()
            .context("the output of the server is not to be had")?;
        let mut greeting = String::new();
        BufReader::new(output)
            .read_line(&mut greeting)
            .context("could not read what the server prints")?;
        server.url = text_of(&greeting, "url")
            .with_context(|| format!("the server did not start: see server.log in {}", ledger.home.display()))?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A process that is gone already needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A fake Airtable on a free port of this machine; it ends with this value.
pub(crate) struct Fake {
    child: Child,
    url: String,
    control: String,
}

impl Fake {
    pub(crate) fn start(program: &Path) -> Result<Self> {
        let child = Command::new(program)
            .args(["dev", "fake-airtable", "--listen", "127.0.0.1:0", "--json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("could not start the fake Airtable")?;
        let mut fake = Self {
            child,
            url: String::new(),
            control: String::new(),
        };
        let output = fake
            .child
            .stdout
            .take()
            .context("the output of the fake is not to be had")?;
        let mut greeting = String::new();
        BufReader::new(output)
            .read_line(&mut greeting)
            .context("could not read what the fake prints")?;
        fake.url = text_of(&greeting, "url")?;
        fake.control = text_of(&greeting, "control_url")?;
        Ok(fake)
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Tells a program where the fake is.
    pub(crate) fn tell<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("FAKE_URL", &self.url).env("FAKE_CONTROL", &self.control)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        // A process that is gone already needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One text of a JSON object. What was read is not shown: it may hold a secret.
fn text_of(json: &str, name: &str) -> Result<String> {
    let value: Value =
        serde_json::from_str(json).with_context(|| format!("no JSON object with {name:?} was printed"))?;
    let text = value.get(name).and_then(Value::as_str);
    Ok(text.with_context(|| format!("the JSON has no text {name:?}"))?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_out_and_never_shown_in_an_error() {
        assert_eq!(
            text_of(r#"{"secret":"rlt_x"}"#, "secret").expect("it is there"),
            "rlt_x"
        );
        for json in ["", "rlt_x", r#"{"secret":7,"other":"rlt_x"}"#, r#"["rlt_x"]"#] {
            let error = text_of(json, "secret").expect_err("it is not there");
            assert!(!format!("{error:#}").contains("rlt_x"), "{error:#}");
        }
    }
}
