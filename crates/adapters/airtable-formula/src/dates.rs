//! Functions about dates, all in UTC.

use crate::Value;
use crate::functions::Function;
use crate::value::date_text;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use jiff::{Span, Timestamp, Unit};

const DAY_MS: i64 = 86_400_000;

/// The first moment of the day of a moment.
pub(crate) fn start_of_day(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS) * DAY_MS
}

/// A moment in a text: ISO 8601, with or without a zone, with or without a time.
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment.as_millisecond());
    }
    let civil = text
        .parse::<DateTime>()
        .or_else(|_| text.parse::<Date>().map(Date::into));
    ms_of(civil.ok()?)
}

/// A function about dates, on values without an error.
pub(crate) fn call(function: Function, values: &[Value]) -> Value {
    if matches!(values[0], Value::Blank) && function != Function::DatetimeParse {
        return match function {
            Function::IsSame | Function::IsBefore | Function::IsAfter => false.into(),
            Function::DateStr | Function::TimeStr | Function::DatetimeFormat => Value::Blank,
            _ => Value::Error,
        };
    }
    attempt(function, values).unwrap_or(Value::Error)
}

fn attempt(function: Function, values: &[Value]) -> Option<Value> {
    let moment = |place: usize| values.get(place).and_then(Value::moment);
    let first = moment(0)?;
    let is_day = matches!(values[0], Value::Date { is_day: true, .. });
    let at = civil(first)?;
    let part = |number: i8| Value::Number(f64::from(number));
    Some(match function {
        Function::Year => Value::Number(f64::from(at.year())),
        Function::Month => part(at.month()),
        Function::Day => part(at.day()),
        Function::Hour => part(at.hour()),
        Function::Minute => part(at.minute()),
        Function::Second => part(at.second()),
        Function::Weekday => {
            let from_monday = values.get(1).is_some_and(|start| start.text() == "Monday");
            part(if from_monday {
                at.weekday().to_monday_zero_offset()
            } else {
                at.weekday().to_sunday_zero_offset()
            })
        }
        Function::DateStr => date_text(first, true).into(),
        Function::TimeStr => at.strftime("%H:%M:%S").to_string().into(),
        Function::DatetimeParse => Value::Date {
            ms: first,
            is_day: false,
        },
        Function::DatetimeFormat => values
            .get(1)
            .map_or_else(
                || date_text(first, is_day),
                |format| formatted(at, first, &format.text()),
            )
            .into(),
        Function::DateAdd => Value::Date {
            ms: add(at, values[1].number()?, &values[2].text())?,
            is_day,
        },
        Function::DatetimeDiff => {
            let unit = values.get(2).map_or_else(|| "seconds".to_owned(), Value::text);
            Value::Number(difference(first, moment(1)?, &unit)?)
        }
        Function::IsSame | Function::IsBefore | Function::IsAfter => {
            let (left, right) = match values.get(2) {
                None => (first, moment(1)?),
                Some(unit) => (truncated(first, &unit.text())?, truncated(moment(1)?, &unit.text())?),
            };
            match function {
                Function::IsSame => left == right,
                Function::IsBefore => left < right,
                _ => left > right,
            }
            .into()
        }
        _ => return None,
    })
}

fn civil(ms: i64) -> Option<DateTime> {
    Some(Offset::UTC.to_datetime(Timestamp::from_millisecond(ms).ok()?))
}

fn ms_of(civil: DateTime) -> Option<i64> {
    Some(Offset::UTC.to_timestamp(civil).ok()?.as_millisecond())
}

/// A unit by its name, singular or plural, or its short form.
fn unit(name: &str) -> Option<Unit> {
    Some(match name.to_lowercase().as_str() {
        "milliseconds" | "millisecond" | "ms" => Unit::Millisecond,
        "seconds" | "second" | "s" => Unit::Second,
        "minutes" | "minute" | "m" => Unit::Minute,
        "hours" | "hour" | "h" => Unit::Hour,
        "days" | "day" | "d" => Unit::Day,
        "weeks" | "week" | "w" => Unit::Week,
        "months" | "month" => Unit::Month,
        "years" | "year" | "y" => Unit::Year,
        _ => return None,
    })
}

