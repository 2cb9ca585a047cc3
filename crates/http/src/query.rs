//! The part of the address behind `?`: known names only, each once, each value understood or refused by name.

use std::fmt;
use std::str::FromStr;

use axum::extract::Query;
use axum::http::Uri;
use runledger_ports::{Cursor, PAGE_MAX, PageSize};

use crate::problem;
use crate::trouble::Problem;
use crate::wire::page::CursorText;

/// The parameters of one request.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Takes the parameters of an address; all of them must be in `known`.
    pub(crate) fn of(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        if uri.query().unwrap_or_default().is_empty() {
            return Ok(Self(Vec::new()));
        }
        let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
            let detail = "the query cannot be read; write it as name=value&name=value";
            return Err(Problem::new(&problem::VALUE_INVALID, detail));
        };
        for (index, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let detail = match known {
                    [] => format!("parameter {name} is not known here; this call takes none"),
                    known => format!("parameter {name} is not known here; there is {}", known.join(", ")),
                };
                return Err(Problem::new(&problem::UNKNOWN_PARAMETER, detail).at(name));
            }
            if pairs[..index].iter().any(|(before, _)| before == name) {
                return Err(Problem::value(
                    name,
                    format!("parameter {name} stands twice; send it once"),
                ));
            }
        }
        Ok(Self(pairs))
    }

    /// The text of one parameter.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, text)| text.as_str())
    }

    /// One parameter, understood by its type.
    pub(crate) fn value<T>(&self, name: &str) -> Result<Option<T>, Problem>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let parsed = self.text(name).map(str::parse).transpose();
        parsed.map_err(|error: T::Err| Problem::value(name, error.to_string()))
    }

    /// One parameter that is `true` or `false`; false when it is not there.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Problem::value(name, format!("{name} is {other:?}; send true or false"))),
        }
    }

    /// How many entries a page is to hold.
    pub(crate) fn limit(&self) -> Result<PageSize, Problem> {
        let Some(text) = self.text("limit") else {
            return Ok(PageSize::default());
        };
        let plain = text.bytes().all(|b| b.is_ascii_digit());
        let size = text.parse().ok().filter(|_| plain).and_then(PageSize::new);
        size.ok_or_else(|| Problem::value("limit", format!("limit is {text:?}; send 1 to {PAGE_MAX}")))
    }

    /// Where the page begins.
    pub(crate) fn cursor(&self) -> Result<Option<Cursor>, Problem> {
        let Some(text) = self.text("cursor") else {
            return Ok(None);
        };
        if let Some(CursorText(cursor)) = CursorText::read(text) {
            return Ok(Some(cursor));
        }
        let detail = format!("{text:?} is not a cursor; send the next of the page before, or none to begin");
        Err(Problem::new(&problem::CURSOR_INVALID, detail).at("cursor"))
    }
}

/// Refuses parameters where there are none.
pub(crate) fn check_none(uri: &Uri) -> Result<(), Problem> {
    match uri.query() {
        None | Some("") => Ok(()),
        Some(_) => Parameters::of(uri, &[]).map(|_| ()),
    }
}
