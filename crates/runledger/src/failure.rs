//! How a command fails: one exit code, what happened, what to do. Nothing here decides whether something failed.

use std::fmt;
use std::io;
use std::process::ExitCode;

use serde_json::json;

/// The exit codes, as the documentation lists them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The program itself failed, `verify` found damage, or a receiver did not take a test.
    Fault = 1,
    /// The command, an id or a value cannot be understood.
    Usage = 2,
    /// The rules do not allow it; nothing was changed.
    Refused = 3,
    /// There is no such record; none was made.
    NotFound = 4,
    /// The key is taken by another creation; nothing was created.
    Conflict = 5,
    /// The ledger cannot be reached or cannot say; nothing is known to have happened.
    Unavailable = 6,
}

impl Exit {
    /// The word for the exit code in JSON.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Unavailable => "unavailable",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ends before its work is done.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    what: String,
    advice: Option<String>,
    problem: Option<Problem>,
    reader_left: bool,
}

/// A problem that the API answered.
#[derive(Debug)]
struct Problem {
    code: String,
    text: String,
}

/// What commands answer.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure with its exit code and what happened, in a sentence without a full stop.
    pub(crate) fn new(exit: Exit, what: impl fmt::Display) -> Self {
        Self {
            exit,
            what: what.to_string(),
            advice: None,
            problem: None,
            reader_left: false,
        }
    }

    /// Something in the command line or the configuration cannot be understood.
    pub(crate) fn usage(what: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// The ledger cannot be reached or cannot say.
    pub(crate) fn unavailable(what: impl fmt::Display) -> Self {
        Self::new(Exit::Unavailable, what)
    }

    /// Adds what to do about it.
    #[must_use]
    pub(crate) fn advise(mut self, advice: impl fmt::Display) -> Self {
        self.advice = Some(advice.to_string());
        self
    }

    /// Keeps the problem that the API answered, as it came, for `--json`.
    #[must_use]
    pub(crate) fn with_problem(mut self, code: String, text: String) -> Self {
        self.problem = Some(Problem { code, text });
        self
    }

    /// Says what happened in the words of the command line.
    #[must_use]
    pub(crate) fn rephrase(mut self, what: impl fmt::Display) -> Self {
        self.what = what.to_string();
        self
    }

    /// The stable word of the problem that the API answered.
    pub(crate) fn code(&self) -> Option<&str> {
        self.problem.as_ref().map(|problem| problem.code.as_str())
    }

    /// The exit code.
    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }

    /// Whether whoever read the output has gone away, which nobody needs to be told.
    pub(crate) const fn reader_left(&self) -> bool {
        self.reader_left
    }

    /// What happened, and what to do, for people. The caller makes it safe for a terminal.
    pub(crate) fn for_people(&self) -> String {
        match &self.advice {
            Some(advice) => format!("error: {}\n  help: {advice}", self.what),
            None => format!("error: {}", self.what),
        }
    }

    /// The same for programs: the problem of the API as it came, or one of the same shape.
    pub(crate) fn for_programs(&self) -> String {
        if let Some(problem) = &self.problem {
            return problem.text.clone();
        }
        let mut problem = json!({
            "type": "about:blank",
            "title": self.exit.as_str(),
            "code": self.exit.as_str(),
            "detail": self.what,
        });
        if let (Some(advice), Some(members)) = (&self.advice, problem.as_object_mut()) {
            members.insert("advice".into(), json!(advice));
        }
        problem.to_string()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// A failure to write the command's own output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let mut failure = Self::new(Exit::Fault, format_args!("cannot write the output: {error}"));
        failure.reader_left = error.kind() == io::ErrorKind::BrokenPipe;
        failure
    }
}
