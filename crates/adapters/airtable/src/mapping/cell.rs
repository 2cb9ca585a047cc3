//! A value of the ledger as a cell of a field, or why it cannot be one.

use super::data::StatusWords;
use super::resolve::ResolvedField;
use super::values::LedgerValue;
use runledger_domain::Timestamp;
use serde_json::{Number, Value};

/// The longest text of a cell: 100,000 characters, counted as JavaScript does, in UTF-16 units.
pub const TEXT_UNITS_MAX: usize = 100_000;

/// What stands before the number of a stream in the label of its batch.
const STREAM: &str = "stream-";
/// The largest whole number that every reader of JSON keeps exactly: 2^53.
const WHOLE_MAX: u64 = 9_007_199_254_740_992;
/// How many decimal digits such a reader keeps.
const DIGITS_MAX: usize = 15;

/// Why a value is not written. The row is set aside; others go on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CellProblem {
    /// A select has no such option.
    #[error("it has no option {0:?}; add the option at Airtable")]
    NoSuchOption(String),
    /// The field holds numbers, and this is none.
    #[error("{0:?} is no number; give the field a text type at Airtable")]
    NoNumber(String),
    /// The number would not be kept as it is.
    #[error("{0} has more digits than Airtable keeps; give the field a text type at Airtable")]
    TooPrecise(String),
    /// The type of the field does not go with what the ledger has.
    #[error("its type {0} does not take this; change the type, or the mapping")]
    WrongType(String),
}

/// Groups of types.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum CellType {
    Text,
    Number,
    Moment,
    Day,
    Select,
    /// Nothing is written into these.
    Computed,
    Other,
}

impl CellType {
    pub(super) fn of(kind: &str) -> Self {
        match kind {
            "singleLineText" | "multilineText" | "richText" | "email" | "url" | "phoneNumber" => Self::Text,
            "number" | "currency" | "percent" | "duration" => Self::Number,
            "dateTime" => Self::Moment,
            "date" => Self::Day,
            "singleSelect" => Self::Select,
            "formula"
            | "rollup"
            | "count"
            | "multipleLookupValues"
            | "autoNumber"
            | "createdTime"
            | "lastModifiedTime"
            | "createdBy"
            | "lastModifiedBy"
            | "button"
            | "externalSyncSource"
            | "aiText" => Self::Computed,
            _ => Self::Other,
        }
    }
}

/// The cell for a value.
///
/// # Errors
/// [`CellProblem`].
pub(super) fn cell(field: &ResolvedField, value: &LedgerValue, words: &StatusWords) -> Result<Value, CellProblem> {
    let wrong_type = || CellProblem::WrongType(field.kind.clone());
    match CellType::of(&field.kind) {
        CellType::Text => Ok(match value {
            LedgerValue::Log(text) => without_beginning(text),
            other => without_end(&text_of(other, words)),
        }
        .into()),
        CellType::Select => {
            let text = text_of(value, words);
            if field.options.contains(&text) {
                return Ok(text.into());
            }
            Err(CellProblem::NoSuchOption(text))
        }
        CellType::Number => match value {
            LedgerValue::Number(digits) => number(digits).map(Value::Number),
            // What the import makes of the number of a stream.
            LedgerValue::Text(text) => number(text.strip_prefix(STREAM).unwrap_or(text)).map(Value::Number),
            _ => Err(wrong_type()),
        },
        CellType::Moment => match value {
            LedgerValue::Moment(moment) => Ok(moment_text(*moment).into()),
            _ => Err(wrong_type()),
        },
        CellType::Day => match value {
            LedgerValue::Moment(moment) => Ok(moment_text(*moment).chars().take(10).collect::<String>().into()),
            _ => Err(wrong_type()),
        },
        CellType::Computed | CellType::Other => Err(wrong_type()),
    }
}

fn text_of(value: &LedgerValue, words: &StatusWords) -> String {
    match value {
        LedgerValue::Text(text) | LedgerValue::Log(text) | LedgerValue::Number(text) => text.clone(),
        LedgerValue::Moment(moment) => moment_text(*moment),
        LedgerValue::Status(status) => words.word(*status).to_owned(),
    }
}

/// In UTC, with milliseconds and `Z`: as Airtable answers it, so that both can be compared.
fn moment_text(moment: Timestamp) -> String {
    let text = moment.to_string();
    match text.split_once('.') {
        Some((seconds, fraction)) => format!("{seconds}.{}Z", fraction.chars().take(3).collect::<String>()),
        None => text,
    }
}

