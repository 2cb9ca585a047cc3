//! JSON lines, as the Airtable API writes its records, read row by row.
//!
//! Numbers are taken as the text that stands in the file, never through a float. A line that is no record is a
//! refused row; the rest goes on.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::ImportError;
use super::input::{LineRead, OpenFile};
use super::line::reason;
use super::rows::{Broken, COLUMNS_MAX, Fields, ROW_MAX_BYTES, Row};
use crate::fields::{RUN_ID, is_created_column};
use crate::run_id::clip;

/// The name that a record's own id has in the API. It is no field of the table.
pub(super) const RECORD_ID: &str = "id";
/// The name that the time of a record's creation has in the API.
pub(super) const CREATED_TIME: &str = "createdTime";
const FIELDS: &str = "fields";
/// How the message of an error goes on with its place. The line in it is the one line that was read, never the file's.
const PLACE_OF_ERROR: &str = " at line ";

/// A file of JSON lines.
#[derive(Debug)]
pub(super) struct JsonRows {
    pub(super) file: OpenFile,
    rows: u64,
    bytes: Vec<u8>,
}

impl JsonRows {
    pub(super) fn open(file: OpenFile) -> Result<Self, ImportError> {
        if file.bytes_total == file.place.offset {
            return Err(ImportError::Empty { path: file.path });
        }
        Ok(Self {
            file,
            rows: 0,
            bytes: Vec::new(),
        })
    }

    pub(super) fn next_row(&mut self) -> Result<Option<Row>, ImportError> {
        loop {
            let place = self.file.place;
            let Some(kept) = self.file.read_line(&mut self.bytes, ROW_MAX_BYTES)? else {
                return Ok(None);
            };
            if self.bytes.trim_ascii().is_empty() {
                continue;
            }
            self.rows += 1;
            let read = match kept {
                LineRead::Whole => read_fields(&self.bytes),
                LineRead::Cut => {
                    let detail = format!("the line has more than {ROW_MAX_BYTES} bytes");
                    Err(Broken::of_row(reason::TOO_LONG, &self.bytes, detail))
                }
            };
            let (fields, broken) = match read {
                Ok(fields) => (fields, None),
                Err(broken) => (Fields::default(), Some(broken)),
            };
            return Ok(Some(Row {
                number: self.rows,
                ends_on: place.line,
                place,
                fields,
                broken,
            }));
        }
    }
}

fn read_fields(line: &[u8]) -> Result<Fields, Broken> {
    let broken = |reason, detail: &str| Broken::of_row(reason, line, clip(detail));
    let Ok(text) = std::str::from_utf8(line) else {
        return Err(broken(reason::INVALID_UTF8, "the line is not UTF-8"));
    };
    let not_json = |error: &serde_json::Error| {
        let what = error.to_string();
        let (what, at) = what.split_once(PLACE_OF_ERROR).unwrap_or((&what, ""));
        let at = at.split_once(" column ").map_or("", |(_, column)| column);
        broken(
            reason::BAD_JSON,
            &format!("the line is not a record: {what}, at byte {at} of it"),
        )
    };
    let not_fields = |error: &serde_json::Error| {
        let what = error.to_string();
        let what = what.split(PLACE_OF_ERROR).next().unwrap_or(&what);
        broken(
            reason::BAD_JSON,
            &format!("the \"{FIELDS}\" of the record cannot be read: {what}"),
        )
    };
    let record: Pairs<'_> = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    let part = |name: &str| record.0.iter().find(|(known, _)| known == name).map(|(_, raw)| *raw);
    let Some(raw) = part(FIELDS) else {
        return Err(broken(reason::BAD_JSON, "the record has no \"fields\""));
    };
    let pairs: Pairs<'_> = serde_json::from_str(raw.get()).map_err(|error| not_fields(&error))?;
    let mut fields = Fields::default();
    for (name, raw) in pairs.0 {
        if let Some(value) = text_of(raw).map_err(|error| not_fields(&error))? {
            fields.pairs.push((Arc::from(name), value));
        }
    }
    if let Some(raw) = part(CREATED_TIME) {
        let text = text_of(raw).map_err(|error| not_json(&error))?;
        fields.created = text.map(|text| (Arc::from(CREATED_TIME), text));
    }
    if fields.created.is_none() {
        let shown = fields.pairs.iter().find(|(name, _)| is_created_column(name));
        fields.created = shown.cloned();
    }
    Ok(fields)
}

