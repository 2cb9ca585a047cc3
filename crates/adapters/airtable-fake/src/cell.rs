//! Values of cells: what a field accepts, what `typecast` makes of the rest, and how formulas see what is stored.

use crate::error::ApiError;
use crate::id::{Ids, is_id};
use crate::schema::{Choice, Field, Kind};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use runledger_airtable_formula as formula;
use serde_json::{Number, Value, json};

/// The longest text of a cell, in characters.
pub(crate) const TEXT_CHARACTERS_MAX: usize = 100_000;

/// What becomes of a value that is written into a field; `None` empties the cell. New options of a select are named in
/// `new_choices`; the caller adds them when the whole request is carried out.
///
/// # Errors
/// The field is computed, or does not accept the value.
pub(crate) fn accept(
    field: &Field,
    value: &Value,
    typecast: bool,
    new_choices: &mut Vec<(String, String)>,
    ids: &mut Ids,
) -> Result<Option<Value>, ApiError> {
    if field.kind.is_computed() {
        return Err(ApiError::computed(&field.name));
    }
    let refused = || ApiError::bad_value(&field.name);
    if value.is_null() {
        return Ok(None);
    }
    let accepted = match &field.kind {
        Kind::Text | Kind::LongText => text(value, typecast).map(Value::String),
        // The precision of a field is what it shows; what is stored is the number that came.
        Kind::Number | Kind::Duration => number(value, typecast).and_then(plain_number),
        Kind::Rating { max } => {
            let whole = number(value, typecast).and_then(plain_number);
            whole.filter(|whole| whole.as_u64().is_some_and(|whole| (1..=*max).contains(&whole)))
        }
        Kind::Checkbox => checkbox(value, typecast),
        Kind::Date => value.as_str().and_then(date).map(Value::String),
        Kind::DateTime { zone } => value.as_str().and_then(|text| date_time(text, zone)).map(Value::String),
        Kind::SingleSelect(choices) => {
            let Some(name) = choice_name(value, typecast) else {
                return Err(refused());
            };
            return select(field, choices, &name, typecast, new_choices)
                .map(|name| Some(name).filter(|name| !name.is_empty()).map(Value::String));
        }
        Kind::MultipleSelects(choices) => {
            let names: Vec<String> = match value {
                Value::Array(values) => values.iter().map(|value| choice_name(value, typecast)).collect(),
                Value::String(text) if typecast => Some(text.split(',').map(|part| part.trim().to_owned()).collect()),
                _ => None,
            }
            .ok_or_else(refused)?;
            let names = names
                .iter()
                .map(|name| select(field, choices, name, typecast, new_choices))
                .collect::<Result<Vec<_>, _>>()?;
            Some(json!(names))
        }
        Kind::Links => {
            let all_ids = |values: &Vec<Value>| {
                values
                    .iter()
                    .all(|value| value.as_str().is_some_and(|id| is_id(id, "rec")))
            };
            value.as_array().filter(|values| all_ids(values)).map(|_| value.clone())
        }
        Kind::Attachments => attachments(value, ids),
        Kind::Opaque => Some(value.clone()),
        Kind::AutoNumber | Kind::CreatedTime | Kind::LastModifiedTime | Kind::Formula(_) | Kind::Computed => None,
    };
    let accepted = accepted.ok_or_else(refused)?;
    if accepted
        .as_str()
        .is_some_and(|text| text.chars().count() > TEXT_CHARACTERS_MAX)
    {
        return Err(refused());
    }
    Ok(Some(accepted).filter(|value| !is_empty(value)))
}

/// Whether a cell with this value is left out of what is read.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        _ => false,
    }
}

fn text(value: &Value, typecast: bool) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if typecast => Some(number.to_string()),
        Value::Bool(value) if typecast => Some(value.to_string()),
        _ => None,
    }
}

fn number(value: &Value, typecast: bool) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) if typecast => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// A number as it is stored: in double precision, a whole one without a point.
fn plain_number(number: f64) -> Option<Value> {
    let whole = number.to_string().parse::<i64>().ok().map(Number::from);
    whole.or_else(|| Number::from_f64(number)).map(Value::Number)
}

fn checkbox(value: &Value, typecast: bool) -> Option<Value> {
    match value {
        Value::Bool(_) => Some(value.clone()),
        Value::String(text) if typecast => Some(json!(matches!(text.as_str(), "true" | "checked" | "1" | "yes"))),
        Value::Number(number) if typecast => Some(json!(number.as_f64() != Some(0.0))),
        _ => None,
    }
}