fn add(at: DateTime, count: f64, name: &str) -> Option<i64> {
    let count = crate::numbers::whole(count);
    let span = Span::new();
    let span = match unit(name)? {
        Unit::Millisecond => span.try_milliseconds(count),
        Unit::Second => span.try_seconds(count),
        Unit::Minute => span.try_minutes(count),
        Unit::Hour => span.try_hours(count),
        Unit::Day => span.try_days(count),
        Unit::Week => span.try_weeks(count),
        Unit::Month => span.try_months(count),
        _ => span.try_years(count),
    };
    ms_of(at.checked_add(span.ok()?).ok()?)
}

/// How many whole units lie between two moments; milliseconds are exact.
fn difference(left: i64, right: i64, name: &str) -> Option<f64> {
    let unit = unit(name)?;
    let span = civil(right)?.until((unit, civil(left)?)).ok()?;
    let count = match unit {
        Unit::Millisecond => span.get_milliseconds(),
        Unit::Second => span.get_seconds(),
        Unit::Minute => span.get_minutes(),
        Unit::Hour => i64::from(span.get_hours()),
        Unit::Day => i64::from(span.get_days()),
        Unit::Week => i64::from(span.get_weeks()),
        Unit::Month => i64::from(span.get_months()),
        _ => i64::from(span.get_years()),
    };
    // Exact below 2^53; a span of time in milliseconds is.
    count.to_string().parse().ok()
}

/// The beginning of the unit that a moment is in.
fn truncated(ms: i64, name: &str) -> Option<i64> {
    let at = civil(ms)?;
    let first_of = |month: i8| ms_of(Date::new(at.year(), month, 1).ok()?.into());
    Some(match unit(name)? {
        Unit::Millisecond => ms,
        Unit::Second => ms.div_euclid(1_000) * 1_000,
        Unit::Minute => ms.div_euclid(60_000) * 60_000,
        Unit::Hour => ms.div_euclid(3_600_000) * 3_600_000,
        Unit::Day => start_of_day(ms),
        Unit::Week => start_of_day(ms) - i64::from(at.weekday().to_sunday_zero_offset()) * DAY_MS,
        Unit::Month => first_of(at.month())?,
        _ => first_of(1)?,
    })
}

/// The letters of a format that are replaced, longest first where one begins with another.
const PARTS: [(&str, &str); 27] = [
    ("YYYY", "%Y"),
    ("YY", "%y"),
    ("MMMM", "%B"),
    ("MMM", "%b"),
    ("MM", "%m"),
    ("M", "%-m"),
    ("DDDD", "%j"),
    ("DDD", "%-j"),
    ("DD", "%d"),
    ("D", "%-d"),
    ("dddd", "%A"),
    ("ddd", "%a"),
    ("d", "%w"),
    ("E", "%u"),
    ("HH", "%H"),
    ("H", "%-H"),
    ("hh", "%I"),
    ("h", "%-I"),
    ("mm", "%M"),
    ("m", "%-M"),
    ("ss", "%S"),
    ("SSS", "%3f"),
    ("s", "%-S"),
    ("A", "%p"),
    ("a", "%P"),
    ("ZZ", "+0000"),
    ("Z", "+00:00"),
];

/// A moment in a format of letters. What stands in square brackets is taken as it is, as is every letter that means nothing.
fn formatted(at: DateTime, ms: i64, format: &str) -> String {
    let mut made = String::new();
    let mut rest = format;
    while let Some(letter) = rest.chars().next() {
        let quoted = rest.strip_prefix('[').and_then(|inner| inner.split_once(']'));
        let seconds = [("X", ms.div_euclid(1_000)), ("x", ms)];
        if let Some((text, behind)) = quoted {
            made.push_str(text);
            rest = behind;
        } else if let Some((part, number)) = seconds.iter().find(|(part, _)| rest.starts_with(part)) {
            made.push_str(&number.to_string());
            rest = &rest[part.len()..];
        } else if let Some((part, ours)) = PARTS.iter().find(|(part, _)| rest.starts_with(part)) {
            made.push_str(&at.strftime(ours).to_string());
            rest = &rest[part.len()..];
        } else {
            made.push(letter);
            rest = &rest[letter.len_utf8()..];
        }
    }
    made
}
