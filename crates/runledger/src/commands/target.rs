//! The record that a command is about, as parts of a path. What is no key goes out as it is: the API refuses it, says
//! why, and keeps a line of it.

use axum::http::Method;
use runledger_domain::RunKey;

use crate::failure::{Failure, Outcome};
use crate::transport::Request;

/// A record, by what was typed for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    run: String,
    client: Option<String>,
}

impl Target {
    /// Takes run and client; without a client, the run may carry it (`250925-112233-Guy-Wilson`).
    pub(crate) fn new(run: &str, client: Option<&str>) -> Self {
        let whole = client.is_none().then(|| run.parse().ok()).flatten();
        match whole {
            Some(RunKey::Client(run, client)) => Self {
                run: run.to_string(),
                client: Some(client.to_string()),
            },
            Some(RunKey::Job(_)) | None => Self {
                run: run.to_owned(),
                client: client.map(str::to_owned),
            },
        }
    }

    /// Takes RUN, optionally CLIENT, and a last word.
    ///
    /// # Errors
    /// With a single word, since the last one is then missing.
    pub(crate) fn with_word<'a>(words: &'a [String], what: &str) -> Outcome<(Self, &'a str)> {
        match words {
            [run, word] => Ok((Self::new(run, None), word)),
            [run, client, word] => Ok((Self::new(run, Some(client)), word)),
            _ => Err(Failure::usage(format_args!("the {what} is missing"))
                .advise(format_args!("write RUN [CLIENT] {}", what.to_uppercase()))),
        }
    }

    /// A request for the record, or for what lies behind it.
    ///
    /// # Errors
    /// When a part cannot stand in a path.
    pub(crate) fn request(&self, method: Method, behind: &[&str]) -> Outcome<Request> {
        let mut parts = vec!["runs", &self.run];
        if let Some(client) = &self.client {
            parts.extend(["clients", client]);
        }
        parts.extend(behind);
        Request::new(method, &parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(run: &str, client: Option<&str>, expected: (&str, Option<&str>)) {
        let target = Target::new(run, client);
        assert_eq!((target.run.as_str(), target.client.as_deref()), expected);
    }

    #[test]
    fn run_and_client_are_taken_in_every_spelling() {
        check("250925-112233", None, ("250925-112233", None));
        check("250925-112233-Guy-Wilson", None, ("250925-112233", Some("Guy-Wilson")));
        check("nightly/Guy-Wilson", None, ("nightly", Some("Guy-Wilson")));
        check("nightly", Some("Guy-Wilson"), ("nightly", Some("Guy-Wilson")));
        // No key: as it was typed, for the API to refuse.
        check("250999-112233", None, ("250999-112233", None));
        check("250925-112233-Other", Some("Guy"), ("250925-112233-Other", Some("Guy")));
    }

    #[test]
    fn a_missing_last_word_is_said() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert!(Target::with_word(&words(&["r"]), "text").is_err());
        let three = words(&["nightly", "c", "hello there"]);
        let (target, word) = Target::with_word(&three, "text").unwrap();
        assert_eq!((target.client.as_deref(), word), (Some("c"), "hello there"));
    }
}