fn date(text: &str) -> Option<String> {
    let date: Result<Date, _> = text.parse();
    let date = date
        .ok()
        .or_else(|| Some(Offset::UTC.to_datetime(text.parse().ok()?).date()));
    Some(date?.to_string())
}

/// In UTC, with milliseconds. A text without a zone is read in the zone of the field.
fn date_time(text: &str, zone: &str) -> Option<String> {
    let ms = if let Ok(moment) = text.parse::<Timestamp>() {
        moment.as_millisecond()
    } else {
        let civil = text
            .parse::<DateTime>()
            .or_else(|_| text.parse::<Date>().map(DateTime::from));
        let zone = match zone {
            "utc" | "UTC" | "client" => TimeZone::UTC,
            name => TimeZone::get(name).ok()?,
        };
        zone.to_timestamp(civil.ok()?).ok()?.as_millisecond()
    };
    Some(formula::date_text(ms, false))
}

fn choice_name(value: &Value, typecast: bool) -> Option<String> {
    match value {
        Value::String(name) => Some(name.clone()),
        Value::Object(choice) => choice.get("name").and_then(Value::as_str).map(str::to_owned),
        Value::Number(number) if typecast => Some(number.to_string()),
        _ => None,
    }
}

fn select(
    field: &Field,
    choices: &[Choice],
    name: &str,
    typecast: bool,
    new_choices: &mut Vec<(String, String)>,
) -> Result<String, ApiError> {
    if name.is_empty() || choices.iter().any(|choice| choice.name == name) {
        return Ok(name.to_owned());
    }
    if !typecast {
        return Err(ApiError::unknown_option(name));
    }
    let added = (field.id.clone(), name.to_owned());
    if !new_choices.contains(&added) {
        new_choices.push(added);
    }
    Ok(name.to_owned())
}

fn attachments(value: &Value, ids: &mut Ids) -> Option<Value> {
    let given = value.as_array()?;
    let made: Option<Vec<Value>> = given
        .iter()
        .map(|one| {
            let id = one.get("id").and_then(Value::as_str);
            let url = one.get("url").and_then(Value::as_str);
            if id.is_none() && url.is_none() {
                return None;
            }
            let mut one = one.clone();
            if id.is_none() {
                one["id"] = json!(ids.next("att"));
            }
            Some(one)
        })
        .collect();
    made.map(Value::Array)
}

/// What a formula sees of a cell.
pub(crate) fn in_formula(kind: &Kind, value: Option<&Value>) -> formula::Value {
    use formula::Value as Seen;
    let Some(value) = value else {
        return match kind {
            Kind::Checkbox => Seen::Bool(false),
            _ => Seen::Blank,
        };
    };
    match (kind, value) {
        (Kind::Date | Kind::DateTime { .. } | Kind::CreatedTime | Kind::LastModifiedTime, Value::String(text)) => {
            formula::moment(text).map_or(Seen::Error, |ms| Seen::Date {
                ms,
                is_day: matches!(kind, Kind::Date),
            })
        }
        (_, other) => seen(other),
    }
}

fn seen(value: &Value) -> formula::Value {
    use formula::Value as Seen;
    match value {
        Value::Null => Seen::Blank,
        Value::Bool(value) => Seen::Bool(*value),
        Value::Number(number) => Seen::Number(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Seen::Text(text.clone()),
        Value::Array(values) => Seen::List(values.iter().map(seen).collect()),
        Value::Object(object) => {
            let named = ["name", "filename", "text", "url", "email", "id"]
                .iter()
                .find_map(|name| object.get(*name).and_then(Value::as_str));
            Seen::Text(named.unwrap_or_default().to_owned())
        }
    }
}

/// What a formula field shows.
pub(crate) fn of_formula(value: &formula::Value) -> Option<Value> {
    use formula::Value as Seen;
    let shown = match value {
        Seen::Blank => return None,
        Seen::Number(number) if number.is_nan() => json!({ "specialValue": "NaN" }),
        Seen::Number(number) if number.is_infinite() => {
            json!({ "specialValue": if *number > 0.0 { "Infinity" } else { "-Infinity" } })
        }
        Seen::Number(number) => plain_number(*number)?,
        Seen::Bool(value) => json!(i32::from(*value)),
        Seen::List(values) => Value::Array(values.iter().filter_map(of_formula).collect()),
        Seen::Error => json!({ "error": "#ERROR!" }),
        other => Value::String(other.text()),
    };
    Some(shown).filter(|shown| !is_empty(shown))
}