/// A number that stays what it is on its way through JSON.
fn number(digits: &str) -> Result<Number, CellProblem> {
    let digits = digits.trim();
    if let Ok(whole) = digits.parse::<u64>() {
        return if whole <= WHOLE_MAX {
            Ok(whole.into())
        } else {
            Err(CellProblem::TooPrecise(digits.to_owned()))
        };
    }
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = digits.parse::<f64>().ok().filter(|_| plain);
    let number = number.ok_or_else(|| CellProblem::NoNumber(digits.chars().take(40).collect()))?;
    let significant = digits
        .trim_start_matches(['0', '.'])
        .bytes()
        .filter(u8::is_ascii_digit)
        .count();
    if significant > DIGITS_MAX {
        return Err(CellProblem::TooPrecise(digits.to_owned()));
    }
    Number::from_f64(number).ok_or_else(|| CellProblem::TooPrecise(digits.to_owned()))
}

fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// The text, or as much of its beginning as fits with a mark of how much is missing.
fn without_end(text: &str) -> String {
    if units(text) <= TEXT_UNITS_MAX {
        return text.to_owned();
    }
    let room = TEXT_UNITS_MAX - units(&mark(text.chars().count()));
    let kept = fitting(text.chars(), room);
    let kept: String = text.chars().take(kept).collect();
    let missing = text.chars().count() - kept.chars().count();
    kept + &mark(missing)
}

/// The text, or as much of its end as fits behind a mark of how much is missing.
fn without_beginning(text: &str) -> String {
    if units(text) <= TEXT_UNITS_MAX {
        return text.to_owned();
    }
    let all = text.chars().count();
    let room = TEXT_UNITS_MAX - units(&mark(all));
    let missing = all - fitting(text.chars().rev(), room);
    let kept: String = text.chars().skip(missing).collect();
    mark(missing) + &kept
}

fn mark(missing: usize) -> String {
    format!("\n[... {missing} characters cut; the ledger has all ...]\n")
}

/// How many of these letters have room.
fn fitting(letters: impl Iterator<Item = char>, room: usize) -> usize {
    let mut used = 0;
    letters
        .take_while(|letter| {
            used += letter.len_utf16();
            used <= room
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_exact_or_are_not_written() {
        for (digits, expected) in [
            ("0", Ok("0")),
            ("9007199254740992", Ok("9007199254740992")),
            ("12.5", Ok("12.5")),
            ("0.000001", Ok("1e-6")),
            ("123456789.123456", Ok("123456789.123456")),
            ("9007199254740993", Err("more digits")),
            ("1234567890.123456", Err("more digits")),
            ("99999999999999999999999", Err("more digits")),
            ("x", Err("no number")),
            ("", Err("no number")),
            ("-1", Err("no number")),
            ("1e3", Err("no number")),
            ("NaN", Err("no number")),
        ] {
            match (number(digits), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.to_string(), expected),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{digits}: {error}"),
                (found, _) => panic!("{digits}: {found:?}"),
            }
        }
    }

    #[test]
    fn the_label_of_an_older_stream_is_its_number_again() {
        let field = |kind: &str| ResolvedField {
            id: "fldA".into(),
            name: "Stream".into(),
            kind: kind.into(),
            options: vec!["stream-3".into()],
            from: super::super::source::LedgerField::Batch,
            is_key: false,
        };
        let shown = |kind: &str, label: &str| {
            let value = LedgerValue::Text(label.into());
            cell(&field(kind), &value, &StatusWords::default())
        };
        assert_eq!(shown("number", "stream-3"), Ok(3.into()));
        assert_eq!(shown("number", "7"), Ok(7.into()));
        assert_eq!(shown("singleLineText", "stream-3"), Ok("stream-3".into()));
        assert_eq!(shown("singleSelect", "stream-3"), Ok("stream-3".into()));
        assert_eq!(shown("number", "stream-x"), Err(CellProblem::NoNumber("x".into())));
    }

    #[test]
    fn texts_are_cut_at_100000_units_with_a_mark() {
        for letter in ["a", "ü", "🦀"] {
            let most = letter.repeat(TEXT_UNITS_MAX / letter.encode_utf16().count());
            assert_eq!(without_end(&most), most);
            assert_eq!(without_beginning(&most), most);
            let long = format!("first{}last", letter.repeat(TEXT_UNITS_MAX));
            let (start, end) = (without_end(&long), without_beginning(&long));
            for cut in [&start, &end] {
                assert!(
                    units(cut) <= TEXT_UNITS_MAX && units(cut) > TEXT_UNITS_MAX - 10,
                    "{}",
                    units(cut)
                );
                let missing: usize = cut
                    .split_once("[... ")
                    .and_then(|(_, rest)| rest.split_once(" characters"))
                    .unwrap()
                    .0
                    .parse()
                    .unwrap();
                let kept = cut.chars().count() - mark(missing).chars().count();
                assert_eq!(kept + missing, long.chars().count());
            }
            assert!(start.starts_with("first") && end.ends_with("last"));
        }
    }

    #[test]
    fn moments_have_milliseconds() {
        let moment = |text: &str| moment_text(text.parse().unwrap());
        assert_eq!(moment("2025-09-25T23:18:41.123456Z"), "2025-09-25T23:18:41.123Z");
        assert_eq!(moment("2025-09-25T23:18:41.000Z"), "2025-09-25T23:18:41.000Z");
    }
}
