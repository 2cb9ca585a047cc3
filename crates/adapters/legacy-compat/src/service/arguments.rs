//! The arguments of a call, in either form: a JSON array for the positional one, which may stand alone in an object as
//! `args`, a JSON object for the other. An array whose first element is an object is the object form too, as the older
//! functions chose by their first argument. Neither form stands in another one: a body says once which it is.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::failure::Failure;
use super::function::Function;

/// What an argument is, for messages.
fn kind_of(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'"') => "string",
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}

/// The members of an object, in their order. A member that stands twice is kept twice, so that it can be refused.
#[derive(Debug, Default)]
pub(crate) struct Members<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// A body as it was sent, before it is known what its members mean.
enum Sent<'a> {
    Named(Members<'a>),
    Listed(Vec<&'a RawValue>),
}

impl<'a> Sent<'a> {
    fn read(json: &'a [u8]) -> Result<Self, Failure> {
        if json.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::Listed(Vec::new()));
        }
        let not_json = |error: serde_json::Error| {
            let detail = match std::str::from_utf8(json) {
                Ok(_) => format!("the arguments are not JSON: {error}; send an array or an object"),
                Err(_) => "the arguments are not UTF-8; send JSON in UTF-8".into(),
            };
            Failure::new("body_not_json", detail)
        };
        let whole: &RawValue = serde_json::from_slice(json).map_err(not_json)?;
        match kind_of(whole) {
            "array" => Self::listed(whole),
            "object" => {
                let members: Members<'a> = within("the arguments", whole)?;
                match members.0[..] {
                    [(ref name, list)] if name == "args" && kind_of(list) == "array" => Self::listed(list),
                    _ => Ok(Self::Named(members)),
                }
            }
            other => {
                let detail = format!("the arguments are a {other}; send an array or an object");
                Err(Failure::new("body_invalid", detail))
            }
        }
    }

    fn listed(array: &'a RawValue) -> Result<Self, Failure> {
        let list: Vec<&'a RawValue> = within("the arguments", array)?;
        match list.first() {
            Some(first) if kind_of(first) == "object" => within("the arguments", first).map(Self::Named),
            _ => Ok(Self::Listed(list)),
        }
    }
}

/// The arguments by the names of their parameters.
#[derive(Debug, Default)]
pub(super) struct Arguments<'a>(Vec<(&'static str, &'a RawValue)>);

impl<'a> Arguments<'a> {
    /// Reads the arguments of this function.
    pub(super) fn read(function: Function, json: &'a [u8]) -> Result<Self, Failure> {
        match Sent::read(json)? {
            Sent::Named(members) => Self::named(function, members),
            Sent::Listed(list) => Ok(Self::positional(function, &list)),
        }
    }

    /// As many of the arguments as are understood: for the line of a call that is refused because of the others.
    pub(super) fn understood(function: Function, json: &'a [u8]) -> Self {
        match Sent::read(json) {
            Ok(Sent::Named(Members(members))) => {
                let known = |(name, value): (String, _)| Some((function.parameter(&name)?, value));
                Self(members.into_iter().filter_map(known).collect())
            }
            Ok(Sent::Listed(list)) => Self::positional(function, &list),
            Err(_) => Self::default(),
        }
    }

    /// More arguments than parameters are passed over, as in the language of the older services.
    fn positional(function: Function, list: &[&'a RawValue]) -> Self {
        Self(
            function
                .parameters()
                .iter()
                .copied()
                .zip(list.iter().copied())
                .collect(),
        )
    }

    fn named(function: Function, members: Members<'a>) -> Result<Self, Failure> {
        let mut known: Vec<(&'static str, &'a RawValue)> = Vec::new();
        for (name, value) in members.0 {
            let Some(parameter) = function.parameter(&name) else {
                let detail = format!(
                    "argument {name} is not known here; there is {}",
                    function.parameters().join(", ")
                );
                return Err(Failure::new("unknown_field", detail).at(&name));
            };
            if known.iter().any(|(other, _)| *other == parameter) {
                let detail = format!("argument {name} stands twice; send it once");
                return Err(Failure::new("body_invalid", detail).at(&name));
            }
            known.push((parameter, value));
        }
        Ok(Self(known))
    }

    /// The argument, if one was given that is not null.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let (_, value) = self.0.iter().find(|(own, _)| *own == name)?;
        (kind_of(value) != "null").then_some(*value)
    }

    /// The argument as a text, if one was given.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Failure> {
        self.raw(name).map(|value| string(name, value)).transpose()
    }

    /// The argument as a text, which must be given.
    pub(super) fn needed(&self, name: &str) -> Result<String, Failure> {
        self.text(name)?
            .ok_or_else(|| Failure::new("body_invalid", format!("{name} is missing; send it as a string")).at(name))
    }

    /// The members of an argument that is an object, which must be given.
    pub(super) fn members(&self, name: &str) -> Result<Vec<(String, &'a RawValue)>, Failure> {
        let wrong = |found: &str| {
            let detail = format!("{name} must be an object of columns and values, received {found}");
            Failure::new("body_invalid", detail).at(name)
        };
        match self.raw(name) {
            Some(value) if kind_of(value) == "object" => within::<Members<'a>>(name, value).map(|members| members.0),
            Some(value) => Err(wrong(kind_of(value))),
            None => Err(wrong("nothing")),
        }
    }

    /// The argument as the text of a line in the log, whatever it is.
    pub(super) fn shown(&self, name: &str) -> String {
        self.raw(name).map_or_else(String::new, |value| {
            serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().into())
        })
    }

    /// The source that the options name. Options that are something else were passed over by the older functions as well;
    /// a source that is named is never passed over.
    pub(super) fn source(&self) -> Result<Option<String>, Failure> {
        let Some(options) = self.raw("options").filter(|options| kind_of(options) == "object") else {
            return Ok(None);
        };
        let Members(members) = within("options", options)?;
        let mut said = members.iter().filter(|(name, _)| name == "source");
        match (said.next(), said.next()) {
            (Some(_), Some(_)) => {
                let detail = "options.source stands twice; send it once";
                Err(Failure::new("body_invalid", detail).at("source"))
            }
            (Some((_, value)), None) if kind_of(value) != "null" => string("source", value).map(Some),
            _ => Ok(None),
        }
    }
}

