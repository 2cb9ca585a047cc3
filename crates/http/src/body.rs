//! Bodies: read within bounds of size and time, and understood as JSON with errors that name the field.

use std::future::poll_fn;
use std::pin::Pin;

use axum::body::{Body, Bytes, HttpBody as _};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::json_path::path_at;
use crate::options::Options;
use crate::problem;
use crate::trouble::Problem;
use crate::wire::text::Object;

/// How much of a body that is too large is read and thrown away, in bytes, so that its sender gets to read the answer
/// instead of a broken connection.
const DISCARDED_BYTES_MAX: u64 = 8 << 20;

/// Reads a body to its end.
pub(crate) async fn collect(body: Body, options: &Options) -> Result<Bytes, Problem> {
    let collected = tokio::time::timeout(options.body_time_max, collect_all(body, options.body_bytes_max)).await;
    collected.unwrap_or_else(|_| {
        let seconds = options.body_time_max.as_secs();
        let detail = format!("the body did not arrive within {seconds} s; send it again");
        Err(Problem::new(&problem::BODY_TOO_SLOW, detail))
    })
}

async fn collect_all(mut body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("the body is larger than {bytes_max} bytes; send less in one call");
        Err(Problem::new(&problem::BODY_TOO_LARGE, detail))
    };
    let bound = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    if body.size_hint().lower() > bound.saturating_add(DISCARDED_BYTES_MAX) {
        return too_large();
    }
    let mut first = Bytes::new();
    let mut all: Vec<u8> = Vec::new();
    let mut discarded = 0_u64;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|error| {
            Problem::new(
                &problem::BODY_UNREADABLE,
                format!("the body broke off: {error}; send it again"),
            )
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let length = first.len() + all.len() + data.len();
        if discarded > 0 || length > bytes_max {
            (first, all) = (Bytes::new(), Vec::new());
            discarded += u64::try_from(data.len()).unwrap_or(u64::MAX);
            if discarded > DISCARDED_BYTES_MAX {
                break;
            }
        } else if length == data.len() {
            // The usual case: the whole body in one piece, kept without a copy.
            first = data;
        } else {
            if all.is_empty() {
                all = first.to_vec();
                first = Bytes::new();
            }
            all.extend_from_slice(&data);
        }
    }
    if discarded > 0 {
        return too_large();
    }
    Ok(if all.is_empty() { first } else { all.into() })
}

/// Understands a body as one JSON object; an empty body is an object without fields.
pub(crate) fn read<'a, T>(body: &'a [u8]) -> Result<T, Problem>
where
    T: Default + Deserialize<'a>,
{
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    match serde_json::from_slice::<Object<T>>(body) {
        Ok(Object(value)) => Ok(value),
        Err(error) => Err(explain(body, &error)),
    }
}

/// The run and the client that a body names, however little of it is understood: for the line of a refusal.
pub(crate) fn named(body: &[u8]) -> (String, String) {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        run_id: Option<&'a RawValue>,
        client_id: Option<&'a RawValue>,
    }
    let text = |value: Option<&RawValue>| {
        let raw = value.map_or("", RawValue::get);
        serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.into())
    };
    serde_json::from_slice::<Object<Named<'_>>>(body).map_or_else(
        |_| <(String, String)>::default(),
        |Object(named)| (text(named.run_id), text(named.client_id)),
    )
}

