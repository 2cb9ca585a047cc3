//! What things are called at Airtable.

use std::fmt;
use std::str::FromStr;

/// How many letters and digits follow the three letters of an id.
const ID_LENGTH: usize = 14;

/// The text is not an id of this kind.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} is no id of a {kind}: it begins with {prefix} and has {ID_LENGTH} letters or digits after it")]
pub struct IdError {
    /// The text.
    pub text: String,
    /// What it should have been.
    pub kind: &'static str,
    /// How it should have begun.
    pub prefix: &'static str,
}

fn parse(text: &str, kind: &'static str, prefix: &'static str) -> Result<String, IdError> {
    let fits = text
        .strip_prefix(prefix)
        .is_some_and(|rest| rest.len() == ID_LENGTH && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if fits {
        return Ok(text.to_owned());
    }
    Err(IdError {
        // What is no id may be anything, a token included: only its beginning is shown.
        text: text.chars().take(6).collect(),
        kind,
        prefix,
    })
}

/// A base: `app` and fourteen letters or digits.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BaseId(String);

/// A record: `rec` and fourteen letters or digits. Airtable chooses it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RecordId(String);

/// A table: its id, or its name. Names change when somebody renames the table.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TableRef(String);

impl BaseId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RecordId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TableRef {
    /// The id or the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BaseId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        parse(text, "base", "app").map(Self)
    }
}

impl FromStr for RecordId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        parse(text, "record", "rec").map(Self)
    }
}

impl FromStr for TableRef {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        // In a URL the two others would lead to another address.
        if text.trim().is_empty() || matches!(text, "." | "..") {
            return Err(IdError {
                text: text.to_owned(),
                kind: "table",
                prefix: "tbl",
            });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for BaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TableRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_form() {
        assert!("app12345678901234".parse::<BaseId>().is_ok());
        assert!("recAAAAAAAAAAAAAA".parse::<RecordId>().is_ok());
        for wrong in [
            "",
            "app",
            "rec12345678901234",
            "app1234567890123!",
            "app123456789012345",
        ] {
            assert!(wrong.parse::<BaseId>().is_err(), "{wrong}");
        }
        let error = "patSECRETTOKEN.1234".parse::<BaseId>().unwrap_err();
        assert!(!error.to_string().contains("TOKEN"));
        for wrong in ["", " ", ".", ".."] {
            assert!(wrong.parse::<TableRef>().is_err(), "{wrong:?}");
        }
    }
}