/// What a file is that holds no record, by the first line of it, and what to do.
pub(super) fn looks_like(line: &str) -> &'static str {
    let line = line.trim_start();
    if line.starts_with("{\"records\"") {
        "it looks like a page of the API: write each of its \"records\" on a line of its own"
    } else if line.starts_with('[') {
        "it looks like a JSON array: write each record on a line of its own"
    } else if line.starts_with('{') {
        "it looks like JSON of another shape: write each record on a line of its own, as the API answers it"
    } else if line.starts_with('<') {
        "it looks like a web page: export the table again"
    } else if line.starts_with("PK") {
        "it looks like a spreadsheet or an archive: export the table again"
    } else if line.contains(RUN_ID) {
        "it looks like CSV: use `import airtable-csv`"
    } else {
        "export the table again, or use `import airtable-csv` if it is CSV"
    }
}

/// The text of a value: a string's content, everything else as it stands; nothing for null.
fn text_of(raw: &RawValue) -> Result<Option<String>, serde_json::Error> {
    match raw.get() {
        "null" => Ok(None),
        text if text.starts_with('"') => serde_json::from_str(text).map(Some),
        text => Ok(Some(text.to_owned())),
    }
}

/// The members of a JSON object in their order. A name that stands twice is an error: one of them would be lost.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs: Vec<(String, &RawValue)> = Vec::new();
                while let Some((name, raw)) = map.next_entry::<String, &RawValue>()? {
                    if pairs.iter().any(|(known, _)| *known == name) {
                        return Err(serde::de::Error::custom(format_args!("{name:?} stands there twice")));
                    }
                    if pairs.len() == COLUMNS_MAX {
                        return Err(serde::de::Error::custom(format_args!("more than {COLUMNS_MAX} fields")));
                    }
                    pairs.push((name, raw));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let found = match read_fields(line.as_bytes()) {
            Ok(fields) => {
                let pairs: Vec<_> = fields
                    .pairs
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                format!(
                    "{} {}",
                    pairs.join("|"),
                    fields.created.map_or(String::new(), |(_, text)| text)
                )
            }
            Err(broken) => broken.reason.to_owned(),
        };
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn values_are_taken_as_they_stand() {
        check(
            r#"{"id":"rec1","createdTime":"2025-09-26T15:41:22.297Z","fields":{"Run ID":"x","N":1e999,"B":true,"Z":null}}"#,
            "Run ID=x|N=1e999|B=true 2025-09-26T15:41:22.297Z",
        );
        check(
            r#"{"fields":{"N":0.10,"L":["a"],"T":"line\nline \"q\" é"}}"#,
            "N=0.10|L=[\"a\"]|T=line\nline \"q\" é ",
        );
        check(r#"{"fields":{}}"#, " ");
    }

    #[test]
    fn a_line_that_is_no_record_is_broken() {
        for line in [
            "{",
            "[]",
            "null",
            "1",
            r#"{"id":"x"}"#,
            r#"{"fields":[]}"#,
            r#"{"fields":{"N":NaN}}"#,
        ] {
            check(line, reason::BAD_JSON);
        }
        check(r#"{"fields":{"N":1,"N":2}}"#, reason::BAD_JSON);
        check(r#"{"fields":{"T":"\ud800"}}"#, reason::BAD_JSON);
        check(r#"{"fields":{}} trailing"#, reason::BAD_JSON);
    }
}