/// Reads what stands inside an argument. It is JSON; what it can still hold is the escape of half a character.
fn within<'a, T: Deserialize<'a>>(name: &str, value: &'a RawValue) -> Result<T, Failure> {
    serde_json::from_str(value.get()).map_err(|error| {
        let detail = format!("{name}: {error}; write every character whole, in UTF-8 or as its full escape");
        Failure::new("body_invalid", detail).at(name)
    })
}

/// Reads a text; anything else is refused by its kind, as a template would have turned it into `[object Object]`.
pub(crate) fn string(name: &str, value: &RawValue) -> Result<String, Failure> {
    if kind_of(value) == "string" {
        return within(name, value);
    }
    let detail = format!("{name} must be a string, received {}", kind_of(value));
    Err(Failure::new("body_invalid", detail).at(name))
}

/// A string, or a number as its text: for values that the older tables took in either form.
pub(crate) fn string_or_number(name: &str, value: &RawValue) -> Result<String, Failure> {
    if kind_of(value) == "number" {
        return Ok(value.get().into());
    }
    string(name, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_and_the_other_names_lead_to_the_same_arguments() {
        for body in [
            r#"["250925-231841","acme","Success","done",{"source":"x1"}]"#,
            r#"{"args":["250925-231841","acme","Success","done",{"source":"x1"}]}"#,
            r#"{"runId":"250925-231841","clientId":"acme","status":"Success","notes":"done","options":{"source":"x1"}}"#,
            r#"[{"runId":"250925-231841","clientId":"acme","Status":"Success","System Notes":"done","options":{"source":"x1"}}]"#,
        ] {
            let arguments = Arguments::read(Function::CompleteRunRecord, body.as_bytes()).unwrap();
            let texts = ["runId", "clientId", "status", "notes"].map(|name| arguments.needed(name).unwrap());
            assert_eq!(texts, ["250925-231841", "acme", "Success", "done"], "{body}");
            assert_eq!(arguments.source().unwrap().as_deref(), Some("x1"), "{body}");
        }
    }

    #[test]
    fn what_is_no_argument_is_refused_by_name() {
        for (body, code) in [
            ("{", "body_not_json"),
            ("7", "body_invalid"),
            (r#"{"runid":"x"}"#, "unknown_field"),
            (r#"{"args":[],"runId":"x"}"#, "unknown_field"),
            (r#"{"args":"x"}"#, "unknown_field"),
            (r#"[{"args":[]}]"#, "unknown_field"),
            (r#"{"args":[{"args":[]}]}"#, "unknown_field"),
            (r#"{"\ud800":1}"#, "body_invalid"),
            (r#"{"notes":"a","systemNotes":"b"}"#, "body_invalid"),
        ] {
            let refused = Arguments::read(Function::CompleteRunRecord, body.as_bytes()).unwrap_err();
            assert_eq!(refused.code(), code, "{body}");
        }
        let arguments = Arguments::read(Function::GetRunRecord, br#"[7,{"a":1}]"#).unwrap();
        assert!(arguments.needed("runId").is_err() && arguments.needed("clientId").is_err());
    }

    #[test]
    fn a_body_that_holds_itself_over_and_over_is_refused_at_once() {
        let deep = 100_000;
        for body in [
            format!("{}1{}", r#"{"args":["#.repeat(deep), "]}".repeat(deep)),
            format!("{}{{}}{}", "[".repeat(deep), "]".repeat(deep)),
        ] {
            let read = Arguments::read(Function::CreateJobRecord, body.as_bytes());
            assert!(read.and_then(|arguments| arguments.needed("runId")).is_err());
            Arguments::understood(Function::CreateJobRecord, body.as_bytes());
        }
    }

    #[test]
    fn a_source_that_is_named_is_read_or_refused() {
        for (options, expected) in [
            (r#"{"source":"x1"}"#, Ok(Some("x1"))),
            (r#"{"source":null,"logger":{}}"#, Ok(None)),
            ("{}", Ok(None)),
            (r#""orchestrator""#, Ok(None)),
            (
                r#"{"source":"x1","source":"x2"}"#,
                Err("options.source stands twice; send it once"),
            ),
            (r#"{"source":7}"#, Err("source must be a string, received number")),
            (
                r#"{"source":"x\ud800"}"#,
                Err("source: unexpected end of hex escape at line 1 column 9"),
            ),
        ] {
            let body = format!("[null,null,{options}]");
            let arguments = Arguments::read(Function::CreateJobRecord, body.as_bytes()).unwrap();
            match (arguments.source(), expected) {
                (Ok(source), Ok(expected)) => assert_eq!(source.as_deref(), expected, "{options}"),
                (Err(failure), Err(words)) => {
                    let (code, detail) = failure.line().unwrap();
                    assert!(
                        code == "body_invalid" && detail.starts_with(words),
                        "{options}: {code}: {detail}"
                    );
                }
                (found, _) => panic!("{options}: {found:?}"),
            }
        }
    }
}