/// Words what is wrong with a body.
fn explain(body: &[u8], error: &serde_json::Error) -> Problem {
    if std::str::from_utf8(body).is_err() {
        let detail = "the body is not UTF-8; send JSON in UTF-8";
        return Problem::new(&problem::BODY_NOT_JSON, detail);
    }
    // Whether it is JSON is asked apart: the reader stops at the first thing that does not fit, and calls a number
    // beyond its range a syntax error.
    if let Err(syntax) = serde_json::from_slice::<IgnoredAny>(body) {
        let detail = format!("the body is not JSON: {syntax}; send one JSON object");
        return Problem::new(&problem::BODY_NOT_JSON, detail);
    }
    let whole = error.to_string();
    let message = whole.rfind(" at line ").map_or(whole.as_str(), |end| &whole[..end]);
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let (name, expected) = rest.split_once('`').unwrap_or((rest, ""));
        let known = expected.replace('`', "");
        let detail = match known.strip_prefix(", expected ") {
            Some(known) => format!("field {name} is not known here; there is {known}"),
            None => format!("field {name} is not known here; this call needs no fields"),
        };
        return Problem::new(&problem::UNKNOWN_FIELD, detail).at(name);
    }
    if let Some(name) = message
        .strip_prefix("duplicate field `")
        .and_then(|rest| rest.strip_suffix('`'))
    {
        let detail = format!("field {name} stands twice in one object; send it once");
        return Problem::new(&problem::BODY_INVALID, detail).at(name);
    }
    let path = path_at(body, error.line(), error.column());
    if path.is_empty() {
        return Problem::new(&problem::BODY_INVALID, format!("{message}; send one JSON object"));
    }
    Problem::new(&problem::BODY_INVALID, format!("{path}: {message}")).at(&path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::input::{NewClients, NewJob, RecordChange};

    fn check<T: Default + for<'a> Deserialize<'a>>(body: &str, code: &str, field: &str) {
        let Err(problem) = read::<T>(body.as_bytes()) else {
            panic!("{body} was taken");
        };
        let shown = serde_json::to_value(&problem).unwrap();
        assert_eq!(shown["code"], code, "{body}: {shown}");
        assert_eq!(shown["field"].as_str().unwrap_or_default(), field, "{body}: {shown}");
    }

    #[derive(Debug, Default, Deserialize)]
    struct Any {}

    #[test]
    fn what_is_no_json_is_told_from_what_does_not_fit() {
        for body in ["{", "nonsense", "{\"a\":}", "{}{}", "\u{feff}{}"] {
            check::<Any>(body, "body_not_json", "");
        }
        for body in ["[]", "1", "\"text\"", "null", "true"] {
            check::<Any>(body, "body_invalid", "");
        }
    }

    #[test]
    fn the_field_is_named() {
        let fails = |body: &str, code: &str, field: &str| {
            let problem = read::<NewJob<'_>>(body.as_bytes()).map(|_| ()).unwrap_err();
            let shown = serde_json::to_value(&problem).unwrap();
            assert_eq!(
                (shown["code"].as_str(), shown["field"].as_str()),
                (Some(code), Some(field)),
                "{shown}"
            );
        };
        fails(r#"{"batch":"b","note":5}"#, "body_invalid", "note");
        fails(r#"{"note":{"a":"b"}}"#, "body_invalid", "note");
        fails(r#"{"note":[1]}"#, "body_invalid", "note");
        fails(r#"{"note":true,"batch":"x"}"#, "body_invalid", "note");
        fails(r#"{"external_ids":["a:b",7]}"#, "body_invalid", "external_ids[1]");
        fails(r#"{"external_ids":"a:b"}"#, "body_invalid", "external_ids");
        fails(
            r#"{"deadline_after_seconds":"60"}"#,
            "body_invalid",
            "deadline_after_seconds",
        );
        fails(
            r#"{"deadline_after_seconds":-5}"#,
            "body_invalid",
            "deadline_after_seconds",
        );
        fails(
            r#"{"deadline_after_seconds":1e999}"#,
            "body_invalid",
            "deadline_after_seconds",
        );
        fails(
            r#"{"deadline_after_seconds":1.5}"#,
            "body_invalid",
            "deadline_after_seconds",
        );
        fails(r#"{"note":"a","note":"b"}"#, "body_invalid", "note");
        fails(r#"{"notes":"a"}"#, "unknown_field", "notes");
        let many = read::<NewClients<'_>>(br#"{"clients":[{"client_id":"a"},{"client_id":3}]}"#).map(|_| ());
        assert_eq!(
            serde_json::to_value(many.unwrap_err()).unwrap()["field"],
            "clients[1].client_id"
        );
        let array = read::<NewClients<'_>>(br#"{"clients":[["a"]]}"#).map(|_| ());
        assert_eq!(serde_json::to_value(array.unwrap_err()).unwrap()["field"], "clients[0]");
        let change = read::<RecordChange<'_>>(br#"{"metrics":{"add":[]}}"#).map(|_| ());
        assert_eq!(
            serde_json::to_value(change.unwrap_err()).unwrap()["field"],
            "metrics.add"
        );
    }

    #[test]
    fn nothing_is_an_object_without_fields() {
        for body in ["", " \n", "{}"] {
            assert!(read::<NewJob<'_>>(body.as_bytes()).is_ok(), "{body:?}");
        }
    }
}
