//! The only way to the terminal. Text that came from data never reaches it raw: control characters are escaped here.

mod safe;
mod table;

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

pub(crate) use safe::{safe, safe_json, safe_line};
pub(crate) use table::Table;

use crate::failure::{Failure, Outcome};

/// Writes results to standard output and failures to standard error.
pub(crate) struct Output {
    json: bool,
    out: Mutex<Box<dyn Write + Send>>,
}

impl Output {
    /// Output for people, or for programs with `json`.
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            out: Mutex::new(Box::new(io::BufWriter::new(io::stdout()))),
        }
    }

    /// Whether a program reads the output.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person watches standard output.
    pub(crate) fn is_watched(&self) -> bool {
        !self.json && io::stdout().is_terminal()
    }

    /// Writes a line for people; what is not plain text in it is escaped.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(crate) fn line(&self, text: &str) -> Outcome {
        self.write(safe(text).as_bytes())?;
        self.write(b"\n")
    }

    /// Writes one value on a line of its own, for programs.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(crate) fn value(&self, value: &Value) -> Outcome {
        self.json(&value.to_string())
    }

    /// Writes JSON as it came, on a line of its own, for programs.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(crate) fn json(&self, json: &str) -> Outcome {
        self.write(safe_json(json).as_bytes())?;
        self.write(b"\n")
    }

    /// Writes bytes as they are: for files that a command makes (completions, exports), not for data on a terminal.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(crate) fn write(&self, bytes: &[u8]) -> Outcome {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(out.write_all(bytes)?)
    }

    /// Hands everything written so far to the reader.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(crate) fn flush(&self) -> Outcome {
        Ok(self.out.lock().unwrap_or_else(PoisonError::into_inner).flush()?)
    }

    /// Tells something beside the results, on standard error.
    pub(crate) fn tell(&self, text: &str) {
        if !self.json {
            to_stderr(&safe(text));
        }
    }

    /// Reports why the command failed.
    pub(crate) fn report(&self, failure: &Failure) {
        if self.json {
            to_stderr(&safe_json(&failure.for_programs()));
        } else {
            to_stderr(&safe(&failure.for_people()));
        }
    }
}

/// Nobody is left to tell when standard error cannot be written.
fn to_stderr(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
