//! The arguments of a call, in either form: a JSON array for the positional one, which may stand alone in an object as
//! `args`, a JSON object for the other. An array whose first element is an object is the object form too, as the older
//! functions chose by their first argument.

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
pub(super) struct Members<'a>(pub(super) Vec<(String, &'a RawValue)>);

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

/// The arguments by the names of their parameters.
#[derive(Debug, Default)]
pub(super) struct Arguments<'a>(Vec<(&'static str, &'a RawValue)>);

impl<'a> Arguments<'a> {
    /// Reads the arguments of this function.
    pub(super) fn read(function: Function, json: &'a [u8]) -> Result<Self, Failure> {
        if json.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let not_json = |error: serde_json::Error| {
            let detail = format!("the arguments are not JSON: {error}; send an array or an object");
            Failure::new("body_not_json", detail)
        };
        let whole: &RawValue = serde_json::from_slice(json).map_err(not_json)?;
        match kind_of(whole) {
            "object" => Self::named(function, whole),
            "array" => Self::listed(function, whole),
            other => {
                let detail = format!("the arguments are a {other}; send an array or an object");
                Err(Failure::new("body_invalid", detail))
            }
        }
    }

    fn listed(function: Function, array: &'a RawValue) -> Result<Self, Failure> {
        let list: Vec<&'a RawValue> =
            serde_json::from_str(array.get()).map_err(|error| Failure::new("body_invalid", error.to_string()))?;
        match list.first() {
            Some(first) if kind_of(first) == "object" => Self::named(function, first),
            _ => Ok(Self::positional(function, &list)),
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

    fn named(function: Function, object: &'a RawValue) -> Result<Self, Failure> {
        let members: Members<'a> =
            serde_json::from_str(object.get()).map_err(|error| Failure::new("body_invalid", error.to_string()))?;
        if let [(name, list)] = &members.0[..]
            && name == "args"
            && kind_of(list) == "array"
        {
            return Self::listed(function, list);
        }
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
        let value = self.raw(name).ok_or_else(|| wrong("nothing"))?;
        let members: Members<'a> = serde_json::from_str(value.get()).map_err(|_| wrong(kind_of(value)))?;
        Ok(members.0)
    }

    /// The argument as the text of a line in the log, whatever it is.
    pub(super) fn shown(&self, name: &str) -> String {
        self.raw(name).map_or_else(String::new, |value| {
            serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().into())
        })
    }

    /// The source that the options name.
    pub(super) fn source(&self) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Options {
            source: Option<String>,
        }
        let options = self.raw("options")?;
        // Options that are something else were passed over by the older functions as well.
        serde_json::from_str::<Options>(options.get()).ok()?.source
    }
}

/// Reads a text; anything else is refused by its kind, as a template would have turned it into `[object Object]`.
pub(super) fn string(name: &str, value: &RawValue) -> Result<String, Failure> {
    if kind_of(value) == "string" {
        return serde_json::from_str(value.get())
            .map_err(|error| Failure::new("body_invalid", error.to_string()).at(name));
    }
    let detail = format!("{name} must be a string, received {}", kind_of(value));
    Err(Failure::new("body_invalid", detail).at(name))
}

/// A string, or a number as its text: for values that the older tables took in either form.
pub(super) fn string_or_number(name: &str, value: &RawValue) -> Result<String, Failure> {
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
            assert_eq!(arguments.source().as_deref(), Some("x1"), "{body}");
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
            (r#"{"notes":"a","systemNotes":"b"}"#, "body_invalid"),
        ] {
            let refused = Arguments::read(Function::CompleteRunRecord, body.as_bytes()).unwrap_err();
            assert_eq!(refused.code(), code, "{body}");
        }
        let arguments = Arguments::read(Function::GetRunRecord, br#"[7,{"a":1}]"#).unwrap();
        assert!(arguments.needed("runId").is_err() && arguments.needed("clientId").is_err());
    }
}
