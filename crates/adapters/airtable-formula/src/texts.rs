//! Functions about texts and lists. Places count letters, from 1.

use crate::Value;
use crate::functions::Function;
use crate::numbers::whole;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What JavaScript's `encodeURIComponent` changes.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// A function about texts, on values without an error. What makes more of them than it was given makes `room` bytes at
/// most, or is an error.
pub(crate) fn call(function: Function, values: &[Value], room: usize) -> Value {
    let text = |place: usize| values.get(place).map(Value::text).unwrap_or_default();
    let count = |place: usize, default: usize| match values.get(place) {
        None => Some(default),
        Some(value) => value.number().map(|number| usize::try_from(whole(number)).unwrap_or(0)),
    };
    match function {
        Function::Concatenate => values.iter().map(Value::text).collect::<String>().into(),
        Function::Exact => (text(0) == text(1)).into(),
        // Case counts; what is not found is at 0.
        Function::Find => find(&text(0), &text(1), count(2, 1)).map_or(Value::Number(0.0), Value::Number),
        // Case does not count; what is not found is nowhere.
        Function::Search => {
            find(&text(0).to_lowercase(), &text(1).to_lowercase(), count(2, 1)).map_or(Value::Blank, Value::Number)
        }
        Function::Len => Value::Number(length(&text(0))),
        Function::Lower => text(0).to_lowercase().into(),
        Function::Upper => text(0).to_uppercase().into(),
        Function::Trim => text(0).trim().to_owned().into(),
        Function::T => match &values[0] {
            Value::Text(text) => text.clone().into(),
            _ => Value::Blank,
        },
        Function::EncodeUrlComponent => utf8_percent_encode(&text(0), COMPONENT).to_string().into(),
        Function::ArrayJoin => {
            let separator = values.get(1).map_or_else(|| ", ".to_owned(), Value::text);
            let items = items(&values[..1]);
            if separator.len().saturating_mul(items.len()) > room {
                return Value::Error;
            }
            items
                .iter()
                .map(Value::text)
                .collect::<Vec<_>>()
                .join(&separator)
                .into()
        }
        Function::ArrayFlatten => Value::List(items(values)),
        Function::ArrayCompact => {
            let mut found = items(values);
            found.retain(|value| !matches!(value, Value::Blank) && !value.text().is_empty());
            Value::List(found)
        }
        Function::ArrayUnique => {
            let mut unique: Vec<Value> = Vec::new();
            for value in items(values) {
                if !unique.contains(&value) {
                    unique.push(value);
                }
            }
            Value::List(unique)
        }
        _ => cut(function, &text, &count, room).unwrap_or(Value::Error),
    }
}

/// Functions that take counts; none when one is no number, or the text becomes too long.
fn cut(
    function: Function,
    text: &dyn Fn(usize) -> String,
    count: &dyn Fn(usize, usize) -> Option<usize>,
    room: usize,
) -> Option<Value> {
    let all: Vec<char> = text(0).chars().collect();
    let slice = |from: usize, to: usize| -> String {
        let to = to.min(all.len());
        all[from.min(to)..to].iter().collect()
    };
    let made = match function {
        Function::Left => slice(0, count(1, 1)?),
        Function::Right => slice(all.len().saturating_sub(count(1, 1)?), all.len()),
        Function::Mid => {
            let from = count(1, 1)?.saturating_sub(1);
            slice(from, from.saturating_add(count(2, 0)?))
        }
        Function::Replace => {
            let from = count(1, 1)?.saturating_sub(1);
            let behind = from.saturating_add(count(2, 0)?);
            slice(0, from) + &text(3) + &slice(behind, all.len())
        }
        Function::Rept => {
            let times = count(1, 0)?;
            if text(0).len().saturating_mul(times) > room {
                return None;
            }
            text(0).repeat(times)
        }
        Function::Substitute => substitute(&text(0), &text(1), &text(2), count(3, 0)?, room)?,
        _ => return None,
    };
    Some(made.into())
}

/// Replaces every occurrence, or only the one of that number; none when the text becomes too long.
fn substitute(text: &str, old: &str, new: &str, only: usize, room: usize) -> Option<String> {
    if old.is_empty() {
        return Some(text.to_owned());
    }
    if only == 0 {
        let fits = text.matches(old).count().saturating_mul(new.len()) <= room;
        return fits.then(|| text.replace(old, new));
    }
    Some(text.match_indices(old).nth(only - 1).map_or_else(
        || text.to_owned(),
        |(place, _)| format!("{}{new}{}", &text[..place], &text[place + old.len()..]),
    ))
}

/// Where a text begins in another, from a letter on.
fn find(what: &str, whole: &str, from: Option<usize>) -> Option<f64> {
    let skipped = from?.max(1) - 1;
    let start = whole
        .char_indices()
        .nth(skipped)
        .map_or(whole.len(), |(place, _)| place);
    let place = whole[start..].find(what)?;
    Some(length(&whole[..start + place]) + 1.0)
}

fn length(text: &str) -> f64 {
    u32::try_from(text.chars().count()).map_or(f64::INFINITY, f64::from)
}

fn items(values: &[Value]) -> Vec<Value> {
    values
        .iter()
        .flat_map(|value| match value {
            Value::List(values) => items(values),
            other => vec![other.clone()],
        })
        .collect()
}
